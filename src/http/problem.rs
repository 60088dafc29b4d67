//! Every error that leaves the house, as an RFC 9457 problem.
//!
//! [`Problem`] says what happened, [`Problem::document`] is the one place that turns it into a status and words for the
//! partner, with [`refusal()`] for the rules of the sale, and [`kinds`] are all the codes there are.

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;

use crate::{
    domain::{EventId, ReservationId, Version},
    service::ServiceError,
};

mod kinds;
mod refusal;

use self::{
    kinds::{
        Document, EVENT_EXISTS, EVENT_UNREADABLE, HEAD_TOO_LARGE, INSUFFICIENT_SEATS, INTERNAL, INVALID_REQUEST,
        METHOD_NOT_ALLOWED, MISDIRECTED_REQUEST, NOT_FOUND, OUTCOME_UNKNOWN, OVERLOADED, PAYLOAD_TOO_LARGE,
        PRECONDITION_FAILED, PRECONDITION_REQUIRED, REQUEST_TIMEOUT, STORE_UNAVAILABLE, UNSUPPORTED_MEDIA_TYPE,
        URI_TOO_LONG, VERSION_CONFLICT,
    },
    refusal::{invalid, refusal},
};

/// Seconds in `Retry-After`: the shortest wait that the header can name. Whatever is worth a retry here is over in
/// milliseconds, or so long that the next answer says so again.
const RETRY_AFTER_SECS: &str = "1";

