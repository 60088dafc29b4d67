//! Every query that reads more than one document, each with the index that serves it. A partial index serves only a filter
//! that implies its expression, so `status` and `dueAt` are spelled here as [`super::schema`] spells them there.

use std::collections::HashSet;

use bson::{RawArrayBuf, RawBson, RawDocumentBuf, raw::cstr, rawdoc};
use jiff::Timestamp;

use super::{
    documents::date,
    head_value,
    overlay::Listing,
    schema::{BY_PARTNER, BY_PLACE, DUE, EVENTS, HOLDS, OPERATIONS, RESERVATIONS, WAITLIST},
};
use crate::{
    domain::{EventId, PartnerId, Reservation, ReservationId, Status, Version},
    store::{DuePlace, Place, ReservationQuery, Scope, Snapshot},
};

/// Rows that are sent at once; more come in further batches.
const BATCH: i64 = 1_000;

/// A list that the collection gives page by page.
pub(super) trait Paged: Listing {
    /// The query for the first `limit` rows, or for those after the row `after`.
    fn page(&self, after: Option<&Reservation>, limit: usize) -> RawDocumentBuf;
}

/// Those of an event who wait for seats, in the order in which they joined.
pub(super) struct Waitlist<'a>(pub(super) &'a EventId);

impl Listing for Waitlist<'_> {
    type Place = Version;

    fn lists(&self, reservation: &Reservation) -> bool {
        reservation.status == Status::Waitlisted
    }

    fn place(&self, reservation: &Reservation) -> Version {
        reservation.created_version
    }

    fn may_have_listed(&self, reservation: &Reservation) -> bool {
        was(reservation, Status::Waitlisted)
    }
}

impl Paged for Waitlist<'_> {
    fn page(&self, after: Option<&Reservation>, limit: usize) -> RawDocumentBuf {
        let mut filter = rawdoc! { "eventId": self.0.as_str(), "status": Status::Waitlisted.as_str() };
        if let Some(after) = after {
            filter.append(cstr!("createdVersion"), rawdoc! { "$gt": after.created_version.0 });
        }
        sorted(RESERVATIONS, filter, rawdoc! { "createdVersion": 1 }, Some(WAITLIST), limit)
    }
}

/// The held reservations of an event, in the order in which they lapse.
pub(super) struct Holds<'a>(pub(super) &'a EventId);

impl Listing for Holds<'_> {
    type Place = (Option<Timestamp>, Version);

    fn lists(&self, reservation: &Reservation) -> bool {
        reservation.status == Status::Held
    }

    fn place(&self, reservation: &Reservation) -> Self::Place {
        (reservation.expires_at, reservation.created_version)
    }

    fn may_have_listed(&self, reservation: &Reservation) -> bool {
        was(reservation, Status::Held)
    }
}

impl Paged for Holds<'_> {
    fn page(&self, after: Option<&Reservation>, limit: usize) -> RawDocumentBuf {
        let mut filter = rawdoc! { "eventId": self.0.as_str(), "status": Status::Held.as_str() };
        if let Some((at, after)) = after.and_then(|after| Some((date(after.expires_at?), after))) {
            filter.append(cstr!("expiresAt"), rawdoc! { "$gte": at });
            let mut or = RawArrayBuf::new();
            or.push(rawdoc! { "expiresAt": { "$gt": at } });
            or.push(rawdoc! { "createdVersion": { "$gt": after.created_version.0 } });
            filter.append(cstr!("$or"), or);
        }
        sorted(RESERVATIONS, filter, rawdoc! { "expiresAt": 1, "createdVersion": 1 }, Some(HOLDS), limit)
    }
}

/// The index of an event's reservations of this status, if it has one.
pub(super) fn index_of(status: Status) -> Option<&'static str> {
    match status {
        Status::Held => Some(HOLDS),
        Status::Waitlisted => Some(WAITLIST),
        Status::Confirmed | Status::Cancelled | Status::Expired => None,
    }
}

/// Whether an operation left the reservation in this status.
pub(super) fn was(reservation: &Reservation, status: Status) -> bool {
    reservation.operations.iter().any(|operation| operation.status == status)
}

/// The active reservations of some partners of an event, in the order in which they were made.
pub(super) struct Active<'a> {
    event_id: &'a EventId,
    partners: HashSet<&'a PartnerId>,
}

