//! What every answer carries, and what is said to wrong paths and methods.

use reqwest::Method;

use super::{expect_exact_problem, for_each_server};
use crate::support::{server::Launch, store::Store};

const ID: &str = "/reservations/node-meetup-2025.0198a3b2-7c1d-7def-8123-456789abcdef";

#[tokio::test]
async fn every_answer_names_its_request() {
    for_each_server("request ids", async |server| {
        let client = server.client();
        for (method, path) in [
            (Method::GET, "/health"),
            (Method::GET, "/reservations"),
            (Method::GET, ID),
            (Method::GET, "/nowhere"),
            (Method::PUT, "/reservations"),
            (Method::POST, "/reservations"),
        ] {
            let given = ("x-request-id", "order-7/2".to_owned());
            let answer = client.send(method.clone(), path, &[given], "").await;
            assert_eq!(answer.header("x-request-id"), Some("order-7/2"), "{method} {path}");

            let mint = async || {
                let answer = client.send(method.clone(), path, &[], "").await;
                answer.header("x-request-id").expect("one is minted").to_owned()
            };
            let (one, other) = (mint().await, mint().await);
            assert!(!one.is_empty() && one != other, "{method} {path}: {one} {other}");
        }
        // One that could forge a log line is replaced.
        let bad = client.send(Method::GET, "/health", &[("x-request-id", "a b".to_owned())], "").await.expect(200);
        assert_ne!(bad.header("x-request-id"), Some("a b"));
    })
    .await;
}

#[tokio::test]
async fn a_request_can_be_followed_in_the_log() {
    let store = Store::embedded();
    let server = Launch::on(&store).set("RUST_LOG", "ticketboss=debug").set("LOG_FORMAT", "json").start().await;
    let given = [("x-request-id", "follow-me".to_owned())];
    server.client().send(Method::GET, "/reservations", &given, "").await.expect(200);
    let line = server.log().line_with("follow-me", std::time::Duration::from_secs(5)).await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("a JSON object a line");
    assert_eq!((&line["request_id"], &line["status"]), (&"follow-me".into(), &200.into()));
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let event = server.client().send(Method::DELETE, "/events/node-meetup-2025", &[], "").await;
    let event = expect_exact_problem(event, 405, "method-not-allowed", &[]);
    assert_eq!(event.header("allow"), Some("GET, HEAD, PATCH"));
    for (path, allow) in [
        ("/", "GET, HEAD"),
        ("/reservations", "GET, HEAD, POST"),
        (ID, "GET, HEAD, DELETE"),
        (&format!("{ID}/confirm"), "POST"),
        ("/events", "GET, HEAD, POST"),
        ("/events/node-meetup-2025/reservations", "GET, HEAD, POST"),
        ("/events/node-meetup-2025/seats", "GET, HEAD"),
        ("/partners/acme/reservations", "GET, HEAD"),
        ("/health", "GET, HEAD"),
        ("/livez", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
    ] {
        for method in [Method::PUT, Method::PATCH, Method::OPTIONS] {
            let refused = server.client().send(method, path, &[], "").await;
            let refused = expect_exact_problem(refused, 405, "method-not-allowed", &[]);
            assert_eq!(refused.header("allow"), Some(allow), "{path}");
        }
    }
}

#[tokio::test]
async fn a_path_that_leads_nowhere_is_not_found() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    for path in [
        "//",
        "/nowhere",
        "/reservation",
        "/reservations/a/b",
        "/events//",
        "/events/a/b",
        "/partners",
        "/partners/a",
        "/health//",
        "/favicon.ico",
    ] {
        expect_exact_problem(server.client().get(path).await, 404, "not-found", &[]);
    }
}
