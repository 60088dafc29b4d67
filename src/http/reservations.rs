//! A partner's reservations: make, look at, cancel.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, dev::Payload, http::header, web::Data};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use validator::{Validate, ValidateArgs as _, ValidationError};

use super::{Desk, Problem, body::JsonBody, events::of_configured_event, headers::IDEMPOTENT_REPLAYED};
use crate::{
    domain::{InvalidValue, PartnerId, Reservation, ReservationId, SeatCount, Status},
    service::{SeatRequest, ServiceError, Terms},
};

/// The body of `POST /reservations`. A field that is absent or of another type is `None`, and is complained of elsewhere.
#[derive(Debug, Validate)]
#[validate(context = "SeatsMax")]
struct ReserveBody {
    #[validate(custom(function = "check_partner_id"))]
    partner_id: Option<String>,
    #[validate(custom(function = "check_seats", use_context))]
    seats: Option<u32>,
}

/// The most seats that one reservation may take.
struct SeatsMax(u32);

/// `POST /reservations`: seats of the configured event.
pub(super) async fn reserve(desk: Data<Desk>, terms: Terms, body: JsonBody) -> Result<HttpResponse, Problem> {
    let (partner_id, seats) = ReserveBody::parse(&body, desk.seats_per_reservation_max)?;
    let request = SeatRequest { partner_id, seats, seat_ids: std::sync::Arc::default(), waitlist: false, hold: None };

    let keyed = terms.key.is_some();
    let answer = desk.box_office.reserve(&desk.event_id, request, terms).await.map_err(|error| match error {
        ServiceError::OutcomeUnknown(Some(id)) if !keyed => Problem::UnkeyedOutcomeUnknown(id),
        other => of_configured_event(other),
    })?;

    Ok(replayed(HttpResponse::Created(), answer.replayed)
        .insert_header((header::LOCATION, format!("/reservations/{}", answer.subject.id)))
        .json(ReservationBody::from(&*answer.subject)))
}

/// `GET /reservations/{id}`: the reservation as it stands, cancelled ones too.
pub(super) async fn show(desk: Data<Desk>, id: ReservationId) -> Result<HttpResponse, Problem> {
    let reservation = desk.box_office.reservation(&id).await.map_err(|error| match error {
        // The service's word for it speaks of cancelling.
        ServiceError::Rejected(_) | ServiceError::UnknownEvent(_) => Problem::UnknownReservation,
        other => other.into(),
    })?;

    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .json(ReservationBody::from(&*reservation.reservation)))
}

/// `DELETE /reservations/{id}`: its seats go back to the event.
pub(super) async fn cancel(desk: Data<Desk>, id: ReservationId, terms: Terms) -> Result<HttpResponse, Problem> {
    let answer = desk.box_office.cancel(&id, terms).await?;

    Ok(replayed(HttpResponse::NoContent(), answer.replayed).finish())
}

impl ReserveBody {
    fn parse(body: &JsonBody, seats_max: u32) -> Result<(PartnerId, SeatCount), Problem> {
        let mut fields = body.fields()?;
        let given = Self {
            partner_id: fields.required("partnerId", "a string of 1 to 64 characters"),
            seats: fields.required("seats", format_args!("an integer from 1 to {seats_max}")),
        };
        fields.finish(given.validate_with_args(&SeatsMax(seats_max)))?;

        let partner_id = PartnerId::parse(&given.partner_id.unwrap_or_default())
            .map_err(|why| Problem::invalid("partnerId", why.to_string()))?;
        let seats = SeatCount::parse(given.seats.unwrap_or_default(), seats_max)
            .map_err(|why| Problem::invalid("seats", why.to_string()))?;
        Ok((partner_id, seats))
    }
}

// The rules are the domain's; the validator applies them to all fields before the first is refused.

fn check_partner_id(text: &str) -> Result<(), ValidationError> {
    PartnerId::parse(text).map(drop).map_err(broken_rule)
}

fn check_seats(seats: u32, max: &SeatsMax) -> Result<(), ValidationError> {
    SeatCount::parse(seats, max.0).map(drop).map_err(broken_rule)
}

fn broken_rule(why: InvalidValue) -> ValidationError {
    ValidationError::new("invalid").with_message(why.0.into())
}

impl FromRequest for ReservationId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    /// The id in the path. Any spelling but the canonical one names no reservation.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(Self::parse);
        ready(id.ok_or(Problem::UnknownReservation))
    }
}

/// A reservation as partners see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReservationBody<'a> {
    reservation_id: &'a ReservationId,
    event_id: &'a str,
    partner_id: &'a str,
    seats: u32,
    status: Status,
    version: i64,
    #[serde(serialize_with = "in_milliseconds")]
    created_at: Timestamp,
}

impl<'a> From<&'a Reservation> for ReservationBody<'a> {
    fn from(reservation: &'a Reservation) -> Self {
        Self {
            reservation_id: &reservation.id,
            event_id: reservation.id.event_id.as_str(),
            partner_id: reservation.partner_id.as_str(),
            seats: reservation.seats.get(),
            status: reservation.status,
            version: reservation.version.0,
            created_at: reservation.created_at,
        }
    }
}

/// RFC 3339 with always three digits after the second, so that times also sort as text.
fn in_milliseconds<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.3}"))
}

/// Marks the answer to a request that was answered before.
fn replayed(mut response: HttpResponseBuilder, replayed: bool) -> HttpResponseBuilder {
    if replayed {
        response.insert_header((IDEMPOTENT_REPLAYED.clone(), "true"));
    }
    response
}
