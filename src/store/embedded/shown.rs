//! The state that readers see, and what was already read of it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{closed, outage::Condition, view::View};
use crate::{
    domain::{Event, EventId},
    store::{Base, StoreError},
};

/// Events that are kept as they were last read or written. One with a large hall takes some 100 kB, one without about 1 kB.
const EVENTS_KEPT_MAX: usize = 256;

/// The last durable state, or none once the store is closed. While the file takes no writes it stays the last one that was
/// known to be durable.
pub(super) struct Shown {
    view: RwLock<Option<Arc<View>>>,
    condition: Arc<Condition>,
    events: RwLock<HashMap<EventId, Kept>>,
}

/// An event in one of its states. A head names one state only, so this stays true for ever; whether it is the state of a
/// view, that view's own row tells.
#[derive(Clone)]
struct Kept {
    base: Base,
    event: Arc<Event>,
}

impl Shown {
    pub(super) fn new(view: View, condition: Arc<Condition>) -> Self {
        Self { view: RwLock::new(Some(Arc::new(view))), condition, events: RwLock::default() }
    }

    pub(super) fn view(&self) -> Option<Arc<View>> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what readers see.
    pub(super) fn show(&self, view: Option<View>) {
        let view = view.map(Arc::new);
        let before = std::mem::replace(&mut *self.view.write().unwrap_or_else(PoisonError::into_inner), view);
        // Letting go of an old state takes locks within redb: not while readers wait for the new one.
        drop(before);
    }

    /// Reads the last durable state. A state whose file was opened anew meanwhile is read no further; then the new one is
    /// read. When the file itself cannot be read, the writer is asked to see to it, and nobody waits for that.
    pub(super) fn read<T>(&self, read: impl Fn(&View) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut view = self.view().ok_or_else(closed)?;
        loop {
            let found = read(&view);
            let Err(StoreError::Unavailable(why)) = &found else { return found };
            let current = self.view().ok_or_else(closed)?;
            if Arc::ptr_eq(&current, &view) {
                self.condition.stop(why);
                return found;
            }
            view = current;
        }
    }

    /// An event as it stands in `view`, and which state that is.
    pub(super) fn event(&self, view: &View, id: &EventId) -> Result<Option<(Arc<Event>, Base)>, StoreError> {
        let Some(base) = view.state(id)?.map(|state| state.base()) else { return Ok(None) };
        let kept = self.events.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.base == base) {
            return Ok(Some((kept.event.clone(), base)));
        }
        // Another state of the same event has the same seat map.
        let map = kept.and_then(|kept| Some(kept.event.hall.as_ref()?.map().clone()));
        let Some(event) = view.event(id, map)?.map(Arc::new) else { return Ok(None) };
        self.keep(base, &event);
        Ok(Some((event, base)))
    }

    /// Whether an event's new state should be kept. One that nobody has asked for need not be, unless it takes long to be read:
    /// a thousand of them on sale would only drive each other out.
    pub(super) fn keeps(&self, event: &Event) -> bool {
        event.hall.is_some() || self.events.read().unwrap_or_else(PoisonError::into_inner).contains_key(&event.id)
    }

    /// Keeps an event for those who will ask for it. Any other one makes room; it can be read again.
    pub(super) fn keep(&self, base: Base, event: &Arc<Event>) {
        let kept = Kept { base, event: event.clone() };
        let mut events = self.events.write().unwrap_or_else(PoisonError::into_inner);
        let full = events.len() >= EVENTS_KEPT_MAX && !events.contains_key(&event.id);
        let other = if full { events.keys().next().cloned() } else { None };
        let dropped = (other.and_then(|id| events.remove(&id)), events.insert(event.id.clone(), kept));
        drop(events);
        // A hall takes a while to be freed: not while readers wait.
        drop(dropped);
    }
}
