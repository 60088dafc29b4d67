//! A partner's reservations: make, look at, confirm, cancel.

use std::{collections::HashSet, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use serde::Serialize;
use validator::{Validate, ValidateArgs as _, ValidationError};

use super::{
    Desk, Problem,
    body::JsonBody,
    conditions,
    events::of_configured_event,
    fields::{integer, list, text, value},
    headers::{PREFERENCE_APPLIED, prefers_representation},
    shape::{ReservationBody, replayed},
};
use crate::{
    domain::{
        Cancellation, EventId, HoldSeconds, InvalidValue, PartnerId, Rejection, Reservation, ReservationId, SeatCount,
        SeatId, counted,
    },
    service::{Answer, SeatRequest, ServiceError, Terms},
};

/// The body of a request for seats. A field that is absent or cannot be read is `None`, and is complained of elsewhere.
#[derive(Debug, Validate)]
#[validate(context = "Limits")]
struct ReserveBody {
    partner_id: Option<PartnerId>,
    #[validate(custom(function = "check_seats", use_context))]
    seats: Option<u32>,
    #[validate(custom(function = "check_seat_ids", use_context))]
    seat_ids: Option<Vec<SeatId>>,
    waitlist: Option<bool>,
    #[validate(custom(function = "check_hold_seconds", use_context))]
    hold_seconds: Option<u32>,
}

/// How much one reservation may take.
struct Limits {
    seats_max: u32,
    hold_seconds_max: u32,
}

/// `POST /reservations`: seats of the configured event.
pub(super) async fn reserve(
    desk: Data<Desk>,
    terms: Terms,
    body: JsonBody,
    sent: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let request = ReserveBody::parse(&body, &Limits::of(&desk))?;

    let otherwise = |error| match error {
        ServiceError::UnknownEvent(_) => of_configured_event(error),
        other => conditions::explained(sent.headers(), other),
    };
    let answer = ask_for_seats(&desk, &desk.event_id, request, terms, otherwise).await?;

    Ok(made(&answer))
}

/// `POST /events/{eventId}/reservations`: seats of that event.
pub(super) async fn reserve_at_event(
    desk: Data<Desk>,
    event_id: EventId,
    terms: Terms,
    body: JsonBody,
    sent: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let request = ReserveBody::parse(&body, &Limits::of(&desk))?;

    let otherwise = |error| conditions::explained(sent.headers(), error);
    let answer = ask_for_seats(&desk, &event_id, request, terms, otherwise).await?;

    Ok(made(&answer))
}

/// `GET /reservations/{id}`: the reservation as it stands, cancelled ones too.
pub(super) async fn show(desk: Data<Desk>, id: ReservationId) -> Result<HttpResponse, Problem> {
    let standing = desk.box_office.reservation(&id).await.map_err(|error| match error {
        // The service's word for it speaks of cancelling.
        ServiceError::Rejected(_) | ServiceError::UnknownEvent(_) => Problem::UnknownReservation,
        other => other.into(),
    })?;

    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .json(ReservationBody::new(&standing.reservation, standing.waitlist_position)))
}

/// `POST /reservations/{id}/confirm`: the seats of a hold are kept for good. One that is confirmed already stays so.
pub(super) async fn confirm(
    desk: Data<Desk>,
    id: ReservationId,
    terms: Terms,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = desk.box_office.confirm(&id, terms).await;
    let answer = asked.map_err(|error| conditions::explained(request.headers(), error))?;

    Ok(replayed(HttpResponse::Ok(), answer.replayed).json(ReservationBody::of_write(&answer.subject)))
}

/// What came of a cancel, for who wants to know.
#[derive(Serialize)]
struct CancellationBody<'a> {
    cancelled: ReservationBody<'a>,
    promoted: Vec<ReservationBody<'a>>,
}

/// `DELETE /reservations/{id}`: its seats, or its place on the waitlist, go to others. To whom is told to who asks for it.
pub(super) async fn cancel(
    desk: Data<Desk>,
    id: ReservationId,
    terms: Terms,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = desk.box_office.cancel(&id, terms).await;
    let answer = asked.map_err(|error| conditions::explained(request.headers(), error))?;

    if !prefers_representation(request.headers()) {
        return Ok(replayed(HttpResponse::NoContent(), answer.replayed).finish());
    }
    let Cancellation { cancelled, promoted } = &answer.subject;
    Ok(replayed(HttpResponse::Ok(), answer.replayed)
        .insert_header((PREFERENCE_APPLIED.clone(), "return=representation"))
        .json(CancellationBody {
            cancelled: ReservationBody::of_write(cancelled),
            promoted: promoted.iter().map(|promoted| ReservationBody::of_write(promoted)).collect(),
        }))
}

