//! Other terms for the event itself.

use super::*;
use crate::domain::{
    Currency, Description, Details, EventOperation, Fingerprint, IdempotencyKey, Location, Moment, Price,
};

#[test]
fn sales_that_are_paused_or_closed_sell_nothing_to_newcomers_nor_to_those_who_wait() {
    for (state, refused) in [
        (Sales::Paused, "refused: sales of this event are paused"),
        (Sales::Closed, "refused: sales of this event are closed"),
    ] {
        let amended =
            format!("amended v5, A show, 4 seats, 0 free, 2 held, 1 confirmed, 2 waiting, {}", state.as_str());
        check(
            4,
            &[
                (1, reserve("acme", 2).key("k"), "made v1, confirmed, t1", "2 free"),
                (1, hold("acme", 2, 9).called("b"), "made v2, held, t1, until t10", "0 free, 2 held"),
                (1, wait("zoe", 1).called("c"), "made v3, waitlisted, t1, place 1", "0 free, 2 held, 1 waiting"),
                (1, wait("zoe", 1).called("d"), "made v4, waitlisted, t1, place 2", "0 free, 2 held, 2 waiting"),
                (2, sales(state), &amended, "0 free, 2 held, 2 waiting"),
                (2, reserve("bob", 1), refused, "0 free, 2 held, 2 waiting"),
                (2, wait("bob", 1), refused, "0 free, 2 held, 2 waiting"),
                (2, reserve("acme", 2).key("k"), "again v1, confirmed, t1", "0 free, 2 held, 2 waiting"),
                (3, confirm("b"), "done v6, confirmed, t1", "0 free, 2 waiting"),
                (3, cancel("b"), "done v7, cancelled, t1", "2 free, 2 waiting"),
                (
                    3,
                    confirm("c"),
                    "refused: the reservation waits for its seats, so there is nothing to confirm yet",
                    "2 free, 2 waiting",
                ),
                (4, cancel("d"), "done v8, cancelled, t1", "2 free, 1 waiting"),
                (
                    5,
                    sales(Sales::Open),
                    "amended v10, A show, 4 seats, 1 free, 0 held, 2 confirmed, 0 waiting, open",
                    "1 free",
                ),
                (5, confirm("c"), "already v10, confirmed, t1", "1 free"),
            ],
        );
    }
}

#[test]
fn while_sales_are_paused_lapses_and_more_seats_serve_nobody_until_they_are_open_again() {
    check(
        2,
        &[
            (1, hold("acme", 2, 3), "made v1, held, t1, until t4", "0 free, 2 held"),
            (1, wait("zoe", 2).held(3).called("z"), "made v2, waitlisted, t1, place 1", "0 free, 2 held, 1 waiting"),
            (
                2,
                sales(Sales::Paused),
                "amended v3, A show, 2 seats, 0 free, 2 held, 0 confirmed, 1 waiting, paused",
                "0 free, 2 held, 1 waiting",
            ),
            (4, confirm("nobody"), "refused: unknown", "2 free, 1 waiting"),
            (
                5,
                total_seats(5),
                "amended v5, A show, 5 seats, 5 free, 0 held, 0 confirmed, 1 waiting, paused",
                "5 free, 1 waiting",
            ),
            (
                9,
                sales(Sales::Open),
                "amended v7, A show, 5 seats, 3 free, 2 held, 0 confirmed, 0 waiting, open",
                "3 free, 2 held",
            ),
            (11, confirm("z"), "done v8, confirmed, t1", "3 free"),
        ],
    );
}

#[test]
fn whoever_waits_for_more_seats_than_the_event_has_does_not_block_those_behind() {
    check(
        6,
        &[
            (1, reserve("acme", 2).called("a"), "made v1, confirmed, t1", "4 free"),
            (1, wait("zoe", 5).key("k"), "made v2, waitlisted, t1, place 1", "4 free, 1 waiting"),
            (1, wait("bob", 2).called("two"), "made v3, waitlisted, t1, place 2", "4 free, 2 waiting"),
            (1, wait("bob", 6).called("six"), "made v4, waitlisted, t1, place 3", "4 free, 3 waiting"),
            (1, wait("bob", 1).called("one"), "made v5, waitlisted, t1, place 4", "4 free, 4 waiting"),
            // One waits no more, one is served, one waits no more, and the last one is the head.
            (
                2,
                total_seats(4),
                "amended v9, A show, 4 seats, 0 free, 0 held, 2 confirmed, 1 waiting, open",
                "0 free, 1 waiting",
            ),
            (3, confirm("two"), "already v8, confirmed, t1", "0 free, 1 waiting"),
            (3, cancel_keyed("zoe", "k"), "refused: expired", "0 free, 1 waiting"),
            (3, wait("zoe", 5).key("k"), "again v2, waitlisted, t1, place 1", "0 free, 1 waiting"),
            (
                3,
                wait("bob", 5),
                "refused: 5 seats were asked for and 0 are available, for which one reservation waits",
                "0 free, 1 waiting",
            ),
            (4, cancel("a"), "done v10, cancelled, t1", "1 free"),
            (4, confirm("one"), "already v11, confirmed, t1", "1 free"),
        ],
    );
}

