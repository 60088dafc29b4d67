//! The wrapper, and the faults that lie in how it passes things on.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use ticketboss::{
    domain::{
        Change, Decision, Event, EventId, EventSummary, Facts, Head, Reservation, ReservationId, Status, Version,
        Wanted,
    },
    ids,
    store::{
        Base, CommitError, Creation, DuePage, DuePlace, EventStore, FactsError, Journal, ReservationPage,
        ReservationQuery, Scope, Snapshot, StoreError,
    },
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Fault, answers, mangle};
use crate::show::{ROWS, everything, soon, steps};

/// A store with a fault.
pub(crate) struct Broken {
    inner: Arc<dyn EventStore>,
    fault: Fault,
    memory: Mutex<Memory>,
}

/// What stale reads go back to.
#[derive(Default)]
struct Memory {
    snapshots: HashMap<EventId, Snapshot>,
    events: HashMap<EventId, Event>,
    reservations: HashMap<ReservationId, Option<Arc<Reservation>>>,
    facts: HashMap<(EventId, Uuid), Option<Arc<Reservation>>>,
    by_uuid: HashMap<Uuid, Arc<Reservation>>,
    rolls: HashMap<EventId, Rolls>,
    lists: Vec<(ReservationQuery, Vec<Arc<Reservation>>)>,
    due: Vec<EventId>,
}

/// Everybody who ever was on a roll of an event.
#[derive(Default)]
struct Rolls {
    waitlist: Vec<Arc<Reservation>>,
    holds: Vec<Arc<Reservation>>,
}

