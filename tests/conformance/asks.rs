//! New events and commands, in the words of the checks.

use std::{num::NonZeroU32, sync::Arc};

use ticketboss::{
    domain::{
        Amend, Command, Event, EventId, EventName, HoldSeconds, IdempotencyKey, OperationId, PartnerId, Request,
        Reserve, Row, RowLabel, SeatCount, SeatId, SeatMap,
    },
    ids,
};
use uuid::Uuid;

/// An event that no store has seen.
pub(crate) fn new_event(seats: u32) -> Event {
    let id = EventId::parse(&format!("check-{}", ids::reservation())).expect("an id");
    Event::open(id, EventName::parse("A show").expect("a name"), seats, ids::id_salt())
}

/// An event with `rows` rows of a thousand seats, of which the first of every row is not for sale.
pub(crate) fn new_hall(rows: usize) -> Event {
    let rows: Vec<_> = (0..rows).map(|row| Row { label: label(row), seats: 1_000 }).collect();
    let blocked = rows.iter().map(|row| SeatId { row: row.label, number: 1 }).collect();
    let map = SeatMap::new(rows, blocked).expect("a seat map");
    let bare = new_event(1);
    Event::open_mapped(bare.id, bare.name, &Arc::new(map), bare.id_salt)
}

fn label(row: usize) -> RowLabel {
    RowLabel::parse(&format!("{row}R")).expect("a label")
}

/// A seat of a [`new_hall`].
pub(crate) fn seat(row: usize, number: u16) -> SeatId {
    SeatId { row: label(row), number }
}

/// A request for `seats` seats by a partner called acme, without a key.
pub(crate) fn reserve(seats: u32) -> Command {
    reserve_by("acme", seats)
}

pub(crate) fn reserve_by(name: &str, seats: u32) -> Command {
    let seats = SeatCount::parse(seats, u32::MAX).expect("a count");
    ask(Request::Reserve(Reserve::any(ids::reservation(), partner(name), seats)))
}

pub(crate) fn partner(name: &str) -> PartnerId {
    PartnerId::stored(name).expect("a partner")
}

/// The same request, by somebody who would also wait.
pub(crate) fn or_wait(command: Command) -> Command {
    with(command, |reserve| reserve.waitlist = true)
}

/// The same request, for seats that are to be held.
pub(crate) fn held(command: Command, seconds: u32) -> Command {
    with(command, |reserve| reserve.hold = HoldSeconds::parse(seconds, u32::MAX).ok())
}

/// The same request, for these seats.
pub(crate) fn at(command: Command, seats: &[SeatId]) -> Command {
    with(command, |reserve| reserve.seat_ids = seats.into())
}

fn with(mut command: Command, change: impl FnOnce(&mut Reserve)) -> Command {
    if let Request::Reserve(reserve) = &mut command.request {
        change(reserve);
    }
    command
}

pub(crate) fn cancel(uuid: Uuid) -> Command {
    ask(Request::Cancel(uuid))
}

pub(crate) fn confirm(uuid: Uuid) -> Command {
    ask(Request::Confirm(uuid))
}

pub(crate) fn amend(amend: Amend) -> Command {
    ask(Request::Amend(Box::new(amend)))
}

fn ask(request: Request) -> Command {
    Command { operation: ids::operation(), expected: None, request }
}

/// The same request under a key.
pub(crate) fn under_key(command: Command, key: &str) -> Command {
    Command { operation: OperationId::Key(IdempotencyKey::parse(key).expect("a key")), ..command }
}

/// The uuid of the reservation that `command` is about, in `event`.
pub(crate) fn uuid_of(command: &Command, event: &Event) -> Uuid {
    command.reservation_uuid(&event.id_salt).expect("a command about a reservation")
}

/// A limit.
pub(crate) fn limit(max: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(max)
}
