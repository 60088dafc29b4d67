//! A batch: commands that are decided together and share one conditional write, from gathering to the last answer.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    ServiceError,
    answers::{Answering, Answers},
};
use crate::{
    domain::{Command, Event, Outcome, Rejection, ReservationId},
    store::StoreError,
};

/// A command on its way to its decision, and who waits for the answer.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) command: Command,
    pub(super) sender: Sender,
}

/// Who waits for an answer, and how long.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) request_id: Arc<str>,
    /// When the answer is due. Only the event's task ends a command, so nobody gives up on one that may yet book.
    pub(super) deadline: Instant,
    pub(super) answer: Answering<Result<Outcome, ServiceError>>,
}

/// Commands in order of arrival. Its members, their order and its time stay the same over all attempts: only so does
/// deciding again on an unchanged event come to the same changes, which an earlier unclear attempt may yet bring about.
/// A command whose time is up is answered, and keeps its place only if an attempt may have written something for it: the
/// others, which were refused or never tried, are told that nothing was changed, and so they must go.
///
/// A batch may also have no members: then it is there to look after the event, which every decision does first.
pub(super) struct Batch {
    members: Vec<Member>,
    /// The store's time, fixed by the first attempt.
    pub(super) now: Option<Timestamp>,
    /// Until when the event is looked after, whether or not somebody waits for an answer.
    look_after_until: Option<Instant>,
    /// Attempts so far that did not end it.
    pub(super) attempts: u32,
    /// Whether an earlier attempt may have made what these commands ask for.
    pub(super) attempted: bool,
    /// Whether some attempt may have been applied without our knowing.
    pub(super) unclear: bool,
    /// Why the last attempt failed; what a command that runs out of time is told.
    pub(super) failure: Option<Failure>,
}

/// Why an attempt to commit a batch failed.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// Another process changed the event first.
    Conflict,
    /// The store did not do its part.
    Unavailable(String),
    /// The store takes no writes, and will not soon.
    ReadOnly(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::ReadOnly(why) => Self::ReadOnly(why),
            other => Self::Unavailable(other.into_why()),
        }
    }
}

struct Member {
    command: Command,
    waiting: Option<Sender>,
    /// Whether what it asks for may have been written without our knowing, by an earlier attempt for this command or for
    /// another one under the same key.
    possible: bool,
    /// The reservation that would have been written then; `None` if it is about the event itself.
    reservation_id: Option<ReservationId>,
    /// Whether that write was this command's own, so that finding it is the first answer and not a replay.
    own: bool,
}

impl Batch {
    pub(super) fn new(envelopes: impl IntoIterator<Item = Envelope>) -> Self {
        let member = |Envelope { command, sender }| Member {
            command,
            waiting: Some(sender),
            possible: false,
            reservation_id: None,
            own: false,
        };
        Self::of(envelopes.into_iter().map(member).collect(), None)
    }

    /// A batch that only looks after the event.
    pub(super) fn to_look_after(until: Instant) -> Self {
        Self { look_after_until: Some(until), ..Self::of(Vec::new(), None) }
    }

    fn of(members: Vec<Member>, now: Option<Timestamp>) -> Self {
        Self { members, now, look_after_until: None, attempts: 0, attempted: false, unclear: false, failure: None }
    }

    /// Whether nobody waits for an answer any more.
    pub(super) fn is_deserted(&self) -> bool {
        self.members.iter().all(|member| member.waiting.is_none())
    }

    /// How many wait for an answer, and nothing can have been written for them.
    pub(super) fn untouched(&self) -> usize {
        self.members.iter().filter(|member| member.waiting.is_some() && !member.possible).count()
    }

