//! What this process knows about the journals of events: which entries are to be settled, and which may be trimmed.
//!
//! An entry's way: a commit writes it into the event document; a majority acknowledges the commit and the entry is
//! *queued* here; the settler copies it to `reservations`; a majority acknowledges that and its key is *settled*; the
//! next commit, or the settler when none follows, takes the key out of the event document, and it is *gone*.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bson::RawDocumentBuf;
use tokio::{sync::Notify, time::Instant};

use crate::domain::{EventId, Reservation, Version};

/// One reservation's state after a commit, in the domain's form and as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) reservation: Arc<Reservation>,
    pub(super) raw: RawDocumentBuf,
}

/// The entries of one commit, under one key of the journal.
#[derive(Debug, Clone)]
pub(super) struct Unsettled {
    pub(super) event_id: EventId,
    pub(super) key: Version,
    pub(super) entries: Arc<[Entry]>,
}

impl Unsettled {
    /// What the entries weigh as they are sent.
    pub(super) fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.raw.as_bytes().len()).sum()
    }
}

/// The journals of all events that this process has to do with.
#[derive(Debug, Default)]
pub(super) struct Journals {
    state: Mutex<State>,
    /// Wakes the settler: there is something to settle.
    pub(super) queued: Notify,
    /// Wakes commits that wait for room: something was settled.
    pub(super) settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: Vec<Unsettled>,
    /// What the server refuses to settle, for a reason that only somebody else can take away. It stays in the event's journal,
    /// where it can be read, and is tried again now and then.
    refused: Vec<Unsettled>,
    /// The keys of what was refused and has not been taken since.
    refused_keys: HashMap<EventId, HashSet<Version>>,
    events: HashMap<EventId, EventKeys>,
}

#[derive(Debug, Default)]
struct EventKeys {
    /// Queued here, or being settled.
    pending: Vec<Version>,
    /// Settled, and still in the event document as far as we know.
    settled: Vec<Version>,
    /// Taken out of the event document without a commit; snapshots held by the event's task may still list them.
    gone: Vec<Version>,
    /// When a key became settled or a commit took some along: trimming waits for quiet.
    touched: Option<Instant>,
}

impl EventKeys {
    fn knows(&self, key: Version) -> bool {
        [&self.pending, &self.settled, &self.gone].into_iter().any(|keys| keys.contains(&key))
    }
}

impl Journals {
    /// Queues the entries of a commit that a majority has acknowledged.
    pub(super) fn enqueue(&self, unsettled: Unsettled) {
        {
            let mut state = self.state();
            let keys = state.events.entry(unsettled.event_id.clone()).or_default();
            // A version can come a second time only when somebody restored a backup; what was known of it is void then.
            keys.settled.retain(|key| *key != unsettled.key);
            keys.gone.retain(|key| *key != unsettled.key);
            keys.pending.push(unsettled.key);
            state.queue.push(unsettled);
        }
        self.queued.notify_one();
    }

    /// Takes the whole queue, to settle it.
    pub(super) fn take_queue(&self) -> Vec<Unsettled> {
        std::mem::take(&mut self.state().queue)
    }

    /// Puts back what could not be settled.
    pub(super) fn put_back(&self, unsettled: impl IntoIterator<Item = Unsettled>) {
        self.state().queue.extend(unsettled);
    }

    /// Puts aside what the server refuses, so that nothing else waits for it. Whether it is the first of its event.
    pub(super) fn refuse(&self, unsettled: Unsettled) -> bool {
        let mut state = self.state();
        let keys = state.refused_keys.entry(unsettled.event_id.clone()).or_default();
        let is_first = keys.is_empty();
        keys.insert(unsettled.key);
        state.refused.push(unsettled);
        is_first
    }

    /// Queues once more what was refused.
    pub(super) fn retry_refused(&self) {
        let mut state = self.state();
        let refused = std::mem::take(&mut state.refused);
        if !refused.is_empty() {
            state.queue.extend(refused);
            drop(state);
            self.queued.notify_one();
        }
    }

