//! The heart: what becomes of commands, given an event and the facts about its reservations.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Change, Command, Event, Operation, OperationKind, Outcome, Rejection, Request, Reservation, ReservationId, Reserve,
    Status, event::BrokenInvariant,
};

/// What is known about reservations beside the event itself: those that the commands name, as they stand at the
/// event's version. A reservation that was asked for and is absent does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Reservations of this event by the uuid part of their id.
    pub reservations: HashMap<Uuid, Arc<Reservation>>,
}

/// What came of a batch of commands: nothing in it has happened until [`Decision::changes`] are committed at the version
/// that was decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// One outcome for each command, in the commands' order.
    pub outcomes: Vec<Outcome>,
    /// The accepted changes in order; each raises the version by one.
    pub changes: Vec<Change>,
    /// The event after all changes.
    pub event: Event,
}

impl Decision {
    /// The reservations that the changes touched, each once, in its last state, in the order of their versions.
    pub fn reservations(&self) -> impl Iterator<Item = &Arc<Reservation>> {
        let mut last = HashMap::with_capacity(self.changes.len());
        for change in &self.changes {
            last.insert(change.reservation.id.uuid, change.reservation.version);
        }
        self.changes
            .iter()
            .map(|change| &change.reservation)
            .filter(move |reservation| last[&reservation.id.uuid] == reservation.version)
    }
}

/// The reservations that must be known to decide `commands` on `event`.
///
/// A reservation whose id was minted for this very request cannot exist yet, so it is asked for only when an earlier
/// attempt may have made it (`attempted`).
#[must_use]
pub fn facts_needed<'a>(event: &Event, commands: impl IntoIterator<Item = &'a Command>, attempted: bool) -> Vec<Uuid> {
    commands
        .into_iter()
        .filter(|command| attempted || command.key().is_some() || !matches!(command.request, Request::Reserve(_)))
        .map(|command| command.reservation_uuid(&event.id_salt))
        .collect()
}

/// Decides `commands` in their order on `event`; each sees what those before it did.
///
/// `facts` must hold what [`facts_needed`] asked for. `now` becomes the time of what is made. The same arguments give
/// the same decision. For each command the checks come in this order: was it done before, does its target exist, does
/// its precondition hold, do the rules allow it.
///
/// # Errors
/// When event and facts contradict each other, so that a change would break the event's invariant. That is never
/// a matter of the commands, but of a store that holds what no rule has written.
pub fn decide<'a>(
    event: &Event,
    facts: &Facts,
    commands: impl IntoIterator<Item = &'a Command>,
    now: Timestamp,
) -> Result<Decision, BrokenInvariant> {
    let mut batch = Batch { event: event.clone(), facts, touched: HashMap::new(), changes: Vec::new(), now };
    let mut outcomes = Vec::new();
    for command in commands {
        outcomes.push(match &command.request {
            Request::Reserve(reserve) => batch.reserve(command, reserve)?,
            Request::Cancel(uuid) => batch.cancel(command, *uuid)?,
        });
    }
    batch.event.check()?;
    Ok(Decision { outcomes, changes: batch.changes, event: batch.event })
}

struct Batch<'a> {
    event: Event,
    facts: &'a Facts,
    touched: HashMap<Uuid, Arc<Reservation>>,
    changes: Vec<Change>,
    now: Timestamp,
}

impl Batch<'_> {
    fn reserve(&mut self, command: &Command, reserve: &Reserve) -> Result<Outcome, BrokenInvariant> {
        let uuid = command.reservation_uuid(&self.event.id_salt);
        let fingerprint = command.fingerprint();
        if let Some(existing) = self.reservation(uuid) {
            return Ok(match existing.operation(&command.operation) {
                Some(operation) if operation.kind == OperationKind::Reserve && existing.fingerprint == fingerprint => {
                    Outcome::Replayed(as_it_was(existing, operation))
                }
                _ => Outcome::Refused(Rejection::KeyReused),
            });
        }
        if let Some(refused) = self.precondition(command) {
            return Ok(refused);
        }
        let requested = reserve.seats.get();
        let available = self.event.available_seats;
        if requested > available {
            return Ok(Outcome::Refused(Rejection::InsufficientSeats { requested, available }));
        }
        let version = self.event.version.next();
        let made = Reservation {
            id: ReservationId { event_id: self.event.id.clone(), uuid },
            partner_id: reserve.partner_id.clone(),
            seats: reserve.seats,
            status: Status::Confirmed,
            version,
            created_version: version,
            created_at: self.now,
            fingerprint,
            operations: Vec::new(),
        };
        self.change(command, None, made, OperationKind::Reserve)
    }

    fn cancel(&mut self, command: &Command, uuid: Uuid) -> Result<Outcome, BrokenInvariant> {
        let unknown = || ReservationId { event_id: self.event.id.clone(), uuid };
        let Some(existing) = self.reservation(uuid) else {
            return Ok(Outcome::Refused(Rejection::UnknownReservation(unknown())));
        };
        if let Some(operation) = existing.operation(&command.operation) {
            return Ok(match operation.kind {
                OperationKind::Cancel => Outcome::Replayed(as_it_was(existing, operation)),
                OperationKind::Reserve => Outcome::Refused(Rejection::KeyReused),
            });
        }
        if existing.status == Status::Cancelled {
            return Ok(Outcome::Refused(Rejection::UnknownReservation(unknown())));
        }
        if let Some(refused) = self.precondition(command) {
            return Ok(refused);
        }
        let mut cancelled = Reservation::clone(existing);
        let before = cancelled.status;
        cancelled.status = Status::Cancelled;
        cancelled.version = self.event.version.next();
        self.change(command, Some(before), cancelled, OperationKind::Cancel)
    }

    /// Makes one change: notes the operation in the reservation's history and moves the event on.
    fn change(
        &mut self,
        command: &Command,
        before: Option<Status>,
        mut after: Reservation,
        kind: OperationKind,
    ) -> Result<Outcome, BrokenInvariant> {
        let id = command.operation.clone();
        after.operations.push(Operation { id, kind, version: after.version, status: after.status });
        let reservation = Arc::new(after);
        let change = Change { before, reservation: reservation.clone() };
        self.event.apply(&change)?;
        self.touched.insert(reservation.id.uuid, reservation.clone());
        self.changes.push(change);
        Ok(Outcome::Accepted(reservation))
    }

    fn reservation(&self, uuid: Uuid) -> Option<&Arc<Reservation>> {
        self.touched.get(&uuid).or_else(|| self.facts.reservations.get(&uuid))
    }

    fn precondition(&self, command: &Command) -> Option<Outcome> {
        let current = self.event.version;
        let failed = command.expected.as_ref().is_some_and(|expected| !expected.holds_at(current));
        failed.then_some(Outcome::Refused(Rejection::PreconditionFailed { current }))
    }
}

/// The reservation as it stood right after `operation`, which is what the operation's first answer said.
fn as_it_was(reservation: &Arc<Reservation>, operation: &Operation) -> Arc<Reservation> {
    if reservation.version == operation.version {
        return reservation.clone();
    }
    let mut then = Reservation::clone(reservation);
    then.status = operation.status;
    then.version = operation.version;
    then.operations.retain(|other| other.version <= operation.version);
    Arc::new(then)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
