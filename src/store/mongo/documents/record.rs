//! A document of the collection `operations`, which is also the form in which it travels in an event's journal.

use std::sync::Arc;

use bson::{Document, RawDocumentBuf};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{FORMAT, SummaryDocument, check_format, name_of};
use crate::{
    domain::{Event, EventId, Fingerprint, OperationId, OperationRecord, RecordedEffect, ReservationId, Version},
    store::StoreError,
};

/// What is known for ever of a keyed operation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct RecordDocument {
    /// Spelled like a reservation's: `<eventId>.<uuid>`.
    #[serde(rename = "_id")]
    id: ReservationId,
    format: i32,
    event_id: EventId,
    version: Version,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<bson::Uuid>,
    /// What was told of an event that was amended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amended: Option<SummaryDocument>,
    /// The version of a reservation that was confirmed already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    already_confirmed: Option<Version>,
}

/// The `_id` of a record.
pub(in super::super) fn record_id(event_id: &EventId, uuid: Uuid) -> String {
    ReservationId { event_id: event_id.clone(), uuid }.to_string()
}

impl RecordDocument {
    /// The document of `record`, in the form that is sent.
    pub(in super::super) fn raw(event_id: &EventId, record: &OperationRecord) -> bson::error::Result<RawDocumentBuf> {
        let (amended, already_confirmed) = match &record.effect {
            RecordedEffect::Amended(answer) => (Some(SummaryDocument::from(&**answer)), None),
            RecordedEffect::AlreadyConfirmed(version) => (None, Some(*version)),
        };
        bson::serialize_to_raw_document_buf(&Self {
            id: ReservationId { event_id: event_id.clone(), uuid: record.uuid },
            format: FORMAT,
            event_id: event_id.clone(),
            version: record.version,
            fingerprint: record.fingerprint.map(|fingerprint| fingerprint.0.into()),
            amended,
            already_confirmed,
        })
    }

    /// The record that `document` holds.
    pub(in super::super) fn read(document: Document) -> Result<Arc<OperationRecord>, StoreError> {
        let name = name_of("operations", &document);
        check_format(&name, &document)?;
        let unreadable = |why: String| StoreError::Unreadable(format!("{name}: {why}"));
        let document: Self = bson::deserialize_from_document(document).map_err(|why| unreadable(why.to_string()))?;
        document.record().map(Arc::new).map_err(unreadable)
    }

    fn record(self) -> Result<OperationRecord, String> {
        let effect = match (self.amended, self.already_confirmed) {
            (Some(answer), None) => RecordedEffect::Amended(Box::new(answer.summary(self.event_id)?)),
            (None, Some(version)) => RecordedEffect::AlreadyConfirmed(version),
            _ => return Err("it tells not exactly one effect".to_owned()),
        };
        Ok(OperationRecord {
            uuid: self.id.uuid,
            version: self.version,
            fingerprint: self.fingerprint.map(|uuid| Fingerprint(uuid.into())),
            effect,
        })
    }
}

/// Which event was made under a key; also in the collection `operations`. It is written before the event, and never changes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct CreationDocument {
    /// `creation:<key>`; no id of an event holds a colon.
    #[serde(rename = "_id")]
    pub(in super::super) id: String,
    format: i32,
    event_id: EventId,
    version: Version,
    fingerprint: Option<bson::Uuid>,
}

impl CreationDocument {
    /// The document of a new event that is made under a key; `None` of one that is not.
    pub(in super::super) fn new(event: &Event) -> Option<Self> {
        let made = event.operations.first()?;
        let OperationId::Key(key) = &made.id else { return None };
        Some(Self {
            id: format!("creation:{}", key.as_str()),
            format: FORMAT,
            event_id: event.id.clone(),
            version: Version::INITIAL,
            fingerprint: made.fingerprint.map(|fingerprint| fingerprint.0.into()),
        })
    }

    /// The creation that `document` holds.
    pub(in super::super) fn read(document: Document) -> Result<Self, StoreError> {
        let name = name_of("operations", &document);
        check_format(&name, &document)?;
        bson::deserialize_from_document(document).map_err(|why| StoreError::Unreadable(format!("{name}: {why}")))
    }
}
