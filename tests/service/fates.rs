//! Group commit under every fate that a commit can meet.

use std::time::Duration;

use futures_util::future::join_all;
use ticketboss::{
    domain::{EventId, Rejection, ReservationId, Status},
    service::{Limits, ServiceError, Terms},
};
use tokio::time::Instant;

use crate::{
    faulty::{
        Fate::{AppliedUnclear, Conflict, LandsLater, LostUnclear, RefusesPoison, Untouched},
        FaultyStore,
    },
    house::{House, LIMITS, key, reserve, soon},
};

#[tokio::test]
async fn a_commit_that_was_applied_unseen_is_found_and_answered_once() {
    let house = House::open(10, LIMITS, |inner| FaultyStore::new(inner, &[AppliedUnclear])).await;
    let answer = house.reserve("acme", 3, Terms::default()).await.expect("it was booked");
    assert!(!answer.replayed, "to the partner this is the first answer");
    assert_eq!(answer.subject.version.0, 1);
    assert_eq!(house.free().await, 7);
}

#[tokio::test]
async fn a_commit_that_was_lost_unseen_is_made_again() {
    let house = House::open(10, LIMITS, |inner| FaultyStore::new(inner, &[LostUnclear, LostUnclear])).await;
    house.reserve("acme", 3, key("k")).await.expect("the third attempt books");
    assert_eq!(house.free().await, 7);
}

#[tokio::test]
async fn a_commit_that_lands_after_its_retry_changes_nothing() {
    let house = House::open(10, LIMITS, |inner| FaultyStore::new(inner, &[LandsLater])).await;
    house.reserve("acme", 3, Terms::default()).await.expect("the second attempt books");
    assert_eq!(house.store.land(soon()).await, [false]);
    assert_eq!(house.free().await, 7);
}

#[tokio::test]
async fn giving_up_after_an_unclear_commit_names_the_reservation_that_may_exist() {
    let limits = Limits { commit_attempts_max: 1, ..LIMITS };
    let house = House::open(10, limits, |inner| FaultyStore::new(inner, &[LandsLater])).await;
    let error = house.reserve("acme", 3, Terms::default()).await.expect_err("one attempt is not enough");
    let ServiceError::OutcomeUnknown(Some(id)) = error else { panic!("{error:?} calls an unclear attempt failed") };
    assert_eq!(house.store.land(soon()).await, [true], "it lands late");
    let found = house.office.reservation(&id).await.expect("the named reservation");
    assert_eq!((found.reservation.status, found.reservation.seats.get()), (Status::Confirmed, 3));
}

#[tokio::test]
async fn a_retry_with_its_key_after_an_unknown_outcome_books_once() {
    let limits = Limits { commit_attempts_max: 1, ..LIMITS };
    for fate in [AppliedUnclear, LostUnclear] {
        let house = House::open(10, limits, |inner| FaultyStore::new(inner, &[fate])).await;
        let error = house.reserve("acme", 3, key("k")).await.expect_err("nobody knows");
        let ServiceError::OutcomeUnknown(Some(id)) = error else { panic!("{error:?}") };
        let answer = house.reserve("acme", 3, key("k")).await.expect("the retry");
        assert_eq!(answer.subject.id, id);
        assert_eq!(answer.replayed, fate == AppliedUnclear);
        assert_eq!(house.free().await, 7);
    }
}

#[tokio::test]
async fn a_duplicate_in_an_unclear_commit_is_not_told_that_nothing_was_changed() {
    let limits = Limits { commit_attempts_max: 2, ..LIMITS };
    let mut house = House::open(10, limits, FaultyStore::gated).await;
    let first = house.ask("first", 1, Terms::default()).await;
    assert_eq!(house.begun.recv().await, Some(1));
    let original = house.ask("acme", 3, key("k")).await;
    let duplicate = house.ask("acme", 3, key("k")).await;
    for fate in [Untouched, LandsLater, Conflict] {
        house.store.add_fate(fate);
        house.store.let_one_pass();
    }
    first.await.expect("no panic").expect("booked");
    for asked in [original, duplicate] {
        let error = asked.await.expect("no panic").expect_err("two attempts are not enough");
        assert!(matches!(error, ServiceError::OutcomeUnknown(Some(_))), "{error:?}");
    }
    assert_eq!(house.store.land(soon()).await, [true], "it lands late");
}

#[tokio::test]
async fn a_refusal_leaves_only_when_no_unclear_commit_can_land_any_more() {
    let limits = Limits { commit_attempts_max: 1, ..LIMITS };
    let house = House::open(10, limits, |inner| FaultyStore::new(inner, &[LandsLater])).await;
    let error = house.reserve("acme", 3, Terms::default()).await.expect_err("one attempt is not enough");
    let ServiceError::OutcomeUnknown(Some(id)) = error else { panic!("{error:?}") };
    let error = house.office.cancel(&id, Terms::default()).await.expect_err("it is not there");
    assert!(matches!(error, ServiceError::Rejected(Rejection::UnknownReservation(_))), "{error:?}");
    assert_eq!(house.store.land(soon()).await, [false], "what was said to be absent stays absent");
    assert_eq!(house.free().await, 10);
}

