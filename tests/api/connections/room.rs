//! How many connections there may be, and who always has room.

use std::{fs, net::Ipv4Addr, time::Duration};

use tokio::time::{Instant, sleep};

use super::{get, reserve, wire::Wire};
use crate::support::{
    client::Client,
    heavy,
    mongod::replica_set::ReplicaSet,
    server::{Launch, Server},
    store::Store,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Opens so many connections and has each answer once, so that they are let in for certain.
async fn fill(server: &Server, connections: usize) -> Vec<Wire> {
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut wire = Wire::open(server.port()).await;
        wire.send(get("GET", "/health")).await;
        assert_eq!(wire.reply().await.status, 200);
        open.push(wire);
    }
    open
}

/// Waits until the server takes a connection from this address again.
async fn wait_for_room(server: &Server, from: Ipv4Addr) {
    let begun = Instant::now();
    loop {
        let mut wire = Wire::open_from(from, server.port()).await;
        wire.send(get("GET", "/health")).await;
        // In a flood not everybody who is turned away is told so.
        if wire.reply_if_any().await.is_some_and(|reply| reply.status == 200) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "no room came back");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Where the probes are answered too.
async fn probe_port(server: &Server) -> u16 {
    let line = server.log().line_with("the probes are answered", PATIENCE).await;
    let (_, port) = line.rsplit_once("127.0.0.1:").expect("an address");
    port.trim().parse().expect("a port")
}

#[tokio::test]
async fn a_full_server_says_so_probes_answer_and_room_comes_back() {
    let server = Launch::on(&Store::embedded())
        .set("CONNECTIONS_MAX", "20")
        .set("CONNECTIONS_PER_ADDRESS_MAX", "20")
        .set("PROBE_PORT", "0")
        .start()
        .await;
    let probes = Client::new(probe_port(&server).await);
    for _ in 0..3 {
        wait_for_room(&server, Ipv4Addr::LOCALHOST).await;
        let mut open = Vec::new();
        while open.len() < 20 {
            let mut wire = Wire::open(server.port()).await;
            wire.send(get("GET", "/health")).await;
            // One of the last round may still be on its way out.
            if wire.reply().await.status == 200 {
                open.push(wire);
            }
        }
        for _ in 0..100 {
            let mut wire = Wire::open(server.port()).await;
            wire.send(reserve()).await;
            wire.reply().await.expect_last(503, "overloaded");
            assert!(wire.is_at_end().await);
        }
        for path in ["/health", "/livez", "/readyz"] {
            probes.get(path).await.expect(200);
        }
        probes.get("/reservations").await.expect_problem(404, "not-found");
        // Those that are in are served as ever.
        for wire in &mut open {
            wire.send(get("GET", "/health")).await;
            assert_eq!(wire.reply().await.status, 200);
        }
    }
    let line = server.log().line_with("connections refused", PATIENCE).await;
    assert!(line.contains("count=1 ") && line.contains("last_code=overloaded"), "{line}");
    assert!(server.log().lines().len() < 30, "a line a second at most tells of it");
    wait_for_room(&server, Ipv4Addr::LOCALHOST).await;
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn one_address_leaves_room_for_the_others() {
    let server = Launch::on(&Store::embedded()).set("CONNECTIONS_MAX", "10").start().await;
    wait_for_room(&server, Ipv4Addr::LOCALHOST).await;
    let other = Ipv4Addr::new(127, 0, 0, 2);
    let mut open = Vec::new();
    // Half of all, since nothing else is set.
    while open.len() < 5 {
        let mut wire = Wire::open_from(other, server.port()).await;
        wire.send(get("GET", "/health")).await;
        assert_eq!(wire.reply().await.status, 200);
        open.push(wire);
    }
    for _ in 0..5 {
        let mut wire = Wire::open_from(other, server.port()).await;
        wire.send(get("GET", "/health")).await;
        wire.reply().await.expect_last(503, "overloaded");
    }
    wait_for_room(&server, Ipv4Addr::new(127, 0, 0, 3)).await;
    drop(open);
    wait_for_room(&server, other).await;
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_and_connections_stay_below_it() {
    let _room = heavy().await;
    let server = Launch::on(&Store::embedded()).open_files(64, 1_024).set("PROBE_PORT", "0").start().await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).expect("it runs");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    let limits: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(limits, ["1024", "1024"]);
    let line = server.log().line_with("the limit of open files", PATIENCE).await;
    assert!(line.contains("open_files_max=1024 open_files_max_before=64"), "{line}");

    let probes = Client::new(probe_port(&server).await);
    // More than half of what there may be, from one address; then more than all, from several.
    let mut open = fill(&server, 300).await;
    for host in 2..8 {
        for _ in 0..300 {
            let mut wire = Wire::open_from(Ipv4Addr::new(127, 0, 0, host), server.port()).await;
            wire.send("GET /health HTTP/1.1\r\nHost: localhost\r\n").await;
            open.push(wire);
        }
        probes.readyz().await.expect(200);
    }
    // Who is in sells on, with files and descriptors of its own.
    open[0].send(reserve()).await;
    assert_eq!(open[0].reply().await.status, 201);
    drop(open);
    wait_for_room(&server, Ipv4Addr::LOCALHOST).await;
    assert!(!server.log().contains("Too many open files"), "{}", server.log());
}

#[tokio::test]
async fn a_store_that_comes_back_during_a_flood_of_sockets_is_reached() {
    let _room = heavy().await;
    let set = ReplicaSet::start(1).await;
    let store = Store::Mongo(set.uri("flood"));
    let server = Launch::on(&store).open_files(64, 1_024).set("PROBE_PORT", "0").start().await;
    let probes = Client::new(probe_port(&server).await);
    let mut seller = Wire::open(server.port()).await;
    seller.send(reserve()).await;
    assert_eq!(seller.reply().await.status, 201);

    set.stop(0).await;
    let mut flood = Vec::new();
    for host in 2..8 {
        for _ in 0..300 {
            let mut wire = Wire::open_from(Ipv4Addr::new(127, 0, 0, host), server.port()).await;
            wire.send("GET /health HTTP/1.1\r\nHost: localhost\r\n").await;
            flood.push(wire);
        }
    }
    probes.health().await.expect(200);
    set.restart(0).await;
    set.wait_primary().await;
    let begun = Instant::now();
    while probes.readyz().await.status != 200 {
        assert!(begun.elapsed() < PATIENCE, "the store is not reached:\n{}", server.log());
    }
    // Who was in before the flood sells on; who comes now is let in when those who hold half a head are let go.
    seller.send(reserve()).await;
    assert_eq!(seller.reply().await.status, 201);
    wait_for_room(&server, Ipv4Addr::LOCALHOST).await;
    drop(flood);
}

#[tokio::test]
async fn stopping_waits_for_answers_and_for_nobody_else() {
    let server = Launch::on(&Store::embedded()).start().await;
    let mut half = Wire::open(server.port()).await;
    half.send(&get("GET", "/health")[..20]).await;
    let mut idle = fill(&server, 3).await;
    let mut silent = Wire::open(server.port()).await;
    while silent.send_what_fits(get("GET", "/reservations").repeat(1_000).as_bytes()) > 0 {
        sleep(Duration::from_millis(20)).await;
    }
    let mut asking = Wire::open(server.port()).await;
    asking.send(&reserve()[..reserve().len() - 5]).await;
    sleep(Duration::from_millis(100)).await;
    server.ask_to_end();
    server.log().line_with("stopping", PATIENCE).await;
    asking.send(&reserve()[reserve().len() - 5..]).await;
    let reply = asking.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (201, Some("close")), "{reply:?}");
    for wire in idle.iter_mut().chain([&mut half]) {
        assert!(wire.is_at_end().await);
    }
    let begun = Instant::now();
    assert_eq!(server.wait_for_end().await, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    drop(silent);
}
