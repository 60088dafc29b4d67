//! The layouts of halls, which never change: each is read once and shared by all that is loaded after.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::domain::{EventId, IdSalt, SeatMap};

/// Layouts that are kept. The largest weighs a megabyte or two, most of them a few kilobytes; one that is not kept is read
/// again.
const MAPS_MAX: usize = 256;

/// The layouts that are known, by event.
///
/// An event that somebody deleted and made anew under the same id has another salt, and so its layout is read anew.
#[derive(Debug, Default)]
pub(super) struct SeatMaps(Mutex<HashMap<EventId, (IdSalt, Arc<SeatMap>)>>);

impl SeatMaps {
    /// Whether a query for the event may leave the layout out. It may turn out to be needed after all.
    pub(super) fn has(&self, event_id: &EventId) -> bool {
        self.maps().contains_key(event_id)
    }

    /// The layout of the event that has this salt.
    pub(super) fn known(&self, event_id: &EventId, salt: IdSalt) -> Option<Arc<SeatMap>> {
        self.maps().get(event_id).filter(|(of, _)| *of == salt).map(|(_, map)| map.clone())
    }

    /// Keeps a layout, in the place of any other one when there are too many.
    pub(super) fn learn(&self, event_id: &EventId, salt: IdSalt, map: Arc<SeatMap>) {
        let mut maps = self.maps();
        if maps.len() >= MAPS_MAX
            && !maps.contains_key(event_id)
            && let Some(other) = maps.keys().next().cloned()
        {
            maps.remove(&other);
        }
        maps.insert(event_id.clone(), (salt, map));
    }

    fn maps(&self) -> MutexGuard<'_, HashMap<EventId, (IdSalt, Arc<SeatMap>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
