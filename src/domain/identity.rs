//! What an event is known by: its id, and the marks of its versions.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::InvalidValue;

/// Names an event: `[a-z0-9-]{1,64}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct EventId(Arc<str>);

impl EventId {
    /// Takes `text` as an event id.
    ///
    /// # Errors
    /// When it is not 1 to 64 characters out of `a-z`, `0-9` and `-`.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
            return Err(InvalidValue("must be 1 to 64 characters out of a-z, 0-9 and '-'".to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| serde::de::Error::custom(format!("an event id {why}")))
    }
}

/// The count of changes that an event accepted; each change raises it by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub i64);

impl Version {
    /// The version of an event that nobody has touched yet.
    pub const INITIAL: Self = Self(0);

    /// The version that the next accepted change gets.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A random id written with every commit: the fingerprint of one version.
///
/// A failover may roll a version back and another one with the same number may follow; they differ in their heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Head(pub Uuid);

/// An event's secret, from which the ids of reservations with an idempotency key are derived.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdSalt(pub [u8; 32]);

impl fmt::Debug for IdSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSalt(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_are_lower_case_slugs() {
        for good in ["node-meetup-2025", "a", "0", &"x".repeat(64)] {
            assert_eq!(EventId::parse(good).expect(good).as_str(), good);
        }
        for bad in ["", "Node", "a b", "a.b", "a/b", "é", "$x", &"x".repeat(65)] {
            assert!(EventId::parse(bad).is_err(), "{bad:?} must be refused");
        }
    }
}
