//! The primary's time, as far as it is known here.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::deployment::{CommandError, Deployment};
use crate::clock::{Clock, truncate};

/// How often the offset to the primary's clock is measured.
pub(super) const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// This machine's clock, moved by its offset to the primary's, so that processes which share a deployment agree on the
/// time although their machines do not.
pub(super) struct PrimaryClock {
    machine: Arc<dyn Clock>,
    /// What to add to the machine's time; the measurement's uncertainty is taken off already, so that the primary's time
    /// is not reported before it comes.
    offset: Mutex<SignedDuration>,
}

impl PrimaryClock {
    pub(super) fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, offset: Mutex::new(SignedDuration::ZERO) }
    }

    /// The primary's time in whole milliseconds; the machine's as long as the primary was not reached.
    pub(super) fn now(&self) -> Timestamp {
        let offset = *self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        truncate(self.machine.now().saturating_add(offset).unwrap_or_else(|_| self.machine.now()))
    }

    /// Measures the offset anew.
    pub(super) async fn measure(&self, deployment: &Deployment, deadline: Instant) -> Result<(), CommandError> {
        let asked = self.machine.now();
        let begun = Instant::now();
        let hello = deployment.hello(deadline).await?;
        let took = SignedDuration::try_from(begun.elapsed()).unwrap_or(SignedDuration::MAX);
        let told = hello.get_datetime("localTime").ok();
        let Some(told) = told.and_then(|at| Timestamp::from_millisecond(at.timestamp_millis()).ok()) else {
            return Err(CommandError::Refused("hello tells no localTime".to_owned()));
        };
        // The primary read its clock somewhere between question and answer. Taking the latest possible moment makes the
        // estimate too early rather than too late.
        let offset = told.duration_since(asked) - took;
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner) = offset;
        Ok(())
    }
}
