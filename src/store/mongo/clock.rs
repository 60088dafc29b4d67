//! The primary's time, as far as it is known here.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bson::Document;
use jiff::{SignedDuration, Timestamp};
use tokio::{
    select,
    time::{Instant, sleep, timeout_at},
};

use super::deployment::{CommandError, Deployment};
use crate::{
    clock::{truncate, uptime},
    store::StoreError,
};

/// How often the primary is asked for its time.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// How long a measurement is good. Some may fail before time is refused; but a primary that was not reached for longer
/// than this is most likely not the primary any more, and its successor's clock may differ.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// The pause before the primary is asked again, after a failure or when something happened to it.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// One part in this many of the time since a measurement is not counted: clocks that are being adjusted run wrong by up to
/// 500 parts in a million (adjtimex(2)), this machine's and the primary's.
const DRIFT: u32 = 1_000;

/// The primary's clock, carried on by how long this machine is up: a jump of this machine's wall clock changes nothing, and the
/// time that it slept is not lost, so that a measurement from before that is too old.
/// (Of a sharded cluster it is the clock of a mongos.)
#[derive(Debug)]
pub(super) struct PrimaryClock {
    deployment: Arc<Deployment>,
    last: Mutex<Option<Measurement>>,
    /// Whoever measures on demand holds it, so that the others can take over the result.
    measuring: tokio::sync::Mutex<()>,
}

/// What the primary's clock showed, and when that was known here.
#[derive(Debug, Clone, Copy)]
struct Measurement {
    told: Timestamp,
    /// How long this machine had been up.
    answered: Duration,
}

impl Measurement {
    /// Reads the answer to `hello` that came at `answered`. The primary looked at its clock somewhere between question and
    /// answer; taking the latest of these moments for it makes the time known too early rather than too late, by the round
    /// trip at most.
    fn of(hello: &Document, answered: Duration) -> Result<Self, CommandError> {
        let told = hello.get_datetime("localTime").ok();
        let told = told.and_then(|at| Timestamp::from_millisecond(at.timestamp_millis()).ok());
        let told = told.ok_or_else(|| CommandError::Refused("hello tells no localTime".to_owned()))?;
        Ok(Self { told, answered })
    }

    /// The primary's time at `uptime` in whole milliseconds, or a little before it; `None` when the measurement is too old.
    fn time_at(&self, uptime: Duration) -> Option<Timestamp> {
        let elapsed = uptime.saturating_sub(self.answered);
        if elapsed > FRESH_FOR {
            return None;
        }
        let certain = SignedDuration::try_from(elapsed.saturating_sub(elapsed / DRIFT)).ok()?;
        self.told.checked_add(certain).ok().map(truncate)
    }
}

impl PrimaryClock {
    pub(super) fn new(deployment: Arc<Deployment>) -> Self {
        Self { deployment, last: Mutex::new(None), measuring: tokio::sync::Mutex::new(()) }
    }

    /// The primary's time in whole milliseconds; never another clock's.
    pub(super) async fn now(&self, deadline: Instant) -> Result<Timestamp, StoreError> {
        if let Some(now) = self.known() {
            return Ok(now);
        }
        let unknown = |why: &str| StoreError::Unavailable(format!("the store's time is not known: {why}"));
        let _only = timeout_at(deadline, self.measuring.lock()).await.map_err(|_| unknown("no answer in time"))?;
        loop {
            // Another one may have measured while this one waited.
            if let Some(now) = self.known() {
                return Ok(now);
            }
            match self.measure(deadline).await {
                Ok(()) => {}
                Err(_) if Instant::now() + RETRY_PAUSE < deadline => sleep(RETRY_PAUSE).await,
                Err(why) => return Err(unknown(&why.to_string())),
            }
        }
    }

    /// Measures again and again, as long as the task lives: every while, and soon after the deployment failed to do
    /// something, since another primary, with another clock, may have taken over.
    pub(super) async fn keep_measuring(&self) {
        loop {
            let measured = self.measure(Instant::now() + MEASURE_EVERY).await;
            sleep(RETRY_PAUSE).await;
            if measured.is_ok() {
                select! {
                    () = sleep(MEASURE_EVERY) => {}
                    () = self.deployment.disturbed.notified() => {}
                }
            }
        }
    }

    fn known(&self) -> Option<Timestamp> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.and_then(|last| last.time_at(uptime()))
    }

    async fn measure(&self, deadline: Instant) -> Result<(), CommandError> {
        let hello = self.deployment.hello(deadline).await?;
        let measurement = Measurement::of(&hello, uptime())?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(measurement);
        Ok(())
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
