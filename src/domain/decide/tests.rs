//! The rules as stories: each row is a time, a command, what came of it, and the seats that are free afterwards.

use jiff::Timestamp;

use super::*;
use crate::domain::{EventId, EventName, Expected, IdSalt, IdempotencyKey, OperationId, PartnerId, SeatCount, Version};

#[path = "properties.rs"]
mod properties;

#[test]
fn seats_are_sold_until_too_few_are_left_for_what_is_asked() {
    check(
        10,
        &[
            (1, reserve("acme", 4), "made v1, confirmed, t1", 6),
            (1, reserve("zoe", 4), "made v2, confirmed, t1", 2),
            (1, reserve("acme", 3), "refused: 3 seats were asked for and 2 are available", 2),
            (2, reserve("zoe", 2), "made v3, confirmed, t2", 0),
            (2, reserve("acme", 1), "refused: 1 seats were asked for and 0 are available", 0),
        ],
    );
}

#[test]
fn a_cancelled_reservation_gives_its_seats_back_once() {
    check(
        10,
        &[
            (1, reserve("acme", 10).called("all"), "made v1, confirmed, t1", 0),
            (2, reserve("zoe", 1), "refused: 1 seats were asked for and 0 are available", 0),
            (3, cancel("all"), "done v2, cancelled, t1", 10),
            (3, cancel("all"), "refused: unknown", 10),
            (4, cancel("all"), "refused: unknown", 10),
            (4, reserve("zoe", 10), "made v3, confirmed, t4", 0),
        ],
    );
}

#[test]
fn what_was_never_reserved_cannot_be_cancelled() {
    check(
        10,
        &[(1, cancel("nothing"), "refused: unknown", 10), (1, cancel("nothing").key("k"), "refused: unknown", 10)],
    );
}

#[test]
fn a_retry_under_its_key_gets_the_original_answer_whenever_it_comes() {
    check(
        10,
        &[
            (1, reserve("acme", 4).key("k"), "made v1, confirmed, t1", 6),
            (1, reserve("acme", 4).key("k"), "again v1, confirmed, t1", 6),
            (1, reserve("zoe", 6), "made v2, confirmed, t1", 0),
            (9, reserve("acme", 4).key("k"), "again v1, confirmed, t1", 0),
        ],
    );
}

#[test]
fn the_original_answer_outlives_the_cancel() {
    check(
        10,
        &[
            (1, reserve("acme", 4).key("k"), "made v1, confirmed, t1", 6),
            (2, cancel_keyed("acme", "k"), "done v2, cancelled, t1", 10),
            (2, reserve("acme", 4).key("k"), "again v1, confirmed, t1", 10),
            (3, reserve("acme", 4).key("k"), "again v1, confirmed, t1", 10),
        ],
    );
}

#[test]
fn a_key_stands_for_one_request() {
    check(
        10,
        &[
            (1, reserve("acme", 4).key("k"), "made v1, confirmed, t1", 6),
            (1, reserve("acme", 5).key("k"), "refused: key reused", 6),
            (2, reserve("acme", 7).key("k"), "refused: key reused", 6),
            (3, cancel_keyed("acme", "k"), "done v2, cancelled, t1", 10),
            (3, reserve("acme", 5).key("k"), "refused: key reused", 10),
        ],
    );
}

#[test]
fn partners_do_not_share_keys() {
    check(
        10,
        &[
            (1, reserve("acme", 4).key("k"), "made v1, confirmed, t1", 6),
            (1, reserve("zoe", 2).key("k"), "made v2, confirmed, t1", 4),
            (2, reserve("acme", 4).key("k"), "again v1, confirmed, t1", 4),
            (2, reserve("zoe", 2).key("k"), "again v2, confirmed, t1", 4),
        ],
    );
}

#[test]
fn a_refusal_is_not_stored_so_its_key_is_still_free() {
    check(
        10,
        &[
            (1, reserve("zoe", 8).called("most"), "made v1, confirmed, t1", 2),
            (1, reserve("acme", 4).key("k"), "refused: 4 seats were asked for and 2 are available", 2),
            (2, cancel("most"), "done v2, cancelled, t1", 10),
            (2, reserve("acme", 5).key("k"), "made v3, confirmed, t2", 5),
        ],
    );
}

