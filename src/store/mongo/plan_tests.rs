use std::time::Duration;

use bson::Bson;
use tokio::time::Instant;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{Operation, OperationId, OperationKind, SeatCount},
    store::mongo::{
        deployment::{Concern, Deployment, write_errors},
        documents::{EventDocument, PlaceDocument, ReservationDocument},
        mongod, schema,
    },
};

/// Reservations of each event: enough for a plan that looks at all of them to be seen.
const RESERVATIONS_OF_EVENT: i64 = 400;
const PARTNERS: i64 = 10;
const STATUSES: [Status; 4] = [Status::Confirmed, Status::Waitlisted, Status::Held, Status::Cancelled];
/// Rows that are asked for.
const LIMIT: usize = 10;
/// A few keys more than rows: each further range of an index costs one to come to its end.
const SPARE: i64 = 5;

/// What the server did for a query.
#[derive(Debug)]
struct Plan {
    indexes: Vec<String>,
    stages: Vec<String>,
    keys: i64,
    documents: i64,
    rows: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_is_served_by_its_index() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("plans"));
    let deployment = Deployment::connect(&uri).await.expect("a good connection string");
    schema::prepare(&deployment, soon()).await.expect("a fresh database");
    let shows = ["show-a", "show-b", "show-c"].map(|id| EventId::parse(id).expect("an id"));
    for show in &shows {
        fill(&deployment, show).await;
    }
    let show = &shows[1];

    let front = |what: &str, plan: &Plan, index: &str| {
        assert_eq!(plan.indexes, [index], "{what}: {plan:?}");
        assert!(plan.rows > 0 && plan.keys <= plan.rows + SPARE, "{what}: {plan:?}");
        assert!(!plan.stages.iter().any(|stage| stage == "SORT" || stage == "COLLSCAN"), "{what}: {plan:?}");
    };
    let (waiting, held) = (reservation(show, 101), reservation(show, 102));
    for (what, query, index) in [
        ("the waitlist", Waitlist(show).page(None, LIMIT), WAITLIST),
        ("more of the waitlist", Waitlist(show).page(Some(&waiting), LIMIT), WAITLIST),
        ("the holds", Holds(show).page(None, LIMIT), HOLDS),
        ("more of the holds", Holds(show).page(Some(&held), LIMIT), HOLDS),
        ("due events", due(at(2), None, LIMIT), DUE),
        ("due events after a place", due(at(2), Some(&DuePlace { at: at(1), id: "show".to_owned() }), LIMIT), DUE),
    ] {
        front(what, &explain(&deployment, query).await, index);
    }

    let partner = |number: i64| PartnerId::parse(&format!("partner-{number}")).expect("a partner");
    let partners = [partner(1), partner(7)];
    let plan = explain(&deployment, Active::new(show, &partners).all()).await;
    assert_eq!(plan.indexes, [BY_PARTNER], "{plan:?}");
    assert!(plan.keys <= 2 * RESERVATIONS_OF_EVENT / PARTNERS + SPARE, "{plan:?}");

    for (scope, index) in [
        (Scope::Event(show.clone()), BY_PLACE),
        (Scope::PartnerOfEvent(partner(1), show.clone()), BY_PARTNER),
        (Scope::Partner(partner(1)), BY_PARTNER),
    ] {
        let first = list(scope.clone());
        let page =
            |query: &ReservationQuery, until: Option<Place>| Stretch { query, until, by: By::Place }.page(None, LIMIT);
        let from = ReservationQuery { created_from: Some(at(20)), created_to: Some(at(39)), ..first.clone() };
        // In the middle of those that were made at the same time.
        let after = reservation(show, 101);
        let next = ReservationQuery { after: Some(Place::of(&after)), ..first.clone() };
        let in_range = ReservationQuery { after: Some(Place::of(&after)), ..from.clone() };
        for query in [first, from, next, in_range] {
            if query.passes_over() {
                // Only a partner's list of all events with times: they stand behind the events in its index.
                assert!(matches!(query.scope, Scope::Partner(_)) && query.created_from.is_some(), "{query:?}");
                continue;
            }
            front(&format!("{query:?}"), &explain(&deployment, page(&query, None)).await, index);
        }
        for after in [None, Some(Place::of(&reservation(show, 101)))] {
            let rare = ReservationQuery { status: Some(Status::Expired), after, ..list(scope.clone()) };
            let rows = 20;
            let plan = explain(&deployment, rare.place_after(rows)).await;
            assert_eq!((plan.indexes.as_slice(), plan.documents), (&[index.to_owned()][..], 0), "{plan:?}");
            assert!(plan.rows == 1 && plan.keys <= i64::try_from(rows).expect("few") + SPARE, "{plan:?}");
            let until = place_of(&deployment, &rare, rows).await;
            // Nobody has this status, so all up to the place are looked at, and no more.
            let plan = explain(&deployment, page(&rare, Some(until))).await;
            assert_eq!(plan.indexes, [index], "{plan:?}");
            assert!(!plan.stages.iter().any(|stage| stage == "SORT"), "{plan:?}");
            let looked_at = i64::try_from(rows).expect("few")..=i64::try_from(rows).expect("few") + SPARE;
            assert!(plan.rows == 0 && looked_at.contains(&plan.keys), "{plan:?}");
        }
    }
    let plan = explain(&deployment, count_of_status(show, Status::Waitlisted, WAITLIST, 10)).await;
    assert!(plan.indexes == [WAITLIST] && plan.documents == 0 && plan.keys <= 10 + SPARE, "{plan:?}");

    let plan = explain(&deployment, waiting_before(show, Version(301), &[Version(101), Version(201)], 1_000)).await;
    assert_eq!((plan.indexes.as_slice(), plan.documents), (&[WAITLIST.to_owned()][..], 0), "{plan:?}");
    assert!(plan.keys <= 75 + SPARE, "{plan:?}");
    let joined = [Version(101), Version(201), Version(301)];
    let plan = explain(&deployment, waiting_between(show, &joined, &[Version(101)], 1_000)).await;
    assert_eq!((plan.indexes.as_slice(), plan.documents), (&[WAITLIST.to_owned()][..], 0), "{plan:?}");
    assert!(plan.keys <= 75 + SPARE, "{plan:?}");
    let plan = explain(&deployment, waiting_before(show, Version(301), &[], 20)).await;
    assert!(plan.documents == 0 && plan.keys <= 20 + SPARE, "{plan:?}");
    deployment.shutdown().await;
}

