//! `POST /events`, `GET /events/{eventId}` and `GET /events`.

use reqwest::Method;
use serde_json::{Value, json};

use super::{expect_exact_problem, expect_fields, expect_fields_refused, for_each_server, make_event, make_hall};
use crate::support::client::{Client, if_match, key};

/// What every event is told by, whatever it says about itself.
const FIELDS: [&str; 11] = [
    "eventId",
    "name",
    "sales",
    "hasSeatMap",
    "totalSeats",
    "availableSeats",
    "heldSeats",
    "confirmedSeats",
    "reservationCount",
    "waitlistCount",
    "version",
];

fn all_of_it() -> Value {
    json!({
        "eventId": "show", "name": "Ünïcode & $ons", "totalSeats": 10_000_000, "description": "Two talks.\nPizza.",
        "startsAt": "2026-11-21T19:00:00.5+01:00", "location": "Hall 3", "price": { "amount": 4950, "currency": "EUR" },
        "seatsPerReservationMax": 4, "seatsPerPartnerMax": 20, "reservationsPerPartnerMax": 7,
    })
}

#[tokio::test]
async fn an_event_is_made_and_shown_with_all_that_it_says() {
    for_each_server("make event", async |server| {
        let client = server.client();
        let made = client.post("/events", &all_of_it()).await.expect(201);
        let mut wanted = all_of_it();
        wanted["startsAt"] = json!("2026-11-21T18:00:00.500Z");
        for (field, value) in [
            ("sales", json!("open")),
            ("hasSeatMap", json!(false)),
            ("availableSeats", json!(10_000_000)),
            ("heldSeats", json!(0)),
            ("confirmedSeats", json!(0)),
            ("reservationCount", json!(0)),
            ("waitlistCount", json!(0)),
            ("version", json!(0)),
        ] {
            wanted[field] = value;
        }
        assert_eq!(*made.json(), wanted);
        assert_eq!((made.header("location"), made.header("etag")), (Some("/events/show"), Some("\"0\"")));

        let shown = client.get("/events/show").await.expect(200);
        assert_eq!((shown.json(), shown.header("etag")), (made.json(), Some("\"0\"")));
        client.reserve_at("show", &json!({ "partnerId": "acme", "seats": 2 })).await.expect(201);
        let sold = client.get("/events/show").await.expect(200);
        assert_eq!((sold.number("availableSeats"), sold.number("reservationCount")), (9_999_998, 1));
        // The configured event is another one.
        assert_eq!(client.summary().await.number("version"), 0);
    })
    .await;
}

#[tokio::test]
async fn an_event_that_says_little_is_told_by_little() {
    for_each_server("plain event", async |server| {
        let client = server.client();
        let made = client.post("/events", &json!({ "name": "A show", "totalSeats": 1 })).await.expect(201);
        expect_fields(&made, &FIELDS);
        let id = made.text("eventId");
        assert_eq!(made.header("location"), Some(format!("/events/{id}").as_str()));
        assert_eq!(client.get(&format!("/events/{id}")).await.expect(200).json(), made.json());
        assert_eq!(client.get("/events/node-meetup-2025").await.expect(200).text("name"), "Node.js Meet-up");

        let hall = make_hall(&client, "hall").await;
        expect_fields(&hall, &FIELDS);
        assert_eq!((hall.number("totalSeats"), &hall.json()["hasSeatMap"]), (6, &json!(true)));
    })
    .await;
}

#[tokio::test]
async fn a_dashboard_that_has_the_event_as_it_is_is_told_so() {
    for_each_server("event etag", async |server| {
        let client = server.client();
        make_event(&client, "show", 5, &json!({})).await;
        let ask =
            async |tag: &str| client.send(Method::GET, "/events/show", &[("if-none-match", tag.to_owned())], "").await;
        let fresh = ask("\"0\"").await.expect(304);
        assert_eq!((fresh.body.len(), fresh.header("etag")), (0, Some("\"0\"")));
        client.reserve_at("show", &json!({ "partnerId": "acme", "seats": 1 })).await.expect(201);
        assert_eq!(ask("\"0\"").await.expect(200).header("etag"), Some("\"1\""));
    })
    .await;
}

