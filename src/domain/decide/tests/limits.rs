//! How much one reservation or one partner may have.

use std::num::NonZeroU32;

use super::*;

const TWO_SEATS_OF: &str = "refused: one partner may have 4 seats of this event at most, and this one has";

fn limited(seats: Option<u32>, partner_seats: Option<u32>, partner_reservations: Option<u32>) -> World {
    let mut world = World::new(10);
    let max = |max: Option<u32>| max.and_then(NonZeroU32::new);
    world.event.quotas.seats_per_reservation_max = max(seats);
    world.event.quotas.seats_per_partner_max = max(partner_seats);
    world.event.quotas.reservations_per_partner_max = max(partner_reservations);
    world
}

#[test]
fn one_reservation_may_take_so_many_seats() {
    let refused = "refused: one reservation of this event may take 3 seats at most";
    check_on(
        &limited(Some(3), None, None),
        &[
            (1, reserve("acme", 4), refused, "10 free"),
            (1, wait("acme", 4), refused, "10 free"),
            (1, reserve("acme", 3), "made v1, confirmed, t1", "7 free"),
            (1, reserve("acme", 3), "made v2, confirmed, t1", "4 free"),
        ],
    );
}

#[test]
fn one_partner_may_have_so_many_seats_confirmed_held_or_waited_for() {
    let has = |seats: u32| format!("{TWO_SEATS_OF} {seats}");
    check_on(
        &limited(None, Some(4), None),
        &[
            (1, reserve("acme", 5), &has(0), "10 free"),
            (1, reserve("acme", 2).called("a"), "made v1, confirmed, t1", "8 free"),
            (1, hold("acme", 2, 5), "made v2, held, t1, until t6", "6 free, 2 held"),
            (1, reserve("acme", 1), &has(4), "6 free, 2 held"),
            (2, reserve("zoe", 4), "made v3, confirmed, t2", "2 free, 2 held"),
            (2, wait("bob", 3).called("b"), "made v4, waitlisted, t2, place 1", "2 free, 2 held, 1 waiting"),
            (3, wait("bob", 2), &has(3), "2 free, 2 held, 1 waiting"),
            (3, wait("bob", 1), "made v5, waitlisted, t3, place 2", "2 free, 2 held, 2 waiting"),
            (3, cancel("b"), "done v6, cancelled, t2", "1 free, 2 held"),
            (4, reserve("bob", 4), &has(1), "1 free, 2 held"),
            (6, reserve("acme", 3), &has(2), "3 free"),
            (6, reserve("acme", 2), "made v9, confirmed, t6", "1 free"),
            (6, cancel("a"), "done v10, cancelled, t1", "3 free"),
            (6, reserve("acme", 2), "made v11, confirmed, t6", "1 free"),
            (7, reserve("acme", 1), &has(4), "1 free"),
        ],
    );
}

#[test]
fn one_partner_may_have_so_many_reservations() {
    let refused = "refused: one partner may have 2 reservations of this event at most, and this one has 2";
    check_on(
        &limited(None, None, Some(2)),
        &[
            (1, hold("acme", 1, 9).called("a"), "made v1, held, t1, until t10", "9 free, 1 held"),
            (1, reserve("acme", 1).key("k"), "made v2, confirmed, t1", "8 free, 1 held"),
            (1, reserve("acme", 1), refused, "8 free, 1 held"),
            (1, reserve("acme", 1).key("k"), "again v2, confirmed, t1", "8 free, 1 held"),
            (1, reserve("zoe", 1), "made v3, confirmed, t1", "7 free, 1 held"),
            (2, confirm("a"), "done v4, confirmed, t1", "7 free"),
            (2, reserve("acme", 1), refused, "7 free"),
            (3, cancel("a"), "done v5, cancelled, t1", "8 free"),
            (3, reserve("acme", 1), "made v6, confirmed, t3", "7 free"),
            (4, reserve("acme", 1), refused, "7 free"),
        ],
    );
}

#[test]
fn a_new_limit_counts_what_a_partner_has_already_and_takes_nothing_away() {
    let max = |max| Amend { seats_per_partner_max: Some(NonZeroU32::new(max)), ..Amend::default() };
    check(
        10,
        &[
            (1, reserve("acme", 5), "made v1, confirmed, t1", "5 free"),
            (
                1,
                amend(max(4)),
                "amended v2, A show, 10 seats, 5 free, 0 held, 1 confirmed, 0 waiting, open, at most -/4/-",
                "5 free",
            ),
            (1, reserve("acme", 1), &format!("{TWO_SEATS_OF} 5"), "5 free"),
            (2, reserve("acme", 1), &format!("{TWO_SEATS_OF} 5"), "5 free"),
            (2, amend(max(0)), "amended v3, A show, 10 seats, 5 free, 0 held, 1 confirmed, 0 waiting, open", "5 free"),
            (2, reserve("acme", 1), "made v4, confirmed, t2", "4 free"),
        ],
    );
}

#[test]
fn what_is_checked_first_is_told() {
    check_on(
        &limited(Some(3), Some(1), Some(1)),
        &[
            (
                1,
                reserve_named("acme", &["A1", "A2", "A3", "A4"]),
                "refused: the event has no such seats: A1, A2, A3, A4",
                "10 free",
            ),
            (
                1,
                sales(Sales::Paused),
                "amended v1, A show, 10 seats, 10 free, 0 held, 0 confirmed, 0 waiting, paused, at most 3/1/1",
                "10 free",
            ),
            (1, reserve("acme", 4), "refused: one reservation of this event may take 3 seats at most", "10 free"),
            (1, reserve("acme", 3), "refused: sales of this event are paused", "10 free"),
            (1, reserve("acme", 3).at_version(&[]), "refused: precondition failed at v1", "10 free"),
            (
                1,
                sales(Sales::Open),
                "amended v2, A show, 10 seats, 10 free, 0 held, 0 confirmed, 0 waiting, open, at most 3/1/1",
                "10 free",
            ),
            (
                1,
                reserve("acme", 3),
                "refused: one partner may have 1 seats of this event at most, and this one has 0",
                "10 free",
            ),
        ],
    );
}
