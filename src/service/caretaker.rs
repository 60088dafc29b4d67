//! Looks for events that need looking after without being asked: a hold lapses, or free seats are left for the waitlist.
//!
//! Every process looks, so that it is done whichever of them live. The event's own task does the work and its commit
//! decides who was first, so it is done once.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::inbox::Inboxes;
use crate::{
    ids,
    store::{DuePlace, EventStore, StoreError},
};

/// The pause between two looks. Seats of a lapsed hold are promised to the next within two seconds.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Events that one look finds at most. With more the next look goes on behind them, whatever becomes of these: events that
/// cannot be looked after stay due, and must not hide the others.
const EVENTS_MAX: usize = 256;

/// The pause before a look that goes on: the tasks of those that were found need some time.
const FULL_PAUSE: Duration = Duration::from_millis(50);

/// How long one look may take.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// Looks until the inboxes are closed or gone.
pub(super) async fn look_forever(store: Arc<dyn EventStore>, inboxes: Weak<Inboxes>) {
    let mut after = None;
    while let Some(inboxes) = inboxes.upgrade().filter(|inboxes| !inboxes.is_closed()) {
        after = match look(&*store, &inboxes, after.as_ref()).await {
            Ok(next) => next,
            Err(why) => {
                // Whoever asks for anything learns of an outage, and the log has it from there.
                log::debug!("could not look for events that are due: {why}");
                None
            }
        };
        drop(inboxes);
        let pause = if after.is_none() { LOOK_EVERY } else { FULL_PAUSE };
        // Several processes come apart, so that mostly one of them finds the work.
        sleep(pause.mul_f64(0.5 + ids::jitter() / 2.0)).await;
    }
}

/// Looks at those behind a place, and says where the next look goes on, if there are more.
async fn look(
    store: &dyn EventStore,
    inboxes: &Arc<Inboxes>,
    after: Option<&DuePlace>,
) -> Result<Option<DuePlace>, StoreError> {
    let deadline = Instant::now() + LOOK_PATIENCE;
    let now = store.now(deadline).await?;
    let due = store.due(now, after, EVENTS_MAX, deadline).await?;
    for event_id in &due.event_ids {
        // The server may be about to stop.
        let _ = inboxes.look_after(event_id);
    }
    Ok(due.next)
}
