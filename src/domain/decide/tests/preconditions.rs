//! Conditions on the version, and the order in which commands are checked.

use super::*;

#[test]
fn a_precondition_is_compared_with_the_version_that_commands_before_it_made() {
    check(
        10,
        &[
            (1, reserve("acme", 1).called("a").at_version(&[0]), "made v1, confirmed, t1", "9 free"),
            (1, reserve("acme", 1).at_version(&[0]), "refused: precondition failed at v1", "9 free"),
            (1, reserve("acme", 1).at_version(&[7, 1]), "made v2, confirmed, t1", "8 free"),
            (1, cancel("a").at_version(&[1]), "refused: precondition failed at v2", "8 free"),
            (1, cancel("a").at_version(&[2]), "done v3, cancelled, t1", "9 free"),
            (1, reserve("acme", 1).at_version(&[]), "refused: precondition failed at v3", "9 free"),
            (1, reserve("acme", 1).at_any_version(), "made v4, confirmed, t1", "8 free"),
        ],
    );
}

#[test]
fn a_replay_comes_before_everything() {
    check(
        4,
        &[
            (1, reserve("acme", 4).key("k").at_version(&[0]), "made v1, confirmed, t1", "0 free"),
            (2, reserve("acme", 4).key("k").at_version(&[0]), "again v1, confirmed, t1", "0 free"),
            (2, reserve("acme", 3).key("k").at_version(&[0]), "refused: key reused", "0 free"),
            (3, cancel_keyed("acme", "k").key("c").at_version(&[1]), "done v2, cancelled, t1", "4 free"),
            (3, cancel_keyed("acme", "k").key("c").at_version(&[1]), "again v2, cancelled, t1", "4 free"),
            (3, cancel_keyed("acme", "k").key("k").at_version(&[0]), "refused: key reused", "4 free"),
        ],
    );
}

#[test]
fn an_unknown_target_comes_before_a_failed_precondition_and_that_before_the_rules() {
    check(
        4,
        &[
            (1, cancel("nothing").at_version(&[9]), "refused: unknown", "4 free"),
            (1, reserve("acme", 5).at_version(&[9]), "refused: precondition failed at v0", "4 free"),
            (1, reserve("acme", 4).called("all"), "made v1, confirmed, t1", "0 free"),
            (2, reserve("acme", 1).at_version(&[9]), "refused: precondition failed at v1", "0 free"),
            (2, cancel("all"), "done v2, cancelled, t1", "4 free"),
            (2, cancel("all").at_version(&[9]), "refused: unknown", "4 free"),
        ],
    );
}
