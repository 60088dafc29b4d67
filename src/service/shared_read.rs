//! Readers that arrive together share one read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};

use super::{
    ServiceError,
    answers::{Answering, Answers, answering},
};
use crate::{
    domain::{Event, EventId},
    store::EventStore,
};

type Found = Result<Option<Arc<Event>>, ServiceError>;

/// Reads events for many at once. A reader never joins a read that began before it asked: it joins the next one, so
/// what it sees is never older than its request.
pub(super) struct SharedReads {
    store: Arc<dyn EventStore>,
    timeout: Duration,
    runtime: Handle,
    /// Who waits for the next read of an event; an entry stands while a read of that event is in flight.
    waiting: Mutex<HashMap<EventId, Vec<Answering<Found>>>>,
}

impl SharedReads {
    /// Reads will run on the current runtime, each for at most `timeout`.
    pub(super) fn new(store: Arc<dyn EventStore>, timeout: Duration) -> Self {
        Self { store, timeout, runtime: Handle::current(), waiting: Mutex::default() }
    }

    /// The event, by a read that starts after this call.
    pub(super) async fn read(self: &Arc<Self>, event_id: &EventId) -> Found {
        let (answer, found) = answering();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(next) = waiting.get_mut(event_id) {
                next.push(answer);
                None
            } else {
                waiting.insert(event_id.clone(), Vec::new());
                Some(answer)
            }
        };
        if let Some(first) = first {
            self.runtime.spawn(self.clone().serve(event_id.clone(), vec![first]));
        }
        match timeout(self.timeout, found).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Err(ServiceError::Internal("the shared read ended".to_owned())),
            Err(_) => Err(ServiceError::Unavailable("no answer in time".to_owned())),
        }
    }

    /// Reads for `readers`, then for those who came in the meantime, until nobody waits.
    async fn serve(self: Arc<Self>, event_id: EventId, mut readers: Vec<Answering<Found>>) {
        let mut entry = Entry { reads: &self, event_id: &event_id, stands: true };
        loop {
            let found = self.store.event(&event_id, Instant::now() + self.timeout).await;
            let found = found.map(|event| event.map(Arc::new)).map_err(ServiceError::from);
            let mut answers = Answers::new();
            for reader in readers {
                answers.add(reader, found.clone());
            }
            drop(answers);
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            match waiting.get_mut(&event_id) {
                Some(next) if !next.is_empty() => readers = std::mem::take(next),
                _ => {
                    waiting.remove(&event_id);
                    entry.stands = false;
                    return;
                }
            }
        }
    }
}

/// Takes an event's entry away if its read panics, so that the next reader starts a new one.
struct Entry<'a> {
    reads: &'a SharedReads,
    event_id: &'a EventId,
    stands: bool,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if self.stands {
            self.reads.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(self.event_id);
        }
    }
}
