//! Primaries of MongoDB that are killed, frozen, or told to step down, in the middle of a sale.

use std::time::Duration;

use crate::support::{
    heavy, load::Load, mongod::replica_set::ReplicaSet, server::Launch, store::Store, verdict::verify,
};

/// How long an election and the driver's noticing it may take until reservations are accepted again.
const RESUMED_WITHIN: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_sale_outlives_its_primaries() {
    let _room = heavy().await;
    let set = ReplicaSet::start(3).await;
    let store = Store::Mongo(set.uri("failovers"));
    // Shorter than an election, so that requests run out of time in it, and are told what is known of them.
    let launch = || Launch::on(&store).set("REQUEST_TIMEOUT_MS", "1000");
    let servers = [launch().start().await, launch().start().await];
    let clients = [servers[0].client(), servers[1].client()];
    let load = Load::start(&clients, 24);
    load.more_accepted(200, Duration::from_secs(30)).await;

    let killed = set.wait_primary().await;
    set.kill(killed);
    load.more_accepted(200, RESUMED_WITHIN).await;
    set.restart(killed).await;
    set.wait_whole().await;

    set.step_down().await;
    load.more_accepted(200, RESUMED_WITHIN).await;
    set.wait_whole().await;

    let frozen = set.wait_primary().await;
    set.pause(frozen);
    load.more_accepted(200, RESUMED_WITHIN).await;
    set.resume(frozen);
    set.wait_whole().await;
    load.more_accepted(200, RESUMED_WITHIN).await;

    let history = load.finish().await;
    for client in &clients {
        client.readyz().await.expect(200);
    }
    verify(&clients[0], &store, &history).await;
}
