//! Reads of one event, of one reservation, and of one place on the waitlist.

use std::sync::Arc;

use bson::{Bson, RawDocument, RawDocumentBuf, rawdoc};
use tokio::time::Instant;

use super::{
    MongoStore,
    deployment::Concern,
    documents::{Beside, EventDocument, JournalDocument, ReservationDocument},
    lists::look_up,
    overlay::Newest,
    queries,
    schema::{EVENTS, RESERVATIONS},
};
use crate::{
    domain::{EventId, Reservation, ReservationId, Status},
    store::{Snapshot, StoreError},
};

impl MongoStore {
    /// Finds one event with the fields of `projection`.
    pub(super) async fn find_event(
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

    /// Finds one event, with the keys of its journal if they are wanted.
    pub(super) async fn find_snapshot(
        &self,
        event_id: &EventId,
        journal_keys: bool,
        concern: Concern,
        deadline: Instant,
    ) -> Result<Option<Snapshot>, StoreError> {
        if self.maps.has(event_id) {
            let beside = Beside { seat_map: false, journal_keys };
            let found = self.find_event(event_id, beside.projection(), concern, deadline).await?;
            let Some(document) = found else { return Ok(None) };
            if let Some(snapshot) = EventDocument::read(document, &self.maps)? {
                return Ok(Some(snapshot));
            }
            // The layout that is known is of another event that had this id.
        }
        let beside = Beside { seat_map: true, journal_keys };
        let found = self.find_event(event_id, beside.projection(), concern, deadline).await?;
        let Some(document) = found else { return Ok(None) };
        let without_map = || StoreError::Unreadable(format!("events {event_id}: there are seats without a seatMap"));
        EventDocument::read(document, &self.maps)?.ok_or_else(without_map).map(Some)
    }

    /// Those entries of an event's journal that are `wanted`, by a look at their documents.
    pub(super) async fn journal_entries(
        &self,
        event_id: &EventId,
        wanted: impl Fn(&RawDocument) -> bool,
        concern: Concern,
        deadline: Instant,
    ) -> Result<Vec<Arc<Reservation>>, StoreError> {
        let found = self.find_event(event_id, JournalDocument::projection(), concern, deadline).await?;
        let Some(document) = found else { return Ok(Vec::new()) };
        let journal = JournalDocument::read(document, wanted)?;
        Ok(journal.into_values().flatten().collect())
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
        for document in self.deployment.read(query, collection, deadline).await? {
            found.push(Arc::new(ReservationDocument::read(document)?));
        }
        Ok(found.into_iter().max_by_key(|reservation| reservation.version))
    }

    /// How many wait since before `reservation` joined, and itself; in the order of [`MongoStore::find_reservation`].
    ///
    /// Reservations of the journal are counted there and not in the collection, which may have them as they were. They are
    /// told apart by the version that made them, which the index knows.
    pub(super) async fn find_waitlist_position(
        &self,
        reservation: &Reservation,
        deadline: Instant,
    ) -> Result<u32, StoreError> {
        let event_id = &reservation.id.event_id;
        let before = reservation.created_version;
        let older = |entry: &RawDocument| entry.get_i64("createdVersion").is_ok_and(|version| version < before.0);
        let mut journal = self.journal_entries(event_id, older, Concern::Majority, deadline).await?;
        let waited =
            |entry: &Arc<Reservation>| entry.operations.iter().any(|operation| operation.status == Status::Waitlisted);
        journal.retain(waited);
        let mut journal = Newest::of(journal);
        let others: Vec<_> = journal.iter().map(|entry| entry.created_version).collect();
        let query = queries::waiting_before(event_id, before, &others);
        let counted = self.deployment.read(query, Concern::Majority, deadline).await?;
        let in_collection = match counted.first().map(|counted| counted.get("waiting")) {
            None => 0,
            Some(Some(Bson::Int32(count))) => i64::from(*count),
            Some(Some(Bson::Int64(count))) => *count,
            Some(other) => return Err(StoreError::Unreadable(format!("a count came as {other:?}"))),
        };
        let waiting = |journal: &Newest| -> Vec<_> {
            let waiting = journal.iter().filter(|entry| entry.status == Status::Waitlisted);
            waiting.map(|entry| entry.id.clone()).collect()
        };
        let doubtful = waiting(&journal);
        for state in look_up(&self.deployment, &doubtful, Concern::Majority, deadline).await? {
            journal.learn(state);
        }
        let in_journal = waiting(&journal).len();
        let ahead = usize::try_from(in_collection).unwrap_or_default().saturating_add(in_journal);
        Ok(u32::try_from(ahead.saturating_add(1)).unwrap_or(u32::MAX))
    }
}
