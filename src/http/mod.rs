//! The HTTP face: it parses requests into values that cannot be wrong, asks the box office, and shapes the answers.
//!
//! [`routes`] is the whole contract at a glance. The handlers are in `reservations`, `events`, `seats`, `lists`, `health` and `root`;
//! what comes in is checked by `hosts` and `takes` and parsed by `path`, `query`, `terms`, `body` and `fields`, what goes out is
//! shaped by `shape`. Every error leaves as a [`Problem`].

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, Resource, Route,
    guard::{Any, Get, Head},
    web::{self, Data, ServiceConfig},
};

mod body;
mod compression;
mod conditions;
mod connection;
mod cursor;
mod event_bodies;
mod events;
mod fields;
mod headers;
mod health;
mod hints;
mod hosts;
mod integer;
mod lists;
mod mistakes;
mod path;
mod problem;
mod query;
mod reservations;
mod root;
mod seats;
mod server;
mod shape;
mod takes;
mod terms;
mod throttle;
mod time;
mod trace;
mod unread;

#[cfg(test)]
mod tests;

pub use health::Readiness;
pub use hosts::{HostName, Hosts};
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
    /// Which hosts it answers for.
    pub hosts: Hosts,
}

/// The route table. [`Trace`] belongs around it. What stands around a handler says what its requests have beside the path: a
/// [`takes::query`], a [`takes::body`], or [`takes::nothing`]. The probes and `/` have neither and take anything: they are asked
/// by machines that add what they like.
pub fn routes(desk: Data<Desk>) -> impl FnOnce(&mut ServiceConfig) {
    |app| {
        app.configure(probe_routes(desk))
            .service(at("/", "GET, HEAD").route(read().to(root::show)))
            .service(
                at("/reservations", "GET, HEAD, POST")
                    .route(read().to(takes::nothing(events::summary)))
                    .route(web::post().to(takes::body(reservations::reserve))),
            )
            .service(
                at("/reservations/{reservation_id}", "GET, HEAD, DELETE")
                    .route(read().to(takes::nothing(reservations::show)))
                    .route(web::delete().to(takes::nothing(reservations::cancel))),
            )
            .service(
                at("/reservations/{reservation_id}/confirm", "POST")
                    .route(web::post().to(takes::nothing(reservations::confirm))),
            )
            .service(
                at("/events", "GET, HEAD, POST")
                    .route(read().to(takes::query(events::list)))
                    .route(web::post().to(takes::body(events::create))),
            )
            .service(
                at("/events/{event_id}", "GET, HEAD, PATCH")
                    .route(read().to(takes::nothing(events::show)))
                    .route(web::patch().to(takes::body(events::amend))),
            )
            .service(
                at("/events/{event_id}/reservations", "GET, HEAD, POST")
                    .route(read().to(takes::query(lists::of_event)))
                    .route(web::post().to(takes::body(reservations::reserve_at_event))),
            )
            .service(at("/events/{event_id}/seats", "GET, HEAD").route(read().to(takes::nothing(seats::show))))
            .service(
                at("/partners/{partner_id}/reservations", "GET, HEAD")
                    .route(read().to(takes::query(lists::of_partner))),
            );
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

async fn nothing_here(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::UnknownPath(hints::right_path(request.path())))
}
