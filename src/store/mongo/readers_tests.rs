//! Readers on a real server: they have connections of their own, and a read that takes too long is told apart from a server
//! that is away.

use std::time::Duration;

use bson::{Document, doc};

use super::{mongod::node::Node, *};
use crate::{
    domain::{Command, EventName, PartnerId, Request, Reserve, SeatCount, decide},
    store::Scope,
};

/// Connections of each pool: soon used up.
const POOL: usize = 2;

struct Stage {
    node: Node,
    store: Arc<MongoStore>,
    snapshot: Snapshot,
}

impl Stage {
    async fn set() -> Self {
        let node = Node::standalone().await;
        let uri = format!("{}&maxPoolSize={POOL}&minPoolSize=0", node.uri("readers"));
        let store = Arc::new(MongoStore::idle(&uri).await.expect("a good connection string"));
        let id = EventId::parse("show").expect("an id");
        let event = Event::open(id, EventName::parse("A show").expect("a name"), 12, ids::id_salt());
        store.create(&event, ids::head(), soon()).await.expect("created");
        let snapshot = store.load(&event.id, soon()).await.expect("loaded").expect("it is there");
        Self { node, store, snapshot }
    }

    fn query(&self) -> ReservationQuery {
        let scope = Scope::Event(self.snapshot.event.id.clone());
        ReservationQuery { scope, status: None, created_from: None, created_to: None, after: None, limit: 5 }
    }

    async fn commit(&self) -> Result<Snapshot, CommitError> {
        let partner = PartnerId::parse("acme").expect("a partner");
        let reserve = Reserve::any(ids::reservation(), partner, SeatCount::parse(1, 1).expect("a count"));
        let command = Command { operation: ids::operation(), expected: None, request: Request::Reserve(reserve) };
        let now = self.store.now(soon()).await.expect("the server tells");
        let decision = decide(&self.snapshot.event, &Facts::default(), [&command], now).expect("a sound event");
        self.store.commit(&self.snapshot, &decision, ids::head(), soon()).await
    }

    /// Has commands go wrong as `what` says; tells how often that was done before.
    async fn fail(&self, mode: &str, what: Document) -> i64 {
        let point = doc! { "configureFailPoint": "failCommand", "mode": mode, "data": what };
        let reply = self.node.command(point).await.expect("fail points are on");
        reply.get_i64("count").or_else(|_| reply.get_i32("count").map(i64::from)).expect("a count")
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_never_waits_for_a_connection_behind_readers() {
    let stage = Stage::set().await;
    let block = doc! {
        "failCommands": ["find"], "namespace": "readers.reservations", "blockConnection": true, "blockTimeMS": 10_000,
    };
    let before = stage.fail("alwaysOn", block).await;
    let reads: Vec<_> = (0..2 * POOL)
        .map(|_| {
            let (store, query) = (stage.store.clone(), stage.query());
            tokio::spawn(async move { store.reservations(&query, 100, soon()).await })
        })
        .collect();
    let entered = before + i64::try_from(POOL).expect("few");
    let wait = doc! { "waitForFailPoint": "failCommand", "timesEntered": entered, "maxTimeMS": 10_000 };
    stage.node.command(wait).await.expect("all connections of the readers are in use");
    stage.commit().await.expect("a commit while they are");
    assert!(reads.iter().all(|read| !read.is_finished()), "the readers wait still");
    for read in reads {
        read.abort();
    }
    stage.fail("off", doc! {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_takes_the_server_too_long_is_overload_and_is_not_sent_again() {
    /// `MaxTimeMSExpired`.
    const TOO_SLOW: i32 = 50;
    let stage = Stage::set().await;
    let find = doc! { "failCommands": ["find"], "namespace": "readers.reservations", "errorCode": TOO_SLOW };
    let before = stage.fail("alwaysOn", find).await;
    let listed = stage.store.reservations(&stage.query(), 100, soon()).await;
    assert!(matches!(listed, Err(StoreError::Overloaded(_))), "{listed:?}");
    assert_eq!(stage.fail("off", doc! {}).await, before + 1, "it was sent once");

    // Of a commit the same says nothing: it may have been applied.
    let write = doc! { "failCommands": ["findAndModify"], "errorCode": TOO_SLOW };
    stage.fail("alwaysOn", write).await;
    let committed = stage.commit().await;
    assert!(matches!(committed, Err(CommitError::Unclear(_))), "{committed:?}");
    stage.fail("off", doc! {}).await;
}
