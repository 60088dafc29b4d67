//! What a sale needs beside selling: holds that lapse by themselves, a waitlist that is served, amendments that are done once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::SignedDuration;
use ticketboss::{
    domain::{
        Amend, CHANGES_MAX, Details, EventId, EventName, Expected, HoldSeconds, PartnerId, Quotas, Rejection,
        SeatCount, Status, Version,
    },
    service::{Limits, NewEvent, SeatRequest, Seating, ServiceError, Terms},
};
use tokio::time::timeout;

use crate::{
    faulty::{
        Fate::{AppliedUnclear, Conflict, LandsLater, LostUnclear},
        FaultyStore,
    },
    house::{House, LIMITS, Reserved, key, soon},
};

/// Within this time the house does by itself whatever is due.
const PROMISED: Duration = Duration::from_secs(2);

#[tokio::test]
async fn seats_of_a_lapsed_hold_come_free_without_any_request() {
    let house = open(10).await;
    let held = house.hold("acme", 4, 60).await;
    assert_eq!((held.subject.status, house.free().await), (Status::Held, 6));
    house.pass(59);
    house.store.looked_for_due_events().await;
    assert_eq!(house.free().await, 6, "a hold does not lapse early");
    house.pass(1);
    house.within_promised("the seats come free", async || house.free().await == 10).await;
    let standing = house.office.reservation(&held.subject.id).await.expect("it is there");
    assert_eq!(standing.reservation.status, Status::Expired);
}

#[tokio::test]
async fn seats_of_a_lapsed_hold_go_to_the_head_of_the_waitlist() {
    let house = open(4).await;
    house.hold("acme", 4, 60).await;
    let first = house.wait("first", 3).await;
    let second = house.wait("second", 1).await;
    let third = house.wait("third", 1).await;
    let positions = [&first, &second, &third].map(|waiting| waiting.subject.waitlist_position_at_first());
    assert_eq!(positions, [Some(1), Some(2), Some(3)]);
    house.pass(60);
    house.within_promised("the waitlist is served", async || house.status(&first).await == Status::Confirmed).await;
    assert_eq!(house.status(&second).await, Status::Confirmed);
    assert_eq!(house.status(&third).await, Status::Waitlisted);
    let standing = house.office.reservation(&third.subject.id).await.expect("it is there");
    assert_eq!(standing.waitlist_position, Some(1));
}

#[tokio::test]
async fn a_hold_that_expired_is_expired_for_every_decision_at_once() {
    let house = open(4).await;
    let held = house.hold("acme", 4, 60).await;
    house.pass(60);
    let error = house.office.confirm(&held.subject.id, Terms::default()).await.expect_err("it is too late");
    assert!(matches!(error, ServiceError::Rejected(Rejection::HoldExpired)), "{error:?}");
    house.reserve("zoe", 4, Terms::default()).await.expect("the seats are free");
    // A clock that runs backwards brings nothing back.
    house.clock.set(house.clock_now() - SignedDuration::from_secs(60));
    let error = house.office.confirm(&held.subject.id, Terms::default()).await.expect_err("it has expired");
    assert!(matches!(error, ServiceError::Rejected(Rejection::HoldExpired)), "{error:?}");
}

