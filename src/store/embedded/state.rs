//! What every commit changes of an event: some sixty bytes, in a table of their own. The events of a sale lie there side by
//! side on a few pages, whatever else there is to say of them.

use jiff::Timestamp;
use uuid::Uuid;

use super::documents::unreadable;
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
    /// When its last change was accepted, in whole milliseconds.
    pub(super) changed_at: Option<Timestamp>,
    /// Whether it limits what a partner may have: with it stands and falls an index.
    pub(super) limits_partners: bool,
    pub(super) available_seats: u32,
    pub(super) confirmed_seats: u32,
    pub(super) held_seats: u32,
    pub(super) reservation_count: u32,
    pub(super) hold_count: u32,
    pub(super) waitlist_count: u32,
}

/// Its row. All numbers are big endian: the format and what there is, the version, the head, when it is due, six counts, when
/// it was changed.
pub(super) type StateRow = [u8; OLD_ROW_BYTES + 8];

/// A row of [`OLD_FORMAT`]: the same without when the event was changed.
const OLD_ROW_BYTES: usize = 4 + 1 + 8 + 16 + 8 + 6 * 4;

/// The format of the rows that are written.
const FORMAT: u32 = 3;

/// The format of rows that are read, too. Each becomes one of the present format with the next commit on its event.
const OLD_FORMAT: u32 = 2;

const LIMITS_PARTNERS: u8 = 1;
const IS_DUE: u8 = 2;
const WAS_CHANGED: u8 = 4;

impl State {
    pub(super) fn of(event: &Event, head: Head) -> Self {
        Self {
            version: event.version,
            head,
            due_at: event.due_at,
            changed_at: event.changed_at,
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
        let changed = if self.changed_at.is_some() { WAS_CHANGED } else { 0 };
        let [due_at, changed_at] =
            [self.due_at, self.changed_at].map(|at| at.map_or(0, Timestamp::as_millisecond).to_be_bytes());
        let counts = self.counts().map(u32::to_be_bytes);
        let parts: [&[u8]; 7] = [
            &FORMAT.to_be_bytes(),
            &[limits | due | changed],
            &self.version.0.to_be_bytes(),
            self.head.0.as_bytes(),
            &due_at,
            counts.as_flattened(),
            &changed_at,
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
        let bytes = match format {
            Some(FORMAT) => size_of::<StateRow>(),
            Some(OLD_FORMAT) => OLD_ROW_BYTES,
            Some(format) => {
                let why = format!("its state is in format {format}, and this program reads {OLD_FORMAT} and {FORMAT}");
                return Err(unreadable(id, &why));
            }
            None => 0,
        };
        let state = if row.len() == bytes { Self::parse(row) } else { None };
        state.ok_or_else(|| unreadable(id, &"its state is none"))
    }

    fn parse(row: &[u8]) -> Option<Self> {
        let mut rest = row.get(4..)?;
        let [flags] = take(&mut rest)?;
        let version = Version(i64::from_be_bytes(take(&mut rest)?));
        let head = Head(Uuid::from_bytes(take(&mut rest)?));
        let due_at = Timestamp::from_millisecond(i64::from_be_bytes(take(&mut rest)?)).ok()?;
        let mut count = || take(&mut rest).map(u32::from_be_bytes);
        let counts = [count()?, count()?, count()?, count()?, count()?, count()?];
        let [available_seats, confirmed_seats, held_seats, reservation_count, hold_count, waitlist_count] = counts;
        let changed_at = take(&mut rest).map(i64::from_be_bytes).filter(|_| flags & WAS_CHANGED != 0);
        Some(Self {
            version,
            head,
            due_at: (flags & IS_DUE != 0).then_some(due_at),
            changed_at: changed_at.map(Timestamp::from_millisecond).transpose().ok()?,
            limits_partners: flags & LIMITS_PARTNERS != 0,
            available_seats,
            confirmed_seats,
            held_seats,
            reservation_count,
            hold_count,
            waitlist_count,
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
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).expect("a time");
        for (due_at, changed_at, limits_partners) in [
            (None, None, false),
            (None, Some(0), true),
            (Some(-1), Some(-1), false),
            (Some(1_763_700_000_123), Some(i64::from(u32::MAX)), true),
            (Some(1), None, true),
        ] {
            let [due_at, changed_at] = [due_at, changed_at].map(|milliseconds| milliseconds.map(at));
            let state = State {
                version: Version(i64::MAX),
                head: Head(Uuid::from_u128(7)),
                due_at,
                changed_at,
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
            for cut in [&row[1..], &row[..row.len() - 1], &row[..OLD_ROW_BYTES], &[]] {
                assert!(State::read(&id, cut).is_err(), "cut short: {cut:?}");
            }

            // As earlier versions wrote it.
            let mut old = row[..OLD_ROW_BYTES].to_vec();
            old[..4].copy_from_slice(&OLD_FORMAT.to_be_bytes());
            old[4] &= !WAS_CHANGED;
            assert_eq!(State::read(&id, &old).expect("a state"), State { changed_at: None, ..state });
            old.push(0);
            assert!(State::read(&id, &old).is_err(), "longer than it may be");
        }
    }
}
