//! The file's two tables: how they are read, at their last durable state, and how a write is applied to them.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use uuid::Uuid;

use super::documents::{self, Rows};
use crate::{
    domain::{Event, EventId, Head, Reservation, ReservationId},
    store::{Base, CommitError, StoreError},
};

/// Event documents by event id.
const EVENTS: TableDefinition<&str, &[u8]> = TableDefinition::new("events");
/// Reservation documents by [`Key`].
pub(super) const RESERVATIONS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("reservations");

/// A reservation's place: its event's id, a zero byte, which no id holds, and its uuid. So an event's reservations lie
/// together, and those with time-ordered uuids are appended.
struct Key(Vec<u8>);

impl Key {
    /// The key of any reservation of an event; [`Key::of`] says of which.
    fn in_event(event_id: &EventId) -> Self {
        let mut bytes = Vec::with_capacity(event_id.as_str().len() + 1 + 16);
        bytes.extend_from_slice(event_id.as_str().as_bytes());
        bytes.extend_from_slice(&[0; 1 + 16]);
        Self(bytes)
    }

    fn of(&mut self, uuid: Uuid) -> &[u8] {
        let start = self.0.len() - 16;
        self.0[start..].copy_from_slice(uuid.as_bytes());
        &self.0
    }
}

/// One durable state of the whole file. It stays what it is while later ones are written.
pub(super) struct View {
    events: ReadOnlyTable<&'static str, &'static [u8]>,
    reservations: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

/// Makes the tables of a new file, and shows what is in them.
pub(super) fn make(database: &Database) -> Result<View, redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(EVENTS)?;
    transaction.open_table(RESERVATIONS)?;
    transaction.commit()?;
    View::of(database)
}

impl View {
    /// The last durable state. An error too when the tables are missing, so a file that was replaced by an empty one
    /// is not taken for an empty store.
    pub(super) fn of(database: &Database) -> Result<Self, redb::Error> {
        let transaction = database.begin_read()?;
        Ok(Self { events: transaction.open_table(EVENTS)?, reservations: transaction.open_table(RESERVATIONS)? })
    }

    pub(super) fn event(&self, id: &EventId) -> Result<Option<(Event, Head)>, StoreError> {
        let row = self.events.get(id.as_str()).map_err(|why| failed(&why.into()))?;
        row.map(|row| documents::event(id, row.value())).transpose()
    }

    pub(super) fn reservation(&self, id: &ReservationId) -> Result<Option<Arc<Reservation>>, StoreError> {
        self.row(&mut Key::in_event(&id.event_id), &id.event_id, id.uuid)
    }

    /// Those of `uuids` that exist.
    pub(super) fn reservations(
        &self,
        event_id: &EventId,
        uuids: &[Uuid],
    ) -> Result<HashMap<Uuid, Arc<Reservation>>, StoreError> {
        let mut key = Key::in_event(event_id);
        let mut found = HashMap::with_capacity(uuids.len());
        for uuid in uuids {
            if let Some(reservation) = self.row(&mut key, event_id, *uuid)? {
                found.insert(*uuid, reservation);
            }
        }
        Ok(found)
    }

    fn row(&self, key: &mut Key, event_id: &EventId, uuid: Uuid) -> Result<Option<Arc<Reservation>>, StoreError> {
        let row = self.reservations.get(key.of(uuid)).map_err(|why| failed(&why.into()))?;
        let id = || ReservationId { event_id: event_id.clone(), uuid };
        row.map(|row| documents::reservation(id(), row.value()).map(Arc::new)).transpose()
    }
}

/// The state that readers see: the last durable one, or none while the file is out of order.
pub(super) struct Shown(RwLock<Option<Arc<View>>>);

impl Shown {
    pub(super) fn new(view: View) -> Self {
        Self(RwLock::new(Some(Arc::new(view))))
    }

    pub(super) fn view(&self) -> Option<Arc<View>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what readers see.
    pub(super) fn show(&self, view: Option<View>) {
        let view = view.map(Arc::new);
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), view);
        // Letting go of an old state takes locks within redb: not while readers wait for the new one.
        drop(before);
    }

    /// Passes on what came of reading `view`. After a failure of the file redb answers nothing any more, so the state is
    /// taken away, which makes the next caller have the file opened anew.
    pub(super) fn judge<T>(&self, view: &Arc<View>, read: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(read, Err(StoreError::Unavailable(_))) {
            let mut shown = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if shown.as_ref().is_some_and(|current| Arc::ptr_eq(current, view)) {
                *shown = None;
            }
        }
        read
    }
}

/// The tables within one write transaction.
pub(super) struct Tables<'txn> {
    events: Table<'txn, &'static str, &'static [u8]>,
    reservations: Table<'txn, &'static [u8], &'static [u8]>,
}

impl<'txn> Tables<'txn> {
    pub(super) fn of(transaction: &'txn WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self { events: transaction.open_table(EVENTS)?, reservations: transaction.open_table(RESERVATIONS)? })
    }

    /// Writes `rows` if the event is at `base`, where `None` stands for no event at all. The inner result is what came
    /// of these rows; the outer one says that the transaction is lost.
    pub(super) fn apply(
        &mut self,
        base: Option<Base>,
        rows: &Rows,
    ) -> Result<Result<(), CommitError>, redb::StorageError> {
        let stored = match self.events.get(rows.event_id.as_str())? {
            None => None,
            Some(row) => match documents::event(&rows.event_id, row.value()) {
                Ok((event, head)) => Some(Base { version: event.version, head }),
                Err(why) => return Ok(Err(why.into())),
            },
        };
        if stored != base {
            return Ok(Err(CommitError::Conflict));
        }
        self.events.insert(rows.event_id.as_str(), rows.event.as_slice())?;
        let mut key = Key::in_event(&rows.event_id);
        for (uuid, document) in rows.reservations() {
            self.reservations.insert(key.of(uuid), document)?;
        }
        Ok(Ok(()))
    }
}

/// What a failure of the file is to those who asked.
pub(super) fn failed(why: &redb::Error) -> StoreError {
    StoreError::Unavailable(format!("the embedded store's file failed: {why}"))
}
