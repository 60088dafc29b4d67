//! The HTTP face: it parses requests into values that cannot be wrong, asks the box office, and shapes the answers.
//!
//! [`routes`] is the whole contract at a glance. Every error leaves as a [`Problem`].

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpResponse, Resource, Route,
    guard::{Any, Get, Head},
    web::{self, Data, ServiceConfig},
};

mod body;
mod conditions;
mod events;
mod headers;
mod health;
mod problem;
mod reservations;
mod server;
mod terms;
mod trace;
mod unread;

#[cfg(test)]
mod tests;

pub use health::Readiness;
pub use problem::Problem;
pub use server::{bind, serve};
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
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// Whether the process wants work.
    pub readiness: Arc<Readiness>,
}

/// The route table. [`Trace`] belongs around it.
pub fn routes(desk: Data<Desk>) -> impl FnOnce(&mut ServiceConfig) {
    |app| {
        app.app_data(desk)
            .service(
                at("/reservations", "GET, HEAD, POST")
                    .route(read().to(events::summary))
                    .route(web::post().to(reservations::reserve)),
            )
            .service(
                at("/reservations/{id}", "GET, HEAD, DELETE")
                    .route(read().to(reservations::show))
                    .route(web::delete().to(reservations::cancel)),
            )
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
