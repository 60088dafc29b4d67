//! The face without the store: what is answered before anybody is asked, and what while the store is away.

use std::{sync::Arc, time::Duration};

use super::{ConnectionLimits, Desk, Hosts, Readiness, Trace, bind, body::LARGE_BODIES_MAX, routes, serve};
use crate::{
    domain::EventId,
    service::{BoxOffice, Limits},
};

mod away;

use actix_web::{
    App,
    dev::ServiceResponse,
    http::{Method, StatusCode, header},
    test::{self, TestRequest},
    web::Data,
};
use away::Away;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const ID: &str = "/reservations/show.0198a3b2-7c1d-7def-8123-456789abcdef";
const CONFIRM: &str = "/reservations/show.0198a3b2-7c1d-7def-8123-456789abcdef/confirm";

fn desk() -> Desk {
    let limits = Limits {
        commit_batch_max: 10,
        commit_attempts_max: 1,
        inbox_max: 10,
        request_timeout: Duration::from_millis(50),
    };
    Desk {
        box_office: BoxOffice::new(Arc::new(Away), limits),
        event_id: EventId::parse("show").expect("a good id"),
        seats_per_reservation_max: 10,
        hold_seconds_max: 900,
        body_timeout: Duration::from_secs(5),
        readiness: Arc::new(Readiness::default()),
        hosts: Hosts::of("127.0.0.1", "127.0.0.1".parse().expect("an address"), Vec::new()),
    }
}

async fn ask(desk: &Desk, request: TestRequest) -> ServiceResponse {
    let app = App::new().wrap(Trace).configure(routes(Data::new(desk.clone())));
    let request = request.append_header((header::HOST, "localhost")).to_request();
    test::call_service(&test::init_service(app).await, request).await.map_into_boxed_body()
}

/// Asks, and checks what every problem has; gives back its code.
async fn problem(request: TestRequest, status: u16) -> String {
    let response = ask(&desk(), request).await;
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(response.headers().get(header::CONTENT_TYPE).expect("a type"), "application/problem+json");
    assert!(response.headers().contains_key("x-request-id"));
    let body: Value = test::read_body_json(response).await;
    assert_eq!(body["status"], status);
    body["code"].as_str().expect("a code").to_owned()
}

fn post() -> TestRequest {
    TestRequest::post().uri("/reservations")
}

#[actix_web::test]
async fn a_process_without_a_store_is_healthy() {
    for path in ["/health", "/livez"] {
        for method in [Method::GET, Method::HEAD] {
            let response = ask(&desk(), TestRequest::with_uri(path).method(method)).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers().get(header::CONTENT_TYPE).expect("a type"), "application/json");
            assert_eq!(test::read_body(response).await, r#"{"status":"ok"}"#, "{path}");
        }
    }
}

#[actix_web::test]
async fn a_process_is_ready_only_with_its_event_its_store_and_time_left() {
    let desk = desk();
    let why = async || {
        let response = ask(&desk, TestRequest::with_uri("/readyz")).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        test::read_body_json::<Value, _>(response).await["detail"].as_str().expect("a detail").to_owned()
    };
    assert!(why().await.contains("not open yet"));
    desk.readiness.event_opened();
    assert!(why().await.contains("out of reach"));
    desk.readiness.drain();
    assert!(why().await.contains("about to stop"));
}

#[actix_web::test]
async fn a_request_keeps_its_name() {
    for path in ["/health", "/nowhere"] {
        let response = ask(&desk(), TestRequest::with_uri(path).insert_header(("X-Request-Id", "abc-1"))).await;
        assert_eq!(response.headers().get("x-request-id").expect("the id"), "abc-1");
    }
}

#[actix_web::test]
async fn other_paths_are_not_found() {
    for path in [
        "//",
        "/healthz",
        "/health//",
        "/reservations//",
        "//reservations",
        "//reservations/",
        "/Reservations",
        "/reservations/x/y",
        "/reservations/%2e%2e/health",
        "/reservations/show.0198a3b2-7c1d-7def-8123-456789abcdef//",
    ] {
        assert_eq!(problem(TestRequest::with_uri(path), 404).await, "not-found", "{path}");
    }
}

