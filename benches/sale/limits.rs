//! What the machine and the store allow: the same documents by the raw driver, single-document updates, and syncs of the
//! disk. The driver runs in this process, in the generator's place.

use std::{
    fs::File,
    future::Future,
    io::Write,
    time::{Duration, Instant},
};

use bson::{Document, RawDocumentBuf, doc, rawdoc};
use mongodb::{
    Collection,
    error::Error,
    options::{Acknowledgment, CollectionOptions, WriteConcern},
};
use ticketboss::{
    clock::{Clock, SystemClock},
    ids,
};
use tokio::task::JoinSet;

use crate::{
    failure::{Failure, Outcome, failed},
    ground::Ground,
    mongod::node::scratch,
    reckoning::{figures::Sample, schedule::Window, tally::Tally},
    stage::EVENT,
    watch::Watches,
};

/// Documents of one `insertMany`.
const BATCH: i64 = 1_000;
/// `insertMany` commands in flight.
const BATCHES_IN_FLIGHT: usize = 4;
/// Documents that single updates are spread over.
const UPDATED: i64 = 1_000;
/// Updates in flight.
const UPDATES_IN_FLIGHT: usize = 256;
/// Bytes that are written before each sync.
const SYNCED_BYTES: usize = 4 * 1024;
/// How long the last commands may take.
const LAST_PATIENCE: Duration = Duration::from_mins(1);
/// The kind of answer that commands are counted as.
const DONE: &[(u16, &str)] = &[(200, "")];

/// Inserts reservations in batches into a collection that has no index but `_id`.
pub(crate) async fn inserts(ground: &Ground, window: Window) -> Outcome<Sample> {
    let documents = durable::<RawDocumentBuf>(ground, "inserted")?;
    let work = |_| {
        let documents = documents.clone();
        async move {
            let batch: Vec<RawDocumentBuf> = (1..=BATCH).map(reservation).collect();
            documents.insert_many(batch).ordered(false).await.map(|_| ())
        }
    };
    measured(ground, window, BATCHES_IN_FLIGHT, BATCH, work).await
}

/// Counts one field up, on one document after the other.
pub(crate) async fn updates(ground: &Ground, window: Window) -> Outcome<Sample> {
    let documents = durable::<Document>(ground, "updated")?;
    let fresh = (0..UPDATED).map(|id| doc! { "_id": id, "count": 0_i64 });
    documents.insert_many(fresh).await.map_err(failed("documents to update"))?;
    let work = |turn: i64| {
        let documents = documents.clone();
        async move {
            let one = doc! { "_id": turn % UPDATED };
            documents.find_one_and_update(one, doc! { "$inc": { "count": 1_i64 } }).await.map(|_| ())
        }
    };
    measured(ground, window, UPDATES_IN_FLIGHT, 1, work).await
}

/// Writes and syncs one file, in the place where data directories are made.
#[expect(clippy::cast_precision_loss, reason = "the counts here are far below 2^52")]
pub(crate) fn syncs(window: Window) -> Outcome<Sample> {
    let directory = scratch("bench-sync");
    let mut file = File::create(directory.path().join("file")).map_err(failed("a file to sync"))?;
    let (start, block) = (Instant::now(), [7; SYNCED_BYTES]);
    let mut tally = Tally::default();
    while start.elapsed() < window.end() {
        let begun = start.elapsed();
        file.write_all(&block).and_then(|()| file.sync_data()).map_err(failed("fdatasync"))?;
        let now = start.elapsed();
        tally.note(200, "", now.saturating_sub(begun), window.contains(now));
    }
    let seconds = window.measured.as_secs_f64();
    let per_second = tally.measured(DONE) as f64 / seconds;
    Ok(Sample { seconds, per_second, latency: tally.latency(DONE), ..Sample::default() })
}

