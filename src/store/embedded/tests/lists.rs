//! The indexes say what the documents say, whatever was done; and halls cost what changed in them.

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroU32,
};

use jiff::SignedDuration;
use redb::{ReadableDatabase, ReadableTable};

use super::*;
use crate::{
    domain::{Amend, Hall, HoldSeconds, Row, RowLabel, SeatMap, Status, Undecided, Wanted, facts_needed},
    store::embedded::{
        documents,
        keys::{self, Key},
        listed::Listed,
        state::State,
        tables::{ACTIVE, DUE, EVENTS, HOLDS, Index, MADE, RECENT, RESERVATIONS, STATES, WAITLIST},
    },
};

#[tokio::test]
async fn after_every_commit_the_indexes_say_what_the_documents_say() {
    let disk = Disk::new();
    let store = disk.store();
    let mut shows = [show(&store, "matinee").await, show(&store, "evening").await];
    let mut now = clock().now();
    // A fixed sequence that comes by every kind of step, with several of them on one reservation in a batch.
    let mut random = 1_u64;
    let mut dice = move |sides: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % sides
    };
    let (mut seen, mut limits) = (BTreeMap::new(), 0);
    let mut uuids = Vec::new();
    let partners = ["acme", "acme corp"].map(|name| PartnerId::parse(name).expect("a partner"));
    for round in 0..200 {
        let snapshot = &mut shows[round % 2];
        let mut commands = Vec::new();
        // Few and many at once are written in different ways.
        for _ in 0..=dice(if round % 5 < 2 { 16 } else { 4 }) {
            let known = uuids.get(usize::try_from(dice(1 + uuids.len() as u64)).expect("few")).copied();
            let request = match (dice(7), known) {
                (0 | 1, Some(uuid)) => Request::Cancel(uuid),
                (2, Some(uuid)) => Request::Confirm(uuid),
                (3, _) => {
                    let total_seats = Some(snapshot.event.taken_seats() + u32::try_from(dice(4)).expect("few"));
                    Request::Amend(Box::new(Amend { total_seats, ..Amend::default() }))
                }
                (4, _) => {
                    // None at all, one so strict that it refuses some, or one that nobody meets.
                    let max = NonZeroU32::new([0, 9, 99][usize::try_from(dice(3)).expect("few")]);
                    Request::Amend(Box::new(Amend { seats_per_partner_max: Some(max), ..Amend::default() }))
                }
                _ => {
                    let minted = ids::reservation();
                    uuids.push(minted);
                    let partner = partners[usize::try_from(dice(2)).expect("few")].clone();
                    let seats = SeatCount::parse(1 + u32::try_from(dice(3)).expect("few"), 10).expect("a count");
                    let mut reserve = Reserve::any(minted, partner, seats);
                    reserve.waitlist = dice(3) > 0;
                    reserve.hold = (dice(2) > 0)
                        .then(|| HoldSeconds::parse(1 + u32::try_from(dice(9)).expect("few"), 10).expect("seconds"));
                    Request::Reserve(reserve)
                }
            };
            commands.push(Command { operation: ids::operation(), expected: None, request });
        }
        let limited = snapshot.event.quotas.limit_partners();
        *snapshot = take(&store, snapshot, &commands, now).await;
        limits += i32::from(snapshot.event.quotas.limit_partners() != limited);
        now += SignedDuration::from_millis(700);
        let reservations = check_indexes(&disk);
        for partner_id in &partners {
            let wanted = Wanted { partners: vec![partner_id.clone()], ..Wanted::default() };
            let facts = store.facts(snapshot, &wanted, soon()).await.expect("facts");
            let known: HashSet<_> =
                facts.partners[partner_id].iter().map(|reservation| reservation.id.clone()).collect();
            let has = |made: &&Reservation| made.partner_id == *partner_id && made.status.is_active();
            let of_event = reservations.iter().filter(|made| made.id.event_id == snapshot.event.id);
            assert_eq!(known, of_event.filter(has).map(|made| made.id.clone()).collect(), "what {partner_id:?} has");
        }
        for reservation in reservations {
            *seen.entry(reservation.status.as_str()).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.len(), Status::ALL.len(), "every status was seen: {seen:?}");
    assert!(limits > 10, "limits came and went {limits} times");
}

