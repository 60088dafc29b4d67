//! An event and all its reservations, kept as plainly as a store can.

use std::collections::BTreeMap;

use super::*;
use crate::domain::{SeatState, Undecided, decide_within, facts_needed_within};

/// Questions for facts that the service puts before it gives up.
const ROUNDS_MAX: usize = 8;

/// An event and all its reservations, as a store would keep them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct World {
    pub(super) event: Event,
    pub(super) reservations: BTreeMap<Uuid, Arc<Reservation>>,
    pub(super) operations: BTreeMap<Uuid, Arc<OperationRecord>>,
    /// The most questions for facts that one decision needed.
    pub(super) rounds: usize,
}

impl World {
    pub(super) fn new(seats: u32) -> Self {
        Self::of(Event::open(id(), name(), seats, IdSalt([3; 32])))
    }

    pub(super) fn mapped(picture: &str) -> Self {
        let letters: Vec<_> = ('A'..='Z').map(|letter| RowLabel::parse(&letter.to_string()).expect("a row")).collect();
        let (mut rows, mut blocked) = (Vec::new(), Vec::new());
        for (label, seats) in letters.into_iter().zip(picture.split('/')) {
            let numbered = seats.chars().zip(1..);
            blocked.extend(numbered.filter(|(seat, _)| *seat == 'x').map(|(_, number)| SeatId { row: label, number }));
            rows.push(Row { label, seats: u16::try_from(seats.len()).expect("a short row") });
        }
        let map = Arc::new(SeatMap::new(rows, blocked).expect("a seat map"));
        Self::of(Event::open_mapped(id(), name(), &map, IdSalt([3; 32])))
    }

    pub(super) fn of(event: Event) -> Self {
        Self { event, reservations: BTreeMap::new(), operations: BTreeMap::new(), rounds: 0 }
    }

    /// The commands that `asks` make, numbered from 0; a story that goes on later numbers on from `first`.
    pub(super) fn commands(&self, asks: &[Ask], first: usize) -> Vec<Command> {
        asks.iter().zip(first..).map(|(ask, index)| ask.build(&self.event.id_salt, index)).collect()
    }

    /// Decides commands that come for the first time, and commits what was decided.
    pub(super) fn batch(&mut self, commands: &[Command], now: Timestamp) -> Decision {
        self.commit(commands, now, false)
    }

    /// Decides commands whose earlier attempt may have been committed.
    pub(super) fn attempt(&mut self, commands: &[Command], now: Timestamp) -> Decision {
        self.commit(commands, now, true)
    }

    fn commit(&mut self, commands: &[Command], now: Timestamp, attempted: bool) -> Decision {
        let (decision, rounds) = self.decide(commands, now, attempted);
        self.take(&decision);
        self.rounds = self.rounds.max(rounds);
        decision
    }

    /// Commits a decision.
    pub(super) fn take(&mut self, decision: &Decision) {
        self.event = decision.event.clone();
        self.reservations.extend(decision.reservations().map(|kept| (kept.id.uuid, kept.clone())));
        self.operations.extend(decision.records.iter().map(|record| (record.uuid, record.clone())));
    }

    /// What would become of `commands`, and how many questions for facts that took. Exactly what is asked is answered.
    pub(super) fn decide(&self, commands: &[Command], now: Timestamp, attempted: bool) -> (Decision, usize) {
        self.decide_from(facts_needed(&self.event, commands, now, attempted), commands, now)
    }

    /// The same, beginning with the facts that are `wanted`.
    pub(super) fn decide_from(&self, wanted: Wanted, commands: &[Command], now: Timestamp) -> (Decision, usize) {
        self.decide_with(wanted, commands, now, CHANGES_MAX)
    }

    /// What would become of `commands` when so many changes go along that nobody asked for.
    pub(super) fn decide_within(&self, commands: &[Command], now: Timestamp, unasked_max: usize) -> Decision {
        let wanted = facts_needed_within(&self.event, commands, now, false, unasked_max);
        self.decide_with(wanted, commands, now, unasked_max).0
    }

    fn decide_with(
        &self,
        mut wanted: Wanted,
        commands: &[Command],
        now: Timestamp,
        unasked_max: usize,
    ) -> (Decision, usize) {
        for round in 1..=ROUNDS_MAX {
            match decide_within(&self.event, &self.facts(&wanted), commands, now, unasked_max) {
                Ok(decision) => return (decision, round),
                Err(Undecided::Broken(broken)) => panic!("{broken}"),
                Err(Undecided::Missing(missing)) => {
                    let known = |partner| wanted.partners.contains(partner);
                    let is_new = missing.reservations.iter().any(|uuid| !wanted.reservations.contains(uuid))
                        || missing.waitlist > wanted.waitlist
                        || missing.holds > wanted.holds
                        || missing.partners.iter().any(|partner| !known(partner));
                    assert!(is_new, "{missing:?} is asked for, and {wanted:?} was answered");
                    wanted.extend(missing);
                }
            }
        }
        panic!("facts are still missing after {ROUNDS_MAX} questions, the last one {wanted:?}");
    }

