//! What every face of the service calls: the [`BoxOffice`], and behind it one task per active event.

use std::{sync::Arc, time::Duration};

use crate::domain::{
    Details, EventId, EventName, Expected, HoldSeconds, IdempotencyKey, PartnerId, Quotas, Rejection, Reservation,
    ReservationId, SeatCount, SeatId, SeatMap,
};

mod answers;
mod attempt;
mod batch;
mod box_office;
mod caretaker;
mod group_commit;
mod inbox;
mod list_reads;
mod pace;
mod proofs;
mod shared_read;

pub use box_office::BoxOffice;

/// How much the service takes on, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Commands that one commit may carry.
    pub commit_batch_max: usize,
    /// Tries to commit one batch before its commands are answered with a version conflict.
    pub commit_attempts_max: u32,
    /// Commands that may wait for one event; one more is turned away.
    ///
    /// What one of them holds is bounded where it comes in: a key of 255 bytes, a request's id of 128, a condition of 64 versions
    /// (8 bytes each), and of its body, which has up to 4 KiB, no more than its texts, or seats of 10 bytes each that took it five.
    /// With all that surrounds it that is less than 6 KiB, or 100 MB for the 16,384 of the default; where
    /// `SEATS_PER_RESERVATION_MAX` lets a body name hundreds of seats, less than 12 KiB.
    pub inbox_max: usize,
    /// How long a request may take, from its arrival to its answer.
    pub request_timeout: Duration,
}

/// The terms on which a write is asked for.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The request's `Idempotency-Key`.
    pub key: Option<IdempotencyKey>,
    /// The request's `If-Match`.
    pub expected: Option<Expected>,
    /// The id under which the request appears in the log.
    pub request_id: Arc<str>,
}

/// The answer to a write that was accepted.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// What the write was about, as it stood right after.
    pub subject: T,
    /// Whether this repeats the answer to an earlier request with the same key.
    pub replayed: bool,
}

/// A request for seats, as a partner makes it.
#[derive(Debug, Clone)]
pub struct SeatRequest {
    /// Who asks.
    pub partner_id: PartnerId,
    /// For how many.
    pub seats: SeatCount,
    /// For which; empty when any will do. Else as many as `seats`, each once.
    pub seat_ids: Arc<[SeatId]>,
    /// Whether to wait for seats when they are not there. Named seats are not waited for.
    pub waitlist: bool,
    /// For how long to hold the seats; `None` when they are wanted for good.
    pub hold: Option<HoldSeconds>,
}

/// A new event, as its organizer asks for it.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its id; minted when absent.
    pub id: Option<EventId>,
    /// What people call it.
    pub name: EventName,
    /// What it says about itself.
    pub details: Details,
    /// How much one reservation or partner may take.
    pub quotas: Quotas,
    /// Its seats.
    pub seating: Seating,
}

/// The seats of a new event.
#[derive(Debug, Clone)]
pub enum Seating {
    /// So many, without names.
    Unnamed(u32),
    /// Those of a map.
    Mapped(Arc<SeatMap>),
}

/// A reservation as it stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The reservation.
    pub reservation: Arc<Reservation>,
    /// Its current place on the waitlist, counted from 1, if it waits.
    pub waitlist_position: Option<u32>,
}

/// Why a request was not fulfilled.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServiceError {
    /// A rule forbids it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// There is an event with this id already.
    #[error("there is an event {0} already")]
    EventExists(EventId),
    /// There is no such event.
    #[error("there is no event {0}")]
    UnknownEvent(EventId),
    /// Other processes changed the event at every try. Nothing was changed by this request.
    #[error("other processes changed the event first, at every try")]
    VersionConflict,
    /// Too many requests wait for this event. Nothing was changed.
    #[error("too many requests wait for this event")]
    Overloaded,
    /// So many lists are being read, or this one takes so long, that it must be asked for again.
    #[error("lists take more time than they may: {0}")]
    ListsOverloaded(String),
    /// The store is out of reach. Nothing was changed.
    #[error("the store is out of reach: {0}")]
    Unavailable(String),
    /// The store can be read and takes no writes. Nothing was changed.
    #[error("the store takes no writes: {0}")]
    ReadOnly(String),
    /// The store did not say whether the write was applied; the reservation, or a retry with the same key, tells later.
    /// Its id is not known when the request was lost before it was looked at.
    #[error("whether the reservation was written is not known")]
    OutcomeUnknown(Option<ReservationId>),
    /// A defect here or in what the store holds.
    #[error("internal error: {0}")]
    Internal(String),
}
