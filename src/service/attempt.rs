//! One attempt to bring a batch about: load the event unless it is known, gather facts, decide, commit.

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    ServiceError,
    batch::{Batch, Failure},
    pace::Pace,
};
use crate::{
    domain::{Change, Decision, EventId, Facts, OperationKind, Outcome, Undecided, decide, facts_needed},
    ids,
    store::{Base, CommitError, EventStore, FactsError, Snapshot, StoreError},
};

/// Unclear attempts that are remembered. Each may land for no longer than a request lives; this many in that time would
/// be an outage in which nothing is answered anyway.
const SUSPECTS_MAX: usize = 64;

/// Questions for facts that one attempt may take. Each asks for some times more than the one before, so that this many
/// would reach the end of any list.
const FACTS_ROUNDS_MAX: usize = 8;

/// What one attempt came to.
pub(super) enum Attempt {
    /// The changes are committed on this base.
    Committed(Base, Vec<Outcome>),
    /// Nothing is to be written; the outcomes hold if this snapshot stands.
    Unchanged(Arc<Snapshot>, Vec<Outcome>),
    /// Nothing was written, and another attempt may do better.
    Failed(Failure),
    /// The changes decided on this snapshot may have been written.
    Unclear(Arc<Snapshot>, Vec<Outcome>, String),
    /// The batch as a whole cannot be decided or stored; without one of its commands it may.
    Refused(String),
    /// No attempt can help.
    Hopeless(ServiceError),
}

/// Decides and commits for one event, and keeps what is known of it between batches.
pub(super) struct Committer {
    event_id: EventId,
    store: Arc<dyn EventStore>,
    /// The event as last committed or loaded. It may be behind, or ahead of what lasts; whatever is decided on it is committed
    /// at it or proven against it before an answer leaves.
    current: Option<Arc<Snapshot>>,
    /// Bases of unclear attempts. While the event stands at one, that attempt may yet land, so a batch with nothing to
    /// write is not answered there: first the event gets a new head, at which the attempt can never land. The unclear
    /// attempts of other processes are not known here; so a refusal under a key, which may be the retry of one of them,
    /// goes the same way.
    suspects: VecDeque<Base>,
    /// Whether the last look found no such event: then nothing is worth keeping, and many tasks for events that do not exist
    /// must not add up.
    unknown: bool,
    /// Whether the store failed at the last attempt; an outage is logged when it begins and when it ends.
    outage: bool,
    pub(super) pace: Pace,
}

impl Committer {
    pub(super) fn new(event_id: EventId, store: Arc<dyn EventStore>) -> Self {
        Self {
            event_id,
            store,
            current: None,
            suspects: VecDeque::new(),
            unknown: false,
            outage: false,
            pace: Pace::default(),
        }
    }

    pub(super) fn event_id(&self) -> &EventId {
        &self.event_id
    }

    pub(super) fn store(&self) -> Arc<dyn EventStore> {
        self.store.clone()
    }

    /// Whether there is no such event, as far as is known.
    pub(super) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Whether the event, as it is known, needs looking after at `now`.
    pub(super) fn is_due(&self, now: Option<Timestamp>) -> bool {
        let due_at = self.current.as_ref().and_then(|current| current.event.due_at);
        due_at.zip(now).is_some_and(|(due_at, now)| due_at <= now)
    }

    /// Whether the store failed at the last attempt.
    pub(super) fn outage(&self) -> bool {
        self.outage
    }

    /// Forgets the event as it was known, if it was known at `base`.
    pub(super) fn forget(&mut self, base: Option<Base>) {
        if self.current.as_ref().is_some_and(|current| Some(current.base()) == base) {
            self.current = None;
        }
    }

    /// Decides the batch on the event as it is known, or else loaded, and commits what was decided.
    pub(super) async fn attempt(&mut self, batch: &mut Batch, deadline: Instant) -> Attempt {
        let begun = Instant::now();
        let attempt = match self.prepare(batch, deadline).await {
            Ok((now, snapshot)) => self.attempt_on(snapshot, batch, now, deadline).await,
            Err(attempt) => attempt,
        };
        match attempt {
            Attempt::Committed(..) => self.pace.committed(begun.elapsed()),
            Attempt::Failed(Failure::Conflict) => self.pace.rival_seen(),
            _ => {}
        }
        self.unknown = matches!(attempt, Attempt::Hopeless(ServiceError::UnknownEvent(_)));
        if !matches!(attempt, Attempt::Committed(..) | Attempt::Unchanged(..)) {
            self.current = None;
        }
        self.log_outage(&attempt);
        attempt
    }

    fn log_outage(&mut self, attempt: &Attempt) {
        match attempt {
            Attempt::Failed(Failure::Unavailable(why)) if !self.outage => {
                log::warn!(event_id:% = self.event_id; "the store does not take commits, trying on: {why}");
                self.outage = true;
            }
            Attempt::Committed(..) if self.outage => {
                log::info!(event_id:% = self.event_id; "the store takes commits again");
                self.outage = false;
            }
            _ => {}
        }
    }

    /// The time of the batch, which its first attempt fixes, and the event as it is known, or else loaded.
    async fn prepare(&mut self, batch: &mut Batch, deadline: Instant) -> Result<(Timestamp, Arc<Snapshot>), Attempt> {
        let now = match batch.now {
            Some(now) => now,
            None => *batch.now.insert(self.store.now(deadline).await.map_err(failed)?),
        };
        Ok((now, self.snapshot(deadline).await?))
    }

