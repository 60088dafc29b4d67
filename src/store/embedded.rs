//! The embedded store: one file in `DATA_DIR`, kept by redb. This file and its folder alone name redb.
//!
//! An event and its reservations change in one durable transaction, so there is no journal and nothing to settle.
//! [`writer`] owns every write and runs on a thread of its own; reads see the last durable state, which the writer
//! shows as a whole ([`view::View`]) before it acknowledges the commit that made it.
//!
//! [`tables`] has what the file holds, and [`fold`] the one place that writes it; [`documents`], [`state`], [`listed`] and
//! [`keys`] say how values are spelled.

use std::{path::Path, sync::Arc, thread};

use async_trait::async_trait;
use jiff::Timestamp;
use redb::Database;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use self::{
    rows::Rows,
    shown::Shown,
    view::View,
    writer::{OpenFile, Work, Write, Writer},
};
use super::{Base, CommitError, Creation, EventStore, FactsError, Journal, ReservationQuery, Snapshot, StoreError};
use crate::{
    clock::Clock,
    domain::{Decision, Event, EventId, EventSummary, Facts, Head, Reservation, ReservationId, Wanted},
};

mod documents;
mod file;
mod fold;
mod keys;
mod listed;
mod recent;
mod rolls;
mod rows;
mod run;
mod shown;
mod state;
mod tables;
mod view;
mod writer;

pub use file::{OpenError, may_hold_reservations};

/// Work that may wait for the writer. Each event has at most one commit in flight, so this bounds the events that are
/// changed at once, not the reservations; a caller past it waits its turn within its deadline.
const INBOX_MAX: usize = 1024;

/// Recent rows of lists that are gathered before they are moved ([`recent`]). A thousand events on sale have some thirty each,
/// enough for half a page. Twice as many are held in memory: some 10 MB at most, and that only while commits are small.
const GENERATION_ROWS: usize = 32_768;

/// An event store in a local directory, for one process.
pub struct EmbeddedStore {
    clock: Arc<dyn Clock>,
    shown: Arc<Shown>,
    writer: mpsc::Sender<Work>,
}

impl EmbeddedStore {
    /// Opens the store in `data_dir`, which is made if it is absent. Blocks while it reads: a file that was not closed
    /// cleanly is checked from end to end.
    ///
    /// # Errors
    /// Says, in words for the operator, why the directory cannot be used.
    pub fn open(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let path = file::prepare(data_dir)?;
        Self::start(move || file::connect(&path), clock, GENERATION_ROWS)
    }

    /// Opens the store on what `connect` yields, now and after every failure of it.
    fn start(
        connect: impl Fn() -> Result<Database, OpenError> + Send + 'static,
        clock: Arc<dyn Clock>,
        generation_rows: usize,
    ) -> Result<Self, OpenError> {
        let unusable = |why: redb::Error| OpenError::Unusable(why.to_string());
        let database = connect()?;
        tables::make(&database)?;
        let file = OpenFile::of(database, generation_rows).map_err(unusable)?;
        let shown = Arc::new(Shown::new(file.view().map_err(unusable)?));
        let connect = move || OpenFile::of(connect()?, generation_rows).map_err(unusable);
        let (sender, inbox) = mpsc::channel(INBOX_MAX);
        let writer = Writer::new(Box::new(connect), file, shown.clone(), inbox);
        thread::Builder::new().name("store-writer".to_owned()).spawn(|| writer.run()).map_err(OpenError::Thread)?;
        Ok(Self { clock, shown, writer: sender })
    }

    /// The last durable state. When there is none to show, because the file failed, the writer is asked to open it anew.
    async fn view(&self, deadline: Instant) -> Result<Arc<View>, StoreError> {
        if Instant::now() >= deadline {
            return Err(too_late());
        }
        if let Some(view) = self.shown.view() {
            return Ok(view);
        }
        let (answer, reopened) = oneshot::channel();
        self.hand_over(Work::Reopen { answer }, deadline).await?;
        timeout_at(deadline, reopened).await.map_err(|_| too_late())?.map_err(|_| closed())?
    }

    /// Gives `work` to the writer. An error means that the writer will never see it.
    async fn hand_over(&self, work: Work, deadline: Instant) -> Result<(), StoreError> {
        let place = timeout_at(deadline, self.writer.reserve()).await.map_err(|_| too_late())?.map_err(|_| closed())?;
        place.send(work);
        Ok(())
    }

