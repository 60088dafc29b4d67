//! A store that fails as it is told: a wrapper around the embedded store, for what no healthy store shows on demand.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use ticketboss::{
    domain::{
        Change, Decision, Event, EventId, EventSummary, Facts, Head, Reservation, ReservationId, Version, Wanted,
    },
    store::{
        Base, CommitError, Creation, DuePage, DuePlace, EventStore, FactsError, Place, ReservationPage,
        ReservationQuery, Scope, Snapshot, StoreError, embedded::EmbeddedStore,
    },
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::{Instant, timeout},
};

/// How long a test waits for what should be so at once.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// It is applied, nobody is told, and the store takes no writes from then on.
    AppliedUnclearThenReadOnly,
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
    read_only: AtomicBool,
    turned_away: AtomicUsize,
    /// A read of a list that may look at so many rows or more takes one permit before it begins.
    held_from_rows: AtomicUsize,
    lists: Semaphore,
    /// How many reads of lists wait for their permits.
    listing: watch::Sender<usize>,
    /// Lists that may look at so many rows or less find nothing in them.
    sparse_rows: AtomicUsize,
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
                read_only: AtomicBool::new(false),
                turned_away: AtomicUsize::new(0),
                lists: Semaphore::new(0),
                held_from_rows: AtomicUsize::new(usize::MAX),
                listing: watch::Sender::new(0),
                sparse_rows: AtomicUsize::new(0),
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

    /// Has the store take writes, or none.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        self.read_only.store(read_only, Relaxed);
    }

    /// How many requests it was told of that were turned away.
    pub(crate) fn count_turned_away(&self) -> usize {
        self.turned_away.load(Relaxed)
    }

    fn takes_writes(&self) -> Result<(), StoreError> {
        if self.read_only.load(Relaxed) { Err(StoreError::ReadOnly("on purpose".to_owned())) } else { Ok(()) }
    }

    /// Has every read of a list wait from now on that may look at `rows` or more, until [`FaultyStore::let_lists_pass`] lets
    /// it begin.
    pub(crate) fn hold_lists(&self, rows: usize) {
        self.held_from_rows.store(rows, Relaxed);
    }

    /// Lets so many reads of lists that wait, or the next ones, begin.
    pub(crate) fn let_lists_pass(&self, count: usize) {
        self.lists.add_permits(count);
    }

    /// Waits until exactly so many reads of lists wait in the store.
    pub(crate) async fn lists_wait(&self, count: usize) {
        let mut listing = self.listing.subscribe();
        let exactly = timeout(PATIENCE, listing.wait_for(|listing| *listing == count)).await;
        exactly.unwrap_or_else(|_| panic!("{} reads wait and not {count}", self.lists_waiting())).expect("it lives");
    }

    /// How many reads of lists wait in the store.
    pub(crate) fn lists_waiting(&self) -> usize {
        *self.listing.borrow()
    }

    /// From now on, lists that may look at `rows` or less find nothing, do not wait, and go on at the beginning.
    pub(crate) fn find_nothing_in(&self, rows: usize) {
        self.sparse_rows.store(rows, Relaxed);
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

    /// Lets so many begin.
    pub(crate) fn let_many_pass(&self, commits: usize) {
        self.gate.as_ref().expect("a gated store").add_permits(commits);
    }

    /// Lets none begin that was not let before.
    pub(crate) fn let_none_pass(&self) {
        let gate = self.gate.as_ref().expect("a gated store");
        gate.forget_permits(gate.available_permits());
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

/// Counts a read of a list until it begins, or is given up.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn begin(listing: &'a watch::Sender<usize>) -> Self {
        listing.send_modify(|listing| *listing += 1);
        Self(listing)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|listing| *listing -= 1);
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
        self.takes_writes()?;
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
            Some(Fate::AppliedUnclearThenReadOnly) => {
                self.inner.commit(snapshot, decision, head, deadline).await?;
                self.set_read_only(true);
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
        self.takes_writes()?;
        let created = self.inner.create(event, head, deadline).await;
        if self.hide_next_creation.swap(false, Relaxed) {
            return Err(StoreError::Unavailable("nobody knows".to_owned()));
        }
        created
    }

    async fn load(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Snapshot>, StoreError> {
        self.takes_writes()?;
        self.inner.load(event_id, deadline).await
    }

    async fn facts(&self, snapshot: &Snapshot, wanted: &Wanted, deadline: Instant) -> Result<Facts, FactsError> {
        self.takes_writes()?;
        self.inner.facts(snapshot, wanted, deadline).await
    }

    async fn prove(&self, event_id: &EventId, base: Base, deadline: Instant) -> Result<bool, StoreError> {
        self.takes_writes()?;
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

    async fn waitlist_positions(
        &self,
        event_id: &EventId,
        joined: &[Version],
        rows_max: usize,
        deadline: Instant,
    ) -> Result<Option<Vec<u32>>, StoreError> {
        self.inner.waitlist_positions(event_id, joined, rows_max, deadline).await
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
        rows_max: usize,
        deadline: Instant,
    ) -> Result<ReservationPage, StoreError> {
        if rows_max <= self.sparse_rows.load(Relaxed) {
            let Scope::Event(event_id) = &query.scope else { panic!("a list of one event") };
            let first = Place { created_at: Timestamp::MIN, ..Place::end_of(event_id.clone()) };
            return Ok(ReservationPage { reservations: Vec::new(), next: Some(first) });
        }
        if rows_max >= self.held_from_rows.load(Relaxed) {
            let _waiting = Waiting::begin(&self.listing);
            self.lists.acquire().await.expect("the gate stays open").forget();
        }
        self.inner.reservations(query, rows_max, deadline).await
    }

    async fn due(
        &self,
        now: Timestamp,
        after: Option<&DuePlace>,
        limit: usize,
        deadline: Instant,
    ) -> Result<DuePage, StoreError> {
        let due = self.inner.due(now, after, limit, deadline).await;
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
        self.takes_writes()?;
        self.inner.ready(deadline).await
    }

    fn turned_away(&self, requests: usize) {
        self.turned_away.fetch_add(requests, Relaxed);
    }

    async fn close(&self, deadline: Instant) {
        self.inner.close(deadline).await;
    }
}
