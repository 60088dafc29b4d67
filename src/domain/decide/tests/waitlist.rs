//! Waiting for seats: first come, first served, and nobody overtakes.

use super::*;

#[test]
fn a_cancelled_seat_goes_to_the_head_of_the_waitlist() {
    check(
        4,
        &[
            (1, reserve("acme", 4).called("all"), "made v1, confirmed, t1", "0 free"),
            (2, wait("zoe", 3).called("first"), "made v2, waitlisted, t2, place 1", "0 free, 1 waiting"),
            (2, wait("bob", 1).called("second"), "made v3, waitlisted, t2, place 2", "0 free, 2 waiting"),
            (3, cancel("all"), "done v4, cancelled, t1", "0 free"),
            (4, confirm("first"), "already v5, confirmed, t2", "0 free"),
            (4, confirm("second"), "already v6, confirmed, t2", "0 free"),
        ],
    );
}

#[test]
fn whoever_finds_seats_does_not_wait_for_them() {
    check(4, &[(1, wait("acme", 4), "made v1, confirmed, t1", "0 free")]);
}

#[test]
fn a_small_group_does_not_overtake_a_large_one() {
    check(
        6,
        &[
            (1, reserve("acme", 3).called("three"), "made v1, confirmed, t1", "3 free"),
            (1, reserve("acme", 3).called("others"), "made v2, confirmed, t1", "0 free"),
            (2, wait("zoe", 5).called("large"), "made v3, waitlisted, t2, place 1", "0 free, 1 waiting"),
            (2, wait("bob", 1).called("small"), "made v4, waitlisted, t2, place 2", "0 free, 2 waiting"),
            (3, cancel("three"), "done v5, cancelled, t1", "3 free, 2 waiting"),
            (
                3,
                confirm("small"),
                "refused: the reservation waits for its seats, so there is nothing to confirm yet",
                "3 free, 2 waiting",
            ),
            (4, cancel("others"), "done v6, cancelled, t1", "0 free"),
            (4, confirm("large"), "already v7, confirmed, t2", "0 free"),
            (4, confirm("small"), "already v8, confirmed, t2", "0 free"),
        ],
    );
}

#[test]
fn a_newcomer_does_not_overtake_whoever_waits() {
    check(
        4,
        &[
            (1, reserve("acme", 2), "made v1, confirmed, t1", "2 free"),
            (1, wait("zoe", 3).called("head"), "made v2, waitlisted, t1, place 1", "2 free, 1 waiting"),
            (
                2,
                reserve("bob", 1),
                "refused: 1 seats were asked for and 2 are available, for which one reservation waits",
                "2 free, 1 waiting",
            ),
            (
                2,
                hold("bob", 1, 9),
                "refused: 1 seats were asked for and 2 are available, for which one reservation waits",
                "2 free, 1 waiting",
            ),
            (2, wait("bob", 1), "made v3, waitlisted, t2, place 2", "2 free, 2 waiting"),
            (
                2,
                reserve("bob", 1),
                "refused: 1 seats were asked for and 2 are available, for which 2 reservations wait",
                "2 free, 2 waiting",
            ),
            (3, cancel("head"), "done v4, cancelled, t1", "1 free"),
            (3, reserve("bob", 1), "made v6, confirmed, t3", "0 free"),
        ],
    );
}

#[test]
fn whoever_leaves_the_list_at_its_head_makes_way_for_those_behind() {
    check(
        4,
        &[
            (1, reserve("acme", 1), "made v1, confirmed, t1", "3 free"),
            (1, wait("zoe", 4).called("head"), "made v2, waitlisted, t1, place 1", "3 free, 1 waiting"),
            (1, wait("bob", 2).called("next"), "made v3, waitlisted, t1, place 2", "3 free, 2 waiting"),
            (1, wait("bob", 4).called("large"), "made v4, waitlisted, t1, place 3", "3 free, 3 waiting"),
            (1, wait("bob", 1).called("last"), "made v5, waitlisted, t1, place 4", "3 free, 4 waiting"),
            (2, cancel("head"), "done v6, cancelled, t1", "1 free, 2 waiting"),
            (3, cancel("last"), "done v8, cancelled, t1", "1 free, 1 waiting"),
            (3, cancel("large"), "done v9, cancelled, t1", "1 free"),
            (3, confirm("next"), "already v7, confirmed, t1", "1 free"),
            (3, cancel("large"), "refused: unknown", "1 free"),
        ],
    );
}

