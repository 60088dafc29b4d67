//! A batch: commands that are decided together and share one conditional write, from gathering to the last answer.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{
    ServiceError,
    answers::{Answering, Answers},
};
use crate::{
    domain::{Command, Event, Outcome, Rejection, ReservationId, Subject},
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

/// Commands in order of arrival. After an unclear attempt its members, their order and its time stay the same over all
/// further attempts: only so does deciding again on an unchanged event come to the same changes, which the unclear attempt may
/// yet bring about. After any other one it takes time anew: what is made shall not look older than what others made meanwhile.
/// A command whose time is up is answered, and keeps its place only if an attempt may have written something for it: the
/// others, which were refused or never tried, are told that nothing was changed, and so they must go.
///
/// A batch may also have no members: then it is there to look after the event, which every decision does first.
pub(super) struct Batch {
    members: Vec<Member>,
    /// Those that the last decision deferred. Nothing was changed for them, so they need not stay with the others; they are
    /// decided again with the next batch.
    deferred: Vec<Member>,
    /// The store's time, as the last attempt took it.
    pub(super) now: Option<Now>,
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

/// The store's time, and when it was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) time: Timestamp,
    pub(super) taken: Instant,
}

impl Now {
    /// The store's time at `instant`, or a little before it.
    fn at(&self, instant: Instant) -> Timestamp {
        let passed = SignedDuration::try_from(instant.saturating_duration_since(self.taken)).unwrap_or_default();
        self.time.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
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

impl Member {
    fn of(Envelope { command, sender }: Envelope) -> Self {
        Self { command, waiting: Some(sender), possible: false, reservation_id: None, own: false }
    }
}

impl Batch {
    pub(super) fn new(envelopes: impl IntoIterator<Item = Envelope>) -> Self {
        Self::of(envelopes.into_iter().map(Member::of).collect())
    }

    fn of(members: Vec<Member>) -> Self {
        Self {
            members,
            deferred: Vec::new(),
            now: None,
            look_after_until: None,
            attempts: 0,
            attempted: false,
            unclear: false,
            failure: None,
        }
    }

    /// Whether nobody waits for an answer any more, but for those that were deferred.
    pub(super) fn is_deserted(&self) -> bool {
        self.members.iter().all(|member| member.waiting.is_none())
    }

    /// Whether it is there only to look after the event.
    pub(super) fn is_unasked(&self) -> bool {
        self.members.is_empty() && self.deferred.is_empty()
    }

    /// This batch, and whoever came meanwhile behind it.
    pub(super) fn and(mut self, envelopes: impl IntoIterator<Item = Envelope>) -> Self {
        self.members.extend(envelopes.into_iter().map(Member::of));
        self
    }

    /// This batch, and another one behind it. Neither may be unclear.
    pub(super) fn join(mut self, other: Self) -> Self {
        self.decide_anew();
        self.members.extend(other.deferred);
        self.members.extend(other.members);
        self.attempted |= other.attempted;
        self.look_after_until = self.look_after_until.max(other.look_after_until);
        self
    }

    /// Sets those of its commands aside, by their places, that the decision deferred.
    pub(super) fn defer(&mut self, places: &[usize]) {
        let mut places = places.iter().copied().peekable();
        let mut place = 0;
        let deferred = self.members.extract_if(.., |_| {
            let is_deferred = places.next_if_eq(&place).is_some();
            place += 1;
            is_deferred
        });
        self.deferred.extend(deferred);
    }

    /// Whether some of its commands were deferred.
    pub(super) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// How many of its commands wait for their answers.
    pub(super) fn waiting(&self) -> usize {
        self.members.iter().chain(&self.deferred).filter(|member| member.waiting.is_some()).count()
    }

    /// Takes those that were deferred out of it, as a batch of their own.
    pub(super) fn take_deferred(&mut self) -> Self {
        Self { attempted: self.attempted, ..Self::of(std::mem::take(&mut self.deferred)) }
    }

    /// Has those that were deferred be decided with the others again.
    fn rejoin(&mut self) {
        if !self.deferred.is_empty() {
            let others = std::mem::take(&mut self.members);
            self.members = std::mem::take(&mut self.deferred);
            self.members.extend(others);
        }
    }

    /// How many wait for an answer, and nothing can have been written for them.
    pub(super) fn untouched(&self) -> usize {
        let all = self.members.iter().chain(&self.deferred);
        all.filter(|member| member.waiting.is_some() && !member.possible).count()
    }

    /// Notes an attempt that did not end it, and why.
    pub(super) fn tried(&mut self, failure: Failure) {
        self.attempts += 1;
        // An attempt that came second made nothing: its commands are as new as before, and need not be looked for.
        self.attempted |= !matches!(failure, Failure::Conflict);
        if !self.unclear {
            self.decide_anew();
        }
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
        let stays = |member: &mut Member| {
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
        };
        self.members.retain_mut(stays);
        self.deferred.retain_mut(stays);
        self.due().or(self.look_after_until.filter(|until| *until > now))
    }

    /// When the next command's time is up; `None` when nobody waits any more.
    pub(super) fn due(&self) -> Option<Instant> {
        let all = self.members.iter().chain(&self.deferred);
        all.filter_map(|member| member.waiting.as_ref().map(|sender| sender.deadline)).min()
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

    /// Notes that no earlier attempt can land any more: each has landed, which the event shows, or never will. So the batch
    /// may be taken apart.
    pub(super) fn fenced(&mut self) {
        self.unclear = false;
        self.attempted = true;
        self.decide_anew();
    }

    /// Has all of its commands be decided anew, at another time. No attempt may be unclear.
    pub(super) fn decide_anew(&mut self) {
        self.now = None;
        self.rejoin();
    }

    /// Notes that no attempt has written what these outcomes, which are proven, show as not done; and none can land any more.
    pub(super) fn mark_not_done(&mut self, outcomes: &[Outcome]) {
        for (member, outcome) in self.members.iter_mut().zip(outcomes) {
            member.possible &= matches!(outcome, Outcome::Replayed(_));
        }
    }

    /// Whether some command's effect may have been written without our knowing.
    pub(super) fn may_be_done(&self) -> bool {
        self.members.iter().any(|member| member.possible)
    }

    /// Whether somebody who may have asked elsewhere before, under the same key, is refused by `outcomes`. What was asked
    /// there may yet land while the event stands where it is. (A key that is in use is so for good.)
    pub(super) fn refuses_a_key(&self, outcomes: &[Outcome]) -> bool {
        let for_now = |outcome: &Outcome| matches!(outcome, Outcome::Refused(why) if *why != Rejection::KeyReused);
        self.commands().zip(outcomes).any(|(command, outcome)| command.key().is_some() && for_now(outcome))
    }

    /// Answers with what was decided. Those that `outcomes` do not reach are the batch that is returned.
    pub(super) fn answer(self, outcomes: Vec<Outcome>) -> Self {
        let now = self.now.map_or(Timestamp::MIN, |now| now.at(Instant::now()));
        let mut members = self.members.into_iter();
        let mut answers = Answers::new();
        for (outcome, member) in outcomes.into_iter().zip(&mut members) {
            if let Some(sender) = member.waiting {
                let outcome = match outcome {
                    Outcome::Replayed(subject) if member.own => Outcome::Accepted(subject),
                    other => other,
                };
                answers.add(sender.answer, Ok(in_time(outcome, now)));
            }
        }
        let rest = self.deferred.into_iter().chain(members).collect();
        Self { attempted: self.attempted, ..Self::of(rest) }
    }

    /// This batch, which also looks after the event.
    pub(super) fn looking_after(self, until: Instant) -> Self {
        Self { look_after_until: Some(until), ..self }
    }

    /// Answers everybody who still waits with `error`, or, where an unclear attempt may have booked, with that.
    pub(super) fn fail(self, error: &ServiceError) {
        let mut answers = Answers::new();
        for member in self.members.into_iter().chain(self.deferred) {
            if let Some(sender) = member.waiting {
                let unknown = member.possible.then_some(ServiceError::OutcomeUnknown(member.reservation_id));
                let error = unknown.unwrap_or_else(|| error.clone());
                complain(&sender, &error);
                answers.add(sender.answer, Err(error));
            }
        }
    }

    /// Two batches, in the same order, for one that cannot be stored as a whole: halving again and again finds the command that
    /// is to blame in few attempts, however many suffer with it.
    pub(super) fn split(self) -> impl Iterator<Item = Self> {
        let attempted = self.attempted;
        let all = self.deferred.into_iter().chain(self.members);
        let mut first: Vec<_> = all.filter(|member| member.waiting.is_some()).collect();
        let second = first.split_off(first.len() / 2);
        let half = move |members| Self { attempted, ..Self::of(members) };
        [first, second].into_iter().filter(|members| !members.is_empty()).map(half)
    }
}

/// What came of a command, to be told at `now`. A hold whose time is over by then must not be told as one: nobody could
/// confirm it. It did expire, and its seats go to others.
fn in_time(outcome: Outcome, now: Timestamp) -> Outcome {
    match outcome {
        Outcome::Accepted(Subject::Reservation(held)) if held.is_over(now) => Outcome::Refused(Rejection::HoldExpired),
        other => other,
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

    #[test]
    fn what_is_left_of_two_batches_is_one_batch() {
        let until = Instant::now();
        let mut left = Batch::new([]).looking_after(until);
        left.attempted = true;
        let joined = Batch::new([]).join(left);
        assert!(joined.attempted && joined.look_after_until == Some(until));
    }

    #[test]
    fn time_is_taken_anew_unless_an_attempt_may_yet_land() {
        let mut batch = Batch::new([]);
        for failure in [Failure::Conflict, Failure::Unavailable("no answer in time".to_owned())] {
            batch.now = Some(Now { time: Timestamp::UNIX_EPOCH, taken: Instant::now() });
            batch.tried(failure);
            assert!(batch.now.is_none());
        }
        batch.now = Some(Now { time: Timestamp::UNIX_EPOCH, taken: Instant::now() });
        batch.unclear = true;
        batch.tried(Failure::Conflict);
        let kept = batch.now.map(|now| now.time);
        assert_eq!(kept, Some(Timestamp::UNIX_EPOCH), "decided again, it must come to the same");
    }
}
