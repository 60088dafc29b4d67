//! One attempt to bring a batch about: load the event unless it is known, gather facts, decide, commit.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    ServiceError,
    batch::{Batch, Failure, Now},
    pace::Pace,
};
use crate::{
    domain::{
        CHANGES_MAX, Change, Decision, EventId, Facts, HOLDS_AT_FIRST, OperationId, OperationKind, Outcome, Status,
        Step, Undecided, decide_within, facts_needed_within,
    },
    ids,
    store::{Base, CommitError, EventStore, FactsError, Snapshot, StoreError},
};

/// Unclear attempts that are remembered. Each may land for no longer than a request lives; this many in that time would
/// be an outage in which nothing is answered anyway.
const SUSPECTS_MAX: usize = 64;

/// Changes that nobody asked for which may go along with any batch: few enough that nobody waits longer for them.
const UNASKED_MIN: usize = 64;

/// The most that go along with commands, however many these are: about as many as there are commands, so that a batch takes
/// no more than twice as long.
const UNASKED_BESIDE_MAX: usize = 512;

/// Entries that a journal may hold before no more than [`UNASKED_MIN`] are added unasked at once. It takes twice as many; the
/// other half is for what was asked, which would else wait until they are settled.
const JOURNAL_SHARE: usize = 4_096;

/// For how long nothing is done unasked along with commands after the store refused it: then only the commands are to blame if
/// they are refused, too.
const UNASKED_PUT_OFF: Duration = Duration::from_secs(5);

/// Lapses and promotions of one commit that have a line in the log each. More have one together.
const LOGGED_SINGLY_MAX: usize = 16;

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
    /// The batch as a whole cannot be decided or stored; without one of its commands it may. With what was decided, on which
    /// base, if it came to that.
    Refused(String, Option<(Base, Vec<Outcome>)>),
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
    unasked: Unasked,
    /// Whether the store failed at the last attempt; an outage is logged when it begins and when it ends.
    outage: bool,
    pub(super) pace: Pace,
}

/// What is remembered of changes that nobody asked for.
#[derive(Debug, Default)]
struct Unasked {
    /// Whether the last decision left some, so that there are more holds to lapse than are asked for at first.
    is_behind: bool,
    /// Whether some were, or may have been, part of what was to be committed last.
    was_done: bool,
    /// Until when none are made along with commands: the store refused what they were part of.
    refused_until: Option<Instant>,
}

