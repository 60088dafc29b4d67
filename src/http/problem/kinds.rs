//! All the codes there are, and the body that carries one.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use serde::Serialize;

use super::FieldError;
use crate::domain::{ReservationId, SeatId, Version};

/// One entry of the vocabulary: what a code means, whatever the case.
pub(super) struct Kind {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) retryable: bool,
}

impl Kind {
    const fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self { status, code, title, retryable: false }
    }

    /// Worth sending again as it is; the answer carries `Retry-After`.
    const fn retryable(self) -> Self {
        Self { retryable: true, ..self }
    }

    pub(super) fn saying<'a>(&'static self, detail: impl Into<Cow<'static, str>>) -> Document<'a> {
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

pub(super) static INVALID_REQUEST: Kind =
    Kind::new(StatusCode::BAD_REQUEST, "invalid-request", "The request is not valid");
pub(super) static NOT_FOUND: Kind = Kind::new(StatusCode::NOT_FOUND, "not-found", "Not found");
pub(super) static METHOD_NOT_ALLOWED: Kind =
    Kind::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here");
pub(super) static REQUEST_TIMEOUT: Kind =
    Kind::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", "The request took too long to arrive").retryable();
pub(super) static INSUFFICIENT_SEATS: Kind = Kind::new(StatusCode::CONFLICT, "insufficient-seats", "Not enough seats");
pub(super) static SEAT_TAKEN: Kind = Kind::new(StatusCode::CONFLICT, "seat-taken", "A named seat is not free");
pub(super) static PARTNER_LIMIT: Kind =
    Kind::new(StatusCode::CONFLICT, "partner-limit", "The partner has as much as is allowed");
pub(super) static SALES_PAUSED: Kind = Kind::new(StatusCode::CONFLICT, "sales-paused", "Sales are paused");
pub(super) static SALES_CLOSED: Kind = Kind::new(StatusCode::CONFLICT, "sales-closed", "Sales are closed");
pub(super) static HOLD_EXPIRED: Kind = Kind::new(StatusCode::CONFLICT, "hold-expired", "The hold has expired");
pub(super) static NOTHING_HELD: Kind =
    Kind::new(StatusCode::CONFLICT, "nothing-held", "There is nothing to confirm yet");
pub(super) static SEATS_TAKEN: Kind =
    Kind::new(StatusCode::CONFLICT, "seats-taken", "More seats are taken than would be left");
pub(super) static EVENT_EXISTS: Kind = Kind::new(StatusCode::CONFLICT, "event-exists", "The event exists already");
pub(super) static VERSION_CONFLICT: Kind =
    Kind::new(StatusCode::CONFLICT, "version-conflict", "Others changed the event first").retryable();
pub(super) static PRECONDITION_FAILED: Kind =
    Kind::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", "The event has moved on");
pub(super) static PRECONDITION_REQUIRED: Kind =
    Kind::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", "If-Match is required");
pub(super) static PAYLOAD_TOO_LARGE: Kind =
    Kind::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", "The body is too large");
pub(super) static HEAD_TOO_LARGE: Kind =
    Kind::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", "The headers are too large");
pub(super) static URI_TOO_LONG: Kind = Kind::new(StatusCode::URI_TOO_LONG, "uri-too-long", "The path is too long");
pub(super) static UNSUPPORTED_MEDIA_TYPE: Kind =
    Kind::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is not plain JSON");
pub(super) static MISDIRECTED_REQUEST: Kind =
    Kind::new(StatusCode::MISDIRECTED_REQUEST, "misdirected-request", "The request is meant for another host");
pub(super) static KEY_REUSED: Kind = Kind::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "idempotency-key-reused",
    "The Idempotency-Key belongs to another request",
);
pub(super) static OVERLOADED: Kind = Kind::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too busy").retryable();
pub(super) static STORE_UNAVAILABLE: Kind =
    Kind::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "The store is out of reach").retryable();
pub(super) static EVENT_UNREADABLE: Kind =
    Kind::new(StatusCode::SERVICE_UNAVAILABLE, "event-unreadable", "The event cannot be read");
pub(super) static OUTCOME_UNKNOWN: Kind =
    Kind::new(StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", "Whether it was done is not known").retryable();
pub(super) static INTERNAL: Kind = Kind::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error");

/// The body of a problem.
pub(super) struct Document<'a> {
    pub(super) kind: &'static Kind,
    pub(super) detail: Cow<'static, str>,
    /// Whether it may be sent again as it is; starts as its kind has it.
    pub(super) retryable: bool,
    pub(super) errors: Cow<'a, [FieldError]>,
    pub(super) seat_ids: &'a [SeatId],
    pub(super) current_version: Option<Version>,
    pub(super) available_seats: Option<u32>,
    pub(super) reservation_id: Option<&'a ReservationId>,
}

impl Serialize for Document<'_> {
    /// The problem's type is a URN, not a URL: it promises no page, and it stays the same behind whatever host, scheme
    /// and path prefix a deployment has (RFC 9457 section 3.1.1 warns of relative references).
    ///
    /// `error` and `message` repeat `detail`: clients that were written for other services show one of them.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;

        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("urn:ticketboss:problem:{}", self.kind.code))?;
        map.serialize_entry("title", self.kind.title)?;
        map.serialize_entry("status", &self.kind.status.as_u16())?;
        map.serialize_entry("code", self.kind.code)?;
        map.serialize_entry("detail", &self.detail)?;
        map.serialize_entry("error", &self.detail)?;
        map.serialize_entry("message", &self.detail)?;
        map.serialize_entry("retryable", &self.retryable)?;
        if !self.errors.is_empty() {
            map.serialize_entry("errors", &self.errors)?;
        }
        if !self.seat_ids.is_empty() {
            map.serialize_entry("seatIds", self.seat_ids)?;
        }
        if let Some(version) = self.current_version {
            map.serialize_entry("currentVersion", &version)?;
        }
        if let Some(seats) = self.available_seats {
            map.serialize_entry("availableSeats", &seats)?;
        }
        if let Some(id) = self.reservation_id {
            map.serialize_entry("reservationId", id)?;
        }
        map.end()
    }
}