/// Asks, and says of a refusal what this request in particular can do about it.
async fn ask_for_seats(
    desk: &Desk,
    event_id: &EventId,
    request: SeatRequest,
    terms: Terms,
    otherwise: impl FnOnce(ServiceError) -> Problem,
) -> Result<Answer<Arc<Reservation>>, Problem> {
    let (keyed, named, waitlist) = (terms.key.is_some(), !request.seat_ids.is_empty(), request.waitlist);
    desk.box_office.reserve(event_id, request, terms).await.map_err(|error| match error {
        ServiceError::OutcomeUnknown(Some(id)) if !keyed => Problem::UnkeyedOutcomeUnknown(Some(id)),
        ServiceError::Rejected(Rejection::TooManySeats { max }) if named => {
            Problem::invalid("seatIds", format!("must name at most {} of this event", counted(max, "seat")))
        }
        ServiceError::Rejected(Rejection::InsufficientSeats { available, waiting: waiting @ 1.., .. }) if named => {
            Problem::NamedSeatsWaitedFor { available, waiting }
        }
        // Who would have waited and may not is told why: more than all seats never come free.
        ServiceError::Rejected(Rejection::InsufficientSeats { requested, available, .. }) if waitlist => {
            Problem::MoreThanAllSeats { requested, available }
        }
        other => otherwise(other),
    })
}

fn made(answer: &Answer<Arc<Reservation>>) -> HttpResponse {
    replayed(HttpResponse::Created(), answer.replayed)
        .insert_header((header::LOCATION, format!("/reservations/{}", answer.subject.id)))
        .json(ReservationBody::of_write(&answer.subject))
}

impl ReserveBody {
    fn parse(body: &JsonBody, limits: &Limits) -> Result<SeatRequest, Problem> {
        let Limits { seats_max, hold_seconds_max } = *limits;
        let seat_ids_max = usize::try_from(seats_max).unwrap_or(usize::MAX);
        let mut fields = body.fields()?;
        fields.exactly_one("seats", "seatIds");
        let given = Self {
            partner_id: fields.required("partnerId", text("a string of 1 to 64 characters", PartnerId::parse)),
            seats: fields.optional("seats", integer(format_args!("an integer from 1 to {seats_max}"))),
            seat_ids: fields.optional(
                "seatIds",
                list(
                    r#"an array of seats, as in ["A7", "A8"]"#,
                    seat_ids_max,
                    text(r#"a seat, as in "A7""#, SeatId::parse),
                ),
            ),
            waitlist: fields.optional("waitlist", value("true or false")),
            hold_seconds: fields
                .optional("holdSeconds", integer(format_args!("an integer from 1 to {hold_seconds_max}"))),
        };
        if given.waitlist == Some(true) && given.seat_ids.is_some() {
            fields.refuse("waitlist", "must not be true together with seatIds: named seats are not waited for");
        }
        fields.finish(given.validate_with_args(limits))?;
        given.into_request(limits)
    }

    /// The request, of fields that were checked.
    fn into_request(self, limits: &Limits) -> Result<SeatRequest, Problem> {
        let named = self.seat_ids.unwrap_or_default();
        let count = u32::try_from(named.len()).ok().filter(|count| *count > 0).or(self.seats).unwrap_or_default();
        let refused = |field| move |why: InvalidValue| Problem::invalid(field, why.0);
        let hold = self.hold_seconds.map(|seconds| HoldSeconds::parse(seconds, limits.hold_seconds_max));
        Ok(SeatRequest {
            partner_id: self.partner_id.ok_or_else(|| Problem::invalid("partnerId", "is required"))?,
            seats: SeatCount::parse(count, limits.seats_max).map_err(refused("seats"))?,
            seat_ids: named.into(),
            waitlist: self.waitlist.unwrap_or_default(),
            hold: hold.transpose().map_err(refused("holdSeconds"))?,
        })
    }
}

impl Limits {
    fn of(desk: &Desk) -> Self {
        Self { seats_max: desk.seats_per_reservation_max, hold_seconds_max: desk.hold_seconds_max }
    }
}

// The rules are the domain's; the validator applies them to all fields before the first is refused.

fn check_seats(seats: u32, limits: &Limits) -> Result<(), ValidationError> {
    SeatCount::parse(seats, limits.seats_max).map(drop).map_err(broken_rule)
}

fn check_hold_seconds(seconds: u32, limits: &Limits) -> Result<(), ValidationError> {
    HoldSeconds::parse(seconds, limits.hold_seconds_max).map(drop).map_err(broken_rule)
}

fn check_seat_ids(seats: &[SeatId], limits: &Limits) -> Result<(), ValidationError> {
    let mut seen = HashSet::new();
    if seats.is_empty() {
        let range =
            if limits.seats_max == 1 { "1 seat".to_owned() } else { format!("1 to {} seats", limits.seats_max) };
        return Err(broken_rule(InvalidValue(format!("must name {range}"))));
    }
    match seats.iter().find(|seat| !seen.insert(**seat)) {
        Some(twice) => Err(broken_rule(InvalidValue(format!("must name each seat once, and names {twice} twice")))),
        None => Ok(()),
    }
}

fn broken_rule(why: InvalidValue) -> ValidationError {
    ValidationError::new("invalid").with_message(why.0.into())
}

#[cfg(test)]
#[path = "reservations_tests.rs"]
mod tests;
