//! Who is served by a cancel, as who cancels is told.

use super::*;
use crate::domain::{Cancellation, operation::PROMOTED_MAX};

/// The answer of a cancel that served somebody, and whether it is a replay.
fn told(outcome: &Outcome) -> (&Cancellation, bool) {
    match outcome {
        Outcome::Accepted(Subject::Cancellation(told)) => (told, false),
        Outcome::Replayed(Subject::Cancellation(told)) => (told, true),
        other => panic!("nobody was served: {other:?}"),
    }
}

fn partners(cancellation: &Cancellation) -> Vec<(&str, Status)> {
    cancellation.promoted.iter().map(|promoted| (promoted.partner_id.as_str(), promoted.status)).collect()
}

#[test]
fn each_cancel_tells_those_whom_it_served_and_no_others() {
    let mut world = World::new(4);
    let asks = [
        reserve("one", 1).called("one"),
        reserve("two", 3).called("two"),
        hold("first", 1, 60).or_wait(),
        wait("second", 2),
        wait("third", 1),
        wait("fourth", 2).called("fourth"),
        cancel("one"),
        cancel("two"),
        cancel("fourth"),
    ];
    let commands = world.commands(&asks, 0);
    let decision = world.batch(&commands, at(1));
    let [one, two, fourth] = &decision.outcomes[6..] else { panic!("{:?}", decision.outcomes) };
    assert_eq!(partners(told(one).0), [("first", Status::Held)]);
    assert_eq!(partners(told(two).0), [("second", Status::Confirmed), ("third", Status::Confirmed)]);
    assert!(matches!(fourth, Outcome::Accepted(Subject::Reservation(_))), "{fourth:?}");
    // What is told is what is committed.
    for (outcome, _) in [one, two].map(told) {
        for kept in outcome.promoted.iter().chain([&outcome.cancelled]) {
            assert_eq!(world.reservations[&kept.id.uuid], *kept);
        }
    }
}

#[test]
fn retries_are_told_the_same_and_cost_one_more_question_however_many_they_are() {
    const CANCELS: usize = 50;
    let mut world = World::new(50);
    let names: Vec<&str> = (0..CANCELS).map(|number| &*format!("sold-{number}").leak()).collect();
    let mut asks: Vec<_> = names.iter().map(|name| reserve("acme", 1).called(name)).collect();
    asks.extend((0..CANCELS).map(|_| wait("later", 1)));
    let commands = world.commands(&asks, 0);
    world.batch(&commands, at(1));
    let asks: Vec<_> = names.iter().map(|name| cancel(name).key("k")).collect();
    let commands = world.commands(&asks, 200);
    let first = world.batch(&commands, at(2)).outcomes;

    world.rounds = 0;
    let again = world.batch(&commands, at(9)).outcomes;
    assert!(world.rounds <= 2, "{} questions", world.rounds);
    for (first, again) in first.iter().map(told).zip(again.iter().map(told)) {
        assert_eq!((first.0, first.1, again.1), (again.0, false, true));
        assert_eq!(first.0.promoted.len(), 1);
    }
}

#[test]
fn a_crowd_that_was_served_is_told_in_part() {
    let seats = u32::try_from(PROMOTED_MAX).expect("a small number") + 20;
    let mut world = World::new(seats);
    let mut asks = vec![reserve("acme", seats).called("all")];
    asks.extend((0..seats).map(|_| wait("later", 1)));
    asks.push(cancel("all").key("k"));
    let commands = world.commands(&asks, 0);
    let decision = world.batch(&commands, at(1));
    let (first, _) = told(decision.outcomes.last().expect("the cancel"));
    assert_eq!(first.promoted.len(), PROMOTED_MAX);
    assert_eq!(world.event.available_seats, 0, "all of them were served");
    let again = world.batch(&commands[commands.len() - 1..], at(2)).outcomes;
    assert_eq!(told(&again[0]), (first, true));
}

#[test]
fn every_change_tells_its_time() {
    let mut world = World::new(1);
    let asks = [hold("acme", 1, 5).called("a"), wait("zoe", 1).called("z")];
    let commands = world.commands(&asks, 0);
    world.batch(&commands, at(1));
    let updated = |world: &World| {
        let mut kept: Vec<_> = world.reservations.values().collect();
        kept.sort_by_key(|kept| kept.created_version);
        kept.iter().map(|kept| kept.updated_at()).collect::<Vec<_>>()
    };
    assert_eq!(updated(&world), [at(1), at(1)]);
    // The hold lapses, and who waited is served: both at the time of the decision that noticed.
    world.batch(&[], at(8));
    assert_eq!(updated(&world), [at(8), at(8)]);
    // What an earlier version of this program did has no time: then it is when the reservation was made.
    let mut kept = Reservation::clone(world.with(Status::Expired).first().expect("it lapsed"));
    kept.operations.last_mut().expect("the lapse").at = None;
    assert_eq!(kept.updated_at(), at(1));
}
