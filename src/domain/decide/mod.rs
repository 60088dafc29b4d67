//! The heart: what becomes of commands, given an event and the facts about its reservations.
//!
//! Every decision first looks after the event: holds whose time is over lapse, and free seats go to the waitlist. Then the
//! commands are decided in their order, and whatever one of them frees goes to the waitlist before the next is looked at. So
//! nobody ever decides on a hold that has expired or takes a seat that somebody waits for.
//!
//! How much is done that nobody asked for is bounded, so that a quarter of a million holds that end at once keep nobody
//! waiting. What is left over counts as taken, and does no harm: a command that names such a hold lapses it, one that wants
//! seats lapses as many as it needs, and one that would still be refused for want of what they have is *deferred*: it is
//! decided when more has lapsed, and never told of a want that is none.
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
    /// One outcome for each command that is not deferred, in the commands' order. Fewer when [`CHANGES_MAX`] was reached: the
    /// others are to be decided on the event as it is then.
    pub outcomes: Vec<Outcome>,
    /// Which commands are to be decided again on the event as it is then, by their places among the commands, because they would
    /// be refused for want of what is left over here. Nothing was changed for them.
    pub deferred: Vec<usize>,
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
/// `facts` should hold what [`super::facts_needed`] asked for. `now`, or the time of the event's last change if that is later,
/// becomes the time of what is made, and holds lapse by it.
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
    decide_within(event, facts, commands, now, CHANGES_MAX)
}

/// The same, where the decision makes no more than about `unasked_max` changes that nobody asked for. (What a command needs,
/// or makes room for, comes on top of that: a few changes each.) With 0 it makes none at all.
///
/// # Errors
/// As [`decide`].
pub fn decide_within<'a>(
    event: &Event,
    facts: &Facts,
    commands: impl IntoIterator<Item = &'a Command>,
    now: Timestamp,
    unasked_max: usize,
) -> Result<Decision, Undecided> {
    let mut batch = Batch::new(event, facts, now, unasked_max);
    let (mut outcomes, mut deferred) = (Vec::new(), Vec::new());
    batch.look_after()?;
    for (place, command) in commands.into_iter().enumerate() {
        if batch.is_full() {
            break;
        }
        let outcome = match &command.request {
            Request::Reserve(reserve) => batch.reserve(command, reserve)?,
            Request::Cancel(uuid) => Some(batch.cancel(command, *uuid)?),
            Request::Confirm(uuid) => Some(batch.confirm(command, *uuid)?),
            Request::Amend(amend) => batch.amend(command, amend)?,
        };
        match outcome {
            Some(outcome) => outcomes.push(outcome),
            None => deferred.push(place),
        }
    }
    batch.finish(outcomes, deferred)
}

struct Batch<'a> {
    facts: &'a Facts,
    /// What the clock tells.
    clock: Timestamp,
    /// The time of what is decided: never before that of the event's last change.
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
    /// Where it stands with the holds.
    holds: Holds,
    /// Changes that nobody asked for that may still be made; none if there may be none at all.
    unasked_left: Option<usize>,
    /// Whether those who wait were left, so that free seats may be theirs.
    waiting_left: bool,
}

/// How far holds were dealt with.
struct Holds {
    /// How many there were.
    at_first: usize,
    /// When the event was due.
    due_at_first: Option<Timestamp>,
    /// Whether it was: some hold may have to lapse, or something was left over.
    is_due: bool,
    /// How many of those that are known, from the first, were dealt with.
    passed: usize,
    /// Whether every one that is due is known.
    due_are_known: bool,
    /// When the first of those lapses that began here.
    begun_lapses_at: Option<Timestamp>,
}

/// What a partner has of an event, in active reservations.
#[derive(Debug, Clone, Copy, Default)]
struct Possessions {
    seats: u32,
    reservations: u32,
}

impl<'a> Batch<'a> {
    fn new(event: &Event, facts: &'a Facts, clock: Timestamp, unasked_max: usize) -> Self {
        let total = |reservations: &Vec<Arc<Reservation>>| {
            let mut possessions = Possessions::default();
            for reservation in reservations.iter().filter(|reservation| reservation.status.is_active()) {
                possessions.seats = possessions.seats.saturating_add(reservation.seats.get());
                possessions.reservations += 1;
            }
            possessions
        };
        let now = event.time(clock);
        let all_are_known = facts.holds.len() >= event.hold_count as usize;
        Self {
            facts,
            clock,
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
            holds: Holds {
                at_first: event.hold_count as usize,
                due_at_first: event.due_at,
                is_due: event.is_due(clock),
                passed: 0,
                due_are_known: all_are_known || facts.holds.last().is_some_and(|last| !last.is_over(now)),
                begun_lapses_at: None,
            },
            unasked_left: Some(unasked_max).filter(|max| *max > 0),
            waiting_left: false,
        }
    }

    /// What is to be done before any command is looked at. Where the last decision left nothing over, whoever is at the head
    /// of the waitlist then is there still, and only more free seats than it found can change what becomes of it.
    fn look_after(&mut self) -> Result<(), Undecided> {
        if self.event.can_serve_waitlist() {
            self.serve_waitlist()?;
        }
        self.lapse_holds()?;
        if self.holds.is_due { self.serve_waitlist() } else { Ok(()) }
    }

    fn finish(mut self, outcomes: Vec<Outcome>, deferred: Vec<usize>) -> Result<Decision, Undecided> {
        if !self.untold.is_empty() {
            return Err(Undecided::Missing(Wanted { reservations: self.untold, ..Wanted::default() }));
        }
        let first_lapses_at = if self.holds.is_due { self.first_left_lapses_at() } else { self.event.due_at };
        // By the clock: a store asks it, and not the event, what is due.
        let due_already = self.holds.due_at_first.filter(|due_at| *due_at <= self.clock);
        let left_since = self.is_unfinished().then(|| due_already.unwrap_or(self.clock));
        self.event.due_at = [first_lapses_at, self.holds.begun_lapses_at, left_since].into_iter().flatten().min();
        if self.event.hold_count == 0 {
            self.event.due_at = left_since;
        }
        if !self.changes.is_empty() {
            self.event.changed_at = Some(self.now);
        }
        self.event.check()?;
        Ok(Decision { outcomes, deferred, changes: self.changes, records: self.records, event: self.event })
    }

    /// Whether something that is to be done without being asked was left for the next decision.
    fn is_unfinished(&mut self) -> bool {
        self.waiting_left || self.is_overdue()
    }

    /// Takes one change that nobody asked for from what may be made.
    fn take_unasked(&mut self) {
        self.unasked_left = self.unasked_left.map(|left| left.saturating_sub(1));
    }

    /// Has `changes` be made as a consequence of what was asked, if any may be made that were not.
    fn allow_unasked(&mut self, changes: usize) {
        if let Some(left) = &mut self.unasked_left {
            *left = changes.max(*left);
        }
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