    /// Notes that a majority has every entry of these keys in `reservations`. Returns the events of which nothing is refused
    /// any more.
    pub(super) fn settle(&self, keys: impl IntoIterator<Item = (EventId, Version)>, now: Instant) -> Vec<EventId> {
        let mut taken_again = Vec::new();
        {
            let mut state = self.state();
            for (event_id, key) in keys {
                if let Some(refused) = state.refused_keys.get_mut(&event_id) {
                    refused.remove(&key);
                    if refused.is_empty() {
                        state.refused_keys.remove(&event_id);
                        taken_again.push(event_id.clone());
                    }
                }
                let keys = state.events.entry(event_id).or_default();
                keys.pending.retain(|pending| *pending != key);
                // A sweep may see a commit before its acknowledgement is here, and then both queue it. Twice among the settled
                // it would be taken out twice by one update, which the server refuses.
                if !keys.settled.contains(&key) {
                    keys.settled.push(key);
                }
                keys.touched = Some(now);
            }
        }
        self.settled.notify_waiters();
        taken_again
    }

    /// The keys that the next commit may take out of the event document. They stay listed until [`Journals::trimmed`]:
    /// a commit that misses must not lose them.
    pub(super) fn settled_keys(&self, event_id: &EventId) -> Vec<Version> {
        self.state().events.get(event_id).map(|keys| keys.settled.clone()).unwrap_or_default()
    }

    /// Keys that a snapshot may still list although they have left the event document.
    pub(super) fn gone_keys(&self, event_id: &EventId) -> Vec<Version> {
        self.state().events.get(event_id).map(|keys| keys.gone.clone()).unwrap_or_default()
    }

    /// Notes that a commit took `trimmed` out of the event document and that its snapshot lists neither these nor `gone`.
    pub(super) fn committed(&self, event_id: &EventId, trimmed: &[Version], gone: &[Version], now: Instant) {
        let mut state = self.state();
        if let Some(keys) = state.events.get_mut(event_id) {
            keys.settled.retain(|key| !trimmed.contains(key));
            keys.gone.retain(|key| !gone.contains(key));
            keys.touched = Some(now);
        }
    }

    /// Notes that `trimmed` were taken out of the event document without a commit.
    pub(super) fn trimmed(&self, event_id: &EventId, trimmed: &[Version]) {
        let mut state = self.state();
        if let Some(keys) = state.events.get_mut(event_id) {
            keys.settled.retain(|key| !trimmed.contains(key));
            keys.gone.extend(trimmed);
        }
    }

    /// Notes that the event is about to be loaded afresh: no snapshot will list what has gone before.
    pub(super) fn loading(&self, event_id: &EventId) {
        let mut state = self.state();
        if let Some(keys) = state.events.get_mut(event_id) {
            keys.gone.clear();
            if keys.pending.is_empty() && keys.settled.is_empty() {
                state.events.remove(event_id);
            }
        }
    }

    /// Settled keys of events that nothing has touched since `before`.
    pub(super) fn to_trim(&self, before: Instant) -> Vec<(EventId, Vec<Version>)> {
        let state = self.state();
        let quiet = state
            .events
            .iter()
            .filter(|(_, keys)| !keys.settled.is_empty() && keys.touched.is_none_or(|touched| touched <= before));
        quiet.map(|(event_id, keys)| (event_id.clone(), keys.settled.clone())).collect()
    }

    /// Whether this process has this key in hand.
    pub(super) fn knows(&self, event_id: &EventId, key: Version) -> bool {
        self.state().events.get(event_id).is_some_and(|keys| keys.knows(key))
    }

    /// Whether nothing is left to settle or trim but what the server refuses.
    pub(super) fn is_done(&self) -> bool {
        let state = self.state();
        let is_refused =
            |id: &EventId, key: &Version| state.refused_keys.get(id).is_some_and(|refused| refused.contains(key));
        let mut events = state.events.iter();
        events.all(|(id, keys)| keys.settled.is_empty() && keys.pending.iter().all(|key| is_refused(id, key)))
    }

    /// Of how many commits the server refuses something.
    pub(super) fn refused_count(&self) -> usize {
        self.state().refused_keys.values().map(HashSet::len).sum()
    }

    /// Whether nothing is settled that waits to be trimmed.
    pub(super) fn has_settled(&self) -> bool {
        self.state().events.values().any(|keys| !keys.settled.is_empty())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