#[test]
fn a_cancel_under_its_key_is_answered_again_and_under_no_other() {
    check(
        10,
        &[
            (1, reserve("acme", 4).called("one").key("k"), "made v1, confirmed, t1", 6),
            (1, reserve("acme", 3).called("two"), "made v2, confirmed, t1", 3),
            (2, cancel_keyed("acme", "k").key("c"), "done v3, cancelled, t1", 7),
            (2, cancel_keyed("acme", "k").key("c"), "again v3, cancelled, t1", 7),
            (3, cancel_keyed("acme", "k").key("d"), "refused: unknown", 7),
            (3, cancel_keyed("acme", "k"), "refused: unknown", 7),
            // A key is known where it left its trace, in one reservation's history.
            (4, cancel("two").key("c"), "done v4, cancelled, t1", 10),
        ],
    );
}

#[test]
fn the_key_of_a_reservation_does_not_cancel_it() {
    check(
        10,
        &[
            (1, reserve("acme", 4).key("k"), "made v1, confirmed, t1", 6),
            (1, cancel_keyed("acme", "k").key("k"), "refused: key reused", 6),
            (2, cancel_keyed("acme", "k").key("c"), "done v2, cancelled, t1", 10),
            (2, cancel_keyed("acme", "k").key("k"), "refused: key reused", 10),
        ],
    );
}

#[test]
fn a_precondition_is_compared_with_the_version_that_commands_before_it_made() {
    check(
        10,
        &[
            (1, reserve("acme", 1).called("a").at_version(&[0]), "made v1, confirmed, t1", 9),
            (1, reserve("acme", 1).at_version(&[0]), "refused: precondition failed at v1", 9),
            (1, reserve("acme", 1).at_version(&[7, 1]), "made v2, confirmed, t1", 8),
            (1, cancel("a").at_version(&[1]), "refused: precondition failed at v2", 8),
            (1, cancel("a").at_version(&[2]), "done v3, cancelled, t1", 9),
            (1, reserve("acme", 1).at_version(&[]), "refused: precondition failed at v3", 9),
            (1, reserve("acme", 1).at_any_version(), "made v4, confirmed, t1", 8),
        ],
    );
}

#[test]
fn a_replay_comes_before_everything() {
    check(
        4,
        &[
            (1, reserve("acme", 4).key("k").at_version(&[0]), "made v1, confirmed, t1", 0),
            (2, reserve("acme", 4).key("k").at_version(&[0]), "again v1, confirmed, t1", 0),
            (2, reserve("acme", 3).key("k").at_version(&[0]), "refused: key reused", 0),
            (3, cancel_keyed("acme", "k").key("c").at_version(&[1]), "done v2, cancelled, t1", 4),
            (3, cancel_keyed("acme", "k").key("c").at_version(&[1]), "again v2, cancelled, t1", 4),
            (3, cancel_keyed("acme", "k").key("k").at_version(&[0]), "refused: key reused", 4),
        ],
    );
}

#[test]
fn an_unknown_target_comes_before_a_failed_precondition_and_that_before_the_rules() {
    check(
        4,
        &[
            (1, cancel("nothing").at_version(&[9]), "refused: unknown", 4),
            (1, reserve("acme", 5).at_version(&[9]), "refused: precondition failed at v0", 4),
            (1, reserve("acme", 4).called("all"), "made v1, confirmed, t1", 0),
            (2, reserve("acme", 1).at_version(&[9]), "refused: precondition failed at v1", 0),
            (2, cancel("all"), "done v2, cancelled, t1", 4),
            (2, cancel("all").at_version(&[9]), "refused: unknown", 4),
        ],
    );
}

