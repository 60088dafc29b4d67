//! Linearizable reads, and the pulse that hastens them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bson::{Document, RawArrayBuf, RawDocumentBuf, rawdoc};
use tokio::time::Instant;

use super::{
    deployment::{CommandError, Concern, Deployment, Kind},
    schema::PULSES,
};

/// Counts the writes that are under way, and reads with proof.
///
/// A linearizable read ends with a majority acknowledging that the primary is still the primary. On an idle deployment
/// that waits for the next journal flush, up to 100 ms; a journaled write brings the flush at once. So when none is under
/// way here, the read is accompanied by one to this process's own small document.
#[derive(Debug)]
pub(super) struct Prover {
    process: String,
    writes: AtomicUsize,
}

impl Prover {
    pub(super) fn new(process: String) -> Self {
        Self { process, writes: AtomicUsize::new(0) }
    }

    /// Counts a journaled majority write for as long as the guard lives.
    pub(super) fn write_under_way(&self) -> WriteUnderWay<'_> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        WriteUnderWay(&self.writes)
    }

    /// Reads what lasts and holds everything acknowledged before this call.
    pub(super) async fn read(
        self: &Arc<Self>,
        deployment: &Arc<Deployment>,
        query: RawDocumentBuf,
        deadline: Instant,
    ) -> Result<Vec<Document>, CommandError> {
        let alone = self.writes.load(Ordering::Relaxed) == 0;
        if alone && deployment.kind(deadline).await? != Kind::Standalone {
            let (prover, deployment) = (self.clone(), deployment.clone());
            // The read alone decides; what becomes of the pulse does not matter. It is not broken off when the read is
            // faster, because that would cost its connection.
            tokio::spawn(async move { prover.pulse(&deployment, deadline).await });
        }
        deployment.read(query, Concern::Linearizable, deadline).await
    }

    /// Writes this process's pulse, acknowledged like a commit.
    pub(super) async fn pulse(&self, deployment: &Deployment, deadline: Instant) -> Result<(), CommandError> {
        let _under_way = self.write_under_way();
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

/// Counts one write until it is dropped.
#[derive(Debug)]
pub(super) struct WriteUnderWay<'a>(&'a AtomicUsize);

impl Drop for WriteUnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
