//! Batches that were decided without anything to write, and wait for the proof that what they were decided on stands.

use std::{collections::VecDeque, future::pending, sync::Arc};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::batch::{Batch, Failure};
use crate::{
    domain::{EventId, Outcome},
    store::{Base, EventStore, StoreError},
};

/// Proofs that may be under way for one event: while one travels, the next batch gathers, and so is larger. More would let each
/// take fewer along, and cost the store more.
const PROOFS_MAX: usize = 2;

/// The proofs of one event.
#[derive(Default)]
pub(super) struct Proofs {
    /// Each runs in a task of its own, so that it goes on while the event's task is busy.
    running: FuturesUnordered<JoinHandle<(u64, Result<bool, StoreError>)>>,
    unproven: Vec<Unproven>,
    begun: u64,
    /// Batches to be decided again; they go before new arrivals.
    returned: VecDeque<Batch>,
}

/// A decided batch with nothing to write, which may be answered once its base is proven.
struct Unproven {
    proof: u64,
    base: Base,
    batch: Batch,
    outcomes: Vec<Outcome>,
    /// The event had moved on. If it was an own commit on the base that moved it, that commit proves the base.
    moved: bool,
}

impl Proofs {
    /// Whether another proof may begin.
    pub(super) fn has_room(&self) -> bool {
        self.unproven.len() < PROOFS_MAX
    }

    /// Whether nothing waits for a proof, or for being decided again.
    pub(super) fn is_empty(&self) -> bool {
        self.unproven.is_empty() && self.returned.is_empty()
    }

    /// Has the store asked whether `base` stands. Batches gather and commit meanwhile.
    pub(super) fn begin(
        &mut self,
        store: Arc<dyn EventStore>,
        event_id: EventId,
        base: Base,
        (batch, outcomes): (Batch, Vec<Outcome>),
        deadline: Instant,
    ) {
        self.begun += 1;
        let proof = self.begun;
        self.running.push(tokio::spawn(async move { (proof, store.prove(&event_id, base, deadline).await) }));
        self.unproven.push(Unproven { proof, base, batch, outcomes, moved: false });
    }

    /// Waits for the next proof, or until a command that waits to be decided again runs out of time, and deals with it.
    /// Gives the base that the event has moved on from, if so. Never resolves when nothing is under way.
    pub(super) async fn tend(&mut self) -> Option<Base> {
        let due = self.returned.iter().filter_map(Batch::due).min();
        tokio::select! {
            Some(ended) = self.running.next() => {
                let Ok((proof, proven)) = ended else {
                    self.broken_off();
                    return None;
                };
                self.proof_came(proof, proven)
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                self.returned.retain_mut(|batch| batch.expire(Instant::now(), false).is_some());
                None
            }
            else => pending().await,
        }
    }

    /// A proof panicked; nobody knows whose it was, so all batches are decided again.
    fn broken_off(&mut self) {
        for Unproven { batch, .. } in self.unproven.drain(..) {
            self.returned.push_back(failed(batch, Failure::Unavailable("a proof was broken off".to_owned())));
        }
    }

    fn proof_came(&mut self, proof: u64, proven: Result<bool, StoreError>) -> Option<Base> {
        // Its batch may have been answered by a commit on the same base.
        let at = self.unproven.iter().position(|unproven| unproven.proof == proof)?;
        if matches!(proven, Ok(false)) {
            self.unproven[at].moved = true;
            return Some(self.unproven[at].base);
        }
        let Unproven { batch, outcomes, .. } = self.unproven.swap_remove(at);
        match proven {
            Err(error) => self.returned.push_back(failed(batch, error.into())),
            Ok(_) => drop(batch.answer(outcomes)),
        }
        None
    }

    /// A commit on `base` was acknowledged, which proves that the event stood there after everything that was decided on it
    /// before: the waiting answers may leave. (Their own read would find the event at the new version.)
    pub(super) fn base_was_current(&mut self, base: Base) {
        for Unproven { batch, outcomes, .. } in self.unproven.extract_if(.., |unproven| unproven.base == base) {
            drop(batch.answer(outcomes));
        }
    }

    /// Gives up on the bases that the event has moved on from without an own commit: their batches are decided again.
    pub(super) fn return_moved(&mut self) {
        for Unproven { batch, .. } in self.unproven.extract_if(.., |unproven| unproven.moved) {
            self.returned.push_back(failed(batch, Failure::Conflict));
        }
    }

    /// The next batch to be decided again, as long as it could begin a proof then.
    pub(super) fn take_returned(&mut self) -> Option<Batch> {
        if self.has_room() { self.returned.pop_front() } else { None }
    }

    /// Puts batches before all new arrivals.
    pub(super) fn give_back(&mut self, batches: impl Iterator<Item = Batch>) {
        self.returned.extend(batches);
    }
}

fn failed(mut batch: Batch, failure: Failure) -> Batch {
    batch.tried(failure);
    batch
}
