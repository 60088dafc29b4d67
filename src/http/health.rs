//! Probes: is the process alive, does it want work.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpResponse, http::header, web::Data};

use super::{Desk, Problem, events::of_configured_event};

/// Whether the process wants work, as far as it knows without asking the store.
#[derive(Debug, Default)]
pub struct Readiness {
    event_open: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// Notes that the configured event is in the store.
    pub fn event_opened(&self) {
        self.event_open.store(true, Ordering::Release);
    }

    /// Notes that the process is about to stop.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    fn check(&self) -> Result<(), Problem> {
        if self.draining.load(Ordering::Acquire) {
            return Err(Problem::Draining);
        }
        if !self.event_open.load(Ordering::Acquire) {
            return Err(Problem::EventNotOpen);
        }
        Ok(())
    }
}

/// `GET /health` and `GET /livez`: the process answers. Needs no store, so that nobody restarts a process because its
/// store is away.
pub(super) async fn live() -> HttpResponse {
    ok()
}

/// `GET /readyz`: reservations can be taken here and now.
pub(super) async fn ready(desk: Data<Desk>) -> Result<HttpResponse, Problem> {
    desk.readiness.check()?;
    desk.box_office.ready(&desk.event_id).await.map_err(of_configured_event)?;
    Ok(ok())
}

fn ok() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(r#"{"status":"ok"}"#)
}
