//! Named seats: `seatIds`, and `GET /events/{eventId}/seats`.

use reqwest::Method;
use serde_json::json;

use super::{
    expect_exact_problem, expect_fields, expect_fields_refused, for_each_server, make_event, make_hall, reserve::FIELDS,
};

#[tokio::test]
async fn a_hall_is_drawn_seat_by_seat() {
    for_each_server("seats", async |server| {
        let client = server.client();
        make_hall(&client, "hall").await;
        let named =
            client.reserve_at("hall", &json!({ "partnerId": "acme", "seatIds": ["B3", "A2"] })).await.expect(201);
        expect_fields(&named, &[&FIELDS[..], &["seatIds"]].concat());
        assert_eq!((&named.json()["seatIds"], named.number("seats")), (&json!(["B3", "A2"]), 2));
        assert_eq!(client.reservation(named.id()).await.expect(200).json(), named.json());

        let best = client.reserve_at("hall", &json!({ "partnerId": "acme", "seats": 2, "holdSeconds": 60 })).await;
        let best = best.expect(201);
        assert_eq!(best.json()["seatIds"].as_array().map(Vec::len), Some(2), "{best}");

        let drawn = client.get("/events/hall/seats").await.expect(200);
        assert_eq!(
            *drawn.json(),
            json!({ "version": 2, "rows": [{ "row": "A", "seats": "xshh" }, { "row": "B", "seats": "..s" }] })
        );
        assert_eq!(drawn.header("etag"), Some("\"2\""));
        let fresh = [("if-none-match", "\"2\"".to_owned())];
        let fresh = client.send(Method::GET, "/events/hall/seats", &fresh, "").await.expect(304);
        assert_eq!((fresh.body.len(), fresh.header("etag")), (0, Some("\"2\"")));

        client.delete(named.id()).await.expect(204);
        let drawn = client.get("/events/hall/seats").await.expect(200);
        assert_eq!(drawn.json()["rows"], json!([{ "row": "A", "seats": "x.hh" }, { "row": "B", "seats": "..." }]));
    })
    .await;
}

#[tokio::test]
async fn a_seat_has_one_owner() {
    for_each_server("seat taken", async |server| {
        let client = server.client();
        make_hall(&client, "hall").await;
        let ask =
            async |seats: &[&str]| client.reserve_at("hall", &json!({ "partnerId": "acme", "seatIds": seats })).await;
        ask(&["A3"]).await.expect(201);
        let taken = expect_exact_problem(ask(&["A2", "A3", "A1"]).await, 409, "seat-taken", &["seatIds"]);
        // The blocked one is not for sale to anybody.
        assert_eq!(taken.json()["seatIds"], json!(["A3", "A1"]));
        let unknown = ask(&["A5", "Z1", "B1"]).await;
        assert!(unknown.text("detail").contains("A5, Z1"), "{unknown}");
        expect_fields_refused(unknown, &["seatIds"]);
        expect_fields_refused(ask(&["A2", "A2"]).await, &["seatIds"]);
        expect_fields_refused(ask(&[]).await, &["seatIds"]);
        expect_fields_refused(ask(&["a2"]).await, &["seatIds[0]"]);
        let many: Vec<String> = (1..=11).map(|number| format!("A{number}")).collect();
        let many = json!({ "partnerId": "acme", "seatIds": many });
        expect_fields_refused(client.reserve_at("hall", &many).await, &["seatIds"]);
        let both = json!({ "partnerId": "acme", "seatIds": ["A2"], "seats": 1 });
        expect_fields_refused(client.reserve_at("hall", &both).await, &["seatIds"]);
        assert_eq!(client.get("/events/hall").await.number("version"), 1);
    })
    .await;
}

#[tokio::test]
async fn seats_without_names_are_not_drawn() {
    for_each_server("no seat map", async |server| {
        let client = server.client();
        make_event(&client, "show", 5, &json!({})).await;
        let refused = expect_exact_problem(client.get("/events/show/seats").await, 404, "not-found", &[]);
        assert!(refused.text("detail").contains("no seat map"), "{refused}");
        let unknown = expect_exact_problem(client.get("/events/nowhere/seats").await, 404, "not-found", &[]);
        assert!(!unknown.text("detail").contains("seat map"), "{unknown}");
        let named = client.reserve_at("show", &json!({ "partnerId": "acme", "seatIds": ["A1"] })).await;
        expect_fields_refused(named, &["seatIds"]);
    })
    .await;
}