#[tokio::test]
async fn more_holds_than_one_commit_can_carry_lapse_before_anything_else_is_decided() {
    let holds = CHANGES_MAX + 500;
    let limits = Limits { inbox_max: 2 * holds, commit_batch_max: 4_096, ..LIMITS };
    let seats = u32::try_from(holds).expect("a small number");
    let mut house = House::open(seats, limits, |inner| FaultyStore::new(inner, &[])).await;
    let held = join_all((0..holds).map(|_| house.ask_for("acme", 1, Some(60), false))).await;
    assert!(held.iter().all(Result::is_ok));
    assert_eq!(house.free().await, 0);
    while house.begun.try_recv().is_ok() {}

    house.pass(60);
    let booked = join_all((0..20).map(|_| house.ask_for("late", 10, None, false))).await;
    assert!(booked.iter().all(Result::is_ok), "all seats are free, whatever one commit can carry");
    assert_eq!(house.free().await, seats - 200);
    let mut sizes = Vec::new();
    while let Ok(size) = house.begun.try_recv() {
        sizes.push(size);
    }
    assert_eq!(sizes[0], CHANGES_MAX, "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), holds + 20, "every hold lapsed once: {sizes:?}");
}

#[tokio::test]
async fn a_waitlist_longer_than_one_commit_can_carry_is_served_to_its_end() {
    let waiting = CHANGES_MAX + 500;
    let limits = Limits { inbox_max: 2 * waiting, commit_batch_max: 4_096, ..LIMITS };
    let house = House::open(1, limits, |inner| FaultyStore::new(inner, &[])).await;
    house.reserve("first", 1, Terms::default()).await.expect("a free seat");
    let joined = join_all((0..waiting).map(|_| house.ask_for("acme", 1, None, true))).await;
    let joined: Vec<_> = joined.into_iter().map(|answer| answer.expect("a place on the list")).collect();

    let amend = Amend { total_seats: Some(10_000), ..Amend::default() };
    house.office.amend_event(&house.show, amend, at_any_version()).await.expect("more seats");
    house.within_promised("everybody is served", async || house.event().await.waitlist_count == 0).await;
    let event = house.event().await;
    assert_eq!(event.available_seats as usize, 10_000 - 1 - waiting);
    let mut promoted = Vec::new();
    for reservation in joined {
        let standing = house.office.reservation(&reservation.subject.id).await.expect("it is there").reservation;
        promoted.push((standing.created_version, standing.version));
    }
    promoted.sort();
    assert!(promoted.is_sorted_by_key(|(_, version)| *version), "in the order of the list");
}

#[tokio::test]
async fn an_amendment_that_was_applied_unseen_is_found_and_answered_once() {
    let house = open(10).await;
    for (fate, seats) in [(AppliedUnclear, 20), (LostUnclear, 30), (LandsLater, 40), (Conflict, 50)] {
        house.store.add_fate(fate);
        let version = house.event().await.version;
        let amend = Amend { total_seats: Some(seats), ..Amend::default() };
        let answer = house.office.amend_event(&house.show, amend, at(version)).await.expect("it is done");
        assert_eq!((answer.subject.version, answer.subject.total_seats), (version.next(), seats), "{fate:?}");
        assert!(!answer.replayed, "{fate:?}: to the organizer this is the first answer");
        assert!(!house.store.land(soon()).await.contains(&true), "{fate:?}");
        assert_eq!(house.event().await.total_seats, seats, "{fate:?}");
    }
}

#[tokio::test]
async fn an_unclear_amendment_is_never_called_failed() {
    let limits = Limits { commit_attempts_max: 1, ..LIMITS };
    let house = House::open(10, limits, |inner| FaultyStore::new(inner, &[LandsLater])).await;
    let amend = Amend { total_seats: Some(20), ..Amend::default() };
    let terms = || Terms { expected: Some(Expected::Versions(vec![Version(0)])), ..key("k") };
    let error = house.office.amend_event(&house.show, amend.clone(), terms()).await.expect_err("nobody knows");
    assert!(matches!(error, ServiceError::OutcomeUnknown(None)), "{error:?}");
    assert_eq!(house.store.land(soon()).await, [true]);
    let answer = house.office.amend_event(&house.show, amend, terms()).await.expect("the retry finds it");
    assert!(answer.replayed);
    assert_eq!((answer.subject.version, answer.subject.total_seats), (Version(1), 20));
}

#[tokio::test]
async fn a_confirmation_that_was_applied_unseen_is_found_and_answered_once() {
    let house = open(10).await;
    for fate in [AppliedUnclear, LostUnclear, LandsLater, Conflict] {
        let held = house.hold("acme", 1, 60).await;
        house.store.add_fate(fate);
        let answer = house.office.confirm(&held.subject.id, Terms::default()).await.expect("it is done");
        assert_eq!((answer.subject.status, answer.replayed), (Status::Confirmed, false), "{fate:?}");
        assert_eq!(answer.subject.version, held.subject.version.next(), "{fate:?}");
        assert!(!house.store.land(soon()).await.contains(&true), "{fate:?}");
    }
    assert_eq!((house.event().await.reservation_count, house.free().await), (4, 6));
}

#[tokio::test]
async fn promotions_are_in_the_commit_of_the_cancel_that_made_room() {
    let mut house = open(2).await;
    let first = house.reserve("acme", 2, Terms::default()).await.expect("free seats");
    house.wait("one", 1).await;
    house.wait("two", 1).await;
    while house.begun.try_recv().is_ok() {}
    house.office.cancel(&first.subject.id, Terms::default()).await.expect("it is there");
    assert_eq!(house.begun.try_recv(), Ok(3), "a cancel and two promotions in one commit");
    let event = house.event().await;
    assert_eq!((event.available_seats, event.waitlist_count, event.reservation_count), (0, 0, 2));
}

#[tokio::test]
async fn an_event_is_made_once() {
    let house = open(10).await;
    let new = |id: Option<&str>, name: &str| NewEvent {
        id: id.map(|id| EventId::parse(id).expect("an id")),
        name: EventName::parse(name).expect("a name"),
        details: Details::default(),
        quotas: Quotas::default(),
        seating: Seating::Unnamed(5),
    };
    let office = &house.office;
    let made = office.create_event(new(Some("gala"), "Gala"), key("k")).await.expect("a new event");
    assert_eq!((made.replayed, made.subject.total_seats, made.subject.version), (false, 5, Version(0)));
    let again = office.create_event(new(Some("gala"), "Gala"), key("k")).await.expect("the same request");
    assert!(again.replayed && again.subject == made.subject);
    let error = office.create_event(new(Some("gala"), "Ball"), key("k")).await.expect_err("another request");
    assert!(matches!(error, ServiceError::Rejected(Rejection::KeyReused)), "{error:?}");
    for terms in [Terms::default(), key("other")] {
        let error = office.create_event(new(Some("gala"), "Gala"), terms).await.expect_err("it is there");
        assert!(matches!(error, ServiceError::EventExists(id) if id.as_str() == "gala"));
    }

    // Without an id of its own the key gives it one, so that a retry meets it.
    let minted = office.create_event(new(None, "Ball"), key("ball")).await.expect("a new event");
    let again = office.create_event(new(None, "Ball"), key("ball")).await.expect("the same request");
    assert!(!minted.replayed && again.replayed && again.subject == minted.subject);
    let mut ids = HashSet::new();
    for _ in 0..2 {
        ids.insert(
            office.create_event(new(None, "Ball"), Terms::default()).await.expect("a new event").subject.id.clone(),
        );
    }
    assert_eq!(ids.len(), 2, "without key and id each is an event of its own");

    house.store.hide_next_creation();
    let hidden = office.create_event(new(Some("hidden"), "Hidden"), Terms::default()).await.expect("it is found");
    assert!(!hidden.replayed, "to the organizer this is the first answer");

    house.store.hide_next_creation();
    house.store.hide_events();
    let error = office.create_event(new(Some("lost"), "Lost"), Terms::default()).await.expect_err("no answer");
    assert!(matches!(error, ServiceError::OutcomeUnknown(None)), "{error:?}: it may have been made");
}

async fn open(seats: u32) -> House {
    House::open(seats, LIMITS, |inner| FaultyStore::new(inner, &[])).await
}

fn at(version: Version) -> Terms {
    Terms { expected: Some(Expected::Versions(vec![version])), ..Terms::default() }
}

fn at_any_version() -> Terms {
    Terms { expected: Some(Expected::Any), ..Terms::default() }
}

impl House {
    async fn hold(&self, partner: &str, seats: u32, seconds: u32) -> Reserved {
        self.ask_for(partner, seats, Some(seconds), false).await.expect("free seats")
    }

    async fn wait(&self, partner: &str, seats: u32) -> Reserved {
        let answer = self.ask_for(partner, seats, None, true).await.expect("a place on the list");
        assert_eq!(answer.subject.status, Status::Waitlisted);
        answer
    }

    async fn ask_for(
        &self,
        partner: &str,
        seats: u32,
        hold: Option<u32>,
        waitlist: bool,
    ) -> Result<Reserved, ServiceError> {
        let request = SeatRequest {
            partner_id: PartnerId::parse(partner).expect("a partner"),
            seats: SeatCount::parse(seats, 10).expect("a count"),
            seat_ids: Arc::default(),
            waitlist,
            hold: hold.map(|seconds| HoldSeconds::parse(seconds, 900).expect("a hold")),
        };
        self.office.reserve(&self.show, request, Terms::default()).await
    }

    async fn event(&self) -> std::sync::Arc<ticketboss::domain::Event> {
        self.office.event(&self.show).await.expect("the event")
    }

    async fn status(&self, reserved: &Reserved) -> Status {
        self.office.reservation(&reserved.subject.id).await.expect("it is there").reservation.status
    }

    fn clock_now(&self) -> jiff::Timestamp {
        ticketboss::clock::Clock::now(&*self.clock)
    }

    fn pass(&self, seconds: i64) {
        self.clock.set(self.clock_now() + SignedDuration::from_secs(seconds));
    }

    /// Requires that `condition` comes true within the promised time, without any request that changes something.
    pub(crate) async fn within_promised(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let coming = async {
            while !condition().await {
                tokio::task::yield_now().await;
            }
        };
        assert!(timeout(PROMISED, coming).await.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn places_on_the_waitlist_are_told_in_whichever_order_they_are_asked_for() {
    let house = open(1).await;
    house.hold("acme", 1, 60).await;
    let mut listed = Vec::new();
    for partner in ["first", "second", "third"] {
        listed.push(house.wait(partner, 1).await.subject);
    }
    listed.swap(0, 2);
    let places = house.office.waitlist_positions(&listed).await.expect("they are counted");
    assert_eq!(places, [Some(3), Some(2), Some(1)]);
}
