//! The rules as properties: what holds whatever is asked, in whatever order, at whatever times, in batches of whatever size.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::model::{Story, story};

type Batches = Vec<(Timestamp, Vec<Command>)>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_plain_list_agrees(story in story(30)) {
        let (mut world, batches) = begin(&story);
        let mut naive = Naive::of(&world.event);
        for (now, batch) in batches {
            naive.look_after(now);
            for (command, outcome) in batch.iter().zip(world.batch(&batch, now).outcomes) {
                prop_assert_eq!(describe(&outcome), naive.tell(command, now), "{:?}", command);
            }
            prop_assert_eq!(world.event.summary(), naive.summary());
            let expected: BTreeMap<_, _> = naive.reservations().collect();
            let kept = |kept: &Arc<Reservation>| describe(&Outcome::AlreadySo(kept.clone())).replace("already", "is");
            let found: BTreeMap<_, _> = world.reservations.iter().map(|(uuid, found)| (*uuid, kept(found))).collect();
            prop_assert_eq!(found, expected);
            let waiting: Vec<_> = world.with(Status::Waitlisted).iter().map(|kept| kept.id.uuid).collect();
            prop_assert_eq!(waiting, naive.waiting().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_sums_agree_and_nothing_is_left_undone(story in story(30)) {
        let (mut world, batches) = begin(&story);
        for (now, batch) in batches {
            world.batch(&batch, now);
            world.check(now);
        }
    }

    #[test]
    fn other_batches_give_the_same_outcomes(story in story(20), size in 1_usize..4) {
        let (mut whole, batches) = begin(&story);
        let mut parts = whole.clone();
        for (now, batch) in batches {
            let outcomes = whole.batch(&batch, now).outcomes;
            let outcomes_of_parts = batch.chunks(size).flat_map(|part| parts.batch(part, now).outcomes);
            prop_assert_eq!(outcomes, outcomes_of_parts.collect::<Vec<_>>());
            // What nobody asks for is done by the batch that comes next, if there is none now.
            parts.batch(&[], now);
            prop_assert_eq!(whole.but_for_due_at(), parts.but_for_due_at());
        }
    }

    #[test]
    fn however_little_is_done_unasked_nobody_is_told_of_a_want_that_is_none(story in story(30), max in 0_usize..4) {
        let (mut world, batches) = begin(&story);
        for (now, batch) in batches {
            for command in batch {
                let one = std::slice::from_ref(&command);
                let decision = world.decide_within(one, now, max);
                prop_assert_eq!(decision.outcomes.len() + decision.deferred.len(), 1);
                let whole = world.decide(one, now, false).0.outcomes.remove(0);
                let time = world.event.time(now);
                match decision.outcomes.first() {
                    None => {
                        let unfinished = decision.event.is_due(now);
                        prop_assert!(unfinished, "{:?} is deferred and nothing is left to be done", command);
                        prop_assert!(max == 0 || !decision.changes.is_empty(), "no progress");
                    }
                    // Who is refused for want of something would be, whatever else had been done.
                    Some(Outcome::Refused(Rejection::InsufficientSeats { .. } | Rejection::SeatTaken(_)
                        | Rejection::PartnerLimit { .. } | Rejection::SeatsTaken { .. })) => {
                        prop_assert!(matches!(whole, Outcome::Refused(_)), "{:?}: {:?}", command, whole);
                    }
                    Some(Outcome::Accepted(Subject::Reservation(told))) => {
                        prop_assert!(!told.is_over(time));
                        let before = world.reservations.get(&told.id.uuid);
                        prop_assert!(before.is_none_or(|before| !before.is_over(time)), "{:?} was over", before);
                    }
                    Some(_) => {}
                }
                let unasked = decision.changes.len() - decision.outcomes.iter().filter_map(accepted_version).count();
                prop_assert!(unasked <= max + 40, "{} changes that nobody asked for", unasked);
                world.take(&decision);
                world.check_sums();
            }
        }
        // What was left over is done in the end, and then all is as it should be.
        let end = world.event.time(at(1_000));
        for _ in 0..1_000 {
            if !world.event.is_due(end) {
                break;
            }
            let decision = world.decide_within(&[], end, max.max(1));
            world.take(&decision);
        }
        world.batch(&[], end);
        world.check(end);
    }

    #[test]
    fn deciding_twice_gives_the_same(story in story(20)) {
        let (mut world, batches) = begin(&story);
        for (now, batch) in batches {
            let (first, rounds) = world.decide(&batch, now, false);
            // Facts that nobody asked for change nothing.
            prop_assert_eq!(&world.decide(&batch, now, true).0, &first);
            let everything = Wanted {
                reservations: world.reservations.keys().copied().collect(),
                operations: world.operations.keys().copied().collect(),
                waitlist: usize::MAX,
                holds: usize::MAX,
                partners: world.reservations.values().map(|kept| kept.partner_id.clone()).collect(),
            };
            let facts = world.facts(&everything);
            if let Ok(decision) = decide(&world.event, &facts, &batch, now) {
                prop_assert_eq!(&decision, &first);
            }
            prop_assert!(rounds <= 2, "{} questions for a few facts", rounds);
            prop_assert_eq!(world.batch(&batch, now), first);
        }
    }

    #[test]
    fn however_little_is_known_at_first_the_decision_is_the_same(story in story(20)) {
        let (mut world, batches) = begin(&story);
        for (now, batch) in batches {
            let Wanted { reservations, operations, .. } = facts_needed(&world.event, &batch, now, false);
            let little = Wanted { reservations, operations, ..Wanted::default() };
            let little = world.decide_from(little, &batch, now).0;
            prop_assert_eq!(world.batch(&batch, now), little);
        }
    }

    #[test]
    fn every_change_has_its_own_version_in_order_and_leads_to_the_event(story in story(20)) {
        let (mut world, batches) = begin(&story);
        for (now, batch) in batches {
            let mut event = world.event.clone();
            let decision = world.batch(&batch, now);
            for change in &decision.changes {
                prop_assert_eq!(change.version(), event.version.next());
                event.apply(change).expect("it is the next one");
            }
            prop_assert_eq!(event.summary(), decision.event.summary());
            prop_assert_eq!(&event.hall, &decision.event.hall);
            let told: Vec<_> = decision.outcomes.iter().filter_map(accepted_version).collect();
            prop_assert!(told.is_sorted_by(|one, next| one < next), "in order of arrival: {:?}", told);
            let kept: Vec<_> = decision.reservations().map(|kept| kept.version).collect();
            prop_assert!(kept.is_sorted_by(|one, next| one < next), "each once, in order: {:?}", kept);
        }
    }

    #[test]
    fn a_replay_is_exactly_the_original_answer(story in story(20)) {
        let (mut world, batches) = begin(&story);
        let mut originals = BTreeMap::new();
        let mut accepted = Vec::new();
        for (now, batch) in batches {
            for (command, outcome) in batch.iter().zip(world.batch(&batch, now).outcomes) {
                match outcome {
                    Outcome::Accepted(subject) => {
                        let at_first = originals.insert(effect(&world, command), subject);
                        prop_assert_eq!(at_first, None, "done twice: {:?}", command);
                        accepted.push(command.clone());
                    }
                    Outcome::Replayed(told) => prop_assert_eq!(Some(&told), originals.get(&effect(&world, command))),
                    // Under a key this is an answer like any other, and known for ever.
                    Outcome::AlreadySo(told) if command.key().is_some() => {
                        let at_first = originals.insert(effect(&world, command), Subject::Reservation(told));
                        prop_assert_eq!(at_first, None, "answered twice: {:?}", command);
                        accepted.push(command.clone());
                    }
                    Outcome::AlreadySo(_) | Outcome::Refused(_) => {}
                }
            }
        }
        // Whatever was accepted is told again when it is decided anew, now that all of it may have been changed since.
        let again = world.attempt(&accepted, at(1));
        for (command, outcome) in accepted.iter().zip(again.outcomes) {
            prop_assert_eq!(outcome, Outcome::Replayed(originals[&effect(&world, command)].clone()));
        }
        prop_assert!(again.changes.is_empty());
    }

    #[test]
    fn whatever_the_clock_nothing_is_made_before_what_was_made_earlier(story in story(30)) {
        let (mut world, batches) = begin(&story);
        let mut last = Timestamp::MIN;
        for (now, batch) in batches {
            let decision = world.batch(&batch, now);
            if !decision.changes.is_empty() {
                prop_assert_eq!(decision.event.changed_at, Some(last.max(now)));
                last = last.max(now);
            }
            let mut made: Vec<_> = world.reservations.values().map(|kept| (kept.created_version, kept.created_at)).collect();
            made.sort_unstable();
            prop_assert!(made.is_sorted_by_key(|(_, created_at)| *created_at), "{:?}", made);
        }
    }

    #[test]
    fn promotions_come_in_the_order_of_the_list(story in story(30)) {
        let (mut world, batches) = begin(&story);
        let mut last_promoted = Version(0);
        for (now, batch) in batches {
            let mut waiting: BTreeSet<_> = world.with(Status::Waitlisted).iter().map(|kept| kept.created_version).collect();
            for step in world.batch(&batch, now).changes.iter().filter_map(Change::step) {
                let after = &step.reservation;
                match (step.before, after.status) {
                    (_, Status::Waitlisted) => drop(waiting.insert(after.created_version)),
                    (Some(Status::Waitlisted), Status::Cancelled) => drop(waiting.remove(&after.created_version)),
                    (Some(Status::Waitlisted), _) => {
                        prop_assert_eq!(waiting.pop_first(), Some(after.created_version), "whoever joined first");
                        prop_assert!(after.created_version > last_promoted);
                        last_promoted = after.created_version;
                    }
                    (None, Status::Confirmed | Status::Held) => {
                        prop_assert!(waiting.is_empty(), "overtaken by {:?}", after);
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_reservation_goes_its_way_and_none_back(story in story(30)) {
        let (mut world, batches) = begin(&story);
        let mut stands = BTreeMap::new();
        for (now, batch) in batches {
            for step in world.batch(&batch, now).changes.iter().filter_map(Change::step) {
                let after = &step.reservation;
                prop_assert_eq!(stands.insert(after.id.uuid, after.status), step.before);
                let is_a_way = match (step.before, after.status) {
                    (None | Some(Status::Waitlisted), Status::Held) => after.expires_at > Some(world.event.time(now)),
                    (None | Some(Status::Waitlisted), Status::Confirmed) => after.hold.is_none(),
                    (None, Status::Waitlisted)
                    | (Some(Status::Held), Status::Confirmed)
                    | (Some(Status::Held | Status::Waitlisted), Status::Expired) => true,
                    (Some(before), Status::Cancelled) => before.is_active(),
                    _ => false,
                };
                prop_assert!(is_a_way, "{:?} from {:?}", after, step.before);
                prop_assert_eq!(after.expires_at.is_some(), after.status == Status::Held);
                prop_assert!(after.operations.len() <= 4, "{:?}", after.operations);
            }
        }
    }

    #[test]
    fn nobody_gets_past_a_limit(story in story(30)) {
        let (mut world, batches) = begin(&story);
        for (now, batch) in batches {
            for command in batch {
                let outcome = world.batch(std::slice::from_ref(&command), now).outcomes.remove(0);
                let (Request::Reserve(reserve), Outcome::Accepted(_)) = (&command.request, outcome) else { continue };
                let active = world.reservations.values().filter(|kept| kept.status.is_active());
                let theirs: Vec<_> = active.filter(|kept| kept.partner_id == reserve.partner_id).collect();
                let seats = theirs.iter().map(|kept| kept.seats.get()).sum::<u32>();
                let count = u32::try_from(theirs.len()).expect("a few");
                let quotas = world.event.quotas;
                prop_assert!(quotas.seats_per_partner_max.is_none_or(|max| seats <= max.get()));
                prop_assert!(quotas.reservations_per_partner_max.is_none_or(|max| count <= max.get()));
                prop_assert!(quotas.seats_per_reservation_max.is_none_or(|max| reserve.seats <= count_of(max)));
                prop_assert_eq!(world.event.sales, Sales::Open);
            }
        }
    }
}

fn begin(story: &Story) -> (World, Batches) {
    let world = World::new(1).event;
    let world = World::of(story.event(world.id, world.id_salt));
    let batches = story.batches(&world.event.id_salt);
    (world, batches)
}

fn accepted_version(outcome: &Outcome) -> Option<Version> {
    match outcome {
        Outcome::Accepted(Subject::Reservation(told)) => Some(told.version),
        Outcome::Accepted(Subject::Cancellation(told)) => Some(told.cancelled.version),
        Outcome::Accepted(Subject::Event(told)) => Some(told.version),
        _ => None,
    }
}

/// What an operation's effect is known by: in one reservation's history, or in the event's.
fn effect(world: &World, command: &Command) -> (Option<Uuid>, String) {
    (command.reservation_uuid(&world.event.id_salt), format!("{:?}", command.operation))
}

fn count_of(seats: std::num::NonZeroU32) -> crate::domain::SeatCount {
    crate::domain::SeatCount::parse(seats.get(), u32::MAX).expect("a count")
}
