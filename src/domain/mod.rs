//! The rules of a sale, pure: no async, no IO, no clock, no randomness, and no knowledge of HTTP or of any store.
//!
//! Read [`event`] and [`reservation`] for the state, [`command`] for what can be asked, [`decide()`] for the answers.

pub mod command;
pub mod decide;
pub mod event;
pub mod fingerprint;
pub mod reservation;

pub use command::{Change, Command, Expected, Outcome, Rejection, Request, Reserve};
pub use decide::{Decision, Facts, decide, facts_needed};
pub use event::{Event, EventId, EventName, Head, IdSalt, Version};
pub use fingerprint::Fingerprint;
pub use reservation::{
    IdempotencyKey, Operation, OperationId, OperationKind, PartnerId, Reservation, ReservationId, SeatCount, Status,
};

/// Why a value was refused at the edge: a sentence for the person who sent it, without the field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub String);
