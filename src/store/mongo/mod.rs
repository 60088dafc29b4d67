//! Events and reservations in MongoDB: a replica set, a sharded cluster, or, with less safety, a standalone server.
//!
//! The commit protocol is described in the README; its five rules have their homes here: committing on version and head
//! ([`commit`]), proof by linearizable reads ([`proof`]), settling and trimming ([`settler`], [`journal`]), and telling
//! unclear outcomes from failures ([`deployment`]). Deciding again is the service's part.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bson::{RawArrayBuf, RawDocumentBuf, raw::CString, rawdoc};
use jiff::Timestamp;
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

use self::{
    clock::PrimaryClock,
    deployment::{CommandError, Concern, Deployment, Kind, write_errors},
    documents::{EventDocument, ReservationDocument},
    journal::Journals,
    proof::Prover,
    schema::{EVENTS, RESERVATIONS},
    settler::Settler,
};
use super::{Base, CommitError, Creation, EventStore, FactsError, ReservationQuery, Snapshot, StoreError};
use crate::{
    clock::Clock,
    domain::{Decision, Event, EventId, EventSummary, Facts, Head, Reservation, ReservationId, Version, Wanted},
    ids,
};

mod clock;
mod commit;
mod deployment;
mod documents;
mod journal;
mod proof;
mod schema;
mod settler;

/// How old an answer to "are you ready" may be, so that many probes cost one write.
const READY_FOR: Duration = Duration::from_millis(250);

/// How long a probe may take; an orchestrator's own limit is often one second.
const READY_PATIENCE: Duration = Duration::from_millis(900);

/// The pause before an event that could not be trimmed at the end is tried again.
const CLOSE_PAUSE: Duration = Duration::from_millis(20);

/// A store on a MongoDB deployment.
pub struct MongoStore {
    deployment: Arc<Deployment>,
    prover: Arc<Prover>,
    clock: Arc<PrimaryClock>,
    journals: Arc<Journals>,
    settler: Arc<Settler>,
    ready: Mutex<Option<(Instant, Result<(), StoreError>)>>,
    tasks: Mutex<JoinSet<()>>,
    warned: std::sync::Mutex<HashSet<&'static str>>,
}

impl MongoStore {
    /// A store on the deployment at `uri`, in the database that it names or else `ticketboss`. Must be called on the
    /// runtime that the store is to live on; call [`EventStore::close`] before that runtime ends.
    ///
    /// No server needs to be reachable yet: calls fail until one is, and work from then on.
    ///
    /// # Errors
    /// When the URI cannot be used.
    pub async fn open(uri: &str, machine: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let deployment = Arc::new(Deployment::connect(uri).await?);
        let journals = Arc::new(Journals::default());
        let settler = Settler {
            deployment: deployment.clone(),
            journals: journals.clone(),
            unreadable: std::sync::Mutex::default(),
        };
        let store = Self {
            prover: Arc::new(Prover::new(ids::process())),
            clock: Arc::new(PrimaryClock::new(machine)),
            settler: Arc::new(settler),
            ready: Mutex::new(None),
            tasks: Mutex::new(JoinSet::new()),
            warned: std::sync::Mutex::default(),
            deployment,
            journals,
        };
        let mut tasks = store.tasks.lock().await;
        let settler = store.settler.clone();
        tasks.spawn(async move { settler.settle_forever().await });
        let settler = store.settler.clone();
        tasks.spawn(async move { settler.tidy_forever().await });
        let (clock, deployment) = (store.clock.clone(), store.deployment.clone());
        tasks.spawn(async move {
            loop {
                // A failed measurement leaves the last offset standing; the clocks do not part that fast.
                let _ = clock.measure(&deployment, Instant::now() + clock::MEASURE_EVERY).await;
                sleep(clock::MEASURE_EVERY).await;
            }
        });
        drop(tasks);
        Ok(store)
    }

    /// Finds one event with the fields of `projection`.
    async fn find_event(
        &self,
        event_id: &EventId,
        projection: RawDocumentBuf,
        concern: Concern,
        deadline: Instant,
    ) -> Result<Option<bson::Document>, StoreError> {
        let query = rawdoc! {
            "find": EVENTS,
            "filter": { "_id": event_id.as_str() },
            "projection": projection,
            "singleBatch": true,
        };
        let found = match concern {
            Concern::Linearizable => self.prover.read(&self.deployment, query, deadline).await,
            concern => self.deployment.read(query, concern, deadline).await,
        };
        Ok(found?.into_iter().next())
    }