#[tokio::test]
async fn misses_within_the_allowed_attempts_stay_unseen_and_one_more_is_a_version_conflict() {
    let house = House::open(10, LIMITS, |inner| FaultyStore::new(inner, &[Conflict; 4])).await;
    house.reserve("acme", 1, Terms::default()).await.expect("the fifth attempt books");

    let house = House::open(10, LIMITS, |inner| FaultyStore::new(inner, &[Conflict; 5])).await;
    let error = house.reserve("acme", 1, Terms::default()).await.expect_err("five misses");
    assert!(matches!(error, ServiceError::VersionConflict), "{error:?}");
    assert_eq!(house.free().await, 10);
}

#[tokio::test]
async fn what_gathers_during_a_commit_becomes_one_batch_in_order_of_arrival() {
    let mut house = House::open(10, LIMITS, FaultyStore::gated).await;
    let first = house.ask("first", 1, Terms::default()).await;
    assert_eq!(house.begun.recv().await, Some(1));
    let mut others = Vec::new();
    for partner in ["a", "b", "c", "d"] {
        others.push(house.ask(partner, 3, Terms::default()).await);
    }
    house.store.let_one_pass();
    assert_eq!(house.begun.recv().await, Some(3), "three times three seats fit beside the first, in one commit");
    house.store.let_one_pass();

    assert_eq!(first.await.expect("no panic").expect("booked").subject.version.0, 1);
    let answers = join_all(others).await.into_iter().map(|answer| answer.expect("no panic"));
    let versions: Vec<_> = answers.map(|answer| answer.map(|answer| answer.subject.version.0)).collect();
    assert!(matches!(&versions[..3], [Ok(2), Ok(3), Ok(4)]), "{versions:?}");
    let sold_out = Rejection::InsufficientSeats { requested: 3, available: 0, waiting: 0 };
    assert!(matches!(&versions[3], Err(ServiceError::Rejected(why)) if *why == sold_out), "{versions:?}");
}

#[tokio::test]
async fn a_client_that_hangs_up_changes_nothing() {
    let mut house = House::open(10, LIMITS, FaultyStore::gated).await;
    let asking = house.ask("acme", 4, Terms::default()).await;
    assert_eq!(house.begun.recv().await, Some(1));
    asking.abort();
    house.store.let_one_pass();
    let next = house.ask("next", 1, Terms::default()).await;
    assert_eq!(house.begun.recv().await, Some(1), "the first commit is through when the second begins");
    house.store.let_one_pass();
    next.await.expect("no panic").expect("booked");
    assert_eq!(house.free().await, 5);
}

#[tokio::test]
async fn a_full_inbox_turns_the_next_one_away_at_once() {
    let mut house = House::open(100, LIMITS, FaultyStore::gated).await;
    let first = house.ask("first", 1, Terms::default()).await;
    assert_eq!(house.begun.recv().await, Some(1));
    let mut waiting = Vec::new();
    for _ in 0..LIMITS.inbox_max {
        waiting.push(house.ask("acme", 1, Terms::default()).await);
    }
    let error = house.reserve("late", 1, Terms::default()).await.expect_err("there is no room");
    assert!(matches!(error, ServiceError::Overloaded), "{error:?}");
    house.store.let_one_pass();
    house.store.let_one_pass();
    for asked in std::iter::once(first).chain(waiting) {
        asked.await.expect("no panic").expect("those inside are served");
    }
}

#[tokio::test]
async fn a_command_whose_time_is_up_in_the_inbox_stays_without_effect() {
    let limits = Limits { request_timeout: Duration::from_secs(1), ..LIMITS };
    let mut house = House::open(10, limits, FaultyStore::gated).await;
    let first = house.ask("first", 1, Terms::default()).await;
    assert_eq!(house.begun.recv().await, Some(1));
    let second = house.ask("second", 1, Terms::default()).await;
    // The first commit is held up until the second command's time is over and the third's is not; time is what this
    // test is about.
    let asked = Instant::now();
    tokio::time::sleep_until(asked + limits.request_timeout * 4 / 5).await;
    let third = house.ask("third", 1, Terms::default()).await;
    tokio::time::sleep_until(asked + limits.request_timeout).await;
    house.store.let_one_pass();
    assert_eq!(house.begun.recv().await, Some(1), "only the third is committed");
    house.store.let_one_pass();

    // What became of a commit that was held up so long must not be called a failure without knowing.
    let error = first.await.expect("no panic").expect_err("its time is up");
    assert!(matches!(error, ServiceError::Unavailable(_) | ServiceError::OutcomeUnknown(_)), "{error:?}");
    let error = second.await.expect("no panic").expect_err("its time is up");
    assert!(matches!(error, ServiceError::Overloaded | ServiceError::Unavailable(_)), "{error:?}");
    third.await.expect("no panic").expect("booked");
    assert_eq!(house.free().await, 9, "what was told unchanged is unchanged");
}

