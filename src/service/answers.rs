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

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::{runtime::Builder, sync::mpsc};

    use super::*;

    #[tokio::test]
    async fn every_answer_reaches_who_waits_for_it_on_whichever_runtime() {
        let (ask, mut asked) = mpsc::unbounded_channel();
        let waiting = |thread: usize| {
            let ask = ask.clone();
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().build().expect("a runtime");
                runtime.block_on(async move {
                    let awaited: Vec<_> = (0..3)
                        .map(|question| {
                            let (answering, awaited) = answering();
                            ask.send((10 * thread + question, answering)).expect("somebody asks for it");
                            awaited
                        })
                        .collect();
                    drop(ask);
                    for (question, awaited) in awaited.into_iter().enumerate() {
                        assert_eq!(awaited.await, Ok(10 * thread + question));
                    }
                });
            })
        };
        let threads = [waiting(1), waiting(2)];
        drop(ask);
        let mut answers = Answers::new();
        while let Some((question, answering)) = asked.recv().await {
            answers.add(answering, question);
        }
        drop(answers);
        for thread in threads {
            thread.join().expect("all were answered");
        }
    }

    #[test]
    fn an_answer_for_a_runtime_that_has_ended_is_lost_and_nothing_else() {
        let runtime = || Builder::new_current_thread().build().expect("a runtime");
        let ended = runtime();
        let gone: Vec<_> = ended.block_on(async { (0..2).map(|_| answering()).collect() });
        drop(ended);
        runtime().block_on(async move {
            let (here, awaited_here) = answering();
            let mut answers = Answers::new();
            let mut lost = Vec::new();
            for (gone, awaited) in gone {
                answers.add(gone, 1);
                lost.push(awaited);
            }
            answers.add(here, 2);
            drop(answers);
            assert_eq!(awaited_here.await, Ok(2));
            for awaited in lost {
                assert!(awaited.await.is_err(), "who waits must not wait for ever");
            }
        });
    }
}
