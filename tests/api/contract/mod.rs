//! The published contract, route by route: every field, header and code that partners depend on.

mod amend;
mod cancel;
mod compression;
mod conditions;
mod confirm;
mod events;
mod headers;
mod hosts;
mod idempotency;
mod limits;
mod lists;
mod probes;
mod reserve;
mod seats;
mod show;
mod summary;
mod understood;
mod values;
mod waitlist;

use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client},
    server::{Launch, Server},
    store::{Store, for_each_store},
};

/// Runs `test` against a fresh server on each of the stores.
async fn for_each_server(name: &str, test: impl AsyncFn(&Server)) {
    for_each_store(name, async |store: Store| test(&Launch::on(&store).start().await).await).await;
}

/// Makes an event of `seats` seats, and of the other `fields`.
async fn make_event(client: &Client, id: &str, seats: u32, fields: &Value) -> Answer {
    let mut body = json!({ "eventId": id, "name": "A show", "totalSeats": seats });
    let fields = fields.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(fields);
    client.post("/events", &body).await.expect(201)
}

/// Makes an event of two rows: A with seats 1 to 4, of which 1 is blocked, and B with seats 1 to 3.
async fn make_hall(client: &Client, id: &str) -> Answer {
    let rows = json!([{ "row": "A", "seats": 4 }, { "row": "B", "seats": 3 }]);
    let body = json!({ "eventId": id, "name": "A play", "seatMap": { "rows": rows, "blocked": ["A1"] } });
    client.post("/events", &body).await.expect(201)
}

/// Checks that it is a 400 which names these fields and no others.
#[track_caller]
fn expect_fields_refused(answer: Answer, fields: &[&str]) {
    let refused = expect_exact_problem(answer, 400, "invalid-request", &["errors"]);
    let errors = refused.json()["errors"].as_array().expect("a list");
    let named: Vec<_> = errors.iter().map(|error| error["field"].as_str().expect("a name")).collect();
    assert_eq!(named, fields, "{refused}");
}

/// Checks that a JSON body has exactly these fields.
#[track_caller]
fn expect_fields(answer: &Answer, fields: &[&str]) {
    let mut found: Vec<&str> = answer.json().as_object().expect("an object").keys().map(String::as_str).collect();
    let mut wanted = fields.to_vec();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "{answer}");
}

/// Checks a problem, and that its body has exactly the fields of every problem and these.
#[track_caller]
fn expect_exact_problem(answer: Answer, status: u16, code: &str, extra: &[&str]) -> Answer {
    let answer = answer.expect_problem(status, code);
    expect_fields(
        &answer,
        &[&["type", "title", "status", "detail", "error", "message", "code", "retryable"], extra].concat(),
    );
    answer
}
