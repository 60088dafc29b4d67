//! When requests are meant to be sent.
//!
//! In a closed loop a slow server slows its clients down, and the requests that they would have sent meanwhile are never
//! timed. In an open loop every request has a time of its own, fixed before the first answer, and its latency counts
//! from there, however late a connection was free to send it.

use std::time::Duration;

/// The times of an open loop: request `n` belongs at `n / per_second` after the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    per_second: f64,
    next: u64,
    end: Duration,
}

impl Schedule {
    /// So many requests a second until `end`.
    pub(crate) fn new(per_second: f64, end: Duration) -> Self {
        Self { per_second, next: 0, end }
    }

    /// The time of the next request, counted from the start; `None` when the end has come. A time is given once.
    #[expect(clippy::cast_precision_loss, reason = "the counts here are far below 2^52")]
    pub(crate) fn take(&mut self) -> Option<Duration> {
        let at = Duration::from_secs_f64(self.next as f64 / self.per_second);
        if at >= self.end {
            return None;
        }
        self.next += 1;
        Some(at)
    }

    /// How many times were not taken.
    pub(crate) fn left(&self) -> u64 {
        let mut rest = *self;
        std::iter::from_fn(|| rest.take()).map(|_| 1).sum()
    }
}

/// The part of a run that counts: after the warm-up, before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// How long the warm-up takes.
    pub(crate) warm_up: Duration,
    /// How long it is measured.
    pub(crate) measured: Duration,
}

impl Window {
    /// When it ends, counted from the start of the warm-up.
    pub(crate) fn end(&self) -> Duration {
        self.warm_up + self.measured
    }

    /// Whether what happened `at` counts.
    pub(crate) fn contains(&self, at: Duration) -> bool {
        (self.warm_up..self.end()).contains(&at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_even_and_given_once_until_the_end() {
        let mut schedule = Schedule::new(4.0, Duration::from_secs(1));
        let times: Vec<u128> = std::iter::from_fn(|| schedule.take()).map(|at| at.as_millis()).collect();
        assert_eq!(times, [0, 250, 500, 750]);
        assert_eq!((schedule.take(), schedule.left()), (None, 0));
        assert_eq!(Schedule::new(4.0, Duration::from_millis(1_001)).left(), 5);
    }

    #[test]
    fn times_do_not_drift() {
        let mut schedule = Schedule::new(30_000.0, Duration::from_secs(100));
        let last = std::iter::from_fn(|| schedule.take()).enumerate().last().expect("there are times");
        assert_eq!(last.0, 2_999_999);
        let wanted = Duration::from_secs(100) - Duration::from_secs_f64(1.0 / 30_000.0);
        assert!(last.1.abs_diff(wanted) < Duration::from_micros(1), "{last:?}");
    }

    #[test]
    fn a_window_begins_after_the_warm_up_and_ends_before_its_end() {
        let window = Window { warm_up: Duration::from_secs(1), measured: Duration::from_secs(2) };
        for (millis, counts) in [(0, false), (999, false), (1_000, true), (2_999, true), (3_000, false)] {
            assert_eq!(window.contains(Duration::from_millis(millis)), counts, "{millis} ms");
        }
    }
}
