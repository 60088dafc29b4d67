//! Who asked for what, and what came back: the record of a test, from which [`super::checker::check`] tells
//! whether the service kept its promises.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::client::{Answer, Client, key};

/// What a request asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Seats for a partner.
    Reserve { partner: String, seats: u32, key: Option<String> },
    /// Giving a reservation's seats back.
    Cancel { id: String, key: Option<String> },
}

/// What became of a request, as far as the one who sent it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 201: a reservation was made, now or by an earlier request with the same key.
    Reserved { id: String, seats: u32, version: i64 },
    /// 204: a reservation was cancelled.
    Cancelled,
    /// An answer that promises that nothing was changed, with its code.
    Refused { code: String },
    /// No answer, or one that promises nothing.
    Unknown,
}

/// One request. The ticks are taken by one counter of the test's process: a request whose answer came before another was
/// sent has the smaller tick there.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Which server process was asked.
    pub(crate) process: usize,
    pub(crate) asked: Asked,
    /// When it was sent.
    pub(crate) sent: u64,
    /// When its answer was there; never, if none came.
    pub(crate) answered: u64,
    pub(crate) outcome: Outcome,
    /// Whether the answer says that it repeats an earlier one.
    pub(crate) replayed: bool,
    /// How long the answer took, if one came.
    pub(crate) took: Duration,
}

/// All requests of one test. Shared by its tasks.
#[derive(Debug, Default)]
pub(crate) struct History {
    ticks: AtomicU64,
    entries: Mutex<Vec<Entry>>,
}

impl History {
    /// Sends what is asked to a server process, notes it, and says what came of it.
    pub(crate) async fn send(&self, process: usize, server: &Client, asked: Asked) -> Outcome {
        let request = asked.clone();
        let answer = self.note(process, asked, request.send(server)).await;
        answer.map_or(Outcome::Unknown, |answer| Outcome::of(&answer))
    }

    /// Notes a request before it is sent and again when its answer is there. A task that is dropped in between leaves an
    /// unknown outcome, which is what it is.
    pub(crate) async fn note(
        &self,
        process: usize,
        asked: Asked,
        request: impl Future<Output = reqwest::Result<Answer>>,
    ) -> reqwest::Result<Answer> {
        let entry = Entry {
            process,
            asked,
            sent: self.tick(),
            answered: u64::MAX,
            outcome: Outcome::Unknown,
            replayed: false,
            took: Duration::ZERO,
        };
        let place = self.with_entries(|entries| {
            entries.push(entry);
            entries.len() - 1
        });
        let begun = Instant::now();
        let answer = request.await;
        let took = if answer.is_ok() { begun.elapsed() } else { Duration::ZERO };
        let (answered, outcome) = (self.tick(), answer.as_ref().map_or(Outcome::Unknown, Outcome::of));
        let replayed = answer.as_ref().is_ok_and(|answer| answer.header("idempotent-replayed").is_some());
        self.with_entries(|entries| entries[place].took = took);
        if outcome != Outcome::Unknown {
            self.with_entries(|entries| {
                let entry = &mut entries[place];
                (entry.answered, entry.outcome, entry.replayed) = (answered, outcome, replayed);
            });
        }
        answer
    }

    /// Everything noted so far.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.with_entries(|entries| entries.clone())
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }

    fn with_entries<T>(&self, act: impl FnOnce(&mut Vec<Entry>) -> T) -> T {
        act(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Asked {
    async fn send(&self, server: &Client) -> reqwest::Result<Answer> {
        let headers = |sent: &Option<String>| sent.iter().map(key).collect::<Vec<_>>();
        match self {
            Self::Reserve { partner, seats, key } => server.try_post_reservation(partner, *seats, &headers(key)).await,
            Self::Cancel { id, key } => server.try_delete(id, &headers(key)).await,
        }
    }
}

impl Outcome {
    fn of(answer: &Answer) -> Self {
        match answer.status {
            201 => Self::Reserved {
                id: answer.id().to_owned(),
                seats: answer.number("seats").try_into().expect("a number of seats"),
                version: answer.number("version"),
            },
            204 => Self::Cancelled,
            500 => Self::Unknown,
            _ if answer.code() == "outcome-unknown" => Self::Unknown,
            _ => Self::Refused { code: answer.code().to_owned() },
        }
    }

    /// The reservation that an answer told of.
    pub(crate) fn reservation_id(&self) -> Option<&str> {
        match self {
            Self::Reserved { id, .. } => Some(id),
            _ => None,
        }
    }

    /// The code of a refusal.
    pub(crate) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused { code } => Some(code),
            _ => None,
        }
    }
}