    /// One reservation: first the event's journal, then the collection, and the newer state of the two. Entries only
    /// ever move from the journal to the collection, so this order cannot miss one.
    async fn find_reservation(
        &self,
        id: &ReservationId,
        journal: Concern,
        collection: Concern,
        deadline: Instant,
    ) -> Result<Option<Reservation>, StoreError> {
        let entries_of_id = rawdoc! {
            "entries": { "$reduce": {
                "input": { "$objectToArray": "$journal" },
                "initialValue": [],
                "in": { "$concatArrays": ["$$value", { "$filter": {
                    "input": "$$this.v",
                    "cond": { "$eq": ["$$this._id", { "$literal": id.to_string() }] },
                } }] },
            } },
        };
        let mut found = Vec::new();
        if let Some(mut event) = self.find_event(&id.event_id, entries_of_id, journal, deadline).await?
            && let Some(bson::Bson::Array(entries)) = event.remove("entries")
        {
            found.extend(entries.into_iter().filter_map(|entry| match entry {
                bson::Bson::Document(entry) => Some(entry),
                _ => None,
            }));
        }
        let query = rawdoc! {
            "find": RESERVATIONS,
            "filter": { "_id": id.to_string(), "eventId": id.event_id.as_str() },
            "singleBatch": true,
        };
        found.extend(self.deployment.read(query, collection, deadline).await?);
        let mut newest: Option<Reservation> = None;
        for document in found {
            let reservation = ReservationDocument::read(document)?;
            if newest.as_ref().is_none_or(|newest| newest.version < reservation.version) {
                newest = Some(reservation);
            }
        }
        Ok(newest)
    }

    /// Makes sure that the deployment can acknowledge a commit, and says what it lacks.
    async fn check_set_up(&self, deadline: Instant) -> Result<(), StoreError> {
        if self.deployment.kind(deadline).await? == Kind::Standalone {
            self.warn_once(
                "MONGO_URI leads to a standalone server: what it acknowledged is lost with its disk, and there is no \
                 failover. A replica set is the safer choice.",
            );
        }
        let arbiter = self.deployment.has_arbiter(deadline).await?;
        if arbiter {
            self.warn_once(
                "MONGO_URI leads to a replica set with an arbiter: when one of its data-bearing nodes is down, no \
                 majority can acknowledge a write, and writes get 503. Three data-bearing nodes are the safer choice.",
            );
        }
        match self.prover.pulse(&self.deployment, deadline).await {
            Err(CommandError::Unclear(why)) if arbiter => {
                Err(StoreError::Misconfigured(format!("{why}; the set has an arbiter, which keeps no data")))
            }
            outcome => Ok(outcome?),
        }
    }

    /// Logs what is said at every try to open the event, once.
    fn warn_once(&self, what: &'static str) {
        if self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(what) {
            log::warn!("{what}");
        }
    }

