//! What this process found in its store that cannot be read. It is logged once, told by the readiness probe, and left out where
//! others are asked for along with it.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::domain::EventId;

/// Finds that are remembered. A store with more of them is lost as a whole, and each is a line of the log anyway.
const FINDS_MAX: usize = 256;

/// How long an event that could not be read is not looked after again: somebody has to mend it first.
const REST: Duration = Duration::from_secs(30);

/// What was found, by names: `event show`, `reservation show.…`.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    found: Mutex<BTreeMap<String, Find>>,
    /// Whether there is anything: mostly there is not, and readers need not ask for more.
    any: AtomicBool,
}

#[derive(Debug)]
struct Find {
    /// The event, where it is the event itself that cannot be read.
    event: Option<EventId>,
    at: Instant,
}

impl Damage {
    /// Notes that an event cannot be read.
    pub(crate) fn of_event(&self, id: &EventId, cause: &str) {
        let find = Find { event: Some(id.clone()), at: Instant::now() };
        if self.note(format!("event {id}"), find) {
            log::error!(event_id:% = id, cause; "an event cannot be read; it is left out of lists until it is mended");
        }
    }

    /// Notes that something else cannot be read, by a `name` of its own, and what is done `instead`.
    pub(crate) fn of_other(&self, name: &str, cause: &str, instead: &str) {
        if self.note(name.to_owned(), Find { event: None, at: Instant::now() }) {
            log::error!(name, cause; "the store holds what cannot be read; {instead}");
        }
    }

    /// Notes that an event was read.
    pub(crate) fn is_mended(&self, id: &EventId) {
        if self.any.load(Relaxed) && self.finds().remove(&format!("event {id}")).is_some() {
            log::info!(event_id:% = id; "the event can be read again");
        }
    }

    /// Whether an event could not be read a short while ago.
    pub(crate) fn is_fresh(&self, id: &EventId) -> bool {
        self.any.load(Relaxed) && self.finds().get(&format!("event {id}")).is_some_and(|find| find.at.elapsed() < REST)
    }

    /// The events that could not be read when they were last looked at, in the order of their ids.
    pub(crate) fn events(&self) -> Vec<EventId> {
        if !self.any.load(Relaxed) {
            return Vec::new();
        }
        self.finds().values().filter_map(|find| find.event.clone()).collect()
    }

    /// Whether it is new. What finds no room is new every time, and logged every time.
    fn note(&self, name: String, find: Find) -> bool {
        let mut finds = self.finds();
        self.any.store(true, Relaxed);
        if finds.len() >= FINDS_MAX && !finds.contains_key(&name) {
            return true;
        }
        finds.insert(name, find).is_none()
    }

    fn finds(&self) -> MutexGuard<'_, BTreeMap<String, Find>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_as_long_as_it_cannot_be_read() {
        let id = EventId::parse("show").expect("an id");
        let damage = Damage::default();
        assert!(damage.events().is_empty() && !damage.is_fresh(&id));
        damage.of_event(&id, "it is none");
        damage.of_other("reservation show.x", "it is none", "it is left out");
        assert_eq!(damage.events(), std::slice::from_ref(&id));
        assert!(damage.is_fresh(&id));
        damage.is_mended(&id);
        assert!(damage.events().is_empty() && !damage.is_fresh(&id));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let damage = Damage::default();
        for number in 0..2 * FINDS_MAX {
            damage.of_event(&EventId::parse(&format!("show-{number}")).expect("an id"), "it is none");
        }
        assert_eq!(damage.events().len(), FINDS_MAX);
    }
}
