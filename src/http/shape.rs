//! Reservations and events as partners see them.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::header};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Problem,
    conditions::{self, Read},
    headers::IDEMPOTENT_REPLAYED,
    time::{in_milliseconds, in_milliseconds_if_any, moment_if_any},
};
use crate::domain::{
    Description, EventName, EventSummary, Location, Moment, PartnerId, Price, Quotas, Reservation, ReservationId,
    Sales, SeatId, Status, Version,
};

/// A reservation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReservationBody<'a> {
    reservation_id: &'a ReservationId,
    event_id: &'a str,
    partner_id: &'a PartnerId,
    seats: u32,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    seat_ids: &'a [SeatId],
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_milliseconds_if_any")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waitlist_position: Option<u32>,
    version: Version,
    #[serde(serialize_with = "in_milliseconds")]
    created_at: Timestamp,
    #[serde(serialize_with = "in_milliseconds")]
    updated_at: Timestamp,
}

impl<'a> ReservationBody<'a> {
    /// `reservation` as it is after a write: one that joined the waitlist has the place that it joined at.
    pub(super) fn of_write(reservation: &'a Reservation) -> Self {
        Self::new(reservation, reservation.waitlist_position_at_first())
    }

    /// `reservation`, with its place on the waitlist where that is known.
    pub(super) fn new(reservation: &'a Reservation, waitlist_position: Option<u32>) -> Self {
        Self {
            reservation_id: &reservation.id,
            event_id: reservation.id.event_id.as_str(),
            partner_id: &reservation.partner_id,
            seats: reservation.seats.get(),
            seat_ids: &reservation.seat_ids,
            status: reservation.status,
            expires_at: reservation.expires_at,
            waitlist_position,
            version: reservation.version,
            created_at: reservation.created_at,
            updated_at: reservation.updated_at(),
        }
    }
}

/// An event with all that it says about itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventBody<'a> {
    event_id: &'a str,
    name: &'a EventName,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a Description>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "moment_if_any")]
    starts_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a Location>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<&'a Price>,
    #[serde(flatten)]
    quotas: Quotas,
    sales: Sales,
    has_seat_map: bool,
    #[serde(flatten)]
    numbers: Numbers,
}

impl<'a> From<&'a EventSummary> for EventBody<'a> {
    fn from(event: &'a EventSummary) -> Self {
        let details = &*event.details;
        Self {
            event_id: event.id.as_str(),
            name: &event.name,
            description: details.description.as_ref(),
            starts_at: details.starts_at,
            location: details.location.as_ref(),
            price: details.price.as_ref(),
            quotas: event.quotas,
            sales: event.sales,
            has_seat_map: event.has_seat_map,
            numbers: Numbers::of(event),
        }
    }
}

/// An event in numbers, as dashboards poll it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SummaryBody<'a> {
    event_id: &'a str,
    name: &'a EventName,
    #[serde(flatten)]
    numbers: Numbers,
}

impl<'a> From<&'a EventSummary> for SummaryBody<'a> {
    fn from(event: &'a EventSummary) -> Self {
        Self { event_id: event.id.as_str(), name: &event.name, numbers: Numbers::of(event) }
    }
}

/// The counts of an event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Numbers {
    total_seats: u32,
    available_seats: u32,
    held_seats: u32,
    confirmed_seats: u32,
    reservation_count: u32,
    waitlist_count: u32,
    version: Version,
}

impl Numbers {
    fn of(event: &EventSummary) -> Self {
        Self {
            total_seats: event.total_seats,
            available_seats: event.available_seats,
            held_seats: event.held_seats,
            // The three add up to all seats: no event is stored or read where they do not.
            confirmed_seats: event.total_seats.saturating_sub(event.available_seats.saturating_add(event.held_seats)),
            reservation_count: event.reservation_count,
            waitlist_count: event.waitlist_count,
            version: event.version,
        }
    }
}

/// Answers with what an event looks like at `version`, or 304 to a client that has it as it is.
///
/// # Errors
/// When the client asks for another version.
pub(super) fn fresh_or(
    request: &HttpRequest,
    version: Version,
    body: impl FnOnce(HttpResponseBuilder) -> HttpResponse,
) -> Result<HttpResponse, Problem> {
    // Keep it, but never use it unasked: the next sale makes it old.
    let tagged = |mut response: HttpResponseBuilder, tag| {
        response.insert_header((header::ETAG, tag)).insert_header((header::CACHE_CONTROL, "no-cache"));
        response
    };
    Ok(match conditions::check_read(request.headers(), version)? {
        Read::NotModified(tag) => tagged(HttpResponse::NotModified(), tag).finish(),
        Read::Whole => body(tagged(HttpResponse::Ok(), conditions::etag(version))),
    })
}

/// Marks the answer to a request that was answered before.
pub(super) fn replayed(mut response: HttpResponseBuilder, replayed: bool) -> HttpResponseBuilder {
    if replayed {
        response.insert_header((IDEMPOTENT_REPLAYED.clone(), "true"));
    }
    response
}
