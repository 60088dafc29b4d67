//! `POST /reservations`.

use ticketboss::domain::ReservationId;

use super::{expect_exact_problem, expect_fields, for_each_server};
use crate::support::{
    client::Answer,
    server::Launch,
    store::{EVENT, Store, for_each_store},
};

pub(super) const FIELDS: [&str; 8] =
    ["reservationId", "eventId", "partnerId", "seats", "status", "version", "createdAt", "updatedAt"];

#[tokio::test]
async fn a_reservation_is_answered_with_all_of_it_and_its_place() {
    for_each_server("reserve", async |server| {
        let client = server.client();
        for (version, partner, seats) in [(1, "acme", 1), (2, "Zoë & söns ✈", 10), (3, "{\"$gt\":\"\"}", 2)] {
            let answer = client.post_reservation(partner, seats).await.expect(201);
            expect_fields(&answer, &FIELDS);
            assert_eq!((answer.text("eventId"), answer.text("partnerId")), (EVENT, partner));
            assert_eq!((answer.number("seats"), answer.number("version")), (i64::from(seats), version));
            assert_eq!(answer.text("status"), "confirmed");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("idempotent-replayed"), None);

            let id = ReservationId::parse(answer.id()).expect("an id in its one spelling");
            assert_eq!((id.event_id.as_str(), id.uuid.get_version_num()), (EVENT, 7));
            assert_eq!(answer.header("location"), Some(format!("/reservations/{id}").as_str()));
            expect_recent(&answer);
        }
    })
    .await;
}

/// The time of making is in UTC, to the millisecond, and not long ago.
fn expect_recent(answer: &Answer) {
    let text = answer.text("createdAt");
    assert!(text.len() == 24 && text.ends_with('Z'), "{text}");
    let at: jiff::Timestamp = text.parse().expect("an RFC 3339 time");
    #[expect(clippy::disallowed_methods, reason = "the server's clock is compared with the machine's")]
    let age = jiff::Timestamp::now().duration_since(at);
    assert!(age.as_secs().abs() < 60, "{text} was not just now");
}

#[tokio::test]
async fn what_is_not_free_is_not_sold() {
    for_each_store("few seats", async |store: Store| {
        let server = Launch::on(&store).set("EVENT_SEATS", "12").start().await;
        let client = server.client();
        client.post_reservation("acme", 10).await.expect(201);
        let refused = client.post_reservation("acme", 3).await;
        let refused = expect_exact_problem(refused, 409, "insufficient-seats", &["availableSeats"]);
        assert_eq!((refused.number("availableSeats"), &refused.json()["retryable"]), (2, &false.into()));
        assert_eq!(refused.header("retry-after"), None);
        client.post_reservation("acme", 2).await.expect(201);
        let refused = client.post_reservation("acme", 1).await.expect_problem(409, "insufficient-seats");
        assert_eq!(refused.number("availableSeats"), 0);
        assert_eq!(client.summary().await.number("version"), 2);
    })
    .await;
}

#[tokio::test]
async fn a_reservation_may_take_as_many_seats_as_is_set() {
    let store = Store::embedded();
    let server = Launch::on(&store).set("SEATS_PER_RESERVATION_MAX", "25").start().await;
    server.client().post_reservation("acme", 25).await.expect(201);
    server.client().post_reservation("acme", 26).await.expect_problem(400, "invalid-request");
}

#[tokio::test]
async fn a_bad_request_is_told_each_field_that_is_wrong() {
    for_each_server("bad fields", async |server| {
        let refused = server.client().post_reservation(" ", 11).await;
        let refused = expect_exact_problem(refused, 400, "invalid-request", &["errors"]);
        let errors = refused.json()["errors"].as_array().expect("a list").clone();
        let fields: Vec<&str> = errors.iter().map(|error| error["field"].as_str().expect("a name")).collect();
        assert_eq!(fields, ["partnerId", "seats"], "{refused}");
        for error in &errors {
            let members: Vec<&String> = error.as_object().expect("an object").keys().collect();
            assert_eq!(members, ["field", "message"]);
            assert!(!error["message"].as_str().expect("words").is_empty());
        }
    })
    .await;
}
