//! One durable state of the file, and what is read of it.

use std::{ops::Range, sync::Arc};

use jiff::Timestamp;
use redb::{Database, ReadOnlyTable, ReadableDatabase};
use uuid::Uuid;

use super::{
    documents::{self, Stamp, unreadable},
    keys::{self, Key},
    tables::{DUE, EVENTS, HOLDS, MADE, MADE_BY_PARTNER, RESERVATIONS, SEAT_MAPS, SEATS, WAITLIST, failed},
};
use crate::{
    domain::{
        Event, EventId, EventSummary, Facts, Hall, PartnerId, Reservation, ReservationId, SeatMap, Version, Wanted,
    },
    store::{Base, ReservationQuery, Scope, StoreError},
};

/// It stays what it is while later ones are written. All that one call reads of it fits together.
pub(super) struct View {
    events: ReadOnlyTable<&'static str, &'static [u8]>,
    seat_maps: ReadOnlyTable<&'static str, &'static [u8]>,
    seats: ReadOnlyTable<&'static [u8], &'static [u8]>,
    reservations: ReadOnlyTable<&'static [u8], &'static [u8]>,
    made: ReadOnlyTable<&'static [u8], u128>,
    made_by_partner: ReadOnlyTable<&'static [u8], u128>,
    waitlist: ReadOnlyTable<&'static [u8], u128>,
    holds: ReadOnlyTable<&'static [u8], u128>,
    due: ReadOnlyTable<&'static [u8], ()>,
}

impl View {
    /// The last durable state. An error too when the tables are missing, so a file that was replaced by an empty one
    /// is not taken for an empty store.
    pub(super) fn of(database: &Database) -> Result<Self, redb::Error> {
        let transaction = database.begin_read()?;
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

    /// Which state the event is in.
    pub(super) fn stamp(&self, id: &EventId) -> Result<Option<Stamp>, StoreError> {
        let row = self.events.get(id.as_str()).map_err(broken)?;
        row.map(|row| documents::stamp(id, row.value())).transpose()
    }

    /// The event with its hall, if it has one. Its seat map is `map` if that is known already.
    pub(super) fn event(&self, id: &EventId, map: Option<Arc<SeatMap>>) -> Result<Option<Event>, StoreError> {
        let Some(row) = self.events.get(id.as_str()).map_err(broken)? else { return Ok(None) };
        let stored = documents::event(id, row.value())?;
        let hall = if stored.has_seat_map { Some(self.hall(id, map)?) } else { None };
        Ok(Some(Event { hall, ..stored.event }))
    }

    fn hall(&self, id: &EventId, map: Option<Arc<SeatMap>>) -> Result<Hall, StoreError> {
        let map = if let Some(map) = map {
            map
        } else {
            let row = self.seat_maps.get(id.as_str()).map_err(broken)?;
            let row = row.ok_or_else(|| unreadable(id, &"its seat map is missing"))?;
            Arc::new(documents::seat_map(id, row.value())?)
        };
        let mut blocks = Vec::new();
        let all = Key::of_event(id).all();
        for row in self.seats.range(all.start.bytes()..all.end.bytes()).map_err(broken)? {
            let (key, block) = row.map_err(broken)?;
            let number = key.value().last_chunk().map(|number| u32::from_be_bytes(*number));
            blocks.push((number.unwrap_or(u32::MAX), block.value().to_vec()));
        }
        Hall::restore(map, blocks).map_err(|why| unreadable(id, &format!("its hall {why}")))
    }

    pub(super) fn reservation(&self, id: &ReservationId) -> Result<Option<Arc<Reservation>>, StoreError> {
        let key = Key::of_event(&id.event_id).then_uuid(id.uuid);
        let row = self.reservations.get(key.bytes()).map_err(broken)?;
        row.map(|row| documents::reservation(id.clone(), row.value()).map(Arc::new)).transpose()
    }

    /// What is wanted, if the event is at `base`: all of it is read of one state, so it stands as it stood there.
    pub(super) fn facts(&self, id: &EventId, base: Base, wanted: &Wanted) -> Result<Option<Facts>, StoreError> {
        if self.stamp(id)?.map(|stamp| stamp.base()) != Some(base) {
            return Ok(None);
        }
        let mut facts = Facts::default();
        for uuid in &wanted.reservations {
            if let Some(found) = self.reservation(&ReservationId { event_id: id.clone(), uuid: *uuid })? {
                facts.reservations.insert(*uuid, found);
            }
        }
        facts.waitlist = self.front(&self.waitlist, id, wanted.waitlist)?;
        facts.holds = self.front(&self.holds, id, wanted.holds)?;
        for partner_id in &wanted.partners {
            facts.partners.insert(partner_id.clone(), self.active(partner_id, id)?);
        }
        Ok(Some(facts))
    }

    /// The first reservations of an event's roll.
    fn front(
        &self,
        roll: &ReadOnlyTable<&'static [u8], u128>,
        id: &EventId,
        count: usize,
    ) -> Result<Vec<Arc<Reservation>>, StoreError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let all = Key::of_event(id).all();
        let rows = roll.range(all.start.bytes()..all.end.bytes()).map_err(broken)?;
        rows.take(count).map(|row| self.listed(id, row.map_err(broken)?.1.value())).collect()
    }

