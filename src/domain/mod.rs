//! The rules of a sale, pure: no async, no IO, no clock, no randomness, and no knowledge of HTTP or of any store.
//!
//! Read [`event`] and [`reservation`] for the state, [`command`] for what can be asked, [`decide()`] for the answers.
//! [`seat_map`], [`hall`] and [`best_seats`] are the rooms for named seats.

pub mod best_seats;
pub mod command;
pub mod decide;
pub mod event;
pub mod fingerprint;
pub mod hall;
mod packed_seats;
pub mod reservation;
pub mod seat_map;

pub use command::{Change, Command, Expected, Outcome, Rejection, Request, Reserve};
pub use decide::{Decision, Facts, decide, facts_needed};
pub use event::{Event, EventId, EventName, Head, IdSalt, Version};
pub use fingerprint::Fingerprint;
pub use hall::{Hall, SeatState};
pub use packed_seats::BLOCK_SEATS;
pub use reservation::{
    IdempotencyKey, Operation, OperationId, OperationKind, PartnerId, Reservation, ReservationId, SeatCount, Status,
};
pub use seat_map::{Row, RowLabel, SeatId, SeatMap};

/// Why a value was refused at the edge: a sentence for the person who sent it, without the field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub String);
