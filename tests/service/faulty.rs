//! A store that fails as it is told: a wrapper around the embedded store, for what no healthy store shows on demand.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;
use ticketboss::{
    domain::{Change, Decision, Event, EventId, EventSummary, Facts, Head, Reservation, ReservationId, Wanted},
    store::{
        Base, CommitError, Creation, EventStore, FactsError, ReservationQuery, Snapshot, StoreError,
        embedded::EmbeddedStore,
    },
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::Instant,
};

/// What becomes of one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing happens to it.
    Untouched,
    /// It is applied, and nobody is told.
    AppliedUnclear,
    /// It is lost, and nobody is told.
    LostUnclear,
    /// Nobody is told, and it is applied when the test lets it land.
    LandsLater,
    /// Another process was first: the base is gone.
    Conflict,
    /// The store refuses what it carries whenever that includes the partner "poison".
    RefusesPoison,
}

/// The embedded store, with one fate for each commit in turn; commits without one are left alone.
pub(crate) struct FaultyStore {
    inner: Arc<EmbeddedStore>,
    fates: Mutex<VecDeque<Fate>>,
    later: Mutex<Vec<(Snapshot, Decision, Head)>>,
    /// A commit takes one permit before it begins, when there is a gate.
    gate: Option<Semaphore>,
    /// How many changes each commit that began had.
    begun: mpsc::UnboundedSender<usize>,
    hide_next_creation: AtomicBool,
    hide_events: AtomicBool,
    hang: AtomicBool,
    /// How often it was asked which events are due.
    looks: watch::Sender<u64>,
}

impl FaultyStore {
    /// A store on which commits meet `fates`, and a receiver that hears the size of each commit as it begins.
    pub(crate) fn new(inner: EmbeddedStore, fates: &[Fate]) -> (Self, mpsc::UnboundedReceiver<usize>) {
        let (begun, heard) = mpsc::unbounded_channel();
        let fates = Mutex::new(fates.iter().copied().collect());
        (
            Self {
                inner: Arc::new(inner),
                fates,
                later: Mutex::default(),
                gate: None,
                begun,
                hide_next_creation: AtomicBool::new(false),
                hide_events: AtomicBool::new(false),
                hang: AtomicBool::new(false),
                looks: watch::Sender::new(0),
            },
            heard,
        )
    }

    /// The same, where each commit waits for [`FaultyStore::let_one_pass`].
    pub(crate) fn gated(inner: EmbeddedStore) -> (Self, mpsc::UnboundedReceiver<usize>) {
        let (store, heard) = Self::new(inner, &[]);
        (Self { gate: Some(Semaphore::new(0)), ..store }, heard)
    }

    /// Adds a fate after those that are left.
    pub(crate) fn add_fate(&self, fate: Fate) {
        self.fates.lock().expect("the list of fates").push_back(fate);
    }

    /// Waits until somebody, beginning after this call, has asked which events are due.
    pub(crate) async fn looked_for_due_events(&self) {
        // One who asks at this moment may have begun before.
        let mut looks = self.looks.subscribe();
        let enough = *looks.borrow_and_update() + 2;
        looks.wait_for(|looks| *looks >= enough).await.expect("the store lives");
    }

    /// Tells of no event that is there, from now on.
    pub(crate) fn hide_events(&self) {
        self.hide_events.store(true, Relaxed);
    }

    /// Answers no read and no probe, from now on.
    pub(crate) fn hang(&self) {
        self.hang.store(true, Relaxed);
    }

    /// Makes the next new event, and tells nobody.
    pub(crate) fn hide_next_creation(&self) {
        self.hide_next_creation.store(true, Relaxed);
    }

    /// Lets one waiting commit, or the next one, begin.
    pub(crate) fn let_one_pass(&self) {
        self.gate.as_ref().expect("a gated store").add_permits(1);
    }

    /// Lets the commits that were to land later land now; says which of them were applied.
    pub(crate) async fn land(&self, deadline: Instant) -> Vec<bool> {
        let later = std::mem::take(&mut *self.later.lock().expect("the list of late commits"));
        let mut applied = Vec::new();
        for (snapshot, decision, head) in later {
            applied.push(self.inner.commit(&snapshot, &decision, head, deadline).await.is_ok());
        }
        applied
    }
}

