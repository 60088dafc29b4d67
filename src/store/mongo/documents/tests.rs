use std::{num::NonZeroU32, sync::Arc};

use bson::{Binary, Bson, doc, spec::BinarySubtype};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        Currency, Description, Details, Event, EventId, EventName, EventOperation, Fingerprint, Head, HoldSeconds,
        IdSalt, Location, Moment, Operation, OperationKind, PartnerId, Price, Quotas, Reservation, ReservationId, Row,
        RowLabel, Sales, SeatCount, SeatId, SeatMap, SeatState, Status, Version, strategies,
    },
    store::{Damage, mongo::seat_maps::SeatMaps},
};

const HEAD: Head = Head(Uuid::from_u128(7));

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).expect("a good time")
}

fn show(salt: u8) -> Event {
    let id = EventId::parse("show").expect("an id");
    Event::open(id, EventName::parse("A show").expect("a name"), 10, IdSalt([salt; 32]))
}

/// An event in which every field says something.
fn full_event() -> Event {
    let label = |text| RowLabel::parse(text).expect("a label");
    let seat = |text| SeatId::parse(text).expect("a seat");
    let rows = vec![Row { label: label("B"), seats: 1_000 }, Row { label: label("A"), seats: 1 }];
    let map = Arc::new(SeatMap::new(rows, vec![seat("B3"), seat("A1")]).expect("a map"));
    let mut event = Event::open_mapped(show(1).id, show(1).name, &map, IdSalt([1; 32]));
    let hall = event.hall.as_mut().expect("a hall");
    hall.change(&[seat("B1"), seat("B1000")], SeatState::Free, SeatState::Sold).expect("free seats");
    hall.change(&[seat("B2")], SeatState::Free, SeatState::Held).expect("a free seat");
    event.details = Arc::new(Details {
        description: Description::parse("Two talks.\nThen $pizza.").ok(),
        starts_at: Moment::from_millisecond(1_900_000_000_123),
        location: Location::parse("Hall 3").ok(),
        price: Some(Price { amount: u32::MAX, currency: Currency::parse("EUR").expect("a currency") }),
    });
    event.quotas = Quotas {
        seats_per_reservation_max: NonZeroU32::new(4),
        seats_per_partner_max: NonZeroU32::new(u32::MAX),
        reservations_per_partner_max: NonZeroU32::new(1),
    };
    event.sales = Sales::Closed;
    (event.available_seats, event.confirmed_seats, event.held_seats) = (996, 2, 1);
    (event.reservation_count, event.hold_count, event.waitlist_count) = (2, 1, 5);
    event.version = Version(9);
    event.due_at = Some(at(1_900_000_000_001));
    for (id, fingerprint) in [
        (OperationId::Key(IdempotencyKey::parse("$key.1").expect("a key")), Some(Fingerprint(Uuid::from_u128(3)))),
        (OperationId::Minted(Uuid::from_u128(4)), None),
    ] {
        event.operations.push(EventOperation { id, fingerprint, answer: event.summary() });
    }
    event
}

fn full_reservation(status: Status) -> Reservation {
    let operation = |id, kind, version, status, expires_at, waitlist_position| Operation {
        id,
        kind,
        version: Version(version),
        status,
        expires_at,
        waitlist_position,
        at: (kind != OperationKind::Reserve).then(|| at(1_900_000_000_002)),
        promoted: if kind == OperationKind::Cancel { vec![Uuid::from_u128(7)] } else { Vec::new() },
    };
    let key = OperationId::Key(IdempotencyKey::parse("order-1").expect("a key"));
    let expires_at = Some(at(1_900_000_000_001));
    Reservation {
        id: ReservationId { event_id: show(1).id, uuid: Uuid::from_u128(5) },
        partner_id: PartnerId::parse("$acme.é").expect("a partner"),
        seats: SeatCount::parse(2, 2).expect("a count"),
        seat_ids: ["B1", "B1000"].map(|text| SeatId::parse(text).expect("a seat")).into(),
        status,
        version: Version(8),
        created_version: Version(3),
        created_at: at(1_800_000_000_999),
        hold: HoldSeconds::parse(u32::MAX, u32::MAX).ok(),
        expires_at,
        fingerprint: Some(Fingerprint(Uuid::from_u128(6))),
        operations: vec![
            operation(key, OperationKind::Reserve, 3, Status::Waitlisted, None, Some(u32::MAX)),
            operation(OperationId::Unasked, OperationKind::Promote, 7, Status::Held, expires_at, None),
            operation(OperationId::Minted(Uuid::from_u128(8)), OperationKind::Confirm, 8, status, None, None),
        ],
    }
}