impl Listing for Active<'_> {
    type Place = Version;

    fn lists(&self, reservation: &Reservation) -> bool {
        reservation.status.is_active() && self.partners.contains(&reservation.partner_id)
    }

    fn place(&self, reservation: &Reservation) -> Version {
        reservation.created_version
    }
}

impl<'a> Active<'a> {
    pub(super) fn new(event_id: &'a EventId, partners: &'a [PartnerId]) -> Self {
        Self { event_id, partners: partners.iter().collect() }
    }

    /// The query for all of them, in no order.
    pub(super) fn all(&self) -> RawDocumentBuf {
        let active = Status::ALL.into_iter().filter(|status| status.is_active());
        rawdoc! {
            "find": RESERVATIONS,
            "filter": {
                "partnerId": { "$in": strings(self.partners.iter().map(|partner| partner.as_str())) },
                "eventId": self.event_id.as_str(),
                "status": { "$in": strings(active.map(Status::as_str)) },
            },
            "hint": BY_PARTNER,
            "batchSize": BATCH,
        }
    }
}

/// A part of a list of reservations: from where it was asked for up to a place, or to the end.
pub(super) struct Stretch<'a> {
    pub(super) query: &'a ReservationQuery,
    /// The last place that is in it.
    pub(super) until: Option<Place>,
    pub(super) by: By,
}

/// By which index a list of reservations is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The one that is in the list's order.
    Place,
    /// The one of this status, of a single event. What it has is sorted each time, so it must not be much.
    Status(&'static str),
}

impl Listing for Stretch<'_> {
    type Place = Place;

    fn lists(&self, reservation: &Reservation) -> bool {
        self.query.matches(reservation) && self.until.as_ref().is_none_or(|until| Place::of(reservation) <= *until)
    }

    fn place(&self, reservation: &Reservation) -> Place {
        Place::of(reservation)
    }
}

impl Paged for Stretch<'_> {
    fn page(&self, after: Option<&Reservation>, limit: usize) -> RawDocumentBuf {
        let query = self.query;
        let after = after.map(Place::of).or_else(|| query.after.clone());
        let mut filter = query.scope.filter();
        if let Some(status) = query.status {
            filter.append(cstr!("status"), status.as_str());
        }
        match self.by {
            By::Status(index) => {
                if let Some(after) = &after {
                    filter.append(cstr!("$or"), behind(after));
                }
                filter_by_time(&mut filter, query.created_from, query.created_to);
                sorted(RESERVATIONS, filter, query.scope.index().1, Some(index), limit)
            }
            By::Place => {
                if let Scope::Partner(_) = query.scope {
                    filter_by_time(&mut filter, query.created_from, query.created_to);
                }
                query.along_index(filter, after.as_ref(), self.until.as_ref(), limit)
            }
        }
    }
}

impl Scope {
    fn filter(&self) -> RawDocumentBuf {
        match self {
            Self::Event(event_id) => rawdoc! { "eventId": event_id.as_str() },
            Self::PartnerOfEvent(partner_id, event_id) => {
                rawdoc! { "partnerId": partner_id.as_str(), "eventId": event_id.as_str() }
            }
            Self::Partner(partner_id) => rawdoc! { "partnerId": partner_id.as_str() },
        }
    }

    /// The index in whose order the list is, and its fields.
    fn index(&self) -> (&'static str, RawDocumentBuf) {
        match self {
            Self::Event(_) => (BY_PLACE, rawdoc! { "eventId": 1, "createdAt": 1, "createdVersion": 1 }),
            Self::PartnerOfEvent(..) | Self::Partner(_) => {
                (BY_PARTNER, rawdoc! { "partnerId": 1, "eventId": 1, "createdAt": 1, "createdVersion": 1 })
            }
        }
    }

    fn event_id(&self) -> Option<&EventId> {
        match self {
            Self::Event(event_id) | Self::PartnerOfEvent(_, event_id) => Some(event_id),
            Self::Partner(_) => None,
        }
    }

    /// A key of the list's index.
    fn key(&self, (is_behind_all, event_id, at, version): Bound<'_>) -> RawDocumentBuf {
        let mut key = RawDocumentBuf::new();
        match self {
            Self::Event(_) => {}
            Self::PartnerOfEvent(partner_id, _) | Self::Partner(partner_id) => {
                key.append(cstr!("partnerId"), partner_id.as_str());
            }
        }
        let event_id = if is_behind_all { RawBson::MaxKey } else { RawBson::String(event_id.to_owned()) };
        key.append(cstr!("eventId"), event_id);
        key.append(cstr!("createdAt"), bson::DateTime::from_millis(at));
        key.append(cstr!("createdVersion"), version);
        key
    }
}

