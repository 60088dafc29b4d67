//! The event at a version: the one truth about its seats.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Change, InvalidValue};

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

/// What people call the event: 1 to 200 characters, not blank, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventName(Arc<str>);

impl EventName {
    /// Takes `text` as a name.
    ///
    /// # Errors
    /// When it is blank, longer than 200 characters, or holds a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        if text.trim().is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
            return Err(InvalidValue("must be 1 to 200 characters, not blank, without control characters".to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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

/// An event at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which event this is.
    pub id: EventId,
    /// What people call it.
    pub name: EventName,
    /// How many seats there are.
    pub total_seats: u32,
    /// How many of them are free.
    pub available_seats: u32,
    /// How many of them belong to confirmed reservations. Kept beside `available_seats`, not derived from it, so that
    /// a wrong sum can be seen, by [`Event::check`] and by the database's own validator.
    pub confirmed_seats: u32,
    /// How many reservations are confirmed.
    pub reservation_count: u32,
    /// How many changes it has accepted.
    pub version: Version,
    /// Its secret for keyed reservation ids; never changes.
    pub id_salt: IdSalt,
}

/// A state or a change that no rule can have produced: a defect here, or a store that was edited by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event} at version {version}: {what}")]
pub struct BrokenInvariant {
    event: EventId,
    version: Version,
    what: &'static str,
}

impl Event {
    /// A new event with every seat free.
    #[must_use]
    pub fn open(id: EventId, name: EventName, total_seats: u32, id_salt: IdSalt) -> Self {
        Self {
            id,
            name,
            total_seats,
            available_seats: total_seats,
            confirmed_seats: 0,
            reservation_count: 0,
            version: Version::INITIAL,
            id_salt,
        }
    }

    /// Takes one accepted change into account: seats move by what the reservation held before and holds after it.
    ///
    /// # Errors
    /// When the change does not fit: its version is not the next one, or seats or counts would leave their bounds.
    /// The event is then unchanged.
    pub fn apply(&mut self, change: &Change) -> Result<(), BrokenInvariant> {
        let after = &change.reservation;
        if after.version != self.version.next() {
            return Err(self.broken("a change must carry the next version"));
        }
        let before_seats = change.before.map_or(0, |status| status.confirmed(after.seats.get()));
        let before_count = change.before.map_or(0, |status| status.confirmed(1));
        let replace = |held: u32, before: u32, now: u32| held.checked_sub(before)?.checked_add(now);

        let confirmed_seats = replace(self.confirmed_seats, before_seats, after.status.confirmed(after.seats.get()))
            .ok_or_else(|| self.broken("confirmed seats would leave their bounds"))?;
        let reservation_count = replace(self.reservation_count, before_count, after.status.confirmed(1))
            .ok_or_else(|| self.broken("the count of reservations would leave its bounds"))?;
        let available_seats = self
            .total_seats
            .checked_sub(confirmed_seats)
            .ok_or_else(|| self.broken("more seats would be taken than there are"))?;

        self.available_seats = available_seats;
        self.confirmed_seats = confirmed_seats;
        self.reservation_count = reservation_count;
        self.version = after.version;
        Ok(())
    }

    /// Checks what must hold at every version, whoever wrote it.
    ///
    /// # Errors
    /// Says which sum is wrong.
    pub fn check(&self) -> Result<(), BrokenInvariant> {
        if self.available_seats.checked_add(self.confirmed_seats) != Some(self.total_seats) {
            return Err(self.broken("available and confirmed seats do not add up to all seats"));
        }
        if self.reservation_count > self.confirmed_seats {
            return Err(self.broken("there are more confirmed reservations than confirmed seats"));
        }
        if self.version < Version::INITIAL {
            return Err(self.broken("the version is negative"));
        }
        Ok(())
    }

    fn broken(&self, what: &'static str) -> BrokenInvariant {
        BrokenInvariant { event: self.id.clone(), version: self.version, what }
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

    #[test]
    fn a_wrong_sum_is_seen() {
        let name = EventName::parse("A show").expect("a good name");
        let mut event = Event::open(EventId::parse("show").expect("a good id"), name, 10, IdSalt([0; 32]));
        event.check().expect("a new event is sound");
        event.available_seats = 9;
        let why = event.check().expect_err("a seat is missing").to_string();
        assert!(why.contains("show") && why.contains("add up"), "{why}");
    }
}
