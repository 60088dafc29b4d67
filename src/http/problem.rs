//! Every error that leaves the house, as an RFC 9457 problem.
//!
//! [`Problem`] says what happened, [`Problem::document`] is the one place that turns it into a status and words for the
//! partner, and the [`Kind`]s below it are all the codes there are.

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;

use crate::{
    domain::{Limited, Rejection, ReservationId, SeatId, Version},
    service::ServiceError,
};

/// Seconds in `Retry-After`: the shortest wait that the header can name. Whatever is worth a retry here is over in
/// milliseconds, or so long that the next answer says so again.
const RETRY_AFTER_SECS: &str = "1";

/// Why a request is not answered as it was meant to be.
#[derive(Debug)]
pub enum Problem {
    /// Fields or headers are not what the contract says.
    InvalidRequest(Vec<FieldError>),
    /// No route has this path.
    UnknownPath,
    /// The path's id can name no reservation.
    UnknownReservation,
    /// The path's id can name no event.
    UnknownEvent,
    /// The event's seats have no names.
    NoSeatMap,
    /// The path exists, but not with this method; `allow` lists those it takes.
    MethodNotAllowed {
        /// The value of the `Allow` header.
        allow: &'static str,
    },
    /// The body did not arrive in time.
    RequestTimeout,
    /// The body is larger than `max_bytes`.
    PayloadTooLarge {
        /// The most that is taken.
        max_bytes: usize,
    },
    /// The body is not JSON, or comes compressed.
    UnsupportedMediaType,
    /// The write is only done with an `If-Match`.
    PreconditionRequired,
    /// More seats than the event has were asked for, by somebody who would have waited for them.
    MoreThanAllSeats {
        /// How many were asked for.
        requested: u32,
        /// How many are free.
        available: u32,
    },
    /// The server is about to stop.
    Draining,
    /// The configured event is not in the store yet.
    EventNotOpen,
    /// As [`ServiceError::OutcomeUnknown`], for a reservation or an event asked for without a key: sent again, it would be
    /// made again.
    UnkeyedOutcomeUnknown(Option<ReservationId>),
    /// The service did not fulfil it.
    Service(ServiceError),
}

/// What is wrong with one field of the body, or one header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field as the partner spells it.
    pub field: Cow<'static, str>,
    /// What to send instead; reads on from the field's name.
    pub message: String,
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl Problem {
    /// One thing is wrong with one field or header.
    pub(super) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::InvalidRequest(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// Its code, as in the body.
    pub(super) fn code(&self) -> &'static str {
        self.document().kind.code
    }

    /// The one table from what happened to what the partner is told.
    fn document(&self) -> Document<'_> {
        match self {
            Self::InvalidRequest(errors) => invalid(errors.into()),
            Self::UnknownPath => NOT_FOUND.saying("There is nothing at this path."),
            Self::UnknownReservation => NOT_FOUND.saying("There is no reservation with this id."),
            Self::UnknownEvent => NOT_FOUND.saying("There is no event with this id."),
            Self::NoSeatMap => NOT_FOUND.saying("The event has no seat map: its seats have no names, only a number."),
            Self::MethodNotAllowed { allow } => METHOD_NOT_ALLOWED.saying(format!("This path takes {allow}.")),
            Self::RequestTimeout => REQUEST_TIMEOUT.saying("The body did not arrive in time. Nothing was changed."),
            Self::PayloadTooLarge { max_bytes } => {
                PAYLOAD_TOO_LARGE.saying(format!("A body may have up to {max_bytes} bytes."))
            }
            Self::UnsupportedMediaType => UNSUPPORTED_MEDIA_TYPE
                .saying("Send the body uncompressed, with the header Content-Type: application/json."),
            Self::PreconditionRequired => PRECONDITION_REQUIRED.saying(
                "Send If-Match with the ETag of the event as you have seen it, so that nobody's change is lost. Nothing was \
                 changed.",
            ),
            Self::MoreThanAllSeats { requested, available } => Document {
                available_seats: Some(*available),
                ..INSUFFICIENT_SEATS.saying(format!(
                    "Seats asked for: {requested}, which is more than the event has, so that nobody could wait for them. \
                     Nothing was changed."
                ))
            },
            Self::Draining => OVERLOADED.saying("This server is about to stop. Ask another one, or again."),
            Self::EventNotOpen => STORE_UNAVAILABLE.saying("The event is not open yet. Nothing was changed."),
            Self::UnkeyedOutcomeUnknown(id) => Document {
                retryable: false,
                reservation_id: id.as_ref(),
                ..OUTCOME_UNKNOWN.saying(
                    "It may have been made, or may yet be. Look for it with GET; do not send this again without looking, \
                     since without an Idempotency-Key that would make another one.",
                )
            },
            Self::Service(ServiceError::Rejected(rejection)) => refusal(rejection),
            Self::Service(ServiceError::EventExists(id)) => EVENT_EXISTS
                .saying(format!("There is an event {id} already. GET /events/{id} shows it; PATCH it, or use another id.")),
            Self::Service(ServiceError::UnknownEvent(id)) => NOT_FOUND.saying(format!("There is no event {id}.")),
            Self::Service(ServiceError::VersionConflict) => VERSION_CONFLICT
                .saying("Other servers changed the event first, at every try. Nothing was changed. Send it again."),
            Self::Service(ServiceError::Overloaded) => {
                OVERLOADED.saying("Too many requests wait for this event. Nothing was changed. Send it again.")
            }
            Self::Service(ServiceError::Unavailable(_)) => {
                STORE_UNAVAILABLE.saying("The store is out of reach. Nothing was changed. Send it again.")
            }
            Self::Service(ServiceError::OutcomeUnknown(id)) => Document {
                reservation_id: id.as_ref(),
                ..OUTCOME_UNKNOWN.saying(
                    "The change may have been made, or may yet be. Look with GET, or send the same request again with the \
                     same Idempotency-Key.",
                )
            },
            Self::Service(ServiceError::Internal(_)) => {
                INTERNAL.saying("A defect on our side. The X-Request-Id header names this request in our log.")
            }
        }
    }
}

