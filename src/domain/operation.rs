//! Who did what, and when: the short histories by which an operation's own earlier effect is found again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventSummary, Fingerprint, IdempotencyKey, Status, Version};

/// How an operation is known again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OperationId {
    /// By the request's `Idempotency-Key`.
    Key(IdempotencyKey),
    /// By an id minted at the door, for a request without a key.
    Minted(Uuid),
    /// Nobody asked for it, so nobody asks again: the service itself lapsed a hold or served the waitlist.
    Unasked,
}

/// What an operation did to its reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationKind {
    /// Made it.
    Reserve,
    /// Cancelled it.
    Cancel,
    /// Confirmed the hold.
    Confirm,
    /// Gave the head of the waitlist its seats.
    Promote,
    /// Ended the hold, whose time was over, or the wait for more seats than the event has.
    Lapse,
}

/// One entry in a reservation's own short history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who did it.
    pub id: OperationId,
    /// What was done.
    pub kind: OperationKind,
    /// The event's version that it made.
    pub version: Version,
    /// The reservation's status after it.
    pub status: Status,
    /// When the reservation lapses, if it was held after it.
    pub expires_at: Option<Timestamp>,
    /// Its place on the waitlist, counted from 1, if it joined.
    pub waitlist_position: Option<u32>,
    /// When it was done, in whole milliseconds; `None` at the time when the reservation was made, and for what earlier versions
    /// of this program did.
    pub at: Option<Timestamp>,
    /// Who was given seats because this one was cancelled, by their uuid: [`PROMOTED_MAX`] at most.
    pub promoted: Vec<Uuid>,
}

/// How many of those who were served by a cancel are remembered, for whoever asks again: ten times what an ordinary reservation can
/// make room for. They are part of every document that carries the reservation.
pub const PROMOTED_MAX: usize = 100;

/// What is known for ever of an operation that left no trace in a reservation's own history. It is found by an id that follows
/// from the operation's own ([`super::Command::record_uuid`]), and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRecord {
    /// Its id among the records of its event.
    pub uuid: Uuid,
    /// The event's version that it made.
    pub version: Version,
    /// What the request said; only where a key lets somebody ask again.
    pub fingerprint: Option<Fingerprint>,
    /// What came of it.
    pub effect: RecordedEffect,
}

/// What came of an operation that is known by its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedEffect {
    /// The event was amended, and this was the answer.
    Amended(Box<EventSummary>),
    /// A reservation was confirmed already. It stood at this version.
    AlreadyConfirmed(Version),
}

/// One entry in an event's own short history: who made it and what they were told. (Events of earlier versions of this program
/// have their last eight amendments there, too.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventOperation {
    /// Who did it.
    pub id: OperationId,
    /// What the request said; only where a key lets somebody ask again.
    pub fingerprint: Option<Fingerprint>,
    /// The answer, whose version is the one that the operation came to.
    pub answer: EventSummary,
}
