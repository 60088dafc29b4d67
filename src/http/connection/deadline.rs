//! A point in time that moves with every request, and costs nearly nothing when it does.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// One deadline of a connection. Moving it into the future only notes it; the timer below it is wound up again when it
/// has run down, once in many requests.
#[derive(Debug)]
pub(super) struct Deadline {
    at: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(super) fn after(patience: Duration) -> Self {
        Self { at: Instant::now() + patience, timer: None }
    }

    /// Moves it to `patience` from now.
    pub(super) fn restart(&mut self, patience: Duration) {
        self.at = Instant::now() + patience;
    }

    /// Ready when it has passed; else the task is woken then, or before.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_deadline_passes_when_it_was_last_said_to() {
        let ms = Duration::from_millis;
        let mut deadline = Deadline::after(Duration::from_hours(1));
        for (patience, what) in
            [(ms(20), "sooner than it was"), (ms(30), "wound up again after it has run down"), (ms(10), "and again")]
        {
            assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
            let begun = Instant::now();
            deadline.restart(patience);
            poll_fn(|cx| deadline.poll(cx)).await;
            let passed = begun.elapsed();
            assert!((patience..Duration::from_mins(1)).contains(&passed), "{what}: {passed:?}");
            deadline.restart(Duration::from_hours(1));
        }
        deadline.restart(ms(10));
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
        let begun = Instant::now();
        deadline.restart(ms(50));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert!(begun.elapsed() >= ms(50), "later than the timer below it");
    }
}
