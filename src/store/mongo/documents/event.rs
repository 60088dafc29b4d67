//! A document of the collection `events`.

use std::{collections::BTreeMap, sync::Arc};

use bson::{
    Binary, Bson, Document, RawArrayBuf, RawDocument, RawDocumentBuf,
    raw::{CString, cstr},
    rawdoc,
    spec::BinarySubtype,
};
use serde::{Deserialize, Serialize};

use super::{
    FORMAT, OperationIdDocument, check_format, date, name_of,
    packed::{PackedDocument, Unpacked},
    seats::{SeatMapDocument, SeatsDocument, blocks, seats_document},
    terms::{DetailsDocument, SummaryDocument, has_none},
    timestamp,
};
use crate::{
    domain::{
        Event, EventId, EventName, EventOperation, Fingerprint, Hall, Head, IdSalt, Quotas, Reservation, Sales,
        SeatMap, Version,
    },
    store::{Damage, Journal, Snapshot, StoreError, mongo::seat_maps::SeatMaps},
};

/// The fields of an event's own state; what else its document has is asked for by name, when it is wanted.
const STATE: [&str; 20] = [
    "_id",
    "format",
    "name",
    "details",
    "quotas",
    "sales",
    "totalSeats",
    "availableSeats",
    "confirmedSeats",
    "heldSeats",
    "reservationCount",
    "holdCount",
    "waitlistCount",
    "version",
    "head",
    "idSalt",
    "dueAt",
    "changedAt",
    "seats",
    "operations",
];

/// What is read of an event beside its state.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Beside {
    /// The layout of its seats.
    pub(in super::super) seat_map: bool,
    /// The keys of its journal, each with the number of its entries.
    pub(in super::super) journal_keys: bool,
}

impl Beside {
    /// The projection of a query.
    pub(in super::super) fn projection(self) -> RawDocumentBuf {
        let mut fields = RawDocumentBuf::new();
        for field in STATE.into_iter().chain(self.seat_map.then_some("seatMap")) {
            fields.append(CString::try_from(field).expect("a field's name holds no NUL byte"), 1);
        }
        if self.journal_keys {
            let keys = rawdoc! { "$map": {
                "input": { "$objectToArray": "$journal" },
                "in": { "key": "$$this.k", "entries": "$$this.v.entries" },
            } };
            fields.append(cstr!("journalKeys"), keys);
        }
        fields
    }
}

/// An event, with its head and what is carried in its journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct EventDocument {
    #[serde(rename = "_id")]
    id: EventId,
    format: i32,
    name: String,
    #[serde(default, skip_serializing_if = "DetailsDocument::is_empty")]
    details: DetailsDocument,
    #[serde(default, skip_serializing_if = "has_none")]
    quotas: Quotas,
    #[serde(default)]
    sales: Sales,
    total_seats: u32,
    available_seats: u32,
    confirmed_seats: u32,
    #[serde(default)]
    held_seats: u32,
    reservation_count: u32,
    #[serde(default)]
    hold_count: u32,
    #[serde(default)]
    waitlist_count: u32,
    version: Version,
    head: bson::Uuid,
    id_salt: Binary,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<bson::DateTime>,
    /// Absent in what versions wrote that did not know it: they read documents that have it, and leave it as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_at: Option<bson::DateTime>,
    /// Left out of queries once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seat_map: Option<SeatMapDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seats: Option<SeatsDocument>,
    #[serde(default, skip_serializing_if = "History::is_empty")]
    operations: History,
    /// Entries by version, in decimal. A new event has none; what is read are its keys.
    #[serde(skip_deserializing)]
    journal: Document,
    #[serde(default, skip_serializing)]
    journal_keys: Vec<JournalKeyDocument>,
}

#[derive(Debug, Deserialize)]
struct JournalKeyDocument {
    key: String,
    entries: usize,
}

/// An event of which little more than the journal is asked for.
#[derive(Debug, Deserialize)]
pub(in super::super) struct JournalDocument {
    /// By version, in decimal.
    #[serde(default)]
    journal: BTreeMap<String, PackedDocument>,
    /// The records of the same commits. They lie apart, so that a process of an earlier version of this program, which knows
    /// none, does not take them out together with the reservations.
    #[serde(default)]
    records: BTreeMap<String, PackedDocument>,
}

/// The records under the keys of an event's journal, as documents.
pub(in super::super) type JournalRecords = BTreeMap<Version, Vec<RawDocumentBuf>>;

/// The reservations under the keys of an event's journal.
pub(in super::super) type JournalEntries = BTreeMap<Version, Vec<Arc<Reservation>>>;

/// An operation on the event itself. The answer is of this event, so it does not say which.
#[derive(Debug, Serialize, Deserialize)]
struct EventOperationDocument {
    id: OperationIdDocument,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<bson::Uuid>,
    answer: SummaryDocument,
}

