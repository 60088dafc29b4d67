//! The keys of the file's tables. redb orders keys byte by byte, so each part is written such that its bytes stand in the
//! order of its values, and a key's parts say what a table is ordered by.

use std::ops::Range;

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    domain::{EventId, IdempotencyKey, ReservationId, Status, Version},
    store::DuePlace,
};

/// A key, or the beginning that several keys share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<u8>);

impl Key {
    /// What most keys take, so that they seldom grow.
    const USUAL_BYTES: usize = 96;

    /// The beginning of every key of an event. A zero byte ends the id, which holds none: so no event's keys begin like those
    /// of another one, and events stand in the order of their ids.
    pub(super) fn of_event(id: &EventId) -> Self {
        Self(Vec::with_capacity(Self::USUAL_BYTES)).then_text(id.as_str())
    }

    /// The beginning of every key of a partner in an event. No control character, so no zero byte, is in a partner's id.
    pub(super) fn then_partner(self, id: &str) -> Self {
        self.then_text(id)
    }

    fn then_text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        self
    }

    fn then(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Where a reservation's document lies. Minted uuids grow with time, and lead: so what is reserved at one time lies side
    /// by side, of however many events it is. Those that come from keys are random, and lie with their event's.
    pub(super) fn of_document(id: &ReservationId) -> Self {
        let key = Self(Vec::with_capacity(Self::USUAL_BYTES));
        match id.uuid.get_version() {
            Some(uuid::Version::SortRand) => {
                key.then(b"m").then(id.uuid.as_bytes()).then(id.event_id.as_str().as_bytes())
            }
            _ => key.then(b"k").then_text(id.event_id.as_str()).then(id.uuid.as_bytes()),
        }
    }

    /// Where a block of an event's seats lies.
    pub(super) fn then_block(self, number: u32) -> Self {
        self.then(&number.to_be_bytes())
    }

    /// A place in the waitlist.
    pub(super) fn then_version(self, version: Version) -> Self {
        self.then(&ordered(version.0))
    }

    /// The first of all places that share a millisecond.
    pub(super) fn then_time(self, at: Timestamp) -> Self {
        self.then(&ordered(at.as_millisecond()))
    }

    /// What comes after all places of a millisecond.
    pub(super) fn then_after(self, at: Timestamp) -> Self {
        self.then(&ordered(at.as_millisecond().saturating_add(1)))
    }

    /// A place in the list by making, or among the holds.
    pub(super) fn then_place(self, at: Timestamp, version: Version) -> Self {
        self.then(&place(at, version))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// All keys that begin with this one, which ends in a zero byte.
    pub(super) fn all(&self) -> Range<Self> {
        let mut end = self.0.clone();
        if let Some(last) = end.last_mut() {
            *last = 1;
        }
        self.clone()..Self(end)
    }

    /// The least key that is greater than this one.
    pub(super) fn next(self) -> Self {
        self.then(&[0])
    }
}

/// Where the record of an event's operation lies.
pub(super) fn record(event_id: &EventId, uuid: Uuid) -> Key {
    Key(Vec::with_capacity(Key::USUAL_BYTES)).then(b"r").then_text(event_id.as_str()).then(uuid.as_bytes())
}

/// Where it lies which event a key has made.
pub(super) fn creation(key: &IdempotencyKey) -> Key {
    Key(Vec::with_capacity(Key::USUAL_BYTES)).then(b"c").then(key.as_str().as_bytes())
}

/// A place among the events that are due: the earliest first.
pub(super) fn due(at: Timestamp, event_id: &str) -> Key {
    due_from(at.as_millisecond()).then(event_id.as_bytes())
}

/// What comes after all events that are due at a moment or earlier.
pub(super) fn due_until(at: Timestamp) -> Key {
    due_from(at.as_millisecond().saturating_add(1))
}

fn due_from(milliseconds: i64) -> Key {
    Key(Vec::with_capacity(Key::USUAL_BYTES)).then(&ordered(milliseconds))
}

/// What the [`due`] key says.
pub(super) fn due_place(key: &[u8]) -> Option<DuePlace> {
    let (at, id) = key.split_first_chunk()?;
    let milliseconds = (u64::from_be_bytes(*at) ^ 1 << 63).cast_signed();
    Some(DuePlace { at: Timestamp::from_millisecond(milliseconds).ok()?, id: String::from_utf8_lossy(id).into_owned() })
}

/// What a [`place`] takes.
const PLACE_BYTES: usize = 16;

/// The end of a reservation's key in the list of its event.
fn place(at: Timestamp, version: Version) -> [u8; PLACE_BYTES] {
    let mut place = [0; PLACE_BYTES];
    place[..8].copy_from_slice(&ordered(at.as_millisecond()));
    place[8..].copy_from_slice(&ordered(version.0));
    place
}

/// Takes apart a key in the list by making and what follows it.
pub(super) fn split_listed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let event = bytes.iter().position(|byte| *byte == 0)? + 1;
    bytes.split_at_checked(event + PLACE_BYTES)
}

