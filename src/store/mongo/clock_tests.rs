use bson::{DateTime, doc};

use super::*;
use crate::{
    clock::{Clock, SystemClock},
    store::mongo::mongod,
};

const TOLD: i64 = 1_800_000_000_000;

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).expect("a good time")
}

fn told_at(answered: Duration) -> Measurement {
    let hello = doc! { "isWritablePrimary": true, "localTime": DateTime::from_millis(TOLD) };
    Measurement::of(&hello, answered).expect("hello tells the time")
}

#[test]
fn time_goes_on_from_what_the_primary_told_and_is_never_ahead_of_it() {
    let answered = Duration::from_secs(90);
    let before = Duration::from_secs(89);
    let measurement = told_at(answered);
    for (elapsed_ms, expected) in [(0, TOLD), (1, TOLD), (10, TOLD + 9), (1_000, TOLD + 999), (30_000, TOLD + 29_970)] {
        let time = measurement.time_at(answered + Duration::from_millis(elapsed_ms));
        assert_eq!(time, Some(at(expected)), "{elapsed_ms} ms after the answer");
    }
    assert_eq!(measurement.time_at(before), Some(at(TOLD)), "asked before the answer");
}

#[test]
fn an_old_measurement_tells_nothing() {
    let answered = Duration::from_secs(90);
    let too_old = answered + FRESH_FOR + Duration::from_millis(1);
    assert_eq!(told_at(answered).time_at(too_old), None);
}

#[test]
fn an_answer_without_a_time_is_no_measurement() {
    assert!(Measurement::of(&doc! { "isWritablePrimary": true }, Duration::ZERO).is_err());
}

#[tokio::test]
async fn a_store_that_was_never_reached_has_no_time() {
    // A port that nobody listens at.
    let uri = "mongodb://127.0.0.1:1/?directConnection=true&serverSelectionTimeoutMS=50";
    let clock = PrimaryClock::new(Arc::new(Deployment::connect(uri).await.expect("a good connection string")));
    let deadline = Instant::now() + Duration::from_millis(400);
    let why = clock.now(deadline).await.expect_err("nobody tells the time");
    assert!(matches!(&why, StoreError::Unavailable(why) if why.contains("time is not known")), "{why}");
    assert!(Instant::now() < deadline + Duration::from_millis(400), "it took too long to say so");

    // What was measured in time goes on without the primary; what was not does not come back.
    *clock.last.lock().expect("whole") = Some(told_at(uptime()));
    assert!(clock.now(deadline).await.is_ok_and(|now| now >= at(TOLD)));
    *clock.last.lock().expect("whole") = Some(told_at(Duration::ZERO));
    assert!(clock.now(Instant::now() + Duration::from_millis(100)).await.is_err(), "an old measurement was used");
    clock.deployment.shutdown().await;
}

#[tokio::test]
async fn the_first_who_asks_gets_the_primarys_time() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("clock"));
    let clock = PrimaryClock::new(Arc::new(Deployment::connect(&uri).await.expect("a good connection string")));
    let before = SystemClock.now();
    let now = clock.now(Instant::now() + Duration::from_secs(20)).await.expect("the primary tells");
    // The primary runs on this machine.
    assert!((before..=SystemClock.now()).contains(&now), "{now} after {before}");
    clock.deployment.shutdown().await;
}