fn document(event: &Event) -> Document {
    let raw = bson::serialize_to_raw_document_buf(&EventDocument::new(event, HEAD)).expect("an event has a document");
    Document::try_from(raw).expect("a document")
}

#[test]
fn an_event_comes_back_as_it_was() {
    for event in [show(1), full_event()] {
        event.check().expect("a sound event");
        let read = EventDocument::read(document(&event), &SeatMaps::default(), &Damage::default())
            .expect("readable")
            .expect("whole");
        assert_eq!((read.event, read.head, read.journal.entry_count()), (event, HEAD, 0));
    }
}

#[test]
fn a_query_asks_for_every_field_of_an_event_but_the_journal() {
    let mut asked = Beside { seat_map: true, journal_keys: true }.projection();
    asked.append(bson::raw::cstr!("journal"), 1);
    let asked = Document::try_from(asked).expect("a document");
    for field in document(&full_event()).keys() {
        assert!(asked.contains_key(field), "{field} would be missing from every event that is loaded");
    }
}

#[test]
fn a_journal_is_counted_by_its_keys() {
    let mut event = document(&show(1));
    event.insert("journalKeys", vec![doc! { "key": "7", "entries": 2 }, doc! { "key": "12", "entries": 3 }]);
    let read =
        EventDocument::read(event.clone(), &SeatMaps::default(), &Damage::default()).expect("readable").expect("whole");
    assert_eq!((read.journal.versions().collect(), read.journal.entry_count()), (vec![Version(7), Version(12)], 5));
    assert_eq!(read.journal.entries(), None, "what was only counted is not known");

    for broken in [doc! { "key": "7", "entries": Bson::Null }, doc! { "key": "seven", "entries": 2 }] {
        event.insert("journalKeys", vec![broken]);
        let read = EventDocument::read(event.clone(), &SeatMaps::default(), &Damage::default());
        assert!(matches!(read, Err(StoreError::Unreadable(_))), "{read:?}");
    }
}

#[test]
fn a_reservation_comes_back_as_it_was() {
    let plain = Reservation {
        seat_ids: Arc::default(),
        hold: None,
        expires_at: None,
        fingerprint: None,
        ..full_reservation(Status::Confirmed)
    };
    for reservation in Status::ALL.map(full_reservation).into_iter().chain([plain]) {
        let raw = ReservationDocument::raw(&reservation).expect("a reservation has a document");
        let document = Document::try_from(raw.clone()).expect("a document");
        assert_eq!(ReservationDocument::read(document).expect("readable"), reservation);

        let packed = Document::try_from(pack([&*raw, &raw].into_iter(), "process")).expect("a document");
        let event = doc! { "_id": "show", "format": FORMAT, "journal": { "8": packed } };
        let journal = JournalDocument::read(event, |_| true).expect("readable");
        let reservation = Arc::new(reservation);
        assert_eq!(*journal[&Version(8)], [reservation.clone(), reservation]);
    }
}

