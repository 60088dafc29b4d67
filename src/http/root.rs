//! `GET /`: what this is, for somebody who only has its address.

use actix_web::{HttpResponse, http::header};
use serde::Serialize;

/// Where to go from here. Paths are those of the API; `docs` is the file that comes with the source.
#[derive(Serialize)]
struct RootBody {
    name: &'static str,
    version: &'static str,
    health: &'static str,
    ready: &'static str,
    events: &'static str,
    reservations: &'static str,
    docs: &'static str,
}

/// `GET /`.
pub(super) async fn show() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-cache")).json(RootBody {
        name: "TicketBoss",
        version: env!("CARGO_PKG_VERSION"),
        health: "/health",
        ready: "/readyz",
        events: "/events",
        reservations: "/reservations",
        docs: "docs/api.md",
    })
}
