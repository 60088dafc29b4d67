//! Starting and stopping.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    client::{Client, key},
    heavy,
    history::{Asked, Entry},
    load::Load,
    mongod::node::Node,
    server::Launch,
    store::{EVENT, Store, for_each_store},
    verdict::verify,
};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_start_tells_where_and_on_what_it_serves_which_event() {
    for_each_store("start-up", async |store: Store| {
        let server = Launch::on(&store).start().await;
        let line = server.log().line_with("listening=http://127.0.0.1:", PATIENCE).await;
        let kept = if matches!(store, Store::Mongo(_)) { "mongodb://" } else { "embedded" };
        for part in [kept, EVENT, env!("CARGO_PKG_VERSION")] {
            assert!(line.contains(part), "no {part} in: {line}");
        }
        let server = Launch::on(&Store::embedded()).set("LOG_FORMAT", "json").start().await;
        let line = server.log().line_with("listening", PATIENCE).await;
        let line: Value = serde_json::from_str(&line).expect("a JSON object a line");
        assert!(line["listening"].as_str().expect("an address").starts_with("http://127.0.0.1:"), "{line}");
        assert_eq!((&line["level"], &line["event_id"]), (&"INFO".into(), &EVENT.into()));
    })
    .await;
}

#[tokio::test]
async fn a_bad_setting_is_named_in_one_line() {
    for (name, value) in [
        ("PORT", "65536"),
        ("EVENT_ID", "Node Meetup"),
        ("EVENT_NAME", " "),
        ("EVENT_SEATS", "-1"),
        ("SEATS_PER_RESERVATION_MAX", "0"),
        ("COMMIT_BATCH_MAX", "0"),
        ("COMMIT_ATTEMPTS_MAX", "many"),
        ("INBOX_MAX", "0"),
        ("REQUEST_TIMEOUT_MS", "5s"),
        ("LOG_FORMAT", "xml"),
        ("MONGO_URI", "postgres://user:secret@host/db"),
        ("MONGO_URI", "mongodb://user:secret@host:port/db"),
    ] {
        let ended = Launch::on(&Store::embedded()).set(name, value).run_to_end(&[]).await;
        let lines: Vec<&str> = ended.stderr.lines().collect();
        assert_eq!((ended.code, lines.len()), (Some(2), 1), "{name}={value}: {}", ended.stderr);
        assert!(lines[0].contains(name) && !lines[0].contains("secret"), "{name}={value}: {}", lines[0]);
        assert_eq!(ended.stdout, "");
    }
    let ended = Launch::on(&Store::embedded()).run_to_end(&["--sets=3"]).await;
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1), "{}", ended.stderr);
}

#[tokio::test]
async fn help_tells_every_setting() {
    let ended = Launch::on(&Store::embedded()).run_to_end(&["--help"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for name in ["HOST", "PORT", "MONGO_URI", "DATA_DIR", "EVENT_SEATS", "COMMIT_BATCH_MAX", "LOG_FORMAT", "RUST_LOG"] {
        assert!(ended.stdout.contains(name), "{name} is missing:\n{}", ended.stdout);
    }
}

#[tokio::test]
async fn a_port_that_is_taken_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let ended = Launch::on(&Store::embedded()).run_to_end(&["--port", &port]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("127.0.0.1:{port}")), "{}", ended.stderr);
}

#[tokio::test]
async fn a_data_directory_serves_one_process() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let ended = Launch::on(&store).run_to_end(&[]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let (_, directory) = store.setting();
    let clear = ended.stderr.lines().any(|line| line.contains("ERROR") && line.contains(&directory));
    assert!(clear, "no line tells what is in the way:\n{}", ended.stderr);
    server.client().post_reservation("acme", 1).await.expect(201);
}