#[actix_web::test]
async fn other_spellings_of_an_id_name_no_reservation() {
    for id in [
        "x",
        "show",
        "show.",
        "0198a3b2-7c1d-7def-8123-456789abcdef",
        "show.0198A3B2-7C1D-7DEF-8123-456789ABCDEF",
        "show.0198a3b27c1d7def8123456789abcdef",
        "show.0198a3b2-7c1d-7def-8123-456789abcdef%20",
        "show.0198a3b2-7c1d-7def-8123-456789abcdef%00",
        "show.0198a3b2-7c1d-7def-8123-456789abcdef%2F",
        "show%2F0198a3b2-7c1d-7def-8123-456789abcdef",
        "..%2Fhealth",
        "%ff",
        "%",
        "$where",
    ] {
        let path = format!("/reservations/{id}");
        assert_eq!(problem(TestRequest::get().uri(&path), 404).await, "not-found", "GET {id}");
        assert_eq!(problem(TestRequest::delete().uri(&path), 404).await, "not-found", "DELETE {id}");
    }
}

#[actix_web::test]
async fn other_methods_are_told_which_are_taken() {
    for (path, allow) in [
        ("/reservations", "GET, HEAD, POST"),
        (ID, "GET, HEAD, DELETE"),
        (CONFIRM, "POST"),
        ("/events", "GET, HEAD, POST"),
        ("/events/show", "GET, HEAD, PATCH"),
        ("/events/show/reservations", "GET, HEAD, POST"),
        ("/events/show/seats", "GET, HEAD"),
        ("/partners/acme/reservations", "GET, HEAD"),
        ("/health", "GET, HEAD"),
        ("/livez", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
    ] {
        for method in ["GET", "PUT", "PATCH", "OPTIONS", "TRACE", "QUERY", "POST", "DELETE"] {
            if allow.contains(method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let response = ask(&desk(), TestRequest::with_uri(path).method(method.clone())).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(response.headers().get(header::ALLOW).expect("the methods"), allow);
            assert_eq!(test::read_body_json::<Value, _>(response).await["code"], "method-not-allowed");
        }
    }
}

#[actix_web::test]
async fn a_write_is_refused_by_its_head_first() {
    let json = || post().insert_header(header::ContentType::json()).set_payload(r#"{"partnerId":"a","seats":1}"#);
    let table = [
        (post().set_payload("{}"), 415, "unsupported-media-type"),
        (
            post().insert_header(header::ContentType::form_url_encoded()).set_payload("seats=1"),
            415,
            "unsupported-media-type",
        ),
        (json().insert_header(("Idempotency-Key", "a b")), 400, "invalid-request"),
        (
            json().append_header(("Idempotency-Key", "a")).append_header(("Idempotency-Key", "b")),
            400,
            "invalid-request",
        ),
        (json().insert_header(("If-Match", "7")), 400, "invalid-request"),
        (TestRequest::delete().uri(ID).insert_header(("If-Match", "7")), 400, "invalid-request"),
        (TestRequest::delete().uri(ID).insert_header(("Idempotency-Key", "\"")), 400, "invalid-request"),
        (json().set_payload(vec![b' '; 4_097]), 413, "payload-too-large"),
        (json().set_payload(""), 400, "invalid-request"),
    ];
    for (request, status, code) in table {
        assert_eq!(problem(request, status).await, code);
    }
}

#[actix_web::test]
async fn every_wrong_field_is_named_at_once() {
    let body = r#"{"partnerId":" ","seats":11,"event":"x"}"#;
    let request = post().insert_header(header::ContentType::json()).set_payload(body);
    let response = ask(&desk(), request).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body: Value = test::read_body_json(response).await;
    assert_eq!(
        body["detail"],
        "event is not a field of this request; partnerId must not be blank; seats must be an integer from 1 to 10."
    );
}

#[actix_web::test]
async fn without_its_store_every_question_gets_a_503_in_time() {
    let with = |request: TestRequest, body: &'static str| {
        request.insert_header(header::ContentType::json()).insert_header(("If-Match", "*")).set_payload(body)
    };
    let new_event = TestRequest::post().uri("/events").insert_header(header::ContentType::json());
    for request in [
        TestRequest::get().uri("/reservations"),
        with(post(), r#"{"partnerId":"a","seats":1}"#),
        TestRequest::get().uri(ID),
        TestRequest::delete().uri(ID),
        TestRequest::post().uri(CONFIRM),
        TestRequest::get().uri("/events"),
        new_event.set_payload(r#"{"name":"A","totalSeats":1}"#),
        TestRequest::get().uri("/events/show"),
        with(TestRequest::patch().uri("/events/show"), r#"{"sales":"open"}"#),
        TestRequest::get().uri("/events/show/reservations"),
        with(TestRequest::post().uri("/events/show/reservations"), r#"{"partnerId":"a","seats":1}"#),
        TestRequest::get().uri("/events/show/seats"),
        TestRequest::get().uri("/partners/a/reservations"),
    ] {
        assert_eq!(problem(request, 503).await, "store-unavailable");
    }
}

#[actix_web::test]
async fn other_spellings_of_an_event_name_none() {
    for id in ["x.y", "Show", "a%20b", "%2e%2e", "..%2Fhealth", "%ff", "%", "show%2Fseats", &"x".repeat(65)] {
        for rest in ["", "/seats", "/reservations"] {
            let path = format!("/events/{id}{rest}");
            assert_eq!(problem(TestRequest::get().uri(&path), 404).await, "not-found", "{path}");
        }
    }
}

#[actix_web::test]
async fn a_partner_in_the_path_is_any_text_that_a_partner_can_be() {
    for good in ["a%2Fb", "%C3%BC", "..", "%2e%2e", "100%25", "%252F", "a+b", "$where"] {
        let path = format!("/partners/{good}/reservations");
        assert_eq!(problem(TestRequest::get().uri(&path), 503).await, "store-unavailable", "{path}");
    }
    for bad in ["%20", "%00", "%ff", "%C3", "%", "%zz", &"x".repeat(65)] {
        let path = format!("/partners/{bad}/reservations");
        assert_eq!(problem(TestRequest::get().uri(&path), 400).await, "invalid-request", "{path}");
    }
}

#[actix_web::test]
async fn an_event_is_not_amended_blindly() {
    let amend = TestRequest::patch().uri("/events/show").insert_header(header::ContentType::json());
    assert_eq!(problem(amend.set_payload(r#"{"sales":"open"}"#), 428).await, "precondition-required");
}

#[tokio::test]
async fn so_many_large_bodies_are_taken_in_at_one_time_and_no_more() {
    let listener = bind("127.0.0.1", 0).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let limits = ConnectionLimits { connections_max: 1_000, per_address_max: 1_000 };
    let server = serve(listener, desk(), limits, Duration::from_secs(1)).expect("a server");
    let handle = server.handle();
    let server = tokio::spawn(server);
    let send = async |bytes: usize, promised: usize| {
        let mut connection = TcpStream::connect(address).await.expect("a connection");
        let head = format!(
            "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {promised}"
        );
        let request = format!("{head}\r\n\r\n{}", " ".repeat(bytes));
        connection.write_all(request.as_bytes()).await.expect("sent");
        connection
    };
    let code = async |bytes: usize| {
        let mut connection = send(bytes, bytes).await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            connection.read_buf(&mut answer).await.expect("an answer");
        }
        let answer = String::from_utf8(answer).expect("text");
        ["overloaded", "invalid-request"]
            .into_iter()
            .find(|code| answer.contains(code))
            .unwrap_or_else(|| panic!("{answer}"))
    };
    let eventually = async |wanted: &str| {
        let until = async { while code(5_000).await != wanted {} };
        timeout(Duration::from_secs(10), until).await.unwrap_or_else(|_| panic!("never {wanted}"));
    };
    assert_eq!(code(5_000).await, "invalid-request");
    let mut held = Vec::new();
    for _ in 0..LARGE_BODIES_MAX {
        held.push(send(5_000, 6_000).await);
    }
    eventually("overloaded").await;
    assert_eq!(code(4_096).await, "invalid-request", "small ones need no room");
    drop(held);
    eventually("invalid-request").await;
    handle.stop(false).await;
    server.await.expect("it ends").expect("well");
}

#[tokio::test]
async fn a_body_without_an_end_does_not_hold_its_connection() {
    let listener = bind("127.0.0.1", 0).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let desk = Desk { body_timeout: Duration::from_millis(50), ..desk() };
    let limits = ConnectionLimits { connections_max: 10, per_address_max: 10 };
    let server = serve(listener, desk, limits, Duration::from_secs(1)).expect("a server");
    let handle = server.handle();
    let server = tokio::spawn(server);

    for (head, status) in [
        ("POST /reservations HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked", "408"),
        ("POST /reservations HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100", "408"),
        ("POST /reservations HTTP/1.1\r\nTransfer-Encoding: chunked", "415"),
        ("GET /health HTTP/1.1\r\nTransfer-Encoding: chunked", "200"),
        ("GET /nowhere HTTP/1.1\r\nTransfer-Encoding: chunked", "404"),
        ("PUT /reservations HTTP/1.1\r\nContent-Length: 100", "405"),
    ] {
        let mut connection = TcpStream::connect(address).await.expect("a connection");
        let request = format!("{head}\r\nHost: localhost\r\n\r\n1\r\n{{\r\n");
        connection.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        let closed = timeout(Duration::from_secs(10), connection.read_to_string(&mut answer)).await;
        assert!(matches!(closed, Ok(Ok(_))), "{head} is still open");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
    }
    handle.stop(false).await;
    server.await.expect("it ends").expect("well");
}