impl EventDocument {
    /// The document of a new event.
    pub(in super::super) fn new(event: &Event, head: Head) -> Self {
        Self {
            id: event.id.clone(),
            format: FORMAT,
            name: event.name.as_str().to_owned(),
            details: DetailsDocument::from(&*event.details),
            quotas: event.quotas,
            sales: event.sales,
            total_seats: event.total_seats,
            available_seats: event.available_seats,
            confirmed_seats: event.confirmed_seats,
            held_seats: event.held_seats,
            reservation_count: event.reservation_count,
            hold_count: event.hold_count,
            waitlist_count: event.waitlist_count,
            version: event.version,
            head: head.0.into(),
            id_salt: Binary { subtype: BinarySubtype::Generic, bytes: event.id_salt.0.to_vec() },
            due_at: event.due_at.map(date),
            changed_at: event.changed_at.map(date),
            seat_map: event.hall.as_ref().map(|hall| SeatMapDocument::from(&**hall.map())),
            seats: event.hall.as_ref().map(|hall| seats_document(hall.blocks())),
            operations: History::Written(event.operations.iter().map(EventOperationDocument::from).collect()),
            journal: Document::new(),
            journal_keys: Vec::new(),
        }
    }

    /// The event that `document` holds, with its head and journal; `None` when its seats have names whose layout is neither
    /// in the document nor among `maps`.
    pub(in super::super) fn read(
        document: Document,
        maps: &SeatMaps,
        damage: &Damage,
    ) -> Result<Option<Snapshot>, StoreError> {
        let name = name_of("events", &document);
        check_format(&name, &document)?;
        let unreadable = |why: String| StoreError::Unreadable(format!("{name}: {why}"));
        let document: Self = bson::deserialize_from_document(document).map_err(|why| unreadable(why.to_string()))?;
        document.snapshot(maps, damage).map_err(unreadable)
    }

    fn snapshot(self, maps: &SeatMaps, damage: &Damage) -> Result<Option<Snapshot>, String> {
        let salt = <[u8; 32]>::try_from(self.id_salt.bytes.as_slice()).map_err(|_| "idSalt must be 32 bytes")?;
        let salt = IdSalt(salt);
        let hall = match self.seats {
            None => None,
            Some(seats) => {
                let Some(map) = seat_map(&self.id, salt, self.seat_map, maps)? else { return Ok(None) };
                Some(Hall::restore(map, blocks(seats)?).map_err(|why| format!("seats {why}"))?)
            }
        };
        let operations = self.operations.into_operations(&self.id, damage);
        let event = Event {
            name: EventName::stored(&self.name).map_err(|why| format!("name {why}"))?,
            details: self.details.details()?,
            quotas: self.quotas,
            sales: self.sales,
            total_seats: self.total_seats,
            available_seats: self.available_seats,
            confirmed_seats: self.confirmed_seats,
            held_seats: self.held_seats,
            reservation_count: self.reservation_count,
            hold_count: self.hold_count,
            waitlist_count: self.waitlist_count,
            version: self.version,
            id_salt: salt,
            due_at: self.due_at.map(|at| timestamp("dueAt", at)).transpose()?,
            changed_at: self.changed_at.map(|at| timestamp("changedAt", at)).transpose()?,
            hall,
            operations,
            id: self.id,
        };
        event.check().map_err(|why| why.to_string())?;
        Ok(Some(Snapshot { event, head: Head(self.head.into()), journal: journal(self.journal_keys)? }))
    }
}

/// What an event remembers of what was asked. It is read one by one: what cannot be read is left out, for an event is worth
/// more than the memory of a request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum History {
    #[serde(skip_deserializing)]
    Written(Vec<EventOperationDocument>),
    #[serde(skip_serializing)]
    Found(Bson),
}

impl Default for History {
    fn default() -> Self {
        Self::Written(Vec::new())
    }
}

impl History {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Written(operations) if operations.is_empty())
    }

    fn into_operations(self, id: &EventId, damage: &Damage) -> Vec<EventOperation> {
        let lost = |cause: &str| {
            let instead = "the event goes on without it: a request under that key counts as a new one";
            damage.of_other(&format!("history of event {id}"), cause, instead);
        };
        let found = match self {
            Self::Written(operations) => operations.into_iter().map(Ok).collect(),
            Self::Found(Bson::Array(found)) => {
                found.into_iter().map(|item| bson::deserialize_from_bson(item).map_err(|why| why.to_string())).collect()
            }
            Self::Found(_) => vec![Err("it is no array".to_owned())],
        };
        let read = |document: Result<EventOperationDocument, String>| document?.operation(id.clone());
        found.into_iter().filter_map(|document| read(document).map_err(|why| lost(&why)).ok()).collect()
    }
}

