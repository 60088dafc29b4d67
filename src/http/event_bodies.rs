//! The bodies that make an event and amend it.

#![expect(clippy::option_option, reason = "absent, null and a value are three things (RFC 7396)")]

use std::{num::NonZeroU32, sync::Arc};

use serde_json::value::RawValue;
use validator::{Validate, ValidateArgs as _, ValidationError};

use super::{
    Problem,
    body::{JsonBody, Patch, Plan},
    fields::{Fields, integer, list, object, text},
    mistakes::Mistakes,
};
use crate::{
    domain::{
        Amend, Currency, Description, Details, EventId, EventName, InvalidValue, Location, Moment, Price, Quotas,
        Rounding, Row, RowLabel, Sales, SeatId, SeatMap, TOTAL_SEATS_MAX,
    },
    service::{NewEvent, Seating},
};

const SEATS: &str = "an integer from 1 to 10000000";
const NAME: &str = "a string of 1 to 200 characters";
const DESCRIPTION: &str = "a string of 1 to 1000 characters";
const LOCATION: &str = NAME;
const TIME: &str = r#"a string with a time, as in "2026-11-21T18:00:00Z""#;
const PRICE: &str = r#"an object, as in {"amount": 4950, "currency": "EUR"}"#;
const SALES: &str = r#""open", "paused" or "closed""#;

/// The numbers of either body: what the settings and the contract bound.
#[derive(Debug, Default, Validate)]
#[validate(context = "Limits")]
struct Numbers {
    #[validate(range(min = 1, max = TOTAL_SEATS_MAX, message = "must be an integer from 1 to 10000000"))]
    total_seats: Option<u32>,
    #[validate(custom(function = "check_seats_per_reservation_max", use_context))]
    seats_per_reservation_max: Option<Option<u32>>,
    #[validate(range(min = 1, max = TOTAL_SEATS_MAX, message = "must be an integer from 1 to 10000000"))]
    seats_per_partner_max: Option<Option<u32>>,
    #[validate(range(min = 1, max = TOTAL_SEATS_MAX, message = "must be an integer from 1 to 10000000"))]
    reservations_per_partner_max: Option<Option<u32>>,
}

/// What the settings allow an event to allow.
struct Limits {
    seats_per_reservation_max: u32,
}

/// The body of `POST /events`.
pub(super) struct NewEventBody;

/// The body of `PATCH /events/{eventId}`: what is absent stays as it is, and null takes away (RFC 7396). A price is replaced
/// as a whole, since half of one is none.
pub(super) struct AmendBody;

impl NewEventBody {
    pub(super) fn parse(body: &JsonBody<Plan>, seats_per_reservation_max: u32) -> Result<NewEvent, Problem> {
        let mut fields = body.fields()?;
        fields.exactly_one("totalSeats", "seatMap");
        let id = fields.optional("eventId", text("a string of 1 to 64 characters", EventId::parse));
        let name = fields.required("name", text(NAME, EventName::parse));
        let details = Details {
            description: fields.optional("description", text(DESCRIPTION, Description::parse)),
            starts_at: fields.optional("startsAt", text(TIME, parse_start)),
            location: fields.optional("location", text(LOCATION, Location::parse)),
            price: fields.optional("price", object(PRICE, read_price)),
        };
        let map = fields.optional("seatMap", seat_map);
        let limits = Limits { seats_per_reservation_max };
        let numbers = Numbers {
            total_seats: fields.optional("totalSeats", integer(SEATS)),
            seats_per_reservation_max: fields.optional("seatsPerReservationMax", limits.integer()).map(Some),
            seats_per_partner_max: fields.optional("seatsPerPartnerMax", integer(SEATS)).map(Some),
            reservations_per_partner_max: fields.optional("reservationsPerPartnerMax", integer(SEATS)).map(Some),
        };
        fields.finish(numbers.validate_with_args(&limits))?;

        let seating = map.map(Seating::Mapped).or(numbers.total_seats.map(Seating::Unnamed));
        Ok(NewEvent {
            id,
            name: name.ok_or_else(|| Problem::invalid("name", "is required"))?,
            details,
            quotas: Quotas {
                seats_per_reservation_max: limit(numbers.seats_per_reservation_max).flatten(),
                seats_per_partner_max: limit(numbers.seats_per_partner_max).flatten(),
                reservations_per_partner_max: limit(numbers.reservations_per_partner_max).flatten(),
            },
            seating: seating.ok_or_else(|| Problem::invalid("totalSeats", "is required"))?,
        })
    }
}

