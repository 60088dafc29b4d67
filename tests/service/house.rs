//! A box office for one show on a store that fails as it is told.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tempfile::TempDir;
use ticketboss::{
    clock::ManualClock,
    domain::{EventId, EventName, IdempotencyKey, PartnerId, Reservation, SeatCount},
    service::{Answer, BoxOffice, Limits, SeatRequest, ServiceError, Terms},
    store::embedded::EmbeddedStore,
};
use tokio::{sync::mpsc, time::Instant};

use crate::faulty::FaultyStore;

/// The answer to a request about a reservation.
pub(crate) type Reserved = Answer<Arc<Reservation>>;

pub(crate) const LIMITS: Limits =
    Limits { commit_batch_max: 64, commit_attempts_max: 5, inbox_max: 8, request_timeout: Duration::from_secs(10) };

/// A box office for one show on a faulty store.
pub(crate) struct House {
    pub(crate) office: BoxOffice,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) begun: mpsc::UnboundedReceiver<usize>,
    pub(crate) show: EventId,
    pub(crate) clock: Arc<ManualClock>,
    _data: TempDir,
}

impl House {
    pub(crate) async fn open(seats: u32, limits: Limits, store: impl FnOnce(EmbeddedStore) -> Faulty) -> Self {
        let clock = Arc::new(ManualClock::at(noon()));
        let data = tempfile::tempdir().expect("a temporary directory");
        let embedded = EmbeddedStore::open(data.path(), clock.clone()).expect("an embedded store");
        let (store, begun) = store(embedded);
        let store = Arc::new(store);
        let office = BoxOffice::new(store.clone(), limits);
        let show = EventId::parse("show").expect("a good id");
        let name = EventName::parse("A show").expect("a good name");
        office.open_event(&show, &name, seats).await.expect("a new event");
        Self { office, store, begun, show, clock, _data: data }
    }

    pub(crate) async fn reserve(&self, partner: &str, seats: u32, terms: Terms) -> Result<Reserved, ServiceError> {
        reserve(self.office.clone(), self.show.clone(), partner.to_owned(), seats, terms).await
    }

    /// Asks without waiting for the answer. The request has reached the inbox when this returns.
    pub(crate) async fn ask(
        &self,
        partner: &str,
        seats: u32,
        terms: Terms,
    ) -> tokio::task::JoinHandle<Result<Reserved, ServiceError>> {
        let mut asking = Box::pin(reserve(self.office.clone(), self.show.clone(), partner.to_owned(), seats, terms));
        // The first poll puts the command into the inbox; the answer cannot be there yet.
        assert!(futures_util::poll!(&mut asking).is_pending());
        tokio::spawn(asking)
    }

    pub(crate) async fn free(&self) -> u32 {
        self.office.event(&self.show).await.expect("a summary").available_seats
    }
}

pub(crate) type Faulty = (FaultyStore, mpsc::UnboundedReceiver<usize>);

pub(crate) async fn reserve(
    office: BoxOffice,
    show: EventId,
    partner: String,
    seats: u32,
    terms: Terms,
) -> Result<Reserved, ServiceError> {
    let partner = PartnerId::parse(&partner).expect("a good partner");
    let request = SeatRequest {
        partner_id: partner,
        seats: SeatCount::parse(seats, 10).expect("a good count"),
        seat_ids: Arc::default(),
        waitlist: false,
        hold: None,
    };
    office.reserve(&show, request, terms).await
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

pub(crate) fn key(key: &str) -> Terms {
    Terms { key: Some(IdempotencyKey::parse(key).expect("a good key")), ..Terms::default() }
}

/// When the stories begin.
pub(crate) fn noon() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}
