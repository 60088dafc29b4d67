//! One task per active event: gather, decide, commit once, answer all.
//!
//! The task wakes when a command arrives or a proof comes back, and retires after [`IDLE`] without either. Only it changes
//! its event in this process, so one process never conflicts with itself; while its commit is in flight, arrivals gather
//! and become the next batch. Other processes may change the event too: the version decides who was first, and who was
//! not loads and decides again.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{
    Limits, ServiceError,
    attempt::{Attempt, Committer},
    batch::{Batch, Failure},
    inbox::Errand,
    pace::Pace,
    proofs::Proofs,
};
use crate::{
    domain::{EventId, Outcome},
    store::{Base, EventStore},
};

/// How long a task without work stays, so that an event with steady, thin traffic keeps its snapshot.
const IDLE: Duration = Duration::from_secs(10);

/// Works for one event until it is idle or the inbox is closed and empty. An idle task asks `retire` whether it may end:
/// not if a command came in the meantime.
pub(super) async fn run(
    event_id: EventId,
    mut inbox: mpsc::Receiver<Errand>,
    retire: impl Fn(&mpsc::Receiver<Errand>) -> bool,
    store: Arc<dyn EventStore>,
    limits: Limits,
) {
    let committer = Committer::new(event_id, store);
    let mut task = EventTask { committer, limits, proofs: Proofs::default() };
    // A task that retires forgets its unclear attempts, so it stays at least until they can land no more.
    let patience = IDLE.max(limits.request_timeout);
    let mut gathered = Vec::new();
    let mut open = true;
    while open || !task.proofs.is_empty() {
        if let Some(batch) = task.proofs.take_returned() {
            task.work_on(batch).await;
            continue;
        }
        let (idle, room) = (task.proofs.is_empty(), task.proofs.has_room());
        tokio::select! {
            biased;
            moved_from = task.proofs.tend() => {
                task.committer.forget(moved_from);
                task.proofs.return_moved();
            }
            count = inbox.recv_many(&mut gathered, limits.commit_batch_max), if open && room => {
                if count == 0 {
                    open = false;
                } else {
                    let batch = task.batch_of(&mut gathered);
                    task.work_on(batch).await;
                }
            }
            () = sleep(if task.committer.is_unknown() { Duration::ZERO } else { patience }), if idle => {
                if retire(&inbox) {
                    return;
                }
            }
        }
    }
}

struct EventTask {
    committer: Committer,
    limits: Limits,
    proofs: Proofs,
}

impl EventTask {
    /// One batch of all that was gathered. Whatever it decides looks after the event first, so that is an errand only when it
    /// is the only one.
    fn batch_of(&self, gathered: &mut Vec<Errand>) -> Batch {
        let commands = gathered.drain(..).filter_map(|errand| match errand {
            Errand::Command(envelope) => Some(envelope),
            Errand::LookAfter => None,
        });
        let batch = Batch::new(commands);
        if batch.is_deserted() { Batch::to_look_after(self.patience()) } else { batch }
    }

    fn patience(&self) -> Instant {
        Instant::now() + self.limits.request_timeout
    }

