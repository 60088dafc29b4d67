//! A partner's claim on seats, and the values it is made of: each is checked once, where it enters.

use std::{fmt, num::NonZeroU32, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    EventId, Fingerprint, InvalidValue, LAST_TIMESTAMP_MS, Operation, OperationId, SeatId, Version,
    text::{self, Kind},
};

/// Who reserves: 1 to 64 characters that can be seen, in NFC and trimmed, so that no two ids look alike and differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartnerId(Arc<str>);

impl PartnerId {
    /// The most characters that it may have.
    pub const CHARS_MAX: usize = 64;

    /// Takes `text` as a partner id, in its normal form.
    ///
    /// # Errors
    /// When it is blank, longer than that, or holds what cannot be seen.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        text::checked(text, Kind::Id, Self::CHARS_MAX).map(Self)
    }

    /// Takes a partner id as a store holds it: by the rules of its time. One that earlier versions took in another form than
    /// the normal one stays readable, and is another partner than the one in normal form.
    ///
    /// # Errors
    /// When no version of this program has written it.
    pub fn stored(text: &str) -> Result<Self, InvalidValue> {
        text::stored(text, Self::CHARS_MAX).map(Self)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number of seats, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeatCount(NonZeroU32);

impl SeatCount {
    /// Takes `seats` as a number of seats.
    ///
    /// # Errors
    /// When it is zero or more than `max`.
    pub fn parse(seats: u32, max: u32) -> Result<Self, InvalidValue> {
        NonZeroU32::new(seats)
            .filter(|seats| seats.get() <= max)
            .map(Self)
            .ok_or_else(|| InvalidValue(format!("must be an integer from 1 to {max}")))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

/// How long seats are held for somebody who has not confirmed yet, in seconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldSeconds(NonZeroU32);

impl HoldSeconds {
    /// Takes `seconds` as the length of a hold.
    ///
    /// # Errors
    /// When it is zero or more than `max`.
    pub fn parse(seconds: u32, max: u32) -> Result<Self, InvalidValue> {
        NonZeroU32::new(seconds)
            .filter(|seconds| seconds.get() <= max)
            .map(Self)
            .ok_or_else(|| InvalidValue(format!("must be an integer from 1 to {max}")))
    }

    /// The number of seconds.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// When a hold of this length that begins at `start`, a whole millisecond, lapses: at the last time that can be stored at
    /// most.
    #[must_use]
    pub fn after(self, start: Timestamp) -> Timestamp {
        let end = start.as_millisecond().saturating_add(i64::from(self.get()) * 1_000).min(LAST_TIMESTAMP_MS);
        Timestamp::from_millisecond(end).unwrap_or(start)
    }
}

/// A key that a partner chose so that a retry is known as one: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// Takes `text`, without quotes around it, as a key.
    ///
    /// # Errors
    /// When it is empty, longer than 255 characters, or holds anything but visible ASCII characters.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        if text.is_empty() || text.len() > 255 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidValue("must be 1 to 255 visible ASCII characters".to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `<eventId>.<uuid>`: which reservation, and which event it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReservationId {
    /// The event that holds it.
    pub event_id: EventId,
    /// Its own part.
    pub uuid: Uuid,
}

impl ReservationId {
    /// Takes `text` as a reservation id; `None` for anything but the one canonical spelling, because any other
    /// spelling names no reservation.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (event_id, uuid) = text.rsplit_once('.')?;
        let event_id = EventId::parse(event_id).ok()?;
        let uuid_value = Uuid::try_parse(uuid).ok()?;
        let mut canonical = Uuid::encode_buffer();
        (uuid_value.hyphenated().encode_lower(&mut canonical) == uuid).then_some(Self { event_id, uuid: uuid_value })
    }
}

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.event_id, self.uuid.hyphenated())
    }
}

