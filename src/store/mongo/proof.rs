//! Linearizable reads, and the flushes that hasten them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bson::{Document, RawArrayBuf, RawDocumentBuf, rawdoc};
use tokio::{
    runtime::Handle,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    deployment::{CommandError, Concern, Deployment, Kind},
    schema::PULSES,
};

/// How long a flush that accompanies reads may take.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

/// After this, another flush is asked for while one is still under way. Each covers the log up to its first gap, and what
/// others write at the same time makes gaps: so even who asked may have to wait for the flush after the one he got.
const FLUSH_OVERDUE: Duration = Duration::from_millis(5);

/// Flushes that may be under way at once.
const FLUSHES_MAX: usize = 3;

/// Reads with proof.
///
/// A linearizable read ends with a majority acknowledging that the primary is still the primary. On an idle deployment
/// that waits for the next journal flush, up to 100 ms; a journaled write brings the flush at once, for all that was done
/// before it, even when it finds nothing to write. So as long as reads wait, such writes are sent over and over: a single
/// one could come just before a read's own entry in the log, and then does nothing for it.
#[derive(Debug)]
pub(super) struct Prover {
    process: String,
    runtime: Handle,
    /// Linearizable reads that are under way.
    reading: AtomicUsize,
    /// Whether somebody asks for flushes for them.
    flushing: AtomicBool,
}

impl Prover {
    /// Flushes will be asked for on the current runtime.
    pub(super) fn new(process: String) -> Self {
        Self { process, runtime: Handle::current(), reading: AtomicUsize::new(0), flushing: AtomicBool::new(false) }
    }

    /// The name of this process among those that share the deployment; also its pulse's `_id`.
    pub(super) fn process(&self) -> &str {
        &self.process
    }

    /// Reads what lasts and holds everything acknowledged before this call.
    pub(super) async fn read(
        self: &Arc<Self>,
        deployment: &Arc<Deployment>,
        query: RawDocumentBuf,
        deadline: Instant,
    ) -> Result<Vec<Document>, CommandError> {
        let _reading = Reading::begin(&self.reading);
        if deployment.kind(deadline).await? != Kind::Standalone && !self.flushing.swap(true, Ordering::SeqCst) {
            let (prover, deployment) = (self.clone(), deployment.clone());
            // Not where the caller is: its runtime may end before this does.
            self.runtime.spawn(async move { while prover.flush_for_reads(&deployment).await {} });
        }
        deployment.read(query, Concern::Linearizable, deadline).await
    }

    /// Asks for one flush after the other until no read waits. The reads alone decide; what becomes of the flushes does
    /// not matter. Whether more are to be asked for by this caller.
    async fn flush_for_reads(&self, deployment: &Arc<Deployment>) -> bool {
        let mut flushes = JoinSet::new();
        let mut works = true;
        while works && self.reading.load(Ordering::SeqCst) > 0 {
            let on = deployment.clone();
            flushes.spawn(async move { flush(&on, Instant::now() + FLUSH_PATIENCE).await });
            let ended = match timeout(FLUSH_OVERDUE, flushes.join_next()).await {
                // While the store is slow, no more than these wait for it, in connections that commits need.
                Err(_) if flushes.len() == FLUSHES_MAX => flushes.join_next().await,
                Err(_) => continue,
                Ok(ended) => ended,
            };
            works = matches!(ended, Some(Ok(Ok(()))));
        }
        // Breaking one off would cost its connection.
        flushes.detach_all();
        self.flushing.store(false, Ordering::SeqCst);
        // A read that began in between has seen that somebody asks. While that fails, the next read tries.
        works && self.reading.load(Ordering::SeqCst) > 0 && !self.flushing.swap(true, Ordering::SeqCst)
    }

    /// Writes this process's pulse, acknowledged like a commit.
    pub(super) async fn pulse(&self, deployment: &Deployment, deadline: Instant) -> Result<(), CommandError> {
        let mut updates = RawArrayBuf::new();
        updates.push(rawdoc! {
            "q": { "_id": self.process.as_str() },
            "u": { "$inc": { "beats": 1_i64 }, "$currentDate": { "at": true } },
            "upsert": true,
        });
        deployment.write(rawdoc! { "update": PULSES, "updates": updates }, deadline).await?;
        Ok(())
    }
}

/// Has the log flushed by a journaled write that matches nothing. MongoDB 6.0: such a write, too, waits for the journal, and
/// for a majority to have what was done before it.
async fn flush(deployment: &Deployment, deadline: Instant) -> Result<(), CommandError> {
    let mut updates = RawArrayBuf::new();
    updates.push(rawdoc! { "q": { "_id": "" }, "u": { "$set": { "beats": 0_i64 } } });
    deployment.write(rawdoc! { "update": PULSES, "updates": updates }, deadline).await?;
    Ok(())
}

/// Counts one read until it is dropped.
struct Reading<'a>(&'a AtomicUsize);

impl<'a> Reading<'a> {
    fn begin(reads: &'a AtomicUsize) -> Self {
        reads.fetch_add(1, Ordering::SeqCst);
        Self(reads)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
