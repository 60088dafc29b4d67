//! The writer's inbox: a channel that its thread waits on for no longer than until something else is to be done.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Instant,
};

use tokio::sync::mpsc;

/// The receiving end. It must be read by the thread that made it.
pub(super) struct Inbox<T> {
    channel: mpsc::Receiver<T>,
    waker: Waker,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

impl<T> Inbox<T> {
    /// The inbox of the current thread.
    pub(super) fn here(channel: mpsc::Receiver<T>) -> Self {
        Self { channel, waker: Arc::new(Unpark(thread::current())).into() }
    }

    /// Waits until something is there, and takes up to `max`: none when nobody will send any more. `None` when `until` came
    /// first.
    pub(super) fn receive(&mut self, works: &mut Vec<T>, max: usize, until: Instant) -> Option<usize> {
        loop {
            if let Poll::Ready(count) = self.channel.poll_recv_many(&mut Context::from_waker(&self.waker), works, max) {
                return Some(count);
            }
            let now = Instant::now();
            if now >= until {
                return None;
            }
            thread::park_timeout(until - now);
        }
    }

    /// Takes what is there, without waiting.
    pub(super) fn take(&mut self) -> Option<T> {
        self.channel.try_recv().ok()
    }

    /// Lets nothing more in. What did come can still be received.
    pub(super) fn close(&mut self) {
        self.channel.close();
    }
}
