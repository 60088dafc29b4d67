//! What becomes of indexes, validators and collections that somebody takes away, on a real server.

use bson::{Bson, Document, RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use jiff::Timestamp;

use super::*;
use crate::{
    domain::{
        Command, Event, EventId, EventName, Facts, HoldSeconds, PartnerId, Request, Reserve, SeatCount, Status, Wanted,
        decide,
    },
    ids,
    store::{
        EventStore, ReservationQuery, Scope, Snapshot,
        mongo::{
            MongoStore, mongod,
            schema::{BY_PARTNER, BY_PLACE, DUE, EVENTS, HOLDS, JOURNALED, RESERVATIONS, WAITLIST},
        },
    },
};

const PATIENCE: Duration = Duration::from_secs(20);

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

async fn open(name: &str) -> MongoStore {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db(name));
    MongoStore::open(&uri).await.expect("a good connection string")
}

/// An event with one reservation of each kind that has an index of its own.
async fn new_show(store: &MongoStore, id: &str) -> Snapshot {
    let name = EventName::parse("A show").expect("a name");
    let event = Event::open(EventId::parse(id).expect("an id"), name, 3, ids::id_salt());
    store.create(&event, ids::head(), soon()).await.expect("created");
    let before = store.load(&event.id, soon()).await.expect("loaded").expect("it is there");
    let any = || {
        let partner = PartnerId::parse("acme").expect("a partner");
        Reserve::any(ids::reservation(), partner, SeatCount::parse(1, 9).expect("a count"))
    };
    let hold = HoldSeconds::parse(600, 600).ok();
    let asked = [any(), Reserve { hold, ..any() }, any(), Reserve { waitlist: true, ..any() }];
    let commands = asked.map(|reserve| Command {
        operation: ids::operation(),
        expected: None,
        request: Request::Reserve(reserve),
    });
    let decision = decide(&before.event, &Facts::default(), &commands, Timestamp::UNIX_EPOCH).expect("decided");
    store.commit(&before, &decision, ids::head(), soon()).await.expect("committed")
}

/// Asks for everything that a hint serves; each must be answered in the end.
async fn ask_everything(store: &MongoStore, show: &Snapshot) {
    let event_id = &show.event.id;
    let partner = PartnerId::parse("acme").expect("a partner");
    let wanted = Wanted { waitlist: 1, holds: 1, partners: vec![partner.clone()], ..Wanted::default() };
    let facts = store.facts(show, &wanted, soon()).await.expect("facts");
    assert_eq!((facts.waitlist.len(), facts.holds.len(), facts.partners[&partner].len()), (1, 1, 4));
    for scope in [
        Scope::Event(event_id.clone()),
        Scope::PartnerOfEvent(partner.clone(), event_id.clone()),
        Scope::Partner(partner.clone()),
    ] {
        let query =
            ReservationQuery { scope, status: None, created_from: None, created_to: None, after: None, limit: 9 };
        assert_eq!(store.reservations(&query, 9, soon()).await.expect("a list").reservations.len(), 4, "{query:?}");
    }
    let waiting = facts.waitlist[0].clone();
    assert_eq!(waiting.status, Status::Waitlisted);
    let places = store.waitlist_positions(event_id, &[waiting.created_version], 9, soon()).await.expect("a place");
    assert_eq!(places, Some(vec![1]));
    let due = store.due(Timestamp::MAX, None, 9, soon()).await.expect("due events");
    assert_eq!(due.event_ids, std::slice::from_ref(event_id));
}

async fn run(store: &MongoStore, command: Document) {
    let command = RawDocumentBuf::try_from(&command).expect("a command");
    store.deployment.run(command, soon()).await.expect("done");
}

async fn indexes_of(store: &MongoStore, collection: &str) -> Vec<String> {
    let Ok(reply) = store.deployment.run(rawdoc! { "listIndexes": collection }, soon()).await else {
        return Vec::new();
    };
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch")).expect("a list");
    batch
        .iter()
        .map(|index| index.as_document().expect("an index").get_str("name").expect("a name").to_owned())
        .collect()
}

async fn has_validator(store: &MongoStore, collection: &str) -> bool {
    let list = rawdoc! { "listCollections": 1, "filter": { "name": collection } };
    let reply = store.deployment.run(list, soon()).await.expect("listed");
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch")).expect("a list");
    let found = batch.first().and_then(Bson::as_document).expect("the collection");
    found.get_document("options").is_ok_and(|options| options.contains_key("validator"))
}

async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = soon();
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(mongod::process::POLL).await;
    }
}

