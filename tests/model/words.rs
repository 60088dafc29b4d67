//! Outcomes in words: everything that an answer tells, short enough for the row of a table.

use std::fmt::Write as _;

use super::domain::{
    Details, EventSummary, OperationKind, Outcome, Quotas, Rejection, Reservation, SeatId, Status, Subject,
};

/// An outcome in the words of the stories. Times are in seconds.
pub(crate) fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(Subject::Reservation(told)) => {
            let kind = told.operations.last().map(|operation| operation.kind);
            let verb = if kind == Some(OperationKind::Reserve) { "made" } else { "done" };
            tell_reservation(verb, &Told::of(told))
        }
        Outcome::Accepted(Subject::Cancellation(told)) => tell_reservation("done", &Told::of(&told.cancelled)),
        Outcome::Replayed(Subject::Cancellation(told)) => tell_reservation("again", &Told::of(&told.cancelled)),
        Outcome::Replayed(Subject::Reservation(told)) => tell_reservation("again", &Told::of(told)),
        Outcome::AlreadySo(told) => tell_reservation("already", &Told::of(told)),
        Outcome::Accepted(Subject::Event(told)) => tell_event("amended", told),
        Outcome::Replayed(Subject::Event(told)) => tell_event("again", told),
        Outcome::Refused(why) => refused(why),
    }
}

/// What an answer tells of a reservation.
pub(crate) struct Told {
    pub(crate) version: i64,
    pub(crate) status: Status,
    pub(crate) created_second: i64,
    pub(crate) expires_second: Option<i64>,
    pub(crate) place: Option<u32>,
    pub(crate) seats: Vec<SeatId>,
}

impl Told {
    fn of(reservation: &Reservation) -> Self {
        Self {
            version: reservation.version.0,
            status: reservation.status,
            created_second: reservation.created_at.as_second(),
            expires_second: reservation.expires_at.map(jiff::Timestamp::as_second),
            place: reservation.waitlist_position_at_first(),
            seats: reservation.seat_ids.to_vec(),
        }
    }
}

pub(crate) fn tell_reservation(verb: &str, told: &Told) -> String {
    let mut text = format!("{verb} v{}, {}, t{}", told.version, told.status.as_str(), told.created_second);
    if let Some(expires_second) = told.expires_second {
        let _ = write!(text, ", until t{expires_second}");
    }
    if let Some(place) = told.place {
        let _ = write!(text, ", place {place}");
    }
    for seat in &told.seats {
        let _ = write!(text, " {seat}");
    }
    text
}

pub(crate) fn tell_event(verb: &str, told: &EventSummary) -> String {
    let mut text = format!(
        "{verb} v{}, {}, {} seats, {} free, {} held, {} confirmed, {} waiting, {}",
        told.version,
        told.name.as_str(),
        told.total_seats,
        told.available_seats,
        told.held_seats,
        told.reservation_count,
        told.waitlist_count,
        told.sales.as_str()
    );
    if told.quotas != Quotas::default() {
        let Quotas { seats_per_reservation_max, seats_per_partner_max, reservations_per_partner_max } = told.quotas;
        let maxima = [seats_per_reservation_max, seats_per_partner_max, reservations_per_partner_max];
        let _ = write!(text, ", at most {}", maxima.map(|max| max.map_or("-".into(), |max| max.to_string())).join("/"));
    }
    if *told.details != Details::default() {
        let _ = write!(text, ", {:?}", told.details);
    }
    text
}

pub(crate) fn refused(why: &Rejection) -> String {
    match why {
        Rejection::UnknownReservation(_) => "refused: unknown".to_owned(),
        Rejection::ReservationExpired(_) => "refused: expired".to_owned(),
        Rejection::KeyReused => "refused: key reused".to_owned(),
        Rejection::PreconditionFailed { current } => format!("refused: precondition failed at v{current}"),
        why => format!("refused: {why}"),
    }
}
