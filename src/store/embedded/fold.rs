//! How writes are applied to the tables: several in one transaction.
//!
//! An index row is never missing nor left behind, because a fold alone writes, because it takes what was true before from the
//! row that it replaces, not from what somebody remembers, and because all of it is one transaction.
//!
//! Each write is first looked at alone, for what may be wrong with it must not touch the others. What stands after that is
//! written table by table: once for all of them, in the order of the keys.

use std::collections::HashSet;

use redb::{ReadableTable, Table, WriteTransaction};

use super::{
    documents::{self, unreadable},
    keys::{self, Key, Roll},
    recent::Recent,
    rolls::{Rolls, list_active},
    rows::Rows,
    run::{self, Put, Row},
    state::State,
    tables::{DUE, EVENTS, MADE, OPERATIONS, RESERVATIONS, SEAT_MAPS, SEATS, STATES},
};
use crate::{
    domain::{EventId, Reservation},
    store::{Base, CommitError, StoreError},
};

/// So many rows of one event change the pages of its list once for several of them.
const LISTED_AT_ONCE_MIN: usize = 8;

/// Writes that share a transaction.
pub(super) struct Fold<'t, 'w> {
    transaction: &'t WriteTransaction,
    recent: &'t Recent,
    states: Table<'t, &'static str, &'static [u8]>,
    documents: Table<'t, &'static [u8], &'static [u8]>,
    /// Those that stand and whose states are written, but not the rest.
    taken: Vec<(Before, &'w Rows)>,
    /// Their events, each once.
    events: HashSet<&'w EventId>,
    /// Rows of the list by making that were appended to the recent ones.
    added: Vec<Row<'w>>,
}

/// What the tables held before a write.
struct Before {
    state: Option<State>,
    /// Where each reservation of the write stood.
    enrolled: Vec<Option<(Roll, Key)>>,
}

impl<'t, 'w> Fold<'t, 'w> {
    pub(super) fn of(transaction: &'t WriteTransaction, recent: &'t Recent) -> Result<Self, redb::Error> {
        Ok(Self {
            transaction,
            recent,
            states: transaction.open_table(STATES)?,
            documents: transaction.open_table(RESERVATIONS)?,
            taken: Vec::new(),
            events: HashSet::new(),
            added: Vec::new(),
        })
    }

    /// Takes in `rows` if the event is at `base`, where `None` stands for no event at all. The inner result is what came of
    /// these rows; the outer one says that the transaction is lost.
    pub(super) fn take(&mut self, base: Option<Base>, rows: &'w Rows) -> Result<Result<(), CommitError>, redb::Error> {
        if self.events.contains(&rows.event_id) {
            // Whatever is read here must hold what the other write on the event did.
            self.write_taken()?;
        }
        let before = match self.before(base, rows)? {
            Ok(before) => before,
            Err(why) => return Ok(Err(why)),
        };
        if let Some((key, creation)) = &rows.creation {
            self.transaction.open_table(OPERATIONS)?.insert(key.bytes(), creation.as_slice())?;
        }
        self.states.insert(rows.event_id.as_str(), rows.state.row().as_slice())?;
        self.events.insert(&rows.event_id);
        self.taken.push((before, rows));
        Ok(Ok(()))
    }

    fn before(&self, base: Option<Base>, rows: &Rows) -> Result<Result<Before, CommitError>, redb::Error> {
        let id = &rows.event_id;
        let state = match self.states.get(id.as_str())?.map(|row| State::read(id, row.value())).transpose() {
            Ok(state) => state,
            Err(why) => return Ok(Err(why.into())),
        };
        if state.as_ref().map(State::base) != base {
            return Ok(Err(CommitError::Conflict));
        }
        if let Some((key, creation)) = &rows.creation {
            // Also when the other event of this key is made by the same transaction.
            let table = self.transaction.open_table(OPERATIONS)?;
            if table.get(key.bytes())?.is_some_and(|found| found.value() != creation.as_slice()) {
                return Ok(Err(CommitError::Refused("its key has made another event".to_owned())));
            }
        }
        let mut enrolled = Vec::with_capacity(rows.reservations.len());
        for row in &rows.reservations {
            // The event at its base has nothing that a later version made.
            let place = if row.is_new { Ok(None) } else { self.place(&row.reservation)? };
            match place {
                Ok(place) => enrolled.push(place),
                Err(why) => return Ok(Err(why.into())),
            }
        }
        Ok(Ok(Before { state, enrolled }))
    }