impl Serialize for ReservationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ReservationId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a canonical reservation id"))
    }
}

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has its seats.
    Confirmed,
    /// It has its seats until its hold lapses, or for good once it is confirmed.
    Held,
    /// It has no seats yet, and waits for them.
    Waitlisted,
    /// It was cancelled; its seats were given back.
    Cancelled,
    /// Its hold lapsed; its seats were given back.
    Expired,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Confirmed, Self::Held, Self::Waitlisted, Self::Cancelled, Self::Expired];

    /// Whether a reservation of this status has seats.
    #[must_use]
    pub fn takes_seats(self) -> bool {
        matches!(self, Self::Confirmed | Self::Held)
    }

    /// Whether something can still become of a reservation of this status.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Confirmed | Self::Held | Self::Waitlisted)
    }

    /// The word that partners see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Held => "held",
            Self::Waitlisted => "waitlisted",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// A partner's claim on seats of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Which reservation this is.
    pub id: ReservationId,
    /// Whose it is.
    pub partner_id: PartnerId,
    /// How many seats it asks for.
    pub seats: SeatCount,
    /// Which seats it has or last had; empty where seats have no names, and as long as it waits for them.
    pub seat_ids: Arc<[SeatId]>,
    /// Where it stands.
    pub status: Status,
    /// The event's version at its last change.
    pub version: Version,
    /// The event's version that made it.
    pub created_version: Version,
    /// When it was made, in whole milliseconds.
    pub created_at: Timestamp,
    /// For how long its seats are held, once it has them; `None` when they need no confirming.
    pub hold: Option<HoldSeconds>,
    /// When its hold lapses, in whole milliseconds; only while it is held.
    pub expires_at: Option<Timestamp>,
    /// What the request that made it said; only where a key lets somebody ask again.
    pub fingerprint: Option<Fingerprint>,
    /// What was done to it, oldest first; a handful at most.
    pub operations: Vec<Operation>,
}

impl Reservation {
    /// The operation known by `id`, if it left a trace here.
    #[must_use]
    pub fn operation(&self, id: &OperationId) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == *id)
    }

    /// When it was last changed; where that is not known, when it was made.
    #[must_use]
    pub fn updated_at(&self) -> Timestamp {
        self.operations.last().and_then(|operation| operation.at).unwrap_or(self.created_at)
    }

    /// Its place on the waitlist when it joined, counted from 1, if it stands there now.
    #[must_use]
    pub fn waitlist_position_at_first(&self) -> Option<u32> {
        let joined = self.operations.first().filter(|_| self.status == Status::Waitlisted);
        joined.and_then(|operation| operation.waitlist_position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0198a3b2-7c1d-7def-8123-456789abcdef";

    #[test]
    fn a_reservation_id_has_one_spelling() {
        let text = format!("node-meetup-2025.{UUID}");
        let id = ReservationId::parse(&text).expect("the canonical spelling");
        assert_eq!(id.event_id.as_str(), "node-meetup-2025");
        assert_eq!(id.to_string(), text);

        let upper = format!("node-meetup-2025.{}", UUID.to_uppercase());
        let simple = format!("node-meetup-2025.{}", UUID.replace('-', ""));
        let braced = format!("node-meetup-2025.{{{UUID}}}");
        let dotted = format!("node.meetup.{UUID}");
        for other in [UUID, "", ".", "x.", &upper, &simple, &braced, &dotted, &format!(".{UUID}"), &format!("{text} ")]
        {
            assert_eq!(ReservationId::parse(other), None, "{other:?} is not canonical");
        }
    }

    #[test]
    fn a_hold_never_lapses_at_a_time_that_cannot_be_read_back() {
        let last = Timestamp::from_millisecond(LAST_TIMESTAMP_MS).expect("a time");
        let hold = HoldSeconds::parse(u32::MAX, u32::MAX).expect("a hold");
        for start in [last, Timestamp::from_millisecond(LAST_TIMESTAMP_MS - 1).expect("a time")] {
            let lapses = hold.after(start);
            assert_eq!(Timestamp::from_millisecond(lapses.as_millisecond()).ok(), Some(last));
        }
    }

    #[test]
    fn partner_ids_are_counted_in_characters() {
        assert!(PartnerId::parse(&"é".repeat(64)).is_ok());
        for bad in ["", " ", "\u{3000}", "a\0b", "a\nb", "\u{85}x", &"é".repeat(65)] {
            assert!(PartnerId::parse(bad).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn a_seat_count_is_between_one_and_its_limit() {
        assert_eq!(SeatCount::parse(10, 10).expect("at the limit").get(), 10);
        assert!(SeatCount::parse(0, 10).is_err());
        assert!(SeatCount::parse(11, 10).is_err());
    }

    #[test]
    fn keys_are_visible_ascii() {
        assert!(IdempotencyKey::parse("order-1/!~").is_ok());
        for bad in ["", "a b", "tab\t", "é", &"k".repeat(256)] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad:?} must be refused");
        }
    }
}
