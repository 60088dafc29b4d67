//! The rows of the list by making: as much of each reservation as lists choose by, so that whoever looks for a few among a
//! million passes over the others without reading their documents.

use uuid::Uuid;

use crate::domain::{Reservation, Status};

/// What a row says. When it was made, and at which version, stands in its key.
pub(super) struct Listed<'row> {
    pub(super) status: Status,
    pub(super) uuid: Uuid,
    pub(super) partner_id: &'row str,
}

impl<'row> Listed<'row> {
    /// Appends the row of a reservation to `bytes`.
    pub(super) fn write(bytes: &mut Vec<u8>, reservation: &Reservation) {
        bytes.push(letter(reservation.status));
        bytes.extend_from_slice(reservation.id.uuid.as_bytes());
        bytes.extend_from_slice(reservation.partner_id.as_str().as_bytes());
    }

    /// Reads a row; `None` when this program has not written it.
    pub(super) fn read(row: &'row [u8]) -> Option<Self> {
        let (first, rest) = row.split_first()?;
        let (uuid, partner_id) = rest.split_first_chunk()?;
        Some(Self {
            status: Status::ALL.into_iter().find(|status| letter(*status) == *first)?,
            uuid: Uuid::from_bytes(*uuid),
            partner_id: str::from_utf8(partner_id).ok()?,
        })
    }
}

fn letter(status: Status) -> u8 {
    match status {
        Status::Confirmed => b'c',
        Status::Held => b'h',
        Status::Waitlisted => b'w',
        Status::Cancelled => b'x',
        Status::Expired => b'e',
    }
}
