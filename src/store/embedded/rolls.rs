//! The indexes that have a reservation only as long as it is in one state: the waitlist, the holds, and what is active of
//! partners whose part is limited.

use redb::{ReadableTable, StorageError, WriteTransaction};
use uuid::Uuid;

use super::{
    keys::{self, Key, Roll},
    listed::Listed,
    rows::{ReservationRow, Rows},
    tables::{ACTIVE, HOLDS, Index, MADE, WAITLIST},
};
use crate::domain::{EventId, Reservation};

/// Places that are gathered before they are written, when all reservations of an event are: some 10 MB.
const PLACES_AT_ONCE: usize = 65_536;

/// What changes on the rolls.
#[derive(Default)]
pub(super) struct Rolls {
    waitlist: Vec<(Key, Option<Uuid>)>,
    holds: Vec<(Key, Option<Uuid>)>,
}

impl Rolls {
    /// Has a reservation that stood at `before` stand where it belongs now, and nowhere else.
    pub(super) fn move_from(&mut self, before: Option<(Roll, Key)>, reservation: &Reservation) {
        let (status, expires_at) = (reservation.status, reservation.expires_at);
        let now = keys::enrolled(&reservation.id.event_id, status, expires_at, reservation.created_version);
        if before == now {
            return;
        }
        let left = before.map(|place| (place, None));
        let joined = now.map(|place| (place, Some(reservation.id.uuid)));
        for ((roll, key), who) in left.into_iter().chain(joined) {
            match roll {
                Roll::Waitlist => self.waitlist.push((key, who)),
                Roll::Holds => self.holds.push((key, who)),
            }
        }
    }

    pub(super) fn write(self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        change(transaction, WAITLIST, self.waitlist)?;
        change(transaction, HOLDS, self.holds)
    }
}

/// Has the event's active reservations stand by their partners if the event limits partners, and none of them if it does
/// not.
///
/// While it does, each reservation that a write touches is put there or taken away by what it is now, whatever it was. Once
/// it does no more, all are taken away, and when it begins to, all are put there as the list by making, which has this write
/// already, tells them. So at every version exactly those stand there that should.
pub(super) fn list_active(
    transaction: &WriteTransaction,
    limited_before: bool,
    rows: &Rows,
) -> Result<(), redb::Error> {
    let id = &rows.event_id;
    match (limited_before, rows.state.limits_partners) {
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
