//! What every store must keep, as one suite of checks that runs on each of them, and the proof that no check is idle.
//!
//! A store joins by one test that makes it and calls [`checks::run`]. Every check works on events of its own, so checks
//! can share a deployment, also with each other's leftovers.

mod asks;
mod broken;
mod checks;
mod fault;
mod model;
#[path = "../support/mongod/mod.rs"]
mod mongod;
mod show;

use std::sync::Arc;

use mongod::{
    node::Node,
    shared::{deployment_uri, one_node, unique_db},
};
use ticketboss::{
    clock::SystemClock,
    store::{EventStore, embedded::EmbeddedStore, mongo::MongoStore},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_keeps_the_contract() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = embedded(&dir);
    checks::run(&store).await;
    store.close(show::soon()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_node_replica_set_keeps_the_contract() {
    on_mongodb(&one_node().await.uri(&unique_db("conformance"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_three_node_replica_set_keeps_the_contract() {
    on_mongodb(&deployment_uri(&unique_db("conformance")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_server_keeps_the_contract_as_long_as_it_lives() {
    let node = Node::standalone().await;
    on_mongodb(&format!("mongodb://{}/conformance", node.address())).await;
}

async fn on_mongodb(uri: &str) {
    let store = MongoStore::open(uri, Arc::new(SystemClock)).await.expect("a good connection string");
    checks::run(&store).await;
    store.close(show::soon()).await;
}

fn embedded(dir: &tempfile::TempDir) -> EmbeddedStore {
    EmbeddedStore::open(dir.path(), Arc::new(SystemClock)).expect("a new directory can be used")
}