impl AmendBody {
    pub(super) fn parse(body: &JsonBody<Patch>, seats_per_reservation_max: u32) -> Result<Amend, Problem> {
        let mut fields = body.fields()?;
        if fields.is_empty() {
            return Err(Problem::invalid("body", "must have at least one field to change"));
        }
        let limits = Limits { seats_per_reservation_max };
        let amend = Amend {
            name: fields.given("name", text(NAME, EventName::parse)),
            description: fields.clearable("description", text(DESCRIPTION, Description::parse)),
            starts_at: fields.clearable("startsAt", text(TIME, parse_start)),
            location: fields.clearable("location", text(LOCATION, Location::parse)),
            price: fields.clearable("price", object(PRICE, read_price)),
            sales: fields.given("sales", text(SALES, parse_sales)),
            ..Amend::default()
        };
        let numbers = Numbers {
            total_seats: fields.given("totalSeats", integer(SEATS)),
            seats_per_reservation_max: fields.clearable("seatsPerReservationMax", limits.integer()),
            seats_per_partner_max: fields.clearable("seatsPerPartnerMax", integer(SEATS)),
            reservations_per_partner_max: fields.clearable("reservationsPerPartnerMax", integer(SEATS)),
        };
        fields.finish(numbers.validate_with_args(&limits))?;

        Ok(Amend {
            seats_per_reservation_max: limit(numbers.seats_per_reservation_max),
            seats_per_partner_max: limit(numbers.seats_per_partner_max),
            reservations_per_partner_max: limit(numbers.reservations_per_partner_max),
            total_seats: numbers.total_seats,
            ..amend
        })
    }
}

impl Limits {
    fn integer<'a>(&self) -> impl Fn(&'a RawValue) -> Result<u32, Mistakes> + use<'a> {
        integer(format!("an integer from 1 to {}", self.seats_per_reservation_max))
    }
}

fn check_seats_per_reservation_max(max: u32, limits: &Limits) -> Result<(), ValidationError> {
    let most = limits.seats_per_reservation_max;
    let why = || format!("must be an integer from 1 to {most}").into();
    if (1..=most).contains(&max) { Ok(()) } else { Err(ValidationError::new("invalid").with_message(why())) }
}

/// A limit that was checked: not zero.
fn limit(max: Option<Option<u32>>) -> Option<Option<NonZeroU32>> {
    max.map(|max| max.and_then(NonZeroU32::new))
}

fn parse_start(text: &str) -> Result<Moment, InvalidValue> {
    Moment::parse(text, Rounding::Down)
}

fn parse_sales(text: &str) -> Result<Sales, InvalidValue> {
    let found = [Sales::Open, Sales::Paused, Sales::Closed].into_iter().find(|sales| sales.as_str() == text);
    found.ok_or_else(|| InvalidValue(format!("must be {SALES}")))
}

fn read_price(fields: &mut Fields<'_>) -> Option<Price> {
    let amount = fields.required("amount", integer("an integer from 0 to 4294967295"));
    let currency = fields.required("currency", text("a string of three letters, as in EUR", Currency::parse));
    Some(Price { amount: amount?, currency: currency? })
}

/// Reads the plan of a hall: `{"rows": [{"row": "A", "seats": 20}, …], "blocked": ["A1", …]}`.
fn seat_map(plan: &RawValue) -> Result<Arc<SeatMap>, Mistakes> {
    let row = object(r#"an object, as in {"row": "A", "seats": 20}"#, read_row);
    let rows = list("an array of rows", SeatMap::ROWS_MAX, row);
    let seats_max = usize::try_from(SeatMap::SEATS_MAX).unwrap_or(usize::MAX);
    let blocked = list(r#"an array of seats, as in ["A1"]"#, seats_max, text(r#"a seat, as in "A1""#, SeatId::parse));
    let parts = object(r#"an object, as in {"rows": [{"row": "A", "seats": 20}]}"#, |fields| {
        let rows = fields.required("rows", &rows);
        let blocked = fields.optional("blocked", &blocked).unwrap_or_default();
        Some((rows?, blocked))
    });
    let (rows, blocked) = parts(plan)?;
    SeatMap::new(rows, blocked).map(Arc::new).map_err(|why| Mistakes::one(why.0))
}

fn read_row(fields: &mut Fields<'_>) -> Option<Row> {
    let label = fields.required("row", text("a string of 1 to 8 characters", RowLabel::parse));
    let what = format!("an integer from 1 to {}", Row::SEATS_MAX);
    let in_bounds = integer::<u16>(&what);
    let in_bounds = |value| match in_bounds(value)? {
        seats @ 1..=Row::SEATS_MAX => Ok(seats),
        _ => Err(Mistakes::one(format!("must be {what}"))),
    };
    let seats = fields.required("seats", in_bounds);
    Some(Row { label: label?, seats: seats? })
}

#[cfg(test)]
#[path = "event_bodies_tests.rs"]
mod tests;
