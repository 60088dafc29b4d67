use actix_web::web::Bytes;

use super::*;

fn new(body: &str) -> Result<NewEvent, String> {
    let body = JsonBody::of(Bytes::copy_from_slice(body.as_bytes()));
    NewEventBody::parse(&body, 10).map_err(|problem| problem.to_string())
}

fn new_with(fields: &str) -> Result<NewEvent, String> {
    new(&format!(r#"{{"name":"A show",{fields}}}"#))
}

fn amend(body: &str) -> Result<Amend, String> {
    let body = JsonBody::of(Bytes::copy_from_slice(body.as_bytes()));
    AmendBody::parse(&body, 10).map_err(|problem| problem.to_string())
}

fn max(max: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(max)
}

#[test]
fn an_event_needs_a_name_and_seats() {
    let small = new(r#"{"name":"A show","totalSeats":10000000}"#).expect("a good body");
    assert_eq!((small.id, small.name.as_str(), small.details), (None, "A show", Details::default()));
    assert_eq!(small.quotas, Quotas::default());
    assert!(matches!(small.seating, Seating::Unnamed(10_000_000)));
}

#[test]
fn an_event_may_say_more() {
    let full = new(
        r#"{"eventId":"show","name":"A show","totalSeats":5,"description":"Two talks.\nPizza.","startsAt":"2026-11-21T19:00:00.0009+01:00",
            "location":"Hall 3","price":{"currency":"EUR","amount":0},"seatsPerReservationMax":10,"seatsPerPartnerMax":20,
            "reservationsPerPartnerMax":3}"#,
    )
    .expect("a good body");
    assert_eq!(full.id.expect("it was given").as_str(), "show");
    assert_eq!(full.details.starts_at.expect("it was given").to_string(), "2026-11-21T18:00:00.000Z");
    assert_eq!(full.details.description.expect("it was given").as_str(), "Two talks.\nPizza.");
    assert_eq!(full.details.location.expect("it was given").as_str(), "Hall 3");
    assert_eq!(full.details.price, Some(Price { amount: 0, currency: Currency::parse("EUR").expect("a currency") }));
    assert_eq!(
        full.quotas,
        Quotas {
            seats_per_reservation_max: max(10),
            seats_per_partner_max: max(20),
            reservations_per_partner_max: max(3)
        }
    );
}

#[test]
fn an_event_may_be_spelled_as_clients_do() {
    let nulls = new(
        r#"{"eventId":null,"name":" A show ","totalSeats":5.0,"seatMap":null,"description":"One.\r\n\tTwo.","startsAt":null,
            "location":null,"price":null,"seatsPerReservationMax":null,"seatsPerPartnerMax":2e1,
            "reservationsPerPartnerMax":null}"#,
    )
    .expect("a good body");
    assert_eq!((nulls.id, nulls.name.as_str()), (None, "A show"));
    assert!(matches!(nulls.seating, Seating::Unnamed(5)));
    assert_eq!(nulls.details.description.expect("it was given").as_str(), "One.\n\tTwo.");
    assert_eq!((nulls.details.starts_at, nulls.details.location, nulls.details.price), (None, None, None));
    assert_eq!(nulls.quotas, Quotas { seats_per_partner_max: max(20), ..Quotas::default() });

    let late = new_with(r#""totalSeats":1,"startsAt":"9999-12-31T23:59:59Z""#).expect("a good body");
    assert_eq!(late.details.starts_at.expect("it was given").to_string(), "9999-12-31T23:59:59.000Z");
    let map = r#""seatMap":{"rows":[{"row":"A","seats":3.0}],"blocked":null}"#;
    assert!(matches!(new_with(map).expect("a good body").seating, Seating::Mapped(map) if map.seats_for_sale() == 3));
}

#[test]
fn an_event_may_have_a_seat_map() {
    let map = r#""seatMap":{"rows":[{"row":"A","seats":3},{"row":"B","seats":2}],"blocked":["A1"]}"#;
    let Seating::Mapped(map) = new_with(map).expect("a good body").seating else { panic!("it has a map") };
    assert_eq!((map.rows().len(), map.seats_for_sale()), (2, 4));
}

#[test]
fn other_events_are_told_what_is_wrong() {
    for (fields, wanted) in [
        (r#""sales":"open""#, "sales is not a field of this request; totalSeats is required, or seatMap instead."),
        (
            r#""totalSeats":1,"seatMap":{"rows":[{"row":"A","seats":1}]}"#,
            "seatMap must not be given together with totalSeats.",
        ),
        (r#""totalSeats":0"#, "totalSeats must be an integer from 1 to 10000000."),
        (r#""totalSeats":10000001"#, "totalSeats must be an integer from 1 to 10000000."),
        (r#""totalSeats":null"#, "totalSeats is required, or seatMap instead."),
        (r#""totalSeats":1.5"#, "totalSeats must be an integer from 1 to 10000000, not a decimal number."),
        (r#""totalSeats":1,"startsAt":"2026-11-21""#, "startsAt must be a time as in 2026-11-21T18:00:00Z (RFC 3339)."),
        (
            r#""totalSeats":1,"startsAt":"9999-12-31T23:59:59-01:00""#,
            "startsAt must be from 0000-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z.",
        ),
        (
            r#""totalSeats":1,"location":"Hall\u200b3""#,
            "location must not hold control, format or invisible characters (U+200B is at place 5).",
        ),
        (r#""totalSeats":1,"seatsPerReservationMax":11"#, "seatsPerReservationMax must be an integer from 1 to 10."),
        (r#""totalSeats":1,"seatsPerPartnerMax":0"#, "seatsPerPartnerMax must be an integer from 1 to 10000000."),
        (r#""totalSeats":1,"price":{}"#, "price.amount is required; price.currency is required."),
        (
            r#""totalSeats":1,"price":{"amount":-1,"currency":"eur","per":"seat"}"#,
            "price.amount must be an integer from 0 to 4294967295, not this number; price.currency must be three letters out \
             of A-Z, as in EUR (ISO 4217); price.per is not a field of this request.",
        ),
        (r#""seatMap":{}"#, "seatMap.rows is required."),
        (r#""seatMap":{"rows":[]}"#, "seatMap must have 1 to 1000 rows, not 0."),
        (
            r#""seatMap":{"rows":[{"row":"a","seats":1},{"seats":1001},{"row":"B","seats":"20"}],"blocked":["A0"]}"#,
            "seatMap.blocked[0] must be a row and a number from 1 to 1000, such as A7; seatMap.rows[0].row must be 1 to 8 \
             characters out of A-Z and 0-9, the last one a letter; seatMap.rows[1].row is required; seatMap.rows[1].seats \
             must be an integer from 1 to 1000; seatMap.rows[2].seats must be an integer from 1 to 1000, not a string.",
        ),
        (
            r#""seatMap":{"rows":[{"row":"A","seats":1},{"row":"A","seats":2}]}"#,
            "seatMap must not have two rows called A.",
        ),
        (
            r#""seatMap":{"rows":[{"row":"A","seats":2}],"blocked":["B1"]}"#,
            "seatMap must not block B1, which does not exist.",
        ),
    ] {
        assert_eq!(new_with(fields).expect_err("refused"), wanted, "{fields}");
    }
    let everything = new(r#"{"eventId":"A b","name":" ","startsAt":"soon"}"#).expect_err("refused");
    for field in ["eventId must", "name must", "startsAt must", "totalSeats is required"] {
        assert!(everything.contains(field), "{everything}");
    }
    let rows: Vec<_> = (0..=SeatMap::ROWS_MAX).map(|_| "7").collect();
    let long = format!(r#""seatMap":{{"rows":[{}]}}"#, rows.join(","));
    assert_eq!(new_with(&long).expect_err("refused"), "seatMap.rows must have 1000 items at most, not 1001.");
}

#[test]
fn null_takes_away_and_what_is_absent_stays() {
    let nothing = Amend::default();
    for (body, wanted) in [
        (r#"{"description":null}"#, Amend { description: Some(None), ..nothing.clone() }),
        (r#"{"startsAt":null}"#, Amend { starts_at: Some(None), ..nothing.clone() }),
        (r#"{"location":null}"#, Amend { location: Some(None), ..nothing.clone() }),
        (r#"{"price":null}"#, Amend { price: Some(None), ..nothing.clone() }),
        (r#"{"seatsPerReservationMax":null}"#, Amend { seats_per_reservation_max: Some(None), ..nothing.clone() }),
        (r#"{"seatsPerPartnerMax":null}"#, Amend { seats_per_partner_max: Some(None), ..nothing.clone() }),
        (
            r#"{"reservationsPerPartnerMax":null}"#,
            Amend { reservations_per_partner_max: Some(None), ..nothing.clone() },
        ),
        (r#"{"seatsPerReservationMax":2}"#, Amend { seats_per_reservation_max: Some(max(2)), ..nothing.clone() }),
        (r#"{"seatsPerPartnerMax":3}"#, Amend { seats_per_partner_max: Some(max(3)), ..nothing.clone() }),
        (r#"{"reservationsPerPartnerMax":4}"#, Amend { reservations_per_partner_max: Some(max(4)), ..nothing.clone() }),
        (r#"{"sales":"paused"}"#, Amend { sales: Some(Sales::Paused), ..nothing.clone() }),
        (r#"{"totalSeats":7}"#, Amend { total_seats: Some(7), ..nothing.clone() }),
        (r#"{"name":"B"}"#, Amend { name: Some(EventName::parse("B").expect("a good name")), ..nothing.clone() }),
    ] {
        assert_eq!(amend(body), Ok(wanted), "{body}");
    }
}

#[test]
fn other_amendments_are_told_what_is_wrong() {
    for (body, wanted) in [
        ("{}", "body must have at least one field to change."),
        (r#"{"name":null}"#, "name must be a string of 1 to 200 characters, not null."),
        (r#"{"sales":null}"#, r#"sales must be "open", "paused" or "closed", not null."#),
        (r#"{"sales":"Open"}"#, r#"sales must be "open", "paused" or "closed"."#),
        (r#"{"totalSeats":null}"#, "totalSeats must be an integer from 1 to 10000000, not null."),
        (r#"{"totalSeats":0}"#, "totalSeats must be an integer from 1 to 10000000."),
        (r#"{"seatsPerReservationMax":11}"#, "seatsPerReservationMax must be an integer from 1 to 10."),
        (r#"{"seatsPerPartnerMax":0}"#, "seatsPerPartnerMax must be an integer from 1 to 10000000."),
        (r#"{"price":{"amount":1}}"#, "price.currency is required."),
        (
            r#"{"eventId":"x","seatMap":{}}"#,
            "eventId is not a field of this request; seatMap is not a field of this request.",
        ),
    ] {
        assert_eq!(amend(body).expect_err("refused"), wanted, "{body}");
    }
}
