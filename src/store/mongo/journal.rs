//! What this process knows about the journals of events: which entries are to be settled, and which may be trimmed.
//!
//! An entry's way: a commit writes it into the event document; a majority acknowledges the commit and the entry is
//! *queued* here; the settler copies it to `reservations`; a majority acknowledges that and its key is *settled*; the
//! next commit, or the settler when none follows, takes the key out of the event document, and nothing is known of it here
//! any more.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bson::RawDocumentBuf;
use tokio::{sync::Notify, time::Instant};

use crate::{
    domain::{EventId, PartnerId, Reservation, Version},
    store::Trimmed,
};

/// One reservation's state after a commit, in the domain's form and as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) reservation: Arc<Reservation>,
    pub(super) raw: RawDocumentBuf,
}

/// A record that a commit left, as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) raw: RawDocumentBuf,
}

/// The entries of one commit, under one key of the journal.
#[derive(Debug, Clone)]
pub(super) struct Unsettled {
    pub(super) event_id: EventId,
    pub(super) key: Version,
    pub(super) entries: Arc<[Entry]>,
    pub(super) records: Arc<[Record]>,
    /// Tells snapshots when the key has left the event document without a commit.
    pub(super) trimmed: Trimmed,
}

impl Unsettled {
    /// What the entries weigh as they are sent.
    pub(super) fn bytes(&self) -> usize {
        let records = self.records.iter().map(|record| record.raw.as_bytes().len());
        self.entries.iter().map(|entry| entry.raw.as_bytes().len()).chain(records).sum()
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
    /// Events with a commit of this process whose outcome was unclear, until their journal was looked through for it.
    doubted: HashSet<EventId>,
}

/// What this process has in hand of one event's journal. There is none of an event of which it has nothing in hand.
#[derive(Debug, Default)]
struct EventKeys {
    /// Queued here, being settled, or refused.
    pending: Vec<Unsettled>,
    /// Settled, and still in the event document as far as we know.
    settled: Vec<(Version, Trimmed)>,
    /// When a key became settled or a commit took some along: trimming waits for quiet.
    touched: Option<Instant>,
}

impl EventKeys {
    fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.settled.is_empty()
    }

    fn knows(&self, key: Version) -> bool {
        self.pending.iter().any(|pending| pending.key == key) || self.settled.iter().any(|(settled, _)| *settled == key)
    }
}

impl Journals {
    /// Queues the entries of a commit that a majority has acknowledged.
    pub(super) fn enqueue(&self, unsettled: Unsettled) {
        {
            let mut state = self.state();
            let keys = state.events.entry(unsettled.event_id.clone()).or_default();
            // A version can come a second time only when somebody restored a backup; what was known of it is void then.
            keys.settled.retain(|(key, _)| *key != unsettled.key);
            keys.pending.push(unsettled.clone());
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
                let Some(keys) = state.events.get_mut(&event_id) else { continue };
                let trimmed = keys.pending.iter().find(|pending| pending.key == key).map(|found| found.trimmed.clone());
                keys.pending.retain(|pending| pending.key != key);
                // A sweep may see a commit before its acknowledgement is here, and then both queue it. Twice among the settled
                // it would be taken out twice by one update, which the server refuses.
                if let Some(trimmed) = trimmed
                    && keys.settled.iter().all(|(settled, _)| *settled != key)
                {
                    keys.settled.push((key, trimmed));
                }
                keys.touched = Some(now);
            }
        }
        self.settled.notify_waiters();
        taken_again
    }

    /// The keys that the next commit may take out of the event document. They stay listed until [`Journals::committed`]: a
    /// commit that misses must not lose them.
    pub(super) fn settled_keys(&self, event_id: &EventId) -> Vec<Version> {
        let state = self.state();
        state.events.get(event_id).map(|keys| keys.settled.iter().map(|(key, _)| *key).collect()).unwrap_or_default()
    }

    /// Notes that a commit took `trimmed` out of the event document.
    pub(super) fn committed(&self, event_id: &EventId, trimmed: &[Version], now: Instant) {
        self.leave(event_id, trimmed, Some(now));
    }

    /// Notes that `trimmed` were taken out of the event document without a commit.
    pub(super) fn trimmed(&self, event_id: &EventId, trimmed: &[Version]) {
        self.leave(event_id, trimmed, None);
    }

    fn leave(&self, event_id: &EventId, gone: &[Version], touched: Option<Instant>) {
        let mut state = self.state();
        let Some(keys) = state.events.get_mut(event_id) else { return };
        for (_, trimmed) in keys.settled.extract_if(.., |(key, _)| gone.contains(key)) {
            trimmed.set();
        }
        keys.touched = touched.or(keys.touched);
        if keys.is_empty() {
            state.events.remove(event_id);
        }
    }

    /// Settled keys of events that nothing has touched since `before`.
    pub(super) fn to_trim(&self, before: Instant) -> Vec<(EventId, Vec<Version>)> {
        let state = self.state();
        let quiet = state
            .events
            .iter()
            .filter(|(_, keys)| !keys.settled.is_empty() && keys.touched.is_none_or(|touched| touched <= before));
        quiet.map(|(id, keys)| (id.clone(), keys.settled.iter().map(|(key, _)| *key).collect())).collect()
    }

    /// Whether this process has this key in hand.
    pub(super) fn knows(&self, event_id: &EventId, key: Version) -> bool {
        self.state().events.get(event_id).is_some_and(|keys| keys.knows(key))
    }

    /// The states of a partner's reservations that this process has to settle, of all events. No more than the journals of
    /// its events can hold.
    pub(super) fn unsettled_of(&self, partner_id: &PartnerId) -> Vec<Arc<Reservation>> {
        // Looked through when commits need no longer wait for it.
        let pending: Vec<Arc<[Entry]>> = {
            let state = self.state();
            state.events.values().flat_map(|keys| &keys.pending).map(|unsettled| unsettled.entries.clone()).collect()
        };
        let reservations = pending.iter().flat_map(|entries| entries.iter().map(|entry| &entry.reservation));
        reservations.filter(|reservation| reservation.partner_id == *partner_id).cloned().collect()
    }

    /// Notes that a commit of this process may stand in the event's journal without its knowing.
    pub(super) fn doubt(&self, event_id: &EventId) {
        self.state().doubted.insert(event_id.clone());
    }

    /// Whether the event was doubted. It is not any more.
    pub(super) fn take_doubt(&self, event_id: &EventId) -> bool {
        let mut state = self.state();
        !state.doubted.is_empty() && state.doubted.remove(event_id)
    }

    /// Whether nothing is left to settle or trim but what the server refuses.
    pub(super) fn is_done(&self) -> bool {
        let state = self.state();
        let is_refused = |unsettled: &Unsettled| {
            state.refused_keys.get(&unsettled.event_id).is_some_and(|refused| refused.contains(&unsettled.key))
        };
        state.events.values().all(|keys| keys.settled.is_empty() && keys.pending.iter().all(is_refused))
    }

    /// Of how many events this process has something in hand.
    pub(super) fn event_count(&self) -> usize {
        self.state().events.len()
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
