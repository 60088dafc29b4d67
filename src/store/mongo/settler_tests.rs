//! Settling against another settler that is slower, on a real server.

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        Command, Facts, Operation, OperationId, OperationKind, PartnerId, Request, Reservation, ReservationId, Reserve,
        SeatCount, Status, decide,
    },
    ids,
    store::{
        EventStore, Place, ReservationQuery, Scope, Snapshot,
        mongo::{MongoStore, documents::EventDocument, mongod},
    },
};

/// Reservations in one bulk write; enough for two of them to overlap.
const RESERVATIONS_IN_ROUND: usize = 500;

/// Without the second update of [`Settler::update`] older states are left standing in about half of the rounds.
const ROUNDS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_that_arrives_late_never_replaces_a_newer_one() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("settler"));
    let deployment = Arc::new(Deployment::connect(&uri).await.expect("a good connection string"));
    super::super::schema::prepare(&deployment, Instant::now() + PATIENCE).await.expect("a fresh database");
    let settler = settler_on(&deployment);

    for _ in 0..ROUNDS {
        let event_id = EventId::parse(&format!("show-{}", ids::request())).expect("a good id");
        let uuids: Vec<Uuid> = (0..RESERVATIONS_IN_ROUND).map(|_| ids::reservation()).collect();
        let made: Vec<Entry> = uuids.iter().map(|uuid| entry(&event_id, *uuid, Status::Confirmed)).collect();
        let cancelled: Vec<Entry> = uuids.iter().map(|uuid| entry(&event_id, *uuid, Status::Cancelled)).collect();
        let (made, cancelled): (Vec<_>, Vec<_>) = (made.iter().collect(), cancelled.iter().collect());

        let (inserted, updated) = tokio::join!(settler.insert(&made), settler.update(&cancelled));
        assert!(inserted.expect("inserted").is_empty() && updated.expect("updated").is_empty());

        let count = rawdoc! {
            "find": RESERVATIONS,
            "filter": { "eventId": event_id.as_str(), "status": "cancelled" },
            "batchSize": 1 + i64::try_from(RESERVATIONS_IN_ROUND).expect("a small number"),
        };
        let found = deployment.read(count, Concern::Majority, Instant::now() + PATIENCE).await.expect("found");
        assert_eq!(found.len(), RESERVATIONS_IN_ROUND, "acknowledged cancellations were lost");
    }
    deployment.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_queued_twice_is_trimmed_once() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("twice"));
    let deployment = Arc::new(Deployment::connect(&uri).await.expect("a good connection string"));
    super::super::schema::prepare(&deployment, Instant::now() + PATIENCE).await.expect("a fresh database");
    let settler = settler_on(&deployment);
    let event_id = EventId::parse("show").expect("a good id");
    let name = crate::domain::EventName::parse("A show").expect("a name");
    let event = crate::domain::Event::open(event_id.clone(), name, 5, ids::id_salt());
    let document = bson::serialize_to_raw_document_buf(&EventDocument::new(&event, ids::head())).expect("a document");
    let mut documents = RawArrayBuf::new();
    documents.push(&document);
    deployment
        .write(rawdoc! { "insert": EVENTS, "documents": documents }, Instant::now() + PATIENCE)
        .await
        .expect("inserted");

    let entries: Arc<[Entry]> = [entry(&event_id, ids::reservation(), Status::Confirmed)].into();
    let trimmed = Trimmed::default();
    let unsettled =
        Unsettled { event_id: event_id.clone(), key: Version(1), entries, records: Arc::default(), trimmed };
    // The sweep saw the commit before its own process had the acknowledgement.
    settler.journals.enqueue(unsettled.clone());
    settler.journals.enqueue(unsettled);
    settler.settle_queue().await.expect("settled");
    let keys = settler.journals.settled_keys(&event_id);
    settler.trim(Instant::now()).await;
    assert_eq!(settler.journals.settled_keys(&event_id), [], "{keys:?} are not out");
    deployment.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_foreign_index_refuses_stays_readable_and_settles_when_the_index_goes() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("refused"));
    let store = MongoStore::open(&uri).await.expect("a good connection string");
    let shows = [new_show(&store, "show").await, new_show(&store, "other").await];
    let foreign = rawdoc! { "name": "one-each", "key": { "partnerId": 1 }, "unique": true };
    let mut indexes = RawArrayBuf::new();
    indexes.push(foreign);
    store.deployment.run(rawdoc! { "createIndexes": RESERVATIONS, "indexes": indexes }, soon()).await.expect("made");

    // Of one partner, so that the index takes only the first of all, in whichever event.
    let (first, first_ids) = reserve(&store, &shows[0], 3).await;
    let (_, second_ids) = reserve(&store, &shows[1], 2).await;
    let ids = [first_ids, second_ids].concat();
    eventually("one is refused in each event", || store.journals.refused_count() == 2).await;
    for id in &ids {
        let found = store.reservation(id, soon()).await.expect("read");
        assert!(found.is_some(), "{id} was acknowledged and cannot be read");
    }
    // Refusals of one event hold up no other, and the one that is refused in part goes on too.
    let free = reserve_as(&store, &first, "nobody-else", 1).await.1;
    let is_trimmed = || !store.journals.knows(&shows[0].event.id, Version(4));
    eventually("the other partner's reservation settles and leaves the journal", is_trimmed).await;
    assert!(store.reservation(&free[0], soon()).await.expect("read").is_some());
    // Another process that starts now finds the same, and does not wait for them when it ends.
    store.close(soon()).await;

    let store = MongoStore::open(&uri).await.expect("a good connection string");
    eventually("the next process meets the refusals too", || store.journals.refused_count() == 2).await;
    for id in ids.iter().chain(&free) {
        assert!(store.reservation(id, soon()).await.expect("read").is_some(), "{id} was lost at the restart");
    }
    let began = Instant::now();
    store.close(soon()).await;
    assert!(began.elapsed() < PATIENCE, "it waited for what cannot be settled");

    let store = MongoStore::open(&uri).await.expect("a good connection string");
    eventually("the refusals are known", || store.journals.refused_count() == 2).await;
    store.deployment.run(rawdoc! { "dropIndexes": RESERVATIONS, "index": "one-each" }, soon()).await.expect("dropped");
    eventually("everything settles", || store.journals.refused_count() == 0 && store.journals.is_done()).await;
    for show in &shows {
        let event_id = &show.event.id;
        let found =
            store.find_event(&store.deployment, event_id, rawdoc! { "journal": 1 }, Concern::Majority, soon()).await;
        let found = found.expect("read").expect("it is there");
        assert!(found.get_document("journal").expect("a journal").is_empty(), "{found}");
    }
    let all: Vec<_> = ids.iter().chain(&free).map(ToString::to_string).collect();
    let count = rawdoc! { "find": RESERVATIONS, "filter": {} };
    let settled = store.deployment.read(count, Concern::Majority, soon()).await.expect("read");
    assert_eq!(settled.len(), all.len(), "all stand in the collection");
    store.close(soon()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_foreign_index_refuses_is_not_said_to_exist() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("refused-event"));
    let store = MongoStore::open(&uri).await.expect("a good connection string");
    new_show(&store, "show").await;
    let mut indexes = RawArrayBuf::new();
    indexes.push(rawdoc! { "name": "one-name", "key": { "name": 1 }, "unique": true });
    store.deployment.run(rawdoc! { "createIndexes": EVENTS, "indexes": indexes }, soon()).await.expect("made");
    let name = crate::domain::EventName::parse("A show").expect("a name");
    let other = crate::domain::Event::open(EventId::parse("other").expect("an id"), name, 5, ids::id_salt());
    let created = store.create(&other, ids::head(), soon()).await;
    assert!(
        matches!(&created, Err(StoreError::Misconfigured(why)) if why.contains("one-name") && why.contains("other")),
        "{created:?}"
    );
    assert_eq!(store.event(&other.id, soon()).await.expect("read"), None);
    store.close(soon()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_living_process_is_slow_to_trim_is_left_to_it() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("living"));
    let (one, other) = (MongoStore::idle(&uri).await.expect("a store"), MongoStore::idle(&uri).await.expect("a store"));
    let show = new_show(&one, "show").await;
    reserve(&one, &show, 1).await;
    one.settler.settle_queue().await.expect("settled");
    one.prover.pulse(&one.deployment, soon()).await.expect("it lives");

    let seen = other.settler.sweep(Some(&HashSet::new())).await.expect("swept");
    assert_eq!(seen, HashSet::from([(show.event.id.clone(), Version(1))]), "the key stands there");
    other.settler.sweep(Some(&seen)).await.expect("swept");
    assert_eq!(other.journals.event_count(), 0, "what a living process has in hand was taken over");

    let mut updates = RawArrayBuf::new();
    let long_ago = bson::DateTime::from_millis(bson::DateTime::now().timestamp_millis() - 60_000);
    updates.push(rawdoc! { "q": { "_id": one.prover.process() }, "u": { "$set": { "at": long_ago } } });
    one.deployment.write(rawdoc! { "update": PULSES, "updates": updates }, soon()).await.expect("written");
    other.settler.sweep(Some(&seen)).await.expect("swept");
    assert_eq!(other.journals.event_count(), 1, "nobody takes over what a dead process left");
    other.settler.settle_queue().await.expect("settled");
    other.settler.trim(Instant::now()).await;
    assert_eq!(other.settler.sweep(None).await.expect("swept"), HashSet::new());
    // The other one finds that out by itself.
    one.settler.trim(Instant::now()).await;
    for store in [one, other] {
        assert_eq!(store.journals.event_count(), 0, "something is still known of an event with an empty journal");
        store.close(soon()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_quiet_events_are_trimmed_together_and_forgotten() {
    const EVENTS_SOLD: usize = 1_200;
    // A server of its own, for its commands are counted.
    let node = mongod::node::Node::standalone().await;
    let store = MongoStore::idle(&node.uri("quiet")).await.expect("a store");
    let mut last = None;
    for number in 0..EVENTS_SOLD {
        let show = new_show(&store, &format!("show-{number}")).await;
        last = Some(reserve(&store, &show, 1).await.0);
    }
    let last = last.expect("some were sold");
    store.settler.settle_queue().await.expect("settled");
    assert_eq!(store.journals.event_count(), EVENTS_SOLD);
    let updates = async || {
        let status = store.deployment.run(rawdoc! { "serverStatus": 1 }, soon()).await.expect("told");
        let total = status.get_document("metrics").and_then(|metrics| metrics.get_document("commands"));
        total.and_then(|all| all.get_document("update")).and_then(|count| count.get_i64("total")).expect("a count")
    };
    let before = updates().await;
    store.settler.trim(Instant::now()).await;
    let took = updates().await - before;
    assert!(took < 50, "{took} updates for {EVENTS_SOLD} trims");
    assert_eq!(store.journals.event_count(), 0, "something is still known of events with empty journals");
    assert_eq!(store.settler.sweep(None).await.expect("swept").len(), 0, "some keys still stand there");
    // A snapshot that still lists what was trimmed does not carry it on.
    let (after, _) = reserve(&store, &last, 1).await;
    assert_eq!(after.journal.versions().collect::<Vec<_>>(), [Version(2)]);
    store.settler.settle_queue().await.expect("settled");
    store.close(soon()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_moves_on_while_it_is_trimmed_is_not_taken_for_trimmed() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("moved"));
    let store = MongoStore::idle(&uri).await.expect("a store");
    let mut shows = Vec::new();
    for number in 0..2 {
        let show = new_show(&store, &format!("show-{number}")).await;
        shows.push(reserve(&store, &show, 1).await.0);
    }
    store.settler.settle_queue().await.expect("settled");
    // The first one changes all the time, so that a trim may or may not find it as it was.
    let mut show = shows.swap_remove(0);
    let moving = async {
        for _ in 0..40 {
            // As another process would: it does not know that the key is settled, and so does not take it out.
            let decision = decide(&show.event, &Facts::default(), &[], Timestamp::UNIX_EPOCH).expect("decided");
            let rival = MongoStore::idle(&uri).await.expect("a store");
            show = rival.commit(&show, &decision, ids::head(), soon()).await.expect("committed");
            rival.close(Instant::now()).await;
        }
    };
    let trimming = async {
        let deadline = soon();
        while store.journals.event_count() > 0 {
            assert!(Instant::now() < deadline, "something is still known of events with empty journals");
            store.settler.trim(Instant::now()).await;
        }
    };
    tokio::join!(moving, trimming);
    assert_eq!(store.settler.sweep(None).await.expect("swept"), HashSet::new(), "a key was taken for trimmed");
    store.close(soon()).await;
}

/// The partner's reservations of all events.
async fn list_of(store: &MongoStore, partner: &str) -> Vec<ReservationId> {
    let scope = Scope::Partner(PartnerId::parse(partner).expect("a partner"));
    let query = ReservationQuery { scope, status: None, created_from: None, created_to: None, after: None, limit: 9 };
    let listed = store.reservations(&query, 9, soon()).await.expect("listed");
    listed.reservations.iter().map(|listed| listed.id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_list_has_what_this_process_acknowledged_and_has_not_settled() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("acknowledged"));
    let store = MongoStore::idle(&uri).await.expect("a store");
    let (first, second) = (new_show(&store, "show-a").await, new_show(&store, "show-b").await);
    let (first, in_first) = reserve(&store, &first, 2).await;
    let (_, in_second) = reserve(&store, &second, 1).await;
    reserve_as(&store, &first, "other", 1).await;
    let all = [in_first.clone(), in_second].concat();
    assert_eq!(list_of(&store, "acme").await, all);

    // The older state is still here when the newer one, another process's, has settled.
    let rival = MongoStore::idle(&uri).await.expect("a store");
    let on = rival.load(&first.event.id, soon()).await.expect("loaded").expect("it is there");
    let wanted = crate::domain::Wanted { reservations: vec![in_first[0].uuid], ..Default::default() };
    let facts = rival.facts(&on, &wanted, soon()).await.expect("facts");
    let cancel = Command { operation: ids::operation(), expected: None, request: Request::Cancel(in_first[0].uuid) };
    let decision = decide(&on.event, &facts, &[cancel], Timestamp::UNIX_EPOCH).expect("decided");
    rival.commit(&on, &decision, ids::head(), soon()).await.expect("committed");
    rival.settler.settle_queue().await.expect("settled");
    let scope = Scope::Partner(PartnerId::parse("acme").expect("a partner"));
    let status = Some(Status::Confirmed);
    let query = ReservationQuery { scope, status, created_from: None, created_to: None, after: None, limit: 9 };
    let confirmed = store.reservations(&query, 9, soon()).await.expect("listed");
    assert_eq!(confirmed.reservations.iter().map(|listed| &listed.id).collect::<Vec<_>>(), [&all[1], &all[2]]);

    store.settler.settle_queue().await.expect("settled");
    assert_eq!(list_of(&store, "acme").await, all, "once, now that it is settled");
    for store in [store, rival] {
        store.close(soon()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_list_that_is_searched_row_by_row_has_what_is_not_settled_on_the_page_where_it_belongs() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("row-by-row"));
    let store = MongoStore::idle(&uri).await.expect("a store");
    let shows = ["show-a", "show-b", "show-c"];
    let mut all = Vec::new();
    for (number, id) in shows.into_iter().enumerate() {
        let show = new_show(&store, id).await;
        let (show, settled) = reserve(&store, &show, 3).await;
        store.settler.settle_queue().await.expect("settled");
        // One that changed, one that is new, and those of an event of which nothing is settled.
        let wanted = crate::domain::Wanted { reservations: vec![settled[1].uuid], ..Default::default() };
        let facts = store.facts(&show, &wanted, soon()).await.expect("facts");
        let cancel = Command { operation: ids::operation(), expected: None, request: Request::Cancel(settled[1].uuid) };
        let decision = decide(&show.event, &facts, &[cancel], Timestamp::UNIX_EPOCH).expect("decided");
        let show = store.commit(&show, &decision, ids::head(), soon()).await.expect("committed");
        let (_, unsettled) = reserve(&store, &show, 2).await;
        all.extend([&settled[0], &settled[2], &unsettled[0], &unsettled[1]].map(ReservationId::clone));
        if number == 1 {
            let between = new_show(&store, "show-bb").await;
            all.extend(reserve(&store, &between, 2).await.1);
        }
    }
    let scope = Scope::Partner(PartnerId::parse("acme").expect("a partner"));
    let status = Some(Status::Confirmed);
    for (rows_max, limit) in [(1, 9), (2, 9), (3, 2), (5, 1), (99, 99)] {
        let mut query =
            ReservationQuery { scope: scope.clone(), status, created_from: None, created_to: None, after: None, limit };
        let mut found = Vec::new();
        loop {
            let page = store.reservations(&query, rows_max, soon()).await.expect("listed");
            assert!(page.next.as_ref().is_none_or(|next| page.reservations.iter().all(|on| Place::of(on) <= *next)));
            found.extend(page.reservations.iter().map(|listed| listed.id.clone()));
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(found, all, "with {rows_max} rows and {limit} reservations a page");
    }
    store.settler.settle_queue().await.expect("settled");
    store.close(soon()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_list_has_what_an_unclear_commit_turned_out_to_have_made() {
    let node = mongod::shared::one_node().await;
    let uri = format!("{}&appName=unclear-commit", node.uri(&mongod::shared::unique_db("unclear")));
    let store = MongoStore::idle(&uri).await.expect("a store");
    let show = new_show(&store, "show").await;
    let partner = PartnerId::parse("acme").expect("a partner");
    let reserve = Reserve::any(ids::reservation(), partner, SeatCount::parse(1, 1).expect("a count"));
    let command = Command { operation: ids::operation(), expected: None, request: Request::Reserve(reserve) };
    let decision = decide(&show.event, &Facts::default(), &[command], Timestamp::UNIX_EPOCH).expect("decided");
    let unacknowledged = doc! {
        "configureFailPoint": "failCommand",
        "mode": { "times": 1 },
        "data": {
            "failCommands": ["findAndModify"],
            "appName": "unclear-commit",
            "writeConcernError": { "code": 64, "errmsg": "waiting for replication timed out" },
        },
    };
    node.node(0).command(unacknowledged).await.expect("set");
    let unclear = store.commit(&show, &decision, ids::head(), soon()).await;
    assert!(matches!(unclear, Err(crate::store::CommitError::Unclear(_))), "{unclear:?}");
    let found = store.load(&show.event.id, soon()).await.expect("loaded").expect("it is there");
    assert!(store.prove(&show.event.id, found.base(), soon()).await.expect("proven"), "it was made after all");
    assert_eq!(list_of(&store, "acme").await.len(), 1, "what was proven to be made is not listed");
    store.settler.settle_queue().await.expect("settled");
    store.close(soon()).await;
}

fn settler_on(deployment: &Arc<Deployment>) -> Settler {
    let prover = Arc::new(Prover::new(ids::process()));
    Settler { deployment: deployment.clone(), prover, journals: Arc::default(), unreadable: Mutex::default() }
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(mongod::process::POLL).await;
    }
}

async fn new_show(store: &MongoStore, id: &str) -> Snapshot {
    let id = EventId::parse(id).expect("a good id");
    let name = crate::domain::EventName::parse("A show").expect("a name");
    let event = crate::domain::Event::open(id, name, 100, ids::id_salt());
    store.create(&event, ids::head(), soon()).await.expect("created");
    store.load(&event.id, soon()).await.expect("loaded").expect("it is there")
}

async fn reserve(store: &MongoStore, on: &Snapshot, count: usize) -> (Snapshot, Vec<ReservationId>) {
    reserve_as(store, on, "acme", count).await
}

/// Commits some reservations of one partner at once.
async fn reserve_as(store: &MongoStore, on: &Snapshot, partner: &str, count: usize) -> (Snapshot, Vec<ReservationId>) {
    let command = || {
        let partner = PartnerId::parse(partner).expect("a partner");
        let reserve = Reserve::any(ids::reservation(), partner, SeatCount::parse(1, 1).expect("a count"));
        Command { operation: ids::operation(), expected: None, request: Request::Reserve(reserve) }
    };
    let commands: Vec<_> = (0..count).map(|_| command()).collect();
    let decision = decide(&on.event, &Facts::default(), &commands, Timestamp::UNIX_EPOCH).expect("decided");
    let after = store.commit(on, &decision, ids::head(), soon()).await.expect("committed");
    (after, decision.reservations().map(|reservation| reservation.id.clone()).collect())
}

fn entry(event_id: &EventId, uuid: Uuid, status: Status) -> Entry {
    let version = if status == Status::Confirmed { Version(1) } else { Version(2) };
    let operation = Operation {
        id: OperationId::Minted(uuid),
        kind: OperationKind::Reserve,
        version: Version(1),
        status: Status::Confirmed,
        expires_at: None,
        waitlist_position: None,
        at: None,
        promoted: Vec::new(),
    };
    let reservation = Arc::new(Reservation {
        id: ReservationId { event_id: event_id.clone(), uuid },
        partner_id: PartnerId::parse("acme").expect("a good partner"),
        seats: SeatCount::parse(1, 1).expect("a good count"),
        seat_ids: Arc::default(),
        status,
        version,
        created_version: Version(1),
        created_at: Timestamp::UNIX_EPOCH,
        hold: None,
        expires_at: None,
        fingerprint: None,
        operations: vec![operation],
    });
    let raw = ReservationDocument::raw(&reservation).expect("a reservation has a document");
    Entry { reservation, raw }
}