    /// Brings a batch to its answers, or to the proof that they wait for: attempt after attempt, until one ends it or its
    /// attempts or time are used up.
    async fn work_on(&mut self, mut batch: Batch) {
        loop {
            if let Some(Failure::ReadOnly(why)) = &batch.failure {
                // Nobody waits for a disk to be mended, and whoever comes next must not wait behind them.
                let error = ServiceError::ReadOnly(why.clone());
                self.committer.store().turned_away(batch.untouched());
                return batch.fail(&error);
            }
            if batch.attempts >= self.limits.commit_attempts_max {
                let error = given_up(batch.failure.as_ref());
                return batch.fail(&error);
            }
            let outage = self.committer.outage();
            let Some(deadline) = batch.expire(Instant::now() + self.least_time(), outage) else { return };
            let failure = match self.attempt(&mut batch, deadline).await {
                Attempt::Committed(_, outcomes) => {
                    let (now, rest) = (batch.now, batch.answer(outcomes));
                    let pause = self.committer.pace.turn_for_rivals();
                    self.rest(pause).await;
                    // One commit may not have had room for everything.
                    if self.committer.is_due(now) {
                        batch = rest.looking_after(self.patience());
                    } else if rest.is_deserted() {
                        return;
                    } else {
                        batch = rest;
                    }
                    continue;
                }
                // The event was due by somebody's word, and is not as it is known here: it is loaded anew at the next look.
                Attempt::Unchanged(snapshot, _) if batch.is_deserted() && !batch.unclear => {
                    return self.committer.forget(Some(snapshot.base()));
                }
                Attempt::Unchanged(snapshot, outcomes) => {
                    batch.mark_possible(&snapshot.event, &outcomes);
                    let base = snapshot.base();
                    if !batch.unclear {
                        return self.begin_proof(base, batch, outcomes, deadline);
                    }
                    // While an earlier attempt may yet land, the batch must stay together, so it waits here.
                    match self.prove(base, deadline).await {
                        Ok(()) => return drop(batch.answer(outcomes)),
                        Err(failure) => failure,
                    }
                }
                Attempt::Failed(failure) => failure,
                Attempt::Unclear(snapshot, outcomes, why) => {
                    batch.mark_unclear(&snapshot.event, &outcomes);
                    Failure::Unavailable(why)
                }
                Attempt::Refused(why) if batch.len() > 1 && !batch.unclear => {
                    log::error!(event_id:% = self.committer.event_id(), batch_size = batch.len();
                        "the store refuses a batch, trying its commands singly: {why}");
                    return self.proofs.give_back(batch.split());
                }
                Attempt::Refused(why) => {
                    if batch.is_deserted() {
                        log::error!(event_id:% = self.committer.event_id(); "the event cannot be looked after: {why}");
                    }
                    return batch.fail(&ServiceError::Internal(why));
                }
                Attempt::Hopeless(error) => return batch.fail(&error),
            };
            batch.tried(failure);
            let pause = match &batch.failure {
                Some(Failure::ReadOnly(_)) => continue,
                Some(Failure::Conflict) => self.committer.pace.after_conflict(batch.attempts),
                _ => Pace::after_outage(batch.attempts),
            };
            self.rest(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// With less time than this left, an attempt would most likely end unclear, so none is begun.
    fn least_time(&self) -> Duration {
        (self.committer.pace.turn_time() * 2).min(self.limits.request_timeout / 4)
    }

    /// One attempt. Proofs are tended meanwhile; those that found the event moved on wait for what the attempt comes to,
    /// because it may be what moved the event.
    async fn attempt(&mut self, batch: &mut Batch, deadline: Instant) -> Attempt {
        let Self { committer, proofs, .. } = self;
        let (attempt, moved) = tending(proofs, committer.attempt(batch, deadline)).await;
        if let Attempt::Committed(base, _) = &attempt {
            proofs.base_was_current(*base);
        }
        self.went_on(moved);
        attempt
    }

    /// Waits for the proof of a batch that must stay together.
    async fn prove(&mut self, base: Base, deadline: Instant) -> Result<(), Failure> {
        let Self { committer, proofs, .. } = self;
        let store = committer.store();
        let (proven, mut moved) = tending(proofs, store.prove(committer.event_id(), base, deadline)).await;
        moved.extend(matches!(proven, Ok(false)).then_some(base));
        self.went_on(moved);
        match proven {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    async fn rest(&mut self, pause: Duration) {
        if !pause.is_zero() {
            let ((), moved) = tending(&mut self.proofs, sleep(pause)).await;
            self.went_on(moved);
        }
    }

    /// Takes note that the event has gone on from these bases.
    fn went_on(&mut self, moved_from: Vec<Base>) {
        for base in moved_from {
            self.committer.forget(Some(base));
        }
        self.proofs.return_moved();
    }

    fn begin_proof(&mut self, base: Base, batch: Batch, outcomes: Vec<Outcome>, deadline: Instant) {
        let (store, event_id) = (self.committer.store(), self.committer.event_id().clone());
        self.proofs.begin(store, event_id, base, (batch, outcomes), deadline);
    }
}

/// Waits for `work`, and deals with proofs that come back meanwhile. Gives the bases that the event turned out to have moved
/// on from, too.
async fn tending<T>(proofs: &mut Proofs, work: impl Future<Output = T>) -> (T, Vec<Base>) {
    let mut work = pin!(work);
    let mut moved = Vec::new();
    loop {
        tokio::select! {
            biased;
            done = &mut work => return (done, moved),
            moved_from = proofs.tend() => moved.extend(moved_from),
        }
    }
}

/// What a batch that ran out of attempts is told, as far as nothing of it can have been written.
fn given_up(failure: Option<&Failure>) -> ServiceError {
    match failure {
        Some(Failure::Unavailable(why)) => ServiceError::Unavailable(why.clone()),
        Some(Failure::ReadOnly(why)) => ServiceError::ReadOnly(why.clone()),
        Some(Failure::Conflict) | None => ServiceError::VersionConflict,
    }
}
