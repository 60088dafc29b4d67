//! Requests that no partner should send. Each is refused as a problem, moves no seat, and harms nobody.

mod sales;
mod sales_tables;
mod tables;

use reqwest::Method;
use serde_json::json;

use self::tables::{BODIES, IDS, UNKNOWN_FIELDS, VALUES};
use crate::support::{
    client::{Answer, Client},
    server::Launch,
    store::{Store, for_each_store},
};

const ID: &str = "node-meetup-2025.0198a3b2-7c1d-7def-8123-456789abcdef";

#[tokio::test]
async fn hostile_requests_are_refused_and_move_no_seat() {
    for_each_store("hostile", async |store: Store| {
        let server = Launch::on(&store).start().await;
        let client = server.client();
        let before = client.summary().await.expect(200);
        let sent = [
            values(&client).await,
            bodies(&client).await,
            unknown_fields(&client).await,
            sizes(&client).await,
            media_types(&client).await,
            write_headers(&client).await,
            ids(&client).await,
            methods(&client).await,
            sales::send_all(&client).await,
        ];
        println!("{} hostile requests", sent.iter().sum::<usize>());
        assert_eq!(client.summary().await.expect(200).json(), before.json());
        client.post_reservation("acme", 1).await.expect(201);
    })
    .await;
}