/// Where a range of an index begins or ends, within the rows of its scope: whether behind all events, an event, a time in
/// milliseconds, a version.
type Bound<'a> = (bool, &'a str, i64, i64);

impl ReservationQuery {
    /// Whether rows may have to be passed over that are in the range of the index and do not belong on the list. (An event's
    /// index has the times of making next to the event, a partner's has them behind the events.)
    pub(super) fn passes_over(&self) -> bool {
        let is_within_range = match self.scope {
            Scope::Event(_) | Scope::PartnerOfEvent(..) => true,
            Scope::Partner(_) => self.created_from.is_none() && self.created_to.is_none(),
        };
        self.status.is_some() || !is_within_range
    }

    /// The query for the place of the row that is `rows` rows further on the list's index, whatever that row is. It must be
    /// answered by the index alone.
    pub(super) fn place_after(&self, rows: usize) -> RawDocumentBuf {
        let mut query = if self.scope.event_id().is_some() {
            let (index, order) = self.scope.index();
            sorted(RESERVATIONS, self.behind_after(), order, Some(index), 1)
        } else {
            // The server would look at documents for a filter beside a range, even for one that the range implies.
            self.along_index(RawDocumentBuf::new(), self.after.as_ref(), None, 1)
        };
        query.append(cstr!("skip"), count(rows.saturating_sub(1)));
        // Only what is in the index, so that no document is looked at.
        query.append(cstr!("projection"), rawdoc! { "_id": 0, "eventId": 1, "createdAt": 1, "createdVersion": 1 });
        query
    }

    /// What is on the list of one event behind `after`, whatever its status. Each branch is one range of the index, and their
    /// rows come in order.
    fn behind_after(&self) -> RawDocumentBuf {
        let after = self.after.as_ref().filter(|after| self.created_from.is_none_or(|from| from <= after.created_at));
        let mut later = self.scope.filter();
        let Some(after) = after else {
            filter_by_time(&mut later, self.created_from, self.created_to);
            return later;
        };
        let at = date(after.created_at);
        let mut times = rawdoc! { "$gt": at };
        if let Some(to) = self.created_to {
            times.append(cstr!("$lt"), date_from(to));
        }
        later.append(cstr!("createdAt"), times);
        let mut at_once = self.scope.filter();
        at_once.append(cstr!("createdAt"), at);
        at_once.append(cstr!("createdVersion"), rawdoc! { "$gt": after.created_version.0 });
        let mut branches = RawArrayBuf::new();
        branches.push(at_once);
        branches.push(later);
        rawdoc! { "$or": branches }
    }

    /// The first `limit` documents that pass `filter` within one range of the list's index, in its order.
    fn along_index(
        &self,
        filter: RawDocumentBuf,
        after: Option<&Place>,
        until: Option<&Place>,
        limit: usize,
    ) -> RawDocumentBuf {
        let (index, order) = self.scope.index();
        let mut query = sorted(RESERVATIONS, filter, order, Some(index), limit);
        let (min, max) = self.range(after, until);
        query.append(cstr!("min"), self.scope.key(min));
        // The server refuses a range that ends where it begins. What is found in one key too many is not on the list.
        let max = max.max((min.0, min.1, min.2, min.3.saturating_add(1)));
        query.append(cstr!("max"), self.scope.key(max));
        query
    }

    /// Whether nothing can be on the list, for the place after which it is asked for is behind its end.
    pub(super) fn is_over(&self) -> bool {
        let (min, max) = self.range(self.after.as_ref(), None);
        min >= max || self.created_from.zip(self.created_to).is_some_and(|(from, to)| from >= to)
    }

