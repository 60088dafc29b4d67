//! Events and reservations in MongoDB: a replica set, a sharded cluster, or, with less safety, a standalone server.
//!
//! The commit protocol is described in `docs/design.md`; its five rules have their homes here: committing on version and head
//! ([`commit`]), proof by linearizable reads ([`proof`]), settling and trimming ([`settler`], [`journal`]), and telling
//! unclear outcomes from failures ([`deployment`]). Deciding again is the service's part. What is read beside the event,
//! [`facts`] and [`lists`], is the collection with the journal over it ([`overlay`]).

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use bson::{RawArrayBuf, raw::CString, rawdoc};
use jiff::Timestamp;
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

use self::{
    clock::PrimaryClock,
    deployment::{Concern, Deployment, write_errors},
    documents::{CreationDocument, EventDocument, check_event},
    journal::Journals,
    proof::Prover,
    schema::{EVENTS, OPERATIONS},
    seat_maps::SeatMaps,
    settler::Settler,
};
use super::{
    Base, CommitError, Creation, Damage, DuePage, DuePlace, EventStore, FactsError, ReservationPage, ReservationQuery,
    Snapshot, StoreError,
};
use crate::{
    domain::{Decision, Event, EventId, EventSummary, Facts, Head, Reservation, ReservationId, Version, Wanted},
    ids,
};

mod clock;
mod commit;
mod deployment;
mod documents;
mod facts;
mod journal;
mod lists;
mod overlay;
mod proof;
mod queries;
mod reads;
mod repair;
mod schema;
mod seat_maps;
mod settler;
mod setup;
mod update;

/// The pause before an event that could not be trimmed at the end is tried again.
const CLOSE_PAUSE: Duration = Duration::from_millis(20);

/// A store on a MongoDB deployment.
pub struct MongoStore {
    deployment: Arc<Deployment>,
    /// The same for those who only read.
    readers: Arc<Deployment>,
    prover: Arc<Prover>,
    clock: Arc<PrimaryClock>,
    journals: Arc<Journals>,
    maps: SeatMaps,
    settler: Arc<Settler>,
    ready: Mutex<Option<(Instant, Result<(), StoreError>)>>,
    tasks: Mutex<JoinSet<()>>,
    warned: std::sync::Mutex<HashSet<&'static str>>,
    damage: Damage,
}

impl MongoStore {
    /// A store on the deployment at `uri`, in the database that it names or else `ticketboss`. Must be called on the
    /// runtime that the store is to live on; call [`EventStore::close`] before that runtime ends.
    ///
    /// No server needs to be reachable yet: calls fail until one is, and work from then on.
    ///
    /// # Errors
    /// When the URI cannot be used.
    pub async fn open(uri: &str) -> Result<Self, StoreError> {
        let store = Self::idle(uri).await?;
        let mut tasks = store.tasks.lock().await;
        let settler = store.settler.clone();
        tasks.spawn(async move { settler.settle_forever().await });
        let settler = store.settler.clone();
        tasks.spawn(async move { settler.trim_forever().await });
        let settler = store.settler.clone();
        tasks.spawn(async move { settler.sweep_forever().await });
        let clock = store.clock.clone();
        tasks.spawn(async move { clock.keep_measuring().await });
        let deployment = store.deployment.clone();
        tasks.spawn(async move { repair::keep_mending(&deployment).await });
        drop(tasks);
        Ok(store)
    }

    /// Notes under which key an event is about to be made, before it is. Whether the key is free for it, now and at every retry.
    async fn claim(&self, creation: &CreationDocument, deadline: Instant) -> Result<bool, StoreError> {
        let unwritable = |why: bson::error::Error| StoreError::Unreadable(why.to_string());
        let mut documents = RawArrayBuf::new();
        documents.push(&bson::serialize_to_raw_document_buf(creation).map_err(unwritable)?);
        let reply = self.deployment.write(rawdoc! { "insert": OPERATIONS, "documents": documents }, deadline).await?;
        match write_errors(&reply)?.pop() {
            None => return Ok(true),
            Some(error) if error.id_exists => {}
            Some(error) => {
                let why = format!(
                    "MongoDB refuses the record of a key, for a rule that TicketBoss did not make: {}",
                    error.message
                );
                return Err(StoreError::Misconfigured(why));
            }
        }
        // What stands there is acknowledged by a majority: the write above waited for that.
        let find = rawdoc! { "find": OPERATIONS, "filter": { "_id": creation.id.as_str() }, "singleBatch": true };
        let found = self.deployment.read(find, Concern::Local, deadline).await?;
        let found = found.into_iter().next().map(CreationDocument::read).transpose()?;
        Ok(found.is_none_or(|found| found == *creation))
    }

    /// A store that does nothing by itself yet.
    async fn idle(uri: &str) -> Result<Self, StoreError> {
        let deployment = Arc::new(Deployment::connect(uri).await?);
        let readers = Arc::new(deployment.for_readers(uri).await?);
        let journals = Arc::new(Journals::default());
        let prover = Arc::new(Prover::new(ids::process()));
        let settler = Settler {
            deployment: deployment.clone(),
            prover: prover.clone(),
            journals: journals.clone(),
            unreadable: std::sync::Mutex::default(),
        };
        Ok(Self {
            prover,
            clock: Arc::new(PrimaryClock::new(deployment.clone())),
            maps: SeatMaps::default(),
            settler: Arc::new(settler),
            ready: Mutex::new(None),
            tasks: Mutex::new(JoinSet::new()),
            warned: std::sync::Mutex::default(),
            damage: Damage::default(),
            deployment,
            readers,
            journals,
        })
    }
}

