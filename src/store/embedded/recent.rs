//! The newest rows of the list by making: those of all events in the order in which they were written.
//!
//! The list is ordered by event, so each event's new rows belong on a page of their own; a commit of one reservation would
//! change that page for one row, and a thousand events on sale a thousand pages. So rows of small commits are appended to
//! one table ([`RECENT`]), and are moved into the list ([`MADE`]) when some ten thousand have come together: many rows of an
//! event at once. Until then they are kept here too, in the list's order, so that whoever reads an event's list need not
//! look at the rows of all others.
//!
//! - What is here of a reservation is at least as new as its row in the list: a change is written here while a row is here.
//! - There are two generations. While the younger one grows, the older one is moved, by each transaction as much as keeps
//!   pace with what it adds. What is moved may be older than what is here, and nobody sees that.
//! - A generation is forgotten, here and in the table, by the transaction that moves the last of it.
//! - When a file is opened, all that its table holds is the older generation.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::{Bound, Range},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};

use super::{
    keys::{self, Key},
    run::{self, Put, Row},
    tables::{MADE, RECENT},
};
use crate::store::Damage;

/// Rows that are read at once: little work while the writer may be waiting.
const CHUNK: usize = 256;

/// The rows of a generation, each under its key in the list and its number.
type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Default)]
struct Generation(RwLock<Rows>);

impl Generation {
    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest rows as one state of the file has them.
#[derive(Clone, Default)]
pub(super) struct Recent {
    old: Arc<Generation>,
    young: Arc<Generation>,
    /// Rows from this number on are of later states.
    until: u64,
}

/// A row and its key in the list.
pub(super) type Listing = (Vec<u8>, Vec<u8>);

impl Recent {
    /// The rows whose keys in the list are in `range`, in their order, each as it is now.
    pub(super) fn rows(&self, range: &Range<Key>) -> impl Iterator<Item = Listing> {
        let mut start = range.start.bytes().to_vec();
        let end = range.end.bytes().to_vec();
        let mut chunk = VecDeque::new();
        std::iter::from_fn(move || {
            if chunk.is_empty() {
                chunk = self.chunk(&start, &end);
                // The least key that is greater than the last one.
                start = [chunk.back().map(|(key, _)| key.as_slice())?, &[0]].concat();
            }
            chunk.pop_front()
        })
    }

    /// Whether the row with this key in the list is here.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        [&self.old, &self.young].into_iter().any(|generation| newest(&generation.read(), key, self.until).is_some())
    }

    /// Appends rows to the table, whatever they are and whichever events they are of.
    pub(super) fn append(&self, transaction: &WriteTransaction, rows: &[Row<'_>]) -> Result<(), redb::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut table = transaction.open_table(RECENT)?;
        let mut end = table.upper_bound_mut(Bound::<u64>::Unbounded)?;
        for (number, row) in (self.until..).zip(rows) {
            end.insert_before(number, [row.key, row.value].concat().as_slice())?;
        }
        Ok(end.close()?)
    }

    fn chunk(&self, start: &[u8], end: &[u8]) -> VecDeque<Listing> {
        let (old, young) = (self.old.read(), self.young.read());
        let listed = |rows| listed(rows, start, end, self.until).peekable();
        let (mut old, mut young) = (listed(&old), listed(&young));
        let mut chunk = VecDeque::new();
        while chunk.len() < CHUNK {
            let next = [old.peek(), young.peek()].into_iter().flatten().map(|(key, _)| *key).min();
            let Some(next) = next else { break };
            let mut newest = None;
            for generation in [&mut old, &mut young] {
                while let Some((_, row)) = generation.next_if(|(key, _)| *key == next) {
                    newest = Some(row);
                }
            }
            chunk.extend(newest.map(|row| (next.to_vec(), row.clone())));
        }
        chunk
    }
}

/// Rows before `until` by their keys in the list.
fn listed<'a>(
    rows: &'a Rows,
    start: &'a [u8],
    end: &'a [u8],
    until: u64,
) -> impl Iterator<Item = (&'a [u8], &'a Vec<u8>)> {
    let rows = rows.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)));
    rows.filter_map(move |(key, row)| {
        let (key, number) = split_number(key)?;
        (key >= start && number < until).then_some((key, row))
    })
}

/// The newest row before `until` with this key in the list.
fn newest<'rows>(rows: &'rows Rows, key: &[u8], until: u64) -> Option<&'rows Vec<u8>> {
    let end = numbered(key, until);
    Some(rows.range::<[u8], _>((Bound::Included(key), Bound::Excluded(end.as_slice()))).next_back()?.1)
}

