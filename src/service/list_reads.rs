//! Reads that go along a list, which may be long: few of them at a time, so that those who reserve, or ask about one
//! reservation, never wait for those who list.
//!
//! Every list begins in the *quick* lane, with a look at a few hundred rows. That fills most pages. What asks for something
//! rare goes on in the *scanning* lane, which looks at many rows for one reader after the other, and rests in between. So
//! all who scan together take a fixed part of one core, and those behind them wait without costing anything. Who
//! waits too long, or comes when too many wait, is told to come back.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, sleep, timeout_at},
};

use super::ServiceError;
use crate::{
    domain::{EventId, EventSummary, Version},
    store::{EventStore, ReservationPage, ReservationQuery, StoreError},
};

/// Rows that a list may look at in the quick lane: a tenth of a millisecond in the embedded store.
const QUICK_ROWS_MAX: usize = 512;

/// Lists in the quick lane at once. Each takes up to a few milliseconds on MongoDB, where it also takes a connection.
const QUICK_AT_ONCE: usize = 8;

/// Rows that a page may look at in the scanning lane: some milliseconds in the embedded store, some tens on MongoDB.
const SCANNED_ROWS_MAX: usize = 20_000;

/// Pages in the scanning lane at once.
const SCANS_AT_ONCE: usize = 1;

/// How long the scanning lane rests after a page, in times of what the page took. With 3, a quarter of one core is
/// the most that it takes, here or of the database.
const SCAN_REST: u32 = 3;

/// The longest rest: a store that was slow once must not keep everybody waiting.
const REST_MAX: Duration = Duration::from_millis(500);

/// Those on a waitlist that may be counted for a place on it without a turn: a quarter of a millisecond in the embedded
/// store, two on MongoDB.
const QUICK_PLACES_MAX: usize = 5_000;

/// Counts of longer waitlists at once, and how long their lane rests. Who is far back asks for the place again and again, so
/// this takes more than scans may.
const COUNTS_AT_ONCE: usize = 1;
const COUNT_REST: u32 = 1;

/// Readers that may wait for a lane. As many can have their turn while they wait, unless scans take unusually long.
const WAITING_MAX: usize = 256;

/// How many times of the whole time of a request the wait for a turn may take, as a divisor: the rest is for the reading.
const WAIT_PART: u32 = 2;

/// Reads of lists, and of places on waitlists.
pub(super) struct ListReads {
    store: Arc<dyn EventStore>,
    timeout: Duration,
    runtime: Handle,
    quick: Lane,
    scanning: Lane,
    counting: Lane,
}

impl ListReads {
    /// Scans will run on the current runtime. Each read takes at most `timeout`.
    pub(super) fn new(store: Arc<dyn EventStore>, timeout: Duration) -> Self {
        Self {
            store,
            timeout,
            runtime: Handle::current(),
            quick: Lane::new(QUICK_AT_ONCE, 0),
            scanning: Lane::new(SCANS_AT_ONCE, SCAN_REST),
            counting: Lane::new(COUNTS_AT_ONCE, COUNT_REST),
        }
    }

    /// Events in the order of their ids, those after `after`, `limit` at most.
    pub(super) async fn events(
        &self,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<EventSummary>, ServiceError> {
        let time = Time::until(Instant::now() + self.timeout);
        let _turn = self.quick.turn(time).await?;
        Ok(self.store.events(after, limit, time.end).await?)
    }

    /// A page of reservations, filled as far as a page may go.
    pub(super) async fn reservations(&self, query: &ReservationQuery) -> Result<ReservationPage, ServiceError> {
        let time = Time::until(Instant::now() + self.timeout);
        let turn = self.quick.turn(time).await?;
        let mut page = self.store.reservations(query, QUICK_ROWS_MAX, time.end).await?;
        drop(turn);
        let missing = query.limit.saturating_sub(page.reservations.len());
        if missing == 0 || page.next.is_none() {
            return Ok(page);
        }
        let rest = ReservationQuery { after: page.next.clone(), limit: missing, ..query.clone() };
        let store = self.store.clone();
        let scan = async move { store.reservations(&rest, SCANNED_ROWS_MAX, time.end).await };
        match self.run(&self.scanning, time, scan).await {
            Ok(more) => {
                page.reservations.extend(more.reservations);
                page.next = more.next;
                Ok(page)
            }
            // What was found is worth something, and the list can go on from there.
            Err(ServiceError::ListsOverloaded(_)) if !page.reservations.is_empty() => Ok(page),
            Err(why) => Err(why),
        }
    }

    /// The places on an event's waitlist of those who joined at the versions `joined`, which ascend, counted from 1.
    pub(super) async fn waitlist_positions(
        &self,
        event_id: &EventId,
        joined: &[Version],
        deadline: Instant,
    ) -> Result<Vec<u32>, ServiceError> {
        let time = Time::until(deadline);
        // Where few wait it takes no longer than to read the reservations did, so it needs no turn either.
        if let Some(places) = self.store.waitlist_positions(event_id, joined, QUICK_PLACES_MAX, time.end).await? {
            return Ok(places);
        }
        let (store, event_id, joined) = (self.store.clone(), event_id.clone(), joined.to_vec());
        let count = async move { store.waitlist_positions(&event_id, &joined, usize::MAX, time.end).await };
        let places = self.run(&self.counting, time, count).await?;
        places.ok_or_else(|| ServiceError::Internal("the waitlist has no end".to_owned()))
    }

    /// Runs `read` when it has its turn in `lane`. Who no longer waits for it gives up the turn; a read that has begun ends by
    /// itself, and only then comes the next.
    async fn run<T: Send + 'static>(
        &self,
        lane: &Lane,
        time: Time,
        read: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let turn = lane.turn(time).await?;
        let rest = lane.rest;
        let (answer, answered) = oneshot::channel();
        self.runtime.spawn(async move {
            let begin = Instant::now();
            let found = read.await;
            let took = begin.elapsed();
            // The reader may have gone.
            let _ = answer.send(found);
            sleep((took * rest).min(REST_MAX)).await;
            drop(turn);
        });
        Ok(answered.await.map_err(|_| ServiceError::Internal("a scan ended before its answer".to_owned()))??)
    }
}

/// The time that a read has.
#[derive(Clone, Copy)]
struct Time {
    /// Until when it may wait for its turn.
    turn: Instant,
    /// When it must be answered.
    end: Instant,
}

impl Time {
    fn until(end: Instant) -> Self {
        let now = Instant::now();
        Self { turn: now + end.saturating_duration_since(now) / WAIT_PART, end }
    }
}

/// Lets few readers pass at a time, in the order in which they came.
struct Lane {
    running: Arc<Semaphore>,
    waiting: Semaphore,
    /// How long a turn goes on after the read, in times of what that took.
    rest: u32,
}

impl Lane {
    fn new(at_once: usize, rest: u32) -> Self {
        Self { running: Arc::new(Semaphore::new(at_once)), waiting: Semaphore::new(WAITING_MAX), rest }
    }

    /// Waits for a turn, which lasts until the permit is dropped.
    async fn turn(&self, time: Time) -> Result<OwnedSemaphorePermit, ServiceError> {
        let overloaded = |why: &str| ServiceError::ListsOverloaded(why.to_owned());
        let _place = self.waiting.try_acquire().map_err(|_| overloaded("too many wait already"))?;
        let turn = timeout_at(time.turn, self.running.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| overloaded("no turn came in time"))?;
        turn.map_err(|_| ServiceError::Internal("a lane for lists was closed".to_owned()))
    }
}
