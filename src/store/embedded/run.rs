//! Rows of one table, and how many of them are written at once.

use std::ops::{Bound, Range};

use redb::{CursorError, Table};

/// Rows of one table that one write puts there. They lie one after the other, so that hundreds cost few allocations.
#[derive(Default)]
pub(super) struct Run {
    bytes: Vec<u8>,
    rows: Vec<Place>,
}

/// How a row comes into its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// Over the row of its key that is there.
    Over,
    /// As a new row, anywhere.
    Anywhere,
    /// As a new row, most likely right behind the one before it.
    Behind,
    /// The same, or over the row of its key that is there.
    Moved,
}

/// Where a row lies in the bytes.
struct Place {
    key: Range<usize>,
    value: Range<usize>,
    put: Put,
}

/// One row.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) put: Put,
}

impl Run {
    /// Makes room for `rows` rows that take about so many bytes each.
    pub(super) fn reserve(&mut self, rows: usize, bytes_each: usize) {
        self.rows.reserve(rows);
        self.bytes.reserve(rows * bytes_each);
    }

    /// Adds a row. No other one has its key.
    pub(super) fn push(&mut self, key: &[u8], put: Put, value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let value_start = self.bytes.len();
        value(&mut self.bytes);
        self.rows.push(Place { key: start..value_start, value: value_start..self.bytes.len(), put });
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|row| Row {
            key: &self.bytes[row.key.clone()],
            value: &self.bytes[row.value.clone()],
            put: row.put,
        })
    }
}

/// Puts rows, whose keys differ, into `table`. A row that should be new and is there already is an error, after which the
/// transaction must not be committed.
pub(super) fn write<'a>(
    rows: impl Iterator<Item = Row<'a>>,
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
) -> Result<(), redb::Error> {
    // In the order of their keys, neighbours are written while their page is at hand.
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable_by_key(|row| row.key);
    let mut rows = rows.into_iter().peekable();
    while let Some(row) = rows.next() {
        if matches!(row.put, Put::Over | Put::Anywhere) {
            let is_there = table.insert(row.key, row.value)?.is_some();
            if is_there && row.put == Put::Anywhere {
                return Err(redb::Error::UnorderedKey);
            }
            continue;
        }
        // Rows beside each other are put there at once, which spares each of them the way down the tree. For a single
        // one it would be a detour.
        let mut gap = table.lower_bound_mut(Bound::Included(row.key))?;
        match gap.insert_before(row.key, row.value) {
            Err(CursorError::UnorderedKey) if row.put == Put::Moved => {
                gap.close()?;
                table.insert(row.key, row.value)?;
                continue;
            }
            inserted => inserted?,
        }
        while let Some(next) = rows.peek().filter(|next| matches!(next.put, Put::Behind | Put::Moved)) {
            match gap.insert_before(next.key, next.value) {
                Ok(()) => rows.next(),
                // Rows of the table come between.
                Err(CursorError::UnorderedKey) => break,
                Err(why) => return Err(why.into()),
            };
        }
        gap.close()?;
    }
    Ok(())
}