/// Keeps so many commands in flight until the end of the window; each does `weight` pieces of work.
#[expect(clippy::cast_precision_loss, reason = "the counts here are far below 2^52")]
async fn measured<F: Future<Output = Result<(), Error>> + Send + 'static>(
    ground: &Ground,
    window: Window,
    in_flight: usize,
    weight: i64,
    work: impl Fn(i64) -> F,
) -> Outcome<Sample> {
    let start = Instant::now();
    let timed = |turn| {
        let (begun, work) = (start.elapsed(), work(turn));
        async move { work.await.map(|()| (begun, start.elapsed())) }
    };
    let mut watches = None;
    let mut used = None;
    let mut tally = Tally::default();
    let mut running = JoinSet::new();
    for turn in 0_i64.. {
        let now = start.elapsed();
        if watches.is_none() && now >= window.warm_up {
            watches = Some(Watches::begin(Vec::new(), ground.pids())?);
        }
        if now >= window.end() {
            let watches = watches.as_ref().ok_or_else(|| Failure::Failed("no window".to_owned()))?;
            used = Some(watches.end()?);
            break;
        }
        running.spawn(timed(turn));
        if running.len() == in_flight {
            note(&mut running, &mut tally, window).await?;
        }
    }
    while !running.is_empty() {
        note(&mut running, &mut tally, window).await?;
    }
    let seconds = window.measured.as_secs_f64();
    Ok(Sample {
        seconds,
        per_second: tally.measured(DONE) as f64 * weight as f64 / seconds,
        latency: tally.latency(DONE),
        store: used.map(|used| used.store),
        generator: used.map(|used| used.generator),
        elsewhere_cpu_seconds: used.map(|used| used.elsewhere),
        ..Sample::default()
    })
}

type Timed = Result<(Duration, Duration), Error>;

async fn note(running: &mut JoinSet<Timed>, tally: &mut Tally, window: Window) -> Outcome<()> {
    let ended = tokio::time::timeout(LAST_PATIENCE, running.join_next()).await.map_err(failed("a raw command"))?;
    if let Some(ended) = ended {
        let (begun, now) = ended.map_err(failed("a raw command"))?.map_err(failed("a raw command"))?;
        tally.note(200, "", now.saturating_sub(begun), window.contains(now));
    }
    Ok(())
}

/// A collection whose writes are acknowledged as TicketBoss's are.
fn durable<T: Send + Sync>(ground: &Ground, name: &str) -> Outcome<Collection<T>> {
    let database = ground.database().ok_or_else(|| Failure::Failed("the raw driver needs MongoDB".to_owned()))?;
    let concern = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    let options = CollectionOptions::builder().write_concern(concern).build();
    Ok(database.collection_with_options(name, options))
}

/// A reservation as the service settles it; [`same_shape`] holds it to that.
fn reservation(version: i64) -> RawDocumentBuf {
    let operation = rawdoc! {
        "id": operation_id(), "kind": "reserve", "version": version, "status": "confirmed",
    };
    rawdoc! {
        "_id": format!("{EVENT}.{}", ids::reservation()),
        "format": 1,
        "eventId": EVENT,
        "partnerId": "partner-100",
        "seats": 1_i64,
        "status": "confirmed",
        "version": version,
        "createdVersion": version,
        "createdAt": bson::DateTime::from_millis(SystemClock.now().as_millisecond()),
        "operations": [operation],
    }
}

fn operation_id() -> bson::Binary {
    let bytes = rand::random::<[u8; 16]>().to_vec();
    bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes }
}

/// Checks that what [`inserts`] inserts has the fields and types, and nearly the size, of what the service wrote.
pub(crate) fn same_shape(written: &Document) -> Outcome<()> {
    let made = reservation(1);
    let size = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    let weight = written.to_vec().map_err(failed("a document's size"))?.len();
    let made_weight = made.as_bytes().len();
    let made = Document::try_from(made).map_err(failed("a made document"))?;
    let shape = |document: &Document| -> Vec<(String, _)> {
        let mut fields: Vec<_> = document.iter().map(|(name, value)| (name.clone(), value.element_type())).collect();
        fields.sort_by(|one, other| one.0.cmp(&other.0));
        fields
    };
    // Partners' names differ by a few digits.
    if shape(&made) == shape(written) && (size(weight) - size(made_weight)).abs() <= 8 {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "insertMany would insert other documents ({made_weight} bytes) than the service writes ({weight} bytes): \
         {made} and {written}"
    )))
}