#[test]
fn more_seats_serve_those_who_wait_and_fewer_than_are_taken_there_cannot_be() {
    check(
        3,
        &[
            (1, reserve("acme", 2), "made v1, confirmed, t1", "1 free"),
            (1, hold("acme", 1, 9).called("h"), "made v2, held, t1, until t10", "0 free, 1 held"),
            (1, wait("zoe", 2), "made v3, waitlisted, t1, place 1", "0 free, 1 held, 1 waiting"),
            (1, wait("bob", 2), "made v4, waitlisted, t1, place 2", "0 free, 1 held, 2 waiting"),
            (2, total_seats(2), "refused: 3 seats are taken, so there cannot be only 2", "0 free, 1 held, 2 waiting"),
            (
                2,
                total_seats(3),
                "amended v5, A show, 3 seats, 0 free, 1 held, 1 confirmed, 2 waiting, open",
                "0 free, 1 held, 2 waiting",
            ),
            (
                2,
                total_seats(6).key("k"),
                "amended v7, A show, 6 seats, 1 free, 1 held, 2 confirmed, 1 waiting, open",
                "1 free, 1 held, 1 waiting",
            ),
            (
                2,
                reserve("acme", 1).at_version(&[7]),
                "refused: 1 seats were asked for and 1 are available, for which one reservation waits",
                "1 free, 1 held, 1 waiting",
            ),
            (3, cancel("h"), "done v8, cancelled, t1", "0 free"),
            (
                3,
                total_seats(6).key("k"),
                "again v7, A show, 6 seats, 1 free, 1 held, 2 confirmed, 1 waiting, open",
                "0 free",
            ),
            (3, total_seats(7).key("k"), "refused: key reused", "0 free"),
            (3, total_seats(5), "refused: 6 seats are taken, so there cannot be only 5", "0 free"),
        ],
    );
}

#[test]
fn the_seats_of_a_seat_map_are_as_many_as_they_are() {
    let mapped = "refused: the number of seats is given by the seat map and cannot be changed";
    check_hall(
        "...",
        &[
            (1, total_seats(4), mapped, "..."),
            (1, total_seats(2), mapped, "..."),
            (1, total_seats(3), "amended v1, A show, 3 seats, 3 free, 0 held, 0 confirmed, 0 waiting, open", "..."),
        ],
    );
}

#[test]
fn an_amendment_is_made_at_its_version_and_a_replay_of_it_at_any() {
    let terms = "A show, 5 seats, 5 free, 0 held, 0 confirmed, 0 waiting, open";
    check(
        3,
        &[
            (1, total_seats(5).at_version(&[1]), "refused: precondition failed at v0", "3 free"),
            (1, total_seats(5).at_version(&[0]).key("k"), &format!("amended v1, {terms}"), "5 free"),
            (1, total_seats(5).at_version(&[0]).key("k"), &format!("again v1, {terms}"), "5 free"),
            (1, total_seats(6).at_version(&[0]).key("k"), "refused: key reused", "5 free"),
            (1, sales(Sales::Open).key("k"), "refused: key reused", "5 free"),
            (2, reserve("acme", 1).key("k"), "made v2, confirmed, t2", "4 free"),
        ],
    );
}

#[test]
fn an_amendment_changes_what_it_names_and_leaves_or_takes_away_the_rest() {
    let mut world = World::new(3);
    let mut amended = |terms: Amend, index| {
        world.batch(&world.commands(&[amend(terms)], index), at(1));
        (world.event.name.as_str().to_owned(), Details::clone(&world.event.details))
    };
    let details = Details {
        description: Some(Description::parse("Two talks.").expect("a description")),
        starts_at: Moment::from_millisecond(99),
        location: Some(Location::parse("Hall 3").expect("a location")),
        price: Some(Price { amount: 4_950, currency: Currency::parse("EUR").expect("a currency") }),
    };
    let all = Amend {
        name: Some(EventName::parse("The show").expect("a name")),
        description: Some(details.description.clone()),
        starts_at: Some(details.starts_at),
        location: Some(details.location.clone()),
        price: Some(details.price.clone()),
        ..Amend::default()
    };
    assert_eq!(amended(all, 0), ("The show".to_owned(), details.clone()));
    assert_eq!(amended(Amend::default(), 1), ("The show".to_owned(), details.clone()), "nothing is named");
    let none = Amend { location: Some(None), starts_at: Some(None), ..Amend::default() };
    let rest = Details { location: None, starts_at: None, ..details };
    assert_eq!(amended(none, 2), ("The show".to_owned(), rest));
    let none = Amend { description: Some(None), price: Some(None), ..Amend::default() };
    assert_eq!(amended(none, 3), ("The show".to_owned(), Details::default()));
}

