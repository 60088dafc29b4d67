//! Panics as lines of the log: one each, of a bounded length, and not more than a reader can follow.

use std::{
    panic::{self, PanicHookInfo},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How much of a panic's own words is told: enough to find it, too little for somebody's bytes to fill the log.
const MESSAGE_CHARS_MAX: usize = 200;

/// Panics that are told within one [`PERIOD`]. A request that can panic can be sent a thousand times a second.
const LINES_MAX: u32 = 5;

const PERIOD: Duration = Duration::from_secs(10);

/// Has panics logged instead of printed. (A panic on a worker ends a connection or a task, not the process.)
pub fn log_panics() {
    panic::set_hook(Box::new(|info| {
        static BUDGET: Mutex<Budget> = Mutex::new(Budget { since: None, told: 0, left_out: 0 });

        let mut budget = BUDGET.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = budget.take(Instant::now());
        drop(budget);
        if let Some(left_out) = allowed {
            tell(info, left_out);
        }
        if thread::current().name() == Some("main") {
            // With this thread the process ends.
            super::flush();
        }
    }));
}

fn tell(info: &PanicHookInfo<'_>, left_out: u64) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let message = shortened(info.payload_as_str().unwrap_or("a value that is no text"));
    let thread = thread::current();
    let thread = thread.name().unwrap_or("without a name");
    if left_out == 0 {
        log::error!(thread; "panicked at {location}: {message}");
    } else {
        log::error!(thread, left_out; "panicked at {location}: {message}");
    }
}

fn shortened(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes in all)", &message[..end], message.len()),
        None => message.to_owned(),
    }
}

/// How many more panics are told.
struct Budget {
    since: Option<Instant>,
    told: u32,
    /// Panics that were not told since the last one that was.
    left_out: u64,
}

impl Budget {
    /// Whether a panic at `now` is told, and how many before it were not.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.duration_since(since) >= PERIOD) {
            (self.since, self.told) = (Some(now), 0);
        }
        if self.told >= LINES_MAX {
            self.left_out += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_panics_are_told_and_the_others_counted() {
        let start = Instant::now();
        let mut budget = Budget { since: None, told: 0, left_out: 0 };
        let told: Vec<_> = (0..12).map(|_| budget.take(start)).collect();
        assert_eq!(told[..5], [Some(0); 5]);
        assert_eq!(told[5..], [None; 7]);
        assert_eq!(budget.take(start + PERIOD), Some(7));
        assert_eq!(budget.take(start + PERIOD), Some(0));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let short = "é".repeat(MESSAGE_CHARS_MAX);
        assert_eq!(shortened(&short), short);
        let long = shortened(&"é".repeat(65_536));
        assert!(long.starts_with(&short) && long.ends_with("… (131072 bytes in all)"), "{long}");
        assert!(long.chars().count() < MESSAGE_CHARS_MAX + 40);
    }
}
