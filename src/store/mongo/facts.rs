//! Facts: what a decision needs to know beside its event, as it stands at the event's snapshot.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bson::{Document, rawdoc};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    deployment::{Concern, Deployment},
    documents::{JournalDocument, RecordDocument, record_id},
    lists::{first_of, look_up, read},
    overlay::{Listing, Newest, overlay},
    queries::{self, Active, Holds, Paged, Waitlist},
};
use crate::{
    domain::{Facts, OperationRecord, PartnerId, Reservation, ReservationId, Wanted},
    store::{FactsError, Snapshot, StoreError},
};

/// Reads the facts. The journal was read before, so what it does not hold is in the collection, and what is newer than the
/// snapshot shows as such. Only what has left a list since then is missing without a trace, so after lists were read the
/// event is looked at once more. (Nothing could be committed or proven on such a snapshot anyway.)
pub(super) async fn gather(
    deployment: &Deployment,
    snapshot: &Snapshot,
    wanted: &Wanted,
    deadline: Instant,
) -> Result<Facts, FactsError> {
    if wanted.is_empty() {
        return Ok(Facts::default());
    }
    let journal = Newest::of(match snapshot.journal.entries() {
        Some(entries) => entries,
        None => journal_at(deployment, snapshot, deadline).await?,
    });
    let ask = Ask { deployment, snapshot, journal: &journal, deadline };
    let event = &snapshot.event;
    let (waitlist, holds) = (Waitlist(&event.id), Holds(&event.id));
    let (operations, reservations, waitlist, holds, partners) = tokio::try_join!(
        ask.recorded(&wanted.operations),
        ask.named(&wanted.reservations),
        ask.front(&waitlist, wanted.waitlist.min(event.waitlist_count as usize)),
        ask.front(&holds, wanted.holds.min(event.hold_count as usize)),
        ask.partners(&wanted.partners),
    )?;
    if !(waitlist.is_empty() && holds.is_empty() && partners.is_empty()) {
        ask.still_there().await?;
    }
    Ok(Facts { reservations, operations, waitlist, holds, partners })
}

/// The entries of the event's journal at the snapshot. Some that the snapshot counts may have left it since, for the
/// collection; none can have been added while the event is at the base.
async fn journal_at(
    deployment: &Deployment,
    snapshot: &Snapshot,
    deadline: Instant,
) -> Result<Vec<Arc<Reservation>>, FactsError> {
    let query = queries::at_base(snapshot, JournalDocument::projection());
    let found = deployment.read(query, Concern::Local, deadline).await.map_err(StoreError::from)?;
    let document = found.into_iter().next().ok_or(FactsError::Stale)?;
    Ok(JournalDocument::read(document, |_| true)?.into_values().flatten().collect())
}

struct Ask<'a> {
    deployment: &'a Deployment,
    snapshot: &'a Snapshot,
    journal: &'a Newest,
    deadline: Instant,
}