/// The time and the version in a key that ends in a [`place`].
pub(super) fn time_and_version(key: &[u8]) -> Option<(Timestamp, Version)> {
    let (rest, version) = key.split_last_chunk()?;
    let at = Timestamp::from_millisecond(number(*rest.last_chunk()?)).ok()?;
    Some((at, Version(number(*version))))
}

/// The version in a key that ends in a [`place`].
pub(super) fn version_of_place(key: &[u8]) -> Option<Version> {
    key.last_chunk().map(|version| Version(number(*version)))
}

/// Where a reservation stands among its partner's active ones. The event comes first, so that a sale works on the pages of
/// its own event, however much partners had of others.
pub(super) fn active(event_id: &EventId, partner_id: &str, created_version: Version) -> Key {
    Key::of_event(event_id).then_partner(partner_id).then_version(created_version)
}

/// A list in which a reservation stands only as long as it is of one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Roll {
    /// Those who wait, in the order in which they joined.
    Waitlist,
    /// Those whose seats are held, the one that lapses first before the others.
    Holds,
}

/// The one roll in which a reservation of an event stands, and its place there.
pub(super) fn enrolled(
    event_id: &EventId,
    status: Status,
    expires_at: Option<Timestamp>,
    created_version: Version,
) -> Option<(Roll, Key)> {
    let key = || Key::of_event(event_id);
    match (status, expires_at) {
        (Status::Waitlisted, _) => Some((Roll::Waitlist, key().then_version(created_version))),
        (Status::Held, Some(expires_at)) => Some((Roll::Holds, key().then_place(expires_at, created_version))),
        _ => None,
    }
}

/// Big endian, and negative numbers before the others.
fn ordered(number: i64) -> [u8; 8] {
    (number.cast_unsigned() ^ 1 << 63).to_be_bytes()
}

/// The number that [`ordered`] wrote.
fn number(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ 1 << 63).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;

    #[test]
    fn keys_stand_in_the_order_of_what_they_say() {
        let mut places = Vec::new();
        for id in ["a", "a-", "a-0", "a0", "aa", "b"] {
            for milliseconds in [-1_000, -1, 0, 1, 255, 256, 1_763_700_000_123] {
                for version in [0, 1, 255, 256, i64::MAX] {
                    let created_at = Timestamp::from_millisecond(milliseconds).expect("a time");
                    places.push(Place { event_id: event(id), created_at, created_version: Version(version) });
                }
            }
        }
        assert!(places.is_sorted());
        let key = |place: &Place| Key::of_event(&place.event_id).then_place(place.created_at, place.created_version);
        let keys: Vec<_> = places.iter().map(key).collect();
        assert!(keys.is_sorted(), "bytes in the order of places");
        let listed: Vec<_> = keys.iter().map(|key| key.clone().then(b"row")).collect();
        let parts = listed.iter().map(|listed| split_listed(listed.bytes()));
        assert!(parts.eq(keys.iter().map(|key| Some((key.bytes(), b"row".as_slice())))), "a key is found again");
        let versions = places.iter().map(|place| Some(place.created_version));
        assert!(versions.eq(keys.iter().map(|key| version_of_place(key.bytes()))), "a version is read back");
        let ends = places.iter().map(|place| Some((place.created_at, place.created_version)));
        assert!(ends.eq(keys.iter().map(|key| time_and_version(key.bytes()))), "a time is read back");
    }

    #[test]
    fn no_id_begins_like_another_one() {
        let key = |name: &str| Key::of_event(&event("show")).then_partner(name);
        let all = key("acme").all();
        for other in ["acme!", "acme ", "acm", "acme\u{e9}", "acmeacme"] {
            assert!(!all.contains(&key(other)), "{other:?}");
        }
        assert!(all.contains(&key("acme").then_place(Timestamp::MAX, Version(i64::MAX))));
        assert!(Key::of_event(&event("show")).all().contains(&key("acme")));
        assert!(!Key::of_event(&event("show-2")).all().contains(&key("acme")));
    }

    fn event(id: &str) -> EventId {
        EventId::parse(id).expect("an id")
    }

    #[test]
    fn a_due_event_is_read_back() {
        for milliseconds in [-1, 0, 1_763_700_000_123] {
            let at = Timestamp::from_millisecond(milliseconds).expect("a time");
            assert_eq!(due_place(due(at, "show-2").bytes()), Some(DuePlace { at, id: "show-2".to_owned() }));
        }
    }
}
