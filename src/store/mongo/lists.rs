//! Lists that the collection and the journal give together, and lists of events.

use std::{collections::HashSet, sync::Arc};

use bson::{Bson, Document, RawDocument, RawDocumentBuf};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    MongoStore,
    deployment::{Concern, Deployment},
    documents::{PlaceDocument, ReservationDocument, SummaryDocument},
    overlay::{Newest, doubtful, overlay},
    queries::{self, By, Paged, Stretch},
};
use crate::{
    domain::{EventId, EventSummary, Reservation, ReservationId},
    store::{Damage, DuePage, DuePlace, Place, ReservationPage, ReservationQuery, Scope, StoreError},
};

/// Rows that one query asks for at most. When the journal may hide more than these, further queries follow; in tests they
/// always do.
const PAGE_MAX: usize = if cfg!(test) { 3 } else { 4_000 };

/// So many of an event's holds, or of those who wait, are sorted and chosen from at once; to pass over the event's list for a
/// few among a million would take longer.
const FEW: usize = if cfg!(test) { 4 } else { 256 };

/// The first `wanted` of a list, or all when there are fewer: the collection's rows with `journal` over them. The journal
/// must have been read before this is called, for entries only ever move from there to the collection. Rows that cannot be
/// read are an error, or, where there is somebody to note the `damage`, left out.
pub(super) async fn first_of<L: Paged + Sync>(
    deployment: &Deployment,
    listing: &L,
    journal: &Newest,
    wanted: usize,
    damage: Option<&Damage>,
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
    let mut left_out = 0_usize;
    loop {
        let mut known = overlay(listing, &rows, truncated, &journal);
        if truncated && known.len() < wanted {
            // A page begins behind the last row that could be read, so those that could not are asked for again with it.
            let missing = wanted.saturating_add(hidden).saturating_sub(rows.len()).saturating_add(left_out);
            let limit = missing.clamp(1, PAGE_MAX);
            let query = listing.page(rows.last().map(|row| &**row), limit);
            let found = deployment.read(query, concern, deadline).await?;
            truncated = found.len() == limit;
            let page = readable(found, damage)?;
            if page.is_empty() && truncated && limit == PAGE_MAX {
                return Err(StoreError::Unreadable(format!("none of {PAGE_MAX} reservations in a row can be read")));
            }
            left_out += limit - page.len();
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
    readable(deployment.read(query, concern, deadline).await?, None)
}

/// The reservations in documents. One that cannot be read is an error, or noted and left out.
fn readable(documents: Vec<Document>, damage: Option<&Damage>) -> Result<Vec<Arc<Reservation>>, StoreError> {
    let mut read = Vec::with_capacity(documents.len());
    for document in documents {
        let name = format!("reservation {}", document.get_str("_id").unwrap_or("without _id"));
        match (ReservationDocument::read(document), damage) {
            (Ok(reservation), _) => read.push(Arc::new(reservation)),
            (Err(StoreError::Unreadable(why)), Some(damage)) => damage.of_other(&name, &why, "it is left out of lists"),
            (Err(why), _) => return Err(why),
        }
    }
    Ok(read)
}

/// What a `$count` found: nothing when there was nothing to count.
fn counted(found: &[Document]) -> Result<usize, StoreError> {
    found.first().map_or(Ok(0), count_in)
}

/// The number that a stage counted.
pub(super) fn count_in(counted: &Document) -> Result<usize, StoreError> {
    let count = match counted.get("count") {
        Some(Bson::Int32(count)) => i64::from(*count),
        Some(Bson::Int64(count)) => *count,
        _ => return Err(StoreError::Unreadable(format!("a count came as {counted}"))),
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
        let (version, journal) = match &query.scope {
            Scope::Event(event_id) => self.journal_at_version(event_id, |_| true, Concern::Majority, deadline).await?,
            Scope::PartnerOfEvent(partner_id, event_id) => {
                let is_partners = |entry: &RawDocument| {
                    entry.get_str("partnerId").is_ok_and(|partner| partner == partner_id.as_str())
                };
                self.journal_at_version(event_id, is_partners, Concern::Majority, deadline).await?
            }
            // Of all events together only what this process has in hand is known: what it acknowledged and has not settled yet.
            Scope::Partner(partner_id) => (None, self.journals.unsettled_of(partner_id)),
        };
        let journal = Newest::of(journal);
        let (by, until) = match self.index_of_few(query, rows_max, deadline).await? {
            Some(index) => (By::Status(index), None),
            None if query.passes_over() => (By::Place, self.place_after(query, rows_max, deadline).await?),
            None => (By::Place, None),
        };
        let damage = Some(&self.damage);
        let stretch = Stretch { query, until, by };
        let reservations =
            first_of(&self.readers, &stretch, &journal, query.limit, damage, Concern::Majority, deadline).await?;
        let page = ReservationPage::new(reservations, query.limit, stretch.until);
        Ok(match version {
            Some(version) => page.until(version),
            None => page,
        })
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
        let mut after = after.map(|after| after.as_str().to_owned());
        let mut summaries = Vec::new();
        loop {
            let wanted = limit - summaries.len();
            let query = queries::summaries(after.as_deref(), wanted);
            let found = self.readers.read(query, Concern::Majority, deadline).await?;
            let is_last = found.len() < wanted;
            for document in found {
                let id = document.get_str("_id").unwrap_or_default().to_owned();
                match SummaryDocument::read(document) {
                    Ok(summary) => summaries.push(summary),
                    Err(StoreError::Unreadable(why)) => self.leave_out(&id, &why),
                    Err(why) => return Err(why),
                }
                after = Some(id);
            }
            // In the place of those that were left out come others.
            if is_last || summaries.len() == limit {
                return Ok(summaries);
            }
        }
    }

    /// Notes that an event cannot be read.
    fn leave_out(&self, id: &str, why: &str) {
        match EventId::parse(id) {
            Ok(id) => self.damage.of_event(&id, why),
            Err(_) => self.damage.of_other(&format!("event {id:?}"), why, "it is left out of lists"),
        }
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
        // Those that could not be read a short while ago stay due until they are mended, and need no room on the page.
        let limit_with_damaged = limit.saturating_add(self.damage.events().len());
        let query = queries::due(now, after, limit_with_damaged);
        let found = self.deployment.read(query, Concern::Majority, deadline).await?;
        let may_go_on = found.len() == limit_with_damaged;
        let mut page = DuePage::default();
        let mut last = None;
        for event in &found {
            let id = event.get_str("_id").unwrap_or_default();
            last = Some(place(event, id));
            match EventId::parse(id) {
                Ok(id) if self.damage.is_fresh(&id) => {}
                Ok(id) => page.event_ids.push(id),
                Err(why) => self.leave_out(id, &format!("_id {why}")),
            }
            if page.event_ids.len() == limit {
                page.next = last;
                return Ok(page);
            }
        }
        page.next = last.filter(|_| may_go_on);
        Ok(page)
    }
}

/// Where an event that is due stands among the others. One whose time cannot be told stands before all times that can.
fn place(event: &Document, id: &str) -> DuePlace {
    let at = event.get_datetime("dueAt").ok();
    let at = at.and_then(|at| Timestamp::from_millisecond(at.timestamp_millis()).ok());
    DuePlace { at: at.unwrap_or(Timestamp::MIN), id: id.to_owned() }
}
