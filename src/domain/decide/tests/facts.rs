//! Which facts are asked for, and that asking comes to an end.

use super::*;

#[test]
fn reservations_are_asked_for_wherever_an_earlier_effect_can_be() {
    let world = World::new(10);
    let asks = [
        reserve("acme", 1),
        reserve("acme", 1).key("k"),
        cancel("a"),
        confirm("b").key("c"),
        sales(Sales::Paused).key("d"),
        sales(Sales::Open),
    ];
    let commands = world.commands(&asks, 0);
    let uuids = |indexes: &[usize]| -> Vec<_> {
        indexes.iter().filter_map(|&index| commands[index].reservation_uuid(&world.event.id_salt)).collect()
    };
    let asked = |attempted| facts_needed(&world.event, &commands, at(1), attempted);
    let records = |indexes: &[usize]| -> Vec<_> {
        indexes.iter().filter_map(|&index| commands[index].record_uuid(&world.event.id_salt)).collect()
    };
    let new = Wanted { reservations: uuids(&[1, 2, 3]), operations: records(&[3, 4]), ..Wanted::default() };
    assert_eq!(asked(false), new, "a minted id is new");
    let all = Wanted { reservations: uuids(&[0, 1, 2, 3]), operations: records(&[3, 4, 5]), ..Wanted::default() };
    assert_eq!(asked(true), all);
    assert_eq!((records(&[0, 1, 2]).len(), records(&[3, 4, 5]).len()), (0, 3), "who leaves a record");
}

#[test]
fn nothing_is_asked_for_that_cannot_matter() {
    let mut world = World::new(3);
    let asks = [hold("acme", 3, 60).called("a"), wait("zoe", 2), wait("bob", 2)];
    world.batch(&world.commands(&asks, 0), at(1));
    let asked = |ask: Ask, second| facts_needed(&world.event, &world.commands(&[ask], 9), at(second), false);
    assert!(asked(reserve("acme", 1), 60).is_empty(), "nothing is due, nothing is free, nobody asks who waits");
    assert_eq!(asked(cancel("a"), 60).waitlist, 2, "all who wait, for they are few");
    assert_eq!(asked(total_seats(9), 60).waitlist, 2, "more seats are for those who wait");
    let due = asked(reserve("acme", 1), 61);
    assert_eq!((due.holds, due.waitlist), (1, 2), "a hold is due, and its seats go to those who wait");
}

#[test]
fn a_few_questions_lead_through_any_number_of_due_holds_and_of_those_who_wait() {
    let mut world = World::new(3_000);
    let asks: Vec<_> = (0..1_500).map(|_| hold("acme", 2, 10)).collect();
    world.batch(&world.commands(&asks, 0), at(1));
    let asks: Vec<_> = (0..1_500).map(|_| wait("zoe", 1).held(10)).collect();
    world.batch(&world.commands(&asks, 2_000), at(2));
    world.rounds = 0;
    world.batch(&[], at(11));
    assert_eq!((world.event.hold_count, world.event.waitlist_count), (1_500, 476));
    world.batch(&[], at(11));
    assert_eq!((world.event.hold_count, world.event.waitlist_count), (1_500, 0));
    assert!(world.rounds <= 6, "{} questions", world.rounds);
    world.check(at(11));
}

#[test]
fn more_of_those_who_wait_are_asked_for_when_more_seats_come_free_than_foreseen() {
    let mut world = World::new(10);
    let mut asks = vec![reserve("acme", 10).called("all")];
    asks.extend((0..1_000).map(|_| wait("zoe", 1)));
    world.batch(&world.commands(&asks, 0), at(1));
    world.rounds = 0;
    let asks = [wait("bob", 1), total_seats(900), cancel("all"), wait("bob", 1)];
    world.batch(&world.commands(&asks, 2_000), at(2));
    assert_eq!((world.event.reservation_count, world.event.waitlist_count), (900, 102));
    let served = world.with(Status::Confirmed);
    assert!(
        served.iter().all(|served| served.partner_id.as_str() == "zoe"),
        "nobody overtakes those who were not known"
    );
    assert!(world.rounds <= 4, "{} questions", world.rounds);
    world.check(at(2));
}

#[test]
fn a_new_limit_needs_no_question_for_each_partner_who_comes_after_it() {
    let mut world = World::new(100);
    let max = std::num::NonZeroU32::new(2);
    let mut asks = vec![amend(Amend { seats_per_partner_max: Some(max), ..Amend::default() })];
    let partners = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    asks.extend(partners.iter().map(|partner| reserve(partner, 2)));
    asks.extend(partners.iter().map(|partner| reserve(partner, 1)));
    world.batch(&world.commands(&asks, 0), at(1));
    assert_eq!((world.event.reservation_count, world.rounds), (12, 1));
}

#[test]
fn no_more_are_asked_for_than_one_decision_can_serve() {
    let mut world = World::new(10);
    for first in [0, 2_000, 4_000, 6_000] {
        let asks: Vec<_> = (0..2_000).map(|_| wait("zoe", 10)).collect();
        world.batch(&world.commands(&asks, first), at(1));
    }
    world.batch(&world.commands(&[total_seats(100_000)], 9_000), at(1));
    let wanted = facts_needed(&world.event, &[], at(1), false);
    assert!(wanted.waitlist <= 2 * CHANGES_MAX, "{wanted:?}");
    let mut decisions = 1;
    while world.event.due_at.is_some() {
        world.batch(&[], at(1));
        decisions += 1;
    }
    assert_eq!((world.event.reservation_count, decisions), (8_000, 4));
    assert!(world.rounds <= 6, "{} questions", world.rounds);
}
