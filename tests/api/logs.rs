//! The log: it is written while somebody reads it, and stops nobody when nobody does.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;
use ticketboss::{
    config::{LogFormat, Logging},
    logging,
};
use tokio::time::timeout;

use crate::support::{
    client::Client,
    log::Log,
    mongod::{
        node::{free_port, scratch},
        process::Guarded,
    },
};

/// More lines than a pipe and the queue in front of it hold together, by far.
const FLOOD: usize = 30_000;
const CLIENTS: usize = 16;
/// What the lines that wait may take, and what else a flood brings with it in an unoptimized build.
const GROWTH_MAX_KB: u64 = 32 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_nobody() {
    let directory = scratch("unread");
    let mut server = Guarded::spawn(Path::new(env!("CARGO_BIN_EXE_ticketboss")), None, |command| {
        command.current_dir(directory.path()).env_clear().envs([("PORT", "0"), ("RUST_LOG", "debug")]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
    });
    let mut stderr = BufReader::with_capacity(1, server.take_stderr().expect("it was piped"));
    let port = loop {
        let mut line = String::new();
        assert_ne!(stderr.read_line(&mut line).expect("UTF-8"), 0, "it ended before it listened");
        if let Some((_, rest)) = line.split_once("http://127.0.0.1:") {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            break digits.parse().expect("a port");
        }
    };
    // From here on nobody reads.
    let client = Client::new(port);
    while client.readyz().await.status != 200 {}
    flood(&client, 1_000).await;
    let before = resident_kb(server.pid());
    flood(&client, FLOOD).await;
    client.post_reservation("acme", 1).await.expect(201);
    let grown = resident_kb(server.pid()).saturating_sub(before);
    assert!(grown < GROWTH_MAX_KB, "{FLOOD} lines that nobody reads took {grown} kB");

    let log = Log::of(stderr);
    let told = log.line_with("lines of the log were dropped", Duration::from_secs(20)).await;
    let (_, count) = told.split_once("dropped=").expect("it says how many");
    let dropped: usize = count.trim().parse().expect("a number");
    let kept = log.lines().iter().filter(|line| line.contains("path=/health")).count();
    assert!(dropped > FLOOD / 2 && kept + dropped > FLOOD, "{kept} lines are there and {dropped} were dropped");
    server.signal(Signal::TERM);
    assert_eq!(server.wait(Duration::from_secs(20)).await.expect("it ends").code(), Some(0));
    assert!(log.whole().await.ends_with("stopped"), "the last line is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_ends_although_nobody_reads_its_log() {
    let directory = scratch("unread-end");
    let port = free_port();
    let (unread, pipe) = std::io::pipe().expect("a pipe");
    let mut server = Guarded::spawn(Path::new(env!("CARGO_BIN_EXE_ticketboss")), None, |command| {
        command.current_dir(directory.path()).env_clear().env("PORT", port.to_string()).env("RUST_LOG", "debug");
        command.stdout(Stdio::null()).stderr(pipe);
    });
    let client = Client::new(port);
    let ready = async || client.try_send(Method::GET, "/readyz", &[], "").await;
    let flooded = timeout(Duration::from_mins(1), async {
        while !ready().await.is_ok_and(|answer| answer.status == 200) {
            assert!(server.exited().is_none(), "it runs");
        }
        flood(&client, 2_000).await;
    });
    flooded.await.expect("it answers although nobody reads its log");
    server.signal(Signal::TERM);
    assert_eq!(server.wait(Duration::from_secs(20)).await.expect("it ends").code(), Some(0));
    drop(unread);
}

async fn flood(client: &Client, requests: usize) {
    let clients = (0..CLIENTS).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            for _ in 0..requests / CLIENTS {
                client.health().await.expect(200);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("the server answers");
    }
}

fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Panics of one thread, one after the other.
const PANICS: usize = 40;

#[test]
fn panics_are_few_short_lines_of_the_log() {
    // This very program, started once more to run the one test below.
    let own = std::env::current_exe().expect("a running program has a file");
    let mut panicking = Guarded::spawn(&own, None, |command| {
        let test = "logs::panics_over_and_over";
        command.args(["--exact", test, "--ignored", "--nocapture"]).stdout(Stdio::null()).stderr(Stdio::piped());
    });
    let stderr = BufReader::new(panicking.take_stderr().expect("it was piped"));
    let lines: Vec<String> = stderr.lines().map_while(Result::ok).collect();
    assert!((2..=PANICS / 2).contains(&lines.len()), "{lines:#?}");
    for line in &lines {
        assert!(line.len() < 600, "{} bytes: {line}", line.len());
        let told: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        let message = told["message"].as_str().expect("a message");
        assert!(message.starts_with("panicked at tests/api/logs.rs:") && message.contains("boom"), "{line}");
        assert_eq!((&told["level"], &told["thread"]), (&"ERROR".into(), &"crowd".into()), "{line}");
    }
    panicking.kill();
}

#[test]
#[ignore = "not a test by itself: panics_are_few_short_lines_of_the_log runs it"]
fn panics_over_and_over() {
    logging::start(&Logging { format: LogFormat::Json, filter: "info".to_owned() });
    logging::log_panics();
    for _ in 0..PANICS {
        let thread = std::thread::Builder::new().name("crowd".to_owned());
        let thread = thread.spawn(|| panic!("boom\n{}", "\u{1b}[31mé".repeat(65_536))).expect("a thread");
        thread.join().expect_err("it panicked");
    }
    logging::flush();
    let begun = Instant::now();
    logging::flush();
    assert!(begun.elapsed() < Duration::from_millis(500), "there is nothing to wait for");
}
