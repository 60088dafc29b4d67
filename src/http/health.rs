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
/// store is away. Nor because the embedded store takes no writes, whatever the reason: it goes on trying by itself, answers
/// reads meanwhile, and a new process would find the same disk.
pub(super) async fn live() -> HttpResponse {
    ok()
}

/// `GET /readyz`: reservations can be taken here and now. Events that cannot be read are named; only the configured one is a
/// reason not to be ready.
pub(super) async fn ready(desk: Data<Desk>) -> Result<HttpResponse, Problem> {
    let checked = check(&desk).await;
    let unreadable = desk.box_office.unreadable();
    if unreadable.contains(&desk.event_id) && !desk.readiness.draining.load(Ordering::Acquire) {
        return Err(Problem::EventUnreadable(desk.event_id.clone()));
    }
    checked?;
    if unreadable.is_empty() {
        return Ok(ok());
    }
    Ok(HttpResponse::Ok().json(serde_json::json!({ "status": "ok", "unreadableEvents": unreadable })))
}

async fn check(desk: &Desk) -> Result<(), Problem> {
    desk.readiness.check()?;
    desk.box_office.ready(&desk.event_id).await.map_err(of_configured_event)
}

fn ok() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(r#"{"status":"ok"}"#)
}
