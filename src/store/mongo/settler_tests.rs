//! Settling against another settler that is slower, on a real server.

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{Operation, OperationId, OperationKind, PartnerId, Reservation, ReservationId, SeatCount, Status},
    ids,
    store::mongo::{documents::EventDocument, mongod},
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
    let settler = Settler { deployment: deployment.clone(), journals: Arc::default(), unreadable: Mutex::default() };

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
    let settler = Settler { deployment: deployment.clone(), journals: Arc::default(), unreadable: Mutex::default() };
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
    let unsettled = Unsettled { event_id: event_id.clone(), key: Version(1), entries };
    // The sweep saw the commit before its own process had the acknowledgement.
    settler.journals.enqueue(unsettled.clone());
    settler.journals.enqueue(unsettled);
    settler.settle_queue().await.expect("settled");
    let keys = settler.journals.settled_keys(&event_id);
    let trimmed = settler.trim_event(&event_id, &keys).await;
    assert!(matches!(trimmed, Ok(true)), "{keys:?}: {trimmed:?}");
    deployment.shutdown().await;
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
