//! Where events live. A store never decides: it loads, it commits a change set at a base, it answers queries.
//!
//! [`EventStore`] is the contract; `tests/conformance` holds every store to it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::{Decision, Event, EventId, EventSummary, Facts, Head, Reservation, ReservationId, Version, Wanted};

mod damage;
pub mod embedded;
mod journal;
pub mod mongo;
mod query;

use damage::Damage;

pub use journal::{Journal, Trimmed};
pub use query::{DuePage, DuePlace, Place, ReservationPage, ReservationQuery, Scope};

/// An event as it was loaded or committed: the base that the next commit is conditioned on.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The event at its version.
    pub event: Event,
    /// The fingerprint of that version.
    pub head: Head,
    /// Changes that the event carries and that its reservations may lack.
    pub journal: Journal,
}

impl Snapshot {
    /// What identifies this state among all that the event ever had.
    #[must_use]
    pub fn base(&self) -> Base {
        Base { version: self.event.version, head: self.head }
    }
}

/// One state of an event: a commit names the base it was decided on, and applies there or nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Base {
    /// The event's version.
    pub version: Version,
    /// The fingerprint of that version.
    pub head: Head,
}

/// Why a query was not answered. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The store is out of reach, or did not answer in time.
    #[error("the store is out of reach: {0}")]
    Unavailable(String),
    /// The store can be read, and takes no writes for now; it says by itself when it does again ([`EventStore::ready`]). Asking
    /// again soon is of no use.
    #[error("the store takes no writes: {0}")]
    ReadOnly(String),
    /// The store is there and did not finish in the time that this may take.
    #[error("the store is too busy: {0}")]
    Overloaded(String),
    /// The store holds something that this program has not written, or not in this format.
    #[error("the store holds what cannot be read: {0}")]
    Unreadable(String),
    /// The store refuses to work for us, and will until somebody changes its set-up.
    #[error("the store is not set up for this: {0}")]
    Misconfigured(String),
}

impl StoreError {
    /// The reason alone, for those who say themselves that it is the store's.
    #[must_use]
    pub fn into_why(self) -> String {
        match self {
            Self::Unavailable(why)
            | Self::ReadOnly(why)
            | Self::Overloaded(why)
            | Self::Unreadable(why)
            | Self::Misconfigured(why) => why,
        }
    }
}

/// Why facts could not be gathered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FactsError {
    /// A reservation is newer than the snapshot: the event has moved on, so load it again.
    #[error("the event has moved on")]
    Stale,
    /// The query failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a commit is not known to have been applied.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The event is not at the base; nothing was changed. Expected under contention: load and decide again.
    #[error("the event is no longer at the base")]
    Conflict,
    /// It may have been applied, or may yet be. Load and decide again; never call it failed.
    #[error("the outcome is unclear: {0}")]
    Unclear(String),
    /// The store will never take this change set. Nothing was changed.
    #[error("the store refuses this change set: {0}")]
    Refused(String),
    /// Nothing was changed; it may work later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether [`EventStore::create`] made the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It is new.
    Created,
    /// It was there already, and is as it was.
    Existed,
    /// Its key has made another event, or asked for it in other words. Nothing was made.
    KeyTaken,
}

