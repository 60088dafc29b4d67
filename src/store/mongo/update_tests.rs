use std::{num::NonZeroU32, sync::Arc};

use bson::Document;
use jiff::Timestamp;

use super::*;
use crate::domain::{
    Details, EventId, EventName, EventOperation, IdSalt, Location, OperationId, Quotas, Row, RowLabel, Sales, SeatId,
    SeatMap, SeatState,
};

/// A hall of 100 rows of 100 seats: three blocks.
fn event() -> Event {
    let label = |row: u8| format!("{}{}", char::from(b'A' + row / 10), char::from(b'A' + row % 10));
    let row = |row| Row { label: RowLabel::parse(&label(row)).expect("a label"), seats: 100 };
    let map = SeatMap::new((0..100).map(row).collect(), Vec::new()).expect("a map");
    let id = EventId::parse("show").expect("an id");
    Event::open_mapped(id, EventName::parse("A show").expect("a name"), &Arc::new(map), IdSalt([7; 32]))
}

/// Which fields are set and unset when `change` is done to an event, beside those that always are.
fn fields(change: impl Fn(&mut Event)) -> (Vec<String>, Vec<String>) {
    const ALWAYS: [&str; 7] =
        ["availableSeats", "confirmedSeats", "heldSeats", "reservationCount", "holdCount", "waitlistCount", "version"];
    let mut before = event();
    before.due_at = Some(Timestamp::UNIX_EPOCH);
    let mut after = before.clone();
    change(&mut after);
    let Update { set, unset } = between(&before, &after).expect("an update");
    let [set, unset] = [set, unset].map(|fields| Document::try_from(fields).expect("a document"));
    for field in ALWAYS {
        assert!(set.contains_key(field), "{field} is not set");
    }
    let other = |fields: Document| fields.keys().filter(|field| !ALWAYS.contains(&field.as_str())).cloned().collect();
    (other(set), other(unset))
}

#[test]
fn only_what_differs_is_written() {
    let seat = |text: &str| SeatId::parse(text).expect("a seat");
    let take = |event: &mut Event, seats: &[&str]| {
        let seats: Vec<_> = seats.iter().map(|text| seat(text)).collect();
        event.hall.as_mut().expect("a hall").change(&seats, SeatState::Free, SeatState::Sold).expect("free seats");
    };
    let check = |what: &str, set: &[&str], unset: &[&str], change: &dyn Fn(&mut Event)| {
        let found = fields(change);
        assert_eq!((found.0.as_slice(), found.1.as_slice()), (&*owned(set), &*owned(unset)), "{what}");
    };
    check("nothing", &[], &[], &|_| {});
    check("counts", &[], &[], &|event| event.waitlist_count = 3);
    check("the same seat twice", &[], &[], &|event| {
        take(event, &["AA1"]);
        let hall = event.hall.as_mut().expect("a hall");
        hall.change(&[seat("AA1")], SeatState::Sold, SeatState::Free).expect("it was sold");
    });
    check("a seat of the first block", &["seats.0"], &[], &|event| take(event, &["AA1"]));
    check("seats of two blocks", &["seats.0", "seats.2"], &[], &|event| take(event, &["AA1", "JJ100"]));
    check("due later", &["dueAt"], &[], &|event| event.due_at = Some(Timestamp::MAX));
    check("not due", &[], &["dueAt"], &|event| event.due_at = None);
    check("changed", &["changedAt"], &[], &|event| event.changed_at = Some(Timestamp::MAX));
    check("name", &["name"], &[], &|event| event.name = EventName::parse("Another").expect("a name"));
    check("details", &["details"], &[], &|event| {
        event.details = Arc::new(Details { location: Location::parse("Hall 3").ok(), ..Details::default() });
    });
    check("quotas", &["quotas"], &[], &|event| {
        event.quotas = Quotas { seats_per_partner_max: NonZeroU32::new(4), ..Quotas::default() };
    });
    check("sales", &["sales"], &[], &|event| event.sales = Sales::Paused);
    check("seats in all", &["totalSeats"], &[], &|event| event.total_seats += 1);
    check("an operation", &["operations"], &[], &|event| {
        let answer = event.summary();
        event.operations.push(EventOperation { id: OperationId::Unasked, fingerprint: None, answer });
    });
}

fn owned(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}