    /// Where a reservation is enrolled by what the file says of it.
    fn place(&self, reservation: &Reservation) -> Result<Result<Option<(Roll, Key)>, StoreError>, redb::Error> {
        let id = &reservation.id;
        let Some(row) = self.documents.get(Key::of_document(id).bytes())? else {
            return Ok(Err(unreadable(id, &"it was made before and is not there")));
        };
        let standing = documents::standing(id, row.value());
        Ok(standing.map(|found| keys::enrolled(&id.event_id, found.status, found.expires_at, found.created_version)))
    }

    /// Writes all that was taken in. Returns what was added to the recent rows of the list by making.
    pub(super) fn write(mut self) -> Result<Vec<Row<'w>>, redb::Error> {
        self.write_taken()?;
        self.recent.append(self.transaction, &self.added)?;
        Ok(self.added)
    }

    fn write_taken(&mut self) -> Result<(), redb::Error> {
        self.events.clear();
        let taken = std::mem::take(&mut self.taken);
        let rows = || taken.iter().map(|(_, rows)| *rows);
        run::write(rows().flat_map(|rows| rows.documents.rows()), &mut self.documents)?;
        self.write_made(rows())?;
        let mut rolls = Rolls::default();
        for (before, rows) in taken {
            let limited_partners = before.state.is_some_and(|state| state.limits_partners);
            write_event(self.transaction, before.state, rows)?;
            for (before, row) in before.enrolled.into_iter().zip(&rows.reservations) {
                rolls.move_from(before, &row.reservation);
            }
            if !limited_partners && rows.state.limits_partners {
                self.move_all(&rows.event_id)?;
            }
            list_active(self.transaction, limited_partners, rows)?;
        }
        rolls.write(self.transaction)
    }

    /// Puts each row of the list by making where it belongs: into the list if many of its event are written at once, or else
    /// among the recent ones.
    fn write_made(&mut self, taken: impl Iterator<Item = &'w Rows>) -> Result<(), redb::Error> {
        let first_look = self.added.is_empty();
        let mut listed = Vec::new();
        for rows in taken {
            let many = rows.reservations.len() >= LISTED_AT_ONCE_MIN;
            for row in rows.made.rows() {
                let is_recent = || row.put == Put::Over && (!first_look || self.recent.has(row.key));
                if many && !is_recent() {
                    listed.push(row);
                } else {
                    self.added.push(row);
                }
            }
        }
        if listed.is_empty() {
            return Ok(());
        }
        run::write(listed.into_iter(), &mut self.transaction.open_table(MADE)?)
    }

    /// Puts the recent rows of an event into the list by making, where they will be again when they are moved.
    fn move_all(&self, id: &EventId) -> Result<(), redb::Error> {
        let mut made = self.transaction.open_table(MADE)?;
        let all = Key::of_event(id).all();
        for (key, row) in self.recent.rows(&all) {
            made.insert(key.as_slice(), row.as_slice())?;
        }
        let range = all.start.bytes()..all.end.bytes();
        for row in self.added.iter().filter(|row| range.contains(&row.key)) {
            made.insert(row.key, row.value)?;
        }
        Ok(())
    }
}

/// Writes what there is to write of an event beside its state.
fn write_event(transaction: &WriteTransaction, before: Option<State>, rows: &Rows) -> Result<(), redb::Error> {
    let id = &rows.event_id;
    if let Some(document) = &rows.document {
        transaction.open_table(EVENTS)?.insert(id.as_str(), document.as_slice())?;
    }
    if !rows.operations.is_empty() {
        let mut table = transaction.open_table(OPERATIONS)?;
        for (key, record) in &rows.operations {
            table.insert(key.bytes(), record.as_slice())?;
        }
    }
    if let Some(seat_map) = &rows.seat_map {
        transaction.open_table(SEAT_MAPS)?.insert(id.as_str(), seat_map.as_slice())?;
    }
    if !rows.blocks.is_empty() {
        let mut seats = transaction.open_table(SEATS)?;
        for (number, block) in &rows.blocks {
            seats.insert(Key::of_event(id).then_block(*number).bytes(), block.as_slice())?;
        }
    }
    let (before, now) = (before.and_then(|state| state.due_at), rows.state.due_at);
    if before != now {
        let mut table = transaction.open_table(DUE)?;
        if let Some(before) = before {
            table.remove(keys::due(before, id.as_str()).bytes())?;
        }
        if let Some(now) = now {
            table.insert(keys::due(now, id.as_str()).bytes(), ())?;
        }
    }
    Ok(())
}
