//! What no partner should send to the routes of events, holds and lists.

use reqwest::Method;
use serde_json::json;

use super::{ID, expect_field, expect_refused, sales_tables::*};
use crate::support::client::{Answer, Client, if_match};

/// Makes the events that the requests are about, sends all of them, and looks whether those events are as they were.
pub(super) async fn send_all(client: &Client) -> usize {
    let rows = json!([{ "row": "A", "seats": 9 }, { "row": "B", "seats": 9 }]);
    for event in [
        json!({ "eventId": "hall", "name": "A play", "seatMap": { "rows": rows } }),
        json!({ "eventId": "show", "name": "A show", "totalSeats": 9 }),
    ] {
        client.post("/events", &event).await.expect(201);
    }
    let look = async || {
        let paths = ["/events", "/events/hall/seats", "/events/hall/reservations", "/events/show/reservations"];
        let mut seen = Vec::new();
        for path in paths {
            seen.push(client.get(path).await.expect(200).json().clone());
        }
        seen
    };
    let before = look().await;
    let sent = [
        new_events(client).await,
        large_plans(client).await,
        amendments(client).await,
        requests_for_seats(client).await,
        confirms(client).await,
        queries(client).await,
        event_ids(client).await,
        partners(client).await,
    ];
    assert_eq!(look().await, before);
    sent.iter().sum()
}

