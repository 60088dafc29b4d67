//! Other terms for the event itself: what it says, what it allows, how many seats it has.

use super::{
    super::{Amend, Amendment, Details, Quotas},
    Arc, Batch, Change, Command, Outcome, RecordedEffect, Rejection, Subject, Undecided,
};

/// Of those who wait, so many are served with the amendment that makes room for them, however much else is to be done.
const SERVED_AT_ONCE: usize = 256;

impl Batch<'_> {
    /// `None` when it would be refused for want of seats that holds have which are over.
    pub(super) fn amend(&mut self, command: &Command, amend: &Amend) -> Result<Option<Outcome>, Undecided> {
        let fingerprint = command.fingerprint();
        if let Some(done) = self.event.operations.iter().find(|operation| operation.id == command.operation) {
            return Ok(Some(if done.fingerprint == fingerprint {
                Outcome::Replayed(Subject::Event(Box::new(done.answer.clone())))
            } else {
                Outcome::Refused(Rejection::KeyReused)
            }));
        }
        if let Some(record) = self.record(command) {
            return Ok(Some(match &record.effect {
                RecordedEffect::Amended(answer) if record.fingerprint == fingerprint => {
                    Outcome::Replayed(Subject::Event(answer.clone()))
                }
                _ => Outcome::Refused(Rejection::KeyReused),
            }));
        }
        if let Some(refused) = self.precondition(command) {
            return Ok(Some(refused));
        }
        let is_overdue = self.is_overdue();
        let event = &self.event;
        let total_seats = amend.total_seats.unwrap_or(event.total_seats);
        if event.hall.is_some() && total_seats != event.total_seats {
            return Ok(Some(Outcome::Refused(Rejection::SeatsAreMapped)));
        }
        let taken = event.taken_seats();
        if total_seats < taken {
            let may_lapse = is_overdue && total_seats >= event.confirmed_seats;
            let refused = Outcome::Refused(Rejection::SeatsTaken { requested: total_seats, taken });
            return Ok(Some(refused).filter(|_| !may_lapse));
        }
        let amendment = Amendment {
            version: event.version.next(),
            name: amend.name.clone().unwrap_or_else(|| event.name.clone()),
            details: Arc::new(amended_details(amend, &event.details)),
            quotas: Quotas {
                seats_per_reservation_max: amend
                    .seats_per_reservation_max
                    .unwrap_or(event.quotas.seats_per_reservation_max),
                seats_per_partner_max: amend.seats_per_partner_max.unwrap_or(event.quotas.seats_per_partner_max),
                reservations_per_partner_max: amend
                    .reservations_per_partner_max
                    .unwrap_or(event.quotas.reservations_per_partner_max),
            },
            sales: amend.sales.unwrap_or(event.sales),
            total_seats,
        };
        let change = Change::Event(Box::new(amendment));
        self.event.apply(&change)?;
        self.changes.push(change);
        self.allow_unasked(SERVED_AT_ONCE);
        self.serve_waitlist()?;
        // The answer tells the event as it is when those who waited were served, so that its version is the one to go on from.
        let answer = self.event.summary();
        self.leave_record(command, RecordedEffect::Amended(Box::new(answer.clone())));
        Ok(Some(Outcome::Accepted(Subject::Event(Box::new(answer)))))
    }
}

fn amended_details(amend: &Amend, before: &Details) -> Details {
    Details {
        description: amend.description.clone().unwrap_or_else(|| before.description.clone()),
        starts_at: amend.starts_at.unwrap_or(before.starts_at),
        location: amend.location.clone().unwrap_or_else(|| before.location.clone()),
        price: amend.price.clone().unwrap_or_else(|| before.price.clone()),
    }
}
