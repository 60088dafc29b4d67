//! One task per active event: gather, decide, commit once, answer all.
//!
//! The task wakes when a command arrives or a proof comes back, and retires after [`IDLE`] without either. Only it changes
//! its event in this process, so one process never conflicts with itself; while its commit is in flight, arrivals gather
//! and become the next batch. Other processes may change the event too: the version decides who was first, and who was
//! not loads and decides again.
//!
//! What one commit leaves over, commands and work that nobody asked for, goes on with the next: together with whoever came
//! meanwhile, so that nobody waits until all of it is done.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    Limits, ServiceError,
    attempt::{Attempt, Committer},
    batch::{Batch, Failure},
    inbox::Inbox,
    pace::Pace,
    proofs::Proofs,
};
use crate::{
    domain::{EventId, Outcome},
    store::{Base, EventStore},
};

/// How long a task without work stays, so that an event with steady, thin traffic keeps its snapshot.
const IDLE: Duration = Duration::from_secs(10);

/// How long commands wait for what they need to lapse, when it does not lapse along with them.
const DEFERRED_PAUSE: Duration = Duration::from_millis(50);

/// Works for one event until it is idle or the inbox is closed and empty. An idle task asks `retire` whether it may end:
/// not if a command came in the meantime.
pub(super) async fn run(
    event_id: EventId,
    mut inbox: Inbox,
    retire: impl Fn(&Inbox) -> bool,
    store: Arc<dyn EventStore>,
    limits: Limits,
) {
    let committer = Committer::new(event_id, store);
    let mut task = EventTask { committer, limits, proofs: Proofs::default(), left: None };
    // A task that retires forgets its unclear attempts, so it stays at least until they can land no more.
    let patience = IDLE.max(limits.request_timeout);
    let mut gathered = Vec::new();
    let mut open = true;
    while open || !task.proofs.is_empty() || task.left.is_some() {
        if let Some(batch) = task.proofs.take_returned() {
            task.work_on(batch).await;
            continue;
        }
        let (idle, room) = (task.proofs.is_empty(), task.proofs.has_room());
        if let Some(left) = task.left.take() {
            // Nobody waits for what is only to be looked after: when the process ends, another one does it.
            if open || !left.is_unasked() {
                let free = if room { limits.inbox_max.saturating_sub(left.waiting()) } else { 0 };
                inbox.gather(&mut gathered, limits.commit_batch_max.min(free));
                task.work_on(left.and(gathered.drain(..))).await;
            }
            continue;
        }
        tokio::select! {
            biased;
            moved_from = task.proofs.tend() => {
                task.committer.forget(moved_from);
                task.proofs.return_moved();
            }
            came = inbox.wait(&mut gathered, limits.commit_batch_max), if open && room => {
                if came {
                    let batch = Batch::new(gathered.drain(..));
                    let until = task.patience();
                    task.work_on(if batch.is_unasked() { batch.looking_after(until) } else { batch }).await;
                } else {
                    open = false;
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
    /// What the last commit left over: commands that it had no room for, or that wait for something to lapse, and, when nobody
    /// waits, the event that is still to be looked after.
    left: Option<Batch>,
}

/// What becomes of a batch that was refused.
enum Refused {
    /// It has ended, or its parts are tried.
    Ended,
    /// It is to be decided again.
    Again(Batch),
    /// It is to be tried again later.
    Failed(Batch, Failure),
}

impl Refused {
    fn ends(batch: Batch, error: &ServiceError) -> Self {
        batch.fail(error);
        Self::Ended
    }
}

impl EventTask {
    fn patience(&self) -> Instant {
        Instant::now() + self.limits.request_timeout
    }

    /// Brings a batch to its answers, or to the proof that they wait for: attempt after attempt, until one ends it or its
    /// attempts or time are used up. What one commit leaves over is left to the next batch.
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
                        self.leave(rest.looking_after(self.patience()));
                    } else if !rest.is_unasked() {
                        self.leave(rest);
                    }
                    return;
                }
                // The event was due by somebody's word, and is not as it is known here: it is loaded anew at the next look.
                Attempt::Unchanged(snapshot, _) if batch.is_deserted() && !batch.unclear => {
                    self.committer.forget(Some(snapshot.base()));
                    if batch.has_deferred() {
                        // What they wait for is not done along with commands for the time being.
                        self.rest(DEFERRED_PAUSE).await;
                        self.leave_deferred(&mut batch);
                    }
                    return;
                }
                Attempt::Unchanged(snapshot, outcomes) => {
                    batch.mark_possible(&snapshot.event, &outcomes);
                    let base = snapshot.base();
                    if !batch.unclear {
                        self.leave_deferred(&mut batch);
                        return self.begin_proof(base, batch, outcomes, deadline);
                    }
                    // While an earlier attempt may yet land, the batch must stay together, so it waits here.
                    match self.prove(base, deadline).await {
                        Ok(()) => {
                            let rest = batch.answer(outcomes);
                            if !rest.is_unasked() {
                                self.leave(rest);
                            }
                            return;
                        }
                        Err(failure) => failure,
                    }
                }
                // Another process may have done it; the next look tells, without keeping anybody who came waiting.
                Attempt::Failed(failure) if batch.is_unasked() => {
                    if matches!(failure, Failure::Conflict) {
                        let pause = self.committer.pace.turn_for_rivals();
                        self.rest(pause).await;
                        self.leave(Batch::new([]).looking_after(self.patience()));
                    }
                    return;
                }
                Attempt::Failed(failure) => failure,
                Attempt::Unclear(snapshot, outcomes, why) => {
                    batch.mark_unclear(&snapshot.event, &outcomes);
                    Failure::Unavailable(why)
                }
                Attempt::Refused(why, decided) => match self.refused(batch, why, decided, deadline).await {
                    Refused::Ended => return,
                    Refused::Again(again) => {
                        batch = again;
                        continue;
                    }
                    Refused::Failed(again, failure) => {
                        batch = again;
                        failure
                    }
                },
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

    /// Finds out who is to blame that a batch was refused.
    async fn refused(
        &mut self,
        mut batch: Batch,
        why: String,
        decided: Option<(Base, Vec<Outcome>)>,
        deadline: Instant,
    ) -> Refused {
        let event_id = self.committer.event_id().clone();
        // While an earlier attempt may yet land, the batch must stay together, and nobody can be told anything. So first that
        // is ruled out.
        if batch.unclear {
            return match self.fence(deadline).await {
                Attempt::Committed(..) => {
                    batch.fenced();
                    Refused::Again(batch)
                }
                Attempt::Failed(failure) => Refused::Failed(batch, failure),
                Attempt::Hopeless(error) => Refused::ends(batch, &error),
                _ => Refused::ends(batch, &ServiceError::Internal(why)),
            };
        }
        // What nobody asked for may be to blame, and can be left out.
        if self.committer.put_unasked_off(&batch) {
            log::error!(event_id:%, batch_size = batch.len();
                "the store refuses a batch, trying its commands without lapses and promotions: {why}");
            batch.decide_anew();
            return Refused::Again(batch);
        }
        if batch.len() > 1 {
            log::error!(event_id:%, batch_size = batch.len(); "the store refuses a batch, trying its halves: {why}");
            self.proofs.give_back(batch.split());
            return Refused::Ended;
        }
        self.leave_deferred(&mut batch);
        if batch.is_unasked() {
            log::error!(event_id:%; "the event cannot be looked after: {why}");
        }
        // Who asked before without learning what came of it is told that nothing did only if that is proven.
        if let Some((base, outcomes)) = decided.filter(|_| batch.may_be_done()) {
            if let Err(failure) = self.prove(base, deadline).await {
                return Refused::Failed(batch, failure);
            }
            batch.mark_not_done(&outcomes);
        }
        Refused::ends(batch, &ServiceError::Internal(why))
    }

    /// Leaves a batch to the next one, behind what is left already.
    fn leave(&mut self, rest: Batch) {
        self.left = Some(match self.left.take() {
            Some(left) => left.join(rest),
            None => rest,
        });
    }

    /// Leaves those commands to the next batch that were deferred.
    fn leave_deferred(&mut self, batch: &mut Batch) {
        if batch.has_deferred() {
            self.leave(batch.take_deferred());
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

    /// Rules out that an earlier attempt lands.
    async fn fence(&mut self, deadline: Instant) -> Attempt {
        let Self { committer, proofs, .. } = self;
        let (fenced, moved) = tending(proofs, committer.fence(deadline)).await;
        if let Attempt::Committed(base, _) = &fenced {
            proofs.base_was_current(*base);
        }
        self.went_on(moved);
        fenced
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
