//! Stores that break one rule each: a wrapper around a sound store, and a [`Fault`] that says where it goes wrong.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use ticketboss::{
    domain::{Decision, Event, EventId, Facts, Head, IdSalt, Reservation, ReservationId, Status},
    ids,
    store::{Base, CommitError, Creation, EventStore, FactsError, Journal, Snapshot, StoreError},
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::show::soon;

mod mangle;

/// What a store can get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: the control.
    None,
    /// Says of every creation that it made the event.
    AlwaysCreates,
    /// Resets an event that is created again.
    OverwritesOnCreate,
    /// Shows an event that nobody made.
    InventsEvents,
    /// Loses the salt of a new event.
    LosesSalt,
    /// Commits at the right version whatever the head.
    IgnoresHead,
    /// Commits whatever the base.
    IgnoresBase,
    /// Acknowledges a commit that conflicts.
    AcknowledgesConflicts,
    /// Acknowledges without having written anything.
    AcknowledgesWithoutWriting,
    /// Writes the reservations of a commit that conflicts.
    WritesReservationsOnConflict,
    /// Writes the event first and the reservations after it.
    TearsCommits,
    /// Leaves the last reservation of a commit out.
    LosesAReservation,
    /// Refuses what is large.
    RefusesLargeBatches,
    /// Takes an event whose sums are wrong.
    TakesWrongSums,
    /// Keeps one reservation for each uuid, whichever event it is of.
    SharesUuids,
    /// Loads what it loaded first.
    LoadsStale,
    /// Reads the event that it read first.
    ReadsEventStale,
    /// Reads the reservation that it read first.
    ReadsReservationStale,
    /// Gathers facts from what it read first.
    FactsStale,
    /// Gathers the latest facts whatever the snapshot.
    FactsTooNew,
    /// Makes facts up for what does not exist.
    FactsInvented,
    /// Never writes that a reservation was cancelled.
    LosesCancels,
    /// Writes the first state of a reservation that a batch changes twice.
    WritesFirstState,
    /// Proves everything.
    AlwaysProves,
    /// Proves nothing.
    NeverProves,
    /// Proves by the version alone.
    ProvesByVersion,
    /// Proves by the head alone.
    ProvesByHead,
    /// Takes its time.
    IgnoresDeadlines,
    /// Is never ready.
    NeverReady,
    /// Tells the time in microseconds.
    FineTime,
    /// Takes `$` out of partner ids.
    ManglesDollars,
    /// Takes whole characters beyond the first plane out of partner ids.
    ManglesUnicode,
    /// Cuts keys at a dot.
    ManglesKeys,
    /// Stores keys and minted ids alike.
    ConfusesKeys,
    /// Keeps time in seconds.
    CoarseTime,
    /// Loses fingerprints.
    LosesFingerprints,
    /// Keeps the last operation only.
    ForgetsOperations,
}

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
    fn altered(&self, decision: &Decision) -> Decision {
        let mut altered = decision.clone();
        match self.fault {
            Fault::LosesAReservation => drop(altered.changes.pop()),
            Fault::LosesCancels => {
                altered.changes.retain(|change| change.reservation.status != Status::Cancelled);
            }
            Fault::WritesFirstState => {
                let mut seen = std::collections::HashSet::new();
                altered.changes.retain(|change| seen.insert(change.reservation.id.uuid));
            }
            _ => {
                for change in &mut altered.changes {
                    change.reservation = mangle::reservation(self.fault, &change.reservation);
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
        let mut event = event.clone();
        if self.is(Fault::LosesSalt) {
            event.id_salt = IdSalt([0; 32]);
        }
        let creation = self.inner.create(&event, head, deadline).await?;
        if self.is(Fault::OverwritesOnCreate) && creation == Creation::Existed {
            let current = self.current(&event.id, deadline).await?;
            let reset = Decision { outcomes: Vec::new(), changes: Vec::new(), event };
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
            (_, loaded) => loaded,
        })
    }

    async fn facts(&self, snapshot: &Snapshot, uuids: &[Uuid], deadline: Instant) -> Result<Facts, FactsError> {
        let deadline = self.deadline(deadline);
        let snapshot = match self.fault {
            Fault::FactsTooNew => &self.current(&snapshot.event.id, deadline).await?,
            _ => snapshot,
        };
        let mut facts = self.inner.facts(snapshot, uuids, deadline).await?;
        let mut memory = self.memory();
        for uuid in uuids {
            let found = facts.reservations.remove(uuid);
            let told = match self.fault {
                Fault::FactsStale => memory.facts.entry((snapshot.event.id.clone(), *uuid)).or_insert(found).clone(),
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
        let altered = self.altered(decision);
        for change in &decision.changes {
            self.memory().by_uuid.insert(change.reservation.id.uuid, change.reservation.clone());
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

    fn now(&self) -> Timestamp {
        let now = self.inner.now();
        if self.is(Fault::FineTime) { now + SignedDuration::from_micros(1) } else { now }
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
