//! Seats with names: these or none, or the best that there are.

use super::*;

#[test]
fn named_seats_are_sold_as_they_are_named_or_not_at_all() {
    check_hall(
        ".../...",
        &[
            (1, reserve_named("acme", &["A2", "B3"]).called("a"), "made v1, confirmed, t1 A2 B3", ".s./..s"),
            (1, reserve_named("zoe", &["A1", "A2", "B3"]), "refused: these seats are taken: A2, B3", ".s./..s"),
            (1, reserve_named("zoe", &["B2", "B1"]).held(5).key("k"), "made v2, held, t1, until t6 B2 B1", ".s./hhs"),
            (2, reserve_named("bob", &["B2"]), "refused: these seats are taken: B2", ".s./hhs"),
            (3, confirm_keyed("zoe", "k"), "done v3, confirmed, t1 B2 B1", ".s./sss"),
            (4, cancel("a"), "done v4, cancelled, t1 A2 B3", ".../ss."),
            (5, cancel_keyed("zoe", "k"), "done v5, cancelled, t1 B2 B1", ".../..."),
            (6, reserve_named("zoe", &["B2", "B1"]).held(5).key("k"), "again v2, held, t1, until t6 B2 B1", ".../..."),
            (6, reserve_named("zoe", &["B2", "A1"]).held(5).key("k"), "refused: key reused", ".../..."),
        ],
    );
}

#[test]
fn seats_that_are_not_there_or_not_for_sale_are_refused() {
    check_hall(
        "..x/...",
        &[
            (1, reserve_named("acme", &["A1", "C1", "A9"]), "refused: the event has no such seats: C1, A9", "..x/..."),
            (1, reserve_named("acme", &["A3"]), "refused: these seats are taken: A3", "..x/..."),
            (1, reserve("acme", 6), "refused: 6 seats were asked for and 5 are available", "..x/..."),
            (1, reserve("acme", 5), "made v1, confirmed, t1 A1 A2 B1 B2 B3", "ssx/sss"),
        ],
    );
}

#[test]
fn an_event_whose_seats_have_no_names_has_none_to_name() {
    check(3, &[(1, reserve_named("acme", &["A1"]), "refused: the event has no such seats: A1", "3 free")]);
}

#[test]
fn a_number_of_seats_gets_the_best_that_are_free() {
    check_hall(
        ".../....",
        &[
            (1, reserve("acme", 2), "made v1, confirmed, t1 B1 B2", ".../ss.."),
            (1, reserve("acme", 1).held(4), "made v2, held, t1, until t5 A1", "h../ss.."),
            (1, reserve("acme", 3), "made v3, confirmed, t1 A2 A3 B3", "hss/sss."),
            (5, reserve("acme", 2), "made v5, confirmed, t5 A1 B4", "sss/ssss"),
        ],
    );
}

#[test]
fn whoever_waited_gets_the_best_seats_when_they_come_free() {
    check_hall(
        "...",
        &[
            (1, reserve_named("acme", &["A2"]).called("mid"), "made v1, confirmed, t1 A2", ".s."),
            (1, wait("zoe", 3).held(5).key("k"), "made v2, waitlisted, t1, place 1", ".s., 1 waiting"),
            (
                1,
                reserve_named("bob", &["A1"]),
                "refused: 1 seats were asked for and 2 are available, for which one reservation waits",
                ".s., 1 waiting",
            ),
            (1, reserve_named("bob", &["A2"]), "refused: these seats are taken: A2", ".s., 1 waiting"),
            (2, cancel("mid"), "done v3, cancelled, t1 A2", "hhh"),
            (3, wait("zoe", 3).held(5).key("k"), "again v2, waitlisted, t1, place 1", "hhh"),
            (7, reserve_named("bob", &["A1", "A2"]), "made v6, confirmed, t7 A1 A2", "ss."),
            (8, wait("zoe", 3).held(5).key("k"), "again v2, waitlisted, t1, place 1", "ss."),
        ],
    );
}

#[test]
fn named_seats_are_not_waited_for() {
    check_hall(
        "..",
        &[
            (1, reserve("acme", 1), "made v1, confirmed, t1 A1", "s."),
            (1, wait("zoe", 2), "made v2, waitlisted, t1, place 1", "s., 1 waiting"),
            (
                1,
                reserve_named("bob", &["A2"]).or_wait(),
                "refused: 1 seats were asked for and 1 are available, for which one reservation waits",
                "s., 1 waiting",
            ),
        ],
    );
}

#[test]
fn seats_in_another_order_are_the_same_request_under_a_key() {
    let taken = "refused: key reused";
    check_hall(
        "....",
        &[
            (1, reserve_named("acme", &["A3", "A1"]).key("k"), "made v1, confirmed, t1 A3 A1", "s.s."),
            (2, reserve_named("acme", &["A1", "A3"]).key("k"), "again v1, confirmed, t1 A3 A1", "s.s."),
            (2, reserve_named("acme", &["A1", "A2"]).key("k"), taken, "s.s."),
            (2, reserve_named("acme", &["A1", "A3"]).held(9).key("k"), taken, "s.s."),
            (2, reserve_named("acme", &["A1"]).key("k"), taken, "s.s."),
            (2, reserve("acme", 2).key("k"), taken, "s.s."),
            (3, cancel_keyed("acme", "k"), "done v2, cancelled, t1 A3 A1", "...."),
            (3, reserve_named("acme", &["A1", "A3"]).key("k"), "again v1, confirmed, t1 A3 A1", "...."),
            (3, reserve("acme", 2).key("j"), "made v3, confirmed, t3 A1 A2", "ss.."),
            (3, reserve_named("acme", &["A1", "A2"]).key("j"), taken, "ss.."),
        ],
    );
}
