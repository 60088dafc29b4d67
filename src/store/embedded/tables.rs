//! The file's tables.
//!
//! Events, seat maps, seats and reservations are what the store knows; every other table is an index, whose rows follow from
//! those by a rule. [`super::fold`] alone writes them.
//!
//! What one commit writes of an event should lie beside what others write of other events at the same time: a transaction
//! costs what it changes in pages, and a thousand events on sale would else have a thousand of them each.

use redb::{Database, ReadableDatabase, TableDefinition, TableError, WriteTransaction};

use super::OpenError;
use crate::store::StoreError;

/// The format of the file that this program writes. The documents in it have their own.
pub(super) const FILE_FORMAT: u32 = 3;
/// The one before operations had records. Such a file is taken over as it is.
const WITHOUT_OPERATIONS: u32 = 2;

/// The number of the file's format.
const FORMATS: TableDefinition<(), u32> = TableDefinition::new("format");

/// What every commit changes of an event ([`super::state::State`]), by event id.
pub(super) const STATES: TableDefinition<&str, &[u8]> = TableDefinition::new("states");
/// Event documents by event id. An event has one if it has a state.
pub(super) const EVENTS: TableDefinition<&str, &[u8]> = TableDefinition::new("events");
/// The layouts of events whose seats have names, by event id.
pub(super) const SEAT_MAPS: TableDefinition<&str, &[u8]> = TableDefinition::new("seat_maps");
/// The states of named seats in blocks of 4,096, by event and number of the block.
pub(super) const SEATS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("seats");
/// Reservation documents by [`super::keys::Key::of_document`].
pub(super) const RESERVATIONS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("reservations");
/// What lists choose by ([`Listed`]), of all reservations by event, time and version of their making. Sales append to it,
/// which is why it is read from end to end for one partner: an index by partner would have a batch change as many pages as
/// it has partners, and cost several times what all the rest does.
pub(super) const MADE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("made");
/// Rows that belong into [`MADE`] and are not there yet, or not as they are now ([`super::recent`]): each behind its key there,
/// by the order in which they were written.
pub(super) const RECENT: TableDefinition<u64, &[u8]> = TableDefinition::new("recent");

/// An index: the uuid of a reservation by its place in a list.
pub(super) type Index = TableDefinition<'static, &'static [u8], u128>;

/// Those that wait, by event and version of their making.
pub(super) const WAITLIST: Index = TableDefinition::new("waitlist");
/// Those that are held, by event, the time at which they lapse, and version of their making.
pub(super) const HOLDS: Index = TableDefinition::new("holds");
/// The active ones of events that limit what a partner may have, and of no others, by event, partner and version of their
/// making.
pub(super) const ACTIVE: Index = TableDefinition::new("active");
/// Records of operations by [`super::keys::record`], and which event was made under a key, by [`super::keys::creation`].
pub(super) const OPERATIONS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("operations");
/// Events by the time at which they are due.
pub(super) const DUE: TableDefinition<&[u8], ()> = TableDefinition::new("due");

/// Makes the tables of a new file, and those that one of the last format lacks, and says whether it is a new one. One of
/// another format is refused, before any table is made in it that its own program would not know.
pub(super) fn make(database: &Database) -> Result<bool, OpenError> {
    let unusable = |why: redb::Error| OpenError::Unusable(why.to_string());
    match format_of(database).map_err(unusable)? {
        None => make_all(database).map_err(unusable).map(|()| true),
        Some(FILE_FORMAT) => Ok(false),
        Some(WITHOUT_OPERATIONS) => make_all(database).map_err(unusable).map(|()| false),
        Some(found) => Err(OpenError::Outdated { found }),
    }
}

/// Takes over a file of the last format, which lacks what was added since, and nothing else. One that was taken over while
/// the disk was full is as it was when it is opened anew.
pub(super) fn take_over(database: &Database) -> Result<(), redb::Error> {
    if format_of(database)? == Some(WITHOUT_OPERATIONS) { make_all(database) } else { Ok(()) }
}

/// The format of a file; none of one that has no tables.
fn format_of(database: &Database) -> Result<Option<u32>, redb::Error> {
    /// The one before files told theirs.
    const FIRST: u32 = 1;

    let reading = database.begin_read()?;
    match reading.open_table(FORMATS) {
        Ok(table) => Ok(Some(table.get(())?.map_or(FIRST, |format| format.value()))),
        Err(TableError::TableDoesNotExist(_)) => Ok(reading.list_tables()?.next().map(|_| FIRST)),
        Err(why) => Err(why.into()),
    }
}

fn make_all(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    write_format(&transaction)?;
    for table in [STATES, EVENTS, SEAT_MAPS] {
        transaction.open_table(table)?;
    }
    for table in [SEATS, RESERVATIONS, MADE, OPERATIONS] {
        transaction.open_table(table)?;
    }
    for index in [WAITLIST, HOLDS, ACTIVE] {
        transaction.open_table(index)?;
    }
    transaction.open_table(RECENT)?;
    transaction.open_table(DUE)?;
    Ok(transaction.commit()?)
}

/// Writes the number of the file's format.
pub(super) fn write_format(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(FORMATS)?.insert((), FILE_FORMAT)?;
    Ok(())
}

/// What a failure of the file is to those who asked.
pub(super) fn failed(why: &redb::Error) -> StoreError {
    StoreError::Unavailable(format!("the embedded store's file failed: {why}"))
}
