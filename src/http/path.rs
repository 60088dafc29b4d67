//! What the segments of a path name.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use super::{Problem, query::decoded};
use crate::domain::{EventId, PartnerId, ReservationId};

impl FromRequest for ReservationId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    /// The id in the path. Any spelling but the canonical one names no reservation.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("reservation_id").and_then(Self::parse);
        ready(id.ok_or(Problem::UnknownReservation))
    }
}

impl FromRequest for EventId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    /// The id in the path. What can be no event's id names no event.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("event_id").and_then(|text| Self::parse(text).ok());
        ready(id.ok_or(Problem::UnknownEvent))
    }
}

impl FromRequest for PartnerId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    /// The id in the path: any text, percent-encoded, as the second segment of `/partners/{partnerId}/…`.
    ///
    /// It is read from the path as it was sent. The router has decoded most of it already, but not `%2F`, and what was no UTF-8
    /// would have become something else.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let segment = request.uri().path().split('/').nth(2).unwrap_or_default();
        let refused = |why: &str| Problem::invalid("partnerId", why);
        let text = decoded(segment).ok_or_else(|| refused("must be percent-encoded UTF-8"));
        ready(text.and_then(|text| Self::parse(&text).map_err(|why| refused(&why.0))))
    }
}
