//! Reservations as documents.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Format, decode, encode_into, operation::OperationDocument};
use crate::{
    domain::{
        Fingerprint, HoldSeconds, Operation, PartnerId, Reservation, ReservationId, SeatCount, SeatId, Status, Version,
    },
    store::StoreError,
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReservationDocument {
    format: Format,
    partner_id: PartnerId,
    seats: SeatCount,
    #[serde(default, skip_serializing_if = "<[SeatId]>::is_empty")]
    seat_ids: Arc<[SeatId]>,
    status: Status,
    version: Version,
    created_version: Version,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<HoldSeconds>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
    operations: Vec<OperationDocument>,
}

/// What a reservation's document says of its place in a list that it may leave.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::store::embedded) struct Standing {
    #[serde(rename = "format")]
    _format: Format,
    pub(in crate::store::embedded) status: Status,
    pub(in crate::store::embedded) created_version: Version,
    #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub(in crate::store::embedded) expires_at: Option<Timestamp>,
}

/// Appends a reservation's document to `bytes`.
pub(in crate::store::embedded) fn write_reservation(bytes: &mut Vec<u8>, reservation: &Reservation) {
    let document = ReservationDocument {
        format: Format,
        partner_id: reservation.partner_id.clone(),
        seats: reservation.seats,
        seat_ids: reservation.seat_ids.clone(),
        status: reservation.status,
        version: reservation.version,
        created_version: reservation.created_version,
        created_at: reservation.created_at,
        hold: reservation.hold,
        expires_at: reservation.expires_at,
        fingerprint: reservation.fingerprint,
        operations: reservation.operations.iter().map(OperationDocument::from).collect(),
    };
    encode_into(bytes, &document);
}

/// Reads a reservation's document.
pub(in crate::store::embedded) fn reservation(id: ReservationId, bytes: &[u8]) -> Result<Reservation, StoreError> {
    let document: ReservationDocument = decode(bytes, &id)?;
    Ok(Reservation {
        id,
        partner_id: document.partner_id,
        seats: document.seats,
        seat_ids: document.seat_ids,
        status: document.status,
        version: document.version,
        created_version: document.created_version,
        created_at: document.created_at,
        hold: document.hold,
        expires_at: document.expires_at,
        fingerprint: document.fingerprint,
        operations: document.operations.into_iter().map(Operation::from).collect(),
    })
}

/// Reads of a reservation's document what tells its place in the lists.
pub(in crate::store::embedded) fn standing(id: &ReservationId, bytes: &[u8]) -> Result<Standing, StoreError> {
    decode(bytes, id)
}
