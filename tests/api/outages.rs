//! A MongoDB that is gone, and comes back.

use std::time::{Duration, Instant};

use crate::support::{
    client::{Answer, Client},
    heavy,
    mongod::{process::POLL, replica_set::ReplicaSet},
    server::Launch,
    store::{EVENT, Store, drop_database},
};

/// What the servers here are told to take at most for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the last probe's answer may be repeated, and the next one may take.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);
/// How much later than that an answer may be here, on a small and busy machine.
const SLACK: Duration = Duration::from_millis(700);
/// How long after the set has a primary again the service may take to work again.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_store_that_dies_and_comes_back_needs_no_restart() {
    let _room = heavy().await;
    let set = ReplicaSet::start(3).await;
    let server = launch(&set).start().await;
    let client = server.client();
    let before = client.post_reservation("acme", 2).await.expect(201);

    for node in 0..set.len() {
        set.kill(node);
    }
    expect_outage(&client, before.id()).await;
    for node in 0..set.len() {
        set.restart(node).await;
    }
    expect_recovery(&set, &client).await;
    assert_eq!(client.reservation(before.id()).await.expect(200).json(), before.json());

    for node in 0..set.len() {
        set.pause(node);
    }
    expect_outage(&client, before.id()).await;
    for node in 0..set.len() {
        set.resume(node);
    }
    expect_recovery(&set, &client).await;
}

#[tokio::test]
async fn a_server_may_start_before_its_store() {
    let _room = heavy().await;
    let set = ReplicaSet::start(3).await;
    for node in 0..set.len() {
        set.kill(node);
    }
    let server = launch(&set).without_store().start().await;
    let client = server.client();
    expect_outage(&client, &format!("{EVENT}.0198a3b2-7c1d-7def-8123-456789abcdef")).await;
    for node in 0..set.len() {
        set.restart(node).await;
    }
    expect_recovery(&set, &client).await;
    assert_eq!(client.summary().await.expect(200).number("totalSeats"), 500);
}

#[tokio::test]
async fn a_commit_that_a_frozen_primary_makes_later_is_not_called_failed() {
    let _room = heavy().await;
    let set = ReplicaSet::start(1).await;
    let store = Store::Mongo(set.uri("frozen"));
    // Long enough for the driver to notice that the primary does not answer, and to break the commit off.
    let server = Launch::on(&store).set("REQUEST_TIMEOUT_MS", "8000").start().await;
    let client = server.client();
    client.post_reservation("before", 1).await.expect(201);
    set.pause(0);
    // The commit is in the primary's socket, and is made when the primary goes on.
    client.post_reservation("acme", 1).await.expect_problem(503, "outcome-unknown");
    set.resume(0);
    expect_recovery(&set, &client).await;
}

#[tokio::test]
async fn readiness_is_told_within_a_second_while_the_primary_stands_still() {
    /// What an orchestrator waits for an answer.
    const PROBE_PATIENCE: Duration = Duration::from_secs(1);

    let _room = heavy().await;
    let set = ReplicaSet::start(1).await;
    let store = Store::Mongo(set.uri("probed"));
    let server = Launch::on(&store).set("REQUEST_TIMEOUT_MS", "20000").start().await;
    let client = server.client();
    // A probe's good answer is repeated for a moment, so that right after it the event alone is asked for.
    client.readyz().await.expect(200);
    set.pause(0);
    let probe = async |number: u32| {
        // Some come together, and some while others wait.
        tokio::time::sleep(Duration::from_millis(150) * (number / 2)).await;
        let started = Instant::now();
        let answer = client.readyz().await;
        (answer, started.elapsed())
    };
    let mut refused = 0;
    for (answer, took) in futures_util::future::join_all((0..24).map(probe)).await {
        assert!(took < PROBE_PATIENCE, "{took:?}: {answer}");
        if answer.status != 200 {
            expect_try_again(answer, &["store-unavailable"]);
            refused += 1;
        }
    }
    assert!(refused > 20, "only {refused} of 24 probes noticed");
    set.resume(0);
    expect_recovery(&set, &client).await;
}

#[tokio::test]
async fn a_server_whose_event_is_gone_is_not_ready() {
    let store = Store::mongo("emptied").await;
    let Store::Mongo(uri) = &store else { unreachable!("a MongoDB was asked for") };
    let server = Launch::on(&store).start().await;
    let client = server.client();
    client.readyz().await.expect(200);
    drop_database(uri).await;
    client.readyz().await.expect_problem(503, "store-unavailable");
    client.post_reservation("acme", 1).await.expect_problem(503, "store-unavailable");
    client.health().await.expect(200);
}

fn launch(set: &ReplicaSet) -> Launch {
    let store = Store::Mongo(set.uri("outage"));
    Launch::on(&store).set("REQUEST_TIMEOUT_MS", &REQUEST_TIMEOUT.as_millis().to_string())
}

/// Everything that needs the store is refused in time, several times over; what needs none goes on.
async fn expect_outage(client: &Client, id: &str) {
    let started = Instant::now();
    while client.readyz().await.status == 200 {
        assert!(started.elapsed() < NOTICED_WITHIN, "ready without a store for {NOTICED_WITHIN:?}");
        tokio::time::sleep(POLL).await;
    }
    for round in 0..3 {
        let started = Instant::now();
        let (write, cancel, summary, shown, ready) = tokio::join!(
            client.post_reservation("acme", 1),
            client.delete(id),
            client.summary(),
            client.reservation(id),
            client.readyz(),
        );
        let took = started.elapsed();
        assert!(took < REQUEST_TIMEOUT + SLACK, "round {round}: the answers took {took:?}");
        for read in [summary, shown, ready] {
            expect_try_again(read, &["store-unavailable"]);
        }
        // A write that was under way when the store went may have been made, and one that waited behind it was not.
        for write in [write, cancel] {
            expect_try_again(write, &["store-unavailable", "outcome-unknown", "overloaded"]);
        }
        let started = Instant::now();
        client.health().await.expect(200);
        assert!(started.elapsed() < SLACK, "/health must not wait for the store");
    }
}

fn expect_try_again(answer: Answer, codes: &[&str]) {
    let code = codes.iter().find(|code| **code == answer.code()).unwrap_or(&codes[0]);
    let answer = answer.expect_problem(503, code);
    // An unkeyed write whose outcome is not known must not be sent again unseen, so it is not told when to.
    assert_eq!(answer.header("retry-after").is_some(), answer.json()["retryable"] == true, "{answer}");
    assert!(answer.code() == "outcome-unknown" || answer.json()["retryable"] == true, "{answer}");
}

async fn expect_recovery(set: &ReplicaSet, client: &Client) {
    set.wait_primary().await;
    let started = Instant::now();
    loop {
        let (ready, write) = (client.readyz().await, client.post_reservation("acme", 1).await);
        if ready.status == 200 && write.status == 201 {
            break;
        }
        let passed = started.elapsed();
        assert!(passed < RECOVERED_WITHIN, "after {passed:?}: {ready}, {write}");
        tokio::time::sleep(POLL).await;
    }
    client.summary().await.expect(200);
}
