//! Requests that are sent before the answers to those in front of them were read.

use std::{fs, time::Duration};

use tokio::time::{Instant, sleep};

use super::{RESERVATION, get, post, reserve, wire::Wire};
use crate::support::{
    heavy,
    server::{Launch, Server},
    store::Store,
};

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_each_as_if_it_were_alone() {
    let server = Launch::on(&Store::embedded()).start().await;
    // Each with its answer's status and whether that has a body. HEAD stands before, behind and between the others.
    let chunked = post(
        "Transfer-Encoding: chunked",
        &format!("A\r\n{}\r\n14\r\n{}\r\n0\r\n\r\n", &RESERVATION[..10], &RESERVATION[10..]),
    );
    let requests = [
        (get("HEAD", "/health"), 200, false),
        (get("GET", "/health"), 200, true),
        (get("GET", "/nowhere"), 404, true),
        (get("HEAD", "/reservations"), 200, false),
        (get("HEAD", "/nowhere"), 404, false),
        (reserve(), 201, true),
        (chunked, 201, true),
        (get("HEAD", "/health"), 200, false),
        (post("Content-Length: 2", "{}"), 400, true),
        (get("GET", "/reservations"), 200, true),
    ];
    let whole: String = requests.iter().map(|(request, ..)| request.as_str()).collect();
    // At once, cut in two anywhere, and byte by byte.
    let cuts = (1..whole.len()).step_by(37).map(|cut| vec![&whole[..cut], &whole[cut..]]);
    let bytes = whole.char_indices().map(|(at, _)| &whole[at..=at]).collect();
    for parts in [vec![whole.as_str()], bytes].into_iter().chain(cuts) {
        let mut wire = Wire::open(server.port()).await;
        for part in parts {
            wire.send(part).await;
        }
        for (request, status, has_body) in &requests {
            let reply = if *has_body { wire.reply().await } else { wire.reply_to_head().await };
            assert_eq!(reply.status, *status, "{request}: {reply:?}");
            let length = reply.header("content-length").and_then(|length| length.parse().ok());
            assert_eq!(reply.body.len(), if *has_body { length.expect("a length") } else { 0 }, "{request}");
            assert!(length.is_some_and(|length| length > 0), "HEAD tells the length too: {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_pipelining_client_gets_a_thousand_answers_over_one_connection() {
    let server = Launch::on(&Store::embedded()).set("EVENT_SEATS", "100000").start().await;
    let mut wire = Wire::open(server.port()).await;
    for _ in 0..100 {
        wire.send([&get("GET", "/reservations"), &reserve()].map(String::as_str).concat().repeat(5)).await;
        for _ in 0..5 {
            assert_eq!(wire.reply().await.status, 200);
            assert_eq!(wire.reply().await.status, 201);
        }
    }
    assert_eq!(server.client().summary().await.number("availableSeats"), 100_000 - 500);
}

#[tokio::test]
async fn who_has_sent_all_is_answered_all() {
    let server = Launch::on(&Store::embedded()).start().await;
    let mut wire = Wire::open(server.port()).await;
    wire.send([get("GET", "/health"), reserve(), get("GET", "/reservations")].concat()).await;
    wire.finish().await;
    for status in [200, 201, 200] {
        assert_eq!(wire.reply().await.status, status);
    }
    assert!(wire.is_at_end().await);

    // What comes after the last request that the client announces is none of ours.
    let mut wire = Wire::open(server.port()).await;
    let last = get("GET", "/health").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    wire.send([last, reserve()].concat()).await;
    assert_eq!(wire.reply().await.status, 200);
    assert!(wire.is_at_end().await);
    assert_eq!(server.client().summary().await.number("version"), 1);
}

#[tokio::test]
async fn clients_that_never_read_cost_little() {
    let _room = heavy().await;
    let server = Launch::on(&Store::embedded()).start().await;
    let before = megabytes(&server);
    let burst = get("GET", "/reservations").repeat(3_000);
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut wire = Wire::open(server.port()).await;
        wire.send_what_fits(burst.as_bytes());
        silent.push(wire);
    }
    // What they are given at once is behind them when each has room for more again.
    for wire in &mut silent {
        while wire.send_what_fits(burst.as_bytes()) > 0 {}
        server.client().health().await.expect(200);
    }
    let grown = megabytes(&server) - before;
    assert!(grown < 100, "200 that never read took {grown} MB");
    let used = cpu_ticks(&server);
    sleep(Duration::from_secs(1)).await;
    let used = cpu_ticks(&server) - used;
    assert!(used < 60, "200 that never read took {used} % of a core");
}

#[tokio::test]
async fn who_does_not_read_an_answer_is_let_go() {
    let server = Launch::on(&Store::embedded()).start().await;
    let mut wire = Wire::open_narrow(server.port()).await;
    let burst = get("GET", "/reservations").repeat(1_000);
    let begun = Instant::now();
    let mut sent = 0;
    while !server.log().contains("their answers were not read in time") {
        sent = (sent + wire.send_what_fits(&burst.as_bytes()[sent..])) % burst.len();
        assert!(begun.elapsed() < Duration::from_mins(1), "it is still there");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(9), "one has some seconds to read");
}

#[tokio::test]
async fn who_sends_ahead_gets_a_burst_and_then_turns() {
    let _room = heavy().await;
    let server = Launch::on(&Store::embedded()).start().await;
    let mut wire = Wire::open(server.port()).await;
    let burst = get("GET", "/health").repeat(3_000);
    let begun = Instant::now();
    let (mut answers, mut sent) = (0_u32, 0);
    while begun.elapsed() < Duration::from_secs(2) {
        sent = (sent + wire.send_what_fits(&burst.as_bytes()[sent..])) % burst.len();
        assert_eq!(wire.reply().await.status, 200);
        answers += 1;
    }
    let most = 64 + 1_000 * u32::try_from(begun.elapsed().as_secs() + 1).expect("seconds");
    println!("{answers} answers in {:?}", begun.elapsed());
    assert!((64..most).contains(&answers), "{answers} answers in {:?}", begun.elapsed());

    // A burst is answered at once, and so is the next one when the first was read.
    let mut wire = Wire::open(server.port()).await;
    for _ in 0..20 {
        let begun = Instant::now();
        wire.send(get("GET", "/health").repeat(50)).await;
        for _ in 0..50 {
            assert_eq!(wire.reply().await.status, 200);
        }
        println!("50 in {:?}", begun.elapsed());
    }
}

/// The server's resident set.
fn megabytes(server: &Server) -> i64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident set");
    let kilobytes: i64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    kilobytes / 1_000
}

/// The server's processor time in hundredths of a second, as proc(5) counts them.
fn cpu_ticks(server: &Server) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("it runs");
    let (_, fields) = stat.rsplit_once(") ").expect("the name ends");
    let fields: Vec<&str> = fields.split(' ').collect();
    [11, 12].iter().map(|at| fields[*at].parse::<u64>().expect("a number")).sum()
}