async fn settled(store: &MongoStore) {
    eventually("everything is settled", async || store.journals.is_done()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_dropped_is_made_again_for_whoever_asks() {
    let store = open("dropped-index").await;
    let show = new_show(&store, "show").await;
    settled(&store).await;
    let show = store.load(&show.event.id, soon()).await.expect("loaded").expect("it is there");
    for (collection, index) in [
        (RESERVATIONS, BY_PLACE),
        (RESERVATIONS, BY_PARTNER),
        (RESERVATIONS, WAITLIST),
        (RESERVATIONS, HOLDS),
        (EVENTS, DUE),
        (EVENTS, JOURNALED),
        (RESERVATIONS, "*"),
        (EVENTS, "*"),
    ] {
        run(&store, doc! { "dropIndexes": collection, "index": index }).await;
        ask_everything(&store, &show).await;
        eventually("the index is there again", async || {
            let stand = indexes_of(&store, collection).await;
            if index == "*" { stand.len() > 2 } else { stand.iter().any(|stands| stands == index) }
        })
        .await;
        store.ready(soon()).await.expect("ready");
    }
    store.close(soon()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_was_dropped_is_made_again_without_anybody_asking() {
    let store = open("dropped-validator").await;
    new_show(&store, "show").await;
    for collection in [EVENTS, RESERVATIONS] {
        assert!(has_validator(&store, collection).await);
        run(&store, doc! { "collMod": collection, "validator": {} }).await;
    }
    for collection in [EVENTS, RESERVATIONS] {
        eventually("the validator is there again", async || has_validator(&store, collection).await).await;
    }
    // One that only differs is another version's, whose process would change it back in turn.
    run(&store, doc! { "collMod": RESERVATIONS, "validator": { "format": { "$gte": 1 } } }).await;
    let made = schema::mend(&store.deployment, soon()).await.expect("looked at");
    assert_eq!(made, Vec::<String>::new());
    store.close(soon()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_was_dropped_is_made_again_with_all_that_belongs_to_it() {
    let store = open("dropped-collection").await;
    let show = new_show(&store, "show").await;
    settled(&store).await;
    run(&store, doc! { "drop": RESERVATIONS }).await;
    // What is sold now settles into a collection that the server made by itself, without validator and indexes.
    let other = new_show(&store, "other").await;
    settled(&store).await;
    eventually("the indexes are there again", async || indexes_of(&store, RESERVATIONS).await.len() == 5).await;
    eventually("the validator is there again", async || has_validator(&store, RESERVATIONS).await).await;
    let other = store.load(&other.event.id, soon()).await.expect("loaded").expect("it is there");
    let wanted = Wanted { waitlist: 1, holds: 1, ..Wanted::default() };
    let facts = store.facts(&other, &wanted, soon()).await.expect("facts");
    assert_eq!((facts.waitlist.len(), facts.holds.len()), (1, 1));
    assert!(store.load(&show.event.id, soon()).await.expect("loaded").is_some());
    store.close(soon()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_mended_is_told_and_readiness_knows() {
    let store = open("hidden-index").await;
    let show = new_show(&store, "show").await;
    settled(&store).await;
    let show = store.load(&show.event.id, soon()).await.expect("loaded").expect("it is there");
    store.ready(soon()).await.expect("ready");
    let wanted = Wanted { holds: 1, ..Wanted::default() };

    run(&store, doc! { "collMod": RESERVATIONS, "index": { "name": HOLDS, "hidden": true } }).await;
    let why = store.facts(&show, &wanted, soon()).await.expect_err("nothing can use the index").to_string();
    assert!(why.contains("holds of the collection reservations is hidden"), "{why}");
    let why = async || store.ready(soon()).await.err().map(|why| why.to_string()).unwrap_or_default();
    eventually("not ready", async || why().await.contains("holds")).await;
    run(&store, doc! { "collMod": RESERVATIONS, "index": { "name": HOLDS, "hidden": false } }).await;
    eventually("ready again", async || store.ready(soon()).await.is_ok()).await;
    store.facts(&show, &wanted, soon()).await.expect("facts");

    // Another index has its name.
    run(&store, doc! { "dropIndexes": RESERVATIONS, "index": HOLDS }).await;
    let mut indexes = RawArrayBuf::new();
    indexes.push(rawdoc! { "name": HOLDS, "key": { "seats": 1 } });
    // The store may be faster than this test, and make it as it was.
    let made = store.deployment.run(rawdoc! { "createIndexes": RESERVATIONS, "indexes": indexes }, soon()).await;
    if made.is_ok() {
        eventually("not ready", async || why().await.contains("is not the one that TicketBoss makes")).await;
        run(&store, doc! { "dropIndexes": RESERVATIONS, "index": HOLDS }).await;
    }
    eventually("ready again", async || store.ready(soon()).await.is_ok()).await;
    store.facts(&show, &wanted, soon()).await.expect("facts");
    store.close(soon()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_event_of_a_process_prepares_the_schema() {
    // A server of its own, for it counts what everybody asks of it.
    let node = mongod::node::Node::standalone().await;
    let store = MongoStore::idle(&node.uri("prepared")).await.expect("a good connection string");
    let prepared = async || {
        let status = node.command(doc! { "serverStatus": 1 }).await.expect("told");
        let metrics = status.get_document("metrics").and_then(|metrics| metrics.get_document("commands"));
        metrics.and_then(|commands| commands.get_document("createIndexes")).expect("counts").clone()
    };
    new_show(&store, "first").await;
    let by_first = prepared().await;
    assert!(by_first.get_i64("total").expect("a count") >= 3, "the first event prepares: {by_first}");
    new_show(&store, "second").await;
    assert_eq!(prepared().await, by_first, "and the second one does not");
    store.journals.take_queue();
    store.close(Instant::now()).await;
}
