//! What the file holds: events and reservations as JSON documents, each with the number of its format.
//!
//! JSON costs little beside the disk, can be read by a person in need, and has no limits that a partner's strings meet.

use std::{fmt::Display, ops::Range, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    domain::{
        Decision, Event, EventId, EventName, Fingerprint, Head, IdSalt, IdempotencyKey, Operation, OperationId,
        OperationKind, PartnerId, Reservation, ReservationId, SeatCount, Status, Version,
    },
    store::StoreError,
};

/// The mark of the format that this program writes, and the only one that it reads. It stands first in every document,
/// so that one of another format is refused for that, before anything in it is misunderstood.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Format;

const FORMAT: u32 = 1;

impl From<Format> for u32 {
    fn from(_: Format) -> Self {
        FORMAT
    }
}

impl TryFrom<u32> for Format {
    type Error = String;

    fn try_from(found: u32) -> Result<Self, String> {
        if found == FORMAT {
            return Ok(Self);
        }
        Err(format!("it is in format {found}, and this program reads format {FORMAT}"))
    }
}

/// What one write puts into the tables: an event, and the reservations that changed with it.
pub(super) struct Rows {
    pub(super) event_id: EventId,
    pub(super) event: Vec<u8>,
    /// All reservations one after the other, so that a batch of hundreds costs one allocation.
    documents: Vec<u8>,
    reservations: Vec<(Uuid, Range<usize>)>,
}

impl Rows {
    /// An event without changes.
    pub(super) fn of_event(event: &Event, head: Head) -> Self {
        let document = EventDocument::of(event, head);
        Self { event_id: event.id.clone(), event: encode(&document), documents: Vec::new(), reservations: Vec::new() }
    }

    /// A decided event and what its changes touched.
    pub(super) fn of_decision(decision: &Decision, head: Head) -> Self {
        /// What a reservation's document mostly takes; a longer one makes the buffer grow.
        const DOCUMENT_BYTES: usize = 320;

        let mut rows = Self::of_event(&decision.event, head);
        rows.documents.reserve(decision.changes.len() * DOCUMENT_BYTES);
        rows.reservations.reserve(decision.changes.len());
        for reservation in decision.reservations() {
            let start = rows.documents.len();
            encode_into(&mut rows.documents, &ReservationDocument::of(reservation));
            rows.reservations.push((reservation.id.uuid, start..rows.documents.len()));
        }
        // In the order of their keys, neighbours are written while their page is at hand.
        rows.reservations.sort_unstable_by_key(|(uuid, _)| *uuid);
        rows
    }

    /// The reservations' documents by uuid, in the order of their keys.
    pub(super) fn reservations(&self) -> impl Iterator<Item = (Uuid, &[u8])> {
        self.reservations.iter().map(|(uuid, range)| (*uuid, &self.documents[range.clone()]))
    }
}

/// Reads an event's document.
pub(super) fn event(id: &EventId, bytes: &[u8]) -> Result<(Event, Head), StoreError> {
    let document: EventDocument = decode(bytes, id)?;
    let event = Event {
        total_seats: document.total_seats,
        available_seats: document.available_seats,
        confirmed_seats: document.confirmed_seats,
        reservation_count: document.reservation_count,
        version: document.version,
        ..Event::open(id.clone(), document.name, document.total_seats, document.id_salt)
    };
    Ok((event, document.head))
}

/// Reads a reservation's document.
pub(super) fn reservation(id: ReservationId, bytes: &[u8]) -> Result<Reservation, StoreError> {
    let document: ReservationDocument = decode(bytes, &id)?;
    let created_at = Timestamp::from_millisecond(document.created_at).map_err(|why| unreadable(&id, &why))?;
    Ok(Reservation {
        id,
        partner_id: document.partner_id,
        seats: document.seats,
        status: document.status,
        version: document.version,
        created_version: document.created_version,
        created_at,
        seat_ids: Arc::default(),
        hold: None,
        expires_at: None,
        fingerprint: document.fingerprint,
        operations: document.operations.into_iter().map(Operation::from).collect(),
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventDocument {
    format: Format,
    name: EventName,
    total_seats: u32,
    available_seats: u32,
    confirmed_seats: u32,
    reservation_count: u32,
    version: Version,
    head: Head,
    id_salt: IdSalt,
}

impl EventDocument {
    fn of(event: &Event, head: Head) -> Self {
        Self {
            format: Format,
            name: event.name.clone(),
            total_seats: event.total_seats,
            available_seats: event.available_seats,
            confirmed_seats: event.confirmed_seats,
            reservation_count: event.reservation_count,
            version: event.version,
            head,
            id_salt: event.id_salt,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReservationDocument {
    format: Format,
    partner_id: PartnerId,
    seats: SeatCount,
    status: Status,
    version: Version,
    created_version: Version,
    /// Milliseconds since 1970.
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
    operations: Vec<OperationDocument>,
}

impl ReservationDocument {
    fn of(reservation: &Reservation) -> Self {
        Self {
            format: Format,
            partner_id: reservation.partner_id.clone(),
            seats: reservation.seats,
            status: reservation.status,
            version: reservation.version,
            created_version: reservation.created_version,
            created_at: reservation.created_at.as_millisecond(),
            fingerprint: reservation.fingerprint,
            operations: reservation.operations.iter().map(OperationDocument::from).collect(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct OperationDocument {
    id: OperationIdDocument,
    kind: OperationKind,
    version: Version,
    status: Status,
}

/// A key and a minted id stay apart by name, or a partner could send another request's minted id as a key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OperationIdDocument {
    Key(IdempotencyKey),
    Minted(Uuid),
}

impl From<&Operation> for OperationDocument {
    fn from(operation: &Operation) -> Self {
        let id = match &operation.id {
            OperationId::Key(key) => OperationIdDocument::Key(key.clone()),
            OperationId::Minted(uuid) => OperationIdDocument::Minted(*uuid),
            OperationId::Unasked => unimplemented!(),
        };
        Self { id, kind: operation.kind, version: operation.version, status: operation.status }
    }
}

impl From<OperationDocument> for Operation {
    fn from(document: OperationDocument) -> Self {
        let id = match document.id {
            OperationIdDocument::Key(key) => OperationId::Key(key),
            OperationIdDocument::Minted(uuid) => OperationId::Minted(uuid),
        };
        Self {
            id,
            kind: document.kind,
            version: document.version,
            status: document.status,
            expires_at: None,
            waitlist_position: None,
        }
    }
}

fn encode(document: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    encode_into(&mut bytes, document);
    bytes
}

fn encode_into(bytes: &mut Vec<u8>, document: &impl Serialize) {
    serde_json::to_writer(bytes, document).expect("these documents are maps with text keys, written to memory");
}

fn decode<T: DeserializeOwned>(bytes: &[u8], id: &impl Display) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|why| unreadable(id, &why))
}

fn unreadable(id: &impl Display, why: &impl Display) -> StoreError {
    StoreError::Unreadable(format!("{id}: {why}"))
}
