//! Lists that the collection and the journal give together, and lists of events.

use std::{collections::HashSet, sync::Arc};

use bson::{Bson, RawDocument, RawDocumentBuf};
use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    MongoStore,
    deployment::{Concern, Deployment},
    documents::{PlaceDocument, ReservationDocument, SummaryDocument},
    overlay::{Newest, doubtful, overlay},
    queries::{self, By, Paged, Stretch},
};
use crate::{
    domain::{EventId, EventSummary, Reservation},
    store::{Place, ReservationPage, ReservationQuery, Scope, StoreError},
};

/// Rows that one query asks for at most. When the journal may hide more than these, further queries follow; in tests they
/// always do.
const PAGE_MAX: usize = if cfg!(test) { 3 } else { 4_000 };

/// So many of an event's holds, or of those who wait, are sorted and chosen from at once; to pass over the event's list for a
/// few among a million would take longer.
const FEW: usize = if cfg!(test) { 4 } else { 256 };

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

/// What a `$count` found.
pub(super) fn counted(found: &[bson::Document]) -> Result<usize, StoreError> {
    let count = match found.first().map(|counted| counted.get("count")) {
        None => 0,
        Some(Some(Bson::Int32(count))) => i64::from(*count),
        Some(Some(Bson::Int64(count))) => *count,
        Some(other) => return Err(StoreError::Unreadable(format!("a count came as {other:?}"))),
    };
    Ok(usize::try_from(count).unwrap_or_default())
}

impl MongoStore {
    /// A page of a list of reservations. How far the list is searched is found out first, by the index alone: the part up to
    /// there is a list of its own, which the journal is laid over like over any other.
    pub(super) async fn list_reservations(
        &self,
        query: &ReservationQuery,
        rows_max: usize,
        deadline: Instant,
    ) -> Result<ReservationPage, StoreError> {
        if query.limit == 0 || query.is_over() {
            return Ok(ReservationPage::default());
        }
        let journal = match &query.scope {
            Scope::Event(event_id) => self.journal_entries(event_id, |_| true, Concern::Majority, deadline).await?,
            Scope::PartnerOfEvent(partner_id, event_id) => {
                let is_partners = |entry: &RawDocument| {
                    entry.get_str("partnerId").is_ok_and(|partner| partner == partner_id.as_str())
                };
                self.journal_entries(event_id, is_partners, Concern::Majority, deadline).await?
            }
            Scope::Partner(_) => Vec::new(),
        };
        let journal = Newest::of(journal);
        let (by, until) = match self.index_of_few(query, rows_max, deadline).await? {
            Some(index) => (By::Status(index), None),
            None if query.passes_over() => (By::Place, self.place_after(query, rows_max, deadline).await?),
            None => (By::Place, None),
        };
        let stretch = Stretch { query, until, by };
        let reservations =
            first_of(&self.readers, &stretch, &journal, query.limit, Concern::Majority, deadline).await?;
        Ok(ReservationPage::new(reservations, query.limit, stretch.until))
    }

    /// The place of the row that is `rows` rows further on the list's index; `None` when it ends before.
    async fn place_after(
        &self,
        query: &ReservationQuery,
        rows: usize,
        deadline: Instant,
    ) -> Result<Option<Place>, StoreError> {
        let found = self.readers.read(query.place_after(rows), Concern::Majority, deadline).await?;
        found.into_iter().next().map(PlaceDocument::read).transpose()
    }

    /// The index that has the status that is asked for, and so few of the event in it that it is the shorter way.
    async fn index_of_few(
        &self,
        query: &ReservationQuery,
        rows_max: usize,
        deadline: Instant,
    ) -> Result<Option<&'static str>, StoreError> {
        let (Scope::Event(event_id) | Scope::PartnerOfEvent(_, event_id), Some((status, index))) =
            (&query.scope, query.status.and_then(|status| Some((status, queries::index_of(status)?))))
        else {
            return Ok(None);
        };
        let few = FEW.min(rows_max);
        let counting = queries::count_of_status(event_id, status, index, few + 1);
        let count = counted(&self.readers.read(counting, Concern::Majority, deadline).await?)?;
        Ok((count <= few).then_some(index))
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
        let found = self.readers.read(queries::summaries(after, limit), Concern::Majority, deadline).await?;
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
