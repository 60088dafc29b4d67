//! The file's tables, and how a write is applied to them.
//!
//! Events, seat maps, seats and reservations are what the store knows; every other table is an index, whose rows follow from
//! those by a rule. An index row is never missing nor left behind, because [`apply`] alone writes, because it takes what was
//! true before from the row that it replaces, not from what somebody remembers, and because all of it is one transaction.
//!
//! A table is opened where it is changed: one that is open costs every commit a little, and a sale needs three.

use redb::{Database, ReadableTable, StorageError, TableDefinition, WriteTransaction};
use uuid::Uuid;

use super::{
    documents::{self, unreadable},
    keys::{self, Key, Roll},
    listed::Listed,
    rows::{ReservationRow, Rows},
    view::View,
};
use crate::{
    domain::{EventId, Reservation},
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
/// What lists choose by ([`Listed`]), of all reservations by event, time and version of their making. Sales append to it,
/// which is why it is read from end to end for one partner: an index by partner would have a batch change as many pages as
/// it has partners, and cost several times what all the rest does.
pub(super) const MADE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("made");

/// An index: the uuid of a reservation by its place in a list.
pub(super) type Index = TableDefinition<'static, &'static [u8], u128>;

/// Those that wait, by event and version of their making.
pub(super) const WAITLIST: Index = TableDefinition::new("waitlist");
/// Those that are held, by event, the time at which they lapse, and version of their making.
pub(super) const HOLDS: Index = TableDefinition::new("holds");
/// The active ones of events that limit what a partner may have, and of no others, by event, partner and version of their
/// making.
pub(super) const ACTIVE: Index = TableDefinition::new("active");
/// Events by the time at which they are due.
pub(super) const DUE: TableDefinition<&[u8], ()> = TableDefinition::new("due");

/// Places that are gathered before they are written, when all reservations of an event are: some 10 MB.
const PLACES_AT_ONCE: usize = 65_536;

/// Makes the tables of a new file, and shows what is in the file.
pub(super) fn make(database: &Database) -> Result<View, redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(EVENTS)?;
    transaction.open_table(SEAT_MAPS)?;
    for table in [SEATS, RESERVATIONS, MADE] {
        transaction.open_table(table)?;
    }
    for index in [WAITLIST, HOLDS, ACTIVE] {
        transaction.open_table(index)?;
    }
    transaction.open_table(DUE)?;
    transaction.commit()?;
    View::of(database)
}

/// What the tables held before a write.
struct Before {
    due: Option<Key>,
    limited_partners: bool,
    /// Where each reservation of the write stood.
    enrolled: Vec<Option<(Roll, Key)>>,
}

/// Writes `rows` if the event is at `base`, where `None` stands for no event at all. The inner result is what came of these
/// rows; the outer one says that the transaction is lost.
pub(super) fn apply(
    transaction: &WriteTransaction,
    base: Option<Base>,
    rows: &Rows,
) -> Result<Result<(), CommitError>, redb::Error> {
    // All that may be wrong with these rows is found out before the first is written: others share the transaction.
    let before = match before(transaction, base, rows)? {
        Ok(before) => before,
        Err(why) => return Ok(Err(why)),
    };
    write_event(transaction, &before, rows)?;
    if !rows.reservations.is_empty() {
        rows.documents.write(&mut transaction.open_table(RESERVATIONS)?)?;
        rows.made.write(&mut transaction.open_table(MADE)?)?;
        enroll(transaction, before.enrolled, &rows.reservations)?;
    }
    list_active(transaction, before.limited_partners, rows)?;
    Ok(Ok(()))
}

fn before(
    transaction: &WriteTransaction,
    base: Option<Base>,
    rows: &Rows,
) -> Result<Result<Before, CommitError>, redb::Error> {
    let id = &rows.event.id;
    let events = transaction.open_table(EVENTS)?;
    let stamp = match events.get(id.as_str())?.map(|row| documents::stamp(id, row.value())).transpose() {
        Ok(stamp) => stamp,
        Err(why) => return Ok(Err(why.into())),
    };
    if stamp.as_ref().map(documents::Stamp::base) != base {
        return Ok(Err(CommitError::Conflict));
    }
    let due = stamp.as_ref().and_then(|stamp| stamp.due_at).map(|due_at| keys::due(due_at, id));
    let limited_partners = stamp.is_some_and(|stamp| stamp.quotas.limit_partners());
    let mut enrolled = Vec::with_capacity(rows.reservations.len());
    for row in &rows.reservations {
        // The event at its base has nothing that a later version made.
        let place = if row.is_new { Ok(None) } else { place(transaction, &row.reservation)? };
        match place {
            Ok(place) => enrolled.push(place),
            Err(why) => return Ok(Err(why.into())),
        }
    }
    Ok(Ok(Before { due, limited_partners, enrolled }))
}

/// Where a reservation is enrolled by what the file says of it.
fn place(
    transaction: &WriteTransaction,
    reservation: &Reservation,
) -> Result<Result<Option<(Roll, Key)>, StoreError>, redb::Error> {
    let id = &reservation.id;
    let reservations = transaction.open_table(RESERVATIONS)?;
    let Some(row) = reservations.get(Key::of_event(&id.event_id).then_uuid(id.uuid).bytes())? else {
        return Ok(Err(unreadable(id, &"it was made before and is not there")));
    };
    let standing = documents::standing(id, row.value());
    Ok(standing.map(|found| keys::enrolled(&id.event_id, found.status, found.expires_at, found.created_version)))
}

