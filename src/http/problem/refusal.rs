//! What partners are told of the rules that forbid something: what happened, and what to do.

use std::borrow::Cow;

use super::{
    FieldError,
    kinds::{
        Document, HOLD_EXPIRED, INSUFFICIENT_SEATS, INVALID_REQUEST, KEY_REUSED, NOT_FOUND, NOTHING_HELD,
        PARTNER_LIMIT, PRECONDITION_FAILED, SALES_CLOSED, SALES_PAUSED, SEAT_TAKEN, SEATS_TAKEN,
    },
};
use crate::domain::{Limited, Rejection, SeatId, counted};

/// What the partner is told of a rule that forbids it.
pub(super) fn refusal(rejection: &Rejection) -> Document<'_> {
    match rejection {
        Rejection::InsufficientSeats { requested, available, waiting } => {
            let others = match waiting {
                0 => String::new(),
                1 => ", for which one reservation waits".to_owned(),
                more => format!(", for which {more} reservations wait"),
            };
            let hint = if *waiting > 0 { " To wait behind them, ask for seats with \"waitlist\": true." } else { "" };
            Document {
                available_seats: Some(*available),
                ..INSUFFICIENT_SEATS.saying(format!(
                    "Seats asked for: {requested}; available: {available}{others}. Nothing was changed.{hint}"
                ))
            }
        }
        Rejection::SeatTaken(seats) => Document {
            seat_ids: seats,
            ..SEAT_TAKEN.saying(format!(
                "These seats are not free: {}. Nothing was changed. Name others, or ask for a number of seats to get the best \
                 that are free.",
                in_a_row(seats)
            ))
        },
        Rejection::UnknownSeats(seats) => invalid_field(
            "seatIds",
            format!("must be seats of the event, which has no {}; GET its /seats to see those it has", in_a_row(seats)),
        ),
        Rejection::SeatsHaveNoNames(_) => invalid_field(
            "seatIds",
            "must not be sent: the seats of this event have no names; ask for a number of them with seats".to_owned(),
        ),
        Rejection::TooManySeats { max } => {
            invalid_field("seats", format!("must be an integer from 1 to {max} for this event"))
        }
        Rejection::PartnerLimit { what, max, taken } => {
            let give_up = match (what, max.saturating_sub(*taken)) {
                (Limited::Seats, 0) => "Cancel others first.".to_owned(),
                (Limited::Seats, room) => format!("Ask for {} at most, or cancel others first.", counted(room, "seat")),
                (Limited::Reservations, _) => "Cancel another one first.".to_owned(),
            };
            let limit = counted(*max, what.noun());
            PARTNER_LIMIT.saying(format!(
                "One partner may have {limit} of this event at most, and this partner has {taken}; what is held or waitlisted \
                 counts too. Nothing was changed. {give_up}"
            ))
        }
        Rejection::SalesPaused => SALES_PAUSED
            .saying("The organizer has paused the sales of this event. Nothing was changed. Send it again when they go on."),
        Rejection::SalesClosed => SALES_CLOSED.saying("The organizer has closed the sales of this event. Nothing was changed."),
        Rejection::HoldExpired => HOLD_EXPIRED
            .saying("The hold had expired before it was confirmed, and its seats went back. Make a new reservation."),
        Rejection::NothingHeld => NOTHING_HELD.saying(
            "The reservation waits for its seats, so there is nothing to confirm yet. GET it to see when it has them.",
        ),
        Rejection::UnknownReservation(id) => {
            NOT_FOUND.saying(format!("There is no reservation {id}, or it is cancelled already."))
        }
        Rejection::ReservationExpired(id) => NOT_FOUND.saying(format!(
            "The reservation {id} has expired: it was held and not confirmed in time, and its seats went back then. There is \
             nothing to cancel."
        )),
        Rejection::SeatsTaken { requested, taken } => SEATS_TAKEN.saying(format!(
            "{} confirmed or held, so that there cannot be only {requested}. Nothing was changed. Set totalSeats to {taken} or \
             more.",
            if *taken == 1 { "1 seat is".to_owned() } else { format!("{taken} seats are") }
        )),
        Rejection::SeatsAreMapped => {
            invalid_field("totalSeats", "is given by the seat map of this event and cannot be changed".to_owned())
        }
        Rejection::PreconditionFailed { current } => Document {
            current_version: Some(*current),
            ..PRECONDITION_FAILED.saying(format!(
                "The event is at version {current}, which is not one that If-Match and If-None-Match let through. Nothing was \
                 changed."
            ))
        },
        Rejection::KeyReused => KEY_REUSED.saying(
            "This Idempotency-Key was used for another request. Use a new key for a new request, and the same request for a \
             retry.",
        ),
    }
}

pub(super) fn invalid(errors: Cow<'_, [FieldError]>) -> Document<'_> {
    Document { detail: in_one_line(&errors).into(), errors, ..INVALID_REQUEST.saying("") }
}

fn invalid_field<'a>(field: &'static str, message: String) -> Document<'a> {
    invalid(vec![FieldError { field: field.into(), message }].into())
}

fn in_a_row(seats: &[SeatId]) -> String {
    let seats: Vec<_> = seats.iter().map(ToString::to_string).collect();
    seats.join(", ")
}

fn in_one_line(errors: &[FieldError]) -> String {
    let all: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
    let all = all.join("; ");
    if all.ends_with(['.', '?']) { all } else { format!("{all}.") }
}