#[tokio::test]
async fn a_restart_keeps_everything_and_makes_no_second_event() {
    for_each_store("restart", async |store: Store| {
        let server = Launch::on(&store).fixed_port().start().await;
        let client = server.client();
        let kept = client.post_reservation_with("acme", 3, &[key("k")]).await.expect(201);
        let gone = client.post_reservation("other", 2).await.expect(201);
        client.delete(gone.id()).await.expect(204);
        let summary = client.summary().await.expect(200);
        assert_eq!(server.terminate().await, Some(0));
        assert!(store.journal_is_empty().await, "what was accepted is settled before the end");

        server.restart().await;
        let client = server.client();
        assert_eq!(client.summary().await.expect(200).json(), summary.json());
        assert_eq!(client.reservation(kept.id()).await.expect(200).json(), kept.json());
        assert_eq!(client.reservation(gone.id()).await.expect(200).text("status"), "cancelled");
        let replayed = client.post_reservation_with("acme", 3, &[key("k")]).await.expect(201);
        assert_eq!(replayed.json(), kept.json());
    })
    .await;
}

#[tokio::test]
async fn the_event_stays_as_it_was_made() {
    for_each_store("second settings", async |store: Store| {
        let first = Launch::on(&store).start().await;
        assert_eq!(first.terminate().await, Some(0));
        let second = Launch::on(&store).set("EVENT_SEATS", "7").set("EVENT_NAME", "Another").start().await;
        let summary = second.client().summary().await.expect(200);
        assert_eq!((summary.number("totalSeats"), summary.text("name")), (500, "Node.js Meet-up"));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_answers_what_it_accepted() {
    let _room = heavy().await;
    for_each_store("stop", async |store: Store| {
        for signal in [Signal::TERM, Signal::INT] {
            let server = Launch::on(&store).set("EVENT_SEATS", "10000").fixed_port().start().await;
            let load = Load::start(&[server.client()], 32);
            load.more_accepted(200, Duration::from_secs(30)).await;
            let started = Instant::now();
            server.signal(signal);
            assert_eq!(server.wait_for_end().await, Some(0));
            assert!(started.elapsed() < PATIENCE, "the end took {:?}", started.elapsed());
            let history = load.abandon().await;
            assert!(store.journal_is_empty().await, "what was accepted is settled before the end");

            server.restart().await;
            expect_no_silent_booking(&server.client(), &history.entries()).await;
        }
    })
    .await;
}

/// Whatever was sent and never answered was not accepted either: asked for again, it is done now, not repeated.
async fn expect_no_silent_booking(client: &Client, history: &[Entry]) {
    let mut answered = BTreeSet::new();
    let mut asked = BTreeMap::new();
    for entry in history {
        let Asked::Reserve { partner, seats, key: Some(key) } = &entry.asked else { continue };
        asked.insert(key, (partner, *seats));
        if entry.outcome.reservation_id().is_some() {
            answered.insert(key);
        }
    }
    asked.retain(|key, _| !answered.contains(key));
    println!("{} reservations were never answered", asked.len());
    for (sent, (partner, seats)) in asked {
        let answer = client.post_reservation_with(partner, seats, &[key(sent)]).await.expect(201);
        assert_eq!(answer.header("idempotent-replayed"), None, "{partner} was booked and not told so: {answer}");
    }
}

#[tokio::test]
async fn a_server_that_stops_loses_nothing() {
    let _room = heavy().await;
    for_each_store("stop and go", async |store: Store| {
        let server = Launch::on(&store).fixed_port().start().await;
        let load = Load::start(&[server.client()], 16);
        for _ in 0..3 {
            load.more_accepted(100, Duration::from_secs(30)).await;
            assert_eq!(server.terminate().await, Some(0));
            server.restart().await;
        }
        let history = load.finish().await;
        verify(&server.client(), &store, &history).await;
    })
    .await;
}

#[tokio::test]
async fn a_uri_without_rights_is_told_in_one_line_and_never_shown() {
    let node = Node::standalone().await;
    let uri = format!("mongodb://{}/rights", node.address()).replace("mongodb://", "mongodb://someone:secret@");
    let server = Launch::on(&Store::Mongo(uri)).without_store().start().await;
    server.client().health().await.expect(200);
    server.client().readyz().await.expect_problem(503, "store-unavailable");
    let line = server.log().line_with("uthentication", PATIENCE).await;
    assert!(!server.log().contains("secret"), "a credential is in the log");
    let told = server.log().lines().iter().filter(|other| other.contains("uthentication")).count();
    assert!(told <= 3, "told {told} times: {line}");
}
