//! Histories, as they stand within the documents of reservations and events.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Format, decode, encode_into, is_default};
use crate::{
    domain::{
        Details, EventId, EventName, EventOperation, EventSummary, Fingerprint, IdempotencyKey, Operation, OperationId,
        OperationKind, OperationRecord, Quotas, RecordedEffect, Sales, Status, Version,
    },
    store::StoreError,
};

/// What was done to a reservation.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OperationDocument {
    id: OperationIdDocument,
    kind: OperationKind,
    version: Version,
    status: Status,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waitlist_position: Option<u32>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    promoted: Vec<Uuid>,
}

/// A key and a minted id stay apart by name, or a partner could send another request's minted id as a key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OperationIdDocument {
    Key(IdempotencyKey),
    Minted(Uuid),
    Unasked,
}

/// What was done to an event.
#[derive(Serialize, Deserialize)]
pub(super) struct EventOperationDocument {
    id: OperationIdDocument,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
    answer: SummaryDocument,
}

/// What an event remembers of what was asked. It is read one by one: what cannot be read is left out, for an event is worth
/// more than the memory of a request.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub(super) struct History {
    operations: Vec<EventOperationDocument>,
    #[serde(skip)]
    lost: Option<String>,
}

impl History {
    pub(super) fn of(operations: Vec<EventOperationDocument>) -> Self {
        Self { operations, lost: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// What could be read, and why something could not.
    pub(super) fn into_parts(self) -> (Vec<EventOperationDocument>, Option<String>) {
        (self.operations, self.lost)
    }
}

impl<'de> Deserialize<'de> for History {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let items = match serde_json::from_str::<Vec<&RawValue>>(text.get()) {
            Ok(items) => items,
            Err(why) => return Ok(Self { operations: Vec::new(), lost: Some(why.to_string()) }),
        };
        let mut history = Self::default();
        for item in items {
            match serde_json::from_str(item.get()) {
                Ok(operation) => history.operations.push(operation),
                Err(why) => history.lost = Some(why.to_string()),
            }
        }
        Ok(history)
    }
}

/// What people were told of an event, but for its id, which is that of the document around it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SummaryDocument {
    name: EventName,
    #[serde(default, skip_serializing_if = "is_default")]
    details: Arc<Details>,
    #[serde(default, skip_serializing_if = "is_default")]
    quotas: Quotas,
    #[serde(default, skip_serializing_if = "is_default")]
    sales: Sales,
    #[serde(default, skip_serializing_if = "is_default")]
    has_seat_map: bool,
    total_seats: u32,
    available_seats: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    held_seats: u32,
    reservation_count: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    waitlist_count: u32,
    version: Version,
}

impl From<&OperationId> for OperationIdDocument {
    fn from(id: &OperationId) -> Self {
        match id {
            OperationId::Key(key) => Self::Key(key.clone()),
            OperationId::Minted(uuid) => Self::Minted(*uuid),
            OperationId::Unasked => Self::Unasked,
        }
    }
}

impl From<OperationIdDocument> for OperationId {
    fn from(document: OperationIdDocument) -> Self {
        match document {
            OperationIdDocument::Key(key) => Self::Key(key),
            OperationIdDocument::Minted(uuid) => Self::Minted(uuid),
            OperationIdDocument::Unasked => Self::Unasked,
        }
    }
}

impl From<&Operation> for OperationDocument {
    fn from(operation: &Operation) -> Self {
        Self {
            id: (&operation.id).into(),
            kind: operation.kind,
            version: operation.version,
            status: operation.status,
            expires_at: operation.expires_at,
            waitlist_position: operation.waitlist_position,
            at: operation.at,
            promoted: operation.promoted.clone(),
        }
    }
}

impl From<OperationDocument> for Operation {
    fn from(document: OperationDocument) -> Self {
        Self {
            id: document.id.into(),
            kind: document.kind,
            version: document.version,
            status: document.status,
            expires_at: document.expires_at,
            waitlist_position: document.waitlist_position,
            at: document.at,
            promoted: document.promoted,
        }
    }
}

impl From<&EventSummary> for SummaryDocument {
    fn from(told: &EventSummary) -> Self {
        Self {
            name: told.name.clone(),
            details: told.details.clone(),
            quotas: told.quotas,
            sales: told.sales,
            has_seat_map: told.has_seat_map,
            total_seats: told.total_seats,
            available_seats: told.available_seats,
            held_seats: told.held_seats,
            reservation_count: told.reservation_count,
            waitlist_count: told.waitlist_count,
            version: told.version,
        }
    }
}

impl From<&EventOperation> for EventOperationDocument {
    fn from(operation: &EventOperation) -> Self {
        Self { id: (&operation.id).into(), fingerprint: operation.fingerprint, answer: (&operation.answer).into() }
    }
}

impl EventOperationDocument {
    /// The operation, on the event with this id.
    pub(super) fn into_operation(self, event_id: &EventId) -> EventOperation {
        EventOperation { id: self.id.into(), fingerprint: self.fingerprint, answer: self.answer.into_summary(event_id) }
    }
}

impl SummaryDocument {
    fn into_summary(self, event_id: &EventId) -> EventSummary {
        EventSummary {
            id: event_id.clone(),
            name: self.name,
            details: self.details,
            quotas: self.quotas,
            sales: self.sales,
            has_seat_map: self.has_seat_map,
            total_seats: self.total_seats,
            available_seats: self.available_seats,
            held_seats: self.held_seats,
            reservation_count: self.reservation_count,
            waitlist_count: self.waitlist_count,
            version: self.version,
        }
    }
}

/// What is known for ever of an operation.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordDocument {
    format: Format,
    version: Version,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
    effect: EffectDocument,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum EffectDocument {
    Amended(Box<SummaryDocument>),
    AlreadyConfirmed(Version),
}

/// A record's document.
pub(in crate::store::embedded) fn write_operation_record(record: &OperationRecord) -> Vec<u8> {
    let effect = match &record.effect {
        RecordedEffect::Amended(answer) => EffectDocument::Amended(Box::new((&**answer).into())),
        RecordedEffect::AlreadyConfirmed(version) => EffectDocument::AlreadyConfirmed(*version),
    };
    let mut bytes = Vec::new();
    let (version, fingerprint) = (record.version, record.fingerprint);
    encode_into(&mut bytes, &RecordDocument { format: Format, version, fingerprint, effect });
    bytes
}

/// Reads the record of an event's operation.
pub(in crate::store::embedded) fn operation_record(
    event_id: &EventId,
    uuid: Uuid,
    bytes: &[u8],
) -> Result<OperationRecord, StoreError> {
    let document: RecordDocument = decode(bytes, event_id)?;
    let effect = match document.effect {
        EffectDocument::Amended(answer) => RecordedEffect::Amended(Box::new(answer.into_summary(event_id))),
        EffectDocument::AlreadyConfirmed(version) => RecordedEffect::AlreadyConfirmed(version),
    };
    Ok(OperationRecord { uuid, version: document.version, fingerprint: document.fingerprint, effect })
}

/// Which event a key makes, and in which words it was asked for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreationDocument<'a> {
    format: Format,
    event_id: &'a EventId,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
}

/// The document of a new event's making. Two are alike only when they are of the same request.
pub(in crate::store::embedded) fn write_creation(event_id: &EventId, made: &EventOperation) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(&mut bytes, &CreationDocument { format: Format, event_id, fingerprint: made.fingerprint });
    bytes
}