impl Ask<'_> {
    async fn named(&self, uuids: &[Uuid]) -> Result<HashMap<Uuid, Arc<Reservation>>, FactsError> {
        let event_id = &self.snapshot.event.id;
        let ids: HashSet<Uuid> = uuids.iter().copied().collect();
        let ids: Vec<_> = ids.into_iter().map(|uuid| ReservationId { event_id: event_id.clone(), uuid }).collect();
        let found = look_up(self.deployment, &ids, Concern::Local, self.deadline).await?;
        let mut named: HashMap<_, _> =
            found.into_iter().map(|reservation| (reservation.id.uuid, reservation)).collect();
        for entry in ids.iter().filter_map(|id| self.journal.find(id)) {
            let known = named.entry(entry.id.uuid).or_insert_with(|| entry.clone());
            if known.version < entry.version {
                *known = entry.clone();
            }
        }
        self.not_stale(named.values())?;
        Ok(named)
    }

    /// Records of operations. They never change, so it does not matter where one is found; but those of the journal are looked at
    /// first, for records only ever move from there to the collection.
    async fn recorded(&self, uuids: &[Uuid]) -> Result<HashMap<Uuid, Arc<OperationRecord>>, FactsError> {
        if uuids.is_empty() {
            return Ok(HashMap::new());
        }
        let event_id = &self.snapshot.event.id;
        let ids: HashSet<_> = uuids.iter().map(|uuid| record_id(event_id, *uuid)).collect();
        let query = queries::at_base(self.snapshot, JournalDocument::records_projection());
        let carried = self.deployment.read(query, Concern::Local, self.deadline).await.map_err(StoreError::from)?;
        let carried = JournalDocument::read_records(carried.into_iter().next().ok_or(FactsError::Stale)?)?;
        let mut found: Vec<Document> = Vec::new();
        for record in carried.into_values().flatten() {
            if record.get_str("_id").is_ok_and(|id| ids.contains(id)) {
                found.push(Document::try_from(record).map_err(|why| StoreError::Unreadable(why.to_string()))?);
            }
        }
        let query = queries::recorded(event_id, ids.iter().map(String::as_str));
        found.extend(self.deployment.read(query, Concern::Local, self.deadline).await.map_err(StoreError::from)?);
        let records: Vec<_> = found.into_iter().map(RecordDocument::read).collect::<Result<_, _>>()?;
        // A newer one is of a commit that the snapshot does not know.
        if records.iter().any(|record| record.version > self.snapshot.event.version) {
            return Err(FactsError::Stale);
        }
        Ok(records.into_iter().map(|record| (record.uuid, record)).collect())
    }

    /// The first `wanted` of a list that is known to have as many.
    async fn front<L: Paged + Sync>(&self, listing: &L, wanted: usize) -> Result<Vec<Arc<Reservation>>, FactsError> {
        let front =
            first_of(self.deployment, listing, self.journal, wanted, None, Concern::Local, self.deadline).await?;
        self.not_stale(&front)?;
        if front.len() < wanted { Err(FactsError::Stale) } else { Ok(front) }
    }

    async fn partners(&self, partners: &[PartnerId]) -> Result<HashMap<PartnerId, Vec<Arc<Reservation>>>, FactsError> {
        if partners.is_empty() {
            return Ok(HashMap::new());
        }
        let event_id = &self.snapshot.event.id;
        let active = Active::new(event_id, partners);
        let in_journal = self.journal.iter().filter(|entry| active.lists(entry)).map(|entry| entry.id.clone());
        let in_journal: Vec<_> = in_journal.collect();
        let (rows, looked_up) = tokio::try_join!(
            read(self.deployment, active.all(), Concern::Local, self.deadline),
            look_up(self.deployment, &in_journal, Concern::Local, self.deadline),
        )?;
        let mut journal = self.journal.clone();
        for state in looked_up {
            journal.learn(state);
        }
        let active = overlay(&active, &rows, false, &journal);
        self.not_stale(&active)?;
        let mut by_partner: HashMap<_, Vec<_>> = partners.iter().map(|partner| (partner.clone(), Vec::new())).collect();
        for reservation in active {
            by_partner.entry(reservation.partner_id.clone()).or_default().push(reservation);
        }
        Ok(by_partner)
    }

    /// Makes sure that the event is still at the snapshot.
    async fn still_there(&self) -> Result<(), FactsError> {
        let found = self
            .deployment
            .read(queries::at_base(self.snapshot, rawdoc! { "_id": 1 }), Concern::Local, self.deadline)
            .await;
        if found.map_err(StoreError::from)?.is_empty() { Err(FactsError::Stale) } else { Ok(()) }
    }

    fn not_stale<'a>(&self, reservations: impl IntoIterator<Item = &'a Arc<Reservation>>) -> Result<(), FactsError> {
        let version = self.snapshot.event.version;
        let newer = reservations.into_iter().any(|reservation| reservation.version > version);
        if newer { Err(FactsError::Stale) } else { Ok(()) }
    }
}
