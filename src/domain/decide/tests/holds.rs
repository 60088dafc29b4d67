//! Seats that are held for a while.

use super::*;

const EXPIRED: &str = "refused: the hold had expired before it was confirmed";

#[test]
fn a_hold_is_confirmed_in_time() {
    check(
        5,
        &[
            (1, hold("acme", 4, 10).called("a"), "made v1, held, t1, until t11", "1 free, 4 held"),
            (1, reserve("zoe", 2), "refused: 2 seats were asked for and 1 are available", "1 free, 4 held"),
            (10, confirm("a"), "done v2, confirmed, t1", "1 free"),
            (99, confirm("a"), "already v2, confirmed, t1", "1 free"),
            (99, cancel("a"), "done v3, cancelled, t1", "5 free"),
            (99, confirm("a"), "refused: unknown", "5 free"),
        ],
    );
}

#[test]
fn a_hold_lapses_when_its_time_is_over_and_whoever_comes_then_gets_the_seats() {
    check(
        5,
        &[
            (1, hold("acme", 4, 10).called("a"), "made v1, held, t1, until t11", "1 free, 4 held"),
            (11, reserve("zoe", 5), "made v3, confirmed, t11", "0 free"),
            (12, confirm("a"), EXPIRED, "0 free"),
            (12, confirm("a").at_version(&[2]), "refused: precondition failed at v3", "0 free"),
            (12, cancel("a"), "refused: expired", "0 free"),
        ],
    );
}

#[test]
fn the_refusal_of_a_late_confirmation_comes_with_the_lapse() {
    let mut world = World::new(5);
    world.batch(&world.commands(&[hold("acme", 4, 10).called("a")], 0), at(1));
    let decision = world.batch(&world.commands(&[confirm("a")], 1), at(11));
    assert_eq!(decision.outcomes, [Outcome::Refused(Rejection::HoldExpired)]);
    assert_eq!((world.with(Status::Expired).len(), world.event.available_seats), (1, 5));
    assert_eq!(world.with(Status::Expired)[0].operations.last().map(|last| last.kind), Some(OperationKind::Lapse));
}

#[test]
fn holds_lapse_in_the_order_of_their_times() {
    let mut world = World::new(5);
    let asks = [hold("acme", 1, 9), hold("acme", 1, 3), hold("acme", 1, 5), hold("acme", 1, 3), hold("acme", 1, 60)];
    world.batch(&world.commands(&asks, 0), at(1));
    let decision = world.batch(&[], at(10));
    let lapsed: Vec<_> = decision.reservations().map(|lapsed| lapsed.created_version.0).collect();
    assert_eq!(lapsed, [2, 4, 3, 1]);
    assert_eq!(world.event.due_at, Some(at(61)));
    world.check(at(10));
}

#[test]
fn a_hold_is_released_by_a_cancel() {
    check(
        5,
        &[
            (1, hold("acme", 5, 10).called("a").key("k"), "made v1, held, t1, until t11", "0 free, 5 held"),
            (2, cancel_keyed("acme", "k").key("c"), "done v2, cancelled, t1", "5 free"),
            (2, confirm_keyed("acme", "k"), "refused: unknown", "5 free"),
            (20, cancel_keyed("acme", "k").key("c"), "again v2, cancelled, t1", "5 free"),
            (20, hold("acme", 5, 10).key("k"), "again v1, held, t1, until t11", "5 free"),
        ],
    );
}

#[test]
fn the_original_answers_outlive_the_hold() {
    check(
        5,
        &[
            (1, hold("acme", 2, 10).key("k"), "made v1, held, t1, until t11", "3 free, 2 held"),
            (2, confirm_keyed("acme", "k").key("c"), "done v2, confirmed, t1", "3 free"),
            (2, confirm_keyed("acme", "k").key("d"), "already v2, confirmed, t1", "3 free"),
            (3, hold("acme", 2, 10).key("k"), "again v1, held, t1, until t11", "3 free"),
            (3, confirm_keyed("acme", "k").key("c").at_version(&[0]), "again v2, confirmed, t1", "3 free"),
            (3, confirm_keyed("acme", "k").key("k"), "refused: key reused", "3 free"),
            (3, cancel_keyed("acme", "k").key("c"), "refused: key reused", "3 free"),
            (3, cancel_keyed("acme", "k").key("d"), "refused: key reused", "3 free"),
            (3, cancel_keyed("acme", "k").key("x"), "done v4, cancelled, t1", "5 free"),
            (4, confirm_keyed("acme", "k").key("c"), "again v2, confirmed, t1", "5 free"),
            (4, confirm_keyed("acme", "k").key("d"), "again v2, confirmed, t1", "5 free"),
            (4, confirm_keyed("acme", "k").key("x"), "refused: key reused", "5 free"),
            (4, hold("acme", 2, 10).key("k"), "again v1, held, t1, until t11", "5 free"),
            (4, hold("acme", 2, 11).key("k"), "refused: key reused", "5 free"),
            (4, reserve("acme", 2).key("k"), "refused: key reused", "5 free"),
            (4, hold("acme", 2, 10).or_wait().key("k"), "refused: key reused", "5 free"),
        ],
    );
}

