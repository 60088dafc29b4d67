//! What every commit changes of an event: some sixty bytes, in a table of their own. The events of a sale lie there side by
//! side on a few pages, whatever else there is to say of them.

use jiff::Timestamp;
use uuid::Uuid;

use super::documents::{FORMAT, unreadable};
use crate::{
    domain::{Event, EventId, Head, Version},
    store::{Base, StoreError},
};

/// The state of an event, as far as it is written with every commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) version: Version,
    pub(super) head: Head,
    /// When the event needs looking after, in whole milliseconds.
    pub(super) due_at: Option<Timestamp>,
    /// Whether it limits what a partner may have: with it stands and falls an index.
    pub(super) limits_partners: bool,
    pub(super) available_seats: u32,
    pub(super) confirmed_seats: u32,
    pub(super) held_seats: u32,
    pub(super) reservation_count: u32,
    pub(super) hold_count: u32,
    pub(super) waitlist_count: u32,
}

/// Its row. All numbers are big endian: the format and what there is, the version, the head, the time, six counts.
pub(super) type StateRow = [u8; 4 + 1 + 8 + 16 + 8 + 6 * 4];

const LIMITS_PARTNERS: u8 = 1;
const IS_DUE: u8 = 2;

impl State {
    pub(super) fn of(event: &Event, head: Head) -> Self {
        Self {
            version: event.version,
            head,
            due_at: event.due_at,
            limits_partners: event.quotas.limit_partners(),
            available_seats: event.available_seats,
            confirmed_seats: event.confirmed_seats,
            held_seats: event.held_seats,
            reservation_count: event.reservation_count,
            hold_count: event.hold_count,
            waitlist_count: event.waitlist_count,
        }
    }

    /// Which state it is.
    pub(super) fn base(&self) -> Base {
        Base { version: self.version, head: self.head }
    }

    pub(super) fn row(&self) -> StateRow {
        let limits = if self.limits_partners { LIMITS_PARTNERS } else { 0 };
        let due = if self.due_at.is_some() { IS_DUE } else { 0 };
        let due_at = self.due_at.map_or(0, Timestamp::as_millisecond).to_be_bytes();
        let counts = self.counts().map(u32::to_be_bytes);
        let parts: [&[u8]; 6] = [
            &FORMAT.to_be_bytes(),
            &[limits | due],
            &self.version.0.to_be_bytes(),
            self.head.0.as_bytes(),
            &due_at,
            counts.as_flattened(),
        ];
        let mut row = [0; size_of::<StateRow>()];
        let mut rest = row.as_mut_slice();
        for part in parts {
            let (place, after) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        }
        row
    }

    /// Reads a row.
    pub(super) fn read(id: &EventId, row: &[u8]) -> Result<Self, StoreError> {
        let format = row.first_chunk().map(|format| u32::from_be_bytes(*format));
        if let Some(format) = format.filter(|format| *format != FORMAT) {
            let why = format!("its state is in format {format}, and this program reads format {FORMAT}");
            return Err(unreadable(id, &why));
        }
        Self::parse(row).ok_or_else(|| unreadable(id, &"its state is none"))
    }

    fn parse(row: &[u8]) -> Option<Self> {
        let mut rest = <&StateRow>::try_from(row).ok()?.get(4..)?;
        let [flags] = take(&mut rest)?;
        let version = Version(i64::from_be_bytes(take(&mut rest)?));
        let head = Head(Uuid::from_bytes(take(&mut rest)?));
        let due_at = Timestamp::from_millisecond(i64::from_be_bytes(take(&mut rest)?)).ok()?;
        let mut count = || take(&mut rest).map(u32::from_be_bytes);
        Some(Self {
            version,
            head,
            due_at: (flags & IS_DUE != 0).then_some(due_at),
            limits_partners: flags & LIMITS_PARTNERS != 0,
            available_seats: count()?,
            confirmed_seats: count()?,
            held_seats: count()?,
            reservation_count: count()?,
            hold_count: count()?,
            waitlist_count: count()?,
        })
    }

    fn counts(&self) -> [u32; 6] {
        [
            self.available_seats,
            self.confirmed_seats,
            self.held_seats,
            self.reservation_count,
            self.hold_count,
            self.waitlist_count,
        ]
    }
}

/// Takes the first bytes away from `rest`.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_back_as_it_was_written() {
        let id = EventId::parse("show").expect("an id");
        for (due_at, limits_partners) in
            [(None, false), (None, true), (Some(-1), false), (Some(1_763_700_000_123), true)]
        {
            let due_at = due_at.map(|due_at| Timestamp::from_millisecond(due_at).expect("a time"));
            let state = State {
                version: Version(i64::MAX),
                head: Head(Uuid::from_u128(7)),
                due_at,
                limits_partners,
                available_seats: 1,
                confirmed_seats: 2,
                held_seats: 3,
                reservation_count: 4,
                hold_count: 5,
                waitlist_count: u32::MAX,
            };
            let row = state.row();
            assert_eq!(State::read(&id, &row).expect("a state"), state);
            assert!(State::read(&id, &row[1..]).is_err() && State::read(&id, &[]).is_err(), "cut short");
        }
    }
}
