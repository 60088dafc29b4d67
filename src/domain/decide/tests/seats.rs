//! Seats sold and given back.

use super::*;

#[test]
fn seats_are_sold_until_too_few_are_left_for_what_is_asked() {
    check(
        10,
        &[
            (1, reserve("acme", 4), "made v1, confirmed, t1", "6 free"),
            (1, reserve("zoe", 4), "made v2, confirmed, t1", "2 free"),
            (1, reserve("acme", 3), "refused: 3 seats were asked for and 2 are available", "2 free"),
            (2, reserve("zoe", 2), "made v3, confirmed, t2", "0 free"),
            (2, reserve("acme", 1), "refused: 1 seats were asked for and 0 are available", "0 free"),
        ],
    );
}

#[test]
fn a_cancelled_reservation_gives_its_seats_back_once() {
    check(
        10,
        &[
            (1, reserve("acme", 10).called("all"), "made v1, confirmed, t1", "0 free"),
            (2, reserve("zoe", 1), "refused: 1 seats were asked for and 0 are available", "0 free"),
            (3, cancel("all"), "done v2, cancelled, t1", "10 free"),
            (3, cancel("all"), "refused: unknown", "10 free"),
            (4, cancel("all"), "refused: unknown", "10 free"),
            (4, reserve("zoe", 10), "made v3, confirmed, t4", "0 free"),
        ],
    );
}

#[test]
fn what_was_never_reserved_cannot_be_cancelled() {
    check(
        10,
        &[
            (1, cancel("nothing"), "refused: unknown", "10 free"),
            (1, cancel("nothing").key("k"), "refused: unknown", "10 free"),
        ],
    );
}

#[test]
fn a_reservation_is_what_was_asked_for_and_remembers_who_did_what() {
    let mut world = World::new(10);
    let asks = [reserve("acme", 4).key("k"), reserve("zoe", 1).called("b"), cancel_keyed("acme", "k").key("c")];
    let commands = world.commands(&asks, 0);
    let decision = world.batch(&commands[..2], at(7));
    let [made, unkeyed] = &world.with(Status::Confirmed)[..] else { panic!("{:?}", decision.outcomes) };
    assert_eq!(decision.outcomes, [made, unkeyed].map(|told| accepted(told.clone())));
    assert_eq!(made.id.event_id, world.event.id);
    assert_eq!(Some(made.id.uuid), commands[0].reservation_uuid(&world.event.id_salt));
    assert_eq!((made.partner_id.as_str(), made.seats.get()), ("acme", 4));
    assert_eq!((made.version, made.created_version, made.created_at), (Version(1), Version(1), at(7)));
    assert_eq!(made.fingerprint, commands[0].fingerprint());
    assert_eq!((made.hold, made.expires_at, made.seat_ids.len()), (None, None, 0));
    let operation = |command: &Command, kind, version, status| Operation {
        id: command.operation.clone(),
        kind,
        version: Version(version),
        status,
        expires_at: None,
        waitlist_position: None,
        at: (version == 3).then(|| at(9)),
        promoted: Vec::new(),
    };
    assert_eq!(made.operations, [operation(&commands[0], OperationKind::Reserve, 1, Status::Confirmed)]);
    assert_eq!(Some(unkeyed.id.uuid), commands[1].reservation_uuid(&world.event.id_salt));
    assert_eq!(unkeyed.fingerprint, None);

    let decision = world.batch(&commands[2..], at(9));
    let mut expected = Reservation::clone(made);
    (expected.status, expected.version) = (Status::Cancelled, Version(3));
    expected.operations.push(operation(&commands[2], OperationKind::Cancel, 3, Status::Cancelled));
    assert_eq!(decision.outcomes, [accepted(Arc::new(expected))], "a cancel changes nothing else");
}
