//! Keys, by which a retry is known as one.

use super::*;

#[test]
fn a_retry_under_its_key_gets_the_original_answer_whenever_it_comes() {
    check(
        10,
        &[
            (1, reserve("acme", 4).key("k"), "made v1, confirmed, t1", "6 free"),
            (1, reserve("acme", 4).key("k"), "again v1, confirmed, t1", "6 free"),
            (1, reserve("zoe", 6), "made v2, confirmed, t1", "0 free"),
            (9, reserve("acme", 4).key("k"), "again v1, confirmed, t1", "0 free"),
        ],
    );
}

#[test]
fn the_original_answer_outlives_the_cancel() {
    check(
        10,
        &[
            (1, reserve("acme", 4).key("k"), "made v1, confirmed, t1", "6 free"),
            (2, cancel_keyed("acme", "k"), "done v2, cancelled, t1", "10 free"),
            (2, reserve("acme", 4).key("k"), "again v1, confirmed, t1", "10 free"),
            (3, reserve("acme", 4).key("k"), "again v1, confirmed, t1", "10 free"),
        ],
    );
}

#[test]
fn a_key_stands_for_one_request() {
    check(
        10,
        &[
            (1, reserve("acme", 4).key("k"), "made v1, confirmed, t1", "6 free"),
            (1, reserve("acme", 5).key("k"), "refused: key reused", "6 free"),
            (2, reserve("acme", 7).key("k"), "refused: key reused", "6 free"),
            (3, cancel_keyed("acme", "k"), "done v2, cancelled, t1", "10 free"),
            (3, reserve("acme", 5).key("k"), "refused: key reused", "10 free"),
        ],
    );
}

#[test]
fn partners_do_not_share_keys() {
    check(
        10,
        &[
            (1, reserve("acme", 4).key("k"), "made v1, confirmed, t1", "6 free"),
            (1, reserve("zoe", 2).key("k"), "made v2, confirmed, t1", "4 free"),
            (2, reserve("acme", 4).key("k"), "again v1, confirmed, t1", "4 free"),
            (2, reserve("zoe", 2).key("k"), "again v2, confirmed, t1", "4 free"),
        ],
    );
}

#[test]
fn a_refusal_is_not_stored_so_its_key_is_still_free() {
    check(
        10,
        &[
            (1, reserve("zoe", 8).called("most"), "made v1, confirmed, t1", "2 free"),
            (1, reserve("acme", 4).key("k"), "refused: 4 seats were asked for and 2 are available", "2 free"),
            (2, cancel("most"), "done v2, cancelled, t1", "10 free"),
            (2, reserve("acme", 5).key("k"), "made v3, confirmed, t2", "5 free"),
        ],
    );
}

#[test]
fn a_cancel_under_its_key_is_answered_again_and_under_no_other() {
    check(
        10,
        &[
            (1, reserve("acme", 4).called("one").key("k"), "made v1, confirmed, t1", "6 free"),
            (1, reserve("acme", 3).called("two"), "made v2, confirmed, t1", "3 free"),
            (2, cancel_keyed("acme", "k").key("c"), "done v3, cancelled, t1", "7 free"),
            (2, cancel_keyed("acme", "k").key("c"), "again v3, cancelled, t1", "7 free"),
            (3, cancel_keyed("acme", "k").key("d"), "refused: unknown", "7 free"),
            (3, cancel_keyed("acme", "k"), "refused: unknown", "7 free"),
            // A key is known where it left its trace, in one reservation's history.
            (4, cancel("two").key("c"), "done v4, cancelled, t1", "10 free"),
        ],
    );
}

#[test]
fn the_key_of_a_reservation_does_not_cancel_it() {
    check(
        10,
        &[
            (1, reserve("acme", 4).key("k"), "made v1, confirmed, t1", "6 free"),
            (1, cancel_keyed("acme", "k").key("k"), "refused: key reused", "6 free"),
            (2, cancel_keyed("acme", "k").key("c"), "done v2, cancelled, t1", "10 free"),
            (2, cancel_keyed("acme", "k").key("k"), "refused: key reused", "10 free"),
        ],
    );
}
