//! The event as dashboards see it.

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use serde::Serialize;

use super::{Desk, Problem, conditions};
use crate::{domain::Event, service::ServiceError};

/// An event in numbers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    event_id: &'a str,
    name: &'a str,
    total_seats: u32,
    available_seats: u32,
    reservation_count: u32,
    version: i64,
}

impl<'a> From<&'a Event> for Summary<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            event_id: event.id.as_str(),
            name: event.name.as_str(),
            total_seats: event.total_seats,
            available_seats: event.available_seats,
            reservation_count: event.reservation_count,
            version: event.version.0,
        }
    }
}

/// `GET /reservations`: the configured event, or 304 to a client that has it as it is.
pub(super) async fn summary(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let event = desk.box_office.event(&desk.event_id).await.map_err(of_configured_event)?;

    let fresh = conditions::is_fresh(request.headers(), event.version);
    let mut response = if fresh { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::ETAG, conditions::etag(event.version)))
        // Keep it, but never use it unasked: the next sale makes it old.
        .insert_header((header::CACHE_CONTROL, "no-cache"));
    if fresh { Ok(response.finish()) } else { Ok(response.json(Summary::from(&event))) }
}

/// The problem behind `error` on a path that serves the configured event: that one is never unknown, only not made yet.
pub(super) fn of_configured_event(error: ServiceError) -> Problem {
    match error {
        ServiceError::UnknownEvent(_) => Problem::EventNotOpen,
        other => other.into(),
    }
}
