//! The end of a concurrent test: what was asked, what was answered, and what the store holds now must agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bson::Document;
use futures_util::future::join_all;

use super::{
    checker::{FinalState, Found, check},
    client::{Answer, Client},
    history::{Entry, History, Outcome},
    store::Store,
};

/// How many reservations are fetched at once.
const FETCHED_AT_ONCE: usize = 64;
/// How long the journal may take to empty when nobody writes any more.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);

/// Fails with a list of everything that is wrong, if anything is.
pub(crate) async fn verify(client: &Client, store: &Store, history: &History) {
    let entries = history.entries();
    let end = final_state(client, store, &entries).await;
    let violations = check(&entries, &end);
    let count = |wanted: fn(&Entry) -> bool| entries.iter().filter(|entry| wanted(entry)).count();
    println!(
        "{} requests: {} reserved, {} cancelled, {} without a clear answer; version {}, {} of {} seats left",
        entries.len(),
        count(|entry| matches!(entry.outcome, Outcome::Reserved { .. })),
        count(|entry| entry.outcome == Outcome::Cancelled),
        count(|entry| entry.outcome == Outcome::Unknown),
        end.version,
        end.available_seats,
        end.total_seats,
    );
    let list: Vec<String> = violations.iter().take(50).map(|violation| format!("  - {violation}")).collect();
    assert!(violations.is_empty(), "{} promises were not kept:\n{}", violations.len(), list.join("\n"));
}

/// The event and its reservations: those that answers told of as the service shows them, and from MongoDB all others too.
async fn final_state(client: &Client, store: &Store, entries: &[Entry]) -> FinalState {
    store.wait_settled(SETTLE_PATIENCE).await;
    let documents = store.reservation_documents().await;
    let complete = documents.is_some();
    let made_at = |document: &Document| {
        let at = document.get_datetime("createdAt").expect("a reservation has it").timestamp_millis();
        (whole(document, "createdVersion"), at)
    };
    let made = documents.iter().flatten().map(made_at).collect();
    let mut reservations: BTreeMap<String, Found> =
        documents.unwrap_or_default().iter().map(Found::of_document).collect();

    let told: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.outcome.reservation_id()).collect();
    for ids in told.into_iter().collect::<Vec<_>>().chunks(FETCHED_AT_ONCE) {
        let answers = join_all(ids.iter().map(|id| client.reservation(id))).await;
        for (id, answer) in ids.iter().zip(answers) {
            let shown = (answer.status != 404).then(|| Found::of_answer(&answer.expect(200)));
            if complete {
                assert_eq!(shown.as_ref(), reservations.get(*id), "{id} is shown otherwise than it is stored");
            } else if let Some(shown) = shown {
                reservations.insert((*id).to_owned(), shown);
            }
        }
    }

    let summary = client.summary().await.expect(200);
    let small = |field| u32::try_from(summary.number(field)).expect("a number of seats or reservations");
    FinalState {
        total_seats: small("totalSeats"),
        available_seats: small("availableSeats"),
        reservation_count: small("reservationCount"),
        version: summary.number("version"),
        reservations,
        complete,
        made,
    }
}

fn whole(document: &Document, field: &str) -> i64 {
    let value = document.get(field).expect("a reservation has it");
    value.as_i64().or(value.as_i32().map(i64::from)).expect("a whole number")
}

impl Found {
    fn of_answer(answer: &Answer) -> Self {
        Self {
            partner: answer.text("partnerId").to_owned(),
            seats: answer.number("seats").try_into().expect("a number of seats"),
            confirmed: answer.text("status") == "confirmed",
            version: answer.number("version"),
        }
    }

    fn of_document(document: &Document) -> (String, Self) {
        let number = |field| whole(document, field);
        let text = |field| document.get_str(field).expect("a reservation has it");
        let found = Self {
            partner: text("partnerId").to_owned(),
            seats: number("seats").try_into().expect("a number of seats"),
            confirmed: text("status") == "confirmed",
            version: number("version"),
        };
        (text("_id").to_owned(), found)
    }
}
