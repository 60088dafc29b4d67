//! Lists of reservations, read along the list by making.

use std::{
    ops::{ControlFlow, Range},
    sync::Arc,
};

use super::{View, broken, event_id};
use crate::{
    domain::{EventId, PartnerId, Reservation},
    store::{
        ReservationQuery, Scope, StoreError,
        embedded::{documents::unreadable, keys::Key, listed::Listed},
    },
};

/// Rows that are passed over between two looks at the clock: some tens of microseconds.
const ROWS_PER_LOOK: usize = 256;

/// A list that is being made.
struct List<'a> {
    query: &'a ReservationQuery,
    partner_id: Option<&'a PartnerId>,
    /// Whether somebody waits for it still.
    wanted: &'a dyn Fn() -> bool,
    found: Vec<Arc<Reservation>>,
}

impl View {
    /// Lists reservations as [`crate::store::EventStore::reservations`] does, as long as it is `wanted`; what it has got by
    /// then is of no use.
    pub(in crate::store::embedded) fn list(
        &self,
        query: &ReservationQuery,
        wanted: impl Fn() -> bool,
    ) -> Result<Vec<Arc<Reservation>>, StoreError> {
        let (event, partner_id) = match &query.scope {
            Scope::Event(id) => (Some(id), None),
            Scope::PartnerOfEvent(partner_id, id) => (Some(id), Some(partner_id)),
            Scope::Partner(partner_id) => (None, Some(partner_id)),
        };
        let mut list = List { query, partner_id, wanted: &wanted, found: Vec::new() };
        if let Some(id) = event {
            self.extend(&mut list, id)?;
            return Ok(list.found);
        }
        let first = query.after.as_ref().map_or("", |after| after.event_id.as_str());
        for row in self.states.range(first..).map_err(broken)? {
            if list.is_full() || !wanted() {
                break;
            }
            let key = row.map_err(broken)?.0;
            match event_id(key.value()) {
                Ok(id) => self.extend(&mut list, &id)?,
                Err(why) => self.leave_out(&format!("event {:?}", key.value()), why)?,
            }
        }
        Ok(list.found)
    }

    /// Takes in what belongs into the list of an event's reservations.
    fn extend(&self, list: &mut List<'_>, id: &EventId) -> Result<(), StoreError> {
        let Some(range) = range(list.query, id) else { return Ok(()) };
        let mut number = 0_usize;
        self.each_made(id, &range, |listed| {
            if list.is_full() || number.is_multiple_of(ROWS_PER_LOOK) && !(list.wanted)() {
                return Ok(ControlFlow::Break(()));
            }
            number += 1;
            let listed = match listed {
                Ok(listed) => listed,
                Err(why) => {
                    self.leave_out(&format!("list of event {id}"), why)?;
                    return Ok(ControlFlow::Continue(()));
                }
            };
            if list.may_take(&listed) {
                match self.listed(id, listed.uuid) {
                    Ok(reservation) if list.query.matches(&reservation) => list.found.push(reservation),
                    Ok(_) => {}
                    Err(why) => self.leave_out(&format!("reservation {id}.{}", listed.uuid), why)?,
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Notes what cannot be read. The list goes on without it, unless it is the file that failed.
    fn leave_out(&self, name: &str, why: StoreError) -> Result<(), StoreError> {
        match why {
            StoreError::Unreadable(cause) => {
                self.damage.of_other(name, &cause, "it is left out of lists");
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Visits the rows of an event's list in their order: those that are recent, and the others.
    pub(super) fn each_made(
        &self,
        id: &EventId,
        range: &Range<Key>,
        mut visit: impl FnMut(Result<Listed<'_>, StoreError>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut recent = self.recent.rows(range).peekable();
        for made in self.made.range(range.start.bytes()..range.end.bytes()).map_err(broken)? {
            let (key, made) = made.map_err(broken)?;
            let mut is_recent = false;
            while let Some((key_of_recent, listed)) = recent.next_if(|(recent, _)| recent.as_slice() <= key.value()) {
                is_recent = key_of_recent == key.value();
                if visit(row(id, &listed))?.is_break() {
                    return Ok(());
                }
            }
            if !is_recent && visit(row(id, made.value()))?.is_break() {
                return Ok(());
            }
        }
        for (_, listed) in recent {
            if visit(row(id, &listed))?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl List<'_> {
    fn is_full(&self) -> bool {
        self.found.len() >= self.query.limit
    }

    /// Whether a reservation is one of those that are asked for, as far as its row tells.
    fn may_take(&self, listed: &Listed<'_>) -> bool {
        self.partner_id.is_none_or(|partner_id| listed.partner_id == partner_id.as_str())
            && self.query.status.is_none_or(|status| listed.status == status)
    }
}

/// Reads a row of the list by making.
fn row<'row>(id: &EventId, row: &'row [u8]) -> Result<Listed<'row>, StoreError> {
    Listed::read(row).ok_or_else(|| unreadable(id, &"a row in its list of reservations is none"))
}

/// The part of an event's list that can hold what is asked for, give or take a millisecond; `None` when nothing can.
fn range(query: &ReservationQuery, id: &EventId) -> Option<Range<Key>> {
    let mut range = Key::of_event(id).all();
    if let Some(from) = query.created_from {
        range.start = range.start.max(Key::of_event(id).then_time(from));
    }
    if let Some(to) = query.created_to {
        range.end = range.end.min(Key::of_event(id).then_after(to));
    }
    if let Some(after) = &query.after {
        if *id < after.event_id {
            return None;
        }
        if *id == after.event_id {
            let after = Key::of_event(id).then_place(after.created_at, after.created_version);
            range.start = range.start.max(after.next());
        }
    }
    (range.start < range.end).then_some(range)
}
