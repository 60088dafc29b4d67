//! One durable state of the file, and what is read of it.

use std::{collections::HashMap, ops::ControlFlow, sync::Arc};

use jiff::Timestamp;
use redb::{Database, ReadOnlyTable, ReadableDatabase};
use uuid::Uuid;

use super::{
    documents::{self, unreadable},
    keys::{self, Key},
    recent::Recent,
    state::State,
    tables::{ACTIVE, DUE, EVENTS, HOLDS, MADE, OPERATIONS, RESERVATIONS, SEAT_MAPS, SEATS, STATES, WAITLIST, failed},
};
use crate::{
    domain::{
        Event, EventId, EventSummary, Facts, Hall, PartnerId, Reservation, ReservationId, SeatMap, Version, Wanted,
    },
    store::{Base, Damage, DuePage, DuePlace, StoreError},
};

mod lists;

/// It stays what it is while later ones are written. All that one call reads of it fits together.
pub(super) struct View {
    states: ReadOnlyTable<&'static str, &'static [u8]>,
    events: ReadOnlyTable<&'static str, &'static [u8]>,
    seat_maps: ReadOnlyTable<&'static str, &'static [u8]>,
    seats: ReadOnlyTable<&'static [u8], &'static [u8]>,
    reservations: ReadOnlyTable<&'static [u8], &'static [u8]>,
    made: ReadOnlyTable<&'static [u8], &'static [u8]>,
    waitlist: ReadOnlyTable<&'static [u8], u128>,
    holds: ReadOnlyTable<&'static [u8], u128>,
    active: ReadOnlyTable<&'static [u8], u128>,
    due: ReadOnlyTable<&'static [u8], ()>,
    operations: ReadOnlyTable<&'static [u8], &'static [u8]>,
    recent: Recent,
    damage: Arc<Damage>,
}

impl View {
    /// The last durable state. An error too when the tables are missing, so a file that was replaced by an empty one
    /// is not taken for an empty store.
    pub(super) fn of(database: &Database, recent: Recent, damage: Arc<Damage>) -> Result<Self, redb::Error> {
        let transaction = database.begin_read()?;
        Ok(Self {
            states: transaction.open_table(STATES)?,
            events: transaction.open_table(EVENTS)?,
            seat_maps: transaction.open_table(SEAT_MAPS)?,
            seats: transaction.open_table(SEATS)?,
            reservations: transaction.open_table(RESERVATIONS)?,
            made: transaction.open_table(MADE)?,
            waitlist: transaction.open_table(WAITLIST)?,
            holds: transaction.open_table(HOLDS)?,
            active: transaction.open_table(ACTIVE)?,
            due: transaction.open_table(DUE)?,
            operations: transaction.open_table(OPERATIONS)?,
            recent,
            damage,
        })
    }

    /// Which state the event is in.
    pub(super) fn state(&self, id: &EventId) -> Result<Option<State>, StoreError> {
        let row = self.states.get(id.as_str()).map_err(broken)?;
        row.map(|row| State::read(id, row.value())).transpose()
    }

    /// The event with its hall, if it has one. Its seat map is `map` if that is known already.
    pub(super) fn event(&self, id: &EventId, map: Option<Arc<SeatMap>>) -> Result<Option<Event>, StoreError> {
        let Some(state) = self.state(id)? else { return Ok(None) };
        let row = self.events.get(id.as_str()).map_err(broken)?;
        let row = row.ok_or_else(|| unreadable(id, &"its document is missing"))?;
        let stored = documents::event(id, row.value(), &state)?;
        if let Some(cause) = &stored.lost {
            let instead = "the event goes on without it: a request under that key counts as a new one";
            self.damage.of_other(&format!("history of event {id}"), cause, instead);
        }
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
        let row = self.reservations.get(Key::of_document(id).bytes()).map_err(broken)?;
        row.map(|row| documents::reservation(id.clone(), row.value()).map(Arc::new)).transpose()
    }