    /// Has `rows` written if the event is at `base` (`None`: if there is no such event).
    async fn write(&self, base: Option<Base>, rows: Rows, deadline: Instant) -> Result<(), CommitError> {
        if Instant::now() >= deadline {
            return Err(too_late().into());
        }
        let (answer, written) = oneshot::channel();
        self.hand_over(Work::Write(Box::new(Write { base, rows, deadline, answer })), deadline).await?;
        match timeout_at(deadline, written).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(CommitError::Unclear("the store's writer has ended".to_owned())),
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
    async fn stored(&self, event_id: &EventId, deadline: Instant) -> Result<Option<(Arc<Event>, Base)>, StoreError> {
        let view = self.view(deadline).await?;
        self.shown.judge(&view, self.shown.event(&view, event_id))
    }

    /// Which state an event is in.
    async fn base(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Base>, StoreError> {
        let view = self.view(deadline).await?;
        let state = self.shown.judge(&view, view.state(event_id))?;
        Ok(state.map(|state| state.base()))
    }

    /// Runs `read` on a thread that may wait for the disk: reservations outnumber what memory holds.
    async fn blocking<T: Send + 'static>(
        &self,
        deadline: Instant,
        read: impl FnOnce(&View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let view = self.view(deadline).await?;
        let shown = self.shown.clone();
        let reading = tokio::task::spawn_blocking(move || shown.judge(&view, read(&view)));
        timeout_at(deadline, reading)
            .await
            .map_err(|_| too_late())?
            .map_err(|why| StoreError::Unavailable(format!("a read was broken off: {why}")))?
    }
}

#[async_trait]
impl EventStore for EmbeddedStore {
    async fn create(&self, event: &Event, head: Head, deadline: Instant) -> Result<Creation, StoreError> {
        if self.base(&event.id, deadline).await?.is_some() {
            return Ok(Creation::Existed);
        }
        match self.write(None, self.kept(event, Rows::of_new(event, head)), deadline).await {
            Ok(()) => Ok(Creation::Created),
            Err(CommitError::Conflict) => Ok(Creation::Existed),
            Err(CommitError::Store(why)) => Err(why),
            // There is nothing else for which a new event is refused.
            Err(CommitError::Refused(_)) => Ok(Creation::KeyTaken),
            Err(CommitError::Unclear(why)) => Err(StoreError::Unavailable(why)),
        }
    }

    async fn load(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Snapshot>, StoreError> {
        let stored = self.stored(event_id, deadline).await?;
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
        self.write(Some(snapshot.base()), self.kept(&decision.event, rows), deadline).await?;
        Ok(Snapshot { event: decision.event.clone(), head, journal: Journal::new() })
    }

    async fn prove(&self, event_id: &EventId, base: Base, deadline: Instant) -> Result<bool, StoreError> {
        Ok(self.base(event_id, deadline).await? == Some(base))
    }

    async fn event(&self, event_id: &EventId, deadline: Instant) -> Result<Option<Event>, StoreError> {
        Ok(self.stored(event_id, deadline).await?.map(|(event, _)| Arc::unwrap_or_clone(event)))
    }

    async fn reservation(&self, id: &ReservationId, deadline: Instant) -> Result<Option<Arc<Reservation>>, StoreError> {
        let id = id.clone();
        self.blocking(deadline, move |view| view.reservation(&id)).await
    }

    async fn waitlist_position(&self, reservation: &Reservation, deadline: Instant) -> Result<u32, StoreError> {
        let (event_id, joined) = (reservation.id.event_id.clone(), reservation.created_version);
        self.blocking(deadline, move |view| view.waitlist_position(&event_id, joined)).await
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
        deadline: Instant,
    ) -> Result<Vec<Arc<Reservation>>, StoreError> {
        let query = query.clone();
        let read = move |view: &View| view.list(&query, || Instant::now() < deadline);
        let listed = self.blocking(deadline, read).await?;
        // Past the deadline the search was broken off.
        if Instant::now() < deadline { Ok(listed) } else { Err(too_late()) }
    }

    async fn due(&self, now: Timestamp, limit: usize, deadline: Instant) -> Result<Vec<EventId>, StoreError> {
        self.blocking(deadline, move |view| view.due(now, limit)).await
    }

    async fn now(&self, _: Instant) -> Result<Timestamp, StoreError> {
        Ok(self.clock.now())
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn ready(&self, deadline: Instant) -> Result<(), StoreError> {
        if self.writer.is_closed() {
            return Err(closed());
        }
        self.view(deadline).await.map(drop)
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

fn too_late() -> StoreError {
    StoreError::Unavailable("the request's time was over before the store could answer".to_owned())
}

fn closed() -> StoreError {
    StoreError::Unavailable("the embedded store is closed".to_owned())
}

#[cfg(test)]
mod tests;
