//! A document of the collection `reservations`, which is also the form of a journal entry.

use bson::{Document, RawDocumentBuf};
use serde::{Deserialize, Serialize};

use super::{FORMAT, OperationIdDocument, check_format, date, name_of, timestamp};
use crate::{
    domain::{
        EventId, Fingerprint, HoldSeconds, Operation, OperationKind, PartnerId, Reservation, ReservationId, SeatCount,
        SeatId, Status, Version,
    },
    store::{Place, StoreError},
};

/// A reservation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ReservationDocument {
    #[serde(rename = "_id")]
    id: ReservationId,
    format: i32,
    event_id: EventId,
    partner_id: String,
    seats: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seat_ids: Vec<SeatId>,
    status: Status,
    version: Version,
    created_version: Version,
    created_at: bson::DateTime,
    /// In seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<HoldSeconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<bson::DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<bson::Uuid>,
    operations: Vec<OperationDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OperationDocument {
    id: OperationIdDocument,
    kind: OperationKind,
    version: Version,
    status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<bson::DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waitlist_position: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<bson::DateTime>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    promoted: Vec<bson::Uuid>,
}

/// As much of a reservation as says where it stands in lists.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct PlaceDocument {
    event_id: EventId,
    created_at: bson::DateTime,
    created_version: Version,
}

impl PlaceDocument {
    /// The place that `document` holds.
    pub(in super::super) fn read(document: Document) -> Result<Place, StoreError> {
        let unreadable = |why: String| StoreError::Unreadable(format!("a place in a list of reservations: {why}"));
        let document: Self = bson::deserialize_from_document(document).map_err(|why| unreadable(why.to_string()))?;
        let created_at = timestamp("createdAt", document.created_at).map_err(unreadable)?;
        Ok(Place { event_id: document.event_id, created_at, created_version: document.created_version })
    }
}

impl ReservationDocument {
    /// The document of `reservation`, in the form that is sent.
    pub(in super::super) fn raw(reservation: &Reservation) -> bson::error::Result<RawDocumentBuf> {
        bson::serialize_to_raw_document_buf(&Self {
            id: reservation.id.clone(),
            format: FORMAT,
            event_id: reservation.id.event_id.clone(),
            partner_id: reservation.partner_id.as_str().to_owned(),
            seats: reservation.seats.get(),
            seat_ids: reservation.seat_ids.to_vec(),
            status: reservation.status,
            version: reservation.version,
            created_version: reservation.created_version,
            created_at: date(reservation.created_at),
            hold: reservation.hold,
            expires_at: reservation.expires_at.map(date),
            fingerprint: reservation.fingerprint.map(|fingerprint| fingerprint.0.into()),
            operations: reservation.operations.iter().map(OperationDocument::from).collect(),
        })
    }

    /// The reservation that `document` holds.
    pub(in super::super) fn read(document: Document) -> Result<Reservation, StoreError> {
        let name = name_of("reservations", &document);
        check_format(&name, &document)?;
        let unreadable = |why: String| StoreError::Unreadable(format!("{name}: {why}"));
        let document: Self = bson::deserialize_from_document(document).map_err(|why| unreadable(why.to_string()))?;
        document.reservation().map_err(unreadable)
    }

    pub(super) fn reservation(self) -> Result<Reservation, String> {
        if self.format != FORMAT {
            return Err(format!("unknown format {}", self.format));
        }
        Ok(Reservation {
            id: self.id,
            partner_id: PartnerId::stored(&self.partner_id).map_err(|why| format!("partnerId {why}"))?,
            seats: SeatCount::parse(self.seats, u32::MAX).map_err(|why| format!("seats {why}"))?,
            seat_ids: self.seat_ids.into(),
            status: self.status,
            version: self.version,
            created_version: self.created_version,
            created_at: timestamp("createdAt", self.created_at)?,
            hold: self.hold,
            expires_at: self.expires_at.map(|at| timestamp("expiresAt", at)).transpose()?,
            fingerprint: self.fingerprint.map(|uuid| Fingerprint(uuid.into())),
            operations: self.operations.into_iter().map(Operation::try_from).collect::<Result<_, String>>()?,
        })
    }
}

impl From<&Operation> for OperationDocument {
    fn from(operation: &Operation) -> Self {
        Self {
            id: OperationIdDocument::from(&operation.id),
            kind: operation.kind,
            version: operation.version,
            status: operation.status,
            expires_at: operation.expires_at.map(date),
            waitlist_position: operation.waitlist_position,
            at: operation.at.map(date),
            promoted: operation.promoted.iter().copied().map(Into::into).collect(),
        }
    }
}

impl TryFrom<OperationDocument> for Operation {
    type Error = String;

    fn try_from(document: OperationDocument) -> Result<Self, String> {
        Ok(Self {
            id: document.id.try_into()?,
            kind: document.kind,
            version: document.version,
            status: document.status,
            expires_at: document.expires_at.map(|at| timestamp("operations.expiresAt", at)).transpose()?,
            waitlist_position: document.waitlist_position,
            at: document.at.map(|at| timestamp("operations.at", at)).transpose()?,
            promoted: document.promoted.into_iter().map(Into::into).collect(),
        })
    }
}
