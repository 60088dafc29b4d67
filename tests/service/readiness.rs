//! What probes are told, and when.

use std::time::Duration;

use ticketboss::service::{Limits, ServiceError};
use tokio::time::Instant;

use crate::{
    faulty::FaultyStore,
    house::{House, LIMITS},
};

/// What an orchestrator waits for an answer.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn readiness_is_told_within_a_second_however_long_a_request_may_take() {
    let limits = Limits { request_timeout: Duration::from_mins(5), ..LIMITS };
    let house = House::open(5, limits, |store| FaultyStore::new(store, &[])).await;
    house.office.ready(&house.show).await.expect("ready");
    house.store.hang();
    for _ in 0..3 {
        let begun = Instant::now();
        let told = house.office.ready(&house.show).await;
        assert!(begun.elapsed() < PROBE_PATIENCE, "it took {:?}", begun.elapsed());
        assert!(matches!(told, Err(ServiceError::Unavailable(_))), "{told:?}");
    }
}