#[test]
fn a_journal_that_is_damaged_is_refused_and_named() {
    let raw = ReservationDocument::raw(&full_reservation(Status::Held)).expect("a reservation has a document");
    let whole = Document::try_from(pack([&*raw].into_iter(), "process")).expect("a document");
    let Some(Bson::Binary(packed)) = whole.get("packed").cloned() else { panic!("{whole}") };
    let with = |packed: Binary| doc! { "entries": 1, "packed": packed };
    let one_less = &raw.as_bytes()[..raw.as_bytes().len() - 1];
    let two = [raw.as_bytes(), raw.as_bytes()].concat();
    for damaged in [
        with(Binary { bytes: lz4_flex::block::compress_prepend_size(one_less), ..packed.clone() }),
        with(Binary { bytes: lz4_flex::block::compress_prepend_size(&two), ..packed.clone() }),
        with(Binary { bytes: [&u32::MAX.to_le_bytes()[..], &packed.bytes[4..]].concat(), ..packed.clone() }),
        with(Binary { bytes: packed.bytes[..packed.bytes.len() - 9].to_vec(), ..packed.clone() }),
        with(Binary { bytes: Vec::new(), ..packed.clone() }),
        with(Binary { subtype: BinarySubtype::Generic, ..packed.clone() }),
        doc! { "entries": 2, "packed": packed },
    ] {
        let event = doc! { "_id": "show", "format": FORMAT, "journal": { "8": damaged } };
        let why = JournalDocument::read(event, |_| true).expect_err("it is damaged").to_string();
        assert!(why.contains("events show: journal.8: "), "{why}");
    }
}

#[test]
fn what_says_nothing_is_left_out() {
    let event = document(&show(1));
    for field in ["details", "quotas", "dueAt", "seatMap", "seats", "operations"] {
        assert!(!event.contains_key(field), "{field} stands in the document of an event that has none");
    }
    let mut reservation = full_reservation(Status::Waitlisted);
    reservation.seat_ids = Arc::default();
    (reservation.hold, reservation.expires_at, reservation.fingerprint) = (None, None, None);
    let raw = ReservationDocument::raw(&reservation).expect("a reservation has a document");
    for field in ["seatIds", "hold", "expiresAt", "fingerprint"] {
        assert!(raw.get(field).expect("readable").is_none(), "{field} stands in a document without one");
    }
}

#[test]
fn what_only_sums_up_an_event_is_its_summary() {
    for event in [show(1), full_event()] {
        let mut document = document(&event);
        document.insert("hasSeatMap", document.contains_key("seats"));
        assert_eq!(SummaryDocument::read(document).expect("readable"), event.summary());
    }
}

#[test]
fn a_layout_is_read_once_for_each_event_of_an_id() {
    let event = full_event();
    let without_map = |event: &Event| {
        let mut document = document(event);
        document.remove("seatMap").expect("it has one");
        document
    };
    let maps = SeatMaps::default();
    assert_eq!(
        EventDocument::read(without_map(&event), &maps, &Damage::default()).expect("readable").map(|read| read.event),
        None
    );
    let first = EventDocument::read(document(&event), &maps, &Damage::default()).expect("readable").expect("whole");
    let second = EventDocument::read(without_map(&event), &maps, &Damage::default())
        .expect("readable")
        .expect("the layout is known");
    assert_eq!(second.event, event);
    let [first, second] = [&first, &second].map(|read| read.event.hall.as_ref().expect("a hall").map());
    assert!(Arc::ptr_eq(first, second), "the layout was made twice");

    let other = Event { id_salt: IdSalt([2; 32]), ..event };
    assert_eq!(
        EventDocument::read(without_map(&other), &maps, &Damage::default()).expect("readable").map(|read| read.event),
        None
    );
}

