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

/// Where a row lies in the bytes.
struct Row {
    start: usize,
    value: usize,
    end: usize,
    is_new: bool,
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

    /// Adds a row whose key, the event's and `end`, is greater than those before. A new one is in no table yet.
    pub(super) fn push(&mut self, end: &[u8; 16], is_new: bool, value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(self.event.bytes());
        self.bytes.extend_from_slice(end);
        let value_start = self.bytes.len();
        value(&mut self.bytes);
        self.rows.push(Row { start, value: value_start, end: self.bytes.len(), is_new });
    }

    /// Puts the rows into `table`: new ones beside each other at once, which spares each of them the way down the tree, and
    /// those that are not new over what is there. A row that is called new and is there already is an error, and the
    /// transaction must not be committed.
    pub(super) fn write(&self, table: &mut Table<'_, &'static [u8], &'static [u8]>) -> Result<(), redb::Error> {
        let mut rows = self.rows.iter().peekable();
        while let Some(row) = rows.next() {
            if !row.is_new {
                table.insert(self.key(row), self.value(row))?;
                continue;
            }
            let mut gap = table.lower_bound_mut(Bound::Included(self.key(row)))?;
            gap.insert_before(self.key(row), self.value(row))?;
            while let Some(next) = rows.peek().filter(|next| next.is_new) {
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