/// What the partner is told of a rule that forbids it.
fn refusal(rejection: &Rejection) -> Document<'_> {
    match rejection {
        Rejection::InsufficientSeats { requested, available, waiting } => {
            let others = match waiting {
                0 => String::new(),
                1 => ", for which one reservation waits".to_owned(),
                more => format!(", for which {more} reservations wait"),
            };
            let hint = if *waiting > 0 { " To wait behind them, ask for seats with \"waitlist\": true." } else { "" };
            Document {
                available_seats: Some(*available),
                ..INSUFFICIENT_SEATS.saying(format!(
                    "Seats asked for: {requested}; available: {available}{others}. Nothing was changed.{hint}"
                ))
            }
        }
        Rejection::SeatTaken(seats) => Document {
            seat_ids: seats,
            ..SEAT_TAKEN.saying(format!(
                "These seats are not free: {}. Nothing was changed. Name others, or ask for a number of seats to get the best \
                 that are free.",
                in_a_row(seats)
            ))
        },
        Rejection::UnknownSeats(seats) => invalid_field(
            "seatIds",
            format!("must be seats of the event, which has no {}; GET its /seats to see those it has", in_a_row(seats)),
        ),
        Rejection::TooManySeats { max } => {
            invalid_field("seats", format!("must be an integer from 1 to {max} for this event"))
        }
        Rejection::PartnerLimit { what, max, taken } => {
            let give_up = match what {
                Limited::Seats => "Ask for fewer, or cancel others first.",
                Limited::Reservations => "Cancel another one first.",
            };
            let what = what.as_str();
            PARTNER_LIMIT.saying(format!(
                "One partner may have {max} {what} of this event at most, and this partner has {taken}; those that are held \
                 or waitlisted count too. Nothing was changed. {give_up}"
            ))
        }
        Rejection::SalesPaused => SALES_PAUSED
            .saying("The organizer has paused the sales of this event. Nothing was changed. Send it again when they go on."),
        Rejection::SalesClosed => SALES_CLOSED.saying("The organizer has closed the sales of this event. Nothing was changed."),
        Rejection::HoldExpired => HOLD_EXPIRED
            .saying("The hold had expired before it was confirmed, and its seats went back. Make a new reservation."),
        Rejection::NothingHeld => NOTHING_HELD.saying(
            "The reservation waits for its seats, so there is nothing to confirm yet. GET it to see when it has them.",
        ),
        Rejection::UnknownReservation(id) => {
            NOT_FOUND.saying(format!("There is no reservation {id}, or it is cancelled already."))
        }
        Rejection::SeatsTaken { requested, taken } => SEATS_TAKEN.saying(format!(
            "{taken} seats are confirmed or held, so that there cannot be only {requested}. Nothing was changed. Set \
             totalSeats to {taken} or more."
        )),
        Rejection::SeatsAreMapped => {
            invalid_field("totalSeats", "is given by the seat map of this event and cannot be changed".to_owned())
        }
        Rejection::PreconditionFailed { current } => Document {
            current_version: Some(*current),
            ..PRECONDITION_FAILED.saying(format!(
                "The event is at version {current}, which If-Match does not name. Nothing was changed."
            ))
        },
        Rejection::KeyReused => KEY_REUSED.saying(
            "This Idempotency-Key was used for another request. Use a new key for a new request, and the same request for a \
             retry.",
        ),
    }
}

fn invalid(errors: Cow<'_, [FieldError]>) -> Document<'_> {
    Document { detail: in_one_line(&errors).into(), errors, ..INVALID_REQUEST.saying("") }
}

fn invalid_field<'a>(field: &'static str, message: String) -> Document<'a> {
    invalid(vec![FieldError { field: field.into(), message }].into())
}

/// One entry of the vocabulary: what a code means, whatever the case.
struct Kind {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    retryable: bool,
}

