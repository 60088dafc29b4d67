//! One commit: one `findAndModify`, conditioned on the event's version and head.

use std::{sync::Arc, time::Duration};

use bson::{Document, RawDocumentBuf, raw::cstr, rawdoc};
use tokio::time::{Instant, timeout_at};

use super::{
    MongoStore,
    deployment::CommandError,
    documents::{EventDocument, RecordDocument, ReservationDocument, check_event, pack, record_id},
    head_value,
    journal::{Entry, Record, Unsettled},
    journal_path, records_path,
    schema::EVENTS,
    update,
};
use crate::{
    domain::{Decision, Event, EventId, Head, OperationRecord, Reservation, Version},
    store::{CommitError, Journal, Snapshot, StoreError, Trimmed},
};

/// Entries that an event document may carry. Settling keeps up with commits, so two or three batches are usual; this many
/// mean that it does not, and writes wait.
pub(super) const JOURNAL_ENTRIES_MAX: usize = 8_192;

/// How long a commit waits for the settler to make room. Others may have made some that this snapshot cannot show, so
/// after that the event is loaded again.
const ROOM_PATIENCE: Duration = Duration::from_millis(100);

/// What those entries may weigh, in bytes, out of the 16 MiB of the largest document that MongoDB takes. As many changes
/// as a decision makes at most fit in even when every text is as long as it may be and every seat of the largest hall is
/// named: a decision that nobody asked for, the lapse of holds, could not be split.
const JOURNAL_BYTES_MAX: usize = 6 * 1024 * 1024;

/// Commits `decision` on `snapshot`, trims what is settled along the way, and hands the new entries to the settler.
pub(super) async fn commit(
    store: &MongoStore,
    snapshot: &Snapshot,
    decision: &Decision,
    head: Head,
    deadline: Instant,
) -> Result<Snapshot, CommitError> {
    let event_id = &snapshot.event.id;
    check_readable(&snapshot.event, decision, head).map_err(CommitError::Refused)?;
    let entries = entries_of(decision).map_err(|why| CommitError::Refused(why.to_string()))?;
    let records = records_of(decision).map_err(|why| CommitError::Refused(why.to_string()))?;
    let weights = entries.iter().map(|entry| &entry.raw).chain(records.iter().map(|record| &record.raw));
    let weights: Vec<_> = weights.map(|raw| raw.as_bytes().len()).collect();
    let (journal, settled) = wait_for_room(store, event_id, snapshot, &weights, deadline).await?;
    let command = command(snapshot, decision, head, (&entries, &records), &settled, store.prover.process());
    let command = command.map_err(|why| CommitError::Refused(why.to_string()))?;

    match store.deployment.write(command, deadline).await {
        Ok(reply) if matches!(reply.get("value"), Some(bson::Bson::Null)) => Err(CommitError::Conflict),
        // Whoever is told of a conflict relies on it that nothing was written.
        Ok(reply) if !reply.contains_key("value") => {
            Err(CommitError::Unclear("the reply to a commit does not tell whether it matched".to_owned()))
        }
        Ok(_) => {
            store.journals.committed(event_id, &settled, Instant::now());
            let applied = applied(store, decision, head, journal, (entries, records));
            if let Err(why) = store.settler.clear_doubt(event_id, deadline).await {
                log::debug!(event_id:%; "what an unclear commit may have left is found later: {why}");
            }
            Ok(applied)
        }
        Err(CommandError::Unclear(why) | CommandError::TooSlow(why)) => {
            store.journals.doubt(event_id);
            Err(CommitError::Unclear(why))
        }
        Err(CommandError::Refused(why) | CommandError::MissingIndex(why)) => Err(CommitError::Refused(why)),
        Err(error @ (CommandError::NotDone(_) | CommandError::Forbidden(_))) => Err(StoreError::from(error).into()),
    }
}

/// The event after the commit; its entries are on their way to the settler.
fn applied(
    store: &MongoStore,
    decision: &Decision,
    head: Head,
    mut journal: Journal,
    (entries, records): (Arc<[Entry]>, Arc<[Record]>),
) -> Snapshot {
    if !entries.is_empty() || !records.is_empty() {
        let (key, trimmed) = (decision.event.version, Trimmed::default());
        journal.insert(key, entries.iter().map(|entry| entry.reservation.clone()).collect(), trimmed.clone());
        store.journals.enqueue(Unsettled { event_id: decision.event.id.clone(), key, entries, records, trimmed });
    }
    Snapshot { event: decision.event.clone(), head, journal }
}

