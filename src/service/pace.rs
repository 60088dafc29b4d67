//! When an event's task tries again, and when it lets others go first.

use std::time::Duration;

use crate::ids;

/// Own commits after a miss during which rivals are taken to be there still.
const RIVALS_REMEMBERED: u32 = 16;

/// The longest pause between attempts, so that a store that comes back is noticed soon.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// The first pause after the store failed.
const OUTAGE_PAUSE: Duration = Duration::from_millis(10);

/// Keeps track of how long commits take and whether other processes compete for the event.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// A moving average, the new commit counting for a quarter.
    commit_time: Duration,
    rivals_for: u32,
}

impl Pace {
    /// An own commit was applied, after `took`.
    pub(super) fn committed(&mut self, took: Duration) {
        self.commit_time = if self.commit_time.is_zero() { took } else { (self.commit_time * 3 + took) / 4 };
        self.rivals_for = self.rivals_for.saturating_sub(1);
    }

    /// Another process was first.
    pub(super) fn missed(&mut self) {
        self.rivals_for = RIVALS_REMEMBERED;
    }

    /// How long to pause after an own commit, so that competing processes get a turn of about one commit's time: a winner
    /// that goes on at once has the newest state and would win again and again, while every miss of the others costs the
    /// store a round trip.
    pub(super) fn turn_for_rivals(&self) -> Duration {
        if self.rivals_for > 0 { self.commit_time.min(PAUSE_MAX) } else { Duration::ZERO }
    }

    /// About how long a commit takes; zero before the first.
    pub(super) fn commit_time(&self) -> Duration {
        self.commit_time
    }

    /// How long to wait after the `misses`-th miss in a row: the first retry goes at once, because the winner has just
    /// won and pauses; then the pause grows, so that several losers come apart.
    pub(super) fn after_conflict(&self, misses: u32) -> Duration {
        let commits = f64::from((misses - 1).min(4)) / 2.0;
        self.commit_time.mul_f64(commits * ids::jitter()).min(PAUSE_MAX)
    }

    /// How long to wait after the store failed `times` in a row.
    pub(super) fn after_outage(times: u32) -> Duration {
        let longest = OUTAGE_PAUSE * 2u32.pow(times.clamp(1, 6) - 1);
        longest.mul_f64(ids::jitter()).min(PAUSE_MAX)
    }
}
