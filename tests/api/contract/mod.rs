//! The published contract, route by route: every field, header and code that partners depend on.

mod cancel;
mod conditions;
mod headers;
mod idempotency;
mod probes;
mod reserve;
mod show;
mod summary;

use crate::support::{
    client::Answer,
    server::{Launch, Server},
    store::{Store, for_each_store},
};

/// Runs `test` against a fresh server on each of the stores.
async fn for_each_server(name: &str, test: impl AsyncFn(&Server)) {
    for_each_store(name, async |store: Store| test(&Launch::on(&store).start().await).await).await;
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
    expect_fields(&answer, &[&["type", "title", "status", "detail", "code", "retryable"], extra].concat());
    answer
}
