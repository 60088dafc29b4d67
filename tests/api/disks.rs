//! A disk that is full, or gone, under the embedded store, and one that comes back.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use crate::support::{
    client::{Client, key},
    heavy,
    load::Load,
    mongod::{node::scratch, process::POLL},
    server::{Launch, Server},
    small_disk::SmallDisk,
    store::Store,
    verdict::verify,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Far less than a request may take, and far more than not waiting takes on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What the log says when an outage begins, and when it ends.
const BEGINS: &str = "the embedded store takes no writes";
const ENDS: &str = "the embedded store takes writes again";

#[tokio::test]
async fn a_disk_that_gets_full_in_mid_sale_loses_nothing_serves_reads_and_needs_no_help_once_there_is_room() {
    let _room = heavy().await;
    let disk = SmallDisk::new();
    let server = launch(&disk.data_dir()).start().await;
    let client = server.client();
    let load = Load::start(&[server.client()], 64);
    load.more_accepted(300, PATIENCE).await;
    load.pause();
    let before = reads_per_second(&client).await;
    load.resume();

    for round in 1..=2 {
        disk.fill(&server);
        until_ready_is(&client, 503).await;
        let (summary, _) = (client.summary().await.expect(200), client.get("/livez").await.expect(200));
        for number in 0..20 {
            refused_at_once(&client, number).await;
        }
        load.pause();
        let during = reads_per_second(&client).await;
        println!("round {round}: {before:.0} reads/s before, {during:.0} while the disk is full");
        assert_eq!(client.summary().await.number("version"), summary.number("version"), "nothing is sold meanwhile");
        disk.make_room(&server);
        // Nobody asks for anything.
        until_ready_is(&client, 200).await;
        load.resume();
        load.more_accepted(200, PATIENCE).await;
        assert_eq!(lines_with(&server, BEGINS).len(), round, "once per outage:\n{}", server.log());
        let ends = lines_with(&server, ENDS);
        assert_eq!(ends.len(), round, "{}", server.log());
        assert!(
            number(&ends[round - 1], "turned_away=") >= 20 && number(&ends[round - 1], "lasted_ms=") > 0,
            "{ends:?}"
        );
    }
    assert!(!server.log().contains("request failed"), "not once per request:\n{}", server.log());
    let history = load.finish().await;
    verify(&client, &Store::embedded(), &history).await;
    // What was acknowledged is on the disk, and not only shown.
    server.kill();
    server.restart().await;
    verify(&client, &Store::embedded(), &history).await;
}

#[tokio::test]
async fn a_server_starts_reads_and_stops_on_a_full_disk() {
    let _room = heavy().await;
    let disk = SmallDisk::new();
    let server = launch(&disk.data_dir()).start().await;
    let booked = server.client().post_reservation("acme", 2).await.expect(201);
    disk.fill(&server);
    if !disk.is_full_for_all() {
        // A limit on files ends with the process; in the store's own tests the disk of a starting store is full, too. Small
        // commits find room within the file until it must grow.
        while server.client().post_reservation("acme", 1).await.status == 201 {}
        refuses(&server.client()).await;
        assert_eq!(server.terminate().await, Some(0));
        return;
    }
    for kill in [false, true] {
        if kill {
            server.kill();
        } else {
            assert_eq!(server.terminate().await, Some(0), "however full the disk is");
        }
        let full = launch(&disk.data_dir()).without_store().start().await;
        let client = full.client();
        assert_eq!(client.reservation(booked.id()).await.expect(200).json(), booked.json());
        assert_eq!(client.summary().await.expect(200).number("availableSeats"), 100_000 - 2);
        refuses(&client).await;
        let started = Instant::now();
        assert_eq!(full.terminate().await, Some(0));
        assert!(started.elapsed() < PATIENCE, "it does not wait for room");
        if !kill {
            disk.make_room(&server);
            server.restart().await;
            disk.fill(&server);
        }
    }
    let full = launch(&disk.data_dir()).without_store().start().await;
    refuses(&full.client()).await;
    disk.make_room(&full);
    until_ready_is(&full.client(), 200).await;
    full.client().post_reservation("acme", 1).await.expect(201);
}

