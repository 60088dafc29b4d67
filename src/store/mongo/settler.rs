//! The settler: copies journal entries to `reservations`, and takes settled keys out of events that fell quiet.
//!
//! One task per process. It wakes when a commit queues entries, and gathers the entries of several commits into one
//! bulk write. Besides, it sweeps: it looks for entries that another process left behind, at start and periodically.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bson::{Document, RawArrayBuf, RawDocumentBuf, doc, raw::cstr, rawdoc};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep};

use super::{
    deployment::{CommandError, Concern, Deployment, write_errors},
    documents::{FORMAT, JournalDocument, ReservationDocument},
    journal::{Entry, Journals, Record, Unsettled},
    proof::Prover,
    schema::{EVENTS, JOURNALED, OPERATIONS, PULSES, RESERVATIONS},
};
use crate::{
    domain::{EventId, Version},
    store::{StoreError, Trimmed},
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
/// takes them along for nothing.
const QUIET: Duration = Duration::from_millis(500);

/// How often entries left behind by others are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(400);

/// Events that a sweep asks for at once.
const SWEEP_PAGE: i32 = 1_000;

/// Events whose journals a sweep reads side by side.
const SWEEPS_MAX: usize = 8;

/// Events that one bulk write trims: large enough to spare round trips, small enough to be acknowledged in good time.
const TRIM_EVENTS: usize = 250;

/// Trims that are under way at once, in connections that commits need too.
const TRIMS_MAX: usize = 4;

/// How long a process is taken for alive after its pulse. While it has something in hand it shows one every
/// [`SWEEP_EVERY`]; what it is only slow to settle or trim is left to it. Of one that is gone the work waits as long. (One that
/// is taken for gone by mistake loses nothing: what two settle is settled once.)
const LIVES_FOR: Duration = Duration::from_secs(1);

/// Does the settler's work until its task is ended.
#[derive(Debug)]
pub(super) struct Settler {
    pub(super) deployment: Arc<Deployment>,
    pub(super) prover: Arc<Prover>,
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

    /// Trims quiet events, as long as the task lives.
    pub(super) async fn trim_forever(&self) {
        loop {
            self.trim(Instant::now() - QUIET).await;
            sleep(QUIET / 2).await;
        }
    }

    /// Sweeps, as long as the task lives. The first sweep settles everything it finds: whoever wrote it before this process
    /// started may be gone, and was most likely this one's predecessor.
    pub(super) async fn sweep_forever(&self) {
        let mut seen: Option<HashSet<(EventId, Version)>> = None;
        loop {
            if self.journals.event_count() > 0
                && let Err(why) = self.prover.pulse(&self.deployment, Instant::now() + PATIENCE).await
            {
                log::debug!("this process could not show that it lives: {why}");
            }
            let swept = self.sweep(seen.as_ref()).await;
            let pause = if swept.is_ok() { SWEEP_EVERY } else { RETRY_PAUSE };
            match swept {
                Ok(now_seen) => seen = Some(now_seen),
                Err(why) => log::debug!("a sweep failed and is tried again: {why}"),
            }
            self.journals.retry_refused();
            sleep(pause).await;
        }
    }

    /// Takes settled keys out of the events that nothing has touched since `before`: many at once, for each waits for a
    /// majority.
    pub(super) async fn trim(&self, before: Instant) {
        let mut quiet = self.journals.to_trim(before);
        let mut trims = Vec::new();
        while !quiet.is_empty() {
            let rest = quiet.split_off(TRIM_EVENTS.min(quiet.len()));
            trims.push(self.trim_together(std::mem::replace(&mut quiet, rest)));
        }
        stream::iter(trims).buffer_unordered(TRIMS_MAX).collect::<()>().await;
    }

    async fn trim_together(&self, events: Vec<(EventId, Vec<Version>)>) {
        match self.trim_events(&events).await {
            Ok(trimmed) => {
                for (event_id, keys) in trimmed {
                    self.journals.trimmed(event_id, keys);
                }
            }
            Err(why) => log::debug!(events = events.len(); "trimming failed and is tried again: {why}"),
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
            size += unsettled.entries.len() + unsettled.records.len();
            bytes += unsettled.bytes();
            chunk.push(unsettled);
            let full = queue.peek().is_none_or(|next| {
                size + next.entries.len() + next.records.len() > BULK_MAX || bytes + next.bytes() > BULK_BYTES_MAX
            });
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
            let records = unsettled.records.iter().map(|record| record.id.clone());
            let mut ids = unsettled.entries.iter().map(|entry| entry.reservation.id.to_string()).chain(records);
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
        let records: Vec<&Record> = chunk.iter().flat_map(|unsettled| unsettled.records.iter()).collect();
        let (inserted, updated, recorded) =
            tokio::join!(self.insert(&new), self.update(&changed), self.insert_records(&records));
        let mut failed = inserted?;
        failed.extend(updated?);
        failed.extend(recorded?);
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

    /// Records of operations, which never change: one whose `_id` is there is written.
    async fn insert_records(&self, records: &[&Record]) -> Result<HashMap<String, String>, CommandError> {
        let mut refused = HashMap::new();
        if records.is_empty() {
            return Ok(refused);
        }
        let mut documents = RawArrayBuf::new();
        for record in records {
            documents.push(&record.raw);
        }
        let command = rawdoc! { "insert": OPERATIONS, "ordered": false, "documents": documents };
        let reply = self.deployment.write(command, Instant::now() + PATIENCE).await?;
        for error in write_errors(&reply)?.into_iter().filter(|error| !error.id_exists) {
            let record = records.get(error.index).ok_or_else(|| CommandError::Unclear(error.message.clone()))?;
            refused.insert(record.id.clone(), error.message);
        }
        Ok(refused)
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

    /// Takes settled keys out of some event documents, each at the state that it has now. Returns those that are out.
    async fn trim_events<'a>(
        &self,
        events: &'a [(EventId, Vec<Version>)],
    ) -> Result<Vec<(&'a EventId, &'a [Version])>, CommandError> {
        let deadline = Instant::now() + PATIENCE;
        let stand = self.find_events(events, rawdoc! { "version": 1, "head": 1 }, deadline).await?;
        let mut updates = RawArrayBuf::new();
        let mut is_empty = true;
        for (event_id, keys) in events {
            let state = stand.get(event_id.as_str());
            let Some((version, head)) = state.and_then(|event| Some((event.get("version")?, event.get("head")?)))
            else {
                continue;
            };
            let filter = doc! { "_id": event_id.as_str(), "version": version, "head": head };
            let filter = RawDocumentBuf::try_from(&filter).map_err(|why| CommandError::Refused(why.to_string()))?;
            let mut unset = RawDocumentBuf::new();
            for key in keys {
                unset.append(super::journal_path(*key), "");
                unset.append(super::records_path(*key), "");
            }
            updates.push(rawdoc! { "q": filter, "u": { "$unset": unset } });
            is_empty = false;
        }
        if is_empty {
            return Ok(Vec::new());
        }
        let update = rawdoc! { "update": EVENTS, "ordered": false, "updates": updates };
        let reply = self.deployment.write(update, deadline).await?;
        let pairs = events.iter().map(|(event_id, keys)| (event_id, keys.as_slice()));
        if reply.get_i32("n").is_ok_and(|matched| usize::try_from(matched) == Ok(events.len())) {
            return Ok(pairs.collect());
        }
        // Some have moved on meanwhile, or were refused; the reply does not tell which.
        let keys = rawdoc! { "keys": journal_keys() };
        let stand = self.find_events(events, keys, deadline).await?;
        let is_out = |event_id: &EventId, keys: &[Version]| {
            let stands = stand.get(event_id.as_str()).and_then(|event| event.get_array("keys").ok());
            let stands: HashSet<Version> =
                stands.into_iter().flatten().filter_map(journal_key).map(|(key, _)| key).collect();
            !keys.iter().any(|key| stands.contains(key))
        };
        Ok(pairs.filter(|(event_id, keys)| is_out(event_id, keys)).collect())
    }

    /// The primary's view of some events, by their ids.
    async fn find_events(
        &self,
        events: &[(EventId, Vec<Version>)],
        fields: RawDocumentBuf,
        deadline: Instant,
    ) -> Result<HashMap<String, Document>, CommandError> {
        let mut ids = RawArrayBuf::new();
        for (event_id, _) in events {
            ids.push(event_id.as_str());
        }
        let find = rawdoc! {
            "find": EVENTS,
            "filter": { "_id": { "$in": ids } },
            "projection": fields,
            // One more than there can be, so that the server need not be asked whether there are more.
            "batchSize": i64::try_from(events.len() + 1).unwrap_or(i64::MAX),
        };
        let found = self.deployment.read(find, Concern::Local, deadline).await?;
        let by_id = |event: Document| Some((event.get_str("_id").ok()?.to_owned(), event));
        Ok(found.into_iter().filter_map(by_id).collect())
    }

    /// Queues entries that were left behind: those that stood there at the last sweep already, unless the process that made the
    /// commit shows that it lives; or all of them at the first one (`seen_before` is `None`). Returns the keys that stand there
    /// now.
    async fn sweep(
        &self,
        seen_before: Option<&HashSet<(EventId, Version)>>,
    ) -> Result<HashSet<(EventId, Version)>, StoreError> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = HashSet::new();
        let mut after = String::new();
        let mut living: Option<HashSet<String>> = None;
        loop {
            let page = self.journaled_after(&after, deadline).await?;
            let Some(last) = page.last().and_then(|event| event.get_str("_id").ok()) else { return Ok(seen) };
            after = last.to_owned();
            let living = match &mut living {
                Some(living) => &*living,
                unknown => &*unknown.insert(self.living(deadline).await?),
            };
            let mut left = Vec::new();
            for event in page {
                let Some(event_id) = event.get_str("_id").ok().and_then(|id| EventId::parse(id).ok()) else { continue };
                let mut left_here = Vec::new();
                for (key, by) in event.get_array("keys").into_iter().flatten().filter_map(journal_key) {
                    let is_left = seen_before.is_none_or(|seen| {
                        let in_other_hands = by.is_some_and(|by| living.contains(by));
                        seen.contains(&(event_id.clone(), key)) && !in_other_hands
                    });
                    if is_left && !self.journals.knows(&event_id, key) {
                        left_here.push(key);
                    }
                    seen.insert((event_id.clone(), key));
                }
                if !left_here.is_empty() {
                    left.push((event_id, left_here));
                }
            }
            let queued: Vec<_> =
                left.into_iter().map(|(event_id, keys)| self.take_over(event_id, keys, deadline)).collect();
            stream::iter(queued).buffer_unordered(SWEEPS_MAX).try_collect::<()>().await?;
        }
    }

    /// Queues what an unclear commit of this process may have left in the event's journal. Whoever is told afterwards that it
    /// was made finds it in every list from then on.
    pub(super) async fn clear_doubt(&self, event_id: &EventId, deadline: Instant) -> Result<(), StoreError> {
        if !self.journals.take_doubt(event_id) {
            return Ok(());
        }
        let cleared = async {
            let event = [(event_id.clone(), Vec::new())];
            let found = self.find_events(&event, rawdoc! { "keys": journal_keys() }, deadline).await?;
            let keys =
                found.values().filter_map(|event| event.get_array("keys").ok()).flatten().filter_map(journal_key);
            let own = keys.filter(|(_, by)| *by == Some(self.prover.process())).map(|(key, _)| key);
            let own: Vec<_> = own.filter(|key| !self.journals.knows(event_id, *key)).collect();
            if own.is_empty() {
                return Ok(());
            }
            self.queue_event(event_id, |key| own.contains(key), deadline).await
        };
        let cleared = cleared.await;
        if cleared.is_err() {
            self.journals.doubt(event_id);
        }
        cleared
    }

    /// Queues these entries of an event, which others left behind.
    async fn take_over(&self, event_id: EventId, keys: Vec<Version>, deadline: Instant) -> Result<(), StoreError> {
        let queued = self.queue_event(&event_id, |key| keys.contains(key), deadline).await;
        self.complain_once(&event_id, queued)
    }

    /// The other processes that have shown within the last moments that they live, by the database's clock.
    async fn living(&self, deadline: Instant) -> Result<HashSet<String>, CommandError> {
        let since = i64::try_from(LIVES_FOR.as_millis()).unwrap_or(i64::MAX);
        let find = rawdoc! {
            "find": PULSES,
            "filter": { "$expr": { "$gt": ["$at", { "$subtract": ["$$NOW", since] }] } },
            "projection": { "_id": 1 },
        };
        let found = self.deployment.read(find, Concern::Local, deadline).await?;
        let ids = found.iter().filter_map(|pulse| pulse.get_str("_id").ok()).filter(|id| *id != self.prover.process());
        Ok(ids.map(str::to_owned).collect())
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
            "projection": { "keys": journal_keys() },
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
        let mut records = JournalDocument::read_records(document.clone())?;
        let mut journal = JournalDocument::read(document, |_| true)?;
        // A process of an earlier version of this program takes out the reservations alone.
        for key in records.keys() {
            journal.entry(*key).or_default();
        }
        for (key, reservations) in journal.into_iter().filter(|(key, _)| wanted(key)) {
            let entry = |reservation: &Arc<_>| {
                let raw = ReservationDocument::raw(reservation)?;
                Ok(Entry { reservation: reservation.clone(), raw })
            };
            let entries: bson::error::Result<Arc<[Entry]>> = reservations.iter().map(entry).collect();
            let entries = entries.map_err(|why| StoreError::Unreadable(format!("event {event_id}: {why}")))?;
            log::debug!(event_id:%, version = key.0, entries = entries.len(); "settling entries left in the journal");
            let records = records.remove(&key).unwrap_or_default().into_iter().map(|raw| {
                let id = raw.get_str("_id").map(str::to_owned);
                id.map(|id| Record { id, raw })
            });
            let records: Result<Arc<[Record]>, _> = records.collect();
            let records = records.map_err(|why| StoreError::Unreadable(format!("event {event_id}: {why}")))?;
            let trimmed = Trimmed::default();
            self.journals.enqueue(Unsettled { event_id: event_id.clone(), key, entries, records, trimmed });
        }
        Ok(())
    }
}

/// What gives the keys of an event's journal, each as [`journal_key`] reads it.
fn journal_keys() -> RawDocumentBuf {
    rawdoc! { "$map": {
        // A commit's records lie under the same key, for longer if an earlier version of this program took out the rest.
        "input": { "$concatArrays": [
            { "$objectToArray": { "$ifNull": ["$journal", {}] } },
            { "$objectToArray": { "$ifNull": ["$records", {}] } },
        ] },
        "in": { "key": "$$this.k", "by": "$$this.v.by" },
    } }
}

/// A key of a journal, and the process that made its commit if that is told.
fn journal_key(key: &bson::Bson) -> Option<(Version, Option<&str>)> {
    let key = key.as_document()?;
    Some((Version(key.get_str("key").ok()?.parse().ok()?), key.get_str("by").ok()))
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
