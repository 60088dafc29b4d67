//! An event's inbox: the handle through which commands reach the one task that may change the event, and the word that the
//! event is to be looked after, which takes no command's place.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};

use super::{Limits, ServiceError, batch::Envelope, group_commit};
use crate::{domain::EventId, store::EventStore};

/// The inboxes of all active events. An event is active while a task works for it; idle tasks retire.
pub(super) struct Inboxes {
    store: Arc<dyn EventStore>,
    limits: Limits,
    runtime: Handle,
    open: RwLock<Open>,
}

/// What reaches an event's task.
pub(super) struct Inbox {
    commands: mpsc::Receiver<Envelope>,
    /// Holds may have to lapse, or the waitlist to be served. One word is as good as many.
    look_after: mpsc::Receiver<()>,
}

impl Inbox {
    fn new(commands_max: usize) -> (Sender, Self) {
        let (commands, inbox) = mpsc::channel(commands_max);
        let (look_after, words) = mpsc::channel(1);
        (Sender { commands, look_after }, Self { commands: inbox, look_after: words })
    }

    /// Waits for commands, of which it takes `max` at most, or for the word that the event is to be looked after. `false` when
    /// the inbox is closed and empty.
    pub(super) async fn wait(&mut self, gathered: &mut Vec<Envelope>, max: usize) -> bool {
        tokio::select! {
            biased;
            count = self.commands.recv_many(gathered, max) => {
                // Whatever is decided looks after the event first.
                let _ = self.look_after.try_recv();
                count > 0
            }
            Some(()) = self.look_after.recv() => true,
        }
    }

    /// Takes the commands that are there, `max` at most.
    pub(super) fn gather(&mut self, gathered: &mut Vec<Envelope>, max: usize) {
        let _ = self.look_after.try_recv();
        gathered.extend(std::iter::from_fn(|| self.commands.try_recv().ok()).take(max));
    }

    fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

/// The way to an event's task.
struct Sender {
    commands: mpsc::Sender<Envelope>,
    look_after: mpsc::Sender<()>,
}

impl Sender {
    /// Whether the task has ended, by a panic.
    fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }
}

struct Open {
    senders: HashMap<EventId, Sender>,
    tasks: JoinSet<()>,
    closed: bool,
}

impl Inboxes {
    /// No active event yet. Tasks will run on the current runtime.
    pub(super) fn new(store: Arc<dyn EventStore>, limits: Limits) -> Self {
        let open = Open { senders: HashMap::new(), tasks: JoinSet::new(), closed: false };
        Self { store, limits, runtime: Handle::current(), open: RwLock::new(open) }
    }

    /// Puts a command into its event's inbox, at once or not at all.
    pub(super) fn send(self: &Arc<Self>, event_id: &EventId, command: Envelope) -> Result<(), ServiceError> {
        self.with_sender(event_id, |sender| sender.commands.try_send(command).map_err(|_| ServiceError::Overloaded))?
    }

    /// Has an event looked after by its task.
    pub(super) fn look_after(self: &Arc<Self>, event_id: &EventId) -> Result<(), ServiceError> {
        // A word that waits already says the same.
        self.with_sender(event_id, |sender| {
            let _ = sender.look_after.try_send(());
        })
    }

    /// Sends something to an event's task, which is started if there is none.
    ///
    /// Sending happens under the lock that retiring takes exclusively, so nothing reaches an inbox that nobody reads.
    fn with_sender<T>(
        self: &Arc<Self>,
        event_id: &EventId,
        send: impl FnOnce(&Sender) -> T,
    ) -> Result<T, ServiceError> {
        {
            let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
            if open.closed {
                return Err(ServiceError::Unavailable("the server is shutting down".to_owned()));
            }
            if let Some(sender) = open.senders.get(event_id).filter(|sender| !sender.is_closed()) {
                return Ok(send(sender));
            }
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.closed {
            return Err(ServiceError::Unavailable("the server is shutting down".to_owned()));
        }
        let Open { senders, tasks, .. } = &mut *open;
        if senders.get(event_id).is_none_or(Sender::is_closed) {
            let (sender, inbox) = Inbox::new(self.limits.inbox_max);
            senders.insert(event_id.clone(), sender);
            // Finished tasks are collected here, where new ones start, so that their remains stay bounded.
            while tasks.try_join_next().is_some() {}
            let (inboxes, retiring) = (self.clone(), event_id.clone());
            let retire = move |inbox: &Inbox| inboxes.retire(&retiring, inbox);
            let task = group_commit::run(event_id.clone(), inbox, retire, self.store.clone(), self.limits);
            tasks.spawn_on(task, &self.runtime);
        }
        Ok(send(&senders[event_id]))
    }

    /// Lets the task of `event_id` retire, unless a command came in the meantime. (That it is to be looked after is said again.)
    fn retire(&self, event_id: &EventId, inbox: &Inbox) -> bool {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let idle = inbox.is_empty();
        if idle {
            open.senders.remove(event_id);
        }
        idle
    }

    /// Whether no more commands are taken.
    pub(super) fn is_closed(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// Takes no more commands. The tasks returned end when those that were taken are answered.
    pub(super) fn close(&self) -> JoinSet<()> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.closed = true;
        // Without senders the tasks read their inboxes to the end and return.
        open.senders.clear();
        std::mem::take(&mut open.tasks)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;
    use uuid::Uuid;

    use super::*;
    use crate::{
        domain::{Command, OperationId, Request},
        service::{answers::answering, batch},
    };

    fn envelope() -> Envelope {
        let command =
            Command { operation: OperationId::Unasked, expected: None, request: Request::Cancel(Uuid::nil()) };
        let sender = batch::Sender { request_id: "".into(), deadline: Instant::now(), answer: answering().0 };
        Envelope { command, sender }
    }

    #[tokio::test]
    async fn the_word_that_an_event_is_to_be_looked_after_takes_no_commands_place() {
        let (sender, mut inbox) = Inbox::new(2);
        for _ in 0..10 {
            let _ = sender.look_after.try_send(());
        }
        for _ in 0..2 {
            sender.commands.try_send(envelope()).expect("there is room for two");
        }
        assert!(sender.commands.try_send(envelope()).is_err(), "and for no more");
        let mut gathered = Vec::new();
        assert!(inbox.wait(&mut gathered, 10).await && gathered.len() == 2, "commands come first");
        assert!(sender.look_after.try_send(()).is_ok(), "deciding them looks after the event, so no word is left");
        gathered.clear();
        assert!(inbox.wait(&mut gathered, 10).await && gathered.is_empty(), "a word alone wakes the task, too");
        drop(sender);
        assert!(!inbox.wait(&mut gathered, 10).await, "a closed inbox comes to its end");
    }
}