#[tokio::test]
async fn one_poisonous_command_fails_alone() {
    let mut house = House::open(10, LIMITS, |inner| {
        let (store, begun) = FaultyStore::gated(inner);
        store.add_fate(RefusesPoison);
        (store, begun)
    })
    .await;
    let first = house.ask("first", 1, Terms::default()).await;
    assert_eq!(house.begun.recv().await, Some(1));
    let others = [
        house.ask("a", 1, Terms::default()).await,
        house.ask("poison", 1, Terms::default()).await,
        house.ask("b", 1, Terms::default()).await,
    ];
    for _ in 0..6 {
        house.store.let_one_pass();
    }
    first.await.expect("no panic").expect("booked");
    let [a, poison, b] = others.map(|asked| async { asked.await.expect("no panic") });
    let (a, poison, b) = tokio::join!(a, poison, b);
    assert!(matches!(poison, Err(ServiceError::Internal(_))), "{poison:?}");
    a.and(b).expect("the others are booked");
    assert_eq!(house.free().await, 7);
}

#[tokio::test]
async fn one_poisonous_command_fails_alone_also_when_an_attempt_before_may_yet_land() {
    for fate in [LandsLater, LostUnclear] {
        let mut house = House::open(10, LIMITS, FaultyStore::gated).await;
        let first = house.ask("first", 1, Terms::default()).await;
        assert_eq!(house.begun.recv().await, Some(1));
        let others = [
            house.ask("a", 1, Terms::default()).await,
            house.ask("poison", 1, Terms::default()).await,
            house.ask("b", 1, key("k")).await,
            house.ask("many", 10, Terms::default()).await,
            house.ask("c", 1, Terms::default()).await,
        ];
        for fate in [Untouched, fate, RefusesPoison] {
            house.store.add_fate(fate);
        }
        for _ in 0..20 {
            house.store.let_one_pass();
        }
        first.await.expect("no panic").expect("booked");
        let [a, poison, b, many, c] = others.map(|asked| async { asked.await.expect("no panic") });
        let (a, poison, b, many, c) = tokio::join!(a, poison, b, many, c);
        assert!(matches!(poison, Err(ServiceError::Internal(_))), "{poison:?}");
        for booked in [a, b, c] {
            assert!(!booked.expect("the others are booked").replayed);
        }
        let why = many.expect_err("there are not as many");
        assert!(
            matches!(why, ServiceError::Rejected(Rejection::InsufficientSeats { requested: 10, .. })),
            "{why:?}: what was asked for without an effect is told so"
        );
        assert!(!house.store.land(soon()).await.contains(&true), "what was told not to be done is not done later");
        assert_eq!(house.free().await, 6);
    }
}

#[tokio::test]
async fn a_poisonous_command_whose_attempt_was_applied_unseen_is_not_told_that_it_failed() {
    let mut house = House::open(10, LIMITS, FaultyStore::gated).await;
    let first = house.ask("first", 1, Terms::default()).await;
    assert_eq!(house.begun.recv().await, Some(1));
    let poison = house.ask("poison", 1, Terms::default()).await;
    for fate in [Untouched, AppliedUnclear, RefusesPoison] {
        house.store.add_fate(fate);
    }
    for _ in 0..20 {
        house.store.let_one_pass();
    }
    first.await.expect("no panic").expect("booked");
    assert!(!poison.await.expect("no panic").expect("it is found").replayed);
    assert_eq!(house.free().await, 8);
}

#[tokio::test]
async fn closing_answers_what_was_accepted_and_turns_the_rest_away() {
    let mut house = House::open(10, LIMITS, FaultyStore::gated).await;
    let accepted = house.ask("acme", 2, Terms::default()).await;
    assert_eq!(house.begun.recv().await, Some(1));
    let office = house.office.clone();
    let mut closing = Box::pin(office.close(Duration::from_secs(10)));
    assert!(futures_util::poll!(&mut closing).is_pending(), "a command is in flight");
    let error = house.reserve("late", 1, Terms::default()).await.expect_err("the house is closing");
    assert!(matches!(error, ServiceError::Unavailable(_)), "{error:?}");
    house.store.let_one_pass();
    closing.await;
    accepted.await.expect("no panic").expect("what was accepted is booked");
}

#[tokio::test]
async fn an_unknown_event_is_said_to_be_unknown() {
    let house = House::open(10, LIMITS, |inner| FaultyStore::new(inner, &[])).await;
    let nowhere = EventId::parse("nowhere").expect("a good id");
    let error = reserve(house.office.clone(), nowhere.clone(), "acme".to_owned(), 1, Terms::default()).await;
    assert!(matches!(error, Err(ServiceError::UnknownEvent(id)) if id == nowhere));
    let id = ReservationId { event_id: nowhere, uuid: uuid::Uuid::nil() };
    let error = house.office.cancel(&id, Terms::default()).await.expect_err("there is none");
    assert!(matches!(error, ServiceError::Rejected(Rejection::UnknownReservation(_))), "{error:?}");
}
