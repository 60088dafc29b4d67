//! Seats for a partner: at once, for a while, or as soon as there are some.

use std::num::NonZeroU32;

use super::{
    super::{Limited, Reserve, Sales, SeatId, SeatState},
    Arc, Batch, Command, OperationKind, Outcome, Rejection, Reservation, ReservationId, Status, Undecided, Wanted,
    accepted, replayed,
};

impl Batch<'_> {
    pub(super) fn reserve(&mut self, command: &Command, reserve: &Reserve) -> Result<Outcome, Undecided> {
        let fingerprint = command.fingerprint();
        let uuid = command.reservation_uuid(&self.event.id_salt).unwrap_or(reserve.minted);
        if let Some(existing) = self.reservation(uuid) {
            return Ok(match existing.operation(&command.operation) {
                Some(operation) if operation.kind == OperationKind::Reserve && existing.fingerprint == fingerprint => {
                    replayed(existing, operation)
                }
                _ => Outcome::Refused(Rejection::KeyReused),
            });
        }
        if let Some(refused) = self.precondition(command) {
            return Ok(refused);
        }
        if let Some(rejection) = self.forbidden(reserve)? {
            return Ok(Outcome::Refused(rejection));
        }
        let (status, seat_ids) = match self.place(reserve) {
            Ok(place) => place,
            Err(rejection) => return Ok(Outcome::Refused(rejection)),
        };

        let version = self.event.version.next();
        let made = Reservation {
            id: ReservationId { event_id: self.event.id.clone(), uuid },
            partner_id: reserve.partner_id.clone(),
            seats: reserve.seats,
            seat_ids,
            status,
            version,
            created_version: version,
            created_at: self.now,
            hold: reserve.hold,
            expires_at: None,
            fingerprint,
            operations: Vec::new(),
        };
        let made = if status == Status::Held { self.held_from_now(made) } else { made };
        let made = self.step(command.operation.clone(), OperationKind::Reserve, None, made)?;
        if made.status == Status::Waitlisted {
            self.joined.push_back(uuid);
        }
        Ok(accepted(made))
    }

    /// The rules that have nothing to do with who else wants seats.
    fn forbidden(&self, reserve: &Reserve) -> Result<Option<Rejection>, Undecided> {
        let unknown = self.unknown_seats(&reserve.seat_ids);
        if !unknown.is_empty() {
            let has_names = self.event.hall.is_some();
            return Ok(Some(if has_names {
                Rejection::UnknownSeats(unknown)
            } else {
                Rejection::SeatsHaveNoNames(unknown)
            }));
        }
        let quotas = &self.event.quotas;
        if let Some(max) = quotas.seats_per_reservation_max.filter(|max| reserve.seats.get() > max.get()) {
            return Ok(Some(Rejection::TooManySeats { max: max.get() }));
        }
        match self.event.sales {
            Sales::Open => {}
            Sales::Paused => return Ok(Some(Rejection::SalesPaused)),
            Sales::Closed => return Ok(Some(Rejection::SalesClosed)),
        }
        if !quotas.limit_partners() {
            return Ok(None);
        }
        let Some(has) = self.partners.get(&reserve.partner_id) else {
            let partners = vec![reserve.partner_id.clone()];
            return Err(Undecided::Missing(Wanted { partners, ..Wanted::default() }));
        };
        let over = |what, max: Option<NonZeroU32>, taken: u32, more: u32| {
            let max = max.filter(|max| taken.saturating_add(more) > max.get())?.get();
            Some(Rejection::PartnerLimit { what, max, taken })
        };
        Ok(over(Limited::Seats, quotas.seats_per_partner_max, has.seats, reserve.seats.get())
            .or_else(|| over(Limited::Reservations, quotas.reservations_per_partner_max, has.reservations, 1)))
    }

    /// Those of `seats` that the event does not have.
    fn unknown_seats(&self, seats: &[SeatId]) -> Vec<SeatId> {
        let known = |seat: &SeatId| self.event.hall.as_ref().is_some_and(|hall| hall.map().has(*seat));
        seats.iter().copied().filter(|seat| !known(seat)).collect()
    }

    /// Where the reservation would stand: with seats, if they are free and nobody waits for them, or on the waitlist.
    fn place(&self, reserve: &Reserve) -> Result<(Status, Arc<[SeatId]>), Rejection> {
        let (requested, available) = (reserve.seats.get(), self.event.available_seats);
        let waiting = self.event.waitlist_count;
        let with_seats = if reserve.hold.is_some() { Status::Held } else { Status::Confirmed };
        if let Some(hall) = &self.event.hall {
            let is_free = |seat: &SeatId| hall.state(*seat) == Some(SeatState::Free);
            let taken: Vec<_> = reserve.seat_ids.iter().copied().filter(|seat| !is_free(seat)).collect();
            if !taken.is_empty() {
                return Err(Rejection::SeatTaken(taken));
            }
        }
        if waiting == 0 && requested <= available {
            let named = reserve.seat_ids.clone();
            return Ok((with_seats, if named.is_empty() { self.best_seats(requested) } else { named }));
        }
        // More than all seats would never come free, and would hold up everybody behind.
        if reserve.waitlist && reserve.seat_ids.is_empty() && requested <= self.event.total_seats {
            return Ok((Status::Waitlisted, Arc::default()));
        }
        Err(Rejection::InsufficientSeats { requested, available, waiting })
    }

    /// The best free seats of an event whose seats have names.
    pub(super) fn best_seats(&self, count: u32) -> Arc<[SeatId]> {
        self.event.hall.as_ref().and_then(|hall| hall.best(count)).unwrap_or_default().into()
    }
}
