//! The rules of a sale, pure: no async, no IO, no clock, no randomness, and no knowledge of HTTP or of any store.
//!
//! Read [`event`] and [`reservation`] for the state, [`command`] for what can be asked, [`facts`] for what must be known
//! beside the event, [`decide()`] for the answers. [`seat_map`], [`hall`] and [`best_seats`] are the rooms for named seats.

pub mod best_seats;
pub mod command;
pub mod decide;
pub mod details;
pub mod event;
pub mod facts;
pub mod fingerprint;
pub mod hall;
pub mod identity;
pub mod moment;
pub mod operation;
mod packed_seats;
pub mod reservation;
pub mod seat_map;
#[cfg(test)]
pub(crate) mod strategies;
mod text;

pub use command::{
    Amend, Amendment, Cancellation, Change, Command, Expected, Limited, Outcome, Rejection, Request, Reserve, Step,
    Subject,
};
pub use decide::{CHANGES_MAX, Decision, Undecided, decide, decide_within};
pub use details::{Currency, Description, Details, EventName, Location, Price, Quotas, Sales};
pub use event::{BrokenInvariant, Event, EventSummary, TOTAL_SEATS_MAX};
pub use facts::{Facts, HOLDS_AT_FIRST, Wanted, facts_needed, facts_needed_within};
pub use fingerprint::{Fingerprint, keyed_event_id};
pub use hall::{Hall, SeatState};
pub use identity::{EventId, Head, IdSalt, Version};
pub use moment::{LAST_TIMESTAMP_MS, Moment, Rounding};
pub use operation::{EventOperation, Operation, OperationId, OperationKind, OperationRecord, RecordedEffect};
pub use packed_seats::BLOCK_SEATS;
pub use reservation::{HoldSeconds, IdempotencyKey, PartnerId, Reservation, ReservationId, SeatCount, Status};
pub use seat_map::{Row, RowLabel, SeatId, SeatMap};

/// Why a value was refused at the edge: a sentence for the person who sent it, without the field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub String);

/// `count` of what is called `noun`: "1 seat", "2 seats".
#[must_use]
pub fn counted(count: u32, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
