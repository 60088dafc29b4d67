//! Holds, and `POST /reservations/{id}/confirm`.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{expect_exact_problem, expect_fields, expect_fields_refused, for_each_server, make_event, reserve::FIELDS};
use crate::support::{
    client::{Answer, Client, if_match, key},
    server::Launch,
    store::Store,
};

async fn hold(client: &Client, seconds: u32) -> Answer {
    client.post("/reservations", &json!({ "partnerId": "acme", "seats": 2, "holdSeconds": seconds })).await
}

#[tokio::test]
async fn a_hold_is_confirmed() {
    for_each_server("confirm", async |server| {
        let client = server.client();
        let held = hold(&client, 900).await.expect(201);
        expect_fields(&held, &[&FIELDS[..], &["expiresAt"]].concat());
        assert_eq!(held.text("status"), "held");
        let time = |field| held.text(field).parse::<jiff::Timestamp>().expect("an RFC 3339 time");
        assert_eq!(time("expiresAt").duration_since(time("createdAt")).as_secs(), 900);
        let summary = client.summary().await;
        let numbers =
            ["availableSeats", "heldSeats", "confirmedSeats", "reservationCount"].map(|field| summary.number(field));
        assert_eq!(numbers, [498, 2, 0, 0]);
        assert_eq!(client.reservation(held.id()).await.expect(200).json(), held.json());

        let confirmed = client.confirm(held.id(), &[]).await.expect(200);
        expect_fields(&confirmed, &FIELDS);
        assert_eq!((confirmed.text("status"), confirmed.number("version")), ("confirmed", 2));
        assert_eq!(client.reservation(held.id()).await.expect(200).json(), confirmed.json());
        let summary = client.summary().await;
        let numbers =
            ["availableSeats", "heldSeats", "confirmedSeats", "reservationCount"].map(|field| summary.number(field));
        assert_eq!(numbers, [498, 0, 2, 1]);

        // Once more, in each form that says nothing.
        let again = client.confirm(held.id(), &[]).await.expect(200);
        assert_eq!((again.json(), again.header("idempotent-replayed")), (confirmed.json(), None));
        let path = format!("/reservations/{}/confirm", held.id());
        assert_eq!(client.post(&path, &json!({})).await.expect(200).json(), confirmed.json());
    })
    .await;
}

#[tokio::test]
async fn a_retried_confirm_is_thanked_again() {
    for_each_server("confirm replay", async |server| {
        let client = server.client();
        let held = client
            .post_with("/reservations", &json!({ "partnerId": "a", "seats": 1, "holdSeconds": 60 }), &[key("h")])
            .await
            .expect(201);
        let stale = client.confirm(held.id(), &[if_match(0)]).await;
        expect_exact_problem(stale, 412, "precondition-failed", &["currentVersion"]);
        let first = client.confirm(held.id(), &[key("c"), if_match(1)]).await.expect(200);
        let again = client.confirm(held.id(), &[key("c"), if_match(1)]).await.expect(200);
        assert_eq!((again.json(), again.header("idempotent-replayed")), (first.json(), Some("true")));
        let reused = client.confirm(held.id(), &[key("h")]).await;
        expect_exact_problem(reused, 422, "idempotency-key-reused", &[]);
        // The hold's own answer stays what it was.
        let made = client
            .post_with("/reservations", &json!({ "partnerId": "a", "seats": 1, "holdSeconds": 60 }), &[key("h")])
            .await
            .expect(201);
        assert_eq!((made.json(), made.header("idempotent-replayed")), (held.json(), Some("true")));
    })
    .await;
}

#[tokio::test]
async fn a_hold_that_lapses_gives_its_seats_back() {
    for_each_server("lapse", async |server| {
        let client = server.client();
        let held = hold(&client, 1).await.expect(201);
        let deadline = Instant::now() + Duration::from_secs(20);
        let lapsed = loop {
            let shown = client.reservation(held.id()).await.expect(200);
            if shown.text("status") == "expired" {
                break shown;
            }
            assert!(Instant::now() < deadline, "still {shown}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        expect_fields(&lapsed, &FIELDS);
        expect_exact_problem(client.confirm(held.id(), &[]).await, 409, "hold-expired", &[]);
        expect_exact_problem(client.delete(held.id()).await, 404, "not-found", &[]);
        let summary = client.summary().await;
        assert_eq!((summary.number("availableSeats"), summary.number("heldSeats")), (500, 0));
    })
    .await;
}

#[tokio::test]
async fn a_hold_may_be_given_up() {
    for_each_server("release", async |server| {
        let client = server.client();
        let held = hold(&client, 60).await.expect(201);
        client.delete(held.id()).await.expect(204);
        assert_eq!(client.summary().await.number("availableSeats"), 500);
        expect_exact_problem(client.confirm(held.id(), &[]).await, 404, "not-found", &[]);
        let cancelled = client.reservation(held.id()).await.expect(200);
        expect_fields(&cancelled, &FIELDS);
        assert_eq!(cancelled.text("status"), "cancelled");
    })
    .await;
}

#[tokio::test]
async fn only_what_is_held_is_confirmed() {
    for_each_server("confirm others", async |server| {
        let client = server.client();
        for id in
            ["node-meetup-2025.0198a3b2-7c1d-7def-8123-456789abcdef", "other.0198a3b2-7c1d-7def-8123-456789abcdef"]
        {
            expect_exact_problem(client.confirm(id, &[]).await, 404, "not-found", &[]);
        }
        let plain = client.post_reservation("acme", 1).await.expect(201);
        assert_eq!(client.confirm(plain.id(), &[]).await.expect(200).json(), plain.json());

        make_event(&client, "show", 1, &json!({})).await;
        let ask = json!({ "partnerId": "acme", "seats": 1, "waitlist": true, "holdSeconds": 60 });
        client.reserve_at("show", &ask).await.expect(201);
        let waiting = client.reserve_at("show", &ask).await.expect(201);
        expect_exact_problem(client.confirm(waiting.id(), &[]).await, 409, "nothing-held", &[]);
    })
    .await;
}

#[tokio::test]
async fn a_hold_is_as_long_as_is_set_at_most() {
    let store = Store::embedded();
    let server = Launch::on(&store).set("HOLD_SECONDS_MAX", "30").start().await;
    hold(&server.client(), 30).await.expect(201);
    for seconds in [0, 31] {
        expect_fields_refused(hold(&server.client(), seconds).await, &["holdSeconds"]);
    }
}