#[async_trait]
impl EventStore for FaultyStore {
    async fn commit(
        &self,
        snapshot: &Snapshot,
        decision: &Decision,
        head: Head,
        deadline: Instant,
    ) -> Result<Snapshot, CommitError> {
        // The receiver may be gone when the test no longer counts.
        let _ = self.begun.send(decision.changes.len());
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("the gate stays open").forget();
        }
        let fate = self.fates.lock().expect("the list of fates").pop_front();
        let unclear = || Err(CommitError::Unclear("nobody knows".to_owned()));
        match fate {
            None | Some(Fate::Untouched) => self.inner.commit(snapshot, decision, head, deadline).await,
            Some(Fate::AppliedUnclear) => {
                self.inner.commit(snapshot, decision, head, deadline).await?;
                unclear()
            }
            Some(Fate::LostUnclear) => unclear(),
            Some(Fate::LandsLater) => {
                let late = (snapshot.clone(), decision.clone(), head);
                self.later.lock().expect("the list of late commits").push(late);
                unclear()
            }
            Some(Fate::Conflict) => Err(CommitError::Conflict),
            Some(Fate::RefusesPoison) => {
                self.fates.lock().expect("the list of fates").push_front(Fate::RefusesPoison);
                let mut steps = decision.changes.iter().filter_map(Change::step);
                if steps.any(|step| step.reservation.partner_id.as_str() == "poison") {
                    return Err(CommitError::Refused("poison".to_owned()));
                }
                self.inner.commit(snapshot, decision, head, deadline).await
            }
        }
    }

    async fn create(&self, event: &Event, head: Head, deadline: Instant) -> Result<Creation, StoreError> {
        let created = self.inner.create(event, head, deadline).await;
        if self.hide_next_creation.swap(false, Relaxed) {
            return Err(StoreError::Unavailable("nobody knows".to_owned()));
        }
        created
    }

    async fn load(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Snapshot>, StoreError> {
        self.inner.load(event_id, deadline).await
    }

    async fn facts(&self, snapshot: &Snapshot, wanted: &Wanted, deadline: Instant) -> Result<Facts, FactsError> {
        self.inner.facts(snapshot, wanted, deadline).await
    }

    async fn prove(&self, event_id: &EventId, base: Base, deadline: Instant) -> Result<bool, StoreError> {
        self.inner.prove(event_id, base, deadline).await
    }

    async fn event(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Event>, StoreError> {
        if self.hang.load(Relaxed) {
            pending::<()>().await;
        }
        // Before the first failure the event is looked for in vain.
        let found = self.inner.event(event_id, deadline).await?;
        if found.is_some() && self.hide_events.load(Relaxed) {
            return Err(StoreError::Unavailable("no answer".to_owned()));
        }
        Ok(found)
    }

    async fn reservation(&self, id: &ReservationId, deadline: Instant) -> Result<Option<Arc<Reservation>>, StoreError> {
        self.inner.reservation(id, deadline).await
    }

    async fn waitlist_position(&self, reservation: &Reservation, deadline: Instant) -> Result<u32, StoreError> {
        self.inner.waitlist_position(reservation, deadline).await
    }

    async fn events(
        &self,
        after: Option<&EventId>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<EventSummary>, StoreError> {
        self.inner.events(after, limit, deadline).await
    }

    async fn reservations(
        &self,
        query: &ReservationQuery,
        deadline: Instant,
    ) -> Result<Vec<Arc<Reservation>>, StoreError> {
        self.inner.reservations(query, deadline).await
    }

    async fn due(&self, now: Timestamp, limit: usize, deadline: Instant) -> Result<Vec<EventId>, StoreError> {
        let due = self.inner.due(now, limit, deadline).await;
        self.looks.send_modify(|looks| *looks += 1);
        due
    }

    async fn now(&self, deadline: Instant) -> Result<Timestamp, StoreError> {
        self.inner.now(deadline).await
    }

    fn is_shared(&self) -> bool {
        // What is proven here is meant for stores that are.
        true
    }

    async fn ready(&self, deadline: Instant) -> Result<(), StoreError> {
        self.inner.ready(deadline).await
    }

    async fn close(&self, deadline: Instant) {
        self.inner.close(deadline).await;
    }
}
