//! What is not understood is refused, and said where it belongs; what is known by another name is told ours.

use reqwest::Method;
use serde_json::json;

use super::{expect_exact_problem, expect_fields_refused, for_each_server, make_event, make_hall};
use crate::support::{
    client::{Answer, Client, if_match},
    server::Launch,
    store::Store,
};

/// Sends it with a body of JSON.
async fn send(client: &Client, method: Method, path: &str, body: &'static str) -> Answer {
    client.send(method, path, &[("content-type", "application/json".to_owned())], body).await
}

fn detail(answer: &Answer) -> String {
    answer.text("detail").to_owned()
}

#[tokio::test]
async fn a_reservation_is_cancelled_as_a_whole_or_not_at_all() {
    for_each_server("partial cancel", async |server| {
        let client = server.client();
        let id = client.post_reservation("acme", 3).await.expect(201).id().to_owned();
        let path = format!("/reservations/{id}");
        for refused in [
            send(&client, Method::DELETE, &path, r#"{"seats":1}"#).await,
            client.delete(&format!("{id}?seats=1")).await,
            client.delete(&format!("{id}/?seats=1")).await,
        ] {
            assert!(detail(&refused).contains("as a whole"), "{refused}");
            expect_fields_refused(refused, &["seats"]);
        }
        for (body, status) in [("[]", 400), ("1", 400), ("{", 400), ("null", 400)] {
            let refused = send(&client, Method::DELETE, &path, body).await;
            assert_eq!(refused.status, status, "{body}: {refused}");
        }
        let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
        client.send(Method::DELETE, &path, &[form], "seats=1").await.expect_problem(415, "unsupported-media-type");
        assert_eq!(client.reservation(&id).await.text("status"), "confirmed");
        // In each form that says nothing.
        send(&client, Method::DELETE, &path, "{}").await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn a_parameter_that_a_request_does_not_take_is_refused() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let client = server.client();
    let id = client.post_reservation("acme", 1).await.expect(201).id().to_owned();
    let body = r#"{"partnerId":"acme","seats":1}"#;
    let one = format!("/reservations/{id}");
    let confirm = format!("{one}/confirm");
    for (method, path, query, field, hint) in [
        (Method::POST, "/reservations", "waitlist=true", "waitlist", "body"),
        (Method::POST, "/events/node-meetup-2025/reservations", "holdSeconds=9", "holdSeconds", "body"),
        (Method::POST, "/events", "eventId=x", "eventId", "body"),
        (Method::PATCH, "/events/node-meetup-2025", "force=1", "force", "body"),
        (Method::POST, &confirm, "seats=1", "seats", "path"),
        (Method::GET, "/reservations", "partnerId=x", "partnerId", "/events/{eventId}/reservations"),
        (Method::GET, "/reservations", "page=2", "page", "/partners/{partnerId}/reservations"),
        (Method::HEAD, "/reservations", "limit=2", "", ""),
        (Method::GET, &one, "fields=seats", "fields", "not a query parameter"),
        (Method::GET, "/events/node-meetup-2025", "x", "x", "not a query parameter"),
        (Method::GET, "/events/node-meetup-2025/seats", "row=A", "row", "not a query parameter"),
    ] {
        let headers = [("content-type", "application/json".to_owned()), if_match(1)];
        let refused = client.send(method.clone(), &format!("{path}?{query}"), &headers, body).await;
        assert_eq!(refused.status, 400, "{method} {path}?{query}: {refused}");
        if method != Method::HEAD {
            assert!(detail(&refused).contains(hint), "{refused}");
            expect_fields_refused(refused, &[field]);
        }
    }
    client.get("/reservations?").await.expect(200);
    assert_eq!(client.summary().await.number("version"), 1);
    let many = vec!["limit=1"; 33].join("&");
    let refused = client.get(&format!("/events?{many}")).await;
    assert!(detail(&refused).contains("32 parameters"), "{refused}");
}

#[tokio::test]
async fn a_get_has_no_body() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let client = server.client();
    for path in ["/reservations", "/events", "/events/node-meetup-2025", "/partners/acme/reservations"] {
        let refused = send(&client, Method::GET, path, r#"{"status":"held"}"#).await;
        assert!(detail(&refused).contains("query"), "{refused}");
        expect_fields_refused(refused, &["status"]);
        send(&client, Method::GET, path, "{}").await.expect(200);
    }
    // Probes are sent by machines that add what they like.
    for path in ["/health?t=1", "/readyz?x", "/livez"] {
        send(&client, Method::GET, path, r#"{"a":1}"#).await.expect(200);
    }
}

#[tokio::test]
async fn a_name_of_another_service_is_told_ours() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let client = server.client();
    for (path, body, hint) in [
        ("/reservations", json!({ "partnerId": "a", "tickets": 1 }), "did you mean seats?"),
        ("/reservations", json!({ "userId": "a", "seats": 1 }), "did you mean partnerId?"),
        ("/reservations", json!({ "partner_id": "a", "seats": 1 }), "did you mean partnerId?"),
        ("/events", json!({ "name": "A", "totalTickets": 5 }), "did you mean totalSeats?"),
        ("/events", json!({ "title": "A", "totalSeats": 5 }), "did you mean name?"),
        ("/events", json!({ "name": "A", "totalSeats": 5, "strtsAt": "x" }), "did you mean startsAt?"),
    ] {
        let refused = client.post(path, &body).await.expect_problem(400, "invalid-request");
        assert!(detail(&refused).contains(hint), "{body}: {refused}");
    }
    for (query, hint) in
        [("page=2", "did you mean cursor?"), ("per_page=2", "did you mean limit?"), ("sort=name", "sort is not")]
    {
        let refused = client.get(&format!("/events?{query}")).await.expect_problem(400, "invalid-request");
        assert!(detail(&refused).contains(hint), "{refused}");
    }
}

#[tokio::test]
async fn a_guessed_path_is_told_the_right_one() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    for (path, hint) in [
        ("/api/events", "Ask for /events:"),
        ("/api/v1/reservations", "Ask for /reservations:"),
        ("/reservations/all", "GET /events/{eventId}/reservations"),
        ("/book", "POST /reservations"),
        ("/bookings", "POST /reservations"),
        ("/status", "GET /reservations"),
        ("/cancel", "DELETE /reservations/{reservationId}"),
        ("/healthz", "GET /health"),
    ] {
        let answer = expect_exact_problem(server.client().get(path).await, 404, "not-found", &[]);
        assert!(detail(&answer).contains(hint), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_slash_too_many_is_tolerated_by_every_path_and_method() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let client = server.client();
    let made = client.post("/reservations/", &json!({ "partnerId": "a/", "seats": 1, "holdSeconds": 900 })).await;
    let made = made.expect(201);
    let id = made.id();
    client.post("/events/", &json!({ "eventId": "show", "name": "A", "totalSeats": 5 })).await.expect(201);
    let patched = client.patch_event("show/", &json!({ "sales": "paused" }), &[if_match(0)]).await;
    assert_eq!(patched.expect(200).text("sales"), "paused");
    client.send(Method::POST, &format!("/reservations/{id}/confirm/"), &[], "").await.expect(200);
    for path in [
        "/reservations/",
        "/events/",
        "/events/?limit=1",
        "/events/show/",
        "/events/show/reservations/?limit=1",
        "/partners/a%2F/reservations/",
        &format!("/reservations/{id}/"),
        "/health/",
        "/livez/",
        "/readyz/",
    ] {
        let answer = client.get(path).await.expect(200);
        assert_eq!(answer.header("location"), None, "{path}");
    }
    // What stands in a path stays as it is.
    assert_eq!(client.get("/partners/a%2F/reservations/").await.json()["items"][0]["partnerId"], "a/");
    expect_exact_problem(client.send(Method::PUT, "/events/", &[], "").await, 405, "method-not-allowed", &[]);
    for path in ["/events//", "//events", "/events//show"] {
        expect_exact_problem(client.get(path).await, 404, "not-found", &[]);
    }
    client.delete(&format!("{id}/")).await.expect(204);
}

#[tokio::test]
async fn the_root_says_where_to_begin() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let root = server.client().get("/").await.expect(200);
    assert_eq!((root.text("name"), root.text("version")), ("TicketBoss", env!("CARGO_PKG_VERSION")));
    for place in ["health", "ready", "events", "reservations"] {
        server.client().get(root.text(place)).await.expect(200);
    }
    assert!(!root.text("docs").is_empty());
}

#[tokio::test]
async fn advice_can_be_followed() {
    for_each_server("advice", async |server| {
        let client = server.client();
        make_event(&client, "show", 2, &json!({})).await;
        let named = client.reserve_at("show", &json!({ "partnerId": "a", "seatIds": ["A1"] })).await;
        assert!(detail(&named).contains("no names") && !detail(&named).contains("/seats"), "{named}");
        expect_fields_refused(named, &["seatIds"]);

        // Seats are free, and somebody waits: named ones are not waited for.
        make_hall(&client, "hall").await;
        client.reserve_at("hall", &json!({ "partnerId": "a", "seats": 5 })).await.expect(201);
        let waiting = client.reserve_at("hall", &json!({ "partnerId": "b", "seats": 3, "waitlist": true })).await;
        waiting.expect(201);
        let seats = client.get("/events/hall/seats").await.expect(200);
        let free = seats.json()["rows"].as_array().expect("rows").iter().find_map(|row| {
            let place = row["seats"].as_str().expect("a picture").find('.')?;
            Some(format!("{}{}", row["row"].as_str().expect("a label"), place + 1))
        });
        let named =
            client.reserve_at("hall", &json!({ "partnerId": "c", "seatIds": [free.expect("one is free")] })).await;
        let named = expect_exact_problem(named, 409, "insufficient-seats", &["availableSeats"]);
        assert!(detail(&named).contains("1 reservation waits"), "{named}");
        assert!(detail(&named).contains("without seatIds"), "{named}");
        let advised = json!({ "partnerId": "c", "seats": 1, "waitlist": true });
        client.reserve_at("hall", &advised).await.expect(201);

        // Who has everything that is allowed cannot ask for less.
        make_event(&client, "few", 9, &json!({ "seatsPerPartnerMax": 1 })).await;
        let ask = async || client.reserve_at("few", &json!({ "partnerId": "a", "seats": 1 })).await;
        ask().await.expect(201);
        let full = expect_exact_problem(ask().await, 409, "partner-limit", &[]);
        assert!(detail(&full).contains("have 1 seat of") && !detail(&full).contains("Ask for"), "{full}");
    })
    .await;
}
