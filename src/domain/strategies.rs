//! Values for property tests: every kind of value at both of its ends, and between them.

use std::{num::NonZeroU32, sync::Arc};

use jiff::Timestamp;
use proptest::{collection::vec, option, prelude::*, sample::select};
use uuid::Uuid;

use super::{
    Currency, Description, Details, Event, EventId, EventName, EventOperation, Fingerprint, HoldSeconds, IdSalt,
    IdempotencyKey, LAST_TIMESTAMP_MS, Location, Moment, Operation, OperationId, OperationKind, PartnerId, Price,
    Quotas, Reservation, ReservationId, Row, RowLabel, Sales, SeatCount, SeatId, SeatMap, SeatState, Status, Version,
};

/// Texts that were taken by `parse`: the shortest, the longest in characters, the longest in bytes, those that stores give a
/// meaning to, and any others.
fn text<T: std::fmt::Debug + Clone + 'static>(
    max: usize,
    parse: impl Fn(&str) -> Option<T> + Clone + 'static,
) -> impl Strategy<Value = T> {
    let ends = ["$", ".", "a.b$c", "\"", "\\", "{}", "null", "é", "\u{10fffd}x", "e\u{301}"].map(str::to_owned);
    let longest = ["x".repeat(max), "🎫".repeat(max), "\u{7ff}".repeat(max)];
    let any_text = "[ -~]{1,20}|\\PC{1,20}|[\u{a0}-\u{ff}\u{300}-\u{30f}\u{ac00}-\u{ac20}\u{1f300}-\u{1f5ff}]{1,40}";
    let texts = prop_oneof![select(ends.to_vec()), select(longest.to_vec()), any_text];
    texts.prop_filter_map("it is not taken", move |text| parse(&text))
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![select(vec![0, 1, 2, i32::MAX as u32, i32::MAX as u32 + 1, u32::MAX - 1, u32::MAX]), any::<u32>()]
}

fn count() -> impl Strategy<Value = NonZeroU32> {
    number().prop_filter_map("not zero", NonZeroU32::new)
}

/// Times of the clock.
fn timestamp() -> impl Strategy<Value = Timestamp> {
    let milliseconds = prop_oneof![
        select(vec![Moment::MIN.as_millisecond(), -1, 0, 1, LAST_TIMESTAMP_MS - 1, LAST_TIMESTAMP_MS]),
        Moment::MIN.as_millisecond()..=LAST_TIMESTAMP_MS,
    ];
    milliseconds.prop_map(|at| Timestamp::from_millisecond(at).expect("within the bounds"))
}

fn moment() -> impl Strategy<Value = Moment> {
    let ends =
        [Moment::MIN.as_millisecond(), -1, 0, LAST_TIMESTAMP_MS, LAST_TIMESTAMP_MS + 1, Moment::MAX.as_millisecond()];
    prop_oneof![select(ends.to_vec()), Moment::MIN.as_millisecond()..=Moment::MAX.as_millisecond()]
        .prop_map(|at| Moment::from_millisecond(at).expect("within the bounds"))
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![select(vec![0, 1, i64::from(i32::MAX), i64::from(i32::MAX) + 1, i64::MAX]), 0..=i64::MAX]
        .prop_map(Version)
}

fn uuid() -> impl Strategy<Value = Uuid> {
    prop_oneof![select(vec![0, u128::MAX]), any::<u128>()].prop_map(Uuid::from_u128)
}

fn event_id() -> impl Strategy<Value = EventId> {
    prop_oneof![select(vec!["-".to_owned(), "0".to_owned(), "z".repeat(64)]), "[a-z0-9-]{1,64}"]
        .prop_map(|text| EventId::parse(&text).expect("an id"))
}

fn operation_id() -> impl Strategy<Value = OperationId> {
    let key = prop_oneof![
        select(vec!["!".to_owned(), "~".repeat(255), "$key.1".to_owned(), "\"\\".to_owned()]),
        "[!-~]{1,40}"
    ];
    prop_oneof![
        key.prop_map(|key| OperationId::Key(IdempotencyKey::parse(&key).expect("a key"))),
        uuid().prop_map(OperationId::Minted),
        Just(OperationId::Unasked),
    ]
}

fn details() -> impl Strategy<Value = Details> {
    let description = prop_oneof![
        text(1_000, |text| Description::parse(text).ok()),
        select(vec!["One.\r\n\tTwo.", "\n$\n.", "a\n\n\nb"]).prop_map(|text| Description::parse(text).expect("good")),
    ];
    let price = (number(), "[A-Z]{3}")
        .prop_map(|(amount, currency)| Price { amount, currency: Currency::parse(&currency).expect("a currency") });
    (
        option::of(description),
        option::of(moment()),
        option::of(text(200, |text| Location::parse(text).ok())),
        option::of(price),
    )
        .prop_map(|(description, starts_at, location, price)| Details { description, starts_at, location, price })
}

fn quotas() -> impl Strategy<Value = Quotas> {
    (option::of(count()), option::of(count()), option::of(count())).prop_map(|(reservation, seats, reservations)| {
        Quotas {
            seats_per_reservation_max: reservation,
            seats_per_partner_max: seats,
            reservations_per_partner_max: reservations,
        }
    })
}

