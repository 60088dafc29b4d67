//! Work that needs events of their own, waiting lists and seat maps. A server without `POST /events` is told so and skipped.

use serde_json::{Value, json};

use super::reserving::{CLIENTS, cancelling};
use crate::{
    failure::{Failure, Outcome},
    generator::{Keep, Load, Script, call, requests},
    ground::StoreKind,
    lab::{Lab, told},
    reckoning::{audit, figures::Sample, tally::Tally},
    stage::{BOOKED, CANCELLED, SEATS_MAX, Stage},
};

/// Seats of each of many events, at least: more than any of them sells.
const SEATS_OF_EACH_MIN: u64 = 100_000;
/// Seats that are sold and given back while others wait.
const GIVEN_BACK: u64 = 1_000;
/// Seats in a row of the hall.
const SEATS_IN_ROW: u32 = 100;
/// The names of the two parts of [`waiting`].
const WAITING_PARTS: [&str; 2] = ["joining", "promoting"];

/// Reservations spread evenly over so many events: each client goes from event to event, and no two begin at the same.
pub(super) async fn many_events(lab: &mut Lab, store: StoreKind, events: usize) -> Outcome<Sample> {
    let stage = lab.stage(store, SEATS_MAX, &[], 1).await?;
    let named = |event: usize| format!("bench-event-{event}");
    let seats_of_each = (SEATS_MAX / events as u64).max(SEATS_OF_EACH_MIN);
    for event in 0..events {
        let name = named(event);
        make(&stage, &json!({ "eventId": name, "name": name, "totalSeats": seats_of_each })).await?;
    }
    let load = lab.reserving(&stage, CLIENTS);
    let path = |event| format!("/events/{}/reservations", named(event));
    let all: Script = Script::once((0..events).map(|event| requests::reserve(&path(event), event)).collect());
    let script = |client: usize| Script { first: client * events / CLIENTS % events, again: true, ..all.clone() };
    let load = Load { scripts: (0..CLIENTS).map(script).collect(), keep: Keep::Nothing, ..load };
    let (sample, tally) = stage.drive(load, BOOKED).await?;
    let mut sold = 0;
    for event in 0..events {
        let summary = stage.summary(&format!("/events/{}", named(event))).await?;
        let booked = summary.reservation_count;
        let own = audit::Told { total_seats: seats_of_each, booked, cancelled: 0, unknown: 0 };
        audit::check(own, summary).map_err(Failure::Failed)?;
        sold += booked;
    }
    same("reservations of all events", sold, &tally, BOOKED)?;
    stage.settled().await?;
    stage.close().await.map(|()| sample)
}

/// Sells an event out, has so many wait for it, then cancels what was sold: each cancellation promotes one who waits.
pub(super) async fn waiting(lab: &mut Lab, store: StoreKind, waiting: u64) -> Outcome<Vec<(&'static str, Sample)>> {
    let stage = lab.stage(store, SEATS_MAX, &[], 1).await?;
    make(&stage, &json!({ "eventId": "bench-waiting", "name": "Waiting", "totalSeats": GIVEN_BACK })).await?;
    let path = "/events/bench-waiting/reservations";
    let asking = |waitlist: bool| {
        let request = move |client: usize| {
            let body = json!({ "partnerId": format!("partner-{client}"), "seats": 1, "waitlist": waitlist });
            Script::always(requests::post(path, &body.to_string()))
        };
        (0..CLIENTS).map(request).collect::<Vec<_>>()
    };
    let whole = Load { window: None, ..lab.reserving(&stage, CLIENTS) };
    let selling =
        Load { scripts: asking(false), requests_max: GIVEN_BACK, keep: Keep::First(GIVEN_BACK), ..whole.clone() };
    let (_, sold) = stage.drive(selling, BOOKED).await?;
    same("reservations before anybody waits", GIVEN_BACK, &sold, BOOKED)?;
    // Some may wait with 202: accepted, but not served.
    let (joined, accepted): (&[_], &[_]) = (&[(201, ""), (202, "")], &[(201, ""), (202, ""), (503, "overloaded")]);
    let joining =
        Load { scripts: asking(true), requests_max: waiting, expected: accepted, keep: Keep::Nothing, ..whole };
    let (joining, tally) = stage.drive(joining, joined).await?;
    same("waiting reservations", waiting, &tally, joined)?;
    let (promoting, tally) = stage.drive(cancelling(&stage, &sold.ids), CANCELLED).await?;
    same("cancellations", GIVEN_BACK, &tally, CANCELLED)?;
    let summary = stage.summary("/events/bench-waiting").await?;
    // Who waited has the seats now, so none is free, although others wait.
    if summary.available_seats != 0 || summary.reservation_count != GIVEN_BACK.min(waiting) {
        return Err(Failure::Failed(format!("the waiting were not served: {summary:?}")));
    }
    stage.close().await?;
    Ok(WAITING_PARTS.into_iter().zip([joining, promoting]).collect())
}

/// A hall sold out from the first seat to the last; the service chooses the seats.
pub(super) async fn hall(lab: &mut Lab, store: StoreKind, rows: u32, mapped: bool) -> Outcome<Sample> {
    let stage = lab.stage(store, SEATS_MAX, &[], 1).await?;
    let seats = u64::from(rows * SEATS_IN_ROW);
    let mut event = json!({ "eventId": "bench-hall", "name": "Hall" });
    if mapped {
        let rows: Vec<Value> = (0..rows).map(|row| json!({ "row": letters(row), "seats": SEATS_IN_ROW })).collect();
        event["seatMap"] = json!({ "rows": rows });
    } else {
        event["totalSeats"] = json!(seats);
    }
    make(&stage, &event).await?;
    let path = "/events/bench-hall/reservations";
    let scripts = (0..CLIENTS).map(|client| Script::always(requests::reserve(path, client))).collect();
    let load = Load { scripts, window: None, requests_max: seats, ..lab.reserving(&stage, CLIENTS) };
    let (sample, tally) = stage.drive(load, BOOKED).await?;
    same("reservations of the whole hall", seats, &tally, BOOKED)?;
    stage.settled().await?;
    let summary = stage.summary("/events/bench-hall").await?;
    audit::check(told(seats, &[&tally]), summary).map_err(Failure::Failed)?;
    stage.close().await.map(|()| sample)
}

/// Makes an event; a server that does not know how is skipped.
async fn make(stage: &Stage, event: &Value) -> Outcome<()> {
    let (status, body) = call(stage.addresses()[0], &requests::post("/events", &event.to_string())).await?;
    match status {
        200 | 201 => Ok(()),
        404 | 405 => Err(Failure::Skipped(format!("this server makes no events: POST /events answers {status}"))),
        _ => Err(Failure::Failed(format!("POST /events answered {status} {}", String::from_utf8_lossy(&body)))),
    }
}

fn same(what: &str, wanted: u64, tally: &Tally, kinds: &[(u16, &str)]) -> Outcome<()> {
    if tally.all(kinds) == wanted {
        return Ok(());
    }
    Err(Failure::Failed(format!("{what}: {wanted} were wanted, {:?} came", tally.by_kind())))
}

/// The name of a row: A to Z, then AA, AB and so on.
fn letters(row: u32) -> String {
    let last = char::from(b'A' + u8::try_from(row % 26).unwrap_or(0));
    if row < 26 { last.to_string() } else { format!("{}{last}", letters(row / 26 - 1)) }
}
