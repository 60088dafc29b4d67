//! Times as partners read them (RFC 3339). How they are read is [`Moment`]'s matter.

use jiff::Timestamp;
use serde::Serializer;

use crate::domain::Moment;

/// With always three digits after the second, so that times also sort as text.
pub(super) fn in_milliseconds<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.3}"))
}

/// As [`in_milliseconds`], where there is a time.
#[expect(clippy::ref_option, reason = "serde calls it so")]
pub(super) fn in_milliseconds_if_any<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => in_milliseconds(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// A moment, where there is one; it is always told in milliseconds.
#[expect(clippy::ref_option, reason = "serde calls it so")]
pub(super) fn moment_if_any<S: Serializer>(at: &Option<Moment>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}
