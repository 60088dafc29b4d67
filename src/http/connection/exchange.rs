//! How far the requests of one connection have come.

use std::{cell::Cell, rc::Rc};

/// What a connection's stream has handed out, and what became of it. The stream counts the first, the middleware around
/// the handlers the rest; both run on one thread.
#[derive(Debug, Default)]
pub(in crate::http) struct Exchange {
    handed_out: Cell<u64>,
    begun: Cell<u64>,
    answered: Cell<u64>,
}

impl Exchange {
    /// Notes that a request was handed out to be parsed.
    pub(super) fn hand_out(&self) {
        self.handed_out.set(self.handed_out.get() + 1);
    }

    /// Notes that a request has reached its handler. It counts as answered when what is returned is dropped, which is when
    /// its answer was encoded to the end.
    pub(in crate::http) fn begin(self: &Rc<Self>) -> Answering {
        self.begun.set(self.begun.get() + 1);
        Answering(self.clone())
    }

    /// Whether all that was handed out has reached a handler. An answer that is written before is actix-http's own.
    pub(super) fn all_begun(&self) -> bool {
        self.begun.get() == self.handed_out.get()
    }

    /// Whether all that was handed out has been answered.
    pub(super) fn all_answered(&self) -> bool {
        self.answered.get() == self.handed_out.get()
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(in crate::http) struct Answering(Rc<Exchange>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answered.set(self.0.answered.get() + 1);
    }
}
