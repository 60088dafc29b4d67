//! One run: fresh ground, fresh servers on it, a load, and an audit of what the load left behind.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use bson::{Document, doc};
use tokio::time::sleep_until;

use crate::{
    failure::{Failure, Outcome, failed},
    generator::{self, Load, call, requests},
    ground::Ground,
    process::ServerProcess,
    reckoning::{
        audit::{self, Summary, Told},
        figures::Sample,
        tally::Tally,
    },
    watch::Watches,
};

/// The event that is sold.
pub(crate) const EVENT: &str = "bench-sale";
/// The most seats that an event can be made with by its settings; no run may sell more.
pub(crate) const SEATS_MAX: u64 = 1_000_000;

/// A reservation was made.
pub(crate) const BOOKED: &[(u16, &str)] = &[(201, "")];
/// A page was shown.
pub(crate) const SHOWN: &[(u16, &str)] = &[(200, "")];
/// A reservation was cancelled.
pub(crate) const CANCELLED: &[(u16, &str)] = &[(204, "")];
/// The event is sold out.
pub(crate) const REFUSED: &[(u16, &str)] = &[(409, "insufficient-seats")];
/// Turned away, for now.
pub(crate) const SHED: &[(u16, &str)] = &[(503, "overloaded"), (503, "store-unavailable")];
/// Given up, with an outcome that nobody knows.
pub(crate) const UNKNOWN: &[(u16, &str)] = &[(503, "outcome-unknown")];
/// What a server may say to a reservation while there are seats.
pub(crate) const TO_RESERVE: &[(u16, &str)] =
    &[(201, ""), (409, "version-conflict"), (503, "overloaded"), (503, "store-unavailable"), (503, "outcome-unknown")];

/// How long settling may take after a load. It follows commits by milliseconds; a loaded machine is slower.
const SETTLE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a server may take until its event is open.
const READY_PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Servers on ground of their own.
pub(crate) struct Stage {
    pub(crate) ground: Ground,
    servers: Vec<ServerProcess>,
}