/// Why a request is not answered as it was meant to be.
#[derive(Debug)]
pub enum Problem {
    /// Fields or headers are not what the contract says.
    InvalidRequest(Vec<FieldError>),
    /// No route has this path; and where somebody who asks for it is right.
    UnknownPath(Option<Cow<'static, str>>),
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
    /// What came is no request, or could be read in two ways; says how.
    Malformed(&'static str),
    /// The head is larger than `max_bytes`.
    HeadTooLarge {
        /// The most that is taken.
        max_bytes: usize,
    },
    /// The head has more lines than are taken.
    TooManyHeaders,
    /// The first line alone is larger than a head may be.
    UriTooLong,
    /// The head did not arrive in time.
    HeadTimeout,
    /// There is no room for another connection; says what to do.
    Full(&'static str),
    /// The body did not arrive in time.
    RequestTimeout,
    /// The body is larger than `max_bytes`.
    PayloadTooLarge {
        /// The most that is taken.
        max_bytes: usize,
    },
    /// As many large bodies as there is room for are being taken in.
    TooManyLargeBodies,
    /// The body is not JSON, or comes compressed.
    UnsupportedMediaType,
    /// A browser sent a request without a body and without saying that it is JSON.
    UntypedFromBrowser,
    /// The request is meant for another host.
    MisdirectedRequest,
    /// The write is only done with an `If-Match`.
    PreconditionRequired,
    /// `If-Match` names the event's version by a weak tag, which never counts there.
    WeakTag {
        /// Where the event is.
        current: Version,
    },
    /// More seats than the event has were asked for, by somebody who would have waited for them.
    MoreThanAllSeats {
        /// How many were asked for.
        requested: u32,
        /// How many are free.
        available: u32,
    },
    /// Named seats are free, and go to nobody before those who wait.
    NamedSeatsWaitedFor {
        /// How many are free.
        available: u32,
        /// How many reservations wait.
        waiting: u32,
    },
    /// The server is about to stop.
    Draining,
    /// The configured event is not in the store yet.
    EventNotOpen,
    /// What the store holds of the configured event cannot be read.
    EventUnreadable(EventId),
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
            Self::UnknownPath(None) => NOT_FOUND.saying("There is nothing at this path."),
            Self::UnknownPath(Some(hint)) => NOT_FOUND.saying(format!("There is nothing at this path. {hint}")),
            Self::UnknownReservation => NOT_FOUND.saying("There is no reservation with this id."),
            Self::UnknownEvent => NOT_FOUND.saying("There is no event with this id."),
            Self::NoSeatMap => NOT_FOUND.saying("The event has no seat map: its seats have no names, only a number."),
            Self::MethodNotAllowed { allow } => METHOD_NOT_ALLOWED.saying(format!("This path takes {allow}.")),
            Self::Malformed(detail) => INVALID_REQUEST.saying(*detail),
            Self::HeadTooLarge { max_bytes } => HEAD_TOO_LARGE
                .saying(format!("The first line and the headers may have up to {max_bytes} bytes. Send fewer or shorter headers.")),
            Self::TooManyHeaders => HEAD_TOO_LARGE.saying("The request has too many headers. Send fewer."),
            Self::UriTooLong => URI_TOO_LONG.saying("The path and query are too long. Send them shorter."),
            Self::HeadTimeout => {
                REQUEST_TIMEOUT.saying("The first line and the headers did not arrive in time. Nothing was changed.")
            }
            Self::Full(detail) => OVERLOADED.saying(*detail),
            Self::RequestTimeout => REQUEST_TIMEOUT.saying("The body did not arrive in time. Nothing was changed."),
            Self::PayloadTooLarge { max_bytes } => {
                PAYLOAD_TOO_LARGE.saying(format!("A body may have up to {max_bytes} bytes."))
            }
            Self::TooManyLargeBodies => OVERLOADED
                .saying("Too many requests with large bodies are under way. Nothing was changed. Send it again."),
            Self::UnsupportedMediaType => UNSUPPORTED_MEDIA_TYPE
                .saying("Send the body uncompressed, with the header Content-Type: application/json."),
            Self::UntypedFromBrowser => UNSUPPORTED_MEDIA_TYPE.saying(
                "Send the header Content-Type: application/json, also without a body: a browser lets any page send a request that \
                 has none. Nothing was changed.",
            ),
            Self::MisdirectedRequest => MISDIRECTED_REQUEST.saying(
                "This server does not answer for the host that the request names. Ask it by localhost, by the address that it \
                 listens on, or by a host that its setting ALLOWED_HOSTS lists. Nothing was changed.",
            ),
            Self::PreconditionRequired => PRECONDITION_REQUIRED.saying(
                "Send If-Match with the ETag of the event as you have seen it, so that nobody's change is lost. Nothing was \
                 changed.",
            ),
            Self::WeakTag { current } => Document {
                current_version: Some(*current),
                ..PRECONDITION_FAILED.saying(format!(
                    "If-Match names version {current} by a weak tag, W/\"{current}\", which never counts there (RFC 9110 section \
                     13.1.1). Send it as \"{current}\"; a proxy may have made it weak. Nothing was changed."
                ))
            },
            Self::MoreThanAllSeats { requested, available } => Document {
                available_seats: Some(*available),
                ..INSUFFICIENT_SEATS.saying(format!(
                    "Seats asked for: {requested}, which is more than the event has, so that nobody could wait for them. \
                     Nothing was changed."
                ))
            },
            Self::NamedSeatsWaitedFor { available, waiting } => Document {
                available_seats: Some(*available),
                ..INSUFFICIENT_SEATS.saying(format!(
                    "{} for seats, and nobody gets any before {}. Nothing was changed. Named seats are not waited for: to wait \
                     behind, ask for a number of seats with \"waitlist\": true and without seatIds.",
                    if *waiting == 1 { "1 reservation waits".to_owned() } else { format!("{waiting} reservations wait") },
                    if *waiting == 1 { "it" } else { "they all" },
                ))
            },
            Self::Draining => OVERLOADED.saying("This server is about to stop. Ask another one, or again."),
            Self::EventNotOpen => STORE_UNAVAILABLE.saying("The event is not open yet. Nothing was changed."),
            Self::EventUnreadable(id) => EVENT_UNREADABLE.saying(format!(
                "What the store holds of the event {id} cannot be read. The log of the server says why; somebody has to mend it."
            )),
            Self::UnkeyedOutcomeUnknown(id) => Document {
                retryable: false,
                reservation_id: id.as_ref(),
                ..OUTCOME_UNKNOWN.saying(
                    "It may have been made, or may yet be. Look for it with GET; do not send this again without looking, \
                     since without an Idempotency-Key that would make another one.",
                )
            },
            Self::Service(error) => of_service(error),
        }
    }
}

/// What the partner is told of a request that the service did not fulfil.
fn of_service(error: &ServiceError) -> Document<'_> {
    match error {
        ServiceError::Rejected(rejection) => refusal(rejection),
        ServiceError::EventExists(id) => EVENT_EXISTS
            .saying(format!("There is an event {id} already. GET /events/{id} shows it; PATCH it, or use another id.")),
        ServiceError::UnknownEvent(id) => NOT_FOUND.saying(format!("There is no event {id}.")),
        ServiceError::VersionConflict => VERSION_CONFLICT
            .saying("Other servers changed the event first, at every try. Nothing was changed. Send it again."),
        ServiceError::Overloaded => {
            OVERLOADED.saying("Too many requests wait for this event. Nothing was changed. Send it again.")
        }
        ServiceError::ListsOverloaded(_) => OVERLOADED.saying(
            "So many lists are being read at once that this one had no turn in time. Ask again a little later.",
        ),
        ServiceError::Unavailable(_) => {
            STORE_UNAVAILABLE.saying("The store is out of reach. Nothing was changed. Send it again.")
        }
        ServiceError::ReadOnly(_) => STORE_UNAVAILABLE.saying(
            "The store takes no changes at the moment; what it holds can be read. Nothing was changed. Send it again.",
        ),
        ServiceError::OutcomeUnknown(id) => Document {
            reservation_id: id.as_ref(),
            ..OUTCOME_UNKNOWN.saying(
                "The change may have been made, or may yet be. Look with GET, or send the same request again, with its \
                 Idempotency-Key if it had one.",
            )
        },
        ServiceError::Internal(_) => {
            INTERNAL.saying("A defect on our side. The X-Request-Id header names this request in our log.")
        }
    }
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
        // Not its kind's word: some of a kind that is worth a retry would be done twice by one.
        if document.retryable {
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
