//! Seats that are held for a while: confirmed in time, or lapsed.

use super::{
    Arc, Batch, CHANGES_MAX, Change, Command, OperationId, OperationKind, Outcome, RecordedEffect, Rejection,
    Reservation, Status, Timestamp, Undecided, Uuid, Wanted, accepted, replayed,
};

/// How many more holds are asked for when all that are known are due.
const MORE_HOLDS: usize = 8;

impl Batch<'_> {
    /// A reservation whose hold begins now.
    pub(super) fn held_from_now(&mut self, reservation: Reservation) -> Reservation {
        let Some(hold) = reservation.hold else { return reservation };
        let expires_at = hold.after(self.now);
        self.holds.begun_lapses_at = Some(self.holds.begun_lapses_at.map_or(expires_at, |begun| begun.min(expires_at)));
        Reservation { status: Status::Held, expires_at: Some(expires_at), ..reservation }
    }

    pub(super) fn confirm(&mut self, command: &Command, uuid: Uuid) -> Result<Outcome, Undecided> {
        let Some(existing) = self.named(uuid)? else { return Ok(self.unknown(uuid)) };
        if let Some(operation) = existing.operation(&command.operation) {
            return Ok(match operation.kind {
                OperationKind::Confirm => replayed(&existing, operation),
                _ => Outcome::Refused(Rejection::KeyReused),
            });
        }
        if let Some(record) = self.record(command) {
            let RecordedEffect::AlreadyConfirmed(version) = record.effect else {
                return Ok(Outcome::Refused(Rejection::KeyReused));
            };
            let then = existing.operations.iter().find(|operation| operation.version == version);
            let then = then.ok_or_else(|| self.event.broken("a reservation lacks a version that it was told at"))?;
            return Ok(replayed(&existing, then));
        }
        if existing.status == Status::Cancelled {
            return Ok(self.unknown(uuid));
        }
        if let Some(refused) = self.precondition(command) {
            return Ok(refused);
        }
        match existing.status {
            Status::Expired => Ok(Outcome::Refused(Rejection::HoldExpired)),
            Status::Waitlisted => Ok(Outcome::Refused(Rejection::NothingHeld)),
            Status::Confirmed => {
                if command.key().is_some() {
                    // A retry may come when it is no longer so, and must get the same answer.
                    let change = Change::Noted(self.event.version.next());
                    self.event.apply(&change)?;
                    self.changes.push(change);
                    self.leave_record(command, RecordedEffect::AlreadyConfirmed(existing.version));
                }
                Ok(Outcome::AlreadySo(existing))
            }
            Status::Held | Status::Cancelled => {
                let before = existing.status;
                let confirmed =
                    Reservation { status: Status::Confirmed, expires_at: None, ..Reservation::clone(&existing) };
                let operation = command.operation.clone();
                self.step(operation, OperationKind::Confirm, Some(before), confirmed).map(accepted)
            }
        }
    }

    /// The reservation that a command names. A hold whose time is over lapses at last, if it has not lapsed yet.
    pub(super) fn named(&mut self, uuid: Uuid) -> Result<Option<Arc<Reservation>>, Undecided> {
        let Some(existing) = self.reservation(uuid).cloned() else { return Ok(None) };
        if !existing.is_over(self.now) {
            return Ok(Some(existing));
        }
        let lapsed = self.lapse(&existing)?;
        self.serve_with(&lapsed)?;
        Ok(Some(lapsed))
    }

    /// Ends holds whose time is over, the earliest first, as many as may be ended without being asked. Where somebody waits,
    /// half of what may be done is left for giving them the seats.
    pub(super) fn lapse_holds(&mut self) -> Result<(), Undecided> {
        let Some(left) = self.unasked_left.filter(|_| self.holds.is_due) else { return Ok(()) };
        let max = if self.event.waitlist_count > 0 { left.div_ceil(2) } else { left };
        let known = self.facts.holds.len();
        if !self.holds.due_are_known && known < max.min(CHANGES_MAX) {
            let holds = (known.max(1) * MORE_HOLDS).min(self.event.hold_count as usize);
            return Err(Undecided::Missing(Wanted { holds, ..Wanted::default() }));
        }
        for _ in 0..max {
            if self.is_full() {
                break;
            }
            let Some(hold) = self.next_overdue() else { break };
            self.take_unasked();
            self.lapse(&hold)?;
        }
        Ok(())
    }

    /// Ends as many holds whose time is over as it takes to have `seats` free seats; none when that is not enough, as far as
    /// is known, or when somebody waits, whose the seats would be.
    pub(super) fn lapse_for(&mut self, seats: u32) -> Result<bool, Undecided> {
        if !self.holds.is_due || self.event.waitlist_count > 0 {
            return Ok(false);
        }
        let mut free = self.event.available_seats;
        let mut lapsing = Vec::new();
        for hold in &self.facts.holds[self.holds.passed..] {
            if free >= seats || !hold.is_over(self.now) || self.changes.len() + lapsing.len() >= CHANGES_MAX {
                break;
            }
            let hold = self.current(hold);
            if hold.status == Status::Held {
                free = free.saturating_add(hold.seats.get());
                lapsing.push(hold);
            }
        }
        if free < seats {
            return Ok(false);
        }
        for hold in lapsing {
            self.lapse(&hold)?;
        }
        Ok(true)
    }

    fn lapse(&mut self, hold: &Reservation) -> Result<Arc<Reservation>, Undecided> {
        let expired = Reservation { status: Status::Expired, expires_at: None, ..hold.clone() };
        self.step(OperationId::Unasked, OperationKind::Lapse, Some(Status::Held), expired)
    }

    /// The first hold that is known, as it stands now.
    fn next_hold(&mut self) -> Option<Arc<Reservation>> {
        let facts = self.facts;
        while let Some(listed) = facts.holds.get(self.holds.passed) {
            let hold = self.current(listed);
            if hold.status == Status::Held {
                return Some(hold);
            }
            self.holds.passed += 1;
        }
        None
    }

    /// The first hold that is known to have had its time.
    fn next_overdue(&mut self) -> Option<Arc<Reservation>> {
        self.next_hold().filter(|hold| hold.is_over(self.now))
    }

    /// Whether holds may be left that have had their time.
    pub(super) fn is_overdue(&mut self) -> bool {
        self.holds.is_due && (!self.holds.due_are_known || self.next_overdue().is_some())
    }

    /// When the first hold lapses of those that are left, if there are any. Those that are not known lapse no earlier than
    /// the last that is.
    pub(super) fn first_left_lapses_at(&mut self) -> Option<Timestamp> {
        let last_known = self.facts.holds.last();
        match self.next_hold() {
            Some(hold) => hold.expires_at,
            None if self.facts.holds.len() >= self.holds.at_first => None,
            None => last_known.map_or(self.holds.due_at_first, |last| last.expires_at),
        }
    }
}