/// Decides and commits as the service does.
pub(super) async fn take(store: &EmbeddedStore, snapshot: &Snapshot, commands: &[Command], now: Timestamp) -> Snapshot {
    let mut wanted = facts_needed(&snapshot.event, commands, now, false);
    loop {
        let facts = store.facts(snapshot, &wanted, soon()).await.expect("facts");
        match decide(&snapshot.event, &facts, commands, now) {
            Ok(decision) => return store.commit(snapshot, &decision, ids::head(), soon()).await.expect("a commit"),
            Err(Undecided::Missing(missing)) => wanted.extend(missing),
            Err(why) => panic!("{why}"),
        }
    }
}

/// Compares every index with what the documents say, and returns the reservations.
pub(super) fn check_indexes(disk: &Disk) -> Vec<Reservation> {
    // A look of its own, past what the store reads and keeps.
    let database = disk.copy();
    let reading = database.begin_read().expect("a state");
    let (mut due, mut limited) = (Vec::new(), HashSet::new());
    let states = reading.open_table(STATES).expect("a table");
    for row in reading.open_table(EVENTS).expect("a table").iter().expect("rows") {
        let (id, document) = row.expect("a row");
        let id = EventId::parse(id.value()).expect("an id");
        let state = states.get(id.as_str()).expect("a read").expect("a state for every document");
        let state = State::read(&id, state.value()).expect("a state");
        let event = documents::event(&id, document.value(), &state).expect("a document").event;
        assert_eq!(event.quotas.limit_partners(), state.limits_partners);
        due.extend(event.due_at.map(|due_at| keys::due(due_at, &id).bytes().to_vec()));
        if event.quotas.limit_partners() {
            limited.insert(id);
        }
    }
    due.sort();
    let listed = reading.open_table(DUE).expect("a table");
    let listed: Vec<_> = listed.iter().expect("rows").map(|row| row.expect("a row").0.value().to_vec()).collect();
    assert_eq!(listed, due);

    let mut made = BTreeMap::new();
    let mut expected: [BTreeMap<Vec<u8>, u128>; 3] = Default::default();
    let mut reservations = Vec::new();
    for row in reading.open_table(RESERVATIONS).expect("a table").iter().expect("rows") {
        let (key, document) = row.expect("a row");
        let id = document_id(key.value());
        let found = documents::reservation(id, document.value()).expect("a document");
        let uuid = found.id.uuid.as_u128();
        let key = Key::of_event(&found.id.event_id).then_place(found.created_at, found.created_version);
        made.insert(key.bytes().to_vec(), (found.status, found.id.uuid, found.partner_id.as_str().to_owned()));
        let place = keys::enrolled(&found.id.event_id, found.status, found.expires_at, found.created_version);
        if let Some((roll, key)) = place {
            expected[roll as usize].insert(key.bytes().to_vec(), uuid);
        }
        if found.status.is_active() && limited.contains(&found.id.event_id) {
            let key = keys::active(&found.id.event_id, found.partner_id.as_str(), found.created_version);
            expected[2].insert(key.bytes().to_vec(), uuid);
        }
        reservations.push(found);
    }
    let table = reading.open_table(MADE).expect("a table");
    let rows = table.iter().expect("rows").map(|row| row.expect("a row"));
    let mut listed: BTreeMap<_, _> = rows.map(|(key, row)| (key.value().to_vec(), row.value().to_vec())).collect();
    for row in reading.open_table(RECENT).expect("a table").iter().expect("rows") {
        let (_, row) = row.expect("a row");
        let (key, row) = keys::split_listed(row.value()).expect("a row of ours");
        listed.insert(key.to_vec(), row.to_vec());
    }
    let read = |row: &Vec<u8>| {
        let listed = Listed::read(row).expect("a row of ours");
        (listed.status, listed.uuid, listed.partner_id.to_owned())
    };
    assert_eq!(listed.iter().map(|(key, row)| (key.clone(), read(row))).collect::<BTreeMap<_, _>>(), made);
    let rows = |index: Index| -> BTreeMap<Vec<u8>, u128> {
        let table = reading.open_table(index).expect("a table");
        let rows = table.iter().expect("rows").map(|row| row.expect("a row"));
        rows.map(|(key, uuid)| (key.value().to_vec(), uuid.value())).collect()
    };
    assert_eq!([WAITLIST, HOLDS, ACTIVE].map(rows), expected);
    reservations
}

