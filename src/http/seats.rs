//! Who sits where, as a picture.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;

use super::{Desk, Problem, shape::fresh_or};
use crate::domain::{EventId, Hall, RowLabel, Version};

/// The seats of an event whose seats have names.
#[derive(Serialize)]
struct SeatsBody {
    version: Version,
    rows: Vec<RowBody>,
}

/// One row: a character for each of its seats, as [`Hall::rows`] draws them.
#[derive(Serialize)]
struct RowBody {
    row: RowLabel,
    seats: String,
}

/// `GET /events/{eventId}/seats`: every seat from the front to the back, or 304 to a client that has them as they are.
pub(super) async fn show(desk: Data<Desk>, event_id: EventId, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let event = desk.box_office.event(&event_id).await?;
    let hall = event.hall.as_ref().ok_or(Problem::NoSeatMap)?;

    fresh_or(&request, event.version, |mut ok| ok.json(SeatsBody { version: event.version, rows: rows(hall) }))
}

fn rows(hall: &Hall) -> Vec<RowBody> {
    hall.rows().map(|(row, seats)| RowBody { row, seats }).collect()
}
