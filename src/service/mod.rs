//! What every face of the service calls: the [`BoxOffice`], and behind it one task per active event.

use std::{sync::Arc, time::Duration};

use crate::domain::{EventId, Expected, IdempotencyKey, Rejection, Reservation, ReservationId};

mod attempt;
mod batch;
mod box_office;
mod group_commit;
mod inbox;
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
pub struct Answer {
    /// The reservation as it stood right after the write.
    pub reservation: Arc<Reservation>,
    /// Whether this repeats the answer to an earlier request with the same key.
    pub replayed: bool,
}

/// Why a request was not fulfilled.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServiceError {
    /// A rule forbids it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// There is no such event.
    #[error("there is no event {0}")]
    UnknownEvent(EventId),
    /// Other processes changed the event at every try. Nothing was changed by this request.
    #[error("other processes changed the event first, at every try")]
    VersionConflict,
    /// Too many requests wait for this event. Nothing was changed.
    #[error("too many requests wait for this event")]
    Overloaded,
    /// The store is out of reach. Nothing was changed.
    #[error("the store is out of reach: {0}")]
    Unavailable(String),
    /// The store did not say whether the write was applied; the reservation, or a retry with the same key, tells later.
    /// Its id is not known when the request was lost before it was looked at.
    #[error("whether the reservation was written is not known")]
    OutcomeUnknown(Option<ReservationId>),
    /// A defect here or in what the store holds.
    #[error("internal error: {0}")]
    Internal(String),
}