async fn new_events(client: &Client) -> usize {
    for (field, member) in NEW_EVENT_MEMBERS {
        let body = format!(r#"{{"eventId":"evil","name":"A","totalSeats":1,{member}}}"#);
        expect_field(&post(client, "/events", body.clone()).await, field, &body);
    }
    for (field, value) in TOTAL_SEATS.map(|value| ("totalSeats", value)).into_iter().chain(SEAT_MAPS) {
        let name = field.split(['.', '[']).next().expect("a name");
        let body = format!(r#"{{"eventId":"evil","name":"A","{name}":{value}}}"#);
        expect_field(&post(client, "/events", body.clone()).await, field, &body);
    }
    let deep = format!(r#"{{"name":"A","seatMap":{}1{}}}"#, r#"{"rows":["#.repeat(60_000 / 9), "]}".repeat(60_000 / 9));
    expect_refused(&post(client, "/events", deep).await, 400, "invalid-request", "a deep plan");
    NEW_EVENT_MEMBERS.len() + TOTAL_SEATS.len() + SEAT_MAPS.len() + 1
}

/// Plans that are large in one way or another, and wrong in it.
async fn large_plans(client: &Client) -> usize {
    let plan = |rows: String, blocked: String| {
        format!(r#"{{"eventId":"evil","name":"A","seatMap":{{"rows":[{rows}],"blocked":[{blocked}]}}}}"#)
    };
    let row = |number: usize| format!(r#"{{"row":"{number}A","seats":1000}}"#);
    let rows = |count: usize| (0..count).map(row).collect::<Vec<_>>().join(",");
    let cases = [
        (plan(rows(101), String::new()), "seatMap"),
        (plan(rows(1_001), String::new()), "seatMap.rows"),
        (plan(vec![row(1); 900].join(","), String::new()), "seatMap"),
        (plan(rows(1), vec![r#""1A1""#; 30_000].join(",")), "seatMap"),
        (plan(rows(1), vec![r#""1B1""#; 30_000].join(",")), "seatMap"),
    ];
    for (body, field) in &cases {
        expect_field(&post(client, "/events", body.clone()).await, field, body);
    }
    // So many mistakes that not all can be told.
    let many = post(client, "/events", plan(rows(1), vec!["0"; 100_000].join(","))).await;
    expect_refused(&many, 400, "invalid-request", "many mistakes");
    assert_eq!(many.json()["errors"].as_array().map(Vec::len), Some(16));
    let padded = format!("{}{}", " ".repeat(256 * 1024), r#"{"name":"A","totalSeats":1}"#);
    expect_refused(&post(client, "/events", padded).await, 413, "payload-too-large", "a padded plan");
    // The other routes have no room for plans.
    let long = format!(r#"{{"partnerId":"acme","seatIds":["A1"],"note":"{}"}}"#, "x".repeat(4_096));
    let refused = post(client, "/events/hall/reservations", long.clone()).await;
    expect_refused(&refused, 413, "payload-too-large", "a long request for seats");
    let refused = patch(client, "show", long, &[if_match(0)]).await;
    expect_refused(&refused, 413, "payload-too-large", "a long amendment");
    cases.len() + 4
}

async fn amendments(client: &Client) -> usize {
    for (field, body) in AMENDMENTS {
        expect_field(&patch(client, "show", body, &[if_match(0)]).await, field, body);
    }
    let good = r#"{"sales":"closed"}"#;
    expect_refused(&patch(client, "show", good, &[]).await, 428, "precondition-required", good);
    for tag in ["0", "\"0", "{\"$gt\":0}", ""] {
        let refused = patch(client, "show", good, &[("if-match", tag.to_owned())]).await;
        expect_refused(&refused, 400, "invalid-request", tag);
    }
    for tag in ["\"1\"", "W/\"0\"", "\"00\"", "\"-0\"", "\"9223372036854775808\""] {
        let refused = patch(client, "show", good, &[("if-match", tag.to_owned())]).await;
        expect_refused(&refused, 412, "precondition-failed", tag);
    }
    for media_type in ["application/json-patch+json", "text/plain", "application/merge-patch"] {
        let headers = [("content-type", media_type.to_owned()), if_match(0)];
        let refused = client.send(Method::PATCH, "/events/show", &headers, good).await;
        expect_refused(&refused, 415, "unsupported-media-type", media_type);
    }
    AMENDMENTS.len() + 13
}

async fn requests_for_seats(client: &Client) -> usize {
    for (field, members) in REQUESTS_FOR_SEATS {
        let body = format!(r#"{{"partnerId":"acme",{members}}}"#);
        expect_field(&post(client, "/events/hall/reservations", body.clone()).await, field, &body);
    }
    REQUESTS_FOR_SEATS.len()
}

async fn confirms(client: &Client) -> usize {
    let path = format!("/reservations/{ID}/confirm");
    for body in ["null", "[]", "{", "true", r#"{"status":"confirmed"}"#, r#"{"$set":{}}"#, " ", "{}{}"] {
        expect_refused(&post(client, &path, body).await, 400, "invalid-request", body);
    }
    let untyped = client.send(Method::POST, &path, &[], "{}").await;
    expect_refused(&untyped, 415, "unsupported-media-type", "an untyped confirm");
    expect_refused(&post(client, &path, " ".repeat(4_097)).await, 413, "payload-too-large", "a long confirm");
    for id in ["x", "..", "%2e%2e", "hall", "hall.x", "$where"] {
        let request =
            format!("POST /reservations/{id}/confirm HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        expect_refused(&raw(client, &request).await, 404, "not-found", &request);
    }
    16
}

async fn queries(client: &Client) -> usize {
    let lists = ["/events/hall/reservations", "/partners/acme/reservations"];
    for (field, query) in QUERIES {
        for list in lists {
            let request = format!("GET {list}?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            expect_field(&raw(client, &request).await, field, &request);
        }
    }
    for (field, query) in EVENT_QUERIES {
        let request = format!("GET /events?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        expect_field(&raw(client, &request).await, field, &request);
    }
    lists.len() * QUERIES.len() + EVENT_QUERIES.len()
}

async fn event_ids(client: &Client) -> usize {
    for id in EVENT_IDS {
        for (method, rest, headers) in [
            ("GET", "", ""),
            ("GET", "/seats", ""),
            ("GET", "/reservations", ""),
            ("POST", "/reservations", "Content-Type: application/json\r\n"),
            ("PATCH", "", "Content-Type: application/json\r\nIf-Match: *\r\n"),
        ] {
            let body = match method {
                "POST" => r#"{"partnerId":"acme","seats":1}"#,
                "PATCH" => r#"{"sales":"closed"}"#,
                _ => "",
            };
            let length = body.len();
            let head =
                format!("{method} /events/{id}{rest} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}");
            let request = format!("{head}\r\n\r\n{body}");
            expect_refused(&raw(client, &request).await, 404, "not-found", &request);
        }
    }
    5 * EVENT_IDS.len()
}

async fn partners(client: &Client) -> usize {
    let long = "x".repeat(65);
    let longer = "%41".repeat(2_000);
    for partner in PARTNERS.into_iter().chain([long.as_str(), longer.as_str()]) {
        let request = format!("GET /partners/{partner}/reservations HTTP/1.1\r\nHost: localhost\r\n\r\n");
        expect_field(&raw(client, &request).await, "partnerId", &request);
    }
    for path in ["/partners//reservations", "/partners/a/b/reservations", "/partners/acme/reservations//", "/partners/"]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        expect_refused(&raw(client, &request).await, 404, "not-found", &request);
    }
    PARTNERS.len() + 6
}

async fn post(client: &Client, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    client.send(Method::POST, path, &[("content-type", "application/json".to_owned())], body).await
}

async fn patch(
    client: &Client,
    event_id: &str,
    body: impl Into<reqwest::Body>,
    headers: &[(&'static str, String)],
) -> Answer {
    let json = [("content-type", "application/json".to_owned())];
    client.send(Method::PATCH, &format!("/events/{event_id}"), &[&json, headers].concat(), body).await
}

/// Sends a request as it is: a good client would tidy it up.
async fn raw(client: &Client, request: &str) -> Answer {
    client.raw(request.as_bytes()).await.expect("a valid request is answered")
}
