//! What is written is read back as it was; what is damaged is left out, named, and in nobody else's way.

use proptest::prelude::*;
use redb::ReadableTable as _;

use super::*;
use crate::{
    domain::{Change, strategies},
    store::{
        Scope,
        embedded::{
            documents,
            keys::Key,
            rows::Rows,
            tables::{DUE, EVENTS, MADE, RECENT, RESERVATIONS, STATES},
        },
    },
};

proptest! {
    #[test]
    fn every_event_is_read_back_as_it_was_written(event in strategies::event()) {
        event.check().expect("the strategy makes sound events");
        let rows = Rows::of_new(&event, ids::head());
        prop_assert!(rows.check(&event, &[]).is_ok(), "{:?}", rows.check(&event, &[]));
        let document = rows.document.expect("a new event has a document");
        let read = documents::event(&event.id, &document, &rows.state).expect("readable");
        prop_assert_eq!(read.lost, None);
        prop_assert_eq!(Event { hall: event.hall.clone(), ..read.event }, event);
    }

    #[test]
    fn every_reservation_is_read_back_as_it_was_written(reservation in strategies::reservation()) {
        let mut bytes = Vec::new();
        documents::write_reservation(&mut bytes, &reservation);
        let read = documents::reservation(reservation.id.clone(), &bytes).expect("readable");
        prop_assert_eq!(&read, &reservation);
        let mut row = Vec::new();
        listed::Listed::write(&mut row, &reservation);
        let listed = listed::Listed::read(&row).expect("readable");
        prop_assert_eq!((listed.status, listed.uuid, listed.partner_id), (read.status, read.id.uuid, read.partner_id.as_str()));
    }
}

#[tokio::test]
async fn an_amendment_that_would_not_be_read_back_is_refused_and_nothing_is_half_done() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir).expect("a store");
    let before = show(&store, "meetup").await;
    // No rule makes such an event: its history is of another one, which its document does not spell.
    let mut decision = decided(&before, "order-1").0;
    let mut answer = decision.event.summary();
    answer.id = EventId::parse("another").expect("an id");
    let id = ids::operation();
    decision.event.operations.push(crate::domain::EventOperation { id, fingerprint: None, answer });
    let why = store.commit(&before, &decision, ids::head(), soon()).await.expect_err("it would not be read back");
    assert!(matches!(&why, CommitError::Refused(why) if why.contains("read back")), "{why:?}");
    // The same of a record.
    let answer = Box::new(decision.event.operations.pop().expect("it was put there").answer);
    let (uuid, version) = (first_reservation(&before).uuid, decision.event.version);
    let effect = crate::domain::RecordedEffect::Amended(answer);
    let record = crate::domain::OperationRecord { uuid, version, fingerprint: None, effect };
    decision.records.push(Arc::new(record));
    let why = store.commit(&before, &decision, ids::head(), soon()).await.expect_err("it would not be read back");
    assert!(matches!(&why, CommitError::Refused(why) if why.contains("record")), "{why:?}");
    assert_eq!(load(&store, &before.event.id).await.event, before.event, "nothing was changed");
    reserve(&store, &before, "order-1").await.expect("it goes on from where it was");
}

/// A store with the events `bad` and `good`, each with a reservation and due, after `change` on `bad` was made to its file.
async fn damaged(
    change: impl FnOnce(&redb::WriteTransaction, &Reservation),
) -> (TempDir, EmbeddedStore, Arc<Reservation>) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir).expect("a store");
    let mut made = Vec::new();
    for id in ["bad", "good"] {
        let before = show(&store, id).await;
        let (mut decision, head) = decided(&before, "order-1");
        decision.event.due_at = Some(clock().now());
        store.commit(&before, &decision, head, soon()).await.expect("a commit");
        made.extend(decision.changes.iter().filter_map(Change::step).map(|step| step.reservation.clone()));
    }
    store.close(soon()).await;
    edit(&dir, |file| change(file, &made[0]));
    let store = open(&dir).expect("damage in a row is no reason not to start");
    (dir, store, made.remove(1))
}

