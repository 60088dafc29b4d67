//! Where the seats of a hall are and what they are called. Who sits there is [`Hall`](super::Hall)'s matter.

use std::{borrow::Cow, cmp::Ordering, collections::HashMap, fmt, ops::Range, str};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::InvalidValue;

/// What a row is called: 1 to 8 of `A-Z` and `0-9`, the last one a letter, so that a row followed by a number can be
/// read in one way only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowLabel([u8; RowLabel::LENGTH_MAX]);

impl RowLabel {
    const LENGTH_MAX: usize = 8;

    /// Takes `text` as a row's label.
    ///
    /// # Errors
    /// When it is not 1 to 8 of `A-Z` and `0-9` with a letter at the end.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let mut label = [0; Self::LENGTH_MAX];
        match label.get_mut(..text.len()) {
            Some(start) if text.bytes().all(allowed) && text.ends_with(|last: char| last.is_ascii_uppercase()) => {
                start.copy_from_slice(text.as_bytes());
                Ok(Self(label))
            }
            _ => Err(InvalidValue("must be 1 to 8 characters out of A-Z and 0-9, the last one a letter".to_owned())),
        }
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(Self::LENGTH_MAX);
        // Only `parse` makes labels, and only of ASCII.
        str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

/// One seat: its row and its number in the row, written `A7`. It need not exist in any hall: [`SeatMap::has`] says so.
///
/// Seats are ordered by the text of their row and then by number, which is not the order of the rows in a hall.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatId {
    /// The row.
    pub row: RowLabel,
    /// The number in the row, from 1.
    pub number: u16,
}

impl SeatId {
    /// Takes `text` as a seat: a row's label and a number from 1 to 1,000 without leading zeros.
    ///
    /// # Errors
    /// When it is anything but the one canonical spelling.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let number_at = text.rfind(|last: char| !last.is_ascii_digit()).map_or(0, |letter| letter + 1);
        let seat = text.split_at_checked(number_at).and_then(|(row, number)| {
            let row = RowLabel::parse(row).ok()?;
            let canonical = !number.starts_with('0');
            let number = number.parse().ok().filter(|number| canonical && (1..=Row::SEATS_MAX).contains(number))?;
            Some(Self { row, number })
        });
        seat.ok_or_else(|| InvalidValue("must be a row and a number from 1 to 1000, such as A7".to_owned()))
    }
}

impl fmt::Display for RowLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RowLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RowLabel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RowLabel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| serde::de::Error::custom(format!("a row {why}")))
    }
}

impl fmt::Display for SeatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.row, self.number)
    }
}

impl fmt::Debug for SeatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SeatId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SeatId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| serde::de::Error::custom(format!("a seat {why}")))
    }
}

/// A row of a hall: its seats are numbered from 1, side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What it is called.
    pub label: RowLabel,
    /// How many seats it has.
    pub seats: u16,
}

impl Row {
    /// The most seats that a row may have.
    pub const SEATS_MAX: u16 = 1_000;
}

/// The layout of a hall: its rows from the front to the back, and the seats that are never sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatMap {
    rows: Vec<Row>,
    /// Per row, the place of its first seat when all seats are counted from the front; after the last row, all seats.
    first_seats: Vec<u32>,
    places: HashMap<RowLabel, usize>,
    blocked: Vec<SeatId>,
}

impl SeatMap {
    /// The most seats that a hall may have.
    pub const SEATS_MAX: u32 = 100_000;
    /// The most rows that a hall may have.
    pub const ROWS_MAX: usize = 1_000;

