//! What a decision hands on to the store, and decisions that come after a commit.

use super::*;

#[test]
fn commands_decided_anew_after_they_were_committed_find_their_own_effects() {
    let mut world = World::new(5);
    let asks = [
        reserve("acme", 3).called("a"),
        hold("zoe", 2, 60).called("b"),
        wait("bob", 1).called("c"),
        wait("bob", 2).called("d").held(60),
        cancel("a"),
        confirm("b"),
        total_seats(6),
        cancel("c"),
    ];
    let commands = world.commands(&asks, 0);
    let first = world.batch(&commands, at(1));
    let again = world.attempt(&commands, at(2));
    let found: Vec<_> = again.outcomes.iter().map(describe).collect();
    assert_eq!(
        found,
        [
            "again v1, confirmed, t1",
            "again v2, held, t1, until t61",
            "again v3, waitlisted, t1, place 1",
            "again v4, waitlisted, t1, place 2",
            "again v5, cancelled, t1",
            "again v8, confirmed, t1",
            "again v9, A show, 6 seats, 1 free, 2 held, 2 confirmed, 0 waiting, open",
            "again v10, cancelled, t1",
        ]
    );
    let replays = first.outcomes.into_iter().map(|outcome| match outcome {
        Outcome::Accepted(subject) => Outcome::Replayed(subject),
        other => panic!("{other:?}"),
    });
    assert_eq!(again.outcomes, replays.collect::<Vec<_>>(), "exactly the first answers");
    assert!(again.changes.is_empty());
}

#[test]
fn commands_decided_anew_on_an_unchanged_event_come_to_the_same() {
    let mut world = World::new(5);
    let asks = [reserve("acme", 5).called("a"), wait("zoe", 2).held(3)];
    let commands = world.commands(&asks, 0);
    world.batch(&commands, at(1));
    let commands = world.commands(&[cancel("a"), wait("bob", 4), total_seats(7)], 2);
    let (first, _) = world.decide(&commands, at(2), false);
    let (again, _) = world.decide(&commands, at(2), true);
    assert_eq!(first, again);
    assert_eq!(first.changes.len(), 5);
}

#[test]
fn a_reservation_that_changes_twice_in_one_batch_is_stored_once_in_its_last_state() {
    let mut world = World::new(10);
    let asks = [reserve("acme", 4).called("a"), reserve("zoe", 1).called("b"), cancel("a")];
    let decision = world.batch(&world.commands(&asks, 0), at(1));
    let stored: Vec<_> =
        decision.reservations().map(|kept| (kept.version.0, kept.status, kept.operations.len())).collect();
    assert_eq!(stored, [(2, Status::Confirmed, 1), (3, Status::Cancelled, 2)]);
    let steps = decision.changes.iter().filter_map(Change::step);
    let steps: Vec<_> = steps.map(|step| (step.before, step.reservation.status)).collect();
    let (confirmed, cancelled) = (Status::Confirmed, Status::Cancelled);
    assert_eq!(steps, [(None, confirmed), (None, confirmed), (Some(confirmed), cancelled)]);
}

#[test]
fn a_decision_is_empty_unless_something_is_to_be_written() {
    let mut world = World::new(5);
    let before = world.event.clone();
    let refused = world.batch(&world.commands(&[reserve("acme", 6)], 0), at(1));
    assert!(refused.is_empty(&before), "a refusal writes nothing");

    world.batch(&world.commands(&[hold("acme", 1, 10).called("a"), hold("acme", 1, 20), confirm("a")], 1), at(1));
    let before = world.event.clone();
    assert_eq!(before.due_at, Some(at(11)), "a bound is kept though its hold was confirmed");
    let moved = world.batch(&[], at(12));
    assert_eq!((moved.changes.len(), moved.event.due_at), (0, Some(at(21))));
    assert!(!moved.is_empty(&before), "the event is due later, which must be written lest it be looked after for ever");
}

#[test]
fn facts_that_contradict_the_event_are_an_error_and_no_refusal() {
    let mut world = World::new(10);
    world.batch(&world.commands(&[reserve("acme", 4).called("a")], 0), at(1));
    let cancel = world.commands(&[cancel("a")], 1);
    let facts = world.facts(&facts_needed(&world.event, &cancel, at(2), false));
    let broken = |event: &Event, facts: &Facts, commands: &[Command]| {
        let why = decide(event, facts, commands, at(2)).expect_err("event and facts do not fit");
        assert!(matches!(why, Undecided::Broken(_)), "{why:?}");
    };

    let emptied = Event { confirmed_seats: 0, available_seats: 10, ..world.event.clone() };
    broken(&emptied, &facts, &cancel);
    broken(&Event { available_seats: 9, ..emptied }, &Facts::default(), &[]);

    world.batch(&world.commands(&[hold("acme", 1, 5)], 2), at(1));
    let never_due = Event { due_at: None, ..world.event.clone() };
    broken(&never_due, &Facts::default(), &[]);
}

#[test]
fn a_change_that_skips_a_version_does_not_fit() {
    let mut world = World::new(10);
    let decision = world.batch(&world.commands(&[reserve("acme", 4), reserve("zoe", 1)], 0), at(1));
    let mut event = World::new(10).event;
    event.apply(&decision.changes[1]).expect_err("version 2 does not follow version 0");
    assert_eq!(event, World::new(10).event);
    for change in &decision.changes {
        event.apply(change).expect("the next version");
    }
    event.apply(&decision.changes[1]).expect_err("version 2 is there already");
    assert_eq!(Event { changed_at: Some(at(1)), ..event }, decision.event);
}