    /// From the first key that may be on the list to the first that is behind it.
    fn range<'a>(&'a self, after: Option<&'a Place>, until: Option<&'a Place>) -> (Bound<'a>, Bound<'a>) {
        let event_id = self.scope.event_id().map_or("", EventId::as_str);
        let one_event = !event_id.is_empty();
        let behind = |place: &'a Place| -> Bound<'a> {
            let (id, at) = (place.event_id.as_str(), date(place.created_at).timestamp_millis());
            let next = place.created_version.0.checked_add(1);
            next.map_or((false, id, at.saturating_add(1), i64::MIN), |next| (false, id, at, next))
        };
        let from = self.created_from.filter(|_| one_event).map_or(i64::MIN, |from| date_from(from).timestamp_millis());
        let to = self.created_to.filter(|_| one_event).map_or(i64::MAX, |to| date_from(to).timestamp_millis());
        let mut min = (false, event_id, from, i64::MIN);
        let mut max = (!one_event, event_id, to, i64::MIN);
        min = after.map_or(min, |after| min.max(behind(after)));
        max = until.map_or(max, |until| max.min(behind(until)));
        (min, max)
    }
}

/// What is behind a place in its event.
fn behind(place: &Place) -> RawArrayBuf {
    let at = date(place.created_at);
    let mut or = RawArrayBuf::new();
    or.push(rawdoc! { "createdAt": { "$gt": at } });
    or.push(rawdoc! { "createdAt": at, "createdVersion": { "$gt": place.created_version.0 } });
    or
}

fn filter_by_time(filter: &mut RawDocumentBuf, from: Option<Timestamp>, to: Option<Timestamp>) {
    let mut created_at = RawDocumentBuf::new();
    if let Some(from) = from {
        created_at.append(cstr!("$gte"), date_from(from));
    }
    if let Some(to) = to {
        created_at.append(cstr!("$lt"), date_from(to));
    }
    if !created_at.is_empty() {
        filter.append(cstr!("createdAt"), created_at);
    }
}

/// Counts what the index of a status has of an event, `max` at most.
pub(super) fn count_of_status(event_id: &EventId, status: Status, index: &str, max: usize) -> RawDocumentBuf {
    let mut pipeline = RawArrayBuf::new();
    pipeline.push(rawdoc! { "$match": { "eventId": event_id.as_str(), "status": status.as_str() } });
    pipeline.push(rawdoc! { "$limit": count(max.max(1)) });
    pipeline.push(rawdoc! { "$count": "count" });
    rawdoc! { "aggregate": RESERVATIONS, "pipeline": pipeline, "cursor": {}, "hint": index }
}

/// The first whole millisecond that is not before `at`: for whole milliseconds, which is what documents hold, being before
/// it is the same as being before `at`.
fn date_from(at: Timestamp) -> bson::DateTime {
    let date = date(at);
    let is_before = Timestamp::from_millisecond(date.timestamp_millis()).is_ok_and(|whole| whole < at);
    if is_before { bson::DateTime::from_millis(date.timestamp_millis() + 1) } else { date }
}

/// The query for reservations by their ids.
pub(super) fn named(ids: &[ReservationId]) -> RawDocumentBuf {
    let events: HashSet<_> = ids.iter().map(|id| id.event_id.as_str()).collect();
    rawdoc! {
        "find": RESERVATIONS,
        // The events are for a cluster whose shards are chosen by them.
        "filter": {
            "_id": { "$in": strings(ids.iter().map(ToString::to_string)) },
            "eventId": { "$in": strings(events.into_iter()) },
        },
        // One more than there can be, so that the server need not be asked whether there are more.
        "batchSize": count(ids.len() + 1),
    }
}

/// The query for records of an event's operations by their ids.
pub(super) fn recorded<'a>(event_id: &EventId, ids: impl Iterator<Item = &'a str>) -> RawDocumentBuf {
    rawdoc! {
        "find": OPERATIONS,
        "filter": { "_id": { "$in": strings(ids) }, "eventId": event_id.as_str() },
        "batchSize": BATCH,
    }
}

/// The query for fields of the event if it is still at `snapshot`.
pub(super) fn at_base(snapshot: &Snapshot, fields: RawDocumentBuf) -> RawDocumentBuf {
    rawdoc! {
        "find": EVENTS,
        "filter": {
            "_id": snapshot.event.id.as_str(),
            "version": snapshot.event.version.0,
            "head": head_value(snapshot.head),
        },
        "projection": fields,
        "singleBatch": true,
    }
}

