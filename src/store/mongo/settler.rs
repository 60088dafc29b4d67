//! The settler: copies journal entries to `reservations`, and takes settled keys out of events that fell quiet.
//!
//! One task per process. It wakes when a commit queues entries, and gathers the entries of several commits into one
//! bulk write. Besides, it sweeps: it looks for entries that another process left behind, at start and periodically.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bson::{Document, RawArrayBuf, RawDocumentBuf, raw::cstr, rawdoc};
use tokio::time::{Instant, sleep};

use super::{
    deployment::{CommandError, Concern, Deployment, write_errors},
    documents::{FORMAT, JournalDocument, ReservationDocument},
    journal::{Entry, Journals, Unsettled},
    schema::{EVENTS, JOURNALED, RESERVATIONS},
};
use crate::{
    domain::{EventId, Version},
    store::StoreError,
};

/// Documents in one bulk write: large enough to spare round trips, small enough to be acknowledged in good time.
const BULK_MAX: usize = 2_000;

/// What they may weigh together, in bytes: a command is a document of 16 MiB at most. The entries of one commit, which stay
/// together, weigh less than half of that.
const BULK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long one bulk write, trim or sweep may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long an event must be quiet before its settled keys are trimmed without a commit: under load the next commit
/// takes them along for nothing. Shorter than the time between two sweeps, or else other processes would take the keys for
/// left behind.
const QUIET: Duration = Duration::from_millis(500);

/// How often entries left behind by others are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Events that a sweep asks for at once.
const SWEEP_PAGE: i32 = 100;

/// Does the settler's work until its task is ended.
#[derive(Debug)]
pub(super) struct Settler {
    pub(super) deployment: Arc<Deployment>,
    pub(super) journals: Arc<Journals>,
    /// Events whose journal could not be read, so that each is complained of once.
    pub(super) unreadable: Mutex<HashSet<EventId>>,
}

