//! Lists that the collection and the journal give together, and lists of events.

use std::{collections::HashSet, sync::Arc};

use bson::{RawDocument, RawDocumentBuf};
use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    MongoStore,
    deployment::{Concern, Deployment},
    documents::{ReservationDocument, SummaryDocument},
    overlay::{Newest, doubtful, overlay},
    queries::{self, Paged},
};
use crate::{
    domain::{EventId, EventSummary, Reservation},
    store::{DuePage, DuePlace, ReservationQuery, Scope, StoreError},
};

/// Rows that one query asks for at most. When the journal may hide more than these, further queries follow; in tests they
/// always do.
const PAGE_MAX: usize = if cfg!(test) { 3 } else { 4_000 };

/// The first `wanted` of a list, or all when there are fewer: the collection's rows with `journal` over them. The journal
/// must have been read before this is called, for entries only ever move from there to the collection.
pub(super) async fn first_of<L: Paged + Sync>(
    deployment: &Deployment,
    listing: &L,
    journal: &Newest,
    wanted: usize,
    concern: Concern,
    deadline: Instant,
) -> Result<Vec<Arc<Reservation>>, StoreError> {
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let mut journal = journal.clone();
    // As many rows may have to be left out.
    let hidden = journal.hidden(listing);
    let mut rows: Vec<Arc<Reservation>> = Vec::new();
    let mut truncated = true;
    let mut looked_up = HashSet::new();
    loop {
        let mut known = overlay(listing, &rows, truncated, &journal);
        if truncated && known.len() < wanted {
            let limit = wanted.saturating_add(hidden).saturating_sub(rows.len()).clamp(1, PAGE_MAX);
            let query = listing.page(rows.last().map(|row| &**row), limit);
            let page = read(deployment, query, concern, deadline).await?;
            truncated = page.len() == limit;
            rows.extend(page);
            continue;
        }
        known.truncate(wanted);
        let doubtful: Vec<_> = doubtful(&known, &rows).filter(|uuid| looked_up.insert(*uuid)).collect();
        let Some(event_id) = known.first().map(|first| &first.id.event_id).filter(|_| !doubtful.is_empty()) else {
            return Ok(known);
        };
        for state in look_up(deployment, event_id, &doubtful, concern, deadline).await? {
            journal.learn(state);
        }
    }
}

/// The reservations of an event that have these uuids, as the collection has them.
pub(super) async fn look_up(
    deployment: &Deployment,
    event_id: &EventId,
    uuids: &[Uuid],
    concern: Concern,
    deadline: Instant,
) -> Result<Vec<Arc<Reservation>>, StoreError> {
    let mut found = Vec::new();
    for uuids in uuids.chunks(PAGE_MAX) {
        found.extend(read(deployment, queries::named(event_id, uuids), concern, deadline).await?);
    }
    Ok(found)
}

/// The reservations that `query` finds.
pub(super) async fn read(
    deployment: &Deployment,
    query: RawDocumentBuf,
    concern: Concern,
    deadline: Instant,
) -> Result<Vec<Arc<Reservation>>, StoreError> {
    let found = deployment.read(query, concern, deadline).await?;
    found.into_iter().map(|document| ReservationDocument::read(document).map(Arc::new)).collect()
}

impl MongoStore {
    pub(super) async fn list_reservations(
        &self,
        query: &ReservationQuery,
        deadline: Instant,
    ) -> Result<Vec<Arc<Reservation>>, StoreError> {
        let (version, journal) = match &query.scope {
            Scope::Event(event_id) => self.journal_at_version(event_id, |_| true, Concern::Majority, deadline).await?,
            Scope::PartnerOfEvent(partner_id, event_id) => {
                let is_partners = |entry: &RawDocument| {
                    entry.get_str("partnerId").is_ok_and(|partner| partner == partner_id.as_str())
                };
                self.journal_at_version(event_id, is_partners, Concern::Majority, deadline).await?
            }
            Scope::Partner(_) => (None, Vec::new()),
        };
        let journal = Newest::of(journal);
        let mut listed = first_of(&self.deployment, query, &journal, query.limit, Concern::Majority, deadline).await?;
        // What was committed after the journal was read comes to the collection in any order. Whoever follows the list goes
        // on from its last row: that must not be one before which another is still to come.
        if let Some(version) = version {
            listed.retain(|reservation| reservation.created_version <= version);
        }
        Ok(listed)
    }

    pub(super) async fn list_events(
        &self,
        after: Option<&EventId>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<EventSummary>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let found = self.deployment.read(queries::summaries(after, limit), Concern::Majority, deadline).await?;
        found.into_iter().map(SummaryDocument::read).collect()
    }

    pub(super) async fn due_events(
        &self,
        now: Timestamp,
        after: Option<&DuePlace>,
        limit: usize,
        deadline: Instant,
    ) -> Result<DuePage, StoreError> {
        if limit == 0 {
            return Ok(DuePage::default());
        }
        let found = self.deployment.read(queries::due(now, after, limit), Concern::Majority, deadline).await?;
        let id = |event: &bson::Document| event.get_str("_id").unwrap_or_default().to_owned();
        let place = |event: &bson::Document| {
            let at = event.get_datetime("dueAt").ok().map(|at| at.timestamp_millis());
            Some(DuePlace { at: Timestamp::from_millisecond(at?).ok()?, id: id(event) })
        };
        Ok(DuePage {
            // One that cannot be read must not hide the others.
            event_ids: found.iter().filter_map(|event| EventId::parse(&id(event)).ok()).collect(),
            next: found.last().filter(|_| found.len() == limit).and_then(place),
        })
    }
}
