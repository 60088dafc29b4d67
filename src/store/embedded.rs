//! The embedded store: one file in `DATA_DIR`, kept by redb. This file and its folder alone name redb.
//!
//! An event and its reservations change in one durable transaction, so there is no journal and nothing to settle.
//! [`writer`] owns every write and runs on a thread of its own; reads see the last durable state, which the writer
//! shows as a whole ([`view::View`]) before it acknowledges the commit that made it. They go on seeing it while the disk is
//! full, fails, or is gone, and then nothing is decided on it ([`outage`]).
//!
//! [`tables`] has what the file holds, and [`fold`] the one place that writes it; [`documents`], [`state`], [`listed`] and
//! [`keys`] say how values are spelled.

use std::{path::Path, sync::Arc, thread};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use self::{
    file::DataFile,
    medium::{Disk, Medium},
    open_error::refused,
    open_file::{OpenFile, Sizes},
    outage::Condition,
    rows::Rows,
    shown::Shown,
    view::View,
    writer::{Work, Write, Writer},
};
use super::{
    Base, CommitError, Creation, Damage, DuePage, DuePlace, EventStore, FactsError, Journal, ReservationPage,
    ReservationQuery, Snapshot, StoreError,
};
use crate::{
    clock::Clock,
    domain::{Decision, Event, EventId, EventSummary, Facts, Head, Reservation, ReservationId, Version, Wanted},
};

mod documents;
mod file;
mod fold;
mod inbox;
mod keys;
mod listed;
mod medium;
mod open_error;
mod open_file;
mod outage;
mod recent;
mod rolls;
mod rows;
mod run;
mod shown;
mod state;
mod tables;
mod view;
mod writer;

pub use file::may_hold_reservations;
pub use open_error::OpenError;

/// Work that may wait for the writer. Each event has at most one commit in flight, so this bounds the events that are
/// changed at once, not the reservations; a caller past it waits its turn within its deadline.
const INBOX_MAX: usize = 1024;

const SIZES: Sizes = Sizes {
    // Most of it are leaf pages that batches without order (keyed reservations) come back to; the inner pages of ten million
    // reservations take some ten megabytes. What falls out is mostly still in the system's page cache. redb's own default is
    // a gigabyte, more than a small machine has to give.
    cache_bytes: 64 * 1024 * 1024,
    // A thousand events on sale have some thirty recent rows each ([`recent`]), enough for half a page. Twice as many are held
    // in memory: some 10 MB at most, and that only while commits are small.
    generation_rows: 32_768,
};

/// An event store in a local directory, for one process.
pub struct EmbeddedStore {
    clock: Arc<dyn Clock>,
    shown: Arc<Shown>,
    condition: Arc<Condition>,
    writer: mpsc::Sender<Work>,
    damage: Arc<Damage>,
}

impl EmbeddedStore {
    /// Opens the store in `data_dir`, which is made if it is absent. Blocks while it reads: a file that was not closed
    /// cleanly is checked from end to end. One that is there and cannot be written, for want of room perhaps, is opened for
    /// reading, until it can.
    ///
    /// # Errors
    /// Says, in words for the operator, why the directory cannot be used.
    pub fn open(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let file = DataFile::open(data_dir)?;
        let path = file.path().to_owned();
        Self::start(file, &path, clock, SIZES)
    }

    /// Opens the store on `medium`, which the operator knows as `path`.
    fn start(medium: impl Medium, path: &Path, clock: Arc<dyn Clock>, sizes: Sizes) -> Result<Self, OpenError> {
        let unusable = |why: redb::Error| OpenError::Unusable(why.to_string());
        let disk = Disk::new(medium);
        let (database, session) = open_file::open(&disk, sizes).map_err(|why| refused(path, why))?;
        let is_new = tables::make(&database)?;
        if is_new && let Some(why) = session.failure() {
            // Half a store would be taken for a damaged one by the next start.
            let emptied = disk.medium().set_len(0);
            return Err(OpenError::NotMade {
                path: path.to_owned(),
                why: emptied.map_or_else(|why| why.to_string(), |()| why),
            });
        }
        let damage = Arc::<Damage>::default();
        let file = OpenFile::new(database, session, sizes, damage.clone()).map_err(unusable)?;
        let condition = Arc::new(Condition::default());
        let shown = Arc::new(Shown::new(file.view().map_err(unusable)?, condition.clone()));
        let mut writer = Writer::new(disk, file, shown.clone(), condition.clone());
        if !is_new {
            writer.begin();
        }
        let (sender, inbox) = mpsc::channel(INBOX_MAX);
        thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(|| writer.run(inbox))
            .map_err(OpenError::Thread)?;
        Ok(Self { clock, shown, condition, writer: sender, damage })
    }

