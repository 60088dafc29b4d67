//! When an event's task tries again, and when it lets others go first.

use std::time::Duration;

use crate::ids;

/// Own commits after the last sign of rivals during which they are taken to be there still.
const RIVALS_REMEMBERED: u32 = 16;

/// Misses in a row that are nothing unusual among a few processes.
const MISSES_USUAL: u32 = 4;

/// The longest pause between attempts, so that a store that comes back is noticed soon.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// The first pause after the store failed.
const OUTAGE_PAUSE: Duration = Duration::from_millis(10);

/// Keeps track of how long commits take and whether other processes compete for the event.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// A moving average, the new turn counting for a quarter.
    turn_time: Duration,
    rivals_for: u32,
}

impl Pace {
    /// An attempt ended with an own commit, after `took`.
    pub(super) fn committed(&mut self, took: Duration) {
        self.turn_time = if self.turn_time.is_zero() { took } else { (self.turn_time * 3 + took) / 4 };
        self.rivals_for = self.rivals_for.saturating_sub(1);
    }

    /// Another process changed the event.
    pub(super) fn rival_seen(&mut self) {
        self.rivals_for = RIVALS_REMEMBERED;
    }

    /// Whether other processes are likely to change the event between two own commits.
    pub(super) fn rivals_are_about(&self) -> bool {
        self.rivals_for > 0
    }

    /// How long to pause after an own commit, so that competing processes get a turn: a winner that goes on at once would win
    /// again and again, while every miss of the others costs the store a round trip. Nothing is lost by it under load: those
    /// who were just answered ask again meanwhile, and the next batch is the larger.
    pub(super) fn turn_for_rivals(&self) -> Duration {
        if self.rivals_are_about() { self.turn_time.min(PAUSE_MAX) } else { Duration::ZERO }
    }

    /// About how long it takes from looking at the event to the acknowledgement of a commit on it; zero before the first.
    pub(super) fn turn_time(&self) -> Duration {
        self.turn_time
    }

    /// How long to wait after the `misses`-th miss in a row. The first retries go at once, because the winner pauses, and
    /// whoever missed has waited longer than others. Then the pause grows, so that several losers come apart.
    pub(super) fn after_conflict(&self, misses: u32) -> Duration {
        let turns = f64::from(misses.saturating_sub(MISSES_USUAL).min(4)) / 2.0;
        self.turn_time.mul_f64(turns * ids::jitter()).min(PAUSE_MAX)
    }

    /// How long to wait after the store failed `times` in a row.
    pub(super) fn after_outage(times: u32) -> Duration {
        let longest = OUTAGE_PAUSE * 2u32.pow(times.clamp(1, 6) - 1);
        longest.mul_f64(ids::jitter()).min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_millis(4);

    #[test]
    fn rivals_get_a_turn_until_nothing_was_seen_of_them_for_some_commits() {
        let mut pace = Pace::default();
        pace.committed(TURN);
        assert_eq!((pace.rivals_are_about(), pace.turn_for_rivals()), (false, Duration::ZERO));
        pace.rival_seen();
        for _ in 0..RIVALS_REMEMBERED {
            assert_eq!((pace.rivals_are_about(), pace.turn_for_rivals()), (true, TURN));
            pace.committed(TURN);
        }
        assert!(!pace.rivals_are_about());
    }

    #[test]
    fn a_loser_retries_at_once_until_it_loses_too_often() {
        let mut pace = Pace::default();
        pace.committed(TURN);
        assert_eq!(pace.after_conflict(MISSES_USUAL), Duration::ZERO);
        assert!((TURN..=2 * TURN).contains(&pace.after_conflict(MISSES_USUAL + 4)));
        assert!(pace.after_conflict(u32::MAX) <= 2 * TURN, "the pause has a bound");
    }
}
