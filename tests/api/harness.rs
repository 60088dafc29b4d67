//! The ground that the other tests stand on: a failover test proves nothing on a set that cannot fail over.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use bson::{Document, doc};
use mongodb::{
    Client,
    options::{Acknowledgment, CollectionOptions, WriteConcern},
};

use crate::support::mongod::{
    node::{Node, scratch},
    process::Guarded,
    replica_set::ReplicaSet,
    shared::{one_node, unique_db},
};

#[tokio::test]
async fn a_one_node_set_takes_majority_writes() {
    assert_eq!(one_node().await.wait_primary().await, 0);
    take_a_majority_write(&one_node().await.uri(&unique_db("harness"))).await;
}

#[tokio::test]
async fn a_standalone_mongod_is_no_set() {
    let node = Node::standalone().await;
    let hello = node.hello().await.expect("it was just started");
    assert!(hello.get_bool("isWritablePrimary").expect("every hello says so"));
    assert!(!hello.contains_key("setName"));
}

#[tokio::test]
async fn a_three_node_set_has_another_primary_when_it_loses_one() {
    let set = ReplicaSet::start(3).await;
    take_a_majority_write(&set.uri("a")).await;

    let killed = set.wait_primary().await;
    set.kill(killed);
    assert_ne!(set.wait_primary().await, killed);
    take_a_majority_write(&set.uri("b")).await;
    set.restart(killed).await;
    set.wait_whole().await;

    let paused = set.wait_primary().await;
    set.pause(paused);
    assert_ne!(set.wait_primary().await, paused);
    take_a_majority_write(&set.uri("c")).await;
    set.resume(paused);
    set.wait_whole().await;

    let stepped_down = set.step_down().await;
    assert_ne!(set.wait_primary().await, stepped_down);
    set.wait_whole().await;

    let stopped = set.wait_primary().await;
    set.stop(stopped).await;
    assert_ne!(set.wait_primary().await, stopped);
}

#[test]
fn a_child_dies_with_the_process_that_started_it() {
    // This very program, started once more to run the one test below, and killed without a chance to clean up.
    let own = std::env::current_exe().expect("a running program has a file");
    let mut starter = Guarded::spawn(&own, None, |command| {
        let test = "harness::starts_a_child_and_waits_to_be_killed";
        command.args(["--exact", test, "--ignored", "--nocapture"]).stdout(Stdio::piped());
    });
    let mut lines = BufReader::new(starter.take_stdout().expect("stdout was piped")).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains(MARK)).expect("it says what it started");
    let (pid, scratch) = line.split_once(MARK).and_then(|(_, rest)| rest.split_once(' ')).expect("pid and directory");
    // Empty for a process that is dead and not yet waited for.
    let runs = || std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| !command.is_empty());
    wait_until("the child runs", || runs() && Path::new(scratch).exists());

    starter.kill();
    wait_until("the child and its directory are gone", || !runs() && !Path::new(scratch).exists());
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "waited 10 s until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const MARK: &str = "started: ";

#[test]
#[ignore = "not a test by itself: a_child_dies_with_the_process_that_started_it runs it"]
fn starts_a_child_and_waits_to_be_killed() {
    let scratch = scratch("guard");
    let child = Guarded::spawn("/bin/sleep".as_ref(), Some(scratch.path()), |command| {
        command.arg("600");
    });
    println!("{MARK}{} {}", child.pid(), scratch.path().display());
    std::thread::sleep(Duration::from_mins(1));
}

/// Writes one document, acknowledged by a majority that has it on disk, through a client as the service would use it.
async fn take_a_majority_write(uri: &str) {
    let client = Client::with_uri_str(uri).await.expect("a good connection string");
    let concern = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    let options = CollectionOptions::builder().write_concern(concern).build();
    let database = client.default_database().expect("the connection string names one");
    let collection = database.collection_with_options::<Document>("proof", options);
    collection.insert_one(doc! { "a": 1 }).await.expect("a majority acknowledges");
    client.shutdown().await;
}