    /// Lays out a hall of `rows` from the front to the back, of which the seats in `blocked` are not for sale.
    ///
    /// # Errors
    /// When there are no rows or too many, two of one label, a row of no seats or too many, too many seats in all, a
    /// blocked seat that does not exist or is named twice, or none left for sale. The sentence names the culprit.
    pub fn new(rows: Vec<Row>, mut blocked: Vec<SeatId>) -> Result<Self, InvalidValue> {
        if rows.is_empty() || rows.len() > Self::ROWS_MAX {
            return refuse(format!("must have 1 to {} rows, not {}", Self::ROWS_MAX, rows.len()));
        }
        let mut places = HashMap::with_capacity(rows.len());
        let mut first_seats = vec![0];
        let mut total = 0;
        for (place, row) in rows.iter().enumerate() {
            if places.insert(row.label, place).is_some() {
                return refuse(format!("must not have two rows called {}", row.label));
            }
            if !(1..=Row::SEATS_MAX).contains(&row.seats) {
                let (label, seats) = (row.label, row.seats);
                return refuse(format!("must have 1 to {} seats in row {label}, not {seats}", Row::SEATS_MAX));
            }
            total += u32::from(row.seats);
            if total > Self::SEATS_MAX {
                return refuse(format!("must have at most {} seats; row {} goes past", Self::SEATS_MAX, row.label));
            }
            first_seats.push(total);
        }

        let mut map = Self { rows, first_seats, places, blocked: Vec::new() };
        if let Some(unknown) = blocked.iter().find(|seat| !map.has(**seat)) {
            return refuse(format!("must not block {unknown}, which does not exist"));
        }
        blocked.sort_by(|one, other| map.compare(*one, *other));
        if let Some((twice, _)) = blocked.iter().zip(blocked.iter().skip(1)).find(|(one, next)| one == next) {
            return refuse(format!("must not block {twice} twice"));
        }
        map.blocked = blocked;
        if map.seats_for_sale() == 0 {
            return refuse("must not block every seat".to_owned());
        }
        Ok(map)
    }

    /// The rows from the front to the back.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The seats that are never sold, from the front to the back.
    pub fn blocked(&self) -> impl Iterator<Item = SeatId> {
        self.blocked.iter().copied()
    }

    /// How many seats there are, less the blocked ones.
    #[must_use]
    pub fn seats_for_sale(&self) -> u32 {
        // No more are blocked than there are, since each exists and is named once.
        self.seats() - u32::try_from(self.blocked.len()).unwrap_or(u32::MAX)
    }

    /// Whether `seat` exists, blocked or not.
    #[must_use]
    pub fn has(&self, seat: SeatId) -> bool {
        self.find(seat).is_some()
    }

    /// How many seats there are, blocked or not.
    pub(super) fn seats(&self) -> u32 {
        self.first_seats.last().copied().unwrap_or_default()
    }

    /// The place of `seat`'s row among the rows and of the seat among all seats, both counted from 0 at the front.
    pub(super) fn find(&self, seat: SeatId) -> Option<(usize, u32)> {
        let row = *self.places.get(&seat.row)?;
        let in_row = (1..=self.rows[row].seats).contains(&seat.number);
        in_row.then(|| (row, self.first_seats[row] + u32::from(seat.number) - 1))
    }

    /// The places, among all seats, of the seats in row number `row`, counted from 0; none when there is no such row.
    pub(super) fn seats_of_row(&self, row: usize) -> Range<u32> {
        match self.first_seats.get(row..).unwrap_or_default() {
            [first, end, ..] => *first..*end,
            _ => 0..0,
        }
    }

    /// The seats at `places`, all of one row.
    pub(super) fn seats_in(&self, places: Range<u32>) -> impl Iterator<Item = SeatId> {
        let row = self.first_seats.partition_point(|first| *first <= places.start).saturating_sub(1);
        let label = self.rows.get(row).map(|row| row.label);
        let first = self.seats_of_row(row).start;
        let seat = move |place| Some(SeatId { row: label?, number: u16::try_from(place - first + 1).ok()? });
        places.filter_map(seat)
    }

    fn compare(&self, one: SeatId, other: SeatId) -> Ordering {
        self.find(one).cmp(&self.find(other))
    }
}

fn refuse<T>(why: String) -> Result<T, InvalidValue> {
    Err(InvalidValue(why))
}

#[cfg(test)]
#[path = "seat_map_tests.rs"]
mod tests;