    /// Probes the deployment, for the caller and for whoever asks soon after.
    async fn probe(&self) -> Result<(), StoreError> {
        let mut ready = self.ready.lock().await;
        if let Some((at, answer)) = &*ready
            && at.elapsed() < READY_FOR
        {
            return answer.clone();
        }
        let answer = self.prover.pulse(&self.deployment, Instant::now() + READY_PATIENCE).await;
        let answer = answer.map_err(StoreError::from);
        *ready = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[async_trait]
impl EventStore for MongoStore {
    async fn create(&self, event: &Event, head: Head, deadline: Instant) -> Result<Creation, StoreError> {
        self.check_set_up(deadline).await?;
        schema::prepare(&self.deployment, deadline).await?;
        let document = bson::serialize_to_raw_document_buf(&EventDocument::new(event, head))
            .map_err(|why| StoreError::Unreadable(why.to_string()))?;
        let mut documents = RawArrayBuf::new();
        documents.push(&document);
        let reply = self.deployment.write(rawdoc! { "insert": EVENTS, "documents": documents }, deadline).await?;
        match write_errors(&reply)?.pop() {
            None => Ok(Creation::Created),
            Some(error) if error.code == settler::DUPLICATE_KEY => Ok(Creation::Existed),
            Some(error) => Err(StoreError::Misconfigured(error.message)),
        }
    }

    async fn load(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Snapshot>, StoreError> {
        // Before the read: a key that leaves the event after it may still be in what is read.
        self.journals.loading(event_id);
        let found = self.find_event(event_id, RawDocumentBuf::new(), Concern::Local, deadline).await?;
        found.map(EventDocument::read).transpose()
    }

    async fn facts(&self, snapshot: &Snapshot, wanted: &Wanted, deadline: Instant) -> Result<Facts, FactsError> {
        let uuids = &wanted.reservations;
        let event_id = &snapshot.event.id;
        let mut ids = RawArrayBuf::new();
        for uuid in uuids {
            ids.push(ReservationId { event_id: event_id.clone(), uuid: *uuid }.to_string());
        }
        let query = rawdoc! {
            "find": RESERVATIONS,
            "filter": { "_id": { "$in": ids }, "eventId": event_id.as_str() },
            // One more than there can be, so that the server need not be asked whether there are more.
            "batchSize": i64::try_from(uuids.len() + 1).unwrap_or(i64::MAX),
        };
        let found = self.deployment.read(query, Concern::Local, deadline).await.map_err(StoreError::from)?;
        let mut facts = Facts::default();
        for document in found {
            let reservation = ReservationDocument::read(document)?;
            facts.reservations.insert(reservation.id.uuid, Arc::new(reservation));
        }
        let named: HashSet<&uuid::Uuid> = uuids.iter().collect();
        let entries = snapshot.journal.values().flat_map(|entries| entries.iter());
        for entry in entries.filter(|entry| named.contains(&entry.id.uuid)) {
            let known = facts.reservations.entry(entry.id.uuid).or_insert_with(|| entry.clone());
            if known.version < entry.version {
                *known = entry.clone();
            }
        }
        if facts.reservations.values().any(|reservation| reservation.version > snapshot.event.version) {
            return Err(FactsError::Stale);
        }
        Ok(facts)
    }

    async fn commit(
        &self,
        snapshot: &Snapshot,
        decision: &Decision,
        head: Head,
        deadline: Instant,
    ) -> Result<Snapshot, CommitError> {
        commit::commit(self, snapshot, decision, head, deadline).await
    }

    async fn prove(&self, event_id: &EventId, base: Base, deadline: Instant) -> Result<bool, StoreError> {
        let fields = rawdoc! { "version": 1, "head": 1 };
        let found = self.find_event(event_id, fields, Concern::Linearizable, deadline).await?;
        let head = bson::Bson::from(head_value(base.head));
        Ok(found.is_some_and(|event| {
            event.get_i64("version").is_ok_and(|version| version == base.version.0) && event.get("head") == Some(&head)
        }))
    }

    async fn event(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Event>, StoreError> {
        let without_journal = || rawdoc! { "journal": 0 };
        let mut found = self.find_event(event_id, without_journal(), Concern::Majority, deadline).await?;
        if found.is_none() {
            // A majority's snapshot may lag after a failover; "there is none" needs proof.
            found = self.find_event(event_id, without_journal(), Concern::Linearizable, deadline).await?;
        }
        Ok(found.map(EventDocument::read).transpose()?.map(|snapshot| snapshot.event))
    }

    async fn reservation(&self, id: &ReservationId, deadline: Instant) -> Result<Option<Arc<Reservation>>, StoreError> {
        let mut found = self.find_reservation(id, Concern::Majority, Concern::Majority, deadline).await?;
        if found.is_none() {
            // As above. After the linearizable read the primary itself is known to hold all that was settled before.
            found = self.find_reservation(id, Concern::Linearizable, Concern::Local, deadline).await?;
        }
        Ok(found.map(Arc::new))
    }

    async fn waitlist_position(&self, _: &Reservation, _: Instant) -> Result<u32, StoreError> {
        unimplemented!()
    }

    async fn events(&self, _: Option<&EventId>, _: usize, _: Instant) -> Result<Vec<EventSummary>, StoreError> {
        unimplemented!()
    }

    async fn reservations(&self, _: &ReservationQuery, _: Instant) -> Result<Vec<Arc<Reservation>>, StoreError> {
        unimplemented!()
    }

    async fn due(&self, _: Timestamp, _: usize, _: Instant) -> Result<Vec<EventId>, StoreError> {
        unimplemented!()
    }

    async fn now(&self, _: Instant) -> Result<Timestamp, StoreError> {
        Ok(self.clock.now())
    }

    async fn ready(&self, deadline: Instant) -> Result<(), StoreError> {
        let too_late = || StoreError::Unavailable("no answer in time".to_owned());
        // A cached answer would be there even when the caller's time is over.
        if Instant::now() >= deadline {
            return Err(too_late());
        }
        timeout_at(deadline, self.probe()).await.map_err(|_| too_late())?
    }

    async fn close(&self, deadline: Instant) {
        let settled = timeout_at(deadline, async {
            while !self.journals.is_done() {
                let progress = self.journals.settled.notified();
                self.settler.trim(Instant::now()).await;
                if self.journals.has_settled() {
                    // Another process keeps changing the event; it gets out of step with us soon.
                    sleep(CLOSE_PAUSE).await;
                } else if !self.journals.is_done() {
                    progress.await;
                }
            }
        });
        if settled.await.is_err() {
            log::warn!("there was no time to settle the journal; the next process to look will do it");
        }
        self.tasks.lock().await.shutdown().await;
        self.deployment.shutdown().await;
    }
}

/// Where a journal key stands in an event document.
fn journal_path(key: Version) -> CString {
    CString::try_from(format!("journal.{key}")).expect("a number holds no NUL byte")
}

/// A head as it stands in an event document.
fn head_value(head: Head) -> bson::Binary {
    bson::Uuid::from(head.0).into()
}
