//! Servers that are killed at any moment.

use std::time::Duration;

use crate::support::{
    heavy,
    load::Load,
    server::Launch,
    store::{Store, for_each_store},
    verdict::verify,
};

/// How long after a restart the journal may still hold what the killed process left behind.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_server_killed_ten_times_loses_nothing() {
    let _room = heavy().await;
    for_each_store("crashes", async |store: Store| {
        let server = Launch::on(&store).fixed_port().start().await;
        let load = Load::start(&[server.client()], 32);
        let mut leftovers = 0;
        for _ in 0..10 {
            load.more_accepted(100, Duration::from_secs(30)).await;
            server.kill();
            load.pause();
            leftovers += usize::from(!store.journal_is_empty().await);
            server.restart().await;
            // Nobody asks for anything, so whatever empties the journal is the new process's own doing.
            store.wait_settled(SETTLED_WITHIN).await;
            load.resume();
        }
        let history = load.finish().await;
        verify(&server.client(), &store, &history).await;
        if let Store::Mongo(_) = &store {
            assert!(leftovers > 0, "no kill left a journal behind, so nothing was shown about settling it");
        }
    })
    .await;
}

#[tokio::test]
async fn servers_of_one_event_may_be_killed_in_turn() {
    let _room = heavy().await;
    let store = Store::mongo("crashes in turn").await;
    let servers = [Launch::on(&store).fixed_port().start().await, Launch::on(&store).fixed_port().start().await];
    let load = Load::start(&[servers[0].client(), servers[1].client()], 32);
    for round in 0..6 {
        let victim = &servers[round % 2];
        load.more_accepted(100, Duration::from_secs(30)).await;
        victim.kill();
        load.more_accepted(20, Duration::from_secs(30)).await;
        victim.restart().await;
    }
    let history = load.finish().await;
    verify(&servers[0].client(), &store, &history).await;
}