#[tokio::test]
async fn an_id_names_one_event() {
    for_each_server("event exists", async |server| {
        let client = server.client();
        make_event(&client, "show", 5, &json!({})).await;
        let again = client.post("/events", &json!({ "eventId": "show", "name": "B", "totalSeats": 9 })).await;
        expect_exact_problem(again, 409, "event-exists", &[]);
        assert_eq!(client.get("/events/show").await.expect(200).number("totalSeats"), 5);
        for id in ["nowhere", "A%20b", "x.y"] {
            expect_exact_problem(client.get(&format!("/events/{id}")).await, 404, "not-found", &[]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_retried_event_is_made_once() {
    for_each_server("event replay", async |server| {
        let client = server.client();
        for body in
            [json!({ "eventId": "show", "name": "A", "totalSeats": 5 }), json!({ "name": "A", "totalSeats": 5 })]
        {
            let terms = [key(format!("make {}", body.as_object().map_or(0, serde_json::Map::len)).replace(' ', "-"))];
            let first = client.post_with("/events", &body, &terms).await.expect(201);
            let path = format!("/events/{}", first.text("eventId"));
            client.post(&format!("{path}/reservations"), &json!({ "partnerId": "a", "seats": 1 })).await.expect(201);
            let again = client.post_with("/events", &body, &terms).await.expect(201);
            assert_eq!(again.json(), first.json());
            let replayed = [&first, &again].map(|answer| answer.header("idempotent-replayed"));
            assert_eq!(replayed, [None, Some("true")]);

            let mut other = body.clone();
            other["totalSeats"] = json!(6);
            let reused = client.post_with("/events", &other, &terms).await;
            expect_exact_problem(reused, 422, "idempotency-key-reused", &[]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_bad_event_is_told_each_field_that_is_wrong() {
    for_each_server("bad event", async |server| {
        let client = server.client();
        let rows = json!([{ "row": "A", "seats": 1 }, { "row": "b", "seats": "2" }]);
        let body = json!({
            "eventId": "A", "name": " ", "seatMap": { "rows": rows, "blocked": ["A1", "A1x"] }, "price": { "currency": "eur" },
            "seatsPerReservationMax": 11, "startsAt": "soon", "sales": "open",
        });
        let fields = [
            "eventId",
            "name",
            "price.amount",
            "price.currency",
            "sales",
            "seatMap.blocked[1]",
            "seatMap.rows[1].row",
            "seatMap.rows[1].seats",
            "seatsPerReservationMax",
            "startsAt",
        ];
        expect_fields_refused(client.post("/events", &body).await, &fields);
        let good = json!({ "eventId": "show", "name": "A", "totalSeats": 1 });
        expect_fields_refused(client.post_with("/events", &good, &[if_match(0)]).await, &["If-Match"]);
        client.get("/events/show").await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn events_are_listed_page_by_page() {
    for_each_server("event list", async |server| {
        let client = server.client();
        for id in ["show-2", "a", "show-10", "z"] {
            make_event(&client, id, 5, &json!({})).await;
        }
        let all = walk(&client, "/events?limit=2", 2).await;
        let ids: Vec<_> = all.iter().map(|event| event["eventId"].as_str().expect("an id")).collect();
        assert_eq!(ids, ["a", "node-meetup-2025", "show-10", "show-2", "z"]);
        assert_eq!(all[4], *client.get("/events/z").await.json());

        let whole = client.get("/events").await.expect(200);
        assert_eq!((whole.json()["items"].as_array().map(Vec::len), whole.header("link")), (Some(5), None));
        assert_eq!(whole.json()["nextCursor"], Value::Null);
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=1&limit=1", "limit"),
            ("cursor=x", "cursor"),
            ("cursor=", "cursor"),
            ("sort=name", "sort"),
            ("partnerId=acme", "partnerId"),
        ] {
            expect_fields_refused(client.get(&format!("/events?{query}")).await, &[field]);
        }
    })
    .await;
}

/// Follows a list by its links, which must tell the same as its cursors, over pages of `limit` items.
pub(super) async fn walk(client: &Client, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = client.get(&path).await.expect(200);
        expect_fields(&page, &["items", "nextCursor"]);
        let found = page.json()["items"].as_array().expect("a list");
        items.extend(found.iter().cloned());
        let link = page.header("link").and_then(|link| link.strip_prefix('<')?.strip_suffix(">; rel=\"next\""));
        let cursor = page.json()["nextCursor"].as_str();
        match (link, cursor) {
            (Some(link), Some(cursor)) => {
                assert!(found.len() == limit && link.ends_with(&format!("cursor={cursor}")), "{page}");
            }
            (None, None) => {}
            _ => panic!("link and cursor disagree: {page}"),
        }
        next = link.map(str::to_owned);
    }
    items
}
