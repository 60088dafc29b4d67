//! What can be asked of an event, and what can come of it.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    Fingerprint, IdSalt, IdempotencyKey, OperationId, PartnerId, Reservation, ReservationId, SeatCount, Status,
    Version, fingerprint::keyed_uuid,
};

/// One request to change an event. Its ids are fixed when the request arrives, so that deciding it anew after an
/// unclear outcome comes to the same change, or finds the one that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// How its effect is known again.
    pub operation: OperationId,
    /// The versions of the event at which it may act; `None` means at any.
    pub expected: Option<Expected>,
    /// What is asked.
    pub request: Request,
}

/// The condition of an `If-Match` header (RFC 9110 section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// `*`: at any version, as long as there is an event.
    Any,
    /// Only at one of these versions.
    Versions(Vec<Version>),
}

impl Expected {
    /// Whether the condition holds at `version`.
    #[must_use]
    pub fn holds_at(&self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Seats for a partner.
    Reserve(Reserve),
    /// Giving a reservation's seats back. The uuid is the reservation's own part of its id.
    Cancel(Uuid),
}

/// A request for seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// The uuid that the reservation gets when the request carries no key.
    pub minted: Uuid,
    /// Who asks.
    pub partner_id: PartnerId,
    /// For how many.
    pub seats: SeatCount,
}

impl Command {
    /// The request's `Idempotency-Key`, if it carried one.
    #[must_use]
    pub fn key(&self) -> Option<&IdempotencyKey> {
        match &self.operation {
            OperationId::Key(key) => Some(key),
            OperationId::Minted(_) => None,
        }
    }

    /// The uuid of the reservation that this command makes or changes, in the event that has `salt`.
    #[must_use]
    pub fn reservation_uuid(&self, salt: &IdSalt) -> Uuid {
        match (&self.request, self.key()) {
            (Request::Reserve(reserve), Some(key)) => keyed_uuid(salt, &reserve.partner_id, key),
            (Request::Reserve(reserve), None) => reserve.minted,
            (Request::Cancel(uuid), _) => *uuid,
        }
    }

    /// The fingerprint that a retry of this command is compared by; commands without a key need none.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        match (&self.request, self.key()) {
            (Request::Reserve(reserve), Some(_)) => Some(Fingerprint::of_reserve(&reserve.partner_id, reserve.seats)),
            _ => None,
        }
    }
}

/// One accepted change: a reservation's step from one state to the next, which makes one version of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The reservation's status before; `None` when the change made it.
    pub before: Option<Status>,
    /// The reservation after it; its `version` is the one that the change made.
    pub reservation: Arc<Reservation>,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done now; the reservation as it stands right after.
    Accepted(Arc<Reservation>),
    /// It had been done before; the reservation as it stood right after that.
    Replayed(Arc<Reservation>),
    /// A rule forbids it.
    Refused(Rejection),
}

/// Why a rule forbids a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Fewer seats are free than were asked for.
    #[error("{requested} seats were asked for and {available} are available")]
    InsufficientSeats {
        /// How many were asked for.
        requested: u32,
        /// How many are free.
        available: u32,
    },
    /// No such reservation, or it is cancelled already.
    #[error("there is no such active reservation: {0}")]
    UnknownReservation(ReservationId),
    /// The event is not at an expected version.
    #[error("the event is at version {current}")]
    PreconditionFailed {
        /// Where the event is.
        current: Version,
    },
    /// The key was used for another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
}