    /// Notes an attempt that did not end it, and why.
    pub(super) fn tried(&mut self, failure: Failure) {
        self.attempts += 1;
        // An attempt that came second made nothing: its commands are as new as before, and need not be looked for.
        self.attempted |= !matches!(failure, Failure::Conflict);
        self.failure = Some(failure);
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn commands(&self) -> impl Iterator<Item = &Command> {
        self.members.iter().map(|member| &member.command)
    }

    /// Answers those whose time is up at `now`. Returns when the next one's is; `None` when nobody waits any more, and the
    /// event need not be looked after either.
    /// `outage` says whether the store is known to fail, for those that were never tried.
    pub(super) fn expire(&mut self, now: Instant, outage: bool) -> Option<Instant> {
        let failure = self.failure.clone();
        self.members.retain_mut(|member| {
            let Some(sender) = member.waiting.take_if(|sender| sender.deadline <= now) else { return true };
            let (error, stays) = match &failure {
                _ if member.possible => (ServiceError::OutcomeUnknown(member.reservation_id.clone()), true),
                Some(Failure::Conflict) => (ServiceError::VersionConflict, false),
                Some(Failure::Unavailable(why)) => (ServiceError::Unavailable(why.clone()), false),
                Some(Failure::ReadOnly(why)) => (ServiceError::ReadOnly(why.clone()), false),
                None if outage => (ServiceError::Unavailable("it fails at this time".to_owned()), false),
                None => (ServiceError::Overloaded, false),
            };
            complain(&sender, &error);
            sender.answer.send(Err(error));
            stays
        });
        self.due().or(self.look_after_until.filter(|until| *until > now))
    }

    /// When the next command's time is up; `None` when nobody waits any more.
    pub(super) fn due(&self) -> Option<Instant> {
        self.members.iter().filter_map(|member| member.waiting.as_ref().map(|sender| sender.deadline)).min()
    }

    /// Notes that the changes decided for this batch may have been written.
    pub(super) fn mark_unclear(&mut self, event: &Event, outcomes: &[Outcome]) {
        self.unclear = true;
        self.mark_possible(event, outcomes);
        for (member, outcome) in self.members.iter_mut().zip(outcomes) {
            member.own |= matches!(outcome, Outcome::Accepted(_));
        }
    }

    /// Notes which commands these outcomes, which are not proven, show as done: whoever gives up on them must not say that
    /// nothing was changed. A replay counts too, because what it repeats is as unproven as the rest.
    pub(super) fn mark_possible(&mut self, event: &Event, outcomes: &[Outcome]) {
        for (member, outcome) in self.members.iter_mut().zip(outcomes) {
            if matches!(outcome, Outcome::Accepted(_) | Outcome::Replayed(_)) {
                let uuid = member.command.reservation_uuid(&event.id_salt);
                let reservation_id = |uuid| ReservationId { event_id: event.id.clone(), uuid };
                member.possible = true;
                member.reservation_id = uuid.map(reservation_id);
            }
        }
    }

    /// Whether somebody who may have asked elsewhere before, under the same key, is refused by `outcomes`. What was asked
    /// there may yet land while the event stands where it is. (A key that is in use is so for good.)
    pub(super) fn refuses_a_key(&self, outcomes: &[Outcome]) -> bool {
        let for_now = |outcome: &Outcome| matches!(outcome, Outcome::Refused(why) if *why != Rejection::KeyReused);
        self.commands().zip(outcomes).any(|(command, outcome)| command.key().is_some() && for_now(outcome))
    }

    /// Answers with what was decided. Those that `outcomes` do not reach are the batch that is returned.
    pub(super) fn answer(self, outcomes: Vec<Outcome>) -> Self {
        let mut members = self.members.into_iter();
        let mut answers = Answers::new();
        for (outcome, member) in outcomes.into_iter().zip(&mut members) {
            if let Some(sender) = member.waiting {
                let outcome = match outcome {
                    Outcome::Replayed(subject) if member.own => Outcome::Accepted(subject),
                    other => other,
                };
                answers.add(sender.answer, Ok(outcome));
            }
        }
        Self { attempted: self.attempted, ..Self::of(members.collect(), self.now) }
    }

    /// This batch, which also looks after the event.
    pub(super) fn looking_after(self, until: Instant) -> Self {
        Self { look_after_until: Some(until), ..self }
    }

    /// Answers everybody who still waits with `error`, or, where an unclear attempt may have booked, with that.
    pub(super) fn fail(self, error: &ServiceError) {
        let mut answers = Answers::new();
        for member in self.members {
            if let Some(sender) = member.waiting {
                let unknown = member.possible.then_some(ServiceError::OutcomeUnknown(member.reservation_id));
                let error = unknown.unwrap_or_else(|| error.clone());
                complain(&sender, &error);
                answers.add(sender.answer, Err(error));
            }
        }
    }

    /// Batches of one, in the same order, for a batch that cannot be stored as a whole.
    pub(super) fn split(self) -> impl Iterator<Item = Self> {
        let (now, attempted) = (self.now, self.attempted);
        let alone = move |member| Self { attempted, ..Self::of(vec![member], now) };
        self.members.into_iter().filter(|member| member.waiting.is_some()).map(alone)
    }
}

fn complain(sender: &Sender, error: &ServiceError) {
    if let ServiceError::OutcomeUnknown(Some(id)) = error {
        log::warn!(request_id = &*sender.request_id, reservation_id:% = id; "the outcome of a write is not known");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_attempt_that_may_have_written_makes_its_commands_be_looked_for() {
        let mut batch = Batch::new([]);
        batch.tried(Failure::Conflict);
        assert!(!batch.attempted, "a miss has written nothing");
        batch.tried(Failure::Unavailable("no answer in time".to_owned()));
        batch.tried(Failure::Conflict);
        assert!(batch.attempted, "a later miss says nothing about an earlier attempt");
    }
}
