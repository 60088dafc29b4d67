//! Keeps collections, validators and indexes as they must be, for as long as the process runs.
//!
//! Somebody may drop an index, empty a database, or restore a backup that lacks one. A read that names a missing index says so
//! ([`CommandError::MissingIndex`]); it wakes the one task that looks, and waits for what it finds. Besides, that task looks every
//! while by itself, for a missing validator fails nothing. What can be made is made; what cannot is told in words for the
//! operator, by the requests that need it and by readiness.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    select,
    sync::{Notify, watch},
    time::{Instant, sleep, timeout_at},
};

use super::{
    deployment::{CommandError, Deployment},
    schema,
};
use crate::store::StoreError;

/// How often the schema is looked at although nothing failed: four small commands. Tests do not wait as long.
const CHECK_EVERY: Duration = if cfg!(test) { Duration::from_millis(500) } else { Duration::from_secs(10) };

/// The pause after a look, so that requests that fail at once do not make it look all the time.
const CHECK_PAUSE: Duration = Duration::from_millis(25);

/// How long one look may take, with what it makes. An index of millions of reservations takes longer; the server goes on making
/// it, and the next look waits for the same.
const CHECK_PATIENCE: Duration = Duration::from_mins(1);

/// What is known of the schema, shared by those who find it broken and the task that mends it.
#[derive(Debug)]
pub(super) struct Schema {
    /// Wakes the task that looks.
    doubted: Notify,
    checked: watch::Sender<Checked>,
    /// Whether it was found or made as it must be, and nothing has failed since.
    sound: AtomicBool,
}

/// What the last look found.
#[derive(Debug, Clone, Default)]
struct Checked {
    /// Counts the looks.
    number: u64,
    /// What is wrong and cannot be mended from here, for the operator.
    fault: Option<String>,
}

impl Schema {
    pub(super) fn new() -> Self {
        Self { doubted: Notify::new(), checked: watch::Sender::default(), sound: AtomicBool::new(false) }
    }

    /// Whether nothing needs to be prepared before something is written, as far as is known.
    pub(super) fn is_sound(&self) -> bool {
        self.sound.load(Ordering::Acquire)
    }

    /// Notes that everything was prepared.
    pub(super) fn prepared(&self) {
        self.sound.store(true, Ordering::Release);
    }

    /// What keeps the store from working until somebody changes it, if something does.
    pub(super) fn fault(&self) -> Option<String> {
        self.checked.borrow().fault.clone()
    }

    /// Has the schema looked at and mended, since a read found an index missing, and waits for that.
    ///
    /// # Errors
    /// When it cannot be mended, or not by `deadline`.
    pub(super) async fn mend(&self, why: &str, deadline: Instant) -> Result<(), CommandError> {
        self.sound.store(false, Ordering::Release);
        let mut checked = self.checked.subscribe();
        checked.mark_unchanged();
        self.doubted.notify_one();
        let looked = timeout_at(deadline, checked.changed()).await;
        if looked.is_err() {
            let why = format!("an index is missing and is being made again ({why})");
            return Err(CommandError::NotDone(why));
        }
        match self.fault() {
            Some(fault) => Err(CommandError::Forbidden(fault)),
            None => Ok(()),
        }
    }

    fn note(&self, fault: Option<String>) {
        self.checked.send_modify(|checked| {
            if fault.is_some() && checked.fault != fault {
                log::error!(code = "schema-broken"; "{}", fault.as_deref().unwrap_or_default());
            } else if fault.is_none() && checked.fault.is_some() {
                log::info!(code = "schema-mended"; "collections, validators and indexes are as they must be again");
            }
            *checked = Checked { number: checked.number + 1, fault };
        });
    }
}

/// Looks, and mends, as long as the task lives.
pub(super) async fn keep_mending(deployment: &Arc<Deployment>) {
    let schema = &deployment.schema;
    loop {
        select! {
            () = schema.doubted.notified() => {}
            () = sleep(CHECK_EVERY) => {}
        }
        match schema::mend(deployment, Instant::now() + CHECK_PATIENCE).await {
            Ok(made) => {
                for what in made {
                    log::warn!(code = "schema-mended"; "{what}");
                }
                schema.note(None);
                schema.prepared();
            }
            Err(StoreError::Unavailable(why) | StoreError::Overloaded(why)) => {
                // An outage has its own log lines, and says nothing about the schema. Whoever waits goes on waiting.
                log::debug!("the schema cannot be looked at: {why}");
                if !schema.is_sound() {
                    schema.doubted.notify_one();
                }
            }
            Err(fault) => {
                schema.sound.store(false, Ordering::Release);
                schema.note(Some(fault.into_why()));
            }
        }
        sleep(CHECK_PAUSE).await;
    }
}

#[cfg(test)]
#[path = "repair_tests.rs"]
mod tests;
