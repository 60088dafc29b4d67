//! The file's tables, and how a write is applied to them.
//!
//! Events, seat maps, seats and reservations are what the store knows; every other table is an index, whose rows follow from
//! those by a rule. An index row is never missing nor left behind, because [`Tables::apply`] alone writes, because it takes
//! what was true before from the row that it replaces, not from what somebody remembers, and because all of it is one
//! transaction.

use redb::{Database, ReadableTable, ReadableTableMetadata, StorageError, Table, TableDefinition, WriteTransaction};
use uuid::Uuid;

use super::{
    documents::{self, unreadable},
    keys::{self, Key, Roll},
    rows::Rows,
    view::View,
};
use crate::{
    domain::{EventId, ReservationId},
    store::{Base, CommitError, StoreError},
};

/// Event documents by event id.
pub(super) const EVENTS: TableDefinition<&str, &[u8]> = TableDefinition::new("events");
/// The layouts of events whose seats have names, by event id.
pub(super) const SEAT_MAPS: TableDefinition<&str, &[u8]> = TableDefinition::new("seat_maps");
/// The states of named seats in blocks of 4,096, by event and number of the block.
pub(super) const SEATS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("seats");
/// Reservation documents by event and uuid.
pub(super) const RESERVATIONS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("reservations");

/// An index: the uuid of a reservation by its place in a list.
pub(super) type Index = TableDefinition<'static, &'static [u8], u128>;

/// All reservations by event, time and version of their making.
pub(super) const MADE: Index = TableDefinition::new("made");
/// All reservations by event, partner, time and version of their making.
pub(super) const MADE_BY_PARTNER: Index = TableDefinition::new("made_by_partner");
/// Those that wait, by event and version of their making.
pub(super) const WAITLIST: Index = TableDefinition::new("waitlist");
/// Those that are held, by event, the time at which they lapse, and version of their making.
pub(super) const HOLDS: Index = TableDefinition::new("holds");
/// Events by the time at which they are due.
pub(super) const DUE: TableDefinition<&[u8], ()> = TableDefinition::new("due");

/// Makes the tables of a new file, and those that an older version of this program did not have, and shows what is in them.
pub(super) fn make(database: &Database) -> Result<View, redb::Error> {
    let transaction = database.begin_write()?;
    Tables::of(&transaction)?.index()?;
    transaction.commit()?;
    View::of(database)
}

/// The tables within one write transaction.
pub(super) struct Tables<'txn> {
    events: Table<'txn, &'static str, &'static [u8]>,
    seat_maps: Table<'txn, &'static str, &'static [u8]>,
    seats: Table<'txn, &'static [u8], &'static [u8]>,
    reservations: Table<'txn, &'static [u8], &'static [u8]>,
    made: IndexTable<'txn>,
    made_by_partner: IndexTable<'txn>,
    waitlist: IndexTable<'txn>,
    holds: IndexTable<'txn>,
    due: Table<'txn, &'static [u8], ()>,
}

type IndexTable<'txn> = Table<'txn, &'static [u8], u128>;

/// What the tables held before a write.
struct Before {
    due: Option<Key>,
    /// For each reservation of the write.
    reservations: Vec<Found>,
}

/// What the tables held of a reservation.
enum Found {
    /// Nothing: it is new.
    Nothing,
    /// Its document, by which it stands on a roll or on none.
    Enrolled(Option<(Roll, Key)>),
}

impl Before {
    fn is_new(&self, reservation: usize) -> bool {
        matches!(self.reservations[reservation], Found::Nothing)
    }
}