#[tokio::test]
async fn a_data_directory_that_is_moved_away_is_let_go_by_nobody_and_works_when_it_is_back() {
    let home = scratch("moved");
    let (place, elsewhere) = (home.path().join("data"), home.path().join("data2"));
    let server = launch(&place).start().await;
    let client = server.client();
    let booked = client.post_reservation("acme", 2).await.expect(201);
    expect_in_use(&place).await;

    std::fs::rename(&place, &elsewhere).expect("it is moved");
    until_ready_is(&client, 503).await;
    refuses(&client).await;
    assert_eq!(client.reservation(booked.id()).await.expect(200).json(), booked.json());
    let line = server.log().line_with(BEGINS, PATIENCE).await;
    assert!(line.contains("was moved away") && line.contains(&place.display().to_string()), "{line}");
    expect_in_use(&elsewhere).await;

    std::fs::rename(&elsewhere, &place).expect("it is put back");
    until_ready_is(&client, 200).await;
    client.post_reservation("acme", 1).await.expect(201);
    assert_eq!((lines_with(&server, BEGINS).len(), lines_with(&server, ENDS).len()), (1, 1), "{}", server.log());
}

#[tokio::test]
async fn a_data_directory_that_is_deleted_is_sold_into_no_longer() {
    let home = scratch("deleted");
    let place = home.path().join("data");
    let server = launch(&place).start().await;
    let client = server.client();
    client.post_reservation("acme", 2).await.expect(201);
    std::fs::remove_dir_all(&place).expect("it is removed");
    until_ready_is(&client, 503).await;
    refuses(&client).await;
    client.summary().await.expect(200);
    let line = server.log().line_with(BEGINS, PATIENCE).await;
    assert!(line.contains("was deleted") && line.contains("can be copied from /proc/"), "{line}");
    assert_eq!(server.terminate().await, Some(0));
}

/// A server on `data_dir`, with more seats than are sold here.
fn launch(data_dir: &Path) -> Launch {
    Launch::on(&Store::embedded())
        .set("DATA_DIR", &data_dir.display().to_string())
        .set("EVENT_SEATS", "100000")
        .fixed_port()
}

/// A second server on `data_dir` says in one line that it cannot be had.
async fn expect_in_use(data_dir: &Path) {
    let ended = launch(data_dir).run_to_end(&[]).await;
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!((ended.code, lines.len()), (Some(1), 1), "{}", ended.stderr);
    assert!(lines[0].contains("DATA_DIR: ") && lines[0].contains("is in use by another process"), "{}", lines[0]);
}

/// Whether it can be written is seen from outside: it is not ready, alive, and refuses what would change something.
async fn refuses(client: &Client) {
    client.readyz().await.expect_problem(503, "store-unavailable");
    client.get("/livez").await.expect(200);
    for number in 0..5 {
        refused_at_once(client, number).await;
    }
}

/// A write may be the one that finds the disk full, but it is never unknown: its flush was not reached.
async fn refused_at_once(client: &Client, number: u32) {
    let headers = if number.is_multiple_of(2) { vec![key(format!("order-{number}"))] } else { Vec::new() };
    let asked = client.post_reservation_with("globex", 1, &headers);
    let answer = timeout(AT_ONCE, asked).await.expect("refused at once, not when the time of the request is over");
    answer.expect_problem(503, "store-unavailable");
}

async fn until_ready_is(client: &Client, status: u16) {
    let ready = async {
        while client.readyz().await.status != status {
            sleep(POLL).await;
        }
    };
    timeout(PATIENCE, ready).await.unwrap_or_else(|_| panic!("/readyz is not {status} within {PATIENCE:?}"));
}

/// How many summaries a few clients are answered in a second. All of them must be.
async fn reads_per_second(client: &Client) -> f64 {
    let started = Instant::now();
    let ends = started + Duration::from_secs(1);
    let reading = Arc::new(client.clone());
    let counts = join_all((0..8).map(|_| {
        let reading = reading.clone();
        async move {
            let mut count = 0_u32;
            while Instant::now() < ends {
                reading.summary().await.expect(200);
                count += 1;
            }
            count
        }
    }));
    let count: u32 = counts.await.into_iter().sum();
    f64::from(count) / started.elapsed().as_secs_f64()
}

fn lines_with(server: &Server, part: &str) -> Vec<String> {
    server.log().lines().into_iter().filter(|line| line.contains(part)).collect()
}

/// The number behind `name` in a line of the log.
fn number(line: &str, name: &str) -> u64 {
    let (_, rest) = line.split_once(name).unwrap_or_else(|| panic!("no {name} in: {line}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number behind {name} in: {line}"))
}
