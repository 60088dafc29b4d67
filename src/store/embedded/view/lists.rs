//! Lists of reservations, read along the list by making, or from an index where few are in it.

use std::{
    ops::{ControlFlow, Range},
    sync::Arc,
};

use redb::ReadOnlyTable;

use super::{View, broken, event_id};
use crate::{
    domain::{EventId, PartnerId, Reservation, Status},
    store::{
        Place, ReservationPage, ReservationQuery, Scope, StoreError,
        embedded::{
            documents::unreadable,
            keys::{self, Key},
            listed::Listed,
        },
    },
};

/// Rows that are passed over between two looks at the clock: some tens of microseconds.
const ROWS_PER_LOOK: usize = 256;

/// What it costs to find the list of an event, in rows that could have been looked at instead.
const ROWS_PER_EVENT: usize = 16;

/// So many of an event's holds, or of those who wait, are sorted and chosen from at once; to pass over the list by making
/// for a few among a million would take longer.
const FEW: u32 = 256;

/// A list that is being made.
struct List<'a> {
    query: &'a ReservationQuery,
    partner_id: Option<&'a PartnerId>,
    /// Whether somebody waits for it still.
    wanted: &'a dyn Fn() -> bool,
    /// Rows that may still be looked at.
    rows_left: usize,
    found: Vec<Arc<Reservation>>,
    /// Where it was broken off.
    end: Option<Place>,
}

impl View {
    /// Lists reservations as [`crate::store::EventStore::reservations`] does, as long as it is `wanted`.
    pub(in crate::store::embedded) fn list(
        &self,
        query: &ReservationQuery,
        rows_max: usize,
        wanted: impl Fn() -> bool,
    ) -> Result<ReservationPage, StoreError> {
        if query.limit == 0 {
            return Ok(ReservationPage::default());
        }
        let (event, partner_id) = match &query.scope {
            Scope::Event(id) => (Some(id), None),
            Scope::PartnerOfEvent(partner_id, id) => (Some(id), Some(partner_id)),
            Scope::Partner(partner_id) => (None, Some(partner_id)),
        };
        let mut list =
            List { query, partner_id, wanted: &wanted, rows_left: rows_max.max(1), found: Vec::new(), end: None };
        if let Some(id) = event {
            if let Some(index) = self.index_of_few(query, id, rows_max)? {
                return self.list_few(query, id, index);
            }
            self.extend(&mut list, id)?;
        } else {
            self.extend_by_events(&mut list)?;
        }
        Ok(ReservationPage::new(list.found, query.limit, list.end))
    }

    /// Takes in what belongs into the list of all events.
    fn extend_by_events(&self, list: &mut List<'_>) -> Result<(), StoreError> {
        let first = list.query.after.as_ref().map_or("", |after| after.event_id.as_str());
        for row in self.states.range(first..).map_err(broken)? {
            let key = row.map_err(broken)?.0;
            let id = match event_id(key.value()) {
                Ok(id) => id,
                Err(why) => {
                    self.leave_out(&format!("event {:?}", key.value()), why)?;
                    continue;
                }
            };
            self.extend(list, &id)?;
            if list.end.is_some() {
                break;
            }
            // The first was paid for by the page before, and this page must get further.
            if id.as_str() != first {
                list.rows_left = list.rows_left.saturating_sub(ROWS_PER_EVENT);
            }
            if list.is_enough() || !(list.wanted)() {
                list.end = Some(Place::end_of(id));
                break;
            }
        }
        Ok(())
    }

    /// Takes in what belongs into the list of an event's reservations.
    fn extend(&self, list: &mut List<'_>, id: &EventId) -> Result<(), StoreError> {
        let Some(range) = range(list.query, id) else { return Ok(()) };
        self.each_made(id, &range, |key, listed| {
            let listed = match listed {
                Ok(listed) => Some(listed),
                Err(why) => {
                    self.leave_out(&format!("list of event {id}"), why)?;
                    None
                }
            };
            if let Some(listed) = listed.filter(|listed| list.may_take(listed)) {
                match self.listed(id, listed.uuid) {
                    Ok(reservation) if list.query.matches(&reservation) => list.found.push(reservation),
                    Ok(_) => {}
                    Err(why) => self.leave_out(&format!("reservation {id}.{}", listed.uuid), why)?,
                }
            }
            list.rows_left = list.rows_left.saturating_sub(1);
            if list.is_enough() || list.rows_left.is_multiple_of(ROWS_PER_LOOK) && !(list.wanted)() {
                list.end = Some(place(id, key)?);
                return Ok(ControlFlow::Break(()));
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

    /// The index that has what is asked for, and so few in it that it is the shorter way.
    fn index_of_few(
        &self,
        query: &ReservationQuery,
        id: &EventId,
        rows_max: usize,
    ) -> Result<Option<&ReadOnlyTable<&'static [u8], u128>>, StoreError> {
        let Some(state) = self.state(id)? else { return Ok(None) };
        let (index, count) = match query.status {
            Some(Status::Held) => (&self.holds, state.hold_count),
            Some(Status::Waitlisted) => (&self.waitlist, state.waitlist_count),
            _ => return Ok(None),
        };
        Ok((count <= FEW && count as usize <= rows_max).then_some(index))
    }

    fn list_few(
        &self,
        query: &ReservationQuery,
        id: &EventId,
        index: &ReadOnlyTable<&'static [u8], u128>,
    ) -> Result<ReservationPage, StoreError> {
        let mut found = self.front(index, id, usize::MAX)?;
        found.retain(|reservation| query.matches(reservation));
        found.sort_unstable_by_key(|reservation| Place::of(reservation));
        found.truncate(query.limit);
        Ok(ReservationPage::new(found, query.limit, None))
    }

    /// Visits the rows of an event's list in their order, each with its key: those that are recent, and the others.
    pub(super) fn each_made(
        &self,
        id: &EventId,
        range: &Range<Key>,
        mut visit: impl FnMut(&[u8], Result<Listed<'_>, StoreError>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut recent = self.recent.rows(range).peekable();
        for made in self.made.range(range.start.bytes()..range.end.bytes()).map_err(broken)? {
            let (key, made) = made.map_err(broken)?;
            let mut is_recent = false;
            while let Some((key_of_recent, listed)) = recent.next_if(|(recent, _)| recent.as_slice() <= key.value()) {
                is_recent = key_of_recent == key.value();
                if visit(&key_of_recent, row(id, &listed))?.is_break() {
                    return Ok(());
                }
            }
            if !is_recent && visit(key.value(), row(id, made.value()))?.is_break() {
                return Ok(());
            }
        }
        for (key, listed) in recent {
            if visit(&key, row(id, &listed))?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl List<'_> {
    /// Whether the page ends here.
    fn is_enough(&self) -> bool {
        self.found.len() >= self.query.limit || self.rows_left == 0
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

/// The place in the key of a row of an event's list.
fn place(id: &EventId, key: &[u8]) -> Result<Place, StoreError> {
    let place = keys::time_and_version(key).map(|(created_at, created_version)| Place {
        event_id: id.clone(),
        created_at,
        created_version,
    });
    place.ok_or_else(|| unreadable(id, &"a row in its list of reservations has no place"))
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
