//! An event's inbox: the handle through which commands reach the one task that may change the event.

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

/// What an event's task can be asked for.
pub(super) enum Errand {
    /// To bring a command to its answer.
    Command(Envelope),
    /// To lapse holds whose time is over and to serve the waitlist.
    LookAfter,
}

struct Open {
    senders: HashMap<EventId, mpsc::Sender<Errand>>,
    tasks: JoinSet<()>,
    closed: bool,
}

impl Inboxes {
    /// No active event yet. Tasks will run on the current runtime.
    pub(super) fn new(store: Arc<dyn EventStore>, limits: Limits) -> Self {
        let open = Open { senders: HashMap::new(), tasks: JoinSet::new(), closed: false };
        Self { store, limits, runtime: Handle::current(), open: RwLock::new(open) }
    }

    /// Puts an errand into its event's inbox, at once or not at all.
    ///
    /// Sending happens under the lock that retiring takes exclusively, so none reaches an inbox that nobody reads.
    pub(super) fn send(self: &Arc<Self>, event_id: &EventId, errand: Errand) -> Result<(), ServiceError> {
        {
            let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
            if open.closed {
                return Err(ServiceError::Unavailable("the server is shutting down".to_owned()));
            }
            if let Some(sender) = open.senders.get(event_id)
                && !sender.is_closed()
            {
                return sender.try_send(errand).map_err(|_| ServiceError::Overloaded);
            }
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.closed {
            return Err(ServiceError::Unavailable("the server is shutting down".to_owned()));
        }
        let Open { senders, tasks, .. } = &mut *open;
        if senders.get(event_id).is_none_or(mpsc::Sender::is_closed) {
            let (sender, inbox) = mpsc::channel(self.limits.inbox_max);
            senders.insert(event_id.clone(), sender);
            // Finished tasks are collected here, where new ones start, so that their remains stay bounded.
            while tasks.try_join_next().is_some() {}
            let (inboxes, retiring) = (self.clone(), event_id.clone());
            let retire = move |inbox: &mpsc::Receiver<_>| inboxes.retire(&retiring, inbox);
            let task = group_commit::run(event_id.clone(), inbox, retire, self.store.clone(), self.limits);
            tasks.spawn_on(task, &self.runtime);
        }
        senders[event_id].try_send(errand).map_err(|_| ServiceError::Overloaded)
    }

    /// Lets the task of `event_id` retire, unless an errand came in the meantime.
    fn retire(&self, event_id: &EventId, inbox: &mpsc::Receiver<Errand>) -> bool {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let idle = inbox.is_empty();
        if idle {
            open.senders.remove(event_id);
        }
        idle
    }

    /// Whether no more errands are taken.
    pub(super) fn is_closed(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// Takes no more errands. The tasks returned end when those that were taken are answered.
    pub(super) fn close(&self) -> JoinSet<()> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.closed = true;
        // Without senders the tasks read their inboxes to the end and return.
        open.senders.clear();
        std::mem::take(&mut open.tasks)
    }
}