#[test]
fn a_command_decided_anew_after_it_was_committed_finds_its_own_effect() {
    let mut world = World::new(10);
    let made = reserve("acme", 4).called("a").build(&world.event, 0);
    let cancelled = cancel("a").build(&world.event, 1);
    let first = world.batch(&[made.clone(), cancelled.clone()], 1);
    let again = world.attempt(&[made, cancelled], 2);
    let expected: Vec<_> = first.outcomes.iter().map(|outcome| describe(outcome).replace("made", "again")).collect();
    assert_eq!(expected, ["again v1, confirmed, t1", "done v2, cancelled, t1"]);
    let found: Vec<_> = again.outcomes.iter().map(describe).collect();
    assert_eq!(found, ["again v1, confirmed, t1", "again v2, cancelled, t1"]);
    for (first, again) in first.outcomes.iter().zip(&again.outcomes) {
        assert_eq!(answer(first), answer(again));
    }
    assert!(again.changes.is_empty());
}

#[test]
fn facts_are_asked_for_wherever_an_earlier_effect_can_be() {
    let event = World::new(10).event;
    let commands = [reserve("acme", 1), reserve("acme", 1).key("k"), cancel("a"), cancel("b").key("c")]
        .map(|ask| ask.build(&event, 0));
    let uuids = |indexes: &[usize]| -> Vec<_> {
        indexes.iter().map(|&index| commands[index].reservation_uuid(&event.id_salt)).collect()
    };
    assert_eq!(facts_needed(&event, &commands, false), uuids(&[1, 2, 3]), "a minted id is new at the first attempt");
    assert_eq!(facts_needed(&event, &commands, true), uuids(&[0, 1, 2, 3]));
}

#[test]
fn a_reservation_made_and_cancelled_in_one_batch_is_stored_once_in_its_last_state() {
    let mut world = World::new(10);
    let asks = [reserve("acme", 4).called("a"), reserve("zoe", 1).called("b"), cancel("a")];
    let commands: Vec<_> = asks.iter().zip(0..).map(|(ask, index)| ask.build(&world.event, index)).collect();
    let decision = world.batch(&commands, 1);
    let stored: Vec<_> =
        decision.reservations().map(|kept| (kept.version.0, kept.status, kept.operations.len())).collect();
    assert_eq!(stored, [(2, Status::Confirmed, 1), (3, Status::Cancelled, 2)]);
    let steps: Vec<_> = decision.changes.iter().map(|change| (change.before, change.reservation.status)).collect();
    let (confirmed, cancelled) = (Status::Confirmed, Status::Cancelled);
    assert_eq!(steps, [(None, confirmed), (None, confirmed), (Some(confirmed), cancelled)]);
}

#[test]
fn a_reservation_is_what_was_asked_for_and_remembers_who_did_what() {
    let mut world = World::new(10);
    let keyed = reserve("acme", 4).key("k").build(&world.event, 0);
    let decision = world.batch(&[keyed.clone(), reserve("zoe", 1).called("b").build(&world.event, 1)], 7);
    let Outcome::Accepted(made) = &decision.outcomes[0] else { panic!("{:?}", decision.outcomes) };
    assert_eq!(made.id.event_id, world.event.id);
    assert_eq!(made.id.uuid, keyed.reservation_uuid(&world.event.id_salt));
    assert_eq!((made.partner_id.as_str(), made.seats.get()), ("acme", 4));
    assert_eq!((made.version, made.created_version, made.created_at), (Version(1), Version(1), at(7)));
    assert_eq!(made.fingerprint, keyed.fingerprint());
    let operation =
        Operation { id: keyed.operation, kind: OperationKind::Reserve, version: Version(1), status: Status::Confirmed };
    assert_eq!(made.operations, [operation]);

    let Outcome::Accepted(unkeyed) = &decision.outcomes[1] else { panic!("{:?}", decision.outcomes) };
    assert_eq!((unkeyed.id.uuid, unkeyed.fingerprint), (uuid_called("b"), None));

    let cancel = cancel_keyed("acme", "k").key("c").build(&world.event, 2);
    let decision = world.batch(std::slice::from_ref(&cancel), 9);
    let Outcome::Accepted(cancelled) = &decision.outcomes[0] else { panic!("{:?}", decision.outcomes) };
    let operation =
        Operation { id: cancel.operation, kind: OperationKind::Cancel, version: Version(3), status: Status::Cancelled };
    let mut expected = Reservation::clone(made);
    (expected.status, expected.version) = (Status::Cancelled, Version(3));
    expected.operations.push(operation);
    assert_eq!(**cancelled, expected, "a cancel changes nothing else");
}