impl<'txn> Tables<'txn> {
    pub(super) fn of(transaction: &'txn WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            events: transaction.open_table(EVENTS)?,
            seat_maps: transaction.open_table(SEAT_MAPS)?,
            seats: transaction.open_table(SEATS)?,
            reservations: transaction.open_table(RESERVATIONS)?,
            made: transaction.open_table(MADE)?,
            made_by_partner: transaction.open_table(MADE_BY_PARTNER)?,
            waitlist: transaction.open_table(WAITLIST)?,
            holds: transaction.open_table(HOLDS)?,
            due: transaction.open_table(DUE)?,
        })
    }

    /// Writes `rows` if the event is at `base`, where `None` stands for no event at all. The inner result is what came
    /// of these rows; the outer one says that the transaction is lost.
    pub(super) fn apply(&mut self, base: Option<Base>, rows: &Rows) -> Result<Result<(), CommitError>, StorageError> {
        // All that may be wrong with these rows is found out before the first is written: others share the transaction.
        let before = match self.before(base, rows)? {
            Ok(before) => before,
            Err(why) => return Ok(Err(why)),
        };
        self.write_event(&before, rows)?;
        let event = Key::of_event(&rows.event.id);
        let mut key = event.then_uuid(Uuid::nil());
        for row in &rows.reservations {
            key.replace_uuid(row.uuid);
            self.reservations.insert(key.bytes(), rows.document_of(row))?;
        }
        for (index, places) in [(&mut self.made, &rows.made), (&mut self.made_by_partner, &rows.made_by_partner)] {
            // When, by whom and in which event it was made never changes, so these rows are written once.
            for (place, number) in places.iter().filter(|(_, number)| before.is_new(*number)) {
                index.insert(place.bytes(), rows.reservations[*number].uuid.as_u128())?;
            }
        }
        self.enroll(before, rows)?;
        Ok(Ok(()))
    }

    fn before(&self, base: Option<Base>, rows: &Rows) -> Result<Result<Before, CommitError>, StorageError> {
        let id = &rows.event.id;
        let stamp = match self.events.get(id.as_str())?.map(|row| documents::stamp(id, row.value())).transpose() {
            Ok(stamp) => stamp,
            Err(why) => return Ok(Err(why.into())),
        };
        if stamp.map(|stamp| stamp.base()) != base {
            return Ok(Err(CommitError::Conflict));
        }
        let due = stamp.and_then(|stamp| stamp.due_at).map(|due_at| keys::due(due_at, id));
        let mut reservations = Vec::with_capacity(rows.reservations.len());
        let mut key = Key::of_event(id).then_uuid(Uuid::nil());
        for row in &rows.reservations {
            key.replace_uuid(row.uuid);
            let place = self.reservations.get(key.bytes())?.map(|found| place(id, row.uuid, found.value()));
            match place.transpose() {
                Ok(place) => reservations.push(place.map_or(Found::Nothing, Found::Enrolled)),
                Err(why) => return Ok(Err(why.into())),
            }
        }
        Ok(Ok(Before { due, reservations }))
    }

    fn write_event(&mut self, before: &Before, rows: &Rows) -> Result<(), StorageError> {
        let id = &rows.event.id;
        self.events.insert(id.as_str(), rows.document.as_slice())?;
        if let Some(seat_map) = &rows.seat_map {
            self.seat_maps.insert(id.as_str(), seat_map.as_slice())?;
        }
        for (number, block) in &rows.blocks {
            self.seats.insert(Key::of_event(id).then_block(*number).bytes(), block.as_slice())?;
        }
        let due = rows.event.due_at.map(|due_at| keys::due(due_at, id));
        if due != before.due {
            if let Some(before) = &before.due {
                self.due.remove(before.bytes())?;
            }
            if let Some(due) = &due {
                self.due.insert(due.bytes(), ())?;
            }
        }
        Ok(())
    }

    /// Has every reservation stand on the roll where it belongs now, and on no other.
    fn enroll(&mut self, before: Before, rows: &Rows) -> Result<(), StorageError> {
        let mut moves = Vec::new();
        for (before, row) in before.reservations.into_iter().zip(&rows.reservations) {
            let before = match before {
                Found::Nothing => None,
                Found::Enrolled(place) => place,
            };
            if before == row.enrolled {
                continue;
            }
            moves.extend(before.map(|place| (place, None)));
            moves.extend(row.enrolled.clone().map(|place| (place, Some(row.uuid))));
        }
        moves.sort_unstable();
        for ((roll, key), who) in moves {
            let table = match roll {
                Roll::Waitlist => &mut self.waitlist,
                Roll::Holds => &mut self.holds,
            };
            match who {
                Some(uuid) => drop(table.insert(key.bytes(), uuid.as_u128())?),
                None => drop(table.remove(key.bytes())?),
            }
        }
        Ok(())
    }

    /// Writes the lists of a file whose reservations were made before there were any. None of those ever waited or was held.
    fn index(&mut self) -> Result<(), redb::Error> {
        if self.made.len()? == self.reservations.len()? {
            return Ok(());
        }
        log::info!("the embedded store's reservations are listed for the first time");
        for row in self.reservations.iter()? {
            let (key, document) = row?;
            let corrupted = |why: StoreError| redb::Error::Corrupted(why.to_string());
            let id = reservation_id(key.value()).map_err(corrupted)?;
            let reservation = documents::reservation(id, document.value()).map_err(corrupted)?;
            let uuid = reservation.id.uuid.as_u128();
            self.made.insert(keys::made(&reservation).bytes(), uuid)?;
            self.made_by_partner.insert(keys::made_by_partner(&reservation).bytes(), uuid)?;
        }
        Ok(())
    }
}

/// Where a reservation that has this document is enrolled.
fn place(event_id: &EventId, uuid: Uuid, document: &[u8]) -> Result<Option<(Roll, Key)>, StoreError> {
    let standing = documents::standing(&ReservationId { event_id: event_id.clone(), uuid }, document)?;
    Ok(keys::enrolled(event_id, standing.status, standing.expires_at, standing.created_version))
}

/// The reservation whose document has this key.
fn reservation_id(key: &[u8]) -> Result<ReservationId, StoreError> {
    let read = || {
        let (event_id, uuid) = key.split_last_chunk::<16>()?;
        let event_id = EventId::parse(str::from_utf8(event_id.strip_suffix(&[0])?).ok()?).ok()?;
        Some(ReservationId { event_id, uuid: Uuid::from_bytes(*uuid) })
    };
    read().ok_or_else(|| unreadable(&"a reservation", &"its key is not one"))
}

/// What a failure of the file is to those who asked.
pub(super) fn failed(why: &redb::Error) -> StoreError {
    StoreError::Unavailable(format!("the embedded store's file failed: {why}"))
}
