//! A store that can be read and takes no writes.

use std::time::Duration;

use ticketboss::{
    domain::{Details, EventId, EventName, Quotas, Rejection},
    service::{NewEvent, Seating, ServiceError, Terms},
};
use tokio::time::timeout;

use crate::{
    faulty::{
        Fate::{AppliedUnclear, AppliedUnclearThenReadOnly, LostUnclear},
        FaultyStore,
    },
    house::{House, LIMITS, key},
};

/// Far less than a request may take, and far more than not waiting takes on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn at_once<T>(answer: impl Future<Output = T>) -> T {
    timeout(AT_ONCE, answer).await.expect("answered at once, not when the time of the request is over")
}

fn expect_read_only<T>(answer: Result<T, ServiceError>) {
    let error = answer.err().expect("nothing is written");
    assert!(matches!(error, ServiceError::ReadOnly(_)), "{error:?}");
}

fn new_event(id: &str) -> NewEvent {
    NewEvent {
        id: Some(EventId::parse(id).expect("a good id")),
        name: EventName::parse("A show").expect("a good name"),
        details: Details::default(),
        quotas: Quotas::default(),
        seating: Seating::Unnamed(10),
    }
}

#[tokio::test]
async fn whoever_wants_to_change_something_is_told_at_once_and_counted_and_reads_go_on() {
    let house = House::open(3, LIMITS, |inner| FaultyStore::new(inner, &[])).await;
    let booked = house.reserve("acme", 3, key("booked")).await.expect("seats").subject;
    house.store.set_read_only(true);
    // Sold out, as far as is known here: a refusal that would have to be proven.
    for number in 0..20 {
        expect_read_only(at_once(house.reserve("globex", 1, Terms::default())).await);
        expect_read_only(at_once(house.reserve("globex", 1, key(&format!("k{number}")))).await);
    }
    expect_read_only(at_once(house.office.cancel(&booked.id, Terms::default())).await);
    expect_read_only(at_once(house.reserve("acme", 3, key("booked"))).await);
    let error = at_once(house.office.create_event(new_event("other"), Terms::default())).await.expect_err("no event");
    assert!(matches!(error, ServiceError::ReadOnly(_)), "{error:?}");
    assert_eq!(house.store.count_turned_away(), 43);
    assert!(house.office.ready(&house.show).await.is_err());
    assert_eq!(
        (house.free().await, house.office.reservation(&booked.id).await.expect("a read").reservation),
        (0, booked.clone())
    );

    house.store.set_read_only(false);
    let error = house.reserve("globex", 1, Terms::default()).await.expect_err("sold out");
    assert!(matches!(error, ServiceError::Rejected(Rejection::InsufficientSeats { .. })), "{error:?}");
    assert!(house.reserve("acme", 3, key("booked")).await.expect("the same answer").replayed);
    house.office.cancel(&booked.id, Terms::default()).await.expect("a cancel");
    assert_eq!(house.free().await, 3);
}

#[tokio::test]
async fn only_the_commit_that_may_have_been_made_is_called_unknown_and_at_once() {
    let house = House::open(10, LIMITS, |inner| FaultyStore::new(inner, &[AppliedUnclearThenReadOnly])).await;
    let error = at_once(house.reserve("acme", 3, key("k"))).await.expect_err("nobody knows");
    assert!(matches!(error, ServiceError::OutcomeUnknown(Some(_))), "{error:?}");
    expect_read_only(at_once(house.reserve("globex", 1, Terms::default())).await);
    assert_eq!(house.store.count_turned_away(), 1, "who does not know was not turned away");
    house.store.set_read_only(false);
    assert!(house.reserve("acme", 3, key("k")).await.expect("it was made").replayed);
    assert_eq!(house.free().await, 7);
}

#[tokio::test]
async fn an_attempt_before_the_outage_that_may_have_been_made_is_not_called_refused_by_it() {
    for fate in [AppliedUnclear, LostUnclear] {
        let house = House::open(10, LIMITS, |inner| FaultyStore::new(inner, &[fate, AppliedUnclearThenReadOnly])).await;
        let answer = at_once(house.reserve("acme", 3, key("k"))).await;
        match (fate, answer) {
            // It was found at once.
            (AppliedUnclear, Ok(answer)) => assert!(!answer.replayed),
            (LostUnclear, Err(ServiceError::OutcomeUnknown(Some(_)))) => {}
            (fate, answer) => panic!("{fate:?}: {answer:?}"),
        }
        house.store.set_read_only(false);
        house.reserve("acme", 3, key("k")).await.expect("booked once");
        assert_eq!(house.free().await, 7);
    }
}