fn of_acme(scope: impl FnOnce(PartnerId) -> Scope) -> ReservationQuery {
    let scope = scope(PartnerId::parse("acme").expect("a partner"));
    ReservationQuery { scope, status: None, created_from: None, created_to: None, after: None, limit: 10 }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_left_out_named_and_in_nobodys_way() {
    let overwrite = |table| {
        move |file: &redb::WriteTransaction, _: &Reservation| {
            let mut table = file.open_table::<&str, &[u8]>(table).expect("a table");
            table.insert("bad", b"{".as_slice()).expect("written");
        }
    };
    for table in [EVENTS, STATES] {
        let (_dir, store, good) = damaged(overwrite(table)).await;
        let [bad, fine] = ["bad", "good"].map(|id| EventId::parse(id).expect("an id"));
        assert!(store.unreadable().is_empty(), "nobody has looked yet");
        assert!(matches!(store.event(&bad, soon()).await, Err(StoreError::Unreadable(_))));
        assert_eq!(store.unreadable(), std::slice::from_ref(&bad));
        let listed = store.events(None, 1, soon()).await.expect("a list");
        assert_eq!(listed.iter().map(|event| &event.id).collect::<Vec<_>>(), [&fine], "a page is as full as it can be");
        assert_eq!(
            store.due(clock().now(), None, 1, soon()).await.expect("a look").event_ids,
            std::slice::from_ref(&fine)
        );
        let of_partner =
            store.reservations(&of_acme(Scope::Partner), 1_000, soon()).await.expect("a list").reservations;
        assert!(of_partner.contains(&good), "{of_partner:?}");
        store.event(&fine, soon()).await.expect("a read").expect("the other event");
        store.ready(soon()).await.expect("it takes commits");
    }
}

#[tokio::test]
async fn a_history_that_cannot_be_read_never_fails_its_event() {
    for history in ["7", "[7]", r#"[{"id":{"key":"k"},"answer":{"name":"A","totalSeats":-1}}]"#, r#"{"0":[]}"#] {
        let (_dir, store, _) = damaged(|file, _| {
            let mut events = file.open_table(EVENTS).expect("a table");
            let text =
                String::from_utf8(events.get("bad").expect("a read").expect("a row").value().to_vec()).expect("JSON");
            let text = format!("{},\"operations\":{history}}}", text.strip_suffix('}').expect("an object"));
            events.insert("bad", text.as_bytes()).expect("written");
        })
        .await;
        let bad = load(&store, &EventId::parse("bad").expect("an id")).await;
        assert_eq!((bad.event.operations.len(), bad.event.version), (0, Version(1)), "{history}");
        assert_eq!(store.events(None, 10, soon()).await.expect("a list").len(), 2, "{history}");
        assert!(store.unreadable().is_empty(), "the event is read");
        reserve(&store, &bad, "order-2").await.expect("it goes on selling");
    }
}

#[tokio::test]
async fn a_reservation_that_cannot_be_read_is_left_out_of_lists() {
    let (_dir, store, good) = damaged(|file, bad| {
        let mut reservations = file.open_table(RESERVATIONS).expect("a table");
        reservations.insert(Key::of_document(&bad.id).bytes(), b"{}".as_slice()).expect("written");
    })
    .await;
    let of_partner = store.reservations(&of_acme(Scope::Partner), 1_000, soon()).await.expect("a list").reservations;
    assert_eq!(of_partner, [good]);
    let bad = EventId::parse("bad").expect("an id");
    let of_event =
        store.reservations(&of_acme(|_| Scope::Event(bad.clone())), 1_000, soon()).await.expect("a list").reservations;
    assert_eq!(of_event, []);
    load(&store, &bad).await;
}

#[tokio::test]
async fn rows_of_lists_that_cannot_be_read_are_passed_over() {
    let (_dir, store, good) = damaged(|file, bad| {
        // The list's own row, which stands among the recent ones, and two that are none.
        let mut recent = file.open_table(RECENT).expect("a table");
        recent.insert(7, b"none".as_slice()).expect("written");
        let place = Key::of_event(&bad.id.event_id).then_place(bad.created_at, Version(99));
        file.open_table(MADE).expect("a table").insert(place.bytes(), b"?".as_slice()).expect("written");
        file.open_table(DUE).expect("a table").insert(b"\0\0\0\0\0\0\0\0 no id".as_slice(), ()).expect("written");
    })
    .await;
    let of_partner = store.reservations(&of_acme(Scope::Partner), 1_000, soon()).await.expect("a list").reservations;
    assert_eq!((of_partner.len(), of_partner.contains(&good)), (2, true));
    let due = store.due(clock().now(), None, 10, soon()).await.expect("a look").event_ids;
    assert_eq!(due.iter().map(EventId::as_str).collect::<Vec<_>>(), ["bad", "good"]);
}