fn write_event(transaction: &WriteTransaction, before: &Before, rows: &Rows) -> Result<(), redb::Error> {
    let id = &rows.event.id;
    transaction.open_table(EVENTS)?.insert(id.as_str(), rows.document.as_slice())?;
    if let Some(seat_map) = &rows.seat_map {
        transaction.open_table(SEAT_MAPS)?.insert(id.as_str(), seat_map.as_slice())?;
    }
    if !rows.blocks.is_empty() {
        let mut seats = transaction.open_table(SEATS)?;
        for (number, block) in &rows.blocks {
            seats.insert(Key::of_event(id).then_block(*number).bytes(), block.as_slice())?;
        }
    }
    let due = rows.event.due_at.map(|due_at| keys::due(due_at, id));
    if due != before.due {
        let mut table = transaction.open_table(DUE)?;
        if let Some(before) = &before.due {
            table.remove(before.bytes())?;
        }
        if let Some(due) = &due {
            table.insert(due.bytes(), ())?;
        }
    }
    Ok(())
}

/// Has every reservation stand on the roll where it belongs now, and on no other.
fn enroll(
    transaction: &WriteTransaction,
    before: Vec<Option<(Roll, Key)>>,
    reservations: &[ReservationRow],
) -> Result<(), redb::Error> {
    let (mut waitlist, mut holds) = (Vec::new(), Vec::new());
    for (before, row) in before.into_iter().zip(reservations) {
        let reservation = &row.reservation;
        let uuid = reservation.id.uuid;
        let (status, expires_at) = (reservation.status, reservation.expires_at);
        let now = keys::enrolled(&reservation.id.event_id, status, expires_at, reservation.created_version);
        if before == now {
            continue;
        }
        let left = before.map(|place| (place, None));
        let joined = now.map(|place| (place, Some(uuid)));
        for ((roll, key), who) in left.into_iter().chain(joined) {
            match roll {
                Roll::Waitlist => waitlist.push((key, who)),
                Roll::Holds => holds.push((key, who)),
            }
        }
    }
    change(transaction, WAITLIST, waitlist)?;
    change(transaction, HOLDS, holds)
}

/// Has the event's active reservations stand by their partners if the event limits partners, and none of them if it does
/// not.
///
/// While it does, each reservation that a write touches is put there or taken away by what it is now, whatever it was. Once
/// it does no more, all are taken away, and when it begins to, all are put there as the list by making, which has this write
/// already, tells them. So at every version exactly those stand there that should.
fn list_active(transaction: &WriteTransaction, limited_before: bool, rows: &Rows) -> Result<(), redb::Error> {
    let id = &rows.event.id;
    match (limited_before, rows.event.quotas.limit_partners()) {
        (false, false) => Ok(()),
        (true, true) => {
            let place = |row: &ReservationRow| {
                let (reservation, partner_id) = (&row.reservation, row.reservation.partner_id.as_str());
                let uuid = reservation.status.is_active().then_some(reservation.id.uuid);
                (keys::active(id, partner_id, reservation.created_version), uuid)
            };
            change(transaction, ACTIVE, rows.reservations.iter().map(place).collect())
        }
        (true, false) => {
            let all = Key::of_event(id).all();
            Ok(transaction.open_table(ACTIVE)?.retain_in(all.start.bytes()..all.end.bytes(), |_, _| false)?)
        }
        (false, true) => {
            let made = transaction.open_table(MADE)?;
            let all = Key::of_event(id).all();
            let mut active = Vec::new();
            for row in made.range(all.start.bytes()..all.end.bytes())? {
                let (key, row) = row?;
                active.extend(active_place(id, key.value(), row.value())?);
                if active.len() == PLACES_AT_ONCE {
                    change(transaction, ACTIVE, std::mem::take(&mut active))?;
                }
            }
            change(transaction, ACTIVE, active)
        }
    }
}

/// Where a reservation in the list by making stands among its partner's active ones, if it is active.
fn active_place(id: &EventId, key: &[u8], row: &[u8]) -> Result<Option<(Key, Option<Uuid>)>, StorageError> {
    let corrupted = || StorageError::Corrupted(format!("a row in the list of {id}'s reservations is none"));
    let listed = Listed::read(row).ok_or_else(corrupted)?;
    let created_version = keys::version_of_place(key).ok_or_else(corrupted)?;
    let place = || (keys::active(id, listed.partner_id, created_version), Some(listed.uuid));
    Ok(listed.status.is_active().then(place))
}

/// Puts reservations into an index, and takes away what stood where there is none. In the order of the keys, neighbours are
/// written while their page is at hand.
fn change(
    transaction: &WriteTransaction,
    index: Index,
    mut places: Vec<(Key, Option<Uuid>)>,
) -> Result<(), redb::Error> {
    if places.is_empty() {
        return Ok(());
    }
    places.sort_unstable();
    let mut table = transaction.open_table(index)?;
    for (key, uuid) in places {
        match uuid {
            Some(uuid) => drop(table.insert(key.bytes(), uuid.as_u128())?),
            None => drop(table.remove(key.bytes())?),
        }
    }
    Ok(())
}

/// What a failure of the file is to those who asked.
pub(super) fn failed(why: &redb::Error) -> StoreError {
    StoreError::Unavailable(format!("the embedded store's file failed: {why}"))
}