async fn values(client: &Client) -> usize {
    for (field, value) in VALUES {
        let body = match field {
            "seats" => format!(r#"{{"partnerId":"acme","seats":{value}}}"#),
            _ => format!(r#"{{"partnerId":{value},"seats":1}}"#),
        };
        expect_field(&post(client, body.clone()).await, field, &body);
    }
    VALUES.len()
}

async fn bodies(client: &Client) -> usize {
    for body in BODIES {
        expect_refused(&post(client, body).await, 400, "invalid-request", body);
    }
    let deep = [
        format!(r#"{{"partnerId":{}1{},"seats":1}}"#, "[".repeat(1_500), "]".repeat(1_500)),
        format!(r#"{{"partnerId":{}1{},"seats":1}}"#, r#"{"a":"#.repeat(500), "}".repeat(500)),
        "[".repeat(4_096),
        r#"{"a":"#.repeat(800),
    ];
    for body in &deep {
        expect_refused(&post(client, body.clone()).await, 400, "invalid-request", body);
    }
    let bytes: [&[u8]; 4] = [
        b"{\"partnerId\":\"\xff\xfe\",\"seats\":1}",
        b"{\"partnerId\":\"\xed\xa0\x80\",\"seats\":1}",
        b"\xef\xbb\xbf{\"partnerId\":\"acme\",\"seats\":1}",
        b"\xff\xfe{\0\"\0s\0\"\0:\x001\0}\0",
    ];
    for body in bytes {
        expect_refused(&post(client, body).await, 400, "invalid-request", &String::from_utf8_lossy(body));
    }
    BODIES.len() + deep.len() + bytes.len()
}

async fn unknown_fields(client: &Client) -> usize {
    for field in UNKNOWN_FIELDS {
        let body = json!({ "partnerId": "acme", "seats": 1, field: 1 }).to_string();
        expect_field(&post(client, body.clone()).await, field, &body);
    }
    UNKNOWN_FIELDS.len()
}

async fn sizes(client: &Client) -> usize {
    let padded = |bytes: usize| {
        let body = r#"{"partnerId":"acme","seats":1}"#;
        " ".repeat(bytes - body.len()) + body
    };
    for bytes in [4_097, 100_000, 2_000_000] {
        expect_refused(&post(client, padded(bytes)).await, 413, "payload-too-large", "a large body");
    }
    // Without a Content-Length, and with one that promises more than anybody would wait for.
    let head = "POST /reservations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n1388\r\n{}\r\n0\r\n\r\n", padded(5_000));
    let promised = format!("{head}Content-Length: 99999999999\r\n\r\n{{");
    for request in [chunked, promised] {
        let answer = client.raw(request.as_bytes()).await.expect("a valid request is answered");
        expect_refused(&answer, 413, "payload-too-large", "a large body");
    }
    5
}

async fn media_types(client: &Client) -> usize {
    let types = [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/jsonp",
        "application/problem+json",
        "text/html; application/json",
        "json",
        "*/*",
    ];
    for media_type in types {
        let headers = [("content-type", media_type.to_owned())];
        let answer = client.send(Method::POST, "/reservations", &headers, r#"{"partnerId":"acme","seats":1}"#).await;
        expect_refused(&answer, 415, "unsupported-media-type", media_type);
    }
    let none = client.send(Method::POST, "/reservations", &[], r#"{"partnerId":"acme","seats":1}"#).await;
    expect_refused(&none, 415, "unsupported-media-type", "no type");
    for coding in ["gzip", "br", "gzip, gzip"] {
        let headers = [("content-type", "application/json".to_owned()), ("content-encoding", coding.to_owned())];
        let answer = client.send(Method::POST, "/reservations", &headers, vec![0x1f, 0x8b, 8, 0]).await;
        expect_refused(&answer, 415, "unsupported-media-type", coding);
    }
    types.len() + 4
}

async fn write_headers(client: &Client) -> usize {
    let long = "k".repeat(256);
    let cases = [
        ("idempotency-key", ""),
        ("idempotency-key", "\"\""),
        ("idempotency-key", "\"open"),
        ("idempotency-key", "two words"),
        ("idempotency-key", "schlüssel"),
        ("idempotency-key", &long),
        ("if-match", ""),
        ("if-match", "1"),
        ("if-match", "\"1"),
        ("if-match", "{\"$gt\":0}"),
    ];
    for (name, value) in cases {
        let answer = client.post_reservation_with("acme", 1, &[(name, value.to_owned())]).await;
        expect_refused(&answer, 400, "invalid-request", &format!("{name}: {value}"));
        let answer = client.delete_with(ID, &[(name, value.to_owned())]).await;
        expect_refused(&answer, 400, "invalid-request", &format!("{name}: {value}"));
    }
    let twice = [("idempotency-key", "a".to_owned()), ("idempotency-key", "b".to_owned())];
    let answer = client.post_reservation_with("acme", 1, &twice).await;
    expect_refused(&answer, 400, "invalid-request", "two keys");
    2 * cases.len() + 1
}

async fn ids(client: &Client) -> usize {
    let long = format!("node-meetup-2025.{}", "0".repeat(8_000));
    for id in IDS.into_iter().chain([long.as_str()]) {
        for method in ["GET", "DELETE"] {
            // Raw, because a good client tidies a path before it sends it.
            let request = format!("{method} /reservations/{id} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let answer = client.raw(request.as_bytes()).await.expect("a valid request is answered");
            expect_refused(&answer, 404, "not-found", &request);
        }
    }
    2 * (IDS.len() + 1)
}

async fn methods(client: &Client) -> usize {
    let path = format!("/reservations/{ID}");
    let cases = [
        ("PUT", "/reservations"),
        ("DELETE", "/reservations"),
        ("TRACE", "/reservations"),
        ("CANCEL", "/reservations"),
        ("get", "/reservations"),
        ("POST", &path),
        ("PATCH", &path),
        ("POST", "/health"),
        ("DELETE", "/events"),
        ("PATCH", "/events"),
        ("DELETE", "/events/node-meetup-2025"),
        ("PUT", "/events/node-meetup-2025"),
        ("POST", "/events/node-meetup-2025/seats"),
        ("POST", "/partners/acme/reservations"),
    ];
    for (method, path) in cases {
        let method = Method::from_bytes(method.as_bytes()).expect("a token");
        let answer = client.send(method, path, &[], "").await;
        expect_refused(&answer, 405, "method-not-allowed", path);
    }
    cases.len()
}

#[tokio::test]
async fn what_is_no_http_harms_nobody() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let client = server.client();
    let post = "POST /reservations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let body = r#"{"partnerId":"acme","seats":1}"#;
    let cases = [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\0\u{5}hello\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET  /reservations HTTP/1.1\r\n\r\n".to_owned(),
        "GET /reservations HTTP/9.9\r\n\r\n".to_owned(),
        "GET /reserva\0tions HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        "GET /reservations HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n".to_owned(),
        format!("GET /reservations HTTP/1.1\r\nHost: localhost\r\nLong: {}\r\n\r\n", "x".repeat(300_000)),
        format!("{post}Content-Length: -1\r\n\r\n{body}"),
        format!("{post}Content-Length: 30, 30\r\n\r\n{body}"),
        format!("{post}Content-Length: 30\r\nContent-Length: 31\r\n\r\n{body}"),
        // Two readers could see two different requests here.
        format!("{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\n{body}\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: gzip, chunked, identity\r\n\r\n{body}"),
    ];
    for case in cases {
        let answer = client.raw(case.as_bytes()).await;
        let shown: String = case.chars().take(120).collect();
        let refused = answer.as_ref().is_none_or(|answer| (400..500).contains(&answer.status));
        assert!(refused, "{shown:?}: {}", answer.expect("checked"));
        client.health().await.expect(200);
    }
    assert_eq!(client.summary().await.expect(200).number("version"), 0);
}

async fn post(client: &Client, body: impl Into<reqwest::Body>) -> Answer {
    client.send(Method::POST, "/reservations", &[("content-type", "application/json".to_owned())], body).await
}

fn expect_refused(answer: &Answer, status: u16, code: &str, request: &str) {
    let request: String = request.chars().take(200).collect();
    println!("{request:?}");
    answer.clone().expect_problem(status, code);
    assert!(answer.header("x-request-id").is_some(), "{answer}");
    assert_eq!(answer.json()["retryable"], false, "{answer}");
}

/// The answer names the field, and only it.
fn expect_field(answer: &Answer, field: &str, request: &str) {
    expect_refused(answer, 400, "invalid-request", request);
    let errors = answer.json()["errors"].as_array().expect("a list of fields");
    let fields: Vec<&str> = errors.iter().map(|error| error["field"].as_str().expect("a name")).collect();
    assert_eq!(fields, [field], "{answer}");
}
