//! What the segments of a path name.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::{Payload, ServiceRequest},
    http::{Uri, uri::PathAndQuery},
};

use super::{Problem, hints, query::decoded};
use crate::domain::{EventId, PartnerId, ReservationId};

/// Takes one slash away from the end of the path: `/events/` is `/events`. That is all that is tidied, so that no value in a path
/// becomes another one.
pub(super) fn trim_slash(request: &mut ServiceRequest) {
    let uri = &request.head().uri;
    let Some(path) = uri.path().strip_suffix('/').filter(|path| !path.is_empty() && !path.ends_with('/')) else {
        return;
    };
    let trimmed = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(trimmed).ok();
    // A part of a good target is a good target; should one not be, it is left as it came.
    let Ok(uri) = Uri::from_parts(parts) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

impl FromRequest for ReservationId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    /// The id in the path. Any spelling but the canonical one names no reservation.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("reservation_id").and_then(Self::parse);
        ready(id.ok_or_else(|| match hints::right_path(request.path()) {
            Some(hint) => Problem::UnknownPath(Some(hint)),
            None => Problem::UnknownReservation,
        }))
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
