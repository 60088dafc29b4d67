//! Giving seats back, or a place on the waitlist up; and who is served by that.

use super::{
    super::{Cancellation, Step, Subject, operation::PROMOTED_MAX},
    Arc, Batch, Change, Command, Operation, OperationKind, Outcome, Rejection, Reservation, Status, Undecided, Uuid,
    accepted, as_it_was, replayed,
};

impl Batch<'_> {
    pub(super) fn cancel(&mut self, command: &Command, uuid: Uuid) -> Result<Outcome, Undecided> {
        let Some(existing) = self.named(uuid)? else { return Ok(self.unknown(uuid)) };
        if let Some(operation) = existing.operation(&command.operation) {
            return Ok(match operation.kind {
                OperationKind::Cancel if operation.promoted.is_empty() => replayed(&existing, operation),
                OperationKind::Cancel => {
                    let (cancelled, operation) = (as_it_was(&existing, operation), operation.clone());
                    let promoted = self.promoted_by(&operation);
                    Outcome::Replayed(Subject::Cancellation(Box::new(Cancellation { cancelled, promoted })))
                }
                _ => Outcome::Refused(Rejection::KeyReused),
            });
        }
        if self.record(command).is_some() {
            return Ok(Outcome::Refused(Rejection::KeyReused));
        }
        match existing.status {
            Status::Cancelled => return Ok(self.unknown(uuid)),
            Status::Expired => return Ok(Outcome::Refused(Rejection::ReservationExpired(existing.id.clone()))),
            Status::Confirmed | Status::Held | Status::Waitlisted => {}
        }
        if let Some(refused) = self.precondition(command) {
            return Ok(refused);
        }
        let before = existing.status;
        let cancelled = Reservation { status: Status::Cancelled, expires_at: None, ..Reservation::clone(&existing) };
        let cancelled = self.step(command.operation.clone(), OperationKind::Cancel, Some(before), cancelled)?;
        let made_until_now = self.changes.len();
        // Also one who only waited may have stood in the way of those behind.
        self.serve_with(&cancelled)?;
        let served = self.changes[made_until_now..].iter().filter_map(Change::step).filter(|step| promotes(step));
        let promoted: Vec<_> = served.take(PROMOTED_MAX).map(|step| step.reservation.clone()).collect();
        if promoted.is_empty() {
            return Ok(accepted(cancelled));
        }
        let cancelled = self.note_promoted(made_until_now - 1, &cancelled, &promoted);
        Ok(Outcome::Accepted(Subject::Cancellation(Box::new(Cancellation { cancelled, promoted }))))
    }

    /// Writes who was `promoted` into the history of what the change at `index` `cancelled`: whoever asks again is told the same.
    fn note_promoted(
        &mut self,
        index: usize,
        cancelled: &Reservation,
        promoted: &[Arc<Reservation>],
    ) -> Arc<Reservation> {
        let mut noted = Reservation::clone(cancelled);
        if let Some(operation) = noted.operations.last_mut() {
            operation.promoted = promoted.iter().map(|reservation| reservation.id.uuid).collect();
        }
        let noted = Arc::new(noted);
        if let Some(Change::Reservation(Step { reservation, .. })) = self.changes.get_mut(index) {
            *reservation = noted.clone();
        }
        self.touched.insert(noted.id.uuid, noted.clone());
        noted
    }

    /// Those whom an earlier cancel gave seats, as they were right after it. Where they are not known, all that the batch lacks of
    /// them is asked for at its end: a replay changes nothing that the next commands could see.
    fn promoted_by(&mut self, cancel: &Operation) -> Vec<Arc<Reservation>> {
        let mut promoted = Vec::with_capacity(cancel.promoted.len());
        for uuid in &cancel.promoted {
            let Some(known) = self.reservation(*uuid) else {
                self.untold.push(*uuid);
                continue;
            };
            let promotion = known.operations.iter().find(|operation| operation.kind == OperationKind::Promote);
            promoted.extend(promotion.map(|promotion| as_it_was(known, promotion)));
        }
        promoted
    }
}

fn promotes(step: &Step) -> bool {
    step.reservation.operations.last().is_some_and(|last| last.kind == OperationKind::Promote)
}
