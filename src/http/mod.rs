//! The HTTP face: it parses requests into values that cannot be wrong, asks the box office, and shapes the answers.
//!
//! [`routes`] is the whole contract at a glance. The handlers are in `reservations`, `events`, `seats`, `lists` and `health`;
//! what comes in is parsed by `path`, `query`, `terms`, `body` and `fields`, what goes out is shaped by `shape`. Every error
//! leaves as a [`Problem`].

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpResponse, Resource, Route,
    guard::{Any, Get, Head},
    web::{self, Data, ServiceConfig},
};

mod body;
mod conditions;
mod connection;
mod cursor;
mod event_bodies;
mod events;
mod fields;
mod headers;
mod health;
mod lists;
mod mistakes;
mod path;
mod problem;
mod query;
mod reservations;
mod seats;
mod server;
mod shape;
mod terms;
mod throttle;
mod time;
mod trace;
mod unread;

#[cfg(test)]
mod tests;

pub use health::Readiness;
pub use problem::Problem;
pub use server::{ConnectionLimits, bind, serve, serve_probes};
pub use trace::Trace;

use crate::{domain::EventId, service::BoxOffice};

/// What the handlers work with.
#[derive(Clone)]
pub struct Desk {
    /// Who is asked.
    pub box_office: BoxOffice,
    /// The event that the root paths serve.
    pub event_id: EventId,
    /// The most seats that one reservation may take.
    pub seats_per_reservation_max: u32,
    /// The longest that a reservation may hold its seats, in seconds.
    pub hold_seconds_max: u32,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// Whether the process wants work.
    pub readiness: Arc<Readiness>,
}

/// The route table. [`Trace`] belongs around it.
pub fn routes(desk: Data<Desk>) -> impl FnOnce(&mut ServiceConfig) {
    |app| {
        app.configure(probe_routes(desk))
            .service(
                at("/reservations", "GET, HEAD, POST")
                    .route(read().to(events::summary))
                    .route(web::post().to(reservations::reserve)),
            )
            .service(
                at("/reservations/{reservation_id}", "GET, HEAD, DELETE")
                    .route(read().to(reservations::show))
                    .route(web::delete().to(reservations::cancel)),
            )
            .service(at("/reservations/{reservation_id}/confirm", "POST").route(web::post().to(reservations::confirm)))
            .service(
                at("/events", "GET, HEAD, POST").route(read().to(events::list)).route(web::post().to(events::create)),
            )
            .service(
                at("/events/{event_id}", "GET, HEAD, PATCH")
                    .route(read().to(events::show))
                    .route(web::patch().to(events::amend)),
            )
            .service(
                at("/events/{event_id}/reservations", "GET, HEAD, POST")
                    .route(read().to(lists::of_event))
                    .route(web::post().to(reservations::reserve_at_event)),
            )
            .service(at("/events/{event_id}/seats", "GET, HEAD").route(read().to(seats::show)))
            .service(at("/partners/{partner_id}/reservations", "GET, HEAD").route(read().to(lists::of_partner)));
    }
}

/// The probes, and a word for whoever looks for something else.
fn probe_routes(desk: Data<Desk>) -> impl FnOnce(&mut ServiceConfig) {
    |app| {
        app.app_data(desk)
            .service(at("/health", "GET, HEAD").route(read().to(health::live)))
            .service(at("/livez", "GET, HEAD").route(read().to(health::live)))
            .service(at("/readyz", "GET, HEAD").route(read().to(health::ready)))
            .default_service(web::route().to(nothing_here));
    }
}

/// A path that answers 405 to every method that none of its routes takes. RFC 9110 section 15.5.6 wants the others
/// named; `OPTIONS` is no exception here, and learns them from the same header.
fn at(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::route().to(move || async move { wrong_method(allow) }))
}

/// `HEAD` is answered like `GET`; the server leaves the body out.
fn read() -> Route {
    web::route().guard(Any(Get()).or(Head()))
}

fn wrong_method(allow: &'static str) -> Result<HttpResponse, Problem> {
    Err(Problem::MethodNotAllowed { allow })
}

async fn nothing_here() -> Result<HttpResponse, Problem> {
    Err(Problem::UnknownPath)
}
