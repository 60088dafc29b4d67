//! `PATCH /events/{eventId}`.

use reqwest::Method;
use serde_json::{Value, json};

use super::{expect_exact_problem, expect_fields_refused, for_each_server, make_event, make_hall};
use crate::support::client::{if_match, key};

#[tokio::test]
async fn an_event_gets_other_terms() {
    for_each_server("amend", async |server| {
        let client = server.client();
        let details = json!({
            "description": "Old.", "location": "Hall 3", "startsAt": "2026-11-21T18:00:00Z",
            "price": { "amount": 1, "currency": "EUR" }, "seatsPerPartnerMax": 3,
        });
        make_event(&client, "show", 5, &details).await;
        let change = json!({
            "name": "B", "description": null, "location": "Hall 4", "price": { "amount": 2, "currency": "USD" },
            "seatsPerPartnerMax": null, "seatsPerReservationMax": 2, "reservationsPerPartnerMax": 9, "totalSeats": 7,
            "sales": "paused",
        });
        let amended = client.patch_event("show", &change, &[if_match(0)]).await.expect(200);
        assert_eq!((amended.header("etag"), amended.number("version")), (Some("\"1\""), 1));
        for (field, value) in change.as_object().expect("an object") {
            assert_eq!(amended.json().get(field).unwrap_or(&Value::Null), value, "{field}");
        }
        assert_eq!(amended.text("startsAt"), "2026-11-21T18:00:00.000Z");
        assert_eq!((amended.number("totalSeats"), amended.number("availableSeats")), (7, 7));
        assert_eq!(client.get("/events/show").await.expect(200).json(), amended.json());

        let plain = [("content-type", "application/json".to_owned()), if_match(1)];
        let body = json!({ "sales": "open" }).to_string();
        let reopened = client.send(Method::PATCH, "/events/show", &plain, body).await.expect(200);
        assert_eq!((reopened.text("sales"), reopened.number("version")), ("open", 2));
    })
    .await;
}

#[tokio::test]
async fn terms_change_only_at_a_version_that_was_seen() {
    for_each_server("amend conditions", async |server| {
        let client = server.client();
        make_event(&client, "show", 5, &json!({})).await;
        let change = json!({ "name": "B" });
        let blind = client.patch_event("show", &change, &[]).await;
        expect_exact_problem(blind, 428, "precondition-required", &[]);
        client.patch_event("show", &change, &[if_match(0)]).await.expect(200);
        let stale = client.patch_event("show", &json!({ "name": "C" }), &[if_match(0)]).await;
        let stale = expect_exact_problem(stale, 412, "precondition-failed", &["currentVersion"]);
        assert_eq!((stale.number("currentVersion"), stale.header("etag")), (1, Some("\"1\"")));
        assert_eq!(client.get("/events/show").await.text("name"), "B");
        let unknown = client.patch_event("nowhere", &change, &[if_match(0)]).await;
        expect_exact_problem(unknown, 404, "not-found", &[]);
        let star = client.patch_event("show", &json!({ "name": "D" }), &[("if-match", "*".to_owned())]).await;
        assert_eq!(star.expect(200).number("version"), 2);
    })
    .await;
}

#[tokio::test]
async fn a_retried_amendment_is_made_once() {
    for_each_server("amend replay", async |server| {
        let client = server.client();
        make_event(&client, "show", 5, &json!({})).await;
        let terms = [key("k"), if_match(0)];
        let first = client.patch_event("show", &json!({ "name": "B" }), &terms).await.expect(200);
        client.patch_event("show", &json!({ "name": "C" }), &[if_match(1)]).await.expect(200);
        let again = client.patch_event("show", &json!({ "name": "B" }), &terms).await.expect(200);
        assert_eq!((again.json(), again.header("idempotent-replayed")), (first.json(), Some("true")));
        let reused = client.patch_event("show", &json!({ "name": "D" }), &terms).await;
        expect_exact_problem(reused, 422, "idempotency-key-reused", &[]);
        assert_eq!(client.get("/events/show").await.text("name"), "C");
    })
    .await;
}

#[tokio::test]
async fn seats_that_are_taken_stay() {
    for_each_server("amend seats", async |server| {
        let client = server.client();
        make_event(&client, "show", 5, &json!({})).await;
        client.reserve_at("show", &json!({ "partnerId": "acme", "seats": 2 })).await.expect(201);
        client.reserve_at("show", &json!({ "partnerId": "acme", "seats": 1, "holdSeconds": 60 })).await.expect(201);
        let fewer = client.patch_event("show", &json!({ "totalSeats": 2 }), &[if_match(2)]).await;
        let fewer = expect_exact_problem(fewer, 409, "seats-taken", &[]);
        assert!(fewer.text("detail").contains('3'), "{fewer}");
        let exact = client.patch_event("show", &json!({ "totalSeats": 3 }), &[if_match(2)]).await.expect(200);
        assert_eq!((exact.number("totalSeats"), exact.number("availableSeats")), (3, 0));

        make_hall(&client, "hall").await;
        let mapped = client.patch_event("hall", &json!({ "totalSeats": 7 }), &[if_match(0)]).await;
        expect_fields_refused(mapped, &["totalSeats"]);
    })
    .await;
}

#[tokio::test]
async fn a_bad_amendment_is_told_each_field_that_is_wrong() {
    for_each_server("bad amend", async |server| {
        let client = server.client();
        make_event(&client, "show", 5, &json!({})).await;
        for (body, fields) in [
            (json!({}), &["body"][..]),
            (json!({ "name": null, "sales": "gone", "eventId": "x" }), &["eventId", "name", "sales"]),
            (json!({ "price": { "amount": 1 }, "totalSeats": 0 }), &["price.currency", "totalSeats"]),
        ] {
            expect_fields_refused(client.patch_event("show", &body, &[if_match(0)]).await, fields);
        }
        assert_eq!(client.get("/events/show").await.number("version"), 0);
    })
    .await;
}
