//! Where a list goes on: a place in it, packed into text that means nothing to partners.
//!
//! A cursor belongs to the list that gave it, filters included: elsewhere its place would be another one, or none. So it
//! carries a digest of its list. Nothing in it is secret, and a forged one leads no further than a list of one's own.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{
    domain::{EventId, InvalidValue, Version},
    store::Place,
};

/// The first byte of every cursor. Another layout gets another number, and cursors of this one are refused from then on.
const FORMAT: u8 = 1;

/// Bytes of the digest: enough that no two lists are taken for one another by accident.
const DIGEST_BYTES: usize = 8;

/// The longest that a cursor can be, so that a longer one is not even unpacked.
const TEXT_MAX_CHARS: usize = 128;

/// Which list a cursor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListId([u8; DIGEST_BYTES]);

impl ListId {
    /// The list at `path`, of what the `filters` let through.
    pub(super) fn of(path: &str, filters: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in [path].iter().chain(filters) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut id = [0; DIGEST_BYTES];
        id.copy_from_slice(&digest.finalize()[..DIGEST_BYTES]);
        Self(id)
    }

    /// The cursor that continues behind an event.
    pub(super) fn after_event(self, event_id: &EventId) -> String {
        self.pack(&[event_id.as_str().as_bytes()])
    }

    /// The cursor that continues behind a reservation.
    pub(super) fn after_place(self, place: &Place) -> String {
        let at = place.created_at.as_millisecond().to_be_bytes();
        let version = place.created_version.0.to_be_bytes();
        self.pack(&[&at, &version, place.event_id.as_str().as_bytes()])
    }

    /// The event that [`ListId::after_event`] was told of.
    pub(super) fn event(self, cursor: &str) -> Result<EventId, InvalidValue> {
        let read = |rest: &[u8]| event_id(rest);
        self.unpack(cursor).and_then(|rest| read(&rest)).ok_or_else(foreign)
    }

    /// The place that [`ListId::after_place`] was told of.
    pub(super) fn place(self, cursor: &str) -> Result<Place, InvalidValue> {
        let read = |rest: &[u8]| {
            let (at, rest) = rest.split_first_chunk()?;
            let (version, rest) = rest.split_first_chunk()?;
            Some(Place {
                event_id: event_id(rest)?,
                created_at: Timestamp::from_millisecond(i64::from_be_bytes(*at)).ok()?,
                created_version: Version(i64::from_be_bytes(*version)),
            })
        };
        self.unpack(cursor).and_then(|rest| read(&rest)).ok_or_else(foreign)
    }

    fn pack(self, parts: &[&[u8]]) -> String {
        BASE64URL_NOPAD.encode(&[&[&[FORMAT], &self.0[..]], parts].concat().concat())
    }

    /// What follows the digest in a cursor of this list.
    fn unpack(self, cursor: &str) -> Option<Vec<u8>> {
        let bytes = Some(cursor).filter(|cursor| cursor.len() <= TEXT_MAX_CHARS)?;
        let bytes = BASE64URL_NOPAD.decode(bytes.as_bytes()).ok()?;
        let rest = bytes.strip_prefix(&[FORMAT])?.strip_prefix(&self.0)?;
        Some(rest.to_vec())
    }
}

fn event_id(bytes: &[u8]) -> Option<EventId> {
    EventId::parse(std::str::from_utf8(bytes).ok()?).ok()
}

fn foreign() -> InvalidValue {
    InvalidValue("must be the nextCursor of this very list, with the same filters".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            event_id: EventId::parse(&"x".repeat(64)).expect("a good id"),
            created_at: Timestamp::from_millisecond(1_795_284_000_123).expect("a time"),
            created_version: Version(i64::MAX),
        }
    }

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let list = ListId::of("/events/show/reservations", &[]);
        let cursor = list.after_place(&place());
        assert_eq!(list.place(&cursor), Ok(place()));
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{cursor}");
        let end = Place::end_of(place().event_id);
        assert_eq!(list.place(&list.after_place(&end)), Ok(end), "behind all of an event");
        let cursor = list.after_event(&place().event_id);
        assert_eq!(list.event(&cursor), Ok(place().event_id));
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let list = ListId::of("/partners/a/reservations", &["", "held"]);
        let cursor = list.after_place(&place());
        for other in [
            ListId::of("/partners/b/reservations", &["", "held"]),
            ListId::of("/partners/a/reservations", &["held", ""]),
            ListId::of("/partners/a/reservations", &[]),
        ] {
            assert!(other.place(&cursor).is_err());
        }
    }

    #[test]
    fn whatever_else_is_refused() {
        let list = ListId::of("/events", &[]);
        let good = list.after_place(&place());
        let with_bytes = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = BASE64URL_NOPAD.decode(good.as_bytes()).expect("our own");
            change(&mut bytes);
            BASE64URL_NOPAD.encode(&bytes)
        };
        for bad in [
            String::new(),
            "x".to_owned(),
            "null".to_owned(),
            "0".to_owned(),
            format!("{good}="),
            format!(" {good}"),
            good[..good.len() - 1].to_owned(),
            good.repeat(100),
            with_bytes(&|bytes| bytes[0] = FORMAT + 1),
            with_bytes(&|bytes| bytes[1] ^= 1),
            with_bytes(&|bytes| bytes[9..17].fill(0x7f)),
            with_bytes(&|bytes| bytes[25] = b'/'),
            with_bytes(&|bytes| bytes[25] = 0xff),
            with_bytes(&|bytes| bytes.truncate(25)),
            with_bytes(&|bytes| bytes.truncate(20)),
            with_bytes(&|bytes| bytes.push(b'x')),
        ] {
            assert!(list.place(&bad).is_err(), "{bad}");
        }
        assert!(list.event(&good).is_err(), "a place is no event");
    }
}
