use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    domain::{Decision, Event, EventId, EventSummary, Facts, Head, Reservation, ReservationId, Version, Wanted},
    store::{
        Base, CommitError, Creation, EventStore, FactsError, ReservationPage, ReservationQuery, Snapshot, StoreError,
    },
};

/// A store that nobody can reach.
pub(super) struct Away;

fn away<T, E: From<StoreError>>() -> Result<T, E> {
    Err(StoreError::Unavailable("away".to_owned()).into())
}

#[async_trait]
impl EventStore for Away {
    async fn create(&self, _: &Event, _: Head, _: Instant) -> Result<Creation, StoreError> {
        away()
    }
    async fn load(&self, _: &EventId, _: Instant) -> Result<Option<Snapshot>, StoreError> {
        away()
    }
    async fn facts(&self, _: &Snapshot, _: &Wanted, _: Instant) -> Result<Facts, FactsError> {
        away()
    }
    async fn commit(&self, _: &Snapshot, _: &Decision, _: Head, _: Instant) -> Result<Snapshot, CommitError> {
        away()
    }
    async fn prove(&self, _: &EventId, _: Base, _: Instant) -> Result<bool, StoreError> {
        away()
    }
    async fn event(&self, _: &EventId, _: Instant) -> Result<Option<Event>, StoreError> {
        away()
    }
    async fn reservation(&self, _: &ReservationId, _: Instant) -> Result<Option<Arc<Reservation>>, StoreError> {
        away()
    }
    async fn waitlist_positions(
        &self,
        _: &EventId,
        _: &[Version],
        _: usize,
        _: Instant,
    ) -> Result<Option<Vec<u32>>, StoreError> {
        away()
    }
    async fn events(&self, _: Option<&EventId>, _: usize, _: Instant) -> Result<Vec<EventSummary>, StoreError> {
        away()
    }
    async fn reservations(&self, _: &ReservationQuery, _: usize, _: Instant) -> Result<ReservationPage, StoreError> {
        away()
    }
    async fn due(&self, _: Timestamp, _: usize, _: Instant) -> Result<Vec<EventId>, StoreError> {
        away()
    }
    async fn now(&self, _: Instant) -> Result<Timestamp, StoreError> {
        away()
    }
    fn is_shared(&self) -> bool {
        false
    }

    async fn ready(&self, _: Instant) -> Result<(), StoreError> {
        away()
    }
    async fn close(&self, _: Instant) {}
}
