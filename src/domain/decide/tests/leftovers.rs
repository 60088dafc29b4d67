//! More than one decision can do: what is left over comes first in the next.

use super::*;

/// Enough for one decision and a half.
const MANY: usize = CHANGES_MAX / 2 * 3;

fn many(ask: Ask) -> Vec<Ask> {
    vec![ask; MANY]
}

/// Decides `commands` in as many decisions as it takes, and says how many changes each of them made.
fn all(world: &mut World, commands: &[Command], now: Timestamp) -> (Vec<Outcome>, Vec<usize>) {
    let (mut outcomes, mut changes) = (Vec::new(), Vec::new());
    while outcomes.len() < commands.len() || world.event.due_at.is_some_and(|due_at| due_at <= now) {
        let decision = world.batch(&commands[outcomes.len()..], now);
        world.check_sums();
        assert!(changes.len() < 10, "this comes to no end: {changes:?}");
        outcomes.extend(decision.outcomes);
        changes.push(decision.changes.len());
    }
    world.check(now);
    (outcomes, changes)
}

fn seats_for_many() -> u32 {
    u32::try_from(MANY).expect("a few thousand")
}

#[test]
fn commands_that_do_not_fit_in_one_decision_are_left_for_the_next() {
    let mut world = World::new(10_000);
    let commands = world.commands(&many(reserve("acme", 1)), 0);
    let (outcomes, changes) = all(&mut world, &commands, at(1));
    assert_eq!(changes, [CHANGES_MAX, MANY - CHANGES_MAX]);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted(_))));
}

#[test]
fn holds_that_are_left_over_lapse_before_any_command_is_decided() {
    let mut world = World::new(seats_for_many());
    world.event.quotas.seats_per_reservation_max = None;
    let commands = world.commands(&many(hold("acme", 1, 10)), 0);
    all(&mut world, &commands, at(1));
    let commands = world.commands(&[reserve("zoe", seats_for_many())], MANY);
    let first = world.batch(&commands, at(11));
    assert_eq!((first.outcomes.len(), first.changes.len()), (0, CHANGES_MAX));
    let (outcomes, changes) = all(&mut world, &commands, at(11));
    assert_eq!(changes, [MANY - CHANGES_MAX + 1]);
    assert_eq!(describe(&outcomes[0]), format!("made v{}, confirmed, t11", 2 * MANY + 1));
}

#[test]
fn promotions_that_are_left_over_come_before_any_command() {
    let mut world = World::new(seats_for_many());
    let commands = world.commands(&[reserve("acme", seats_for_many()).called("all")], 0);
    all(&mut world, &commands, at(1));
    let commands = world.commands(&many(wait("zoe", 1)), 1);
    all(&mut world, &commands, at(1));

    let commands = world.commands(&[cancel("all"), reserve("bob", 1), cancel("all")], 2 * MANY);
    let first = world.batch(&commands, at(2));
    assert_eq!((first.outcomes.len(), first.changes.len()), (1, CHANGES_MAX));
    assert!(world.event.due_at.is_some(), "the event is to be looked after");
    let (outcomes, changes) = all(&mut world, &commands[1..], at(2));
    assert_eq!(changes, [MANY - CHANGES_MAX + 1]);
    let told: Vec<_> = outcomes.iter().map(describe).collect();
    assert_eq!(told, ["refused: 1 seats were asked for and 0 are available", "refused: unknown"]);
    let order: Vec<_> = world.with(Status::Confirmed).iter().map(|kept| kept.version).collect();
    assert!(order.is_sorted(), "whoever joined first was served first");
}

#[test]
fn what_an_amendment_frees_is_left_over_too() {
    let mut world = World::new(1);
    let commands = world.commands(&[reserve("acme", 1)], 0);
    all(&mut world, &commands, at(1));
    let commands = world.commands(&many(wait("zoe", 1)), 1);
    all(&mut world, &commands, at(1));
    let commands = world.commands(&[total_seats(10_000)], 2 * MANY);
    let (outcomes, changes) = all(&mut world, &commands, at(2));
    assert_eq!(changes, [CHANGES_MAX, MANY + 1 - CHANGES_MAX]);
    let told = describe(&outcomes[0]);
    assert!(told.starts_with(&format!("amended v{}, ", MANY + 1 + CHANGES_MAX)), "{told}");
}