/// Makes sure that the event is read back as it is after this commit, where that changes more than counts, and the records of
/// operations. Reservations are read back in debug builds only, for they are many, and each of their values is within what its type can hold; a test reads
/// them back at both ends of every one.
fn check_readable(before: &Event, decision: &Decision, head: Head) -> Result<(), String> {
    let after = &decision.event;
    let is_amended = before.name != after.name
        || before.details != after.details
        || before.quotas != after.quotas
        || before.sales != after.sales
        || before.total_seats != after.total_seats
        || before.operations != after.operations;
    if is_amended {
        let document = bson::serialize_to_raw_document_buf(&EventDocument::new(after, head));
        check_event(after, &document.map_err(|why| why.to_string())?)?;
    }
    for record in &decision.records {
        let raw = RecordDocument::raw(&after.id, record).map_err(|why| why.to_string())?;
        let read = RecordDocument::read(Document::try_from(raw).map_err(|why| why.to_string())?);
        if read.map_err(StoreError::into_why)? != *record {
            return Err(format!("the record {} of event {} would not be read back as it is", record.uuid, after.id));
        }
    }
    if cfg!(debug_assertions) {
        for reservation in decision.reservations() {
            let raw = ReservationDocument::raw(reservation).map_err(|why| why.to_string())?;
            let document = Document::try_from(raw).map_err(|why| why.to_string())?;
            let read = ReservationDocument::read(document).map_err(StoreError::into_why)?;
            debug_assert_eq!(read, **reservation, "a reservation is not read back as it is");
        }
    }
    Ok(())
}

fn entries_of(decision: &Decision) -> bson::error::Result<Arc<[Entry]>> {
    let entry = |reservation: &Arc<Reservation>| {
        Ok(Entry { reservation: reservation.clone(), raw: ReservationDocument::raw(reservation)? })
    };
    decision.reservations().map(entry).collect()
}

fn records_of(decision: &Decision) -> bson::error::Result<Arc<[Record]>> {
    let event_id = &decision.event.id;
    let record = |record: &Arc<OperationRecord>| {
        let raw = RecordDocument::raw(event_id, record)?;
        Ok(Record { id: record_id(event_id, record.uuid), raw })
    };
    decision.records.iter().map(record).collect()
}

/// The journal as this commit will leave it, without its own entries, and the keys that it takes out. Waits for the settler while the journal is full.
async fn wait_for_room(
    store: &MongoStore,
    event_id: &EventId,
    snapshot: &Snapshot,
    weights: &[usize],
    deadline: Instant,
) -> Result<(Journal, Vec<Version>), CommitError> {
    let bytes: usize = weights.iter().sum();
    if weights.len() > JOURNAL_ENTRIES_MAX || bytes > JOURNAL_BYTES_MAX {
        return Err(CommitError::Refused(format!("{} entries of {bytes} bytes do not fit the journal", weights.len())));
    }
    // Entries of other commits are not weighed one by one: they have much the same form as these.
    let weight = bytes / weights.len().max(1);
    let patience = deadline.min(Instant::now() + ROOM_PATIENCE);
    loop {
        // Listen first, look then: what settles in between is not missed.
        let progress = store.journals.settled.notified();
        let mut settled = store.journals.settled_keys(event_id);
        // A later key can only be of a state that a restored backup undid.
        settled.retain(|key| *key <= snapshot.event.version);
        let journal = snapshot.journal.clone().without(&settled);
        let count = journal.entry_count().saturating_add(weights.len());
        if count <= JOURNAL_ENTRIES_MAX && count.saturating_mul(weight) <= JOURNAL_BYTES_MAX {
            return Ok((journal, settled));
        }
        if timeout_at(patience, progress).await.is_err() {
            let why = format!("the journal of event {event_id} is full: settling is behind");
            return Err(StoreError::Unavailable(why).into());
        }
    }
}

fn command(
    snapshot: &Snapshot,
    decision: &Decision,
    head: Head,
    (entries, records): (&[Entry], &[Record]),
    settled: &[Version],
    process: &str,
) -> bson::error::Result<RawDocumentBuf> {
    let update::Update { mut set, mut unset } = update::between(&snapshot.event, &decision.event)?;
    set.append(cstr!("head"), head_value(head));
    // A decision without changes moves the head on and takes over when the event is due; the journal of this version stays
    // as it is.
    if !entries.is_empty() || !records.is_empty() {
        set.append(journal_path(decision.event.version), pack(entries.iter().map(|entry| &*entry.raw), process));
    }
    if !records.is_empty() {
        let packed = pack(records.iter().map(|record| &*record.raw), process);
        set.append(records_path(decision.event.version), packed);
    }
    for key in settled {
        unset.append(journal_path(*key), "");
        unset.append(records_path(*key), "");
    }
    let mut update = rawdoc! { "$set": set };
    if !unset.is_empty() {
        update.append(cstr!("$unset"), unset);
    }
    Ok(rawdoc! {
        "findAndModify": EVENTS,
        "query": {
            "_id": snapshot.event.id.as_str(),
            "version": snapshot.event.version.0,
            "head": head_value(snapshot.head),
        },
        "update": update,
        "fields": { "_id": 1 },
    })
}