impl Settler {
    /// Settles whatever is queued, as long as the task lives.
    pub(super) async fn settle_forever(&self) {
        let mut failing = false;
        loop {
            let queue = self.journals.take_queue();
            if queue.is_empty() {
                self.journals.queued.notified().await;
                continue;
            }
            match self.settle(queue).await {
                Ok(()) if failing => {
                    log::info!("settling works again");
                    failing = false;
                }
                Ok(()) => {}
                Err(why) => {
                    if !failing {
                        log::warn!("settling fails and is tried again: {why}");
                    }
                    failing = true;
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Trims quiet events and sweeps, as long as the task lives. The first sweep settles everything it finds: whoever
    /// wrote it before this process started may be gone.
    pub(super) async fn tidy_forever(&self) {
        let mut seen: Option<HashSet<(EventId, Version)>> = None;
        let mut next_sweep = Instant::now();
        loop {
            if Instant::now() >= next_sweep {
                let swept = self.sweep(seen.as_ref()).await;
                next_sweep = Instant::now() + if swept.is_ok() { SWEEP_EVERY } else { RETRY_PAUSE };
                match swept {
                    Ok(now_seen) => seen = Some(now_seen),
                    Err(why) => log::debug!("a sweep failed and is tried again: {why}"),
                }
                self.journals.retry_refused();
            }
            self.trim(Instant::now() - QUIET).await;
            // Something settled a moment ago becomes quiet soon; otherwise only the next sweep is due.
            let wait = if self.journals.has_settled() { QUIET / 2 } else { SWEEP_EVERY };
            sleep(wait).await;
        }
    }

    /// Takes settled keys out of the events that nothing has touched since `before`.
    pub(super) async fn trim(&self, before: Instant) {
        for (event_id, keys) in self.journals.to_trim(before) {
            match self.trim_event(&event_id, &keys).await {
                Ok(true) => self.journals.trimmed(&event_id, &keys),
                Ok(false) => {}
                Err(why) => log::debug!(event_id:%; "trimming failed and is tried again: {why}"),
            }
        }
    }

    /// Settles what is queued, once.
    #[cfg(test)]
    pub(super) async fn settle_queue(&self) -> Result<(), StoreError> {
        self.settle(self.journals.take_queue()).await
    }

    /// Copies the entries to `reservations`, each reservation once in its newest state.
    async fn settle(&self, queue: Vec<Unsettled>) -> Result<(), StoreError> {
        let mut result = Ok(());
        let mut chunk = Vec::new();
        let (mut size, mut bytes) = (0, 0);
        let mut queue = queue.into_iter().peekable();
        while let Some(unsettled) = queue.next() {
            size += unsettled.entries.len();
            bytes += unsettled.bytes();
            chunk.push(unsettled);
            let full = queue
                .peek()
                .is_none_or(|next| size + next.entries.len() > BULK_MAX || bytes + next.bytes() > BULK_BYTES_MAX);
            if full {
                (size, bytes) = (0, 0);
                let chunk = std::mem::take(&mut chunk);
                match self.settle_chunk(&chunk).await {
                    Ok(refused) => self.note_settled(chunk, &refused),
                    Err(error) => {
                        result = Err(error.into());
                        self.journals.put_back(chunk);
                    }
                }
            }
        }
        result
    }

    /// Takes note of what became of some commits, whose reservations the server has but for those `refused`: by reservation id,
    /// the server's reason.
    fn note_settled(&self, chunk: Vec<Unsettled>, refused: &HashMap<String, String>) {
        let reason = |unsettled: &Unsettled| {
            let mut ids = unsettled.entries.iter().map(|entry| entry.reservation.id.to_string());
            ids.find_map(|id| refused.get(&id).map(|why| (id, why)))
        };
        let mut done = Vec::with_capacity(chunk.len());
        for unsettled in chunk {
            let Some((id, why)) = (if refused.is_empty() { None } else { reason(&unsettled) }) else {
                done.push((unsettled.event_id, unsettled.key));
                continue;
            };
            let event_id = unsettled.event_id.clone();
            if self.journals.refuse(unsettled) {
                log::error!(code = "settling-refused", event_id:%, reservation_id = id.as_str();
                    "MongoDB refuses a reservation that was accepted. It stays in its event's journal, where it can be read, \
                     and is tried again until it is taken; most likely an index or a validator that TicketBoss did not make \
                     must be dropped: {why}");
            }
        }
        for event_id in self.journals.settle(done, Instant::now()) {
            log::info!(code = "settling-taken", event_id:%; "MongoDB takes all reservations of the event again");
        }
    }

    /// One insert for new reservations and one update for changed ones. Returns those that the server refused.
    async fn settle_chunk(&self, chunk: &[Unsettled]) -> Result<HashMap<String, String>, CommandError> {
        let mut newest: HashMap<_, &Entry> = HashMap::new();
        for entry in chunk.iter().flat_map(|unsettled| unsettled.entries.iter()) {
            let newest = newest.entry(&entry.reservation.id).or_insert(entry);
            if newest.reservation.version < entry.reservation.version {
                *newest = entry;
            }
        }
        let (new, changed): (Vec<&Entry>, Vec<&Entry>) =
            newest.into_values().partition(|entry| entry.reservation.version == entry.reservation.created_version);
        let (inserted, updated) = tokio::join!(self.insert(&new), self.update(&changed));
        let mut failed = inserted?;
        failed.extend(updated?);
        Ok(failed)
    }

    /// New reservations, each in its first state: whatever stands under its `_id` already is as new or newer, so a
    /// duplicate counts as written. (The acknowledgement of the command covers what stands there.)
    async fn insert(&self, entries: &[&Entry]) -> Result<HashMap<String, String>, CommandError> {
        let mut documents = RawArrayBuf::new();
        for entry in entries {
            documents.push(&entry.raw);
        }
        let command = rawdoc! { "insert": RESERVATIONS, "ordered": false, "documents": documents };
        let bulk = self.bulk(command, entries).await?;
        Ok(bulk.refused)
    }

    /// Changed reservations, each written unless a newer state stands there.
    ///
    /// A duplicate says that a document stands there, but not which: an older one may have been inserted between the
    /// upsert's query and its insert, and the server tries again only when the filter is nothing but the unique key. So
    /// those are sent once more without the upsert; a document that is there for good is then either older, and
    /// overwritten, or as new or newer, and left.
    async fn update(&self, entries: &[&Entry]) -> Result<HashMap<String, String>, CommandError> {
        let mut bulk = self.bulk(updates(entries, true), entries).await?;
        if !bulk.duplicate.is_empty() {
            let again = self.bulk(updates(&bulk.duplicate, false), &bulk.duplicate).await?;
            bulk.refused.extend(again.refused);
        }
        Ok(bulk.refused)
    }

    /// Sends one bulk write, and sorts out what became of its statements.
    async fn bulk<'a>(&self, command: RawDocumentBuf, entries: &[&'a Entry]) -> Result<Bulk<'a>, CommandError> {
        let mut bulk = Bulk::default();
        if entries.is_empty() {
            return Ok(bulk);
        }
        let reply = self.deployment.write(command, Instant::now() + PATIENCE).await?;
        for error in write_errors(&reply)? {
            let entry = *entries.get(error.index).ok_or_else(|| CommandError::Unclear(error.message.clone()))?;
            if error.id_exists {
                bulk.duplicate.push(entry);
            } else {
                bulk.refused.insert(entry.reservation.id.to_string(), error.message);
            }
        }
        Ok(bulk)
    }

    /// Takes `keys` out of an event document, at the state it has now. `Ok(false)` when it moved on meanwhile.
    async fn trim_event(&self, event_id: &EventId, keys: &[Version]) -> Result<bool, CommandError> {
        let deadline = Instant::now() + PATIENCE;
        let find = rawdoc! {
            "find": EVENTS,
            "filter": { "_id": event_id.as_str() },
            "projection": { "version": 1, "head": 1 },
            "singleBatch": true,
        };
        let found = self.deployment.read(find, Concern::Local, deadline).await?;
        let Some((version, head)) = found.first().and_then(|event| Some((event.get("version")?, event.get("head")?)))
        else {
            return Ok(false);
        };
        let mut filter = Document::new();
        filter.insert("_id", event_id.as_str());
        filter.insert("version", version);
        filter.insert("head", head);
        let filter = RawDocumentBuf::try_from(&filter).map_err(|why| CommandError::Refused(why.to_string()))?;
        let mut unset = RawDocumentBuf::new();
        for key in keys {
            unset.append(super::journal_path(*key), "");
        }
        let mut updates = RawArrayBuf::new();
        updates.push(rawdoc! { "q": filter, "u": { "$unset": unset } });
        let update = rawdoc! { "update": EVENTS, "updates": updates };
        let reply = self.deployment.write(update, deadline).await?;
        if let Some(error) = write_errors(&reply)?.pop() {
            return Err(CommandError::Refused(error.message));
        }
        Ok(reply.get_i32("n").is_ok_and(|matched| matched == 1))
    }

    /// Queues entries that others left behind: those that stood there at the last sweep already, or all of them at the
    /// first one (`seen_before` is `None`). Returns the keys that stand there now.
    async fn sweep(
        &self,
        seen_before: Option<&HashSet<(EventId, Version)>>,
    ) -> Result<HashSet<(EventId, Version)>, StoreError> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = HashSet::new();
        let mut after = String::new();
        loop {
            let page = self.journaled_after(&after, deadline).await?;
            let Some(last) = page.last().and_then(|event| event.get_str("_id").ok()) else { return Ok(seen) };
            after = last.to_owned();
            for event in page {
                let Some(event_id) = event.get_str("_id").ok().and_then(|id| EventId::parse(id).ok()) else { continue };
                let keys = event.get_array("keys").into_iter().flatten().filter_map(|key| key.as_str()?.parse().ok());
                let keys: Vec<Version> = keys.map(Version).collect();
                let is_left = |key: &Version| {
                    let stood = seen_before.is_none_or(|seen| seen.contains(&(event_id.clone(), *key)));
                    stood && !self.journals.knows(&event_id, *key)
                };
                if keys.iter().any(is_left) {
                    let queued = self.queue_event(&event_id, is_left, deadline).await;
                    self.complain_once(&event_id, queued)?;
                }
                seen.extend(keys.into_iter().map(|key| (event_id.clone(), key)));
            }
        }
    }

