//! A fresh event on the store under check, and short ways to ask for things.

use std::{sync::Arc, time::Duration};

use ticketboss::{
    domain::{
        Command, Decision, Event, EventId, EventName, Facts, Head, IdempotencyKey, OperationId, PartnerId, Request,
        Reservation, ReservationId, Reserve, SeatCount, decide, facts_needed,
    },
    ids,
    store::{CommitError, Creation, EventStore, Snapshot},
};
use tokio::time::Instant;
use uuid::Uuid;

/// What a check finds: nothing, or the rule that was broken, in words.
pub(crate) type Verdict<T = ()> = Result<T, String>;

/// Ends a check with its finding unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($finding:tt)+) => {
        if !$condition {
            return Err(format!($($finding)+));
        }
    };
}

/// Ends a check with its finding unless both sides are equal.
macro_rules! ensure_eq {
    ($found:expr, $expected:expr, $($what:tt)+) => {
        match (&$found, &$expected) {
            (found, expected) => {
                if found != expected {
                    return Err(format!("{}: found {found:?}, expected {expected:?}", format!($($what)+)));
                }
            }
        }
    };
}

pub(crate) use {ensure, ensure_eq};

/// Turns an error into a finding.
pub(crate) trait OrFinding<T> {
    fn or_finding(self, what: &str) -> Verdict<T>;
}

impl<T, E: std::fmt::Debug> OrFinding<T> for Result<T, E> {
    fn or_finding(self, what: &str) -> Verdict<T> {
        self.map_err(|why| format!("{what}: {why:?}"))
    }
}

/// One event of the store under check, which nobody else knows.
pub(crate) struct Show<'a> {
    pub(crate) store: &'a dyn EventStore,
    pub(crate) id: EventId,
}

impl<'a> Show<'a> {
    /// Makes an event of `seats` free seats.
    pub(crate) async fn open(store: &'a dyn EventStore, seats: u32) -> Verdict<(Self, Snapshot)> {
        let event = new_event(seats);
        let creation = store.create(&event, ids::head(), soon()).await.or_finding("create")?;
        ensure_eq!(creation, Creation::Created, "creating {}", event.id);
        let show = Self { store, id: event.id };
        let snapshot = show.load().await?;
        Ok((show, snapshot))
    }

    pub(crate) async fn load(&self) -> Verdict<Snapshot> {
        let loaded = self.store.load(&self.id, soon()).await.or_finding("load")?;
        loaded.ok_or_else(|| format!("load: {} is not there", self.id))
    }

    pub(crate) async fn event(&self) -> Verdict<Event> {
        let read = self.store.event(&self.id, soon()).await.or_finding("event")?;
        read.ok_or_else(|| format!("event: {} is not there", self.id))
    }

    pub(crate) async fn reservation(&self, uuid: Uuid) -> Verdict<Option<Arc<Reservation>>> {
        let id = ReservationId { event_id: self.id.clone(), uuid };
        self.store.reservation(&id, soon()).await.or_finding("reservation")
    }

    pub(crate) async fn facts(&self, snapshot: &Snapshot, uuids: &[Uuid]) -> Verdict<Facts> {
        self.store.facts(snapshot, uuids, soon()).await.or_finding("facts")
    }

    /// Decides `commands` as the service would.
    pub(crate) async fn decide(&self, snapshot: &Snapshot, commands: &[Command]) -> Verdict<Decision> {
        let needed = facts_needed(&snapshot.event, commands, false);
        let facts = self.facts(snapshot, &needed).await?;
        decide(&snapshot.event, &facts, commands, self.store.now()).or_finding("decide")
    }

    /// Commits under a new head.
    pub(crate) async fn try_commit(&self, snapshot: &Snapshot, decision: &Decision) -> Result<Snapshot, CommitError> {
        self.store.commit(snapshot, decision, ids::head(), soon()).await
    }

    /// Decides and commits `commands`, which must succeed.
    pub(crate) async fn commit(&self, snapshot: &Snapshot, commands: &[Command]) -> Verdict<(Snapshot, Decision)> {
        let decision = self.decide(snapshot, commands).await?;
        let after = self.try_commit(snapshot, &decision).await.or_finding("commit")?;
        Ok((after, decision))
    }

    /// Requires that the event is as it was at `snapshot`, and that none of `uuids` is a reservation of it.
    pub(crate) async fn ensure_untouched(&self, snapshot: &Snapshot, uuids: &[Uuid]) -> Verdict {
        let loaded = self.load().await?;
        ensure_eq!((&loaded.event, loaded.head), (&snapshot.event, snapshot.head), "the event after a refused commit");
        ensure_eq!(self.event().await?, snapshot.event, "the event read after a refused commit");
        for uuid in uuids {
            ensure_eq!(self.reservation(*uuid).await?, None, "a reservation of a refused commit");
        }
        ensure_eq!(self.facts(&loaded, uuids).await?, Facts::default(), "facts after a refused commit");
        Ok(())
    }
}

/// An event that no store has seen.
pub(crate) fn new_event(seats: u32) -> Event {
    let id = EventId::parse(&format!("check-{}", ids::reservation())).expect("an id");
    Event::open(id, EventName::parse("A show").expect("a name"), seats, ids::id_salt())
}

/// A request for `seats` seats by a partner called acme, without a key.
pub(crate) fn reserve(seats: u32) -> Command {
    reserve_by("acme", seats)
}

pub(crate) fn reserve_by(partner: &str, seats: u32) -> Command {
    let reserve = Reserve {
        minted: ids::reservation(),
        partner_id: PartnerId::parse(partner).expect("a partner"),
        seats: SeatCount::parse(seats, u32::MAX).expect("a count"),
    };
    Command { operation: ids::operation(), expected: None, request: Request::Reserve(reserve) }
}

pub(crate) fn cancel(uuid: Uuid) -> Command {
    Command { operation: ids::operation(), expected: None, request: Request::Cancel(uuid) }
}

/// The same request under a key.
pub(crate) fn under_key(command: Command, key: &str) -> Command {
    Command { operation: OperationId::Key(IdempotencyKey::parse(key).expect("a key")), ..command }
}

/// The uuids of the reservations that `decision` touches.
pub(crate) fn touched(decision: &Decision) -> Vec<Uuid> {
    decision.reservations().map(|reservation| reservation.id.uuid).collect()
}

/// `snapshot` under another head: the same version in a history that did not last.
pub(crate) fn other_head(snapshot: &Snapshot) -> Snapshot {
    Snapshot { head: ids::head(), ..snapshot.clone() }
}

/// What `decision` leaves of its reservations, as facts.
pub(crate) fn left_by(decision: &Decision) -> Facts {
    Facts { reservations: decision.reservations().map(|kept| (kept.id.uuid, kept.clone())).collect() }
}

/// A head that no store has seen.
pub(crate) fn head() -> Head {
    ids::head()
}

/// Time enough for any one call on a slow machine.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}
