//! Partners who reserve and cancel without end, each retrying with its key until it knows, as a good client does.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{
    client::Client,
    history::{Asked, History, Outcome},
};

/// The seats that each partner goes on holding; it cancels the oldest when it has more.
const HELD_MAX: usize = 3;
/// How long a partner waits before it tries again.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// How long a partner goes on trying to learn what became of one request.
const PERSISTENCE: Duration = Duration::from_mins(1);

/// How many loads this process has started.
static LOADS: AtomicUsize = AtomicUsize::new(0);

/// Whether the partners ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// They do.
    Running,
    /// They wait, with their unanswered requests unanswered.
    Paused,
    /// They end when they know what became of their last request.
    Finishing,
    /// They end at once.
    Abandoned,
}

/// A load that runs until it is told to stop. Belongs to the runtime that it was started on.
pub(crate) struct Load {
    history: Arc<History>,
    mode: watch::Sender<Mode>,
    accepted: watch::Sender<usize>,
    partners: JoinSet<()>,
}

impl Load {
    /// Starts this many partners, who spread their requests over the servers.
    pub(crate) fn start(servers: &[Client], partners: usize) -> Self {
        let (mode, accepted) = (watch::Sender::new(Mode::Running), watch::Sender::new(0));
        let load_number = LOADS.fetch_add(1, Ordering::Relaxed);
        let mut load = Self { history: Arc::default(), mode, accepted, partners: JoinSet::new() };
        for number in 0..partners {
            let partner = Partner {
                // No other load's partners have these names, so that one store may serve several loads.
                name: format!("load{load_number}-partner{number}"),
                servers: servers.to_vec(),
                turn: AtomicUsize::new(number),
                history: load.history.clone(),
                mode: load.mode.subscribe(),
                accepted: load.accepted.clone(),
            };
            load.partners.spawn(partner.work());
        }
        load
    }

    /// Waits until this many more reservations were accepted.
    pub(crate) async fn more_accepted(&self, more: usize, patience: Duration) {
        let mut accepted = self.accepted.subscribe();
        let (before, started) = (*accepted.borrow(), Instant::now());
        let reached = timeout(patience, accepted.wait_for(|count| *count >= before + more)).await;
        let now = *self.accepted.borrow() - before;
        assert!(reached.is_ok(), "only {now} of {more} reservations were accepted within {:?}", started.elapsed());
    }

    /// Has the partners wait before their next request or try.
    pub(crate) fn pause(&self) {
        self.mode.send_replace(Mode::Paused);
    }

    /// Lets them go on.
    pub(crate) fn resume(&self) {
        self.mode.send_replace(Mode::Running);
    }

    /// Ends the load, once every partner knows what became of its last request.
    pub(crate) async fn finish(self) -> Arc<History> {
        self.end(Mode::Finishing).await
    }

    /// Ends the load without any further try.
    pub(crate) async fn abandon(self) -> Arc<History> {
        self.end(Mode::Abandoned).await
    }

    async fn end(mut self, mode: Mode) -> Arc<History> {
        self.mode.send_replace(mode);
        while let Some(ended) = self.partners.join_next().await {
            ended.expect("a partner does not panic");
        }
        self.history
    }
}

struct Partner {
    name: String,
    servers: Vec<Client>,
    turn: AtomicUsize,
    history: Arc<History>,
    mode: watch::Receiver<Mode>,
    accepted: watch::Sender<usize>,
}

impl Partner {
    async fn work(self) {
        let mut held = VecDeque::new();
        for request in 0_u32.. {
            if !self.may_go_on(Mode::Running).await {
                return;
            }
            if held.len() > HELD_MAX
                && let Some(id) = held.pop_front()
            {
                self.cancel(id, format!("{}-cancel{request}", self.name)).await;
            } else if let Some(id) = self.reserve(request).await {
                held.push_back(id);
                self.accepted.send_modify(|count| *count += 1);
            }
        }
    }

    /// Asks for seats, under a name and a key of its own for each request, so that what was booked tells for which.
    async fn reserve(&self, request: u32) -> Option<String> {
        let partner = format!("{}-request{request}", self.name);
        let key = Some(format!("key-{partner}"));
        match self.until_known(Asked::Reserve { partner, seats: 1 + request % 3, key }).await? {
            Outcome::Reserved { id, .. } => Some(id),
            _ => None,
        }
    }

    async fn cancel(&self, id: String, key: String) {
        self.until_known(Asked::Cancel { id, key: Some(key) }).await;
    }

    /// Sends a request until an answer says what became of it; every try goes to the next server. `None` when the load
    /// was abandoned before.
    async fn until_known(&self, asked: Asked) -> Option<Outcome> {
        let deadline = Instant::now() + PERSISTENCE;
        loop {
            let process = self.turn.fetch_add(1, Ordering::Relaxed) % self.servers.len();
            let outcome = self.history.send(process, &self.servers[process], asked.clone()).await;
            let retryable = match outcome.refusal() {
                Some(code) => ["store-unavailable", "overloaded", "version-conflict"].contains(&code),
                None => outcome == Outcome::Unknown,
            };
            if !retryable {
                return Some(outcome);
            }
            assert!(Instant::now() < deadline, "{asked:?} was not answered within {PERSISTENCE:?}");
            tokio::time::sleep(RETRY_AFTER).await;
            if !self.may_go_on(Mode::Finishing).await {
                return None;
            }
        }
    }

    /// Waits while the load is paused; says whether it goes on, in a mode up to `last`.
    async fn may_go_on(&self, last: Mode) -> bool {
        let mode = *self.mode.clone().wait_for(|mode| *mode != Mode::Paused).await.expect("the load outlives us");
        mode == Mode::Running || mode == last
    }
}
