//! The documents as they stand in MongoDB, and their way to and from the domain.

use std::{collections::BTreeMap, sync::Arc};

use bson::{Binary, Document, RawDocumentBuf, spec::BinarySubtype};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        Event, EventId, EventName, Fingerprint, Head, IdSalt, IdempotencyKey, Operation, OperationId, OperationKind,
        PartnerId, Reservation, ReservationId, SeatCount, Status, Version,
    },
    store::{Journal, Snapshot, StoreError},
};

/// The format of both kinds of documents. A document of another format was written by another version of this program
/// and is refused, not guessed at.
pub(super) const FORMAT: i32 = 1;

/// A document of the collection `events`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventDocument {
    #[serde(rename = "_id")]
    id: EventId,
    format: i32,
    name: String,
    total_seats: u32,
    available_seats: u32,
    confirmed_seats: u32,
    reservation_count: u32,
    version: Version,
    head: bson::Uuid,
    id_salt: Binary,
    /// By version, in decimal. Left out of queries that do not need it.
    #[serde(default)]
    journal: BTreeMap<String, Vec<ReservationDocument>>,
}

/// A document of the collection `reservations`, and an entry of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReservationDocument {
    #[serde(rename = "_id")]
    id: ReservationId,
    format: i32,
    event_id: EventId,
    partner_id: String,
    seats: u32,
    status: Status,
    version: Version,
    created_version: Version,
    created_at: bson::DateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<bson::Uuid>,
    operations: Vec<OperationDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct OperationDocument {
    id: OperationIdDocument,
    kind: OperationKind,
    version: Version,
    status: Status,
}

/// A key is a string and a minted id is a UUID, so neither can be taken for the other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum OperationIdDocument {
    Key(String),
    Minted(bson::Uuid),
}

impl EventDocument {
    /// The document of a new event.
    pub(super) fn new(event: &Event, head: Head) -> Self {
        Self {
            id: event.id.clone(),
            format: FORMAT,
            name: event.name.as_str().to_owned(),
            total_seats: event.total_seats,
            available_seats: event.available_seats,
            confirmed_seats: event.confirmed_seats,
            reservation_count: event.reservation_count,
            version: event.version,
            head: head.0.into(),
            id_salt: Binary { subtype: BinarySubtype::Generic, bytes: event.id_salt.0.to_vec() },
            journal: BTreeMap::new(),
        }
    }

    /// The event that `document` holds, with its head and journal.
    pub(super) fn read(document: Document) -> Result<Snapshot, StoreError> {
        let name = name_of("events", &document);
        check_format(&name, &document)?;
        let unreadable = |why: String| StoreError::Unreadable(format!("{name}: {why}"));
        let document: Self = bson::deserialize_from_document(document).map_err(|why| unreadable(why.to_string()))?;
        let salt = <[u8; 32]>::try_from(document.id_salt.bytes.as_slice())
            .map_err(|_| unreadable("idSalt must be 32 bytes".to_owned()))?;
        let mut journal = Journal::new();
        for (version, entries) in document.journal {
            let version = version.parse().map(Version).map_err(|_| unreadable(format!("journal key {version}")))?;
            let entries = entries.into_iter().map(|entry| entry.reservation().map(Arc::new));
            journal.insert(version, entries.collect::<Result<_, _>>().map_err(&unreadable)?);
        }
        let name = EventName::parse(&document.name).map_err(|why| unreadable(format!("name {why}")))?;
        let event = Event {
            available_seats: document.available_seats,
            confirmed_seats: document.confirmed_seats,
            reservation_count: document.reservation_count,
            version: document.version,
            ..Event::open(document.id, name, document.total_seats, IdSalt(salt))
        };
        event.check().map_err(|why| unreadable(why.to_string()))?;
        Ok(Snapshot { event, head: Head(document.head.into()), journal })
    }
}

impl ReservationDocument {
    /// The document of `reservation`, in the form that is sent.
    pub(super) fn raw(reservation: &Reservation) -> bson::error::Result<RawDocumentBuf> {
        let operation = |operation: &Operation| OperationDocument {
            id: match &operation.id {
                OperationId::Key(key) => OperationIdDocument::Key(key.as_str().to_owned()),
                OperationId::Minted(uuid) => OperationIdDocument::Minted((*uuid).into()),
                OperationId::Unasked => unimplemented!(),
            },
            kind: operation.kind,
            version: operation.version,
            status: operation.status,
        };
        bson::serialize_to_raw_document_buf(&Self {
            id: reservation.id.clone(),
            format: FORMAT,
            event_id: reservation.id.event_id.clone(),
            partner_id: reservation.partner_id.as_str().to_owned(),
            seats: reservation.seats.get(),
            status: reservation.status,
            version: reservation.version,
            created_version: reservation.created_version,
            created_at: bson::DateTime::from_millis(reservation.created_at.as_millisecond()),
            fingerprint: reservation.fingerprint.map(|fingerprint| fingerprint.0.into()),
            operations: reservation.operations.iter().map(operation).collect(),
        })
    }

    /// The reservation that `document` holds.
    pub(super) fn read(document: Document) -> Result<Reservation, StoreError> {
        let name = name_of("reservations", &document);
        check_format(&name, &document)?;
        let unreadable = |why: String| StoreError::Unreadable(format!("{name}: {why}"));
        let document: Self = bson::deserialize_from_document(document).map_err(|why| unreadable(why.to_string()))?;
        document.reservation().map_err(unreadable)
    }

    fn reservation(self) -> Result<Reservation, String> {
        if self.format != FORMAT {
            return Err(format!("unknown format {}", self.format));
        }
        let operation = |operation: OperationDocument| {
            let id = match operation.id {
                OperationIdDocument::Key(key) => {
                    OperationId::Key(IdempotencyKey::parse(&key).map_err(|why| format!("operation id {why}"))?)
                }
                OperationIdDocument::Minted(uuid) => OperationId::Minted(uuid.into()),
            };
            Ok(Operation {
                id,
                kind: operation.kind,
                version: operation.version,
                status: operation.status,
                expires_at: None,
                waitlist_position: None,
            })
        };
        Ok(Reservation {
            id: self.id,
            partner_id: PartnerId::parse(&self.partner_id).map_err(|why| format!("partnerId {why}"))?,
            seats: SeatCount::parse(self.seats, u32::MAX).map_err(|why| format!("seats {why}"))?,
            status: self.status,
            version: self.version,
            created_version: self.created_version,
            created_at: Timestamp::from_millisecond(self.created_at.timestamp_millis())
                .map_err(|why| format!("createdAt: {why}"))?,
            seat_ids: Arc::default(),
            hold: None,
            expires_at: None,
            fingerprint: self.fingerprint.map(|uuid| Fingerprint(uuid.into())),
            operations: self.operations.into_iter().map(operation).collect::<Result<_, String>>()?,
        })
    }
}

fn name_of(collection: &str, document: &Document) -> String {
    format!("{collection} {}", document.get_str("_id").unwrap_or("without _id"))
}

fn check_format(name: &str, document: &Document) -> Result<(), StoreError> {
    match document.get("format") {
        Some(format) if format.as_i32() == Some(FORMAT) => Ok(()),
        other => {
            let found = other.map_or_else(|| "none".to_owned(), ToString::to_string);
            let why = format!("{name} has format {found}, and this version of TicketBoss reads only {FORMAT}");
            Err(StoreError::Unreadable(why))
        }
    }
}
