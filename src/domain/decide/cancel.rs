//! Giving seats back, or a place on the waitlist up.

use super::{
    Batch, Command, OperationKind, Outcome, Rejection, Reservation, Status, Undecided, Uuid, accepted, replayed,
};

impl Batch<'_> {
    pub(super) fn cancel(&mut self, command: &Command, uuid: Uuid) -> Result<Outcome, Undecided> {
        let Some(existing) = self.reservation(uuid) else { return Ok(self.unknown(uuid)) };
        if let Some(operation) = existing.operation(&command.operation) {
            return Ok(match operation.kind {
                OperationKind::Cancel => replayed(existing, operation),
                _ => Outcome::Refused(Rejection::KeyReused),
            });
        }
        if self.record(command).is_some() {
            return Ok(Outcome::Refused(Rejection::KeyReused));
        }
        if !existing.status.is_active() {
            return Ok(self.unknown(uuid));
        }
        if let Some(refused) = self.precondition(command) {
            return Ok(refused);
        }
        let before = existing.status;
        let cancelled = Reservation { status: Status::Cancelled, expires_at: None, ..Reservation::clone(existing) };
        let cancelled = self.step(command.operation.clone(), OperationKind::Cancel, Some(before), cancelled)?;
        // Also one who only waited may have stood in the way of those behind.
        self.serve_waitlist()?;
        Ok(accepted(cancelled))
    }
}
