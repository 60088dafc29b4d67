//! Other processes that change the event behind the back of this one.

use jiff::SignedDuration;
use ticketboss::{
    clock::Clock,
    domain::{Command, Facts, Head, HoldSeconds, OperationId, PartnerId, Request, Reserve, SeatCount, decide},
    service::{BoxOffice, Limits, ServiceError, Terms},
    store::EventStore,
};
use uuid::Uuid;

use crate::{
    faulty::{
        Fate::{Conflict, LandsLater, LostUnclear},
        FaultyStore,
    },
    house::{House, LIMITS, key, noon, reserve, soon},
};

/// Another process makes a hold behind the back of this process's task, and dies.
async fn elsewhere(house: &House, reserve: Reserve) {
    let command =
        Command { operation: OperationId::Minted(reserve.minted), expected: None, request: Request::Reserve(reserve) };
    let snapshot = house.store.load(&house.show, soon()).await.expect("loaded").expect("there");
    let decision = decide(&snapshot.event, &Facts::default(), [&command], house.clock.now()).expect("decided");
    house.store.commit(&snapshot, &decision, Head(Uuid::from_u128(77)), soon()).await.expect("committed");
}

#[tokio::test]
async fn a_hold_of_a_dead_process_lapses_although_this_one_knew_an_older_event() {
    let house = House::open(10, LIMITS, |inner| FaultyStore::new(inner, &[])).await;
    house.reserve("acme", 1, Terms::default()).await.expect("free seats");
    let reserve = Reserve {
        hold: Some(HoldSeconds::parse(5, 900).expect("a hold")),
        ..Reserve::any(
            Uuid::from_u128(9),
            PartnerId::parse("zoe").expect("a partner"),
            SeatCount::parse(4, 10).expect("seats"),
        )
    };
    elsewhere(&house, reserve).await;
    assert_eq!(house.free().await, 5);
    house.clock.set(house.clock.now() + SignedDuration::from_secs(5));
    house.within_promised("the hold lapses", async || house.free().await == 9).await;
}

#[tokio::test]
async fn rivals_that_were_met_once_are_looked_for_before_deciding() {
    // More than a task remembers rivals for when it sees no sign of them.
    const ROUNDS: u32 = 40;
    let mut house = House::open(2 * ROUNDS, LIMITS, |inner| FaultyStore::new(inner, &[])).await;
    let partner = PartnerId::parse("zoe").expect("a partner");
    let mut commits = Vec::new();
    for number in 0..ROUNDS {
        house.reserve("acme", 1, Terms::default()).await.expect("free seats");
        let uuid = Uuid::from_u128(100 + u128::from(number));
        elsewhere(&house, Reserve::any(uuid, partner.clone(), SeatCount::parse(1, 10).expect("seats"))).await;
        commits.push(std::iter::from_fn(|| house.begun.try_recv().ok()).count());
    }
    // Each time one of the other process and one of this one; only where nothing was known of the other was one in vain.
    let in_vain: Vec<_> = commits.iter().map(|commits| commits - 2).collect();
    assert_eq!((in_vain.iter().sum::<usize>(), in_vain[1]), (1, 1), "{in_vain:?}");
    assert_eq!(house.free().await, 0);
}

#[tokio::test]
async fn a_keyed_retry_elsewhere_is_not_refused_while_the_first_may_land() {
    let limits = Limits { commit_attempts_max: 1, ..LIMITS };
    let house = House::open(2, limits, |inner| FaultyStore::new(inner, &[])).await;
    let first = house.reserve("acme", 2, Terms::default()).await.expect("free seats");
    house.store.add_fate(LandsLater);
    let (cancel, asked) =
        tokio::join!(house.office.cancel(&first.subject.id, Terms::default()), house.reserve("zoe", 2, key("k")),);
    assert!(matches!(cancel, Err(ServiceError::OutcomeUnknown(_))), "{cancel:?}");
    assert!(matches!(asked, Err(ServiceError::OutcomeUnknown(_))), "{asked:?}");
    let other = BoxOffice::new(house.store.clone(), limits);
    let again = reserve(other.clone(), house.show.clone(), "zoe".to_owned(), 2, key("k")).await;
    let landed = house.store.land(soon()).await;
    let Err(ServiceError::Rejected(why)) = again else { panic!("{again:?}: the event is full") };
    assert_eq!(landed, [false], "it was refused ({why}), and booked after that");
}

#[tokio::test]
async fn a_batch_that_missed_takes_time_anew_and_one_that_may_yet_land_keeps_it() {
    for (fate, made_later) in [(Conflict, true), (LostUnclear, false)] {
        let mut house = House::open(10, LIMITS, FaultyStore::gated).await;
        let asking = house.ask("acme", 1, Terms::default()).await;
        assert_eq!(house.begun.recv().await, Some(1));
        let later = noon() + SignedDuration::from_secs(9);
        house.clock.set(later);
        house.store.add_fate(fate);
        house.store.let_one_pass();
        house.store.let_one_pass();
        let made = asking.await.expect("no panic").expect("the second attempt books").subject;
        assert_eq!(made.created_at, if made_later { later } else { noon() }, "{fate:?}");
    }
}

#[tokio::test]
async fn what_was_made_by_a_process_with_a_faster_clock_is_not_younger_than_what_is_made_after_it() {
    let house = House::open(10, LIMITS, |inner| FaultyStore::new(inner, &[])).await;
    let known = house.reserve("acme", 1, Terms::default()).await.expect("free seats").subject;
    // The other process is an hour ahead; this one has not seen its commit.
    house.clock.set(noon() + SignedDuration::from_hours(1));
    let (uuid, partner) = (Uuid::from_u128(9), PartnerId::parse("zoe").expect("a partner"));
    elsewhere(&house, Reserve::any(uuid, partner, SeatCount::parse(4, 10).expect("seats"))).await;
    house.clock.set(noon() + SignedDuration::from_secs(1));
    let made = house.reserve("acme", 1, Terms::default()).await.expect("free seats").subject;
    assert_eq!(known.created_at, noon());
    assert_eq!((made.created_version.0, made.created_at), (3, noon() + SignedDuration::from_hours(1)));
}