#[test]
fn more_than_all_seats_are_not_waited_for() {
    check(
        4,
        &[
            (1, wait("acme", 5), "refused: 5 seats were asked for and 4 are available", "4 free"),
            (1, reserve("acme", 1).called("one"), "made v1, confirmed, t1", "3 free"),
            (1, wait("acme", 5), "refused: 5 seats were asked for and 3 are available", "3 free"),
            (1, wait("acme", 4), "made v2, waitlisted, t1, place 1", "3 free, 1 waiting"),
            (1, cancel("one"), "done v3, cancelled, t1", "0 free"),
        ],
    );
}

#[test]
fn a_hold_begins_when_the_seats_are_there() {
    check(
        2,
        &[
            (1, reserve("acme", 2).called("all"), "made v1, confirmed, t1", "0 free"),
            (1, wait("zoe", 2).held(5).key("k"), "made v2, waitlisted, t1, place 1", "0 free, 1 waiting"),
            (
                1,
                confirm_keyed("zoe", "k"),
                "refused: the reservation waits for its seats, so there is nothing to confirm yet",
                "0 free, 1 waiting",
            ),
            (9, cancel("all"), "done v3, cancelled, t1", "0 free, 2 held"),
            (9, wait("zoe", 2).held(5).key("k"), "again v2, waitlisted, t1, place 1", "0 free, 2 held"),
            (13, confirm_keyed("zoe", "k").key("c"), "done v5, confirmed, t1", "0 free"),
            (13, wait("zoe", 2).held(5).key("k"), "again v2, waitlisted, t1, place 1", "0 free"),
            (13, cancel_keyed("zoe", "k"), "done v6, cancelled, t1", "2 free"),
            (20, wait("zoe", 2).held(5).key("k"), "again v2, waitlisted, t1, place 1", "2 free"),
            (20, confirm_keyed("zoe", "k").key("c"), "again v5, confirmed, t1", "2 free"),
        ],
    );
}

#[test]
fn a_hold_that_lapses_serves_whoever_waits_and_their_holds_lapse_in_turn() {
    check(
        2,
        &[
            (1, hold("acme", 2, 3).called("a"), "made v1, held, t1, until t4", "0 free, 2 held"),
            (2, wait("zoe", 2).held(3).called("b"), "made v2, waitlisted, t2, place 1", "0 free, 2 held, 1 waiting"),
            (2, wait("bob", 2).held(9).called("c"), "made v3, waitlisted, t2, place 2", "0 free, 2 held, 2 waiting"),
            (4, confirm("a"), "refused: the hold had expired before it was confirmed", "0 free, 2 held, 1 waiting"),
            (7, confirm("b"), "refused: the hold had expired before it was confirmed", "0 free, 2 held"),
            (7, confirm("c"), "done v8, confirmed, t2", "0 free"),
        ],
    );
}

#[test]
fn whoever_joins_and_leaves_in_one_batch_is_passed_over() {
    check(
        3,
        &[
            (1, reserve("acme", 3).called("all"), "made v1, confirmed, t1", "0 free"),
            (1, wait("zoe", 1).called("a"), "made v2, waitlisted, t1, place 1", "0 free, 1 waiting"),
            (2, wait("zoe", 2).called("b"), "made v3, waitlisted, t2, place 2", "0 free, 2 waiting"),
            (2, wait("bob", 1).called("c"), "made v4, waitlisted, t2, place 3", "0 free, 3 waiting"),
            (2, cancel("b"), "done v5, cancelled, t2", "0 free, 2 waiting"),
            (2, cancel("a"), "done v6, cancelled, t1", "0 free, 1 waiting"),
            (2, wait("bob", 2).called("d"), "made v7, waitlisted, t2, place 2", "0 free, 2 waiting"),
            (2, cancel("all"), "done v8, cancelled, t1", "0 free"),
            (2, confirm("c"), "already v9, confirmed, t2", "0 free"),
            (2, confirm("d"), "already v10, confirmed, t2", "0 free"),
        ],
    );
}