#[test]
fn what_no_rule_has_written_is_refused_by_name() {
    let refused = |change: &dyn Fn(&mut Document)| {
        let mut document = document(&full_event());
        change(&mut document);
        EventDocument::read(document, &SeatMaps::default(), &Damage::default())
            .expect_err("it must be refused")
            .to_string()
    };
    for (why, change) in [
        ("format 1", &(|event: &mut Document| drop(event.insert("format", 1))) as &dyn Fn(&mut Document)),
        ("add up", &|event| drop(event.insert("heldSeats", 0))),
        ("seats must have block 0", &|event| drop(event.insert("seats", doc! {}))),
        ("details.location", &|event| drop(event.insert("details", doc! { "location": " " }))),
        ("seatMap", &|event| drop(event.insert("seatMap", doc! { "rows": [] }))),
    ] {
        let found = refused(change);
        assert!(found.contains(why) && found.contains("events show"), "{found}");
    }
}

proptest! {
    #[test]
    fn every_event_is_read_back_as_it_was_written(event in strategies::event()) {
        let raw = bson::serialize_to_raw_document_buf(&EventDocument::new(&event, HEAD)).expect("an event has a document");
        prop_assert_eq!(check_event(&event, &raw), Ok(()));
        let read = EventDocument::read(document(&event), &SeatMaps::default(), &Damage::default());
        prop_assert_eq!(read.expect("readable").expect("whole").event, event);
    }

    #[test]
    fn every_reservation_is_read_back_as_it_was_written(reservation in strategies::reservation()) {
        let raw = ReservationDocument::raw(&reservation).expect("a reservation has a document");
        let document = Document::try_from(raw).expect("a document");
        prop_assert_eq!(ReservationDocument::read(document).expect("readable"), reservation);
    }
}

#[test]
fn what_would_not_be_read_back_is_seen_before_it_is_written() {
    let event = full_event();
    let mut raw = document(&event);
    for (field, value) in
        [("name", Bson::from(" ")), ("name", Bson::from("Another")), ("operations", Bson::Array(vec![]))]
    {
        let before = raw.insert(field, value).expect("it has one");
        let changed = bson::RawDocumentBuf::try_from(&raw).expect("a document");
        check_event(&event, &changed).expect_err(field);
        raw.insert(field, before);
    }
    check_event(&event, &bson::RawDocumentBuf::try_from(&raw).expect("a document")).expect("as it was");
}

#[test]
fn a_history_that_cannot_be_read_never_fails_its_event() {
    let event = full_event();
    let summary = |change: &dyn Fn(&mut Document)| {
        let mut answer = document(&event).get_array("operations").expect("a history")[0].clone();
        change(answer.as_document_mut().expect("a document"));
        answer
    };
    let whole = summary(&|_| ());
    let broken = [
        summary(&|operation| drop(operation.insert("answer", 7))),
        summary(&|operation| drop(operation.insert("id", doc! {}))),
        summary(&|operation| drop(operation.get_document_mut("answer").expect("an answer").insert("name", "\0"))),
        Bson::Null,
    ];
    for history in
        [Bson::from(7), Bson::Null, doc! {}.into(), Bson::Array(broken.iter().cloned().chain([whole]).collect())]
    {
        let remembered = usize::from(history.as_array().is_some());
        let mut document = document(&event);
        document.insert("operations", history.clone());
        let read = EventDocument::read(document, &SeatMaps::default(), &Damage::default());
        let read = read.expect("readable").expect("whole").event;
        assert_eq!(read.operations.len(), remembered, "{history}");
        assert_eq!(Event { operations: Vec::new(), ..read }, Event { operations: Vec::new(), ..event.clone() });
    }
}

#[test]
fn a_start_beyond_all_bounds_is_the_bound() {
    for (milliseconds, wanted) in [(i64::MAX, Moment::MAX), (i64::MIN, Moment::MIN)] {
        let mut document = document(&show(1));
        document.insert("details", doc! { "startsAt": bson::DateTime::from_millis(milliseconds) });
        let read = EventDocument::read(document, &SeatMaps::default(), &Damage::default());
        assert_eq!(read.expect("readable").expect("whole").event.details.starts_at, Some(wanted));
    }
}