/// A document store that holds events and their reservations.
///
/// Every method ends by `deadline`, give or take the time to notice it. Of all commits named on one base, at most one is
/// ever applied; its changes become visible as a whole, to every reader, before the commit is acknowledged, and an
/// acknowledged commit survives any crash that the store is built for.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Makes an event at its first head, unless one with its id is there: that one is left as it is. A key by which it is made
    /// makes no other event, ever.
    async fn create(&self, event: &Event, head: Head, deadline: Instant) -> Result<Creation, StoreError>;

    /// Loads an event to decide on. It may show a state that is not proven to last; a commit on it, or
    /// [`EventStore::prove`], tells.
    async fn load(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Snapshot>, StoreError>;

    /// Reads the reservations that are `wanted`, as they stand at `snapshot`. Those named by their uuid that do not exist are
    /// left out; of the waitlist and of the holds there are as many as were wanted, or all that there are; every partner
    /// wanted is there, with no reservation if it has none that is active.
    async fn facts(&self, snapshot: &Snapshot, wanted: &Wanted, deadline: Instant) -> Result<Facts, FactsError>;

    /// Commits a decision's changes if the event is still at `snapshot`, and returns the event as it stands then.
    /// `head` becomes the fingerprint of the new version.
    ///
    /// A decision without changes gives the version a new head, takes over when the event is due, and does nothing else:
    /// whatever was sent on the old base and has not arrived yet can never be applied after that.
    async fn commit(
        &self,
        snapshot: &Snapshot,
        decision: &Decision,
        head: Head,
        deadline: Instant,
    ) -> Result<Snapshot, CommitError>;

    /// Whether the event is at `base` now, in a state that will last. `Ok(true)` lets a refusal decided on it leave.
    async fn prove(&self, event_id: &EventId, base: Base, deadline: Instant) -> Result<bool, StoreError>;

    /// Reads an event's current state, one that will last and holds every commit acknowledged to this process before the
    /// call. (One acknowledged to another process just before a failover may be missed for as long as an election takes.)
    async fn event(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Event>, StoreError>;

    /// Reads a reservation's current state, as [`EventStore::event`] does; that there is none is true of all processes.
    async fn reservation(&self, id: &ReservationId, deadline: Instant) -> Result<Option<Arc<Reservation>>, StoreError>;

    /// The places on the waitlist of an event of those who joined it at the versions `joined`, which ascend, each counted from 1:
    /// how many who joined before it wait still, and itself. All of them cost little more than the last one. As current as
    /// [`EventStore::event`]. `None` when so many wait that it is not known after a look at about `rows_max` of them.
    async fn waitlist_positions(
        &self,
        event_id: &EventId,
        joined: &[Version],
        rows_max: usize,
        deadline: Instant,
    ) -> Result<Option<Vec<u32>>, StoreError>;

    /// Lists events in the order of their ids, those after `after`, `limit` at most. Each in a state that will last. One that
    /// cannot be read is left out.
    async fn events(
        &self,
        after: Option<&EventId>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<EventSummary>, StoreError>;

    /// Lists reservations in the order of their [`Place`], each in a state that will last. Of one event the list is as current
    /// as [`EventStore::event`]; of all events it holds every commit acknowledged to this process before the call, and may lack
    /// what others committed within the last moments. One that cannot be read is left out.
    ///
    /// A page ends when about `rows_max` reservations were looked at, 1 at least, however few of them belong on the list: so
    /// what a page costs does not depend on what is asked for. It may then hold fewer than the limit, even none, and says where
    /// the list goes on.
    async fn reservations(
        &self,
        query: &ReservationQuery,
        rows_max: usize,
        deadline: Instant,
    ) -> Result<ReservationPage, StoreError>;

    /// Events that are due at `now`: that need looking after without being asked. The earliest first, those behind `after`,
    /// `limit` at most. One that became due in the last moments may be missing.
    async fn due(
        &self,
        now: Timestamp,
        after: Option<&DuePlace>,
        limit: usize,
        deadline: Instant,
    ) -> Result<DuePage, StoreError>;

    /// The store's time in whole milliseconds, the one that decisions use: processes that share a store agree on it. It may
    /// lag a little and is never ahead, so that no hold lapses early.
    ///
    /// # Errors
    /// When the store's time is not known for certain.
    async fn now(&self, deadline: Instant) -> Result<Timestamp, StoreError>;

    /// Whether other processes may change the same events: then commits that they sent may be under way, whether they live
    /// or not.
    fn is_shared(&self) -> bool;

    /// Events that could not be read when this process last looked at them, in the order of their ids. Nothing is looked up
    /// for it.
    fn unreadable(&self) -> Vec<EventId> {
        Vec::new()
    }

    /// Whether the store can be reached and would take a commit.
    async fn ready(&self, deadline: Instant) -> Result<(), StoreError>;

    /// Takes note of requests that were turned away with [`StoreError::ReadOnly`], for the line that tells of the outage's end.
    fn turned_away(&self, requests: usize) {
        let _ = requests;
    }

    /// Finishes the work that acknowledged commits left to do, as far as `deadline` allows, and lets the store go.
    /// Nothing may be asked of it afterwards.
    async fn close(&self, deadline: Instant);
}