#[test]
fn an_expired_hold_keeps_its_original_answer_and_never_comes_back() {
    check(
        5,
        &[
            (10, hold("acme", 2, 5).key("k"), "made v1, held, t10, until t15", "3 free, 2 held"),
            (15, confirm_keyed("acme", "k"), EXPIRED, "5 free"),
            (11, confirm_keyed("acme", "k"), EXPIRED, "5 free"),
            (11, cancel_keyed("acme", "k"), "refused: expired", "5 free"),
            (11, hold("acme", 2, 5).key("k"), "again v1, held, t10, until t15", "5 free"),
        ],
    );
}

#[test]
fn a_clock_that_runs_backwards_ends_no_hold_early_and_makes_nothing_look_older() {
    check(
        5,
        &[
            (50, hold("acme", 2, 5).called("a"), "made v1, held, t50, until t55", "3 free, 2 held"),
            (10, hold("zoe", 1, 5).called("b"), "made v2, held, t50, until t55", "2 free, 3 held"),
            (10, wait("zoe", 3).called("c"), "made v3, waitlisted, t50, place 1", "2 free, 3 held, 1 waiting"),
            (15, confirm("b"), "done v4, confirmed, t50", "2 free, 2 held, 1 waiting"),
            (2, confirm("a"), "done v5, confirmed, t50", "2 free, 1 waiting"),
            (49, cancel("b"), "done v6, cancelled, t50", "0 free"),
            (40, cancel("a"), "done v8, cancelled, t50", "2 free"),
            (51, reserve("bob", 1), "made v9, confirmed, t51", "1 free"),
        ],
    );
}

#[test]
fn a_refusal_does_not_hold_the_time_up() {
    check(
        5,
        &[
            (9, reserve("acme", 6), "refused: 6 seats were asked for and 5 are available", "5 free"),
            (1, reserve("acme", 5), "made v1, confirmed, t1", "0 free"),
        ],
    );
}

#[test]
fn nothing_but_a_hold_is_confirmed() {
    check(
        5,
        &[
            (1, confirm("nothing").at_version(&[7]), "refused: unknown", "5 free"),
            (1, reserve("acme", 2).called("a"), "made v1, confirmed, t1", "3 free"),
            (1, confirm("a").key("k"), "already v1, confirmed, t1", "3 free"),
            // The key makes a version of its own, with which it is noted.
            (1, confirm("a").at_version(&[7]), "refused: precondition failed at v2", "3 free"),
            (1, confirm("a"), "already v1, confirmed, t1", "3 free"),
            (1, hold("acme", 1, 5).called("b"), "made v3, held, t1, until t6", "2 free, 1 held"),
            (1, confirm("b").at_version(&[7]), "refused: precondition failed at v3", "2 free, 1 held"),
            (1, confirm("b").at_version(&[3]), "done v4, confirmed, t1", "2 free"),
        ],
    );
}

#[test]
fn an_event_is_due_when_its_first_hold_lapses() {
    let mut world = World::new(5);
    let mut due = |ask: Ask, index, second| {
        world.batch(&world.commands(&[ask], index), at(second));
        world.check(at(second));
        world.event.due_at
    };
    assert_eq!(due(reserve("acme", 1), 0, 1), None);
    assert_eq!(due(hold("acme", 1, 10).called("a"), 1, 1), Some(at(11)));
    assert_eq!(due(hold("acme", 1, 5).called("b"), 2, 1), Some(at(6)));
    assert_eq!(due(hold("acme", 1, 20), 3, 1), Some(at(6)));
    assert_eq!(due(confirm("b"), 4, 2), Some(at(6)), "a bound, now too early");
    assert_eq!(due(reserve("acme", 1), 5, 6), Some(at(11)), "looked after");
    assert_eq!(due(cancel("a"), 6, 7), Some(at(11)));
    assert_eq!(due(cancel("nobody"), 7, 30), None, "nothing is held");
}
