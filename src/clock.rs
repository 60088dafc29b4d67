//! The only source of "now".

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

/// Tells the time in whole milliseconds, the finest step that every store keeps.
pub trait Clock: Send + Sync + 'static {
    /// The current time, truncated to milliseconds.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may read the machine's clock")]
    fn now(&self) -> Timestamp {
        truncate(Timestamp::now())
    }
}

/// One part in this many of the time that passes is what [`SteadyClock`] gives way at most when the machine's clock was set: a
/// hold of 15 minutes ends no more than 43 seconds early, and an hour is made up in twenty.
const GIVES_WAY: u32 = 20;

/// Being off by more than this is worth a line in the log. Clocks that are merely adjusted never are.
const OFF_WORTH_TELLING: SignedDuration = SignedDuration::from_secs(1);

/// The machine's clock, but for jumps: when it is set, forwards or backwards, this one goes on from where it was, and comes
/// to agree with it slowly. So nothing that was promised for a while is over at once. It never goes back.
///
/// Where it begins is the machine's word, so a restart takes a new setting over at once. What passes meanwhile is counted while
/// the machine sleeps, too.
#[derive(Debug, Default)]
pub struct SteadyClock(Mutex<Option<Told>>);

/// What a steady clock told last.
#[derive(Debug, Clone, Copy)]
struct Told {
    time: Timestamp,
    uptime: Duration,
    /// Whether the log has it that the machine's clock was set.
    is_off: bool,
}

impl Clock for SteadyClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may read the machine's clock")]
    fn now(&self) -> Timestamp {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (machine, uptime) = (Timestamp::now(), uptime());
        let told = last.map_or(Told { time: machine, uptime, is_off: false }, |last| last.next(machine, uptime));
        truncate(last.insert(told).time)
    }
}

impl Told {
    /// What to tell at `uptime`, when the machine's clock shows `machine`.
    fn next(self, machine: Timestamp, uptime: Duration) -> Self {
        let passed = uptime.saturating_sub(self.uptime);
        let signed = |duration: Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        let steady = self.time.saturating_add(signed(passed)).unwrap_or(Timestamp::MAX);
        let (off, most) = (machine.duration_since(steady), signed(passed / GIVES_WAY));
        let time = steady.saturating_add(off.clamp(-most, most)).unwrap_or(steady);
        let left = machine.duration_since(time);
        let is_off = left.abs() > OFF_WORTH_TELLING;
        if is_off && !self.is_off {
            log::warn!(
                off_seconds = left.as_secs();
                "this machine's clock was set while the store was open; the store's time follows it by three seconds a \
                 minute, so that no hold ends at once. A restart takes it over"
            );
        }
        Self { time, uptime, is_off }
    }
}

/// How long the machine has been up, the time that it slept included: no clock that is set changes it.
#[must_use]
pub fn uptime() -> Duration {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};
        // Not CLOCK_MONOTONIC, which stands still during suspend (clock_gettime(2)).
        let since_boot = clock_gettime(ClockId::Boottime);
        Duration::try_from(since_boot).unwrap_or_default()
    }
    #[cfg(not(target_os = "linux"))]
    {
        static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        FIRST.get_or_init(std::time::Instant::now).elapsed()
    }
}

/// A clock that stands still until it is set, for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_millisecond()))
    }

    /// Sets it, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millisecond(), Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Relaxed)).unwrap_or_default()
    }
}

/// `at` without the part below a millisecond.
#[must_use]
pub fn truncate(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    /// What a clock that was started at noon tells when so many seconds have passed and the machine's clock shows more by
    /// `set`; it is asked each second.
    fn told(passed: u64, set: impl Fn(u64) -> i64) -> Vec<Timestamp> {
        let start = Duration::from_secs(1_000);
        let mut last = Told { time: at(NOON), uptime: start, is_off: false };
        let told = (1..=passed).map(|second| {
            let shown = at(NOON + i64::try_from(second).expect("a while") + set(second));
            last = last.next(shown, start + Duration::from_secs(second));
            last.time
        });
        told.collect()
    }

    #[test]
    fn a_clock_that_nobody_sets_is_told_as_it_is() {
        let told = told(1_000, |_| 0);
        assert_eq!((told[0], told[999]), (at(NOON + 1), at(NOON + 1_000)));
    }

    #[test]
    fn a_clock_that_jumps_an_hour_forward_does_not_end_a_hold_of_fifteen_minutes_at_once() {
        let told = told(24 * 3_600, |second| if second < 10 { 0 } else { 3_600 });
        let ends = told.iter().position(|time| *time >= at(NOON + 900)).expect("it ends");
        assert!((857..900).contains(&ends), "after {ends} seconds");
        assert_eq!(told.last(), Some(&at(NOON + 25 * 3_600)), "in the end it agrees");
    }

    #[test]
    fn a_clock_that_jumps_back_neither_goes_back_nor_stands_still() {
        let told = told(24 * 3_600, |second| if second < 10 { 0 } else { -3_600 });
        assert!(told.is_sorted_by(|one, next| one < next));
        let ends = told.iter().position(|time| *time >= at(NOON + 900)).expect("it ends");
        assert!((899..950).contains(&ends), "after {ends} seconds");
        assert_eq!(told.last(), Some(&at(NOON + 23 * 3_600)));
    }

    #[test]
    fn a_clock_that_trembles_moves_nothing_by_more_than_it_may() {
        let told = told(100, |second| if second.is_multiple_of(2) { 10_000 } else { -10_000 });
        for pair in told.windows(2) {
            let passed = pair[1].duration_since(pair[0]).as_millis();
            assert!((950..=1_050).contains(&passed), "{passed} ms in a second");
        }
    }

    #[test]
    fn what_passes_while_the_machine_sleeps_is_told_at_once() {
        let last = Told { time: at(NOON), uptime: Duration::from_secs(5), is_off: false };
        let woken = last.next(at(NOON + 3_600), Duration::from_secs(3_605));
        assert_eq!((woken.time, woken.is_off), (at(NOON + 3_600), false));
    }

    #[test]
    fn the_machines_own_clock_is_followed() {
        let (clock, before) = (SteadyClock::default(), SystemClock.now());
        let told = [clock.now(), clock.now()];
        assert!(before <= told[0] && told[0] <= told[1] && told[1] <= SystemClock.now(), "{told:?} after {before}");
    }
}