#[test]
fn facts_that_contradict_the_event_are_an_error_and_no_refusal() {
    let mut world = World::new(10);
    world.batch(&[reserve("acme", 4).called("a").build(&world.event, 0)], 1);
    world.event.confirmed_seats = 0;
    world.event.available_seats = 10;
    let cancel = cancel("a").build(&world.event, 1);
    decide(&world.event, &world.facts(std::slice::from_ref(&cancel), false), [&cancel], at(2))
        .expect_err("seats that nobody holds cannot be given back");

    world.event.available_seats = 9;
    decide(&world.event, &Facts::default(), [], at(2)).expect_err("a seat is missing");
}

#[test]
fn a_change_that_skips_a_version_does_not_fit() {
    let mut world = World::new(10);
    let decision =
        world.batch(&[reserve("acme", 4).build(&world.event, 0), reserve("zoe", 1).build(&world.event, 1)], 1);
    let mut event = World::new(10).event;
    event.apply(&decision.changes[1]).expect_err("version 2 does not follow version 0");
    assert_eq!(event, World::new(10).event);
    for change in &decision.changes {
        event.apply(change).expect("the next version");
    }
    event.apply(&decision.changes[1]).expect_err("version 2 is there already");
    assert_eq!(event, decision.event);
}

/// Tells `rows` to a new event of `seats` seats: rows of one time as one batch, and again each row in a batch of its own.
/// Both must give the outcomes that the rows say.
fn check(seats: u32, rows: &[(i64, Ask, &str, u32)]) {
    let mut batches = World::new(seats);
    let mut singles = World::new(seats);
    let mut index = 0;
    for batch in rows.chunk_by(|(one, ..), (other, ..)| one == other) {
        let numbered = batch.iter().zip(index..);
        let commands: Vec<_> = numbered.map(|((_, ask, ..), index)| ask.build(&batches.event, index)).collect();
        let decision = batches.batch(&commands, batch[0].0);
        for ((command, outcome), (time, ask, expected, free)) in commands.iter().zip(&decision.outcomes).zip(batch) {
            assert_eq!(describe(outcome), *expected, "row {index}, in its batch: {ask:?}");
            let single = singles.batch(std::slice::from_ref(command), *time);
            assert_eq!(single.outcomes, std::slice::from_ref(outcome), "row {index}, alone: {ask:?}");
            assert_eq!(singles.event.available_seats, *free, "row {index}, seats free after {ask:?}");
            index += 1;
        }
        assert_eq!(batches, singles, "after the batch at {}", batch[0].0);
    }
}

/// An event and all its reservations, as a store would keep them.
#[derive(Debug, Clone, PartialEq)]
struct World {
    event: Event,
    reservations: HashMap<Uuid, Arc<Reservation>>,
}

impl World {
    fn new(seats: u32) -> Self {
        let (id, name) = (EventId::parse("show").expect("an id"), EventName::parse("A show").expect("a name"));
        Self { event: Event::open(id, name, seats, IdSalt([3; 32])), reservations: HashMap::new() }
    }

    fn facts(&self, commands: &[Command], attempted: bool) -> Facts {
        let known = |uuid| self.reservations.get(&uuid).map(|reservation| (uuid, reservation.clone()));
        let needed = facts_needed(&self.event, commands, attempted);
        Facts { reservations: needed.into_iter().filter_map(known).collect() }
    }

    /// Decides commands that come for the first time, and commits what was decided.
    fn batch(&mut self, commands: &[Command], now: i64) -> Decision {
        self.commit(commands, now, false)
    }

    /// Decides commands whose earlier attempt may have been committed.
    fn attempt(&mut self, commands: &[Command], now: i64) -> Decision {
        self.commit(commands, now, true)
    }

    fn commit(&mut self, commands: &[Command], now: i64, attempted: bool) -> Decision {
        let facts = self.facts(commands, attempted);
        let decision = decide(&self.event, &facts, commands, at(now)).expect("a sound event");
        self.event = decision.event.clone();
        self.reservations.extend(decision.reservations().map(|kept| (kept.id.uuid, kept.clone())));
        decision
    }
}

