//! A fresh event on the store under check, and short ways to ask the store for things.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use ticketboss::{
    domain::{
        Change, Command, Decision, Event, EventId, Facts, Head, Reservation, ReservationId, Undecided, Wanted, decide,
        facts_needed,
    },
    ids,
    store::{CommitError, Creation, EventStore, Place, ReservationPage, ReservationQuery, Scope, Snapshot},
};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use crate::asks::*;

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
        Self::make(store, &new_event(seats)).await
    }

    /// Makes `event`, which must be new.
    pub(crate) async fn make(store: &'a dyn EventStore, event: &Event) -> Verdict<(Self, Snapshot)> {
        let creation = store.create(event, ids::head(), soon()).await.or_finding("create")?;
        ensure_eq!(creation, Creation::Created, "creating {}", event.id);
        let show = Self { store, id: event.id.clone() };
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

    /// What is known of the reservations named.
    pub(crate) async fn facts(&self, snapshot: &Snapshot, uuids: &[Uuid]) -> Verdict<Facts> {
        self.wanted(snapshot, &named(uuids)).await
    }

    pub(crate) async fn wanted(&self, snapshot: &Snapshot, wanted: &Wanted) -> Verdict<Facts> {
        self.store.facts(snapshot, wanted, soon()).await.or_finding("facts")
    }

    /// All of the event's reservations in the order of the list.
    pub(crate) async fn list(&self) -> Verdict<Vec<Arc<Reservation>>> {
        list(self.store, &everything(Scope::Event(self.id.clone()))).await
    }

    /// Decides `commands` as the service would.
    pub(crate) async fn decide(&self, snapshot: &Snapshot, commands: &[Command]) -> Verdict<Decision> {
        self.decide_at(snapshot, commands, now(self.store).await?).await
    }

    /// Decides `commands` as the service would at another time.
    pub(crate) async fn decide_at(
        &self,
        snapshot: &Snapshot,
        commands: &[Command],
        now: Timestamp,
    ) -> Verdict<Decision> {
        let mut wanted = facts_needed(&snapshot.event, commands, now, false);
        // Each round asks for more; a store that never has it ends here.
        for _ in 0..10 {
            let facts = self.wanted(snapshot, &wanted).await?;
            match decide(&snapshot.event, &facts, commands, now) {
                Err(Undecided::Missing(missing)) => wanted.extend(missing),
                decided => return decided.or_finding("decide"),
            }
        }
        Err(format!("facts are never enough: {wanted:?}"))
    }

    /// Commits under a new head.
    pub(crate) async fn try_commit(&self, snapshot: &Snapshot, decision: &Decision) -> Result<Snapshot, CommitError> {
        self.store.commit(snapshot, decision, ids::head(), soon()).await
    }

    /// Decides and commits `commands`, which must succeed.
    pub(crate) async fn commit(&self, snapshot: &Snapshot, commands: &[Command]) -> Verdict<(Snapshot, Decision)> {
        self.commit_at(snapshot, commands, now(self.store).await?).await
    }

    /// Decides and commits `commands` at another time.
    pub(crate) async fn commit_at(
        &self,
        snapshot: &Snapshot,
        commands: &[Command],
        now: Timestamp,
    ) -> Verdict<(Snapshot, Decision)> {
        let decision = self.decide_at(snapshot, commands, now).await?;
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

/// Reservations by their uuids, and nothing else.
pub(crate) fn named(uuids: &[Uuid]) -> Wanted {
    Wanted { reservations: uuids.to_vec(), ..Wanted::default() }
}

/// The store's time.
pub(crate) async fn now(store: &dyn EventStore) -> Verdict<Timestamp> {
    store.now(soon()).await.or_finding("now")
}

/// A list from its beginning to its end.
pub(crate) fn everything(scope: Scope) -> ReservationQuery {
    ReservationQuery { scope, status: None, created_from: None, created_to: None, after: None, limit: 10_000 }
}

/// More rows than any check makes.
pub(crate) const ROWS: usize = 100_000;

/// A list, from where `query` begins up to its limit.
pub(crate) async fn list(store: &dyn EventStore, query: &ReservationQuery) -> Verdict<Vec<Arc<Reservation>>> {
    Ok(page(store, query, ROWS).await?.reservations)
}

/// A page of a list that may look at so many rows.
pub(crate) async fn page(
    store: &dyn EventStore,
    query: &ReservationQuery,
    rows_max: usize,
) -> Verdict<ReservationPage> {
    store.reservations(query, rows_max, soon()).await.or_finding("reservations")
}

/// A list in pages of `limit`, one after the other until one is empty.
pub(crate) async fn pages(
    store: &dyn EventStore,
    query: &ReservationQuery,
    limit: usize,
) -> Verdict<Vec<Arc<Reservation>>> {
    let mut query = ReservationQuery { limit, ..query.clone() };
    let mut listed = Vec::new();
    // More pages than any check needs; one that turns in circles ends here.
    for _ in 0..100 {
        let page = list(store, &query).await?;
        ensure!(page.len() <= limit, "a page of {} where {limit} were asked for", page.len());
        let Some(last) = page.last() else { return Ok(listed) };
        query.after = Some(Place::of(last));
        listed.extend(page);
    }
    Err("a list has no end".to_owned())
}

/// Asks until the answer is `expected`: for what may lag a little.
pub(crate) async fn soon_is<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: T,
    ask: impl AsyncFn() -> Verdict<T>,
) -> Verdict {
    /// Far more than any store lags.
    const PATIENCE: Duration = Duration::from_secs(2);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = ask().await?;
        if found == expected || Instant::now() > deadline {
            ensure_eq!(found, expected, "{what}");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every state that `decision` took a reservation to, in order.
pub(crate) fn steps(decision: &Decision) -> Vec<Arc<Reservation>> {
    decision.changes.iter().filter_map(Change::step).map(|step| step.reservation.clone()).collect()
}

/// The reservations that `decision` touches, in their last states.
pub(crate) fn kept(decision: &Decision) -> Vec<Arc<Reservation>> {
    decision.reservations().cloned().collect()
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
    let reservations = decision.reservations().map(|kept| (kept.id.uuid, kept.clone())).collect();
    Facts { reservations, ..Facts::default() }
}

/// A head that no store has seen.
pub(crate) fn head() -> Head {
    ids::head()
}

/// Time enough for any one call on a slow machine.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}
