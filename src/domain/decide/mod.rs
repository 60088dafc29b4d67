//! The heart: what becomes of commands, given an event and the facts about its reservations.
//!
//! Every decision first looks after the event: holds whose time is over lapse, and free seats go to the waitlist. Then the
//! commands are decided in their order, and whatever one of them frees goes to the waitlist before the next is looked at. So
//! nobody ever decides on a hold that has expired or takes a seat that somebody waits for.
//!
//! The rooms: [`reserve`], [`cancel`], [`hold`], [`waitlist`], [`amend`].

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Change, Command, Event, Facts, Operation, OperationId, OperationKind, OperationRecord, Outcome, PartnerId,
    RecordedEffect, Rejection, Request, Reservation, ReservationId, Status, Step, Subject, Wanted,
    event::BrokenInvariant,
};

mod amend;
mod cancel;
mod hold;
mod reserve;
mod waitlist;

/// Changes that one decision makes at most. A commit carries all of them in one document, which has its limits; what is
/// left over is decided next, before anything else.
pub const CHANGES_MAX: usize = 2_048;

/// What came of a batch of commands: nothing in it has happened until [`Decision::changes`] are committed at the version
/// that was decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// One outcome for each command, in the commands' order. Fewer than commands when [`CHANGES_MAX`] was reached: the others are
    /// to be decided on the event as it is then.
    pub outcomes: Vec<Outcome>,
    /// The accepted changes in order; each raises the version by one.
    pub changes: Vec<Change>,
    /// What is to be known for ever of operations that no reservation tells of; each belongs to one of the changes.
    pub records: Vec<Arc<OperationRecord>>,
    /// The event after all changes.
    pub event: Event,
}

impl Decision {
    /// The reservations that the changes touched, each once, in its last state, in the order of their versions.
    pub fn reservations(&self) -> impl Iterator<Item = &Arc<Reservation>> {
        let steps = || self.changes.iter().filter_map(Change::step).map(|step| &step.reservation);
        let mut last = HashMap::with_capacity(self.changes.len());
        for reservation in steps() {
            last.insert(reservation.id.uuid, reservation.version);
        }
        steps().filter(move |reservation| last[&reservation.id.uuid] == reservation.version)
    }

    /// Whether there is nothing to commit on `before`, the event that was decided on.
    #[must_use]
    pub fn is_empty(&self, before: &Event) -> bool {
        self.changes.is_empty() && self.event.due_at == before.due_at
    }
}

/// Why there is no decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// These facts are needed, too.
    #[error("facts are missing: {0:?}")]
    Missing(Wanted),
    /// Event and facts contradict each other, so that a change would break the event's invariant. That is never a matter
    /// of the commands, but of a store that holds what no rule has written.
    #[error(transparent)]
    Broken(#[from] BrokenInvariant),
}

/// Decides `commands` in their order on `event`; each sees what those before it did.
///
/// `facts` should hold what [`super::facts_needed`] asked for. `now` becomes the time of what is made, and holds lapse by it.
/// The same arguments give the same decision. For each command the checks come in this order: was it done before, does
/// its target exist, does its precondition hold, do the rules allow it.
///
/// # Errors
/// When more facts are needed, or event and facts contradict each other.
pub fn decide<'a>(
    event: &Event,
    facts: &Facts,
    commands: impl IntoIterator<Item = &'a Command>,
    now: Timestamp,
) -> Result<Decision, Undecided> {
    let mut batch = Batch::new(event, facts, now);
    let mut outcomes = Vec::new();
    batch.look_after()?;
    for command in commands {
        if batch.is_full() {
            break;
        }
        outcomes.push(match &command.request {
            Request::Reserve(reserve) => batch.reserve(command, reserve)?,
            Request::Cancel(uuid) => batch.cancel(command, *uuid)?,
            Request::Confirm(uuid) => batch.confirm(command, *uuid)?,
            Request::Amend(amend) => batch.amend(command, amend)?,
        });
    }
    batch.finish(outcomes)
}

struct Batch<'a> {
    facts: &'a Facts,
    now: Timestamp,
    event: Event,
    touched: HashMap<Uuid, Arc<Reservation>>,
    changes: Vec<Change>,
    records: Vec<Arc<OperationRecord>>,
    /// Who waits, as far as the facts tell; some may have left the list in this batch.
    waiting: VecDeque<Arc<Reservation>>,
    /// Whether the facts tell of everybody who waited at first.
    waiting_is_known: bool,
    /// Who joined the waitlist in this batch.
    joined: VecDeque<Uuid>,
    /// Whom earlier cancels gave seats, as far as it must be told and is not known yet.
    untold: Vec<Uuid>,
    /// What those partners have who were asked about.
    partners: HashMap<PartnerId, Possessions>,
    /// Whether [`CHANGES_MAX`] was reached, so that no command is looked at any more, while free seats or lapsed holds were
    /// left to be dealt with.
    left_over: bool,
}

/// What a partner has of an event, in active reservations.
#[derive(Debug, Clone, Copy, Default)]
struct Possessions {
    seats: u32,
    reservations: u32,
}