    /// Gives `work` to the writer. An error means that the writer will never see it.
    async fn hand_over(&self, work: Work, deadline: Instant) -> Result<(), StoreError> {
        let takes_it = || if let Work::Write(_) = work { self.condition.check() } else { Ok(()) };
        takes_it()?;
        let place = timeout_at(deadline, self.writer.reserve()).await.map_err(|_| too_late())?.map_err(|_| closed())?;
        // The place may have become free because writes were turned away.
        takes_it()?;
        place.send(work);
        Ok(())
    }

    /// Has `rows` written if the event is at `base` (`None`: if there is no such event).
    async fn write(&self, base: Option<Base>, rows: Rows, deadline: Instant) -> Result<(), CommitError> {
        in_time(deadline)?;
        let (answer, written) = oneshot::channel();
        self.hand_over(Work::Write(Box::new(Write { base, rows, deadline, answer })), deadline).await?;
        match timeout_at(deadline, written).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(CommitError::Unclear("the store's writer was broken off".to_owned())),
            Err(_) => Err(CommitError::Unclear("writing took longer than the request may".to_owned())),
        }
    }

    /// `rows`, with the event that they make if it should be kept in memory once it lasts.
    fn kept(&self, event: &Event, rows: Rows) -> Rows {
        Rows { kept: self.shown.keeps(event).then(|| Arc::new(event.clone())), ..rows }
    }

    /// Reads an event where the caller stands, and which state it is in. Its row's pages are those that every commit has just
    /// touched and the rest is mostly kept in memory, so this takes a few microseconds, less than handing it to another
    /// thread would. The first look at a large hall takes a fraction of a millisecond.
    fn stored(&self, event_id: &EventId, deadline: Instant) -> Result<Option<(Arc<Event>, Base)>, StoreError> {
        in_time(deadline)?;
        let read = self.shown.read(|view| self.shown.event(view, event_id));
        match &read {
            Ok(_) => self.damage.is_mended(event_id),
            Err(StoreError::Unreadable(why)) => self.damage.of_event(event_id, why),
            Err(_) => {}
        }
        read
    }

    /// Which state an event is in.
    fn base(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Base>, StoreError> {
        in_time(deadline)?;
        Ok(self.shown.read(|view| view.state(event_id))?.map(|state| state.base()))
    }

    /// Runs `read` on a thread that may wait for the disk: reservations outnumber what memory holds.
    async fn blocking<T: Send + 'static>(
        &self,
        deadline: Instant,
        read: impl Fn(&View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        in_time(deadline)?;
        let shown = self.shown.clone();
        let reading = tokio::task::spawn_blocking(move || shown.read(read));
        timeout_at(deadline, reading)
            .await
            .map_err(|_| too_late())?
            .map_err(|why| StoreError::Unavailable(format!("a read was broken off: {why}")))?
    }
}

#[async_trait]
impl EventStore for EmbeddedStore {
    async fn create(&self, event: &Event, head: Head, deadline: Instant) -> Result<Creation, StoreError> {
        // An event that is there stays for ever, whatever else is known of it.
        if self.base(&event.id, deadline)?.is_some() {
            return Ok(Creation::Existed);
        }
        let rows = Rows::of_new(event, head);
        rows.check(event, &[])?;
        match self.write(None, self.kept(event, rows), deadline).await {
            Ok(()) => Ok(Creation::Created),
            Err(CommitError::Conflict) => Ok(Creation::Existed),
            Err(CommitError::Store(why)) => Err(why),
            // There is nothing else for which a new event is refused.
            Err(CommitError::Refused(_)) => Ok(Creation::KeyTaken),
            Err(CommitError::Unclear(why)) => Err(StoreError::Unavailable(why)),
        }
    }