impl Kind {
    const fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self { status, code, title, retryable: false }
    }

    /// Worth sending again as it is; the answer carries `Retry-After`.
    const fn retryable(self) -> Self {
        Self { retryable: true, ..self }
    }

    fn saying<'a>(&'static self, detail: impl Into<Cow<'static, str>>) -> Document<'a> {
        Document {
            kind: self,
            detail: detail.into(),
            retryable: self.retryable,
            errors: Cow::Borrowed(&[]),
            seat_ids: &[],
            current_version: None,
            available_seats: None,
            reservation_id: None,
        }
    }
}

static INVALID_REQUEST: Kind = Kind::new(StatusCode::BAD_REQUEST, "invalid-request", "The request is not valid");
static NOT_FOUND: Kind = Kind::new(StatusCode::NOT_FOUND, "not-found", "Not found");
static METHOD_NOT_ALLOWED: Kind =
    Kind::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here");
static REQUEST_TIMEOUT: Kind =
    Kind::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", "The request took too long to arrive").retryable();
static INSUFFICIENT_SEATS: Kind = Kind::new(StatusCode::CONFLICT, "insufficient-seats", "Not enough seats");
static SEAT_TAKEN: Kind = Kind::new(StatusCode::CONFLICT, "seat-taken", "A named seat is not free");
static PARTNER_LIMIT: Kind = Kind::new(StatusCode::CONFLICT, "partner-limit", "The partner has as much as is allowed");
static SALES_PAUSED: Kind = Kind::new(StatusCode::CONFLICT, "sales-paused", "Sales are paused");
static SALES_CLOSED: Kind = Kind::new(StatusCode::CONFLICT, "sales-closed", "Sales are closed");
static HOLD_EXPIRED: Kind = Kind::new(StatusCode::CONFLICT, "hold-expired", "The hold has expired");
static NOTHING_HELD: Kind = Kind::new(StatusCode::CONFLICT, "nothing-held", "There is nothing to confirm yet");
static SEATS_TAKEN: Kind = Kind::new(StatusCode::CONFLICT, "seats-taken", "More seats are taken than would be left");
static EVENT_EXISTS: Kind = Kind::new(StatusCode::CONFLICT, "event-exists", "The event exists already");
static VERSION_CONFLICT: Kind =
    Kind::new(StatusCode::CONFLICT, "version-conflict", "Others changed the event first").retryable();
static PRECONDITION_FAILED: Kind =
    Kind::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", "The event has moved on");
static PRECONDITION_REQUIRED: Kind =
    Kind::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", "If-Match is required");
static PAYLOAD_TOO_LARGE: Kind = Kind::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", "The body is too large");
static UNSUPPORTED_MEDIA_TYPE: Kind =
    Kind::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is not plain JSON");
static KEY_REUSED: Kind = Kind::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "idempotency-key-reused",
    "The Idempotency-Key belongs to another request",
);
static OVERLOADED: Kind = Kind::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too busy").retryable();
static STORE_UNAVAILABLE: Kind =
    Kind::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "The store is out of reach").retryable();
static OUTCOME_UNKNOWN: Kind =
    Kind::new(StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", "Whether it was done is not known").retryable();
static INTERNAL: Kind = Kind::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error");

/// The body of a problem.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    kind: &'static Kind,
    detail: Cow<'static, str>,
    retryable: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: Cow<'a, [FieldError]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    seat_ids: &'a [SeatId],
    #[serde(skip_serializing_if = "Option::is_none")]
    current_version: Option<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available_seats: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation_id: Option<&'a ReservationId>,
}

impl Serialize for Kind {
    /// The problem's type is a URN, not a URL: it promises no page, and it stays the same behind whatever host, scheme
    /// and path prefix a deployment has (RFC 9457 section 3.1.1 warns of relative references).
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;

        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("type", &format_args!("urn:ticketboss:problem:{}", self.code))?;
        map.serialize_entry("title", self.title)?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("code", self.code)?;
        map.end()
    }
}

fn in_a_row(seats: &[SeatId]) -> String {
    let seats: Vec<_> = seats.iter().map(ToString::to_string).collect();
    seats.join(", ")
}

fn in_one_line(errors: &[FieldError]) -> String {
    let all: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
    format!("{}.", all.join("; "))
}

/// What the log says; the partner's copy is [`Problem::document`].
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            other => f.write_str(&other.document().detail),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.document().kind.status
    }

    fn error_response(&self) -> HttpResponse {
        let document = self.document();
        let mut response = HttpResponse::build(document.kind.status);
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        if document.kind.retryable {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECS));
        }
        if let Some(version) = document.current_version {
            response.insert_header((header::ETAG, super::conditions::etag(version)));
        }
        if let Self::MethodNotAllowed { allow } = self {
            response.insert_header((header::ALLOW, *allow));
        }
        response.json(document)
    }
}

#[cfg(test)]
#[path = "problem_tests.rs"]
mod tests;