impl Broken {
    pub(crate) fn new(inner: &Arc<dyn EventStore>, fault: Fault) -> Self {
        Self { inner: inner.clone(), fault, memory: Mutex::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn deadline(&self, deadline: Instant) -> Instant {
        if self.is(Fault::IgnoresDeadlines) { soon() } else { deadline }
    }

    /// What remains of a decision on its way into the store.
    fn altered(&self, before: &Event, decision: &Decision) -> Decision {
        let mut altered = decision.clone();
        altered.event = mangle::event(self.fault, &decision.event);
        match self.fault {
            Fault::KeepsDueAt if decision.changes.is_empty() => altered.event.due_at = before.due_at,
            Fault::LosesAReservation => drop(altered.changes.pop()),
            Fault::ForgetsRecords => altered.records.clear(),
            Fault::LosesCancels => altered
                .changes
                .retain(|change| change.step().is_none_or(|step| step.reservation.status != Status::Cancelled)),
            Fault::WritesFirstState => {
                let mut seen = HashSet::new();
                altered.changes.retain(|change| change.step().is_none_or(|step| seen.insert(step.reservation.id.uuid)));
            }
            _ => {
                for change in &mut altered.changes {
                    if let Change::Reservation(step) = change {
                        step.reservation = mangle::reservation(self.fault, &step.reservation);
                    }
                }
            }
        }
        altered
    }

    async fn current(&self, id: &EventId, deadline: Instant) -> Result<Snapshot, StoreError> {
        let found = self.inner.load(id, deadline).await?;
        found.ok_or_else(|| StoreError::Unavailable(format!("{id} is not there")))
    }
}

#[async_trait]
impl EventStore for Broken {
    async fn create(&self, event: &Event, head: Head, deadline: Instant) -> Result<Creation, StoreError> {
        let deadline = self.deadline(deadline);
        let event = mangle::event(self.fault, event);
        let creation = self.inner.create(&event, head, deadline).await?;
        if self.is(Fault::OverwritesOnCreate) && creation == Creation::Existed {
            let current = self.current(&event.id, deadline).await?;
            let reset = Decision {
                outcomes: Vec::new(),
                deferred: Vec::new(),
                changes: Vec::new(),
                records: Vec::new(),
                event,
            };
            let _ = self.inner.commit(&current, &reset, head, deadline).await;
        }
        Ok(if self.is(Fault::AlwaysCreates) { Creation::Created } else { creation })
    }

    async fn load(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Snapshot>, StoreError> {
        let loaded = self.inner.load(event_id, self.deadline(deadline)).await?;
        Ok(match (self.fault, loaded) {
            (Fault::LoadsStale, Some(snapshot)) => {
                let mut memory = self.memory();
                Some(memory.snapshots.entry(event_id.clone()).or_insert(snapshot).clone())
            }
            (Fault::InventsEvents, None) => {
                let event = Event { id: event_id.clone(), ..crate::show::new_event(1) };
                Some(Snapshot { event, head: ids::head(), journal: Journal::new() })
            }
            (Fault::KeepsFirstBlock, Some(snapshot)) => {
                Some(Snapshot { event: mangle::first_block(&snapshot.event), ..snapshot })
            }
            (_, loaded) => loaded,
        })
    }

    async fn facts(&self, snapshot: &Snapshot, wanted: &Wanted, deadline: Instant) -> Result<Facts, FactsError> {
        let deadline = self.deadline(deadline);
        let snapshot = match self.fault {
            Fault::FactsTooNew => &self.current(&snapshot.event.id, deadline).await?,
            _ => snapshot,
        };
        let event_id = &snapshot.event.id;
        let asked = answers::asked(self.fault, wanted);
        let mut facts = self.inner.facts(snapshot, &asked, deadline).await?;
        if self.is(Fault::PartnersInactive) {
            for (partner_id, active) in &mut facts.partners {
                let scope = Scope::PartnerOfEvent(partner_id.clone(), event_id.clone());
                *active = self.inner.reservations(&everything(scope), ROWS, deadline).await?.reservations;
            }
        }
        answers::facts(self.fault, wanted, &mut facts);
        let mut memory = self.memory();
        if self.is(Fault::KeepsWhoLeft) {
            let ever = memory.rolls.entry(event_id.clone()).or_default();
            answers::remember(&mut ever.waitlist, &mut facts.waitlist, wanted.waitlist);
            answers::remember(&mut ever.holds, &mut facts.holds, wanted.holds);
        }
        for uuid in &wanted.reservations {
            let found = facts.reservations.remove(uuid);
            let told = match self.fault {
                Fault::FactsStale => memory.facts.entry((event_id.clone(), *uuid)).or_insert(found).clone(),
                Fault::FactsInvented => found.or_else(|| memory.by_uuid.values().next().cloned()),
                Fault::SharesUuids => memory.by_uuid.get(uuid).cloned(),
                _ => found,
            };
            if let Some(told) = told {
                facts.reservations.insert(*uuid, told);
            }
        }
        Ok(facts)
    }

    async fn commit(
        &self,
        snapshot: &Snapshot,
        decision: &Decision,
        head: Head,
        deadline: Instant,
    ) -> Result<Snapshot, CommitError> {
        let deadline = self.deadline(deadline);
        let acknowledged = Snapshot { event: decision.event.clone(), head, journal: Journal::new() };
        let altered = self.altered(&snapshot.event, decision);
        for step in steps(decision) {
            self.memory().by_uuid.insert(step.id.uuid, step);
        }
        match self.fault {
            Fault::AcknowledgesWithoutWriting => return Ok(acknowledged),
            Fault::TakesWrongSums if decision.event.check().is_err() => return Ok(acknowledged),
            Fault::RefusesLargeBatches if decision.changes.len() > 500 => {
                return Err(CommitError::Refused("too large".to_owned()));
            }
            Fault::IgnoresBase => {
                return loop {
                    let current = self.current(&snapshot.event.id, deadline).await?;
                    let outcome = self.inner.commit(&current, &altered, head, deadline).await;
                    if !matches!(outcome, Err(CommitError::Conflict)) {
                        break outcome;
                    }
                };
            }
            Fault::TearsCommits => {
                let bare = Decision { changes: Vec::new(), ..altered.clone() };
                let between = self.inner.commit(snapshot, &bare, head, deadline).await?;
                tokio::task::yield_now().await;
                return self.inner.commit(&between, &altered, head, deadline).await;
            }
            _ => {}
        }
        let outcome = self.inner.commit(snapshot, &altered, head, deadline).await;
        if !matches!(outcome, Err(CommitError::Conflict)) {
            return outcome;
        }
        let current = self.current(&snapshot.event.id, deadline).await?;
        match self.fault {
            Fault::AcknowledgesConflicts => Ok(acknowledged),
            Fault::IgnoresHead if current.event.version == snapshot.event.version => {
                self.inner.commit(&current, &altered, head, deadline).await
            }
            Fault::WritesReservationsOnConflict => {
                let unmoved = Decision { event: current.event.clone(), ..altered };
                self.inner.commit(&current, &unmoved, current.head, deadline).await?;
                Err(CommitError::Conflict)
            }
            _ => outcome,
        }
    }

    async fn prove(&self, event_id: &EventId, base: Base, deadline: Instant) -> Result<bool, StoreError> {
        let deadline = self.deadline(deadline);
        let proved = self.inner.prove(event_id, base, deadline).await?;
        let current = self.inner.load(event_id, deadline).await?.map(|snapshot| snapshot.base());
        Ok(match self.fault {
            Fault::AlwaysProves => true,
            Fault::NeverProves => false,
            Fault::ProvesByVersion => current.is_some_and(|current| current.version == base.version),
            Fault::ProvesByHead => current.is_some_and(|current| current.head == base.head),
            _ => proved,
        })
    }

    async fn event(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Event>, StoreError> {
        let read = self.inner.event(event_id, self.deadline(deadline)).await?;
        Ok(match (self.fault, read) {
            (Fault::ReadsEventStale, Some(event)) => {
                Some(self.memory().events.entry(event_id.clone()).or_insert(event).clone())
            }
            (Fault::KeepsFirstBlock, Some(event)) => Some(mangle::first_block(&event)),
            (_, read) => read,
        })
    }

    async fn reservation(&self, id: &ReservationId, deadline: Instant) -> Result<Option<Arc<Reservation>>, StoreError> {
        let read = self.inner.reservation(id, self.deadline(deadline)).await?;
        let mut memory = self.memory();
        Ok(match self.fault {
            Fault::ReadsReservationStale => memory.reservations.entry(id.clone()).or_insert(read).clone(),
            Fault::SharesUuids => memory.by_uuid.get(&id.uuid).cloned(),
            _ => read,
        })
    }

    async fn waitlist_positions(
        &self,
        event_id: &EventId,
        joined: &[Version],
        rows_max: usize,
        deadline: Instant,
    ) -> Result<Option<Vec<u32>>, StoreError> {
        let asked = if self.is(Fault::PositionIgnoresBudget) { ROWS } else { rows_max };
        let places = self.inner.waitlist_positions(event_id, joined, asked, self.deadline(deadline)).await?;
        Ok(match (self.fault, places) {
            (Fault::PositionFromZero, Some(places)) => Some(places.into_iter().map(|place| place - 1).collect()),
            (Fault::PositionAtFirst, Some(places)) => {
                let memory = self.memory();
                let at_first = |version: &Version| {
                    let mut known = memory.by_uuid.values();
                    let joined =
                        |one: &&Arc<Reservation>| one.id.event_id == *event_id && one.created_version == *version;
                    known.find(joined).and_then(|one| one.waitlist_position_at_first())
                };
                Some(joined.iter().zip(places).map(|(version, place)| at_first(version).unwrap_or(place)).collect())
            }
            (Fault::PositionsInARow, Some(places)) => {
                places.first().map(|first| (*first..).take(places.len()).collect()).or(Some(places))
            }
            (Fault::PositionGuessed, None) => {
                u32::try_from(rows_max).ok().map(|guess| (guess..).take(joined.len()).collect())
            }
            (_, places) => places,
        })
    }

    async fn events(
        &self,
        after: Option<&EventId>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<EventSummary>, StoreError> {
        let deadline = self.deadline(deadline);
        let asked = if self.is(Fault::EventsEndlessly) { 10_000 } else { limit };
        let mut listed = self.inner.events(after, asked, deadline).await?;
        match (self.fault, after) {
            (Fault::EventsBackwards, _) => listed.reverse(),
            (Fault::EventsRepeat, Some(after)) => {
                listed.splice(0..0, self.inner.event(after, deadline).await?.map(|event| event.summary()));
                listed.truncate(limit);
            }
            (Fault::LosesSeatMaps, _) => listed.iter_mut().for_each(|summary| summary.has_seat_map = false),
            _ => {}
        }
        Ok(listed)
    }

    async fn reservations(
        &self,
        query: &ReservationQuery,
        rows_max: usize,
        deadline: Instant,
    ) -> Result<ReservationPage, StoreError> {
        let asked = answers::query(self.fault, query);
        let rows = if self.is(Fault::ListsIgnoreBudget) { ROWS } else { rows_max };
        let page = self.inner.reservations(&asked, rows, self.deadline(deadline)).await?;
        let ReservationPage { reservations: mut listed, mut next } = page;
        answers::list(self.fault, query, &mut listed);
        answers::next(self.fault, query, &listed, &mut next);
        if self.is(Fault::ListsStale) {
            let lists = &mut self.memory().lists;
            match lists.iter().find(|(before, _)| before == query) {
                Some((_, first)) => listed.clone_from(first),
                None => lists.push((query.clone(), listed.clone())),
            }
        }
        Ok(ReservationPage { reservations: listed, next })
    }

    async fn due(
        &self,
        now: Timestamp,
        after: Option<&DuePlace>,
        limit: usize,
        deadline: Instant,
    ) -> Result<DuePage, StoreError> {
        let asked = if self.is(Fault::DueEndlessly) { 10_000 } else { limit };
        let now = if self.is(Fault::DueEarly) { now + SignedDuration::from_secs(5) } else { now };
        let after = if self.is(Fault::DuePagesRepeat) { None } else { after };
        let mut page = self.inner.due(now, after, asked, self.deadline(deadline)).await?;
        let due = &mut page.event_ids;
        match self.fault {
            Fault::DueNever => due.clear(),
            Fault::DuePagesEnd => page.next = None,
            Fault::DueBackwards => due.reverse(),
            Fault::DueForEver => {
                let mut memory = self.memory();
                let gone: Vec<_> = memory.due.iter().filter(|before| !due.contains(before)).cloned().collect();
                due.extend(gone);
                memory.due.clone_from(due);
            }
            _ => {}
        }
        Ok(page)
    }

    async fn now(&self, deadline: Instant) -> Result<Timestamp, StoreError> {
        let now = self.inner.now(deadline).await?;
        Ok(match self.fault {
            Fault::FineTime => now + SignedDuration::from_micros(1),
            Fault::TimeAhead => now + SignedDuration::from_secs(1),
            Fault::TimeBehind => now - SignedDuration::from_secs(60),
            Fault::TimeUnknown => return Err(StoreError::Unavailable("nobody knows".to_owned())),
            _ => now,
        })
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    async fn ready(&self, deadline: Instant) -> Result<(), StoreError> {
        if self.is(Fault::NeverReady) {
            return Err(StoreError::Unavailable("never".to_owned()));
        }
        self.inner.ready(self.deadline(deadline)).await
    }

    async fn close(&self, deadline: Instant) {
        self.inner.close(deadline).await;
    }
}