    async fn attempt_on(
        &mut self,
        snapshot: Arc<Snapshot>,
        batch: &Batch,
        now: Timestamp,
        deadline: Instant,
    ) -> Attempt {
        let decision = match decide_on(&snapshot, batch, now, &*self.store, deadline).await {
            Ok(decision) => decision,
            Err(attempt) => return attempt,
        };
        let base = snapshot.base();
        if decision.is_empty(&snapshot.event) && !self.may_land_late(base, batch, &decision.outcomes) {
            return Attempt::Unchanged(snapshot, decision.outcomes);
        }
        let begun = Instant::now();
        match self.store.commit(&snapshot, &decision, ids::head(), deadline).await {
            Ok(committed) => {
                log::debug!(event_id:% = self.event_id, version = committed.event.version.0, batch_size = batch.len(),
                    duration_ms = begun.elapsed().as_secs_f64() * 1e3; "committed");
                log_unasked(&decision);
                self.current = Some(Arc::new(committed));
                Attempt::Committed(base, decision.outcomes)
            }
            Err(CommitError::Conflict) => {
                log::debug!(event_id:% = self.event_id, version = base.version.0, batch_size = batch.len(),
                    attempt = batch.attempts + 1, duration_ms = begun.elapsed().as_secs_f64() * 1e3;
                    "another process changed the event first");
                Attempt::Failed(Failure::Conflict)
            }
            Err(CommitError::Unclear(why)) => {
                log::warn!(event_id:% = self.event_id, batch_size = batch.len(), attempt = batch.attempts + 1;
                    "a commit's outcome is unclear, deciding again: {why}");
                if !self.suspects.contains(&base) {
                    if self.suspects.len() == SUSPECTS_MAX {
                        self.suspects.pop_front();
                    }
                    self.suspects.push_back(base);
                }
                Attempt::Unclear(snapshot, decision.outcomes, why)
            }
            Err(CommitError::Refused(why)) => Attempt::Refused(why),
            Err(CommitError::Store(error)) => failed(error),
        }
    }

    /// Whether, after these outcomes were told, what was asked on `base` before may yet be made: by an unclear attempt from here,
    /// or by one of another process whose client asks here now.
    fn may_land_late(&self, base: Base, batch: &Batch, outcomes: &[Outcome]) -> bool {
        self.suspects.contains(&base) || self.store.is_shared() && batch.refuses_a_key(outcomes)
    }

    /// The event as it is known; loaded if it is not known, or while other processes are likely to have changed it. A load
    /// shows what they have committed before a majority has it, so that processes build on each other's commits instead of
    /// missing; and a miss costs as much time as a commit. What is only counted of the journal is looked at again, too, until it
    /// has left the event: it costs more whenever facts are needed.
    async fn snapshot(&mut self, deadline: Instant) -> Result<Arc<Snapshot>, Attempt> {
        let is_enough = |current: &&Arc<Snapshot>| current.journal.is_known() && !self.pace.rivals_are_about();
        if let Some(current) = self.current.as_ref().filter(is_enough) {
            return Ok(current.clone());
        }
        if let Some(mut loaded) = self.store.load(&self.event_id, deadline).await.map_err(failed)? {
            match self.current.take() {
                Some(known) if known.base() == loaded.base() => loaded.journal.recall(&known.journal),
                Some(_) => self.pace.rival_seen(),
                None => {}
            }
            return Ok(self.current.insert(Arc::new(loaded)).clone());
        }
        // What was loaded is not proven; "there is no such event" must be, like every refusal.
        match self.store.event(&self.event_id, deadline).await.map_err(failed)? {
            None => Err(Attempt::Hopeless(ServiceError::UnknownEvent(self.event_id.clone()))),
            Some(_) => Err(Attempt::Failed(Failure::Conflict)),
        }
    }
}

/// Gathers the facts that the batch needs beside the event, and decides it.
async fn decide_on(
    snapshot: &Snapshot,
    batch: &Batch,
    now: Timestamp,
    store: &dyn EventStore,
    deadline: Instant,
) -> Result<Decision, Attempt> {
    let mut wanted = facts_needed(&snapshot.event, batch.commands(), now, batch.attempted);
    for _ in 0..FACTS_ROUNDS_MAX {
        let facts = if wanted.is_empty() {
            Facts::default()
        } else {
            store.facts(snapshot, &wanted, deadline).await.map_err(|error| match error {
                FactsError::Stale => Attempt::Failed(Failure::Conflict),
                FactsError::Store(error) => failed(error),
            })?
        };
        match decide(&snapshot.event, &facts, batch.commands(), now) {
            Ok(decision) => return Ok(decision),
            Err(Undecided::Missing(missing)) => wanted.extend(missing),
            Err(Undecided::Broken(broken)) => return Err(Attempt::Refused(broken.to_string())),
        }
    }
    Err(Attempt::Refused(format!("facts are still missing after {FACTS_ROUNDS_MAX} questions")))
}

/// Logs what the service did by itself: nobody is told of it in an answer.
fn log_unasked(decision: &Decision) {
    for step in decision.changes.iter().filter_map(Change::step) {
        let reservation = &*step.reservation;
        let kind = reservation.operations.last().map(|operation| operation.kind);
        let what = match kind {
            Some(OperationKind::Promote) => "promoted from the waitlist",
            Some(OperationKind::Lapse) => "the hold lapsed",
            _ => continue,
        };
        log::info!(reservation_id:% = reservation.id, seats = reservation.seats.get(), version = reservation.version.0;
            "{what}");
    }
}

fn failed(error: StoreError) -> Attempt {
    match error {
        // One command may have led to what cannot be read; the others shall not suffer for it.
        StoreError::Unreadable(why) => Attempt::Refused(why),
        other => Attempt::Failed(other.into()),
    }
}