/// Whose document lies at this key.
fn document_id(key: &[u8]) -> ReservationId {
    let (event, uuid) = match key.split_first() {
        Some((b'm', rest)) => (&rest[16..], &rest[..16]),
        Some((b'k', rest)) => rest.split_at(rest.len() - 16),
        _ => panic!("no key of ours: {key:?}"),
    };
    let event_id = EventId::parse(str::from_utf8(event).expect("text").trim_end_matches('\0')).expect("an id");
    let id = ReservationId { event_id, uuid: uuid::Uuid::from_slice(uuid).expect("a uuid") };
    assert_eq!(Key::of_document(&id).bytes(), key);
    id
}

/// An event with three blocks of seats.
async fn hall(store: &EmbeddedStore) -> Snapshot {
    let row = |number: u8| Row { label: RowLabel::parse(&format!("{number}R")).expect("a label"), seats: 1_000 };
    let map = Arc::new(SeatMap::new((0..10).map(row).collect(), Vec::new()).expect("a map"));
    let id = EventId::parse("opera").expect("an id");
    let event = Event::open_mapped(id.clone(), EventName::parse("An opera").expect("a name"), &map, IdSalt([7; 32]));
    assert_eq!(store.create(&event, ids::head(), soon()).await.expect("it is made"), Creation::Created);
    load(store, &id).await
}

#[tokio::test]
async fn a_commit_writes_the_blocks_of_a_hall_that_it_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir).expect("a store");
    let before = hall(&store).await;
    let made = Rows::of_new(&before.event, ids::head());
    assert_eq!((made.blocks.len(), made.seat_map.is_some()), (3, true));
    let (decision, head) = decided(&before, "order-1");
    let rows = Rows::of_decision(&before.event, &decision, head);
    assert_eq!((rows.blocks.len(), rows.seat_map.is_some()), (1, false), "two seats of the first row are in one block");
    let amended = Command {
        operation: ids::operation(),
        expected: None,
        request: Request::Amend(Box::new(Amend {
            seats_per_reservation_max: Some(NonZeroU32::new(4)),
            ..Amend::default()
        })),
    };
    let decision = decide(&before.event, &Facts::default(), [&amended], clock().now()).expect("a sound event");
    assert!(Rows::of_decision(&before.event, &decision, head).blocks.is_empty(), "nobody took a seat");
}

#[tokio::test]
async fn a_hall_is_shown_as_it_lasts_and_its_seat_map_is_read_once() {
    let disk = Disk::new();
    let store = Arc::new(disk.store());
    let before = hall(&store).await;
    let sold = |event: &Event| event.hall.as_ref().map_or(0, Hall::sold);
    disk.hold();
    let committing = in_background(&store, &before);
    disk.held().await;
    assert_eq!(sold(&load(&store, &before.event.id).await.event), 0, "before the disk has it");
    disk.release();
    let after = committing.await.expect("no panic").expect("a commit").0;
    let shown = load(&store, &before.event.id).await;
    assert_eq!((sold(&shown.event), &shown.event), (2, &after.event));

    disk.fail_after(3);
    reserve(&store, &after, "order-2").await.expect_err("the disk fails");
    disk.heal();
    ready_again(&store).await;
    let shown = load(&store, &before.event.id).await;
    let expected = if shown.base() == after.base() { 2 } else { 4 };
    assert_eq!(sold(&shown.event), expected, "whichever state lasts, its seats go with it");

    let hall = shown.event.hall.expect("a hall");
    assert!(Arc::ptr_eq(hall.map(), before.event.hall.as_ref().expect("a hall").map()), "one seat map in memory");
}