impl Committer {
    pub(super) fn new(event_id: EventId, store: Arc<dyn EventStore>) -> Self {
        Self {
            event_id,
            store,
            current: None,
            suspects: VecDeque::new(),
            unknown: false,
            unasked: Unasked::default(),
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
    pub(super) fn is_due(&self, now: Option<Now>) -> bool {
        self.current.as_ref().zip(now).is_some_and(|(current, now)| current.event.is_due(now.time))
    }

    /// Has commands be decided without anything that nobody asked for, for a while. `false` when they were.
    pub(super) fn put_unasked_off(&mut self, batch: &Batch) -> bool {
        let goes_along = !batch.is_unasked() && self.unasked.was_done && self.unasked_max(batch, 0) > 0;
        if goes_along {
            self.unasked.refused_until = Some(Instant::now() + UNASKED_PUT_OFF);
        }
        goes_along
    }

    /// How many changes that nobody asked for may go along with a batch, or be made by one that is there for that, while the
    /// event carries so many entries in its journal.
    fn unasked_max(&self, batch: &Batch, journal_entries: usize) -> usize {
        let share = JOURNAL_SHARE.saturating_sub(journal_entries).max(UNASKED_MIN);
        if batch.is_unasked() {
            return CHANGES_MAX.min(share);
        }
        if self.unasked.refused_until.is_some_and(|until| Instant::now() < until) {
            return 0;
        }
        batch.len().clamp(UNASKED_MIN, UNASKED_BESIDE_MAX).min(share)
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

    /// The time of the batch, and the event as it is known, or else loaded.
    async fn prepare(&mut self, batch: &mut Batch, deadline: Instant) -> Result<(Timestamp, Arc<Snapshot>), Attempt> {
        let now = if let Some(now) = batch.now {
            now
        } else {
            let time = self.store.now(deadline).await.map_err(failed)?;
            *batch.now.insert(Now { time, taken: Instant::now() })
        };
        Ok((now.time, self.snapshot(deadline).await?))
    }

    async fn attempt_on(
        &mut self,
        snapshot: Arc<Snapshot>,
        batch: &mut Batch,
        now: Timestamp,
        deadline: Instant,
    ) -> Attempt {
        let unasked_max = self.unasked_max(batch, snapshot.journal.entry_count());
        let holds = if self.unasked.is_behind { unasked_max } else { HOLDS_AT_FIRST.min(unasked_max) };
        let effort = Effort { unasked_max, holds };
        // What cannot even be decided may be so for what nobody asked for.
        self.unasked.was_done = snapshot.event.is_due(now) || snapshot.event.waitlist_count > 0;
        let decision = match decide_on(&snapshot, batch, now, effort, &*self.store, deadline).await {
            Ok(decision) => decision,
            Err(attempt) => return attempt,
        };
        self.unasked.is_behind = decision.event.is_due(now);
        self.unasked.was_done = unasked(&decision).next().is_some();
        batch.defer(&decision.deferred);
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
            Err(CommitError::Refused(why)) => Attempt::Refused(why, Some((base, decision.outcomes))),
            Err(CommitError::Store(error)) => failed(error),
        }
    }

    /// Gives the event a new head by a commit without changes. No attempt that was decided before can land after that: each has
    /// landed by then, which the event shows, or never will.
    pub(super) async fn fence(&mut self, deadline: Instant) -> Attempt {
        let snapshot = match self.snapshot(deadline).await {
            Ok(snapshot) => snapshot,
            Err(attempt) => return attempt,
        };
        let (base, event) = (snapshot.base(), snapshot.event.clone());
        let nothing =
            Decision { outcomes: Vec::new(), deferred: Vec::new(), changes: Vec::new(), records: Vec::new(), event };
        self.current = None;
        match self.store.commit(&snapshot, &nothing, ids::head(), deadline).await {
            Ok(committed) => {
                self.current = Some(Arc::new(committed));
                Attempt::Committed(base, Vec::new())
            }
            Err(CommitError::Conflict) => Attempt::Failed(Failure::Conflict),
            // If it lands late, it does no more than what is wanted here.
            Err(CommitError::Unclear(why)) => Attempt::Failed(Failure::Unavailable(why)),
            Err(CommitError::Refused(why)) => Attempt::Refused(why, None),
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

/// What a decision does that nobody asked for.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// So many changes at most.
    unasked_max: usize,
    /// About so many holds are likely to lapse.
    holds: usize,
}

/// Gathers the facts that the batch needs beside the event, and decides it.
async fn decide_on(
    snapshot: &Snapshot,
    batch: &Batch,
    now: Timestamp,
    effort: Effort,
    store: &dyn EventStore,
    deadline: Instant,
) -> Result<Decision, Attempt> {
    let mut wanted = facts_needed_within(&snapshot.event, batch.commands(), now, batch.attempted, effort.holds);
    for _ in 0..FACTS_ROUNDS_MAX {
        let facts = if wanted.is_empty() {
            Facts::default()
        } else {
            store.facts(snapshot, &wanted, deadline).await.map_err(|error| match error {
                FactsError::Stale => Attempt::Failed(Failure::Conflict),
                FactsError::Store(error) => failed(error),
            })?
        };
        match decide_within(&snapshot.event, &facts, batch.commands(), now, effort.unasked_max) {
            Ok(decision) => return Ok(decision),
            Err(Undecided::Missing(missing)) => wanted.extend(missing),
            Err(Undecided::Broken(broken)) => return Err(Attempt::Refused(broken.to_string(), None)),
        }
    }
    Err(Attempt::Refused(format!("facts are still missing after {FACTS_ROUNDS_MAX} questions"), None))
}

/// The steps of a decision that nobody asked for.
fn unasked(decision: &Decision) -> impl Iterator<Item = &Step> {
    let is_unasked =
        |step: &&Step| step.reservation.operations.last().is_some_and(|last| last.id == OperationId::Unasked);
    decision.changes.iter().filter_map(Change::step).filter(is_unasked)
}

/// Logs what the service did by itself: nobody is told of it in an answer.
fn log_unasked(decision: &Decision) {
    let count = unasked(decision).count();
    if count > LOGGED_SINGLY_MAX {
        let lapsed = unasked(decision).filter(|step| step.reservation.status == Status::Expired).count();
        log::info!(event_id:% = decision.event.id, lapsed, promoted = count - lapsed, version = decision.event.version.0;
            "holds lapsed and the waitlist was served");
    }
    let level = if count > LOGGED_SINGLY_MAX { log::Level::Debug } else { log::Level::Info };
    for step in unasked(decision) {
        let reservation = &*step.reservation;
        let kind = reservation.operations.last().map(|operation| operation.kind);
        let what = match kind {
            Some(OperationKind::Promote) => "promoted from the waitlist",
            Some(OperationKind::Lapse) if step.before == Some(Status::Waitlisted) => {
                "it waited for more seats than the event has, and waits no more"
            }
            Some(OperationKind::Lapse) => "the hold lapsed",
            _ => continue,
        };
        log::log!(level, reservation_id:% = reservation.id, seats = reservation.seats.get(), version = reservation.version.0;
            "{what}");
    }
}

fn failed(error: StoreError) -> Attempt {
    match error {
        // One command may have led to what cannot be read; the others shall not suffer for it.
        StoreError::Unreadable(why) => Attempt::Refused(why, None),
        other => Attempt::Failed(other.into()),
    }
}
