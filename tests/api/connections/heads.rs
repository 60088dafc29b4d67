//! Heads: how large they may be, how long they may take, and what in them is not done.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{RESERVATION, get, post, reserve, wire::Wire};
use crate::support::{server::Launch, store::Store};

#[tokio::test]
async fn a_head_that_is_none_is_answered_with_a_problem_and_counted() {
    let server = Launch::on(&Store::embedded()).start().await;
    let with = |line: &str| format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n");
    let long = "x".repeat(70_000);
    let cases = [
        // The name that has one byte more than a header map can hold, and its neighbours.
        (with(&format!("{}: x", "a".repeat(65_535))), 431, "head-too-large"),
        (with(&format!("{}: x", "a".repeat(65_536))), 431, "head-too-large"),
        (with(&format!("{}: x", "a".repeat(120_000))), 431, "head-too-large"),
        (with(&format!("If-Match: {long}")), 431, "head-too-large"),
        (with(&"a: b\r\n".repeat(97)), 431, "head-too-large"),
        (with(&"a: b\r\n".repeat(20_000)), 431, "head-too-large"),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414, "uri-too-long"),
        (format!("{long} / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414, "uri-too-long"),
        (long.clone(), 414, "uri-too-long"),
        (with("No colon"), 400, "invalid-request"),
        (with("Folded: a\r\n b"), 400, "invalid-request"),
        (with("Nul: a\0b"), 400, "invalid-request"),
        (with("Bare: a\rb"), 400, "invalid-request"),
        (with("Host: y"), 400, "invalid-request"),
        ("GET /health HTTP/1.1\r\n\r\n".to_owned(), 400, "invalid-request"),
        ("GET /health HTTP/3.0\r\nHost: localhost\r\n\r\n".to_owned(), 400, "invalid-request"),
        ("GET /\u{7f} HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 400, "invalid-request"),
        ("GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 400, "invalid-request"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400, "invalid-request"),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".to_owned(), 400, "invalid-request"),
    ];
    for (bytes, status, code) in cases {
        let shown: String = bytes.chars().take(60).collect();
        println!("{shown:?}");
        // Alone, and behind a request that is a good one.
        for first in ["", &get("GET", "/health")] {
            let mut wire = Wire::open(server.port()).await;
            wire.send(format!("{first}{bytes}")).await;
            if !first.is_empty() {
                assert_eq!(wire.reply().await.status, 200);
            }
            wire.reply().await.expect_last(status, code);
            assert!(wire.is_at_end().await);
        }
    }
    let line = server.log().line_with("requests refused before they reached a handler", Duration::from_secs(5)).await;
    assert!(line.contains("count=1") && line.contains("last_peer=127.0.0.1"), "{line}");
    let lines = server.log().lines().len();
    assert!(lines < 20, "{lines} lines tell of it");
}

#[tokio::test]
async fn what_two_readers_could_read_in_two_ways_ends_the_connection() {
    let server = Launch::on(&Store::embedded()).start().await;
    let smuggled = reserve();
    for framing in [
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: 0, 0",
        "Content-Length: 0x0",
        "Content-Length: +0",
        "Content-Length : 0",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding:\u{b}chunked",
    ] {
        let mut wire = Wire::open(server.port()).await;
        wire.send(post(framing, &format!("0\r\n\r\n{smuggled}"))).await;
        wire.reply().await.expect_last(400, "invalid-request");
        assert!(wire.is_at_end().await, "{framing}");
    }
    for chunks in ["0\n\n", "1;\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\n", "zz\r\n", "0\r\nTrailer: a\n\r\n\r\n"] {
        let mut wire = Wire::open(server.port()).await;
        wire.send(post("Transfer-Encoding: chunked", &format!("{chunks}{smuggled}"))).await;
        wire.reply().await.expect_last(400, "invalid-request");
        assert!(wire.is_at_end().await, "{chunks:?}");
    }
    assert_eq!(server.client().summary().await.number("version"), 0, "nothing was smuggled in");
}

#[tokio::test]
async fn every_head_has_a_deadline() {
    let server = Launch::on(&Store::embedded()).start().await;
    let half = &get("GET", "/health")[..20];
    let begun = Instant::now();
    let mut wires = Vec::new();
    for first in [String::new(), get("GET", "/health"), reserve(), [get("GET", "/health"), reserve()].concat()] {
        let mut wire = Wire::open(server.port()).await;
        wire.send(&first).await;
        for _ in 0..first.matches("HTTP/1.1").count() {
            assert!(wire.reply().await.status < 300);
        }
        wire.send(half).await;
        wires.push(wire);
    }
    // One more byte now and then is no progress, and neither are empty lines.
    let mut trickling = Wire::open(server.port()).await;
    trickling.send([&get("GET", "/health"), half].concat()).await;
    let mut empty = Wire::open(server.port()).await;
    empty.send(get("GET", "/health")).await;
    for wire in [&mut trickling, &mut empty] {
        assert_eq!(wire.reply().await.status, 200);
    }
    while begun.elapsed() < Duration::from_secs(7) {
        trickling.send("x").await;
        empty.send("\r\n").await;
        sleep(Duration::from_millis(200)).await;
    }
    for wire in wires.iter_mut().chain([&mut trickling, &mut empty]) {
        wire.reply().await.expect_last(408, "request-timeout");
        assert!(wire.is_at_end().await);
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    // A connection that was opened in advance is closed without a word, which its client cannot take for an answer.
    assert!(Wire::open(server.port()).await.is_at_end().await);
}

#[tokio::test]
async fn an_idle_connection_stays_for_75_seconds_and_not_for_ever() {
    let server = Launch::on(&Store::embedded()).start().await;
    let mut wire = Wire::open(server.port()).await;
    wire.send(get("GET", "/health")).await;
    assert_eq!(wire.reply().await.status, 200);
    let begun = Instant::now();
    wire.wait_for_end(Duration::from_secs(100)).await;
    let stayed = begun.elapsed();
    assert!(stayed > Duration::from_secs(74), "load balancers close after 60 s, and must be the first to: {stayed:?}");
}

#[tokio::test]
async fn offers_of_another_protocol_are_ignored() {
    let server = Launch::on(&Store::embedded()).start().await;
    let mut wire = Wire::open(server.port()).await;
    for offer in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA",
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==",
        "Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0, h2c",
        "Connection: Upgrade\r\nConnection: HTTP2-Settings\r\nUpgrade: h2c\r\nUpgrade: websocket",
        "Upgrade: h2c",
    ] {
        for (request, status) in [(reserve(), 201), (get("GET", "/health"), 200), (get("HEAD", "/health"), 200)] {
            wire.send(request.replacen("\r\n\r\n", &format!("\r\n{offer}\r\n\r\n"), 1)).await;
            let reply = if request.starts_with("HEAD") { wire.reply_to_head().await } else { wire.reply().await };
            assert_eq!((reply.status, reply.header("connection")), (status, None), "{offer}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_trickles_has_a_deadline_too() {
    let server = Launch::on(&Store::embedded()).set("REQUEST_TIMEOUT_MS", "500").start().await;
    for framing in ["Content-Length: 30".to_owned(), "Transfer-Encoding: chunked".to_owned()] {
        let mut wire = Wire::open(server.port()).await;
        wire.send(post(&framing, "")).await;
        let pieces = if framing.starts_with('C') { [" "; 29] } else { ["1\r\n \r\n"; 29] };
        for piece in pieces {
            wire.send(piece).await;
            sleep(Duration::from_millis(50)).await;
        }
        wire.reply().await.expect_last(408, "request-timeout");
        assert!(wire.is_at_end().await);
    }
    // One that is cut off is answered too.
    let mut wire = Wire::open(server.port()).await;
    wire.send(post("Content-Length: 30", &RESERVATION[..10])).await;
    wire.finish().await;
    assert_eq!(wire.reply().await.status, 400);
    assert!(wire.is_at_end().await);
    assert_eq!(server.client().summary().await.number("version"), 0);
}
