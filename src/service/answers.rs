//! The way back: answers that are ready together travel to the threads that wait for them together.
//!
//! Waking a task on another thread costs a system call. A batch answers hundreds at once, who wait on a few threads, so each
//! thread's answers are brought by one task there, which wakes its neighbours for next to nothing.

use std::mem;

use tokio::{runtime::Handle, sync::oneshot};

/// Waits for one answer; an error when whoever had to give it went away.
pub(super) type Awaited<T> = oneshot::Receiver<T>;

/// Gives one answer.
#[derive(Debug)]
pub(super) struct Answering<T> {
    sender: oneshot::Sender<T>,
    /// The runtime of whoever waits. Each thread that serves HTTP has one of its own.
    home: Handle,
}

/// Who waits for an answer from here on, and who gives it. Must be called on the runtime that waits.
pub(super) fn answering<T>() -> (Answering<T>, Awaited<T>) {
    let (sender, awaited) = oneshot::channel();
    (Answering { sender, home: Handle::current() }, awaited)
}

impl<T> Answering<T> {
    /// Answers at once. One who went away needs no answer.
    pub(super) fn send(self, answer: T) {
        let _ = self.sender.send(answer);
    }
}

/// Answers that leave together, when this is dropped.
#[derive(Debug)]
pub(super) struct Answers<T: Send + 'static> {
    /// By home: there are few, so that looking through them is faster than hashing.
    deliveries: Vec<(Handle, Delivery<T>)>,
}

type Delivery<T> = Vec<(oneshot::Sender<T>, T)>;

impl<T: Send + 'static> Answers<T> {
    pub(super) fn new() -> Self {
        Self { deliveries: Vec::new() }
    }

    pub(super) fn add(&mut self, to: Answering<T>, answer: T) {
        let Answering { sender, home } = to;
        let id = home.id();
        match self.deliveries.iter_mut().find(|(home, _)| home.id() == id) {
            Some((_, delivery)) => delivery.push((sender, answer)),
            None => self.deliveries.push((home, vec![(sender, answer)])),
        }
    }
}

impl<T: Send + 'static> Drop for Answers<T> {
    fn drop(&mut self) {
        for (home, delivery) in mem::take(&mut self.deliveries) {
            if delivery.len() == 1 {
                hand_out(delivery);
            } else {
                home.spawn(async move { hand_out(delivery) });
            }
        }
    }
}

fn hand_out<T>(delivery: Delivery<T>) {
    for (sender, answer) in delivery {
        let _ = sender.send(answer);
    }
}
