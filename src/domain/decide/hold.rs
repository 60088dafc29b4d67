//! Seats that are held for a while: confirmed in time, or lapsed.

use super::{
    Batch, CHANGES_MAX, Change, Command, OperationId, OperationKind, Outcome, RecordedEffect, Rejection, Reservation,
    Status, Undecided, Uuid, Wanted, accepted, replayed,
};

/// How many more holds are asked for when all that are known are due.
const MORE_HOLDS: usize = 8;

impl Batch<'_> {
    /// A reservation whose hold begins now.
    pub(super) fn held_from_now(&mut self, reservation: Reservation) -> Reservation {
        let Some(hold) = reservation.hold else { return reservation };
        let expires_at = hold.after(self.now);
        self.event.due_at = Some(self.event.due_at.map_or(expires_at, |due_at| due_at.min(expires_at)));
        Reservation { status: Status::Held, expires_at: Some(expires_at), ..reservation }
    }

    pub(super) fn confirm(&mut self, command: &Command, uuid: Uuid) -> Result<Outcome, Undecided> {
        let Some(existing) = self.reservation(uuid) else { return Ok(self.unknown(uuid)) };
        if let Some(operation) = existing.operation(&command.operation) {
            return Ok(match operation.kind {
                OperationKind::Confirm => replayed(existing, operation),
                _ => Outcome::Refused(Rejection::KeyReused),
            });
        }
        if let Some(record) = self.record(command) {
            let RecordedEffect::AlreadyConfirmed(version) = record.effect else {
                return Ok(Outcome::Refused(Rejection::KeyReused));
            };
            let then = existing.operations.iter().find(|operation| operation.version == version);
            let then = then.ok_or_else(|| self.event.broken("a reservation lacks a version that it was told at"))?;
            return Ok(replayed(existing, then));
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
                let existing = existing.clone();
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
                    Reservation { status: Status::Confirmed, expires_at: None, ..Reservation::clone(existing) };
                let operation = command.operation.clone();
                self.step(operation, OperationKind::Confirm, Some(before), confirmed).map(accepted)
            }
        }
    }

    /// Ends every hold whose time is over, the earliest first.
    pub(super) fn lapse_holds(&mut self) -> Result<(), Undecided> {
        if self.event.due_at.is_none_or(|due_at| due_at > self.now) {
            return Ok(());
        }
        let facts = self.facts;
        let is_due = |hold: &Reservation| hold.expires_at.is_some_and(|expires_at| expires_at <= self.now);
        let due = facts.holds.iter().take_while(|hold| is_due(hold)).count();
        let next = facts.holds.get(due);
        let more_may_be_due = next.is_none() && due < self.event.hold_count as usize;
        if more_may_be_due && due < CHANGES_MAX {
            let holds = (due.max(1) * MORE_HOLDS).min(self.event.hold_count as usize);
            return Err(Undecided::Missing(Wanted { holds, ..Wanted::default() }));
        }
        self.left_over = more_may_be_due || due > CHANGES_MAX;
        let lapsing = &facts.holds[..due.min(CHANGES_MAX)];
        // Those that are left over lapse no earlier than the last of these.
        let first_left = if self.left_over { lapsing.last() } else { next };
        self.event.due_at = first_left.and_then(|hold| hold.expires_at);
        for hold in lapsing {
            let expired = Reservation { status: Status::Expired, expires_at: None, ..Reservation::clone(hold) };
            self.step(OperationId::Unasked, OperationKind::Lapse, Some(Status::Held), expired)?;
        }
        Ok(())
    }
}
