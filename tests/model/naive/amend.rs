//! Other terms for the event itself.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    super::{
        domain::{Amend, Command, Details, EventSummary, Rejection},
        words::tell_event,
    },
    Naive, again,
};

impl Naive {
    pub(super) fn amend(&mut self, command: &Command, amend: &Amend, now: Timestamp) -> Result<String, Rejection> {
        if let Some((_, asked, answer)) = self.amendments.iter().find(|(id, ..)| *id == command.operation) {
            return if asked == amend { Ok(again(answer)) } else { Err(Rejection::KeyReused) };
        }
        self.precondition(command)?;
        let EventSummary { total_seats, available_seats, .. } = self.summary();
        let taken = total_seats - available_seats;
        let requested = amend.total_seats.unwrap_or(total_seats);
        if self.terms.has_seat_map && requested != total_seats {
            return Err(Rejection::SeatsAreMapped);
        }
        if requested < taken {
            return Err(Rejection::SeatsTaken { requested, taken });
        }
        self.next_version();
        self.set_terms(amend);
        self.serve(now);
        let answer = tell_event("amended", &self.summary());
        self.amendments.push((command.operation.clone(), amend.clone(), answer.clone()));
        Ok(answer)
    }

    fn set_terms(&mut self, amend: &Amend) {
        let Amend { name, description, starts_at, location, price, sales, total_seats, .. } = amend.clone();
        let terms = &mut self.terms;
        let was = Details::clone(&terms.details);
        terms.name = name.unwrap_or(terms.name.clone());
        terms.details = Arc::new(Details {
            description: description.unwrap_or(was.description),
            starts_at: starts_at.unwrap_or(was.starts_at),
            location: location.unwrap_or(was.location),
            price: price.unwrap_or(was.price),
        });
        let quotas = &mut terms.quotas;
        quotas.seats_per_reservation_max = amend.seats_per_reservation_max.unwrap_or(quotas.seats_per_reservation_max);
        quotas.seats_per_partner_max = amend.seats_per_partner_max.unwrap_or(quotas.seats_per_partner_max);
        quotas.reservations_per_partner_max =
            amend.reservations_per_partner_max.unwrap_or(quotas.reservations_per_partner_max);
        terms.sales = sales.unwrap_or(terms.sales);
        terms.total_seats = total_seats.unwrap_or(terms.total_seats);
    }
}