#[test]
fn quotas_are_amended_one_by_one() {
    let mut world = World::new(3);
    let max = |max| Some(std::num::NonZeroU32::new(max));
    let steps = [
        (Amend { seats_per_reservation_max: max(3), ..Amend::default() }, [3, 0, 0]),
        (Amend { seats_per_partner_max: max(4), ..Amend::default() }, [3, 4, 0]),
        (Amend { reservations_per_partner_max: max(5), ..Amend::default() }, [3, 4, 5]),
        (Amend { seats_per_reservation_max: max(0), ..Amend::default() }, [0, 4, 5]),
        (Amend { seats_per_partner_max: max(0), ..Amend::default() }, [0, 0, 5]),
        (Amend { reservations_per_partner_max: max(0), ..Amend::default() }, [0, 0, 0]),
    ];
    for (index, (terms, expected)) in steps.into_iter().enumerate() {
        world.batch(&world.commands(&[amend(terms)], index), at(1));
        let quotas = world.event.quotas;
        let maxima =
            [quotas.seats_per_reservation_max, quotas.seats_per_partner_max, quotas.reservations_per_partner_max];
        assert_eq!(maxima.map(|max| max.map_or(0, std::num::NonZeroU32::get)), expected);
    }
}

#[test]
fn an_amendment_is_known_again_however_many_came_after_it() {
    let mut world = World::new(100);
    let asks: Vec<_> = (1..=30).map(|seats| total_seats(100 + seats).key(KEYS[seats as usize % 2])).collect();
    let unkeyed: Vec<_> = (1..=30).map(|seats| total_seats(200 + seats)).collect();
    let [first, again, other] = [&asks[..1], &asks[2..3], &asks[1..2]].map(|asks| world.commands(asks, 0));
    let made = [first, other].map(|command| (world.batch(&command, at(1)), command));
    world.batch(&world.commands(&unkeyed, 2), at(1));
    for (made, command) in &made {
        let [Outcome::Accepted(told)] = &made.outcomes[..] else { panic!("{:?}", made.outcomes) };
        let replayed = world.batch(command, at(2)).outcomes;
        assert_eq!(replayed, [Outcome::Replayed(told.clone())]);
    }
    assert_eq!(world.batch(&again, at(2)).outcomes, [Outcome::Refused(Rejection::KeyReused)]);
    // One without a key is looked for when an earlier attempt may have made it.
    let [unkeyed] = &world.commands(&unkeyed[..1], 2)[..] else { panic!("one command") };
    let found = world.attempt(std::slice::from_ref(unkeyed), at(3)).outcomes;
    assert!(matches!(found[..], [Outcome::Replayed(_)]), "{found:?}");
    assert_eq!(world.event.operations, [], "an event carries none of it");
}

const KEYS: [&str; 2] = ["one", "two"];

#[test]
fn an_amendment_that_an_earlier_version_noted_in_the_event_still_counts() {
    let mut world = World::new(100);
    let [command] = &world.commands(&[total_seats(7).key("k")], 0)[..] else { panic!("one command") };
    let answer = world.event.summary();
    let fingerprint = command.fingerprint();
    world.event.operations.push(the_making(&world.event));
    world.event.operations.push(EventOperation { id: command.operation.clone(), fingerprint, answer: answer.clone() });
    let again = world.batch(std::slice::from_ref(command), at(2)).outcomes;
    assert_eq!(again, [Outcome::Replayed(Subject::Event(Box::new(answer)))]);
}

#[test]
fn the_key_that_made_the_event_does_not_amend_it() {
    let mut world = World::new(3);
    world.event.operations.push(the_making(&world.event));
    let decision = world.batch(&world.commands(&[total_seats(3).key("making")], 0), at(1));
    assert_eq!(decision.outcomes, [Outcome::Refused(Rejection::KeyReused)]);
}

fn the_making(event: &Event) -> EventOperation {
    EventOperation {
        id: OperationId::Key(IdempotencyKey::parse("making").expect("a key")),
        fingerprint: Some(Fingerprint::of_event(event)),
        answer: event.summary(),
    }
}

#[test]
fn a_head_that_wants_too_much_ends_its_wait_when_it_comes_to_the_front_and_also_while_sales_are_paused() {
    check(
        4,
        &[
            (1, reserve("acme", 4).called("all"), "made v1, confirmed, t1", "0 free"),
            (1, wait("zoe", 1).called("first"), "made v2, waitlisted, t1, place 1", "0 free, 1 waiting"),
            (1, wait("bob", 4).called("four"), "made v3, waitlisted, t1, place 2", "0 free, 2 waiting"),
            (2, cancel("all"), "done v4, cancelled, t1", "3 free, 1 waiting"),
            (
                2,
                amend(Amend { sales: Some(Sales::Paused), total_seats: Some(4), ..Amend::default() }),
                "amended v6, A show, 4 seats, 3 free, 0 held, 1 confirmed, 1 waiting, paused",
                "3 free, 1 waiting",
            ),
            (
                2,
                total_seats(3),
                "amended v8, A show, 3 seats, 2 free, 0 held, 1 confirmed, 0 waiting, paused",
                "2 free",
            ),
            (3, confirm("four"), "refused: the hold had expired before it was confirmed", "2 free"),
        ],
    );
}
