//! Every query that reads more than one document, each with the index that serves it. A partial index serves only a filter
//! that implies its expression, so `status` and `dueAt` are spelled here as [`super::schema`] spells them there.

use std::collections::HashSet;

use bson::{Document, RawArrayBuf, RawDocumentBuf, doc, raw::cstr, rawdoc};
use jiff::Timestamp;

use super::{
    documents::date,
    head_value,
    overlay::Listing,
    schema::{BY_PARTNER, BY_PLACE, DUE, EVENTS, HOLDS, OPERATIONS, RESERVATIONS, WAITLIST},
};
use crate::{
    domain::{EventId, PartnerId, Reservation, ReservationId, Status, Version},
    store::{Place, ReservationQuery, Scope, Snapshot},
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

impl Listing for ReservationQuery {
    type Place = Place;

    fn lists(&self, reservation: &Reservation) -> bool {
        self.matches(reservation)
    }

    fn place(&self, reservation: &Reservation) -> Place {
        Place::of(reservation)
    }
}

impl Paged for ReservationQuery {
    /// One branch for each part of the place after which the list goes on, so that each is one range of the index and their
    /// rows come in order: a later event; the same event, made later; the same time, a later version.
    fn page(&self, after: Option<&Reservation>, limit: usize) -> RawDocumentBuf {
        let after = after.map(Place::of).or_else(|| self.after.clone());
        let (index, one_event) = match self.scope {
            Scope::Event(_) => (BY_PLACE, true),
            Scope::PartnerOfEvent(..) => (BY_PARTNER, true),
            Scope::Partner(_) => (BY_PARTNER, false),
        };
        let mut branches = RawArrayBuf::new();
        match after {
            None => branches.push(self.branch(&doc! {}, doc! {})),
            Some(Place { event_id, created_at, created_version }) => {
                let (event_id, at) = (event_id.as_str(), date(created_at));
                if !one_event {
                    branches.push(self.branch(&doc! { "eventId": { "$gt": event_id } }, doc! {}));
                }
                let of_event = if one_event {
                    doc! {}
                } else {
                    doc! { "eventId": event_id }
                };
                branches.push(self.branch(&of_event, doc! { "$gt": at }));
                let mut same_time = of_event;
                same_time.insert("createdVersion", doc! { "$gt": created_version.0 });
                branches.push(self.branch(&same_time, doc! { "$eq": at }));
            }
        }
        // The few of one status may be found faster by the index of that status, and sorted then: the server tries.
        let is_rare = matches!(self.status, Some(Status::Waitlisted | Status::Held));
        let by_place = rawdoc! { "eventId": 1, "createdAt": 1, "createdVersion": 1 };
        sorted(RESERVATIONS, rawdoc! { "$or": branches }, by_place, (!is_rare).then_some(index), limit)
    }
}

impl ReservationQuery {
    fn branch(&self, place: &Document, mut created_at: Document) -> RawDocumentBuf {
        let mut filter = match &self.scope {
            Scope::Event(event_id) => doc! { "eventId": event_id.as_str() },
            Scope::PartnerOfEvent(partner_id, event_id) => {
                doc! { "partnerId": partner_id.as_str(), "eventId": event_id.as_str() }
            }
            Scope::Partner(partner_id) => doc! { "partnerId": partner_id.as_str() },
        };
        filter.extend(place.clone());
        if let Some(from) = self.created_from {
            created_at.insert("$gte", date_from(from));
        }
        if let Some(to) = self.created_to {
            created_at.insert("$lt", date_from(to));
        }
        if !created_at.is_empty() {
            filter.insert("createdAt", created_at);
        }
        if let Some(status) = self.status {
            filter.insert("status", status.as_str());
        }
        RawDocumentBuf::try_from(&filter).expect("these keys and texts hold no NUL byte")
    }
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

/// Counts those on the waitlist who joined before version `before`, but for those who joined at one of `others`. The index
/// alone tells: no document is looked at.
pub(super) fn waiting_before(event_id: &EventId, before: Version, others: &[Version]) -> RawDocumentBuf {
    let mut versions = RawArrayBuf::new();
    for other in others {
        versions.push(other.0);
    }
    let mut pipeline = RawArrayBuf::new();
    pipeline.push(rawdoc! { "$match": {
        "eventId": event_id.as_str(),
        "status": Status::Waitlisted.as_str(),
        "createdVersion": { "$lt": before.0, "$nin": versions },
    } });
    pipeline.push(rawdoc! { "$count": "waiting" });
    rawdoc! { "aggregate": RESERVATIONS, "pipeline": pipeline, "cursor": {}, "hint": WAITLIST }
}

/// The query for the first `limit` events that are due at `now`.
pub(super) fn due(now: Timestamp, limit: usize) -> RawDocumentBuf {
    let filter = rawdoc! { "dueAt": { "$lte": date(now) } };
    let mut query = sorted(EVENTS, filter, rawdoc! { "dueAt": 1, "_id": 1 }, Some(DUE), limit);
    query.append(cstr!("projection"), rawdoc! { "_id": 1 });
    query
}

/// The query for the summaries of the first `limit` events, or of those after the event `after`.
pub(super) fn summaries(after: Option<&EventId>, limit: usize) -> RawDocumentBuf {
    let filter = after.map_or_else(RawDocumentBuf::new, |after| rawdoc! { "_id": { "$gt": after.as_str() } });
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