    /// What is wanted, if the event is at `base`: all of it is read of one state, so it stands as it stood there.
    pub(super) fn facts(&self, id: &EventId, base: Base, wanted: &Wanted) -> Result<Option<Facts>, StoreError> {
        let Some(state) = self.state(id)?.filter(|state| state.base() == base) else { return Ok(None) };
        let mut facts = Facts::default();
        for uuid in &wanted.reservations {
            if let Some(found) = self.reservation(&ReservationId { event_id: id.clone(), uuid: *uuid })? {
                facts.reservations.insert(*uuid, found);
            }
        }
        for uuid in &wanted.operations {
            if let Some(row) = self.operations.get(keys::record(id, *uuid).bytes()).map_err(broken)? {
                facts.operations.insert(*uuid, Arc::new(documents::operation_record(id, *uuid, row.value())?));
            }
        }
        facts.waitlist = self.front(&self.waitlist, id, wanted.waitlist)?;
        facts.holds = self.front(&self.holds, id, wanted.holds)?;
        facts.partners = self.active(id, state.limits_partners, &wanted.partners)?;
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
        rows.take(count).map(|row| self.listed(id, Uuid::from_u128(row.map_err(broken)?.1.value()))).collect()
    }

    /// The active reservations of an event that `partners` have.
    fn active(
        &self,
        id: &EventId,
        limited: bool,
        partners: &[PartnerId],
    ) -> Result<HashMap<PartnerId, Vec<Arc<Reservation>>>, StoreError> {
        let mut active: HashMap<&str, Vec<_>> = partners.iter().map(|partner| (partner.as_str(), Vec::new())).collect();
        if limited {
            for (partner_id, active) in &mut active {
                let all = Key::of_event(id).then_partner(partner_id).all();
                for row in self.active.range(all.start.bytes()..all.end.bytes()).map_err(broken)? {
                    active.push(self.listed(id, Uuid::from_u128(row.map_err(broken)?.1.value()))?);
                }
            }
        } else if !partners.is_empty() {
            // The first limit is being set, by a command among those that are decided on. This looks at all that was made.
            self.each_made(id, &Key::of_event(id).all(), |_, listed| {
                let listed = listed?;
                if let Some(active) = active.get_mut(listed.partner_id).filter(|_| listed.status.is_active()) {
                    active.push(self.listed(id, listed.uuid)?);
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        let of = |partner: &PartnerId| (partner.clone(), active.remove(partner.as_str()).unwrap_or_default());
        Ok(partners.iter().map(of).collect())
    }

    /// A reservation that stands in a list.
    fn listed(&self, event_id: &EventId, uuid: Uuid) -> Result<Arc<Reservation>, StoreError> {
        let id = ReservationId { event_id: event_id.clone(), uuid };
        self.reservation(&id)?.ok_or_else(|| unreadable(&id, &"it is listed and not there"))
    }

    /// The place on the waitlist of whoever joined at `version`, from 1. It is counted from both ends at once, so that a place
    /// costs as much as the nearer end is far. `None` when neither end is reached by looking at `rows_max`.
    fn waitlist_position(&self, id: &EventId, version: Version, rows_max: usize) -> Result<Option<u32>, StoreError> {
        let waiting = self.state(id)?.map_or(0, |state| state.waitlist_count);
        let (all, place) = (Key::of_event(id).all(), Key::of_event(id).then_version(version));
        let mut ahead = self.waitlist.range(all.start.bytes()..place.bytes()).map_err(broken)?;
        let mut others = self.waitlist.range(place.bytes()..all.end.bytes()).map_err(broken)?;
        let counted_max = u32::try_from(rows_max.div_ceil(2)).unwrap_or(u32::MAX);
        for counted in 0..counted_max {
            if ahead.next().transpose().map_err(broken)?.is_none() {
                return Ok(Some(counted + 1));
            }
            if others.next().transpose().map_err(broken)?.is_none() {
                return Ok(Some(waiting.saturating_sub(counted) + 1));
            }
        }
        Ok(None)
    }

    /// The places on the waitlist of those who joined at the versions `joined`, which ascend: the first is counted, and the
    /// others are as far behind it as there are rows between. `None` when it takes more than about `rows_max` rows to tell.
    pub(super) fn waitlist_positions(
        &self,
        id: &EventId,
        joined: &[Version],
        rows_max: usize,
    ) -> Result<Option<Vec<u32>>, StoreError> {
        let Some(first) = joined.first() else { return Ok(Some(Vec::new())) };
        let Some(mut position) = self.waitlist_position(id, *first, rows_max)? else { return Ok(None) };
        let mut positions = vec![position];
        let mut rows_left = rows_max;
        for pair in joined.windows(2) {
            let [from, to] = [pair[0], pair[1]].map(|version| Key::of_event(id).then_version(version));
            for row in self.waitlist.range(from.bytes()..to.bytes()).map_err(broken)? {
                row.map_err(broken)?;
                let Some(fewer) = rows_left.checked_sub(1) else { return Ok(None) };
                rows_left = fewer;
                position += 1;
            }
            positions.push(position);
        }
        Ok(Some(positions))
    }

    /// Summaries of events, in the order of their ids. One that cannot be read does not count, and is noted.
    pub(super) fn summaries(&self, after: Option<&EventId>, limit: usize) -> Result<Vec<EventSummary>, StoreError> {
        let first = after.map(|after| format!("{after}\0")).unwrap_or_default();
        let mut summaries = Vec::new();
        for row in self.events.range(first.as_str()..).map_err(broken)? {
            if summaries.len() >= limit {
                break;
            }
            let (key, document) = row.map_err(broken)?;
            let id = match event_id(key.value()) {
                Ok(id) => id,
                Err(why) => {
                    self.damage.of_other(
                        &format!("event {:?}", key.value()),
                        &why.into_why(),
                        "it is left out of lists",
                    );
                    continue;
                }
            };
            match self.summary(&id, document.value()) {
                Ok(summary) => summaries.push(summary),
                Err(StoreError::Unreadable(why)) => self.damage.of_event(&id, &why),
                Err(why) => return Err(why),
            }
        }
        Ok(summaries)
    }

    fn summary(&self, id: &EventId, document: &[u8]) -> Result<EventSummary, StoreError> {
        let state = self.state(id)?.ok_or_else(|| unreadable(id, &"its state is missing"))?;
        let stored = documents::event(id, document, &state)?;
        Ok(EventSummary { has_seat_map: stored.has_seat_map, ..stored.event.summary() })
    }

    /// Events that are due at `now` in whole milliseconds, but for those that could not be read a short while ago.
    pub(super) fn due(&self, now: Timestamp, after: Option<&DuePlace>, limit: usize) -> Result<DuePage, StoreError> {
        let mut page = DuePage::default();
        let (start, end) = (after.map(|after| keys::due(after.at, &after.id).next()), keys::due_until(now));
        let start = start.as_ref().map_or(&[][..], Key::bytes);
        if start >= end.bytes() || limit == 0 {
            return Ok(page);
        }
        for row in self.due.range(start..end.bytes()).map_err(broken)? {
            let key = row.map_err(broken)?.0;
            let place = keys::due_place(key.value());
            match place.as_ref().and_then(|place| EventId::parse(&place.id).ok()) {
                Some(id) if self.damage.is_fresh(&id) => {}
                Some(id) => page.event_ids.push(id),
                None => {
                    let name = format!("key {:?} of an event that is due", String::from_utf8_lossy(key.value()));
                    self.damage.of_other(&name, "it names no event", "it is passed over");
                }
            }
            if page.event_ids.len() == limit {
                page.next = place;
                break;
            }
        }
        Ok(page)
    }
}

fn event_id(key: &str) -> Result<EventId, StoreError> {
    EventId::parse(key).map_err(|why| unreadable(&key, &why))
}

fn broken(why: redb::StorageError) -> StoreError {
    failed(&why.into())
}