/// Rows of the shortest and the longest labels, of one seat and of as many as may be, with both ends blocked or neither.
fn seat_map() -> impl Strategy<Value = SeatMap> {
    let row = |label: &str, seats| Row { label: RowLabel::parse(label).expect("a label"), seats };
    let seat = |text: &str| SeatId::parse(text).expect("a seat");
    let rows = vec![row("A", Row::SEATS_MAX), row("0000000Z", 1), row("9Z", 96)];
    select(vec![Vec::new(), vec![seat("A1"), seat("A1000")], vec![seat("0000000Z1")]])
        .prop_map(move |blocked| SeatMap::new(rows.clone(), blocked).expect("a map"))
}

/// An event that passes its own checks, with numbers at both ends.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    let terms = (event_id(), text(200, |text| EventName::parse(text).ok()), details(), quotas());
    let sales = select(vec![Sales::Open, Sales::Paused, Sales::Closed]);
    let numbers = (number(), number(), number(), number(), version());
    let hall = option::of((seat_map(), vec(0_u16..1_000, 0..20)));
    let history = vec((operation_id(), option::of(uuid().prop_map(Fingerprint))), 0..10);
    (terms, sales, numbers, any::<[u8; 32]>(), option::of(timestamp()), hall, history).prop_map(
        |(
            (id, name, details, quotas),
            sales,
            (confirmed, held, free, waiting, version),
            salt,
            due_at,
            hall,
            history,
        )| {
            let mut event = match hall {
                None => {
                    let (confirmed, held) = (confirmed / 3, held / 3);
                    let free = free.min(u32::MAX - confirmed - held);
                    let mut event = Event::open(id, name, confirmed + held + free, IdSalt(salt));
                    (event.confirmed_seats, event.held_seats, event.available_seats) = (confirmed, held, free);
                    event
                }
                Some((map, taken)) => mapped(Event::open_mapped(id, name, &Arc::new(map), IdSalt(salt)), &taken),
            };
            event.details = Arc::new(details);
            event.quotas = quotas;
            event.sales = sales;
            (event.reservation_count, event.hold_count) = (event.confirmed_seats, event.held_seats);
            event.waitlist_count = waiting;
            event.version = version;
            event.due_at = due_at.or((event.hold_count > 0).then_some(Timestamp::UNIX_EPOCH));
            for (id, fingerprint) in history {
                event.operations.push(EventOperation { id, fingerprint, answer: event.summary() });
            }
            event
        },
    )
}

fn mapped(mut event: Event, taken: &[u16]) -> Event {
    let hall = event.hall.as_mut().expect("a hall");
    for (index, number) in taken.iter().enumerate() {
        let seat = SeatId { row: RowLabel::parse("A").expect("a label"), number: *number + 1 };
        let state = if index % 2 == 0 { SeatState::Sold } else { SeatState::Held };
        // One that is taken or blocked stays so.
        let _ = hall.change(&[seat], SeatState::Free, state);
    }
    (event.available_seats, event.held_seats, event.confirmed_seats) = (hall.free(), hall.held(), hall.sold());
    event
}

/// A reservation with values at both ends.
pub(crate) fn reservation() -> impl Strategy<Value = Reservation> {
    let status = || select(Status::ALL.to_vec());
    let kinds = vec![
        OperationKind::Reserve,
        OperationKind::Cancel,
        OperationKind::Confirm,
        OperationKind::Promote,
        OperationKind::Lapse,
    ];
    let operation = (operation_id(), select(kinds), version(), status(), option::of(timestamp()), option::of(number()));
    let after = (option::of(timestamp()), vec(uuid(), 0..3));
    let operation = (operation, after);
    let operation =
        operation.prop_map(|((id, kind, version, status, expires_at, waitlist_position), (at, promoted))| Operation {
            id,
            kind,
            version,
            status,
            expires_at,
            waitlist_position,
            at,
            promoted,
        });
    let seat =
        prop_oneof![select(vec!["A1".to_owned(), "0000000Z1000".to_owned()]), "[A-Z0-9]{0,7}[A-Z][1-9][0-9]{0,2}"];
    let seat = seat.prop_map(|text| SeatId::parse(&text).expect("a seat"));
    let whose = (event_id(), uuid(), text(64, |text| PartnerId::parse(text).ok()));
    let hold = option::of(count().prop_map(|seconds| HoldSeconds::parse(seconds.get(), u32::MAX).expect("a hold")));
    (
        (whose, count(), vec(seat, 0..12), status()),
        (version(), version(), timestamp(), hold, option::of(timestamp())),
        (option::of(uuid().prop_map(Fingerprint)), vec(operation, 1..6)),
    )
        .prop_map(|(who, when, history)| {
            let ((event_id, uuid, partner_id), seats, seat_ids, status) = who;
            let (version, created_version, created_at, hold, expires_at) = when;
            Reservation {
                id: ReservationId { event_id, uuid },
                partner_id,
                seats: SeatCount::parse(seats.get(), u32::MAX).expect("a count"),
                seat_ids: seat_ids.into(),
                status,
                version,
                created_version,
                created_at,
                hold,
                expires_at,
                fingerprint: history.0,
                operations: history.1,
            }
        })
}