fn numbered(key: &[u8], number: u64) -> Vec<u8> {
    [key, &number.to_be_bytes()].concat()
}

fn split_number(key: &[u8]) -> Option<(&[u8], u64)> {
    let (key, number) = key.split_last_chunk()?;
    Some((key, u64::from_be_bytes(*number)))
}

/// The writer's part: what is gathered, and how far it was moved.
pub(super) struct Gathering {
    recent: Recent,
    /// The number of the first row of the younger generation.
    young_from: u64,
    /// No key in the list that is less is still to be moved.
    moved_to: Vec<u8>,
    /// How many rows make a generation.
    generation_rows: usize,
}

/// What a transaction moved.
pub(super) struct Moved {
    to: Vec<u8>,
    /// Whether nothing of the older generation is left.
    all: bool,
}

impl Gathering {
    /// Takes up all rows that the file has as the older generation. It writes nothing, so that a file on a full disk can
    /// still be read.
    pub(super) fn open(database: &Database, generation_rows: usize, damage: &Damage) -> Result<Self, redb::Error> {
        let mut old = Rows::new();
        let mut until = 0;
        for row in database.begin_read()?.open_table(RECENT)?.iter()? {
            let (number, row) = row?;
            until = number.value() + 1;
            match keys::split_listed(row.value()) {
                Some((key, row)) => drop(old.insert(numbered(key, number.value()), row.to_vec())),
                // The reservation is there, and only a list lacks it; that is no reason not to start.
                None => damage.of_other(
                    &format!("recent row {}", number.value()),
                    "it has no key",
                    "it is left out of lists",
                ),
            }
        }
        let recent = Recent { old: Arc::new(Generation(RwLock::new(old))), young: Arc::default(), until };
        Ok(Self { recent, young_from: until, moved_to: Vec::new(), generation_rows })
    }

    /// What is gathered, as the last state has it.
    pub(super) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Moves rows of the older generation, so many that it is gone before as many again have been `added` as make one.
    pub(super) fn move_on(&self, transaction: &WriteTransaction, added: usize) -> Result<Moved, redb::Error> {
        let count = added + added.div_ceil(4);
        let (moving, all) = self.next_rows(count);
        if !moving.is_empty() {
            let rows = moving.iter().map(|(key, value)| Row { key, value, put: Put::Moved });
            run::write(rows, &mut transaction.open_table(MADE)?)?;
            if all {
                transaction.open_table(RECENT)?.retain_in(..self.young_from, |_, _| false)?;
            }
        }
        let to = moving.last().map_or_else(|| self.moved_to.clone(), |(key, _)| [key, [0].as_slice()].concat());
        Ok(Moved { to, all })
    }

    /// The next rows to be moved, `count` at most, and whether they are the last.
    fn next_rows(&self, count: usize) -> (Vec<Listing>, bool) {
        let old = self.recent.old.read();
        let mut next: Vec<Listing> = Vec::with_capacity(count.min(old.len()));
        for (key, row) in old.range::<[u8], _>((Bound::Included(self.moved_to.as_slice()), Bound::Unbounded)) {
            let Some((key, _)) = split_number(key).filter(|(key, _)| *key >= self.moved_to.as_slice()) else {
                continue;
            };
            if let Some((_, newer)) = next.last_mut().filter(|(last, _)| last == key) {
                // A later one of the same generation.
                row.clone_into(newer);
            } else if next.len() == count {
                return (next, false);
            } else {
                next.push((key.to_vec(), row.clone()));
            }
        }
        (next, true)
    }

    /// Takes note of a transaction that is durable: of the rows that it added, in their order, and of those that it moved.
    pub(super) fn went_on(&mut self, added: &[Row<'_>], moved: Moved) {
        let recent = &mut self.recent;
        let gathered = {
            let mut young = recent.young.0.write().unwrap_or_else(PoisonError::into_inner);
            for (number, row) in (recent.until..).zip(added) {
                young.insert(numbered(row.key, number), row.value.to_vec());
            }
            young.len()
        };
        recent.until += added.len() as u64;
        self.moved_to = moved.to;
        if moved.all && gathered >= self.generation_rows {
            recent.old = std::mem::take(&mut recent.young);
            (self.young_from, self.moved_to) = (recent.until, Vec::new());
        } else if moved.all {
            recent.old = Arc::default();
        }
    }
}
