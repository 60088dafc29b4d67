//! The load generator: many HTTP/1.1 connections on few threads of their own, each with a script of prepared requests.
//!
//! A closed loop sends a client's next request when the answer to the last has come. An open loop sends at times that
//! were fixed before; when all connections wait, requests are late, and their latency counts from when they were meant.
//! A connection that drops, an answer that is malformed, and an answer that nobody expects each fail the run.

mod client;
mod connection;
pub(crate) mod requests;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle, available_parallelism},
    time::{Duration, Instant},
};

pub(crate) use connection::call;

use crate::{
    failure::{Failure, Outcome},
    reckoning::{schedule::Window, tally::Tally},
};

/// How many ids of reservations a run keeps for the audit, spread over the whole run.
pub(crate) const IDS_KEPT: u64 = 200;

/// What one client asks for, one request after the other.
#[derive(Clone)]
pub(crate) struct Script {
    /// Prepared requests; clients may share them.
    pub(crate) requests: Arc<[Vec<u8>]>,
    /// Where to begin.
    pub(crate) first: usize,
    /// Whether to begin anew after the last; else the client is done then.
    pub(crate) again: bool,
}

impl Script {
    /// The same request for ever.
    pub(crate) fn always(request: Vec<u8>) -> Self {
        Self { requests: [request].into(), first: 0, again: true }
    }

    /// These requests, once.
    pub(crate) fn once(requests: Vec<Vec<u8>>) -> Self {
        Self { requests: requests.into(), first: 0, again: false }
    }
}

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// When the answer to the last has come.
    Closed,
    /// At so many per second, over all clients.
    Open(f64),
}

/// Which ids of accepted reservations to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// None, because there are none.
    Nothing,
    /// About [`IDS_KEPT`], for the audit.
    Sample,
    /// The first so many.
    First(u64),
}

/// A load.
#[derive(Clone)]
pub(crate) struct Load {
    /// The servers; clients are spread evenly over them.
    pub(crate) servers: Vec<SocketAddr>,
    /// One client each.
    pub(crate) scripts: Vec<Script>,
    pub(crate) pace: Pace,
    /// What counts; `None` when the load ends by itself and all of it counts.
    pub(crate) window: Option<Window>,
    /// The most requests that are sent.
    pub(crate) requests_max: u64,
    /// The answers that may come, by status and problem code; any other fails the run.
    pub(crate) expected: &'static [(u16, &'static str)],
    pub(crate) keep: Keep,
}

/// The longest that a load without a window may take: a million requests of the slowest store on a loaded machine.
const WHOLE_PATIENCE: Duration = Duration::from_mins(10);
/// How long the last answers may take after the end of the window.
const LAST_PATIENCE: Duration = Duration::from_mins(1);

/// What all threads of a load share.
struct Shared {
    load: Load,
    failed: AtomicBool,
    /// Requests that may still be sent.
    left: AtomicU64,
}

/// A load that runs.
pub(crate) struct Running {
    /// When the first request was sent.
    pub(crate) start: Instant,
    threads: Vec<JoinHandle<Result<Tally, String>>>,
}

/// Connects all clients and starts them together.
pub(crate) async fn start(load: Load) -> Outcome<Running> {
    // The servers need the cores more; a quarter of them keeps up with what the rest can serve.
    let threads = available_parallelism().map_or(1, |cores| cores.get() / 4).clamp(1, load.scripts.len());
    let left = AtomicU64::new(load.requests_max);
    let shared = Arc::new(Shared { load, failed: AtomicBool::new(false), left });
    let (ready, connected) = mpsc::channel();
    let mut gates = Vec::new();
    let mut handles = Vec::new();
    for number in 0..threads {
        let (gate, opened) = mpsc::channel();
        let (shared, ready) = (shared.clone(), ready.clone());
        gates.push(gate);
        handles.push(thread::spawn(move || client::work(&shared, number, threads, ready, &opened)));
    }
    drop(ready);
    let all = tokio::task::spawn_blocking(move || connected.iter().count()).await.unwrap_or(0);
    let start = Instant::now();
    if all == threads {
        for gate in gates {
            // A thread that has ended tells why when it is joined.
            let _ = gate.send(start);
        }
    }
    Ok(Running { start, threads: handles })
}

impl Running {
    /// Waits for the end and gives what came back.
    pub(crate) async fn finish(self) -> Outcome<Tally> {
        let joined = tokio::task::spawn_blocking(|| {
            let mut whole = Tally::default();
            let mut failure = None;
            for thread in self.threads {
                match thread.join() {
                    Ok(Ok(tally)) => whole.merge(tally),
                    Ok(Err(why)) => failure = Some(failure.unwrap_or(why)),
                    Err(_) => failure = Some("a thread of the generator panicked".to_owned()),
                }
            }
            failure.map_or(Ok(whole), |why| Err(Failure::Failed(why)))
        });
        joined.await.unwrap_or_else(|why| Err(Failure::Failed(format!("the generator: {why}"))))
    }
}

impl Shared {
    /// Takes the right to send one more request.
    fn take(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
            && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// The time by which every answer must have come.
    fn patience(&self) -> Duration {
        self.load.window.map_or(WHOLE_PATIENCE, |window| window.end() + LAST_PATIENCE)
    }
}
