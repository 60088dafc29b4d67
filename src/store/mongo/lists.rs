//! Lists that the collection and the journal give together, and lists of events.

use std::{collections::HashSet, sync::Arc};

use bson::{RawDocument, RawDocumentBuf};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    MongoStore,
    deployment::{Concern, Deployment},
    documents::{ReservationDocument, SummaryDocument},
    overlay::{Newest, doubtful, overlay},
    queries::{self, Paged},
};
use crate::{
    domain::{EventId, EventSummary, Reservation, ReservationId},
    store::{ReservationQuery, Scope, StoreError},
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
        let doubtful: Vec<_> = doubtful(&known, &rows).filter(|id| looked_up.insert(id.clone())).collect();
        if doubtful.is_empty() {
            return Ok(known);
        }
        for state in look_up(deployment, &doubtful, concern, deadline).await? {
            journal.learn(state);
        }
    }
}

/// The reservations that have these ids, as the collection has them.
pub(super) async fn look_up(
    deployment: &Deployment,
    ids: &[ReservationId],
    concern: Concern,
    deadline: Instant,
) -> Result<Vec<Arc<Reservation>>, StoreError> {
    let mut found = Vec::new();
    for ids in ids.chunks(PAGE_MAX) {
        found.extend(read(deployment, queries::named(ids), concern, deadline).await?);
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
        let journal = match &query.scope {
            Scope::Event(event_id) => self.journal_entries(event_id, |_| true, Concern::Majority, deadline).await?,
            Scope::PartnerOfEvent(partner_id, event_id) => {
                let is_partners = |entry: &RawDocument| {
                    entry.get_str("partnerId").is_ok_and(|partner| partner == partner_id.as_str())
                };
                self.journal_entries(event_id, is_partners, Concern::Majority, deadline).await?
            }
            // Of all events together only what this process has in hand is known: what it acknowledged and has not settled yet.
            Scope::Partner(partner_id) => self.journals.unsettled_of(partner_id),
        };
        let journal = Newest::of(journal);
        first_of(&self.deployment, query, &journal, query.limit, Concern::Majority, deadline).await
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
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<EventId>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let found = self.deployment.read(queries::due(now, limit), Concern::Majority, deadline).await?;
        let id = |event: &bson::Document| {
            let id = EventId::parse(event.get_str("_id").unwrap_or_default());
            id.map_err(|why| StoreError::Unreadable(format!("events: _id {why}")))
        };
        found.iter().map(id).collect()
    }
}
