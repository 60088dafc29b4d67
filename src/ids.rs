//! The only source of randomness: every new id is minted here, so that the rest of the house stays predictable.

#![expect(clippy::disallowed_methods, reason = "this is the one place that may mint ids")]

use uuid::Uuid;

use crate::domain::{EventId, Head, IdSalt, OperationId};

/// A fresh head for one commit attempt.
#[must_use]
pub fn head() -> Head {
    Head(Uuid::new_v4())
}

/// The secret of a new event, from which keyed reservation ids are derived.
#[must_use]
pub fn id_salt() -> IdSalt {
    IdSalt(rand::random())
}

/// The id of an event whose organizer chose none and whose request carried no `Idempotency-Key`.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "it is made of letters, digits and a dash, and short enough")]
pub fn event() -> EventId {
    EventId::parse(&format!("event-{}", Uuid::now_v7().simple())).expect("a good event id")
}

/// The id of an operation whose request carried no `Idempotency-Key`.
#[must_use]
pub fn operation() -> OperationId {
    OperationId::Minted(Uuid::new_v4())
}

/// The id of a reservation whose request carried no `Idempotency-Key`.
///
/// Version 7 (RFC 9562 section 5.7), because ids that grow with time keep an ordered store's writes together.
#[must_use]
pub fn reservation() -> Uuid {
    Uuid::now_v7()
}

/// A name for this process among those that share a deployment.
#[must_use]
pub fn process() -> String {
    Uuid::new_v4().to_string()
}

/// An `X-Request-Id` for a request that came without one.
#[must_use]
pub fn request() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A factor in `0.5..1.0`, to spread the retries of processes that failed together.
#[must_use]
pub fn jitter() -> f64 {
    rand::random_range(0.5..1.0)
}
