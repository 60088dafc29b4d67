//! Times in which the file takes no writes: what everybody knows of one, and when the writer tries to end it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::store::StoreError;

/// The pause before the first try to write again. A failure that has passed by then is hardly noticed.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause between two tries. A try costs a failing disk a megabyte at most, and who waits for room waits no
/// longer than this once it is there.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// An outage so soon after the last one goes on with its pauses: what looked like an end was none.
const SAME_OUTAGE: Duration = Duration::from_secs(10);

/// Whether writes are taken, for those who ask the store.
#[derive(Debug, Default)]
pub(super) struct Condition {
    stopped: AtomicBool,
    why: Mutex<String>,
    turned_away: AtomicU64,
}

impl Condition {
    /// Fails at once, and certainly, while no writes are taken. Whatever is to be decided asks this first: the state that
    /// readers see then may lack a commit whose outcome is open.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.stopped.load(Ordering::Acquire) { Err(StoreError::ReadOnly(self.why())) } else { Ok(()) }
    }

    /// Stops writes.
    pub(super) fn stop(&self, why: &str) {
        why.clone_into(&mut self.why.lock().unwrap_or_else(PoisonError::into_inner));
        self.stopped.store(true, Ordering::Release);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(super) fn why(&self) -> String {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts requests that were turned away.
    pub(super) fn turned_away(&self, requests: usize) {
        self.turned_away.fetch_add(requests as u64, Ordering::Relaxed);
    }

    /// Takes writes again. Returns how many requests were turned away meanwhile.
    fn resume(&self) -> u64 {
        let turned_away = self.turned_away.swap(0, Ordering::Relaxed);
        self.stopped.store(false, Ordering::Release);
        turned_away
    }
}

/// The writer's schedule of tries.
#[derive(Debug)]
pub(super) struct Outage {
    since: Instant,
    next_try: Instant,
    pause: Duration,
}

impl Outage {
    /// One that begins now, after `last`.
    pub(super) fn begin(last: Option<Ended>) -> Self {
        let now = Instant::now();
        let pause = last.filter(|last| now - last.at < SAME_OUTAGE).map_or(FIRST_PAUSE, |last| last.pause);
        Self { since: now, next_try: now + pause, pause }
    }

    pub(super) fn next_try(&self) -> Instant {
        self.next_try
    }

    /// A try has failed.
    pub(super) fn tried(&mut self) {
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.next_try = Instant::now() + self.pause;
    }

    /// A try has succeeded: says so in the log, and lets writes in.
    pub(super) fn end(self, condition: &Condition) -> Ended {
        let turned_away = condition.resume();
        let lasted_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        log::info!(lasted_ms, turned_away; "the embedded store takes writes again");
        Ended { at: Instant::now(), pause: (self.pause * 2).min(PAUSE_MAX) }
    }
}

/// An outage that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    at: Instant,
    /// How long the next one should wait first if it is the same one after all.
    pause: Duration,
}