    /// Passes on what came of looking at an event, but for what cannot be read: one such event must not keep the others
    /// from being settled. It is complained of once.
    fn complain_once(&self, event_id: &EventId, queued: Result<(), StoreError>) -> Result<(), StoreError> {
        let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        match queued {
            Err(StoreError::Unreadable(why)) => {
                if unreadable.insert(event_id.clone()) {
                    log::error!(event_id:%; "entries left in its journal cannot be settled: {why}");
                }
            }
            Err(passing) => return Err(passing),
            Ok(()) => drop(unreadable.remove(event_id)),
        }
        Ok(())
    }

    /// The next events that have a journal, with its keys, in the order of their ids.
    async fn journaled_after(&self, after: &str, deadline: Instant) -> Result<Vec<Document>, CommandError> {
        let find = rawdoc! {
            "find": EVENTS,
            "filter": { "format": FORMAT, "journal": { "$gt": {} }, "_id": { "$gt": after } },
            "hint": JOURNALED,
            "sort": { "format": 1, "_id": 1 },
            "projection": { "keys": { "$map": { "input": { "$objectToArray": "$journal" }, "in": "$$this.k" } } },
            "singleBatch": true,
            "batchSize": SWEEP_PAGE,
        };
        self.deployment.read(find, Concern::Majority, deadline).await
    }

