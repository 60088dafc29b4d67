//! Whether the deployment can do what is asked of it: its kind and members at start, and whether it takes writes now.

use std::{sync::PoisonError, time::Duration};

use tokio::time::Instant;

use super::{
    MongoStore,
    deployment::{CommandError, Kind},
};
use crate::store::StoreError;

/// How old an answer to "are you ready" may be, so that many probes cost one write.
const READY_FOR: Duration = Duration::from_millis(250);

/// How long the write of a probe may take: less than who asks waits, so that the reason is told and not only that none came.
const READY_PATIENCE: Duration = Duration::from_millis(700);

impl MongoStore {
    /// Makes sure that the deployment can acknowledge a commit, and says what it lacks.
    pub(super) async fn check_set_up(&self, deadline: Instant) -> Result<(), StoreError> {
        if self.deployment.kind(deadline).await? == Kind::Standalone {
            self.warn_once(
                "MONGO_URI leads to a standalone server: what it acknowledged is lost with its disk, and there is no \
                 failover. A replica set is the safer choice.",
            );
        }
        let arbiter = self.deployment.has_arbiter(deadline).await?;
        if arbiter {
            self.warn_once(
                "MONGO_URI leads to a replica set with an arbiter: when one of its data-bearing nodes is down, no \
                 majority can acknowledge a write, and writes get 503. Three data-bearing nodes are the safer choice.",
            );
        }
        match self.prover.pulse(&self.deployment, deadline).await {
            Err(CommandError::Unclear(why)) if arbiter => {
                Err(StoreError::Misconfigured(format!("{why}; the set has an arbiter, which keeps no data")))
            }
            outcome => Ok(outcome?),
        }
    }

    /// Logs what is said at every try to open the event, once.
    fn warn_once(&self, what: &'static str) {
        if self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(what) {
            log::warn!("{what}");
        }
    }

    /// Probes the deployment, for the caller and for whoever asks soon after.
    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        let mut ready = self.ready.lock().await;
        if let Some((at, answer)) = &*ready
            && at.elapsed() < READY_FOR
        {
            return answer.clone();
        }
        let answer = self.prover.pulse(&self.deployment, Instant::now() + READY_PATIENCE).await;
        let fault = self.deployment.schema.fault();
        let answer = answer
            .map_err(StoreError::from)
            .and_then(|()| fault.map_or(Ok(()), |fault| Err(StoreError::Misconfigured(fault))));
        *ready = Some((Instant::now(), answer.clone()));
        answer
    }
}