#[async_trait]
impl EventStore for MongoStore {
    async fn create(&self, event: &Event, head: Head, deadline: Instant) -> Result<Creation, StoreError> {
        // Once in the life of a process, and again when something was found missing: it takes several times as long as the rest.
        if !self.deployment.schema.is_sound() {
            self.check_set_up(deadline).await?;
            schema::prepare(&self.deployment, deadline).await?;
            self.deployment.schema.prepared();
        }
        if let Some(creation) = CreationDocument::new(event)
            && !self.claim(&creation, deadline).await?
        {
            return Ok(Creation::KeyTaken);
        }
        let document = bson::serialize_to_raw_document_buf(&EventDocument::new(event, head))
            .map_err(|why| StoreError::Unreadable(why.to_string()))?;
        check_event(event, &document).map_err(StoreError::Unreadable)?;
        let mut documents = RawArrayBuf::new();
        documents.push(&document);
        let reply = self.deployment.write(rawdoc! { "insert": EVENTS, "documents": documents }, deadline).await?;
        match write_errors(&reply)?.pop() {
            None => Ok(Creation::Created),
            Some(error) if error.id_exists => Ok(Creation::Existed),
            Some(error) => Err(StoreError::Misconfigured(format!(
                "MongoDB refuses the event {}, for a rule or an index that TicketBoss did not make: {}",
                event.id, error.message
            ))),
        }
    }

    async fn load(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Snapshot>, StoreError> {
        self.find_snapshot(&self.deployment, event_id, true, Concern::Local, deadline).await
    }

    async fn facts(&self, snapshot: &Snapshot, wanted: &Wanted, deadline: Instant) -> Result<Facts, FactsError> {
        facts::gather(&self.deployment, snapshot, wanted, deadline).await
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
        let found = self.find_event(&self.deployment, event_id, fields, Concern::Linearizable, deadline).await?;
        let head = bson::Bson::from(head_value(base.head));
        let proven = found.is_some_and(|event| {
            event.get_i64("version").is_ok_and(|version| version == base.version.0) && event.get("head") == Some(&head)
        });
        if proven {
            self.settler.clear_doubt(event_id, deadline).await?;
        }
        Ok(proven)
    }

    async fn event(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Event>, StoreError> {
        let mut found = self.find_snapshot(&self.readers, event_id, false, Concern::Majority, deadline).await?;
        if found.is_none() {
            // A majority's snapshot may lag after a failover; "there is none" needs proof.
            found = self.find_snapshot(&self.readers, event_id, false, Concern::Linearizable, deadline).await?;
        }
        Ok(found.map(|snapshot| snapshot.event))
    }

    async fn reservation(&self, id: &ReservationId, deadline: Instant) -> Result<Option<Arc<Reservation>>, StoreError> {
        let mut found = self.find_reservation(id, Concern::Majority, Concern::Majority, deadline).await?;
        if found.is_none() {
            // As above. After the linearizable read the primary itself is known to hold all that was settled before.
            found = self.find_reservation(id, Concern::Linearizable, Concern::Local, deadline).await?;
        }
        Ok(found)
    }

    async fn waitlist_positions(
        &self,
        event_id: &EventId,
        joined: &[Version],
        rows_max: usize,
        deadline: Instant,
    ) -> Result<Option<Vec<u32>>, StoreError> {
        self.find_waitlist_positions(event_id, joined, rows_max, deadline).await
    }

    async fn events(
        &self,
        after: Option<&EventId>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<EventSummary>, StoreError> {
        self.list_events(after, limit, deadline).await
    }

    async fn reservations(
        &self,
        query: &ReservationQuery,
        rows_max: usize,
        deadline: Instant,
    ) -> Result<ReservationPage, StoreError> {
        self.list_reservations(query, rows_max, deadline).await
    }

    async fn due(
        &self,
        now: Timestamp,
        after: Option<&DuePlace>,
        limit: usize,
        deadline: Instant,
    ) -> Result<DuePage, StoreError> {
        self.due_events(now, after, limit, deadline).await
    }

    async fn now(&self, deadline: Instant) -> Result<Timestamp, StoreError> {
        self.clock.now(deadline).await
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn unreadable(&self) -> Vec<EventId> {
        self.damage.events()
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
        let refused = self.journals.refused_count();
        if refused > 0 {
            log::warn!(commits = refused; "what MongoDB refuses to settle stays in the journals of its events");
        }
        self.tasks.lock().await.shutdown().await;
        self.readers.shutdown().await;
        self.deployment.shutdown().await;
    }
}

/// Where a journal key stands in an event document.
fn journal_path(key: Version) -> CString {
    CString::try_from(format!("journal.{key}")).expect("a number holds no NUL byte")
}

/// Where the records of the same commit stand.
fn records_path(key: Version) -> CString {
    CString::try_from(format!("records.{key}")).expect("a number holds no NUL byte")
}

/// A head as it stands in an event document.
fn head_value(head: Head) -> bson::Binary {
    bson::Uuid::from(head.0).into()
}

#[cfg(test)]
#[path = "../../../tests/support/mongod/mod.rs"]
mod mongod;

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "readers_tests.rs"]
mod readers_tests;