    /// Exactly the facts that are wanted.
    pub(super) fn facts(&self, wanted: &Wanted) -> Facts {
        let known = |uuid: &Uuid| self.reservations.get_key_value(uuid).map(|(uuid, kept)| (*uuid, kept.clone()));
        let of = |partner: &PartnerId| {
            let is_theirs = |kept: &&Arc<Reservation>| kept.partner_id == *partner && kept.status.is_active();
            (partner.clone(), self.reservations.values().filter(is_theirs).cloned().collect())
        };
        let mut holds = self.with(Status::Held);
        holds.sort_by_key(|hold| (hold.expires_at, hold.created_version));
        Facts {
            reservations: wanted.reservations.iter().filter_map(known).collect(),
            operations: wanted
                .operations
                .iter()
                .filter_map(|uuid| Some((*uuid, self.operations.get(uuid)?.clone())))
                .collect(),
            waitlist: self.with(Status::Waitlisted).into_iter().take(wanted.waitlist).collect(),
            holds: holds.into_iter().take(wanted.holds).collect(),
            partners: wanted.partners.iter().map(of).collect(),
        }
    }

    /// The reservations of one status in the order in which they were made.
    pub(super) fn with(&self, status: Status) -> Vec<Arc<Reservation>> {
        let mut found: Vec<_> = self.reservations.values().filter(|kept| kept.status == status).cloned().collect();
        found.sort_by_key(|kept| kept.created_version);
        found
    }

    /// Free seats, or who sits where; held seats; who waits.
    pub(super) fn counts(&self) -> String {
        let event = &self.event;
        let mut counts = match &event.hall {
            Some(hall) => vec![hall.rows().map(|(_, seats)| seats).collect::<Vec<_>>().join("/")],
            None => vec![format!("{} free", event.available_seats)],
        };
        if event.held_seats > 0 && event.hall.is_none() {
            counts.push(format!("{} held", event.held_seats));
        }
        if event.waitlist_count > 0 {
            counts.push(format!("{} waiting", event.waitlist_count));
        }
        counts.join(", ")
    }

    /// Everything but what is only a bound, or about the facts.
    pub(super) fn but_for_due_at(&self) -> Self {
        Self { event: Event { due_at: None, ..self.event.clone() }, rounds: 0, ..self.clone() }
    }

    /// Checks what must hold after every decision at `now` that left nothing over.
    pub(super) fn check(&self, now: Timestamp) {
        self.check_sums();
        let event = &self.event;
        let now = event.time(now);
        assert!(event.due_at.is_none_or(|due_at| due_at > now), "something is left over: {:?}", event.due_at);
        assert_eq!(event.due_at.is_some(), event.hold_count > 0, "the event is due when something is held");
        for hold in self.with(Status::Held) {
            assert!(hold.expires_at.is_some_and(|at| at > now), "a hold should have lapsed by {now}: {hold:?}");
            assert!(event.due_at <= hold.expires_at, "the event is due at {:?}, too late for {hold:?}", event.due_at);
        }
        if let Some(head) = self.with(Status::Waitlisted).first() {
            let seats = head.seats.get();
            assert!(
                seats > event.available_seats || event.sales != Sales::Open,
                "the head of the waitlist should have been served: {head:?}"
            );
            assert!(seats <= event.total_seats, "the head of the waitlist waits in vain: {head:?}");
        }
    }

    /// Checks what must hold always.
    pub(super) fn check_sums(&self) {
        let event = &self.event;
        event.check().expect("a sound event");
        let seats = |status| self.with(status).iter().map(|kept| kept.seats.get()).sum::<u32>();
        let count = |status| u32::try_from(self.with(status).len()).expect("few reservations");
        let (confirmed, held) = (Status::Confirmed, Status::Held);
        assert_eq!((event.confirmed_seats, event.held_seats), (seats(confirmed), seats(held)));
        assert_eq!((event.reservation_count, event.hold_count), (count(confirmed), count(held)));
        assert_eq!(event.waitlist_count, count(Status::Waitlisted));
        assert_eq!(event.available_seats + seats(confirmed) + seats(held), event.total_seats);

        let Some(hall) = &event.hall else { return };
        let mut owners = BTreeMap::new();
        for kept in self.reservations.values().filter(|kept| kept.status.takes_seats()) {
            let state = if kept.status == Status::Held { SeatState::Held } else { SeatState::Sold };
            for seat in kept.seat_ids.iter() {
                assert_eq!(owners.insert(*seat, kept.id.uuid), None, "{seat} has two owners");
                assert_eq!(hall.state(*seat), Some(state), "{seat} of {kept:?}");
            }
        }
        assert_eq!(owners.len(), (event.total_seats - event.available_seats) as usize, "seats that somebody has");
    }
}

fn id() -> EventId {
    EventId::parse("show").expect("an id")
}

fn name() -> EventName {
    EventName::parse("A show").expect("a name")
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}
