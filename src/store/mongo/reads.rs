//! Reads of one event, of one reservation, and of one place on the waitlist.

use std::sync::Arc;

use bson::{Bson, Document, RawDocument, RawDocumentBuf, rawdoc};
use tokio::time::Instant;

use super::{
    MongoStore,
    deployment::{Concern, Deployment},
    documents::{Beside, EventDocument, JournalDocument, ReservationDocument},
    lists::{count_in, look_up},
    overlay::Newest,
    queries,
    schema::{EVENTS, RESERVATIONS},
};
use crate::{
    domain::{EventId, Reservation, ReservationId, Status, Version},
    store::{Snapshot, StoreError},
};

impl MongoStore {
    /// Finds one event with the fields of `projection`, through the connections of `deployment`.
    pub(super) async fn find_event(
        &self,
        deployment: &Arc<Deployment>,
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
            Concern::Linearizable => self.prover.read(deployment, query, deadline).await,
            concern => deployment.read(query, concern, deadline).await,
        };
        Ok(found?.into_iter().next())
    }

    /// Finds one event, with the keys of its journal if they are wanted.
    pub(super) async fn find_snapshot(
        &self,
        deployment: &Arc<Deployment>,
        event_id: &EventId,
        journal_keys: bool,
        concern: Concern,
        deadline: Instant,
    ) -> Result<Option<Snapshot>, StoreError> {
        if self.maps.has(event_id) {
            let beside = Beside { seat_map: false, journal_keys };
            let found = self.find_event(deployment, event_id, beside.projection(), concern, deadline).await?;
            let Some(document) = found else { return Ok(None) };
            if let Some(snapshot) = self.read_event(event_id, document)? {
                return Ok(Some(snapshot));
            }
            // The layout that is known is of another event that had this id.
        }
        let beside = Beside { seat_map: true, journal_keys };
        let found = self.find_event(deployment, event_id, beside.projection(), concern, deadline).await?;
        let Some(document) = found else { return Ok(None) };
        let without_map = || StoreError::Unreadable(format!("events {event_id}: there are seats without a seatMap"));
        self.read_event(event_id, document)?.ok_or_else(without_map).map(Some)
    }

    fn read_event(&self, event_id: &EventId, document: bson::Document) -> Result<Option<Snapshot>, StoreError> {
        let read = EventDocument::read(document, &self.maps, &self.damage);
        match &read {
            Ok(_) => self.damage.is_mended(event_id),
            Err(StoreError::Unreadable(why)) => self.damage.of_event(event_id, why),
            Err(_) => {}
        }
        read
    }

    /// Those entries of an event's journal that are `wanted`, by a look at their documents.
    pub(super) async fn journal_entries(
        &self,
        event_id: &EventId,
        wanted: impl Fn(&RawDocument) -> bool,
        concern: Concern,
        deadline: Instant,
    ) -> Result<Vec<Arc<Reservation>>, StoreError> {
        Ok(self.journal_at_version(event_id, wanted, concern, deadline).await?.1)
    }

    /// The same, with the event's version; none if there is no such event.
    pub(super) async fn journal_at_version(
        &self,
        event_id: &EventId,
        wanted: impl Fn(&RawDocument) -> bool,
        concern: Concern,
        deadline: Instant,
    ) -> Result<(Option<Version>, Vec<Arc<Reservation>>), StoreError> {
        let found = self.find_event(&self.readers, event_id, JournalDocument::projection(), concern, deadline).await?;
        let Some(document) = found else { return Ok((None, Vec::new())) };
        let version = document.get_i64("version").ok().map(Version);
        let journal = JournalDocument::read(document, wanted)?;
        Ok((version, journal.into_values().flatten().collect()))
    }

    /// One reservation: first the event's journal, then the collection, and the newer state of the two. Entries only
    /// ever move from the journal to the collection, so this order cannot miss one.
    pub(super) async fn find_reservation(
        &self,
        id: &ReservationId,
        journal: Concern,
        collection: Concern,
        deadline: Instant,
    ) -> Result<Option<Arc<Reservation>>, StoreError> {
        let wanted = id.to_string();
        let has_id = |entry: &RawDocument| entry.get_str("_id").is_ok_and(|id| id == wanted);
        let mut found = self.journal_entries(&id.event_id, has_id, journal, deadline).await?;
        let query = rawdoc! {
            "find": RESERVATIONS,
            "filter": { "_id": wanted.as_str(), "eventId": id.event_id.as_str() },
            "singleBatch": true,
        };
        for document in self.readers.read(query, collection, deadline).await? {
            found.push(Arc::new(ReservationDocument::read(document)?));
        }
        Ok(found.into_iter().max_by_key(|reservation| reservation.version))
    }

    /// How many wait since before those joined who joined at the versions `joined`, which ascend, and themselves; in the order of
    /// [`MongoStore::find_reservation`].
    ///
    /// Reservations of the journal are counted there and not in the collection, which may have them as they were. They are
    /// told apart by the version that made them, which the index knows. `None` when the collection has `rows_max` of them.
    pub(super) async fn find_waitlist_positions(
        &self,
        event_id: &EventId,
        joined: &[Version],
        rows_max: usize,
        deadline: Instant,
    ) -> Result<Option<Vec<u32>>, StoreError> {
        let Some(&last) = joined.last() else { return Ok(Some(Vec::new())) };
        let older = |entry: &RawDocument| entry.get_i64("createdVersion").is_ok_and(|version| version < last.0);
        let mut journal = self.journal_entries(event_id, older, Concern::Majority, deadline).await?;
        let waited =
            |entry: &Arc<Reservation>| entry.operations.iter().any(|operation| operation.status == Status::Waitlisted);
        journal.retain(waited);
        let mut journal = Newest::of(journal);
        let others: Vec<_> = journal.iter().map(|entry| entry.created_version).collect();
        let query = match joined {
            [one] => queries::waiting_before(event_id, *one, &others, rows_max),
            several => queries::waiting_between(event_id, several, &others, rows_max),
        };
        let counted = self.readers.read(query, Concern::Majority, deadline).await?;
        let in_collection: Vec<_> = counted.iter().map(waiting_since).collect::<Result<_, _>>()?;
        if in_collection.iter().map(|(_, count)| count).sum::<usize>() >= rows_max {
            return Ok(None);
        }
        let waiting = |journal: &Newest| -> Vec<_> {
            journal.iter().filter(|entry| entry.status == Status::Waitlisted).cloned().collect()
        };
        let doubtful: Vec<_> = waiting(&journal).iter().map(|entry| entry.id.clone()).collect();
        for state in look_up(&self.readers, &doubtful, Concern::Majority, deadline).await? {
            journal.learn(state);
        }
        let in_journal = waiting(&journal);
        let position = |joined: &Version| {
            let settled: usize = in_collection.iter().filter(|(since, _)| since < joined).map(|(_, count)| count).sum();
            let others = in_journal.iter().filter(|entry| entry.created_version < *joined).count();
            u32::try_from(settled.saturating_add(others).saturating_add(1)).unwrap_or(u32::MAX)
        };
        Ok(Some(joined.iter().map(position).collect()))
    }
}

/// How many joined since which version; those of a single count did so since the first one.
fn waiting_since(counted: &Document) -> Result<(Version, usize), StoreError> {
    let since = match counted.get("_id") {
        None => 0,
        Some(Bson::Int32(since)) => i64::from(*since),
        Some(Bson::Int64(since)) => *since,
        Some(_) => return Err(StoreError::Unreadable(format!("a count came as {counted}"))),
    };
    Ok((Version(since), count_in(counted)?))
}
