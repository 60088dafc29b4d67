//! Log lines that a stranger can cause as often as he likes: at most one a second of each kind, and each says for how
//! many it stands.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The shortest time between two lines of a kind.
const PERIOD: Duration = Duration::from_secs(1);

/// Lets one call a second through, and counts all of them.
#[derive(Debug)]
pub(super) struct Throttle {
    last: Mutex<Option<Instant>>,
    untold: AtomicU64,
}

impl Throttle {
    pub(super) const fn new() -> Self {
        Self { last: Mutex::new(None), untold: AtomicU64::new(0) }
    }

    /// Counts one occurrence. Where a line is due: how many occurred since the last one, this one included.
    pub(super) fn count(&self) -> Option<u64> {
        self.untold.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < PERIOD) {
            return None;
        }
        *last = Some(Instant::now());
        Some(self.untold.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_stands_for_all_that_came_before_it() {
        let throttle = Throttle::new();
        assert_eq!(throttle.count(), Some(1));
        assert_eq!([throttle.count(), throttle.count()], [None, None]);
        *throttle.last.lock().expect("not poisoned") = None;
        assert_eq!(throttle.count(), Some(3));
    }
}