async fn place_of(deployment: &Deployment, query: &ReservationQuery, rows: usize) -> Place {
    let found = deployment.read(query.place_after(rows), Concern::Majority, soon()).await.expect("a place");
    PlaceDocument::read(found.into_iter().next().expect("so many rows")).expect("readable")
}

fn list(scope: Scope) -> ReservationQuery {
    ReservationQuery { scope, status: None, created_from: None, created_to: None, after: None, limit: LIMIT }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).expect("a good time")
}

/// The reservation that is made at this version: ten at each millisecond.
fn reservation(event_id: &EventId, version: i64) -> Reservation {
    let status = STATUSES[usize::try_from(version % 4).expect("a small number")];
    let uuid = Uuid::from_u128(u128::try_from(version).expect("a positive number"));
    let operation = Operation {
        id: OperationId::Minted(uuid),
        kind: OperationKind::Reserve,
        version: Version(version),
        status,
        expires_at: None,
        waitlist_position: None,
        at: None,
        promoted: Vec::new(),
    };
    Reservation {
        id: ReservationId { event_id: event_id.clone(), uuid },
        partner_id: PartnerId::parse(&format!("partner-{}", version / 4 % PARTNERS)).expect("a partner"),
        seats: SeatCount::parse(1, 1).expect("a count"),
        seat_ids: std::sync::Arc::default(),
        status,
        version: Version(version),
        created_version: Version(version),
        created_at: at(version / 10),
        hold: None,
        expires_at: (status == Status::Held).then(|| at(version / 10)),
        fingerprint: None,
        operations: vec![operation],
    }
}

async fn fill(deployment: &Deployment, event_id: &EventId) {
    let mut reservations = RawArrayBuf::new();
    for version in 1..=RESERVATIONS_OF_EVENT {
        reservations.push(ReservationDocument::raw(&reservation(event_id, version)).expect("a document"));
    }
    insert(deployment, RESERVATIONS, reservations).await;
    let mut events = RawArrayBuf::new();
    for number in 0..50 {
        let id = EventId::parse(&format!("{event_id}-{number}")).expect("an id");
        let name = crate::domain::EventName::parse("A show").expect("a name");
        let mut event = crate::domain::Event::open(id, name, 10, crate::domain::IdSalt([1; 32]));
        event.due_at = (number % 5 > 0).then(|| at(number % 5));
        let head = crate::domain::Head(Uuid::nil());
        events.push(bson::serialize_to_raw_document_buf(&EventDocument::new(&event, head)).expect("a document"));
    }
    insert(deployment, EVENTS, events).await;
}

async fn insert(deployment: &Deployment, collection: &str, documents: RawArrayBuf) {
    let reply = deployment.write(rawdoc! { "insert": collection, "documents": documents }, soon()).await;
    let refused = write_errors(&reply.expect("written")).expect("readable");
    assert!(refused.is_empty(), "{refused:?}");
}

async fn explain(deployment: &Deployment, query: RawDocumentBuf) -> Plan {
    let explained = deployment.run(rawdoc! { "explain": query, "verbosity": "executionStats" }, soon()).await;
    let explained = explained.expect("the server explains");
    // What an aggregation begins with stands in its first stage, unless all of it is done there.
    let explained = explained
        .get_array("stages")
        .ok()
        .and_then(|stages| stages.first()?.as_document()?.get_document("$cursor").ok())
        .unwrap_or(&explained);
    let planner = explained.get_document("queryPlanner").expect("a plan");
    let winner = Bson::from(planner.get_document("winningPlan").expect("a winning plan").clone());
    let mut indexes = values_of("indexName", &winner);
    indexes.sort();
    indexes.dedup();
    let stats = explained.get_document("executionStats").expect("statistics");
    let number = |name: &str| match stats.get(name) {
        Some(Bson::Int32(number)) => i64::from(*number),
        Some(Bson::Int64(number)) => *number,
        other => panic!("{name} is {other:?}"),
    };
    Plan {
        indexes,
        stages: values_of("stage", &winner),
        keys: number("totalKeysExamined"),
        documents: number("totalDocsExamined"),
        rows: number("nReturned"),
    }
}

/// The values of all fields of this name, however deep.
fn values_of(name: &str, value: &Bson) -> Vec<String> {
    match value {
        Bson::Document(document) => {
            let own = document.get_str(name).ok().map(str::to_owned);
            own.into_iter().chain(document.values().flat_map(|value| values_of(name, value))).collect()
        }
        Bson::Array(items) => items.iter().flat_map(|value| values_of(name, value)).collect(),
        _ => Vec::new(),
    }
}