impl Stage {
    /// Starts so many servers of `program` on `ground`, and waits until each takes reservations.
    pub(crate) async fn open(
        ground: Ground,
        program: &Path,
        settings: &[(&'static str, String)],
        processes: usize,
    ) -> Outcome<Self> {
        let own = [ground.setting(), ("PORT", "0".to_owned()), ("EVENT_ID", EVENT.to_owned())];
        // Settings that are given stand in front of these.
        let mut all = settings.to_vec();
        all.extend(own.into_iter().filter(|(name, _)| settings.iter().all(|(given, _)| given != name)));
        let mut servers = Vec::new();
        for _ in 0..processes {
            let server = ServerProcess::start(program, &[], &all).await?;
            let deadline = Instant::now() + READY_PATIENCE;
            while call(server.address, &requests::get("/readyz")).await?.0 != 200 {
                if Instant::now() > deadline {
                    return Err(Failure::Failed(format!("a server is not ready:\n{}", server.last_words())));
                }
                tokio::time::sleep(PAUSE).await;
            }
            servers.push(server);
        }
        Ok(Self { ground, servers })
    }

    /// Servers that were started otherwise.
    pub(crate) fn with(ground: Ground, server: ServerProcess) -> Self {
        Self { ground, servers: vec![server] }
    }

    /// Where they listen.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }

    /// Runs a load and measures its window, or all of it when it has none. `done` are the answers that count as work.
    pub(crate) async fn drive(&self, load: Load, done: &[(u16, &str)]) -> Outcome<(Sample, Tally)> {
        let driven = self.try_drive(load, done).await;
        driven.map_err(|failure| match failure {
            Failure::Failed(why) => Failure::Failed(format!("{why}\n{}", self.last_words())),
            skipped @ Failure::Skipped(_) => skipped,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "the counts here are far below 2^52")]
    async fn try_drive(&self, load: Load, done: &[(u16, &str)]) -> Outcome<(Sample, Tally)> {
        let (window, requests_max) = (load.window, load.requests_max);
        let running = generator::start(load).await?;
        if let Some(window) = window {
            sleep_until((running.start + window.warm_up).into()).await;
        }
        let pids = self.servers.iter().map(ServerProcess::pid).collect();
        let (watches, commits) = (Watches::begin(pids, self.ground.pids())?, self.ground.commits().await?);
        if let Some(window) = window {
            sleep_until((running.start + window.end()).into()).await;
        }
        // What went wrong with the load comes first: a server that died has no figures either.
        let (tally, used, commits_after) = if window.is_some() {
            let (used, commits) = (watches.end(), self.ground.commits().await);
            (running.finish().await?, used?, commits?)
        } else {
            (running.finish().await?, watches.end()?, self.ground.commits().await?)
        };
        // A load that ran out of requests ended with the last answer, if that came before the end of the window.
        let ran_out = tally.answers() >= requests_max && window.is_some_and(|window| tally.last_answer < window.end());
        let measured = match window {
            Some(window) if ran_out => tally.last_answer.saturating_sub(window.warm_up),
            Some(window) => window.measured,
            None => tally.last_answer,
        };
        if window.is_some_and(|window| measured < window.measured / 2) {
            return Err(Failure::Failed("the seats did not last; measure for fewer --seconds".to_owned()));
        }
        let seconds = measured.as_secs_f64();
        let count = tally.measured(done);
        if count == 0 {
            return Err(Failure::Failed(format!("nothing was done in {seconds:.1} s: {:?}", tally.by_kind())));
        }
        let commits = commits.zip(commits_after).map(|(before, after)| (after - before) as f64).filter(|n| *n > 0.0);
        let sample = Sample {
            seconds,
            per_second: count as f64 / seconds,
            answers: tally.by_kind(),
            unsent: tally.unsent,
            latency: tally.latency(done),
            shed: tally.latency(SHED),
            commits_per_second: commits.map(|commits| commits / seconds),
            mean_batch: commits.map(|commits| count as f64 / commits),
            server: Some(used.server),
            store: (!self.ground.pids().is_empty()).then_some(used.store),
            generator: Some(used.generator),
            elsewhere_cpu_seconds: Some(used.elsewhere),
        };
        Ok((sample, tally))
    }

    /// What the first server says of its event.
    pub(crate) async fn summary(&self, path: &str) -> Outcome<Summary> {
        let (status, body) = call(self.servers[0].address, &requests::get(path)).await?;
        if status != 200 {
            return Err(Failure::Failed(format!("GET {path} answered {status}")));
        }
        serde_json::from_slice(&body).map_err(failed(&format!("GET {path}")))
    }

    /// Compares what clients were told of the event with what stands: the counts, a sample of reservations by their ids,
    /// and on MongoDB every document.
    pub(crate) async fn audit(&self, told: Told, ids: &[String]) -> Outcome<()> {
        self.settled().await?;
        let summary = self.summary("/reservations").await?;
        audit::check(told, summary).map_err(Failure::Failed)?;
        self.all_there("/reservations", ids).await?;
        if self.ground.database().is_some() {
            let filter = doc! { "eventId": EVENT, "status": "confirmed" };
            let documents = self.ground.count("reservations", filter).await?;
            if documents != summary.reservation_count {
                let why = format!("{documents} confirmed reservations stand where {summary:?} says otherwise");
                return Err(Failure::Failed(why));
            }
        }
        Ok(())
    }

    /// Looks each of these reservations up.
    pub(crate) async fn all_there(&self, path: &str, ids: &[String]) -> Outcome<()> {
        for (server, id) in self.servers.iter().cycle().zip(ids) {
            let (status, body) = call(server.address, &requests::get(&format!("{path}/{id}"))).await?;
            let found: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            if status != 200 || found["reservationId"] != **id || found["status"] != "confirmed" || found["seats"] != 1
            {
                let body = String::from_utf8_lossy(&body);
                return Err(Failure::Failed(format!(
                    "reservation {id} was answered with 201 and is now {status} {body}"
                )));
            }
        }
        Ok(())
    }

    /// Waits until no event carries a journal.
    pub(crate) async fn settled(&self) -> Outcome<()> {
        let deadline = Instant::now() + SETTLE_PATIENCE;
        while self.ground.count("events", doc! { "journal": { "$gt": {} } }).await? > 0 {
            if Instant::now() > deadline {
                return Err(Failure::Failed(format!("not settled after {SETTLE_PATIENCE:?}\n{}", self.last_words())));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// One reservation's document as the service wrote it.
    pub(crate) async fn a_document(&self) -> Outcome<Option<Document>> {
        let Some(database) = self.ground.database() else { return Ok(None) };
        database.collection("reservations").find_one(doc! {}).await.map_err(failed("reading a reservation"))
    }

    /// Ends the servers in order, and takes the ground away.
    pub(crate) async fn close(self) -> Outcome<()> {
        for server in self.servers {
            server.stop().await?;
        }
        self.ground.clear().await
    }

    fn last_words(&self) -> String {
        let words: Vec<String> = self.servers.iter().map(|server| format!("  {}", server.last_words())).collect();
        words.join("\n")
    }
}