#[test]
fn a_command_that_names_a_hold_which_is_over_lapses_it_however_many_are_before_it() {
    let mut world = World::new(200);
    let mut asks = vec![hold("acme", 1, 10); 100];
    asks.push(hold("acme", 3, 20).called("confirmed"));
    asks.push(hold("acme", 3, 20).called("cancelled"));
    asks.push(hold("acme", 3, 50).called("in time"));
    world.batch(&world.commands(&asks, 0), at(1));
    let commands = world.commands(&[confirm("confirmed"), cancel("cancelled"), confirm("in time")], 200);
    let decision = world.decide_within(&commands, at(30), 2);
    let told: Vec<_> = decision.outcomes.iter().map(describe).collect();
    assert_eq!(told[..2], ["refused: the hold had expired before it was confirmed", "refused: expired"]);
    assert!(told[2].starts_with("done "), "{told:?}");
    assert_eq!(decision.changes.len(), 5, "two that come first, two that were named, one that was confirmed");
    assert!(decision.event.is_due(at(30)), "the others are left");
}

#[test]
fn a_command_that_wants_seats_lapses_as_many_holds_as_it_needs() {
    let mut world = World::new(200);
    world.batch(&world.commands(&vec![hold("acme", 2, 10); 100], 0), at(1));
    let commands = world.commands(&[reserve("zoe", 7), reserve("zoe", 2), total_seats(100)], 200);
    let decision = world.decide_within(&commands, at(30), 1);
    let told: Vec<_> = decision.outcomes.iter().map(describe).collect();
    assert_eq!(
        told,
        ["made v105, confirmed, t30", "made v107, confirmed, t30"],
        "one lapse, three for seven seats, one more"
    );
    assert_eq!(decision.deferred, [2], "who would have fewer seats waits until all have lapsed");
}

#[test]
fn exactly_as_many_as_fit_leave_nothing_over() {
    let mut world = World::new(10_000);
    let commands = world.commands(&vec![hold("acme", 1, 10); CHANGES_MAX], 0);
    all(&mut world, &commands, at(1));
    let decision = world.batch(&[], at(11));
    assert_eq!((decision.changes.len(), world.event.due_at), (CHANGES_MAX, None));
    world.check(at(11));
}

#[test]
fn as_many_holds_as_one_decision_can_end_are_enough_to_know() {
    let mut world = World::new(10_000);
    let commands = world.commands(&many(hold("acme", 1, 10)), 0);
    all(&mut world, &commands, at(1));
    let facts = world.facts(&Wanted { holds: CHANGES_MAX, ..Wanted::default() });
    let decision = decide(&world.event, &facts, &[], at(11)).expect("a decision");
    assert_eq!((decision.changes.len(), decision.event.due_at), (CHANGES_MAX, Some(at(11))));
}

#[test]
fn what_is_left_over_is_due_at_once_although_the_clock_runs_backwards() {
    for lapsing in [CHANGES_MAX + 1, CHANGES_MAX + 512, 2 * CHANGES_MAX] {
        let mut world = World::new(10_000);
        let (soon, late) = (vec![hold("acme", 1, 10); lapsing], hold("zoe", 1, 20).called("late"));
        let mut commands = world.commands(&soon, 0);
        commands.extend(world.commands(&[late], lapsing));
        all(&mut world, &commands, at(1));

        world.batch(&[], at(99));
        world.check_sums();
        assert_eq!(world.with(Status::Expired).len(), CHANGES_MAX);
        let first = world.with(Status::Held)[0].clone();
        assert!(world.event.due_at <= first.expires_at, "due at {:?}, too late for {first:?}", world.event.due_at);

        // What is over at one time is over for good.
        let commands = world.commands(&[confirm("late")], lapsing + 1);
        let (outcomes, _) = all(&mut world, &commands, at(5));
        assert_eq!(world.with(Status::Expired).len(), lapsing + 1);
        assert_eq!(outcomes, [Outcome::Refused(Rejection::HoldExpired)]);
    }
}

#[test]
fn any_number_of_amendments_is_made_at_once_and_found_when_it_is_decided_again() {
    let mut world = World::new(100);
    let asks: Vec<_> = (1..=20).map(|seats| total_seats(100 + seats)).collect();
    let commands = world.commands(&asks, 0);
    let first = world.batch(&commands, at(1));
    assert_eq!(first.outcomes.len(), commands.len());
    let again = world.attempt(&commands, at(1));
    assert!(again.changes.is_empty(), "decided again, all of them are found");
    assert_eq!((world.event.total_seats, world.event.version), (120, Version(20)));
}