impl<'a> Batch<'a> {
    fn new(event: &Event, facts: &'a Facts, now: Timestamp) -> Self {
        let total = |reservations: &Vec<Arc<Reservation>>| {
            let mut possessions = Possessions::default();
            for reservation in reservations.iter().filter(|reservation| reservation.status.is_active()) {
                possessions.seats = possessions.seats.saturating_add(reservation.seats.get());
                possessions.reservations += 1;
            }
            possessions
        };
        Self {
            facts,
            now,
            event: event.clone(),
            touched: HashMap::new(),
            changes: Vec::new(),
            records: Vec::new(),
            waiting: facts.waitlist.iter().cloned().collect(),
            waiting_is_known: facts.waitlist.len() >= event.waitlist_count as usize,
            joined: VecDeque::new(),
            untold: Vec::new(),
            partners: facts.partners.iter().map(|(partner, active)| (partner.clone(), total(active))).collect(),
            left_over: false,
        }
    }

    /// What is to be done before any command is looked at.
    fn look_after(&mut self) -> Result<(), Undecided> {
        self.lapse_holds()?;
        self.serve_waitlist()
    }

    fn finish(mut self, outcomes: Vec<Outcome>) -> Result<Decision, Undecided> {
        if !self.untold.is_empty() {
            return Err(Undecided::Missing(Wanted { reservations: self.untold, ..Wanted::default() }));
        }
        if self.left_over {
            self.event.due_at = Some(self.event.due_at.map_or(self.now, |due_at| due_at.min(self.now)));
        } else if self.event.hold_count == 0 {
            self.event.due_at = None;
        }
        self.event.check()?;
        Ok(Decision { outcomes, changes: self.changes, records: self.records, event: self.event })
    }

    fn is_full(&self) -> bool {
        self.changes.len() >= CHANGES_MAX
    }

    /// The record that this very operation left before, in this batch or earlier.
    fn record(&self, command: &Command) -> Option<&Arc<OperationRecord>> {
        let uuid = command.record_uuid(&self.event.id_salt)?;
        self.records.iter().find(|record| record.uuid == uuid).or_else(|| self.facts.operations.get(&uuid))
    }

    /// Leaves a record of an operation that made the event's present version.
    fn leave_record(&mut self, command: &Command, effect: RecordedEffect) {
        let Some(uuid) = command.record_uuid(&self.event.id_salt) else { return };
        let (version, fingerprint) = (self.event.version, command.fingerprint());
        self.records.push(Arc::new(OperationRecord { uuid, version, fingerprint, effect }));
    }

    /// Makes one step of a reservation: notes the operation in its history and moves the event on.
    fn step(
        &mut self,
        id: OperationId,
        kind: OperationKind,
        before: Option<Status>,
        mut after: Reservation,
    ) -> Result<Arc<Reservation>, Undecided> {
        after.version = self.event.version.next();
        let joins = after.status == Status::Waitlisted && before.is_none();
        let operation = Operation {
            id,
            kind,
            version: after.version,
            status: after.status,
            expires_at: after.expires_at,
            waitlist_position: joins.then(|| self.event.waitlist_count + 1),
            at: (self.now != after.created_at).then_some(self.now),
            promoted: Vec::new(),
        };
        after.operations.push(operation);
        let reservation = Arc::new(after);
        let change = Change::Reservation(Step { before, reservation: reservation.clone() });
        self.event.apply(&change)?;
        if let Some(possessions) = self.partners.get_mut(&reservation.partner_id) {
            possessions.adjust(before, &reservation);
        }
        self.touched.insert(reservation.id.uuid, reservation.clone());
        self.changes.push(change);
        Ok(reservation)
    }

    fn reservation(&self, uuid: Uuid) -> Option<&Arc<Reservation>> {
        self.touched.get(&uuid).or_else(|| self.facts.reservations.get(&uuid))
    }

    /// `listed`, or what this batch has made of it.
    fn current(&self, listed: &Arc<Reservation>) -> Arc<Reservation> {
        self.touched.get(&listed.id.uuid).unwrap_or(listed).clone()
    }

    fn precondition(&self, command: &Command) -> Option<Outcome> {
        let current = self.event.version;
        let failed = command.expected.as_ref().is_some_and(|expected| !expected.holds_at(current));
        failed.then_some(Outcome::Refused(Rejection::PreconditionFailed { current }))
    }

    fn unknown(&self, uuid: Uuid) -> Outcome {
        let id = ReservationId { event_id: self.event.id.clone(), uuid };
        Outcome::Refused(Rejection::UnknownReservation(id))
    }
}

impl Possessions {
    fn adjust(&mut self, before: Option<Status>, after: &Reservation) {
        let (had, has) = (before.is_some_and(Status::is_active), after.status.is_active());
        let seats = after.seats.get();
        if has && !had {
            self.seats = self.seats.saturating_add(seats);
            self.reservations += 1;
        } else if had && !has {
            self.seats = self.seats.saturating_sub(seats);
            self.reservations = self.reservations.saturating_sub(1);
        }
    }
}

fn accepted(reservation: Arc<Reservation>) -> Outcome {
    Outcome::Accepted(Subject::Reservation(reservation))
}

fn replayed(reservation: &Arc<Reservation>, operation: &Operation) -> Outcome {
    Outcome::Replayed(Subject::Reservation(as_it_was(reservation, operation)))
}

/// The reservation as it stood right after `operation`, which is what the operation's first answer said.
fn as_it_was(reservation: &Arc<Reservation>, operation: &Operation) -> Arc<Reservation> {
    if reservation.version == operation.version {
        return reservation.clone();
    }
    let mut then = Reservation::clone(reservation);
    then.status = operation.status;
    then.version = operation.version;
    then.expires_at = operation.expires_at;
    if operation.status == Status::Waitlisted {
        then.seat_ids = Arc::default();
    }
    then.operations.retain(|other| other.version <= operation.version);
    Arc::new(then)
}

#[cfg(test)]
mod tests;