    async fn load(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Snapshot>, StoreError> {
        self.condition.check()?;
        let stored = self.stored(event_id, deadline)?;
        Ok(stored.map(|(event, base)| Snapshot {
            event: Arc::unwrap_or_clone(event),
            head: base.head,
            journal: Journal::new(),
        }))
    }

    async fn facts(&self, snapshot: &Snapshot, wanted: &Wanted, deadline: Instant) -> Result<Facts, FactsError> {
        // A batch of reservations without keys asks for nothing, and need not wait for a thread to find that.
        if wanted.is_empty() {
            return Ok(Facts::default());
        }
        self.condition.check()?;
        let (event_id, base, wanted) = (snapshot.event.id.clone(), snapshot.base(), wanted.clone());
        let facts = self.blocking(deadline, move |view| view.facts(&event_id, base, &wanted)).await?;
        facts.ok_or(FactsError::Stale)
    }

    async fn commit(
        &self,
        snapshot: &Snapshot,
        decision: &Decision,
        head: Head,
        deadline: Instant,
    ) -> Result<Snapshot, CommitError> {
        decision.event.check().map_err(|why| CommitError::Refused(why.to_string()))?;
        let rows = Rows::of_decision(&snapshot.event, decision, head);
        rows.check(&decision.event, &decision.records).map_err(|why| CommitError::Refused(why.into_why()))?;
        self.write(Some(snapshot.base()), self.kept(&decision.event, rows), deadline).await?;
        Ok(Snapshot { event: decision.event.clone(), head, journal: Journal::new() })
    }

    async fn prove(&self, event_id: &EventId, base: Base, deadline: Instant) -> Result<bool, StoreError> {
        self.condition.check()?;
        Ok(self.base(event_id, deadline)? == Some(base))
    }

    async fn event(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Event>, StoreError> {
        Ok(self.stored(event_id, deadline)?.map(|(event, _)| Arc::unwrap_or_clone(event)))
    }

    async fn reservation(&self, id: &ReservationId, deadline: Instant) -> Result<Option<Arc<Reservation>>, StoreError> {
        let id = id.clone();
        self.blocking(deadline, move |view| view.reservation(&id)).await
    }

    async fn waitlist_positions(
        &self,
        event_id: &EventId,
        joined: &[Version],
        rows_max: usize,
        deadline: Instant,
    ) -> Result<Option<Vec<u32>>, StoreError> {
        let (event_id, joined) = (event_id.clone(), joined.to_vec());
        self.blocking(deadline, move |view| view.waitlist_positions(&event_id, &joined, rows_max)).await
    }

    async fn events(
        &self,
        after: Option<&EventId>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<EventSummary>, StoreError> {
        let after = after.cloned();
        self.blocking(deadline, move |view| view.summaries(after.as_ref(), limit)).await
    }

    async fn reservations(
        &self,
        query: &ReservationQuery,
        rows_max: usize,
        deadline: Instant,
    ) -> Result<ReservationPage, StoreError> {
        let query = query.clone();
        // Past the deadline nobody waits for it, so that the search is broken off.
        let read = move |view: &View| view.list(&query, rows_max, || Instant::now() < deadline);
        let listing = self.blocking(deadline, read);
        listing.await.map_err(|why| if Instant::now() < deadline { why } else { too_slow() })
    }

    async fn due(
        &self,
        now: Timestamp,
        after: Option<&DuePlace>,
        limit: usize,
        deadline: Instant,
    ) -> Result<DuePage, StoreError> {
        let after = after.cloned();
        self.blocking(deadline, move |view| view.due(now, after.as_ref(), limit)).await
    }

    async fn now(&self, _: Instant) -> Result<Timestamp, StoreError> {
        Ok(self.clock.now())
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn unreadable(&self) -> Vec<EventId> {
        self.damage.events()
    }

    async fn ready(&self, deadline: Instant) -> Result<(), StoreError> {
        in_time(deadline)?;
        if self.writer.is_closed() { Err(closed()) } else { self.condition.check() }
    }

    fn turned_away(&self, requests: usize) {
        self.condition.turned_away(requests);
    }

    async fn close(&self, deadline: Instant) {
        let (answer, ended) = oneshot::channel();
        let drained = async {
            self.hand_over(Work::Close { answer }, deadline).await.ok()?;
            timeout_at(deadline, ended).await.ok()?.ok()
        };
        if drained.await.is_none() {
            log::warn!("the embedded store was not closed in time; it will be checked at the next start");
        }
    }
}

fn in_time(deadline: Instant) -> Result<(), StoreError> {
    if Instant::now() < deadline { Ok(()) } else { Err(too_late()) }
}

fn too_late() -> StoreError {
    StoreError::Unavailable("the request's time was over before the store could answer".to_owned())
}

fn too_slow() -> StoreError {
    StoreError::Overloaded("the request's time was over before the list was read".to_owned())
}

fn closed() -> StoreError {
    StoreError::Unavailable("the embedded store is closed".to_owned())
}

#[cfg(test)]
mod tests;
