//! The documents as they stand in MongoDB, and their way to and from the domain.
//!
//! Fields that say nothing are left out: what is absent reads as none, empty or 0.

use bson::Document;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{IdempotencyKey, OperationId},
    store::StoreError,
};

mod event;
mod packed;
mod record;
mod reservation;
mod seats;
mod terms;

pub(super) use event::{Beside, EventDocument, JournalDocument, check_event, operations_value};
pub(super) use packed::pack;
pub(super) use record::{CreationDocument, RecordDocument, record_id};
pub(super) use reservation::{PlaceDocument, ReservationDocument};
pub(super) use seats::seats_value;
pub(super) use terms::{SummaryDocument, details_value, quotas_value, sales_value};

/// The format of both kinds of documents. A document of another format was written by another version of this program
/// and is refused, not guessed at.
pub(super) const FORMAT: i32 = 2;

/// A key is a string, a minted id is a UUID and what nobody asked for is null, so none can be taken for another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum OperationIdDocument {
    Key(String),
    Minted(bson::Uuid),
    Unasked,
}

impl From<&OperationId> for OperationIdDocument {
    fn from(id: &OperationId) -> Self {
        match id {
            OperationId::Key(key) => Self::Key(key.as_str().to_owned()),
            OperationId::Minted(uuid) => Self::Minted((*uuid).into()),
            OperationId::Unasked => Self::Unasked,
        }
    }
}

impl TryFrom<OperationIdDocument> for OperationId {
    type Error = String;

    fn try_from(document: OperationIdDocument) -> Result<Self, String> {
        match document {
            OperationIdDocument::Key(key) => {
                IdempotencyKey::parse(&key).map(Self::Key).map_err(|why| format!("operation id {why}"))
            }
            OperationIdDocument::Minted(uuid) => Ok(Self::Minted(uuid.into())),
            OperationIdDocument::Unasked => Ok(Self::Unasked),
        }
    }
}

/// A time as it stands in a document: in whole milliseconds.
pub(super) fn date(at: Timestamp) -> bson::DateTime {
    bson::DateTime::from_millis(at.as_millisecond())
}

fn timestamp(field: &str, date: bson::DateTime) -> Result<Timestamp, String> {
    Timestamp::from_millisecond(date.timestamp_millis()).map_err(|why| format!("{field}: {why}"))
}

/// A document as it is known in messages.
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

#[cfg(test)]
mod tests;