/// A command in the making.
#[derive(Debug, Clone)]
struct Ask {
    what: What,
    key: Option<&'static str>,
    expected: Option<Expected>,
}

#[derive(Debug, Clone)]
enum What {
    Reserve { partner: &'static str, seats: u32, called: Option<&'static str> },
    Cancel { called: &'static str },
    CancelKeyed { partner: &'static str, key: &'static str },
}

fn reserve(partner: &'static str, seats: u32) -> Ask {
    Ask { what: What::Reserve { partner, seats, called: None }, key: None, expected: None }
}

fn cancel(called: &'static str) -> Ask {
    Ask { what: What::Cancel { called }, key: None, expected: None }
}

/// Cancels what `partner` reserved under `key`.
fn cancel_keyed(partner: &'static str, key: &'static str) -> Ask {
    Ask { what: What::CancelKeyed { partner, key }, key: None, expected: None }
}

impl Ask {
    /// Names the reservation, so that [`cancel`] can.
    fn called(mut self, name: &'static str) -> Self {
        if let What::Reserve { called, .. } = &mut self.what {
            *called = Some(name);
        }
        self
    }

    fn key(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    fn at_version(self, versions: &[i64]) -> Self {
        let versions = versions.iter().copied().map(Version).collect();
        Self { expected: Some(Expected::Versions(versions)), ..self }
    }

    fn at_any_version(self) -> Self {
        Self { expected: Some(Expected::Any), ..self }
    }

    /// The command; `index` sets it apart from all others of its story.
    fn build(&self, event: &Event, index: usize) -> Command {
        let partner = |text| PartnerId::parse(text).expect("a partner");
        let key = |text| IdempotencyKey::parse(text).expect("a key");
        let request = match self.what {
            What::Reserve { partner: id, seats, called } => Request::Reserve(Reserve {
                minted: called.map_or_else(|| uuid_numbered(1 << 64, index), uuid_called),
                partner_id: partner(id),
                seats: SeatCount::parse(seats, 10).expect("a count"),
            }),
            What::Cancel { called } => Request::Cancel(uuid_called(called)),
            What::CancelKeyed { partner: id, key: text } => {
                Request::Cancel(crate::domain::fingerprint::keyed_uuid(&event.id_salt, &partner(id), &key(text)))
            }
        };
        let operation = match self.key {
            Some(text) => OperationId::Key(key(text)),
            None => OperationId::Minted(uuid_numbered(2 << 64, index)),
        };
        Command { operation, expected: self.expected.clone(), request }
    }
}

fn uuid_called(name: &str) -> Uuid {
    name.bytes().fold(Uuid::from_u128(3 << 64), |uuid, byte| Uuid::from_u128((uuid.as_u128() << 8) | u128::from(byte)))
}

fn uuid_numbered(base: u128, index: usize) -> Uuid {
    Uuid::from_u128(base + u128::try_from(index).expect("a small number"))
}

fn at(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(millisecond).expect("a time")
}

/// The reservation that an outcome tells of.
fn answer(outcome: &Outcome) -> Option<&Arc<Reservation>> {
    match outcome {
        Outcome::Accepted(reservation) | Outcome::Replayed(reservation) => Some(reservation),
        Outcome::Refused(_) => None,
    }
}

/// An outcome in the words of the stories.
fn describe(outcome: &Outcome) -> String {
    let tell = |verb, told: &Reservation| {
        let time = told.created_at.as_millisecond();
        format!("{verb} v{}, {}, t{time}", told.version, told.status.as_str())
    };
    match outcome {
        Outcome::Accepted(made) if made.version == made.created_version => tell("made", made),
        Outcome::Accepted(done) => tell("done", done),
        Outcome::Replayed(again) => tell("again", again),
        Outcome::Refused(Rejection::UnknownReservation(_)) => "refused: unknown".to_owned(),
        Outcome::Refused(Rejection::KeyReused) => "refused: key reused".to_owned(),
        Outcome::Refused(Rejection::PreconditionFailed { current }) => {
            format!("refused: precondition failed at v{current}")
        }
        Outcome::Refused(why @ Rejection::InsufficientSeats { .. }) => format!("refused: {why}"),
    }
}