/// Counts those on the waitlist who joined before version `before`, but for those who joined at one of `others`; `max` at
/// most. The index alone tells: no document is looked at.
pub(super) fn waiting_before(event_id: &EventId, before: Version, others: &[Version], max: usize) -> RawDocumentBuf {
    of_waitlist(event_id, before, others, max, rawdoc! { "$count": "count" })
}

/// Counts the same before each of the versions `joined`, which ascend, from the one before it: `_id` tells from which.
pub(super) fn waiting_between(
    event_id: &EventId,
    joined: &[Version],
    others: &[Version],
    max: usize,
) -> RawDocumentBuf {
    let last = joined.last().copied().unwrap_or(Version::INITIAL);
    let bucket = rawdoc! { "$bucket": {
        "groupBy": "$createdVersion",
        "boundaries": numbers([Version::INITIAL].iter().chain(joined)),
        "output": { "count": { "$sum": 1 } },
    } };
    of_waitlist(event_id, last, others, max, bucket)
}

/// What `counting` makes of those on the waitlist who joined before version `before`, but for those who joined at one of
/// `others`; `max` at most.
fn of_waitlist(
    event_id: &EventId,
    before: Version,
    others: &[Version],
    max: usize,
    counting: RawDocumentBuf,
) -> RawDocumentBuf {
    let mut pipeline = RawArrayBuf::new();
    pipeline.push(rawdoc! { "$match": {
        "eventId": event_id.as_str(),
        "status": Status::Waitlisted.as_str(),
        "createdVersion": { "$lt": before.0, "$nin": numbers(others) },
    } });
    pipeline.push(rawdoc! { "$limit": count(max.max(1)) });
    pipeline.push(counting);
    rawdoc! { "aggregate": RESERVATIONS, "pipeline": pipeline, "cursor": {}, "hint": WAITLIST }
}

fn numbers<'a>(versions: impl IntoIterator<Item = &'a Version>) -> RawArrayBuf {
    let mut numbers = RawArrayBuf::new();
    for version in versions {
        numbers.push(version.0);
    }
    numbers
}

/// The query for the first `limit` events that are due at `now`, or for those after a place among them. The index alone tells
/// them.
pub(super) fn due(now: Timestamp, after: Option<&DuePlace>, limit: usize) -> RawDocumentBuf {
    let filter = match after {
        None => rawdoc! { "dueAt": { "$lte": date(now) } },
        Some(DuePlace { at, id }) => {
            let mut or = RawArrayBuf::new();
            or.push(rawdoc! { "dueAt": { "$gt": date(*at) } });
            or.push(rawdoc! { "_id": { "$gt": id.as_str() } });
            rawdoc! { "dueAt": { "$gte": date(*at), "$lte": date(now) }, "$or": or }
        }
    };
    let mut query = sorted(EVENTS, filter, rawdoc! { "dueAt": 1, "_id": 1 }, Some(DUE), limit);
    query.append(cstr!("projection"), rawdoc! { "_id": 1, "dueAt": 1 });
    query
}

/// The query for the summaries of the first `limit` events, or of those after the event `after`.
pub(super) fn summaries(after: Option<&str>, limit: usize) -> RawDocumentBuf {
    let filter = after.map_or_else(RawDocumentBuf::new, |after| rawdoc! { "_id": { "$gt": after } });
    let mut query = sorted(EVENTS, filter, rawdoc! { "_id": 1 }, None, limit);
    let fields = rawdoc! {
        "format": 1, "name": 1, "details": 1, "quotas": 1, "sales": 1, "totalSeats": 1, "availableSeats": 1,
        "heldSeats": 1, "reservationCount": 1, "waitlistCount": 1, "version": 1,
        "hasSeatMap": { "$ne": [{ "$type": "$seats" }, "missing"] },
    };
    query.append(cstr!("projection"), fields);
    query
}

fn sorted(
    collection: &str,
    filter: RawDocumentBuf,
    sort: RawDocumentBuf,
    hint: Option<&str>,
    limit: usize,
) -> RawDocumentBuf {
    let mut query = rawdoc! {
        "find": collection,
        "filter": filter,
        "sort": sort,
        "limit": count(limit),
        "batchSize": count(limit.saturating_add(1)).min(BATCH),
    };
    if let Some(hint) = hint {
        query.append(cstr!("hint"), hint);
    }
    query
}

fn strings<S: AsRef<str>>(items: impl Iterator<Item = S>) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for item in items {
        array.push(item.as_ref());
    }
    array
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod plan_tests;