    /// Queues the majority-committed entries of one event, those whose keys `wanted` picks.
    pub(super) async fn queue_event(
        &self,
        event_id: &EventId,
        wanted: impl Fn(&Version) -> bool,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let find = rawdoc! {
            "find": EVENTS,
            "filter": { "_id": event_id.as_str() },
            "projection": JournalDocument::projection(),
            "singleBatch": true,
        };
        let found = self.deployment.read(find, Concern::Majority, deadline).await?;
        let Some(document) = found.into_iter().next() else { return Ok(()) };
        let journal = JournalDocument::read(document, |_| true)?;
        for (key, reservations) in journal.into_iter().filter(|(key, _)| wanted(key)) {
            let entry = |reservation: &Arc<_>| {
                let raw = ReservationDocument::raw(reservation)?;
                Ok(Entry { reservation: reservation.clone(), raw })
            };
            let entries: bson::error::Result<Arc<[Entry]>> = reservations.iter().map(entry).collect();
            let entries = entries.map_err(|why| StoreError::Unreadable(format!("event {event_id}: {why}")))?;
            log::debug!(event_id:%, version = key.0, entries = entries.len(); "settling entries left in the journal");
            self.journals.enqueue(Unsettled { event_id: event_id.clone(), key, entries });
        }
        Ok(())
    }
}

/// What became of a bulk write's statements; those not named were done.
#[derive(Default)]
struct Bulk<'a> {
    duplicate: Vec<&'a Entry>,
    /// By reservation id, the server's reason.
    refused: HashMap<String, String>,
}

/// Writes each entry over an older state of its reservation, or, with `upsert`, where there is none.
fn updates(entries: &[&Entry], upsert: bool) -> RawDocumentBuf {
    let mut updates = RawArrayBuf::new();
    for entry in entries {
        let reservation = &entry.reservation;
        let mut update = rawdoc! {
            "q": {
                "_id": reservation.id.to_string(),
                "eventId": reservation.id.event_id.as_str(),
                "version": { "$lt": reservation.version.0 },
            },
            "upsert": upsert,
        };
        update.append(cstr!("u"), &entry.raw);
        updates.push(update);
    }
    rawdoc! { "update": RESERVATIONS, "ordered": false, "updates": updates }
}

#[cfg(test)]
#[path = "settler_tests.rs"]
mod tests;
