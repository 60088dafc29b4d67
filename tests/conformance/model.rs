//! Random stories at random times, told to a store and to the plain list of the rules: both must give the same answers and
//! come to the same state. This proves the store's facts more than its commits: who waits, which holds are due, what a
//! partner has.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use ticketboss::{
    domain::{self, Command, Decision, EventId, Outcome, Reservation, ReservationId, Undecided, decide, facts_needed},
    ids,
    store::{EventStore, ReservationQuery, Scope, Snapshot, mongo::MongoStore},
};
use uuid::Uuid;

use crate::{
    embedded,
    mongod::{
        node::Node,
        shared::{deployment_uri, one_node, unique_db},
    },
    show::{OrFinding, ROWS, Verdict, ensure_eq, list, soon},
};

#[path = "../model/mod.rs"]
mod rules;

use rules::{Naive, Story, describe, story};

/// Stories that a store is told.
const STORIES: usize = 40;
/// Moments of the longest story.
const BEATS_MAX: usize = 30;
/// Questions for facts that one decision may take, as in the service.
const ROUNDS_MAX: usize = 8;
/// Attempts to make a story that fails shorter.
const SIMPLER_MAX: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_agrees_with_the_plain_list() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = embedded(&dir);
    agree(&store).await;
    store.close(soon()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_node_replica_set_agrees_with_the_plain_list() {
    on_mongodb(&one_node().await.uri(&unique_db("model"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_three_node_replica_set_agrees_with_the_plain_list() {
    on_mongodb(&deployment_uri(&unique_db("model")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_server_agrees_with_the_plain_list() {
    let node = Node::standalone().await;
    on_mongodb(&format!("mongodb://{}/model", node.address())).await;
}

async fn on_mongodb(uri: &str) {
    let store = MongoStore::open(uri).await.expect("a good connection string");
    agree(&store).await;
    store.close(soon()).await;
}

/// Tells random stories to `store`, and fails with the simplest that it and the plain list do not agree on.
async fn agree(store: &dyn EventStore) {
    let (stories, mut runner) = (story(BEATS_MAX), TestRunner::default());
    for _ in 0..STORIES {
        let mut tree = stories.new_tree(&mut runner).expect("a story");
        let Err(mut finding) = tell(store, &tree.current()).await else { continue };
        let mut simplest = tree.current();
        let mut goes_on = tree.simplify();
        for _ in 0..SIMPLER_MAX {
            if !goes_on {
                break;
            }
            let current = tree.current();
            goes_on = match tell(store, &current).await {
                Err(simpler) => {
                    (finding, simplest) = (simpler, current);
                    tree.simplify()
                }
                Ok(()) => tree.complicate(),
            };
        }
        panic!("the store and the plain list do not agree: {finding}\n{simplest:#?}");
    }
}

/// Tells one story of a new event.
async fn tell(store: &dyn EventStore, tale: &Story) -> Verdict {
    let id = EventId::parse(&format!("model-{}", ids::reservation())).or_finding("an id")?;
    let event = tale.event(id, ids::id_salt());
    store.create(&event, ids::head(), soon()).await.or_finding("create")?;
    let mut naive = Naive::of(&event);
    let mut snapshot = load(store, &event.id).await?;
    for (beat, (now, commands)) in tale.batches(&event.id_salt).into_iter().enumerate() {
        if beat % 2 == 0 {
            snapshot = load(store, &event.id).await?;
        }
        let decision = decided(store, &snapshot, &commands, now).await?;
        naive.look_after(now);
        for (command, outcome) in commands.iter().zip(&decision.outcomes) {
            ensure_eq!(describe(outcome), naive.tell(command, now), "at {now}, {command:?}");
        }
        ensure_eq!(decision.event.summary(), naive.summary(), "what was decided at {now}");
        if !decision.is_empty(&snapshot.event) {
            snapshot = store.commit(&snapshot, &decision, ids::head(), soon()).await.or_finding("commit")?;
            ensure_eq!(snapshot.event, decision.event, "what was committed at {now}");
        }
    }
    stands(store, &event.id, &naive).await
}

/// Decides as the service does, with the facts that it takes.
async fn decided(
    store: &dyn EventStore,
    snapshot: &Snapshot,
    commands: &[Command],
    now: Timestamp,
) -> Verdict<Decision> {
    let mut wanted = facts_needed(&snapshot.event, commands, now, false);
    for _ in 0..ROUNDS_MAX {
        let facts = store.facts(snapshot, &wanted, soon()).await.or_finding("facts")?;
        match decide(&snapshot.event, &facts, commands, now) {
            Err(Undecided::Missing(missing)) => wanted.extend(missing),
            decided => return decided.or_finding("decide"),
        }
    }
    Err(format!("facts are still missing after {ROUNDS_MAX} questions, the last one {wanted:?}"))
}

/// Compares everything that the store tells of the event with the plain list.
async fn stands(store: &dyn EventStore, event_id: &EventId, naive: &Naive) -> Verdict {
    let event = store.event(event_id, soon()).await.or_finding("event")?;
    ensure_eq!(event.map(|event| event.summary()), Some(naive.summary()), "the event in the end");
    let query = ReservationQuery {
        scope: Scope::Event(event_id.clone()),
        status: None,
        created_from: None,
        created_to: None,
        after: None,
        limit: 1_000,
    };
    let listed = list(store, &query).await?;
    let told = listed.iter().map(|listed| (listed.id.uuid, state(listed)));
    let expected: BTreeMap<Uuid, String> = naive.reservations().collect();
    ensure_eq!(told.collect::<BTreeMap<_, _>>(), expected, "the reservations in the end");
    for listed in &listed {
        let read = store.reservation(&listed.id, soon()).await.or_finding("reservation")?;
        ensure_eq!(read.as_ref(), Some(listed), "a reservation that is read and listed");
    }
    for (uuid, place) in naive.waiting().zip(1..) {
        let id = ReservationId { event_id: event_id.clone(), uuid };
        let read = store.reservation(&id, soon()).await.or_finding("reservation")?;
        let waiting = read.ok_or_else(|| format!("{id} waits and is not there"))?;
        let joined = [waiting.created_version];
        let found = store.waitlist_positions(event_id, &joined, ROWS, soon()).await.or_finding("waitlist_positions")?;
        ensure_eq!(found, Some(vec![place]), "the place of {id} on the waitlist");
    }
    Ok(())
}

/// How a reservation stands, in the words of [`Naive::reservations`].
fn state(reservation: &Arc<Reservation>) -> String {
    describe(&Outcome::AlreadySo(reservation.clone())).replacen("already", "is", 1)
}

async fn load(store: &dyn EventStore, event_id: &EventId) -> Verdict<Snapshot> {
    let loaded = store.load(event_id, soon()).await.or_finding("load")?;
    loaded.ok_or_else(|| format!("load: {event_id} is not there"))
}