    /// A partner's active reservations of an event.
    fn active(&self, partner_id: &PartnerId, id: &EventId) -> Result<Vec<Arc<Reservation>>, StoreError> {
        let all = Key::of_event(id).then_partner(partner_id).all();
        let mut active = Vec::new();
        for row in self.made_by_partner.range(all.start.bytes()..all.end.bytes()).map_err(broken)? {
            let reservation = self.listed(id, row.map_err(broken)?.1.value())?;
            if reservation.status.is_active() {
                active.push(reservation);
            }
        }
        Ok(active)
    }

    /// A reservation that stands in a list.
    fn listed(&self, event_id: &EventId, uuid: u128) -> Result<Arc<Reservation>, StoreError> {
        let id = ReservationId { event_id: event_id.clone(), uuid: Uuid::from_u128(uuid) };
        self.reservation(&id)?.ok_or_else(|| unreadable(&id, &"it is listed and not there"))
    }

    /// How many who wait joined before `version`.
    pub(super) fn waiting_before(&self, id: &EventId, version: Version) -> Result<usize, StoreError> {
        let (first, end) = (Key::of_event(id), Key::of_event(id).then_version(version));
        let mut waiting = 0;
        for row in self.waitlist.range(first.bytes()..end.bytes()).map_err(broken)? {
            row.map_err(broken)?;
            waiting += 1;
        }
        Ok(waiting)
    }

    /// Lists reservations as [`crate::store::EventStore::reservations`] does, as long as it is `wanted`; what it has got by
    /// then is of no use.
    pub(super) fn list(
        &self,
        query: &ReservationQuery,
        wanted: impl Fn() -> bool,
    ) -> Result<Vec<Arc<Reservation>>, StoreError> {
        let mut list = List { query, wanted: &wanted, found: Vec::new() };
        match &query.scope {
            Scope::Event(id) => self.extend(&mut list, &self.made, id, &Key::of_event(id))?,
            Scope::PartnerOfEvent(partner_id, id) => {
                self.extend(&mut list, &self.made_by_partner, id, &Key::of_event(id).then_partner(partner_id))?;
            }
            Scope::Partner(partner_id) => {
                // Event by event, also where the partner has nothing: a look takes a few microseconds, and an index of all
                // events that partners are in would cost every sale more.
                let first = query.after.as_ref().map_or("", |after| after.event_id.as_str());
                for row in self.events.range(first..).map_err(broken)? {
                    if list.is_over() {
                        break;
                    }
                    let id = event_id(row.map_err(broken)?.0.value())?;
                    let key = Key::of_event(&id).then_partner(partner_id);
                    self.extend(&mut list, &self.made_by_partner, &id, &key)?;
                }
            }
        }
        Ok(list.found)
    }

    /// Takes in what belongs into the list of an event's reservations whose keys in `index` begin with `prefix`.
    fn extend(
        &self,
        list: &mut List<'_>,
        index: &ReadOnlyTable<&'static [u8], u128>,
        id: &EventId,
        prefix: &Key,
    ) -> Result<(), StoreError> {
        let Some(range) = range(list.query, id, prefix) else { return Ok(()) };
        for row in index.range(range.start.bytes()..range.end.bytes()).map_err(broken)? {
            if list.is_over() {
                break;
            }
            let reservation = self.listed(id, row.map_err(broken)?.1.value())?;
            if list.query.matches(&reservation) {
                list.found.push(reservation);
            }
        }
        Ok(())
    }

    pub(super) fn summaries(&self, after: Option<&EventId>, limit: usize) -> Result<Vec<EventSummary>, StoreError> {
        let first = after.map(|after| format!("{after}\0")).unwrap_or_default();
        let mut summaries = Vec::new();
        for row in self.events.range(first.as_str()..).map_err(broken)?.take(limit) {
            let (id, document) = row.map_err(broken)?;
            let id = event_id(id.value())?;
            let stored = documents::event(&id, document.value())?;
            summaries.push(EventSummary { has_seat_map: stored.has_seat_map, ..stored.event.summary() });
        }
        Ok(summaries)
    }

    /// Events that are due at `now` in whole milliseconds.
    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<EventId>, StoreError> {
        let end = keys::due_until(now);
        let rows = self.due.range(..end.bytes()).map_err(broken)?;
        let read = |key: &[u8]| keys::due_event(key).ok_or_else(|| unreadable(&"an event that is due", &"bad key"));
        rows.take(limit).map(|row| read(row.map_err(broken)?.0.value())).collect()
    }
}

/// A list that is being made.
struct List<'a> {
    query: &'a ReservationQuery,
    wanted: &'a dyn Fn() -> bool,
    found: Vec<Arc<Reservation>>,
}

impl List<'_> {
    fn is_over(&self) -> bool {
        self.found.len() >= self.query.limit || !(self.wanted)()
    }
}

/// The part of an event's index that can hold what is asked for, give or take a millisecond; `None` when nothing can.
fn range(query: &ReservationQuery, id: &EventId, prefix: &Key) -> Option<Range<Key>> {
    let mut range = prefix.all();
    if let Some(from) = query.created_from {
        range.start = range.start.max(prefix.clone().then_time(from));
    }
    if let Some(to) = query.created_to {
        range.end = range.end.min(prefix.clone().then_after(to));
    }
    if let Some(after) = &query.after {
        if *id < after.event_id {
            return None;
        }
        if *id == after.event_id {
            let after = prefix.clone().then_place(after.created_at, after.created_version);
            range.start = range.start.max(after.next());
        }
    }
    (range.start < range.end).then_some(range)
}

fn event_id(key: &str) -> Result<EventId, StoreError> {
    EventId::parse(key).map_err(|why| unreadable(&key, &why))
}

fn broken(why: redb::StorageError) -> StoreError {
    failed(&why.into())
}
