//! Whose requests are answered: `Host`, and what a browser may send unasked.

use reqwest::Method;

use crate::support::{
    client::{Answer, Client},
    server::{Launch, Server},
    store::Store,
};

/// Sends `GET target` with these lines for a head.
async fn ask(client: &Client, target: &str, lines: &str) -> Answer {
    let request = format!("GET {target} HTTP/1.1\r\n{lines}\r\n");
    client.raw(request.as_bytes()).await.expect("an answer")
}

async fn embedded(settings: &[(&str, &str)]) -> (Store, Server) {
    let store = Store::embedded();
    let launch = settings.iter().fold(Launch::on(&store), |launch, (name, value)| launch.set(name, value));
    let server = launch.start().await;
    (store, server)
}

#[tokio::test]
async fn a_loopback_server_answers_those_who_mean_it() {
    let (_store, server) = embedded(&[]).await;
    let client = server.client();
    for host in ["localhost", "LOCALHOST:5000", "shop.localhost", "127.0.0.1:5000", "127.1.2.3", "[::1]:80"] {
        ask(&client, "/reservations", &format!("Host: {host}\r\n")).await.expect(200);
    }
    for host in ["evil.example", "evil.example:5000", "localhost.evil.example", "10.0.0.7", "[2001:db8::1]", ""] {
        let refused = ask(&client, "/reservations", &format!("Host: {host}\r\n")).await;
        let refused = refused.expect_problem(421, "misdirected-request");
        assert!(refused.text("detail").contains("ALLOWED_HOSTS"), "{refused}");
        assert!(refused.header("x-request-id").is_some(), "{refused}");
    }
    // The target of a request counts before its header.
    ask(&client, "http://evil.example/reservations", "Host: localhost\r\n")
        .await
        .expect_problem(421, "misdirected-request");
    ask(&client, "http://localhost/reservations", "Host: evil.example\r\n").await.expect(200);
    // RFC 9112 section 3.2; the HTTP library sees to it.
    for lines in ["", "Host: localhost\r\nHost: localhost\r\n"] {
        ask(&client, "/reservations", lines).await.expect(400);
    }
    let old = client.raw(b"GET /reservations HTTP/1.0\r\n\r\n").await.expect("an answer");
    assert_eq!(old.status, 200, "before HTTP/1.1 there was no Host");
}

#[tokio::test]
async fn nothing_is_written_for_another_host() {
    let (_store, server) = embedded(&[]).await;
    let body = r#"{"partnerId":"acme","seats":1}"#;
    let (length, media_type) = (body.len(), "Content-Type: application/json");
    let request = format!(
        "POST /reservations HTTP/1.1\r\nHost: evil.example\r\n{media_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let refused = server.client().raw(request.as_bytes()).await.expect("an answer");
    refused.expect_problem(421, "misdirected-request");
    assert_eq!(server.client().summary().await.number("version"), 0);
}

#[tokio::test]
async fn probes_are_answered_whatever_host_they_ask_for() {
    let (_store, server) = embedded(&[]).await;
    for path in ["/health", "/livez", "/readyz", "/health/", "/health?t=1"] {
        for lines in ["Host: 10.244.0.7:5000\r\n", "Host: kubernetes.example\r\n"] {
            ask(&server.client(), path, lines).await.expect(200);
        }
    }
}

#[tokio::test]
async fn further_hosts_are_answered_for_when_they_are_set() {
    let (_store, server) = embedded(&[("ALLOWED_HOSTS", "tickets.example, api.example:8443")]).await;
    for (host, status) in [
        ("tickets.example", 200),
        ("Tickets.Example:80", 200),
        ("api.example:8443", 200),
        ("api.example", 421),
        ("a.tickets.example", 421),
        ("localhost", 200),
    ] {
        let answer = ask(&server.client(), "/events", &format!("Host: {host}\r\n")).await;
        assert_eq!(answer.status, status, "{host}: {answer}");
    }
    let (_store, server) = embedded(&[("ALLOWED_HOSTS", "*")]).await;
    ask(&server.client(), "/events", "Host: whoever.example\r\n").await.expect(200);
}

#[tokio::test]
async fn a_browser_must_say_that_it_sends_json_even_where_it_sends_nothing() {
    let (_store, server) = embedded(&[]).await;
    let client = server.client();
    let held = serde_json::json!({ "partnerId": "a", "seats": 1, "holdSeconds": 900 });
    let path = format!("/reservations/{}/confirm", client.post("/reservations", &held).await.expect(201).id());
    let json = ("content-type", "application/json".to_owned());
    let origin = ("origin", "https://evil.example".to_owned());
    for headers in [
        &[origin.clone()][..],
        &[("origin", "null".to_owned())],
        &[("sec-fetch-site", "cross-site".to_owned())],
        &[("content-type", "text/plain".to_owned())],
        &[("content-type", "application/x-www-form-urlencoded".to_owned())],
        &[("content-type", "text/plain".to_owned()), json.clone()],
    ] {
        let refused = client.send(Method::POST, &path, headers, "").await;
        let refused = refused.expect_problem(415, "unsupported-media-type");
        assert!(refused.text("detail").contains("application/json"), "{refused}");
    }
    assert_eq!(client.summary().await.number("version"), 1, "nothing was confirmed");
    // With JSON the browser asks first, with OPTIONS, and is not let.
    let asked = client.send(Method::OPTIONS, &path, std::slice::from_ref(&origin), "").await;
    assert!(asked.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{asked}");
    client.send(Method::POST, &path, &[origin, json.clone()], "").await.expect(200);
    // Who is no browser need not name the type of what is not there.
    client.send(Method::POST, &path, &[], "").await.expect(200);
    client.send(Method::POST, &path, &[json], "{}").await.expect(200);
}
