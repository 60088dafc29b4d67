//! Turns of those who send requests ahead of their answers.
//!
//! Such a client always has a request waiting, where everybody else's next one must travel first; a few of them would have
//! the workers to themselves, and one that reads no answers gets some thousands out of what the system buffers. So beyond
//! a burst they take turns, and all of one worker's together get so many requests a second, however many they are.

use std::{cell::Cell, time::Duration};

thread_local! {
    /// The connections of this worker that take turns.
    static TAKING_TURNS: Cell<u32> = const { Cell::new(0) };
}

/// Requests that may follow one another at once though they were sent ahead. No client in use sends more than some dozens.
pub(super) const BURST: u32 = 64;

/// Requests of one turn.
const REQUESTS_OF_A_TURN: u32 = 4;

/// The time between two turns of one worker: a thousand such requests a second and worker, which is some percent of what
/// it can serve.
const PERIOD: Duration = Duration::from_millis(4);

/// A connection's share.
#[derive(Debug)]
pub(super) struct Turns {
    left: u32,
    takes_turns: bool,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { left: BURST, takes_turns: false }
    }

    /// Notes that the client has waited for its answer.
    pub(super) fn reset(&mut self) {
        self.left = BURST;
        self.leave();
    }

    /// Takes one request that was sent ahead; else says how long the client must wait until [`Turns::begin`].
    pub(super) fn take(&mut self) -> Result<(), Duration> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return Ok(());
        }
        if !self.takes_turns {
            self.takes_turns = true;
            TAKING_TURNS.set(TAKING_TURNS.get() + 1);
        }
        Err(PERIOD * TAKING_TURNS.get())
    }

    /// Begins a turn, with the first of its requests.
    pub(super) fn begin(&mut self) {
        self.left = REQUESTS_OF_A_TURN - 1;
    }

    fn leave(&mut self) {
        if std::mem::take(&mut self.takes_turns) {
            TAKING_TURNS.set(TAKING_TURNS.get() - 1);
        }
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_send_ahead_share_one_rate() {
        let burst = |turns: &mut Turns| (0..).find_map(|taken| turns.take().err().map(|pause| (taken, pause)));
        let (mut one, mut other) = (Turns::new(), Turns::new());
        assert_eq!(burst(&mut one), Some((BURST, PERIOD)));
        assert_eq!(burst(&mut other), Some((BURST, PERIOD * 2)));
        one.begin();
        assert_eq!(burst(&mut one), Some((REQUESTS_OF_A_TURN - 1, PERIOD * 2)));
        other.reset();
        one.begin();
        assert_eq!(burst(&mut one), Some((REQUESTS_OF_A_TURN - 1, PERIOD)));
        drop(one);
        assert_eq!(burst(&mut other), Some((BURST, PERIOD)), "who has left waits no more");
    }
}