impl JournalDocument {
    /// The fields that must be asked for.
    pub(in super::super) fn projection() -> RawDocumentBuf {
        rawdoc! { "format": 1, "version": 1, "journal": 1, "records": 1 }
    }

    /// The fields that must be asked for when only records are wanted.
    pub(in super::super) fn records_projection() -> RawDocumentBuf {
        rawdoc! { "format": 1, "records": 1 }
    }

    /// The documents of all records that `document` carries, by the version of their commit.
    pub(in super::super) fn read_records(document: Document) -> Result<JournalRecords, StoreError> {
        let name = name_of("events", &document);
        check_format(&name, &document)?;
        let unreadable = |why: String| StoreError::Unreadable(format!("{name}: {why}"));
        let document: Self = bson::deserialize_from_document(document).map_err(|why| unreadable(why.to_string()))?;
        let unpacked = |(key, packed): (&String, &PackedDocument)| {
            let mut records = Vec::new();
            let read = Unpacked::of(packed).and_then(|unpacked| {
                unpacked.each(|record| {
                    records.push(record.to_owned());
                    Ok(())
                })
            });
            read.map_err(|why| format!("records.{key}: {why}"))?;
            Ok((version_of(key)?, records))
        };
        document.records.iter().map(unpacked).collect::<Result<_, _>>().map_err(unreadable)
    }

    /// Those entries of the journal in `document` that are `wanted`, by a look at their documents.
    pub(in super::super) fn read(
        document: Document,
        wanted: impl Fn(&RawDocument) -> bool,
    ) -> Result<JournalEntries, StoreError> {
        let name = name_of("events", &document);
        check_format(&name, &document)?;
        let unreadable = |why: String| StoreError::Unreadable(format!("{name}: {why}"));
        let document: Self = bson::deserialize_from_document(document).map_err(|why| unreadable(why.to_string()))?;
        let unpacked = |(key, packed): (&String, &PackedDocument)| {
            let entries = Unpacked::of(packed).and_then(|unpacked| unpacked.entries(&wanted));
            let entries = entries.map_err(|why| format!("journal.{key}: {why}"))?;
            Ok((version_of(key)?, entries.into_iter().map(Arc::new).collect()))
        };
        document.journal.iter().map(unpacked).collect::<Result<_, _>>().map_err(unreadable)
    }
}

/// The layout of the event's hall: as it is known, or else as the document has it, and known from then on.
fn seat_map(
    id: &EventId,
    salt: IdSalt,
    document: Option<SeatMapDocument>,
    maps: &SeatMaps,
) -> Result<Option<Arc<SeatMap>>, String> {
    if let Some(known) = maps.known(id, salt) {
        return Ok(Some(known));
    }
    let Some(document) = document else { return Ok(None) };
    let map = Arc::new(document.seat_map()?);
    maps.learn(id, salt, map.clone());
    Ok(Some(map))
}

fn journal(keys: Vec<JournalKeyDocument>) -> Result<Journal, String> {
    let mut journal = Journal::new();
    for JournalKeyDocument { key, entries } in keys {
        journal.count(version_of(&key)?, entries);
    }
    Ok(journal)
}

fn version_of(key: &str) -> Result<Version, String> {
    key.parse().map(Version).map_err(|_| format!("journal key {key}"))
}

impl From<&EventOperation> for EventOperationDocument {
    fn from(operation: &EventOperation) -> Self {
        Self {
            id: OperationIdDocument::from(&operation.id),
            fingerprint: operation.fingerprint.map(|fingerprint| fingerprint.0.into()),
            answer: SummaryDocument::from(&operation.answer),
        }
    }
}

impl EventOperationDocument {
    fn operation(self, event_id: EventId) -> Result<EventOperation, String> {
        Ok(EventOperation {
            id: self.id.try_into()?,
            fingerprint: self.fingerprint.map(|uuid| Fingerprint(uuid.into())),
            answer: self.answer.summary(event_id)?,
        })
    }
}

/// Makes sure that `event` is read back as it is: what could not be read again must not be written.
pub(in super::super) fn check_event(event: &Event, document: &RawDocument) -> Result<(), String> {
    let document = Document::try_from(document).map_err(|why| why.to_string())?;
    let read = EventDocument::read(document, &SeatMaps::default(), &Damage::default());
    match read.map_err(StoreError::into_why)? {
        Some(read) if read.event == *event => Ok(()),
        _ => Err(format!("event {} would not be read back as it is", event.id)),
    }
}

/// An event's operations as a commit sets them.
pub(in super::super) fn operations_value(operations: &[EventOperation]) -> bson::error::Result<RawArrayBuf> {
    let mut array = RawArrayBuf::new();
    for operation in operations {
        array.push(bson::serialize_to_raw_document_buf(&EventOperationDocument::from(operation))?);
    }
    Ok(array)
}
