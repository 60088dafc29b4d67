//! A thread of the generator and its clients. All of them share one tally without locks, because one thread runs them.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::{atomic::Ordering, mpsc},
    time::{Duration, Instant},
};

use tokio::{
    task::{JoinSet, LocalSet},
    time::{sleep_until, timeout},
};

use super::{IDS_KEPT, Keep, Pace, Script, Shared, connection::Connection};
use crate::reckoning::{
    response::{Response, text_field},
    schedule::Schedule,
    tally::Tally,
};

/// Connections that are opened at the same time; more would overflow a server's backlog.
const OPENING_MAX: usize = 64;

/// A thread's whole work: it takes every `threads`-th client, connects them, says so, and runs them from the moment that
/// the gate opens.
pub(super) fn work(
    shared: &std::sync::Arc<Shared>,
    number: usize,
    threads: usize,
    ready: mpsc::Sender<()>,
    opened: &mpsc::Receiver<Instant>,
) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("the generator's runtime: {why}"))?;
    LocalSet::new().block_on(&runtime, async {
        let mine = (number..shared.load.scripts.len()).step_by(threads);
        let servers = &shared.load.servers;
        let clients: Vec<(Script, SocketAddr)> =
            mine.map(|client| (shared.load.scripts[client].clone(), servers[client % servers.len()])).collect();
        let connections = connect(&clients).await?;
        ready.send(()).map_err(|_| "the run was given up".to_owned())?;
        // Who waits for all threads to be ready waits until the last of these is gone.
        drop(ready);
        // Nothing else runs on this thread yet, so it may block.
        let start = opened.recv().map_err(|_| "another thread could not connect".to_owned())?;

        let end = shared.load.window.map(|window| window.end());
        let schedule = match shared.load.pace {
            Pace::Closed => None,
            #[expect(clippy::cast_precision_loss, reason = "a handful of threads")]
            Pace::Open(rate) => Some(Schedule::new(rate / threads as f64, end.unwrap_or(Duration::MAX))),
        };
        let room = Rc::new(Room {
            shared: shared.clone(),
            start,
            end,
            schedule: RefCell::new(schedule),
            tally: RefCell::new(Tally::default()),
            accepted: RefCell::new(0),
            keep: keep(shared.load.keep, threads as u64),
        });
        let mut running = JoinSet::new();
        for ((script, _), connection) in clients.into_iter().zip(connections) {
            running.spawn_local(client(room.clone(), script, connection));
        }
        let all = async {
            while let Some(ended) = running.join_next().await {
                let ended = ended.map_err(|why| format!("a client: {why}")).and_then(|ended| ended);
                ended.inspect_err(|_| shared.failed.store(true, Ordering::Relaxed))?;
            }
            Ok::<_, String>(())
        };
        let patience = shared.patience();
        timeout(patience, all).await.map_err(|_| format!("answers are missing {patience:?} after the start"))??;
        running.shutdown().await;
        let mut tally = room.tally.take();
        tally.unsent += room.schedule.borrow().as_ref().map_or(0, Schedule::left);
        Ok(tally)
    })
}

/// Every how many accepted reservations an id is kept, and how many in all.
fn keep(keep: Keep, threads: u64) -> (u64, usize) {
    let most = |count: u64| usize::try_from(count.div_ceil(threads)).unwrap_or(usize::MAX);
    match keep {
        Keep::Nothing => (1, 0),
        // A run of five seconds accepts between a hundred and some hundred thousand.
        Keep::Sample => (997, most(IDS_KEPT)),
        Keep::First(count) => (1, most(count)),
    }
}

async fn connect(clients: &[(Script, SocketAddr)]) -> Result<Vec<Connection>, String> {
    let mut connections = Vec::with_capacity(clients.len());
    for some in clients.chunks(OPENING_MAX) {
        let opening = some.iter().map(|(_, address)| Connection::open(*address));
        connections.extend(futures_util::future::try_join_all(opening).await?);
    }
    Ok(connections)
}

/// What the clients of one thread share.
struct Room {
    shared: std::sync::Arc<Shared>,
    start: Instant,
    end: Option<Duration>,
    /// The times of an open loop; whoever is free takes the next.
    schedule: RefCell<Option<Schedule>>,
    tally: RefCell<Tally>,
    accepted: RefCell<u64>,
    keep: (u64, usize),
}

async fn client(room: Rc<Room>, script: Script, mut connection: Connection) -> Result<(), String> {
    let mut turn = script.first;
    while let Some(meant) = room.next_time().await {
        if turn == script.requests.len() {
            if !script.again {
                break;
            }
            turn = 0;
        }
        if !room.shared.take() {
            break;
        }
        let response = connection.ask(&script.requests[turn]).await?;
        if response.closes {
            return Err(format!("the server ended a connection with its answer {}", response.status));
        }
        room.note(meant, response)?;
        turn += 1;
    }
    Ok(())
}

impl Room {
    /// When the next request is meant to be sent, counted from the start; waits for that time. `None` at the end.
    async fn next_time(&self) -> Option<Duration> {
        let scheduled = self.schedule.borrow_mut().as_mut().map(Schedule::take);
        let now = match scheduled {
            Some(meant) => {
                let meant = meant?;
                // The timer is a millisecond coarse and rounds up; what that adds is counted as latency.
                sleep_until((self.start + meant).into()).await;
                meant
            }
            None => self.start.elapsed(),
        };
        let in_time = self.end.is_none_or(|end| self.start.elapsed() < end);
        if scheduled.is_some() && !in_time {
            // All connections were waiting when it was meant to be sent.
            self.tally.borrow_mut().unsent += 1;
        }
        in_time.then_some(now)
    }

    fn note(&self, meant: Duration, response: Response<'_>) -> Result<(), String> {
        let load = &self.shared.load;
        let Response { status, body, .. } = response;
        let code = if status < 400 { "" } else { text_field(body, "code").unwrap_or_default() };
        if !load.expected.contains(&(status, code)) {
            let body = String::from_utf8_lossy(body);
            return Err(format!("an answer that nobody expects here: {status} {body}"));
        }
        let now = self.start.elapsed();
        // What was done counts where it was done: were it counted where it was meant to be, a queue inside the generator
        // would be served after the end and pass for goodput.
        let measured = load.window.is_none_or(|window| window.contains(now));
        let mut tally = self.tally.borrow_mut();
        tally.note(status, code, now.saturating_sub(meant), measured);
        tally.last_answer = tally.last_answer.max(now);
        let (every, most) = self.keep;
        if status == 201 && tally.ids.len() < most {
            let mut accepted = self.accepted.borrow_mut();
            if (*accepted).is_multiple_of(every) {
                let id = text_field(body, "reservationId").ok_or("a 201 without a reservationId")?;
                tally.ids.push(id.to_owned());
            }
            *accepted += 1;
        }
        Ok(())
    }
}
