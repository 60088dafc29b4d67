//! Many rows of one table, written as a whole.

use std::ops::Bound;

use redb::{CursorError, Table};

use super::keys::Key;

/// Rows of one event in the order of their keys. They lie one after the other, so that hundreds cost few allocations.
pub(super) struct Run {
    event: Key,
    bytes: Vec<u8>,
    rows: Vec<Row>,
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
}

/// Where a row lies in the bytes.
struct Row {
    start: usize,
    value: usize,
    end: usize,
    put: Put,
}

impl Run {
    pub(super) fn of_event(event: Key) -> Self {
        Self { event, bytes: Vec::new(), rows: Vec::new() }
    }

    /// Makes room for `rows` rows that take about so many bytes each.
    pub(super) fn reserve(&mut self, rows: usize, bytes_each: usize) {
        self.rows.reserve(rows);
        self.bytes.reserve(rows * bytes_each);
    }

    /// Adds a row whose key, the event's and `end`, is greater than those before.
    pub(super) fn push(&mut self, end: &[u8; 16], put: Put, value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(self.event.bytes());
        self.bytes.extend_from_slice(end);
        let value_start = self.bytes.len();
        value(&mut self.bytes);
        self.rows.push(Row { start, value: value_start, end: self.bytes.len(), put });
    }

    /// Puts the rows into `table`. A row that should be new and is there already is an error, after which the transaction
    /// must not be committed.
    pub(super) fn write(&self, table: &mut Table<'_, &'static [u8], &'static [u8]>) -> Result<(), redb::Error> {
        let mut rows = self.rows.iter().peekable();
        while let Some(row) = rows.next() {
            if row.put != Put::Behind {
                let is_there = table.insert(self.key(row), self.value(row))?.is_some();
                if is_there && row.put == Put::Anywhere {
                    return Err(redb::Error::UnorderedKey);
                }
                continue;
            }
            // Rows beside each other are put there at once, which spares each of them the way down the tree. For a single
            // one it would be a detour.
            let mut gap = table.lower_bound_mut(Bound::Included(self.key(row)))?;
            gap.insert_before(self.key(row), self.value(row))?;
            while let Some(next) = rows.peek().filter(|next| next.put == Put::Behind) {
                match gap.insert_before(self.key(next), self.value(next)) {
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

    fn key(&self, row: &Row) -> &[u8] {
        &self.bytes[row.start..row.value]
    }

    fn value(&self, row: &Row) -> &[u8] {
        &self.bytes[row.value..row.end]
    }
}
