//! What the file holds: events and reservations as JSON documents, each with the number of its format.
//!
//! JSON costs little beside the disk, can be read by a person in need, and has no limits that a partner's strings meet.
//! What is absent, empty or zero is left out, so a document is as long as what it has to say.

use std::{fmt::Display, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use self::operation::{EventOperationDocument, History};
pub(super) use self::operation::{operation_record, write_creation, write_operation_record};
use super::state::State;
use crate::{
    domain::{Details, Event, EventId, EventName, IdSalt, Quotas, Row, RowLabel, Sales, SeatId, SeatMap},
    store::StoreError,
};

mod operation;
mod reservation;

pub(super) use reservation::{reservation, standing, write_reservation};

/// The mark of the format that this program writes, and the only one that it reads. It stands first in every document,
/// so that one of another format is refused for that, before anything in it is misunderstood.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Format;

/// The number of the format of documents and states; the file as a whole has its own: see [`super::tables::make`].
pub(super) const FORMAT: u32 = 2;

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

/// An event, but for what every commit changes, which is its [`State`]. Its seat map and the states of its seats lie in tables
/// of their own too, for they may be a thousand times as long.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventDocument {
    format: Format,
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
    id_salt: IdSalt,
    #[serde(default, skip_serializing_if = "History::is_empty")]
    operations: History,
}

/// An event as its document and its state tell it.
pub(super) struct StoredEvent {
    /// Without its hall.
    pub(super) event: Event,
    /// Whether it has one.
    pub(super) has_seat_map: bool,
    /// Why parts of its history could not be read; without them it is the same event, and only forgets what was asked.
    pub(super) lost: Option<String>,
}

/// An event's document.
pub(super) fn write_event(event: &Event) -> Vec<u8> {
    let document = EventDocument {
        format: Format,
        name: event.name.clone(),
        details: event.details.clone(),
        quotas: event.quotas,
        sales: event.sales,
        has_seat_map: event.hall.is_some(),
        total_seats: event.total_seats,
        id_salt: event.id_salt,
        operations: History::of(event.operations.iter().map(EventOperationDocument::from).collect()),
    };
    let mut bytes = Vec::with_capacity(512);
    encode_into(&mut bytes, &document);
    bytes
}

/// Whether the document of `before` is that of `after`, too. Every field of an event is either compared here or in its
/// [`State`].
pub(super) fn is_same_document(before: &Event, after: &Event) -> bool {
    let Event {
        id,
        name,
        details,
        quotas,
        sales,
        total_seats,
        available_seats: _,
        confirmed_seats: _,
        held_seats: _,
        reservation_count: _,
        hold_count: _,
        waitlist_count: _,
        version: _,
        id_salt,
        due_at: _,
        changed_at: _,
        hall,
        operations,
    } = before;
    *id == after.id
        && *name == after.name
        && *details == after.details
        && *quotas == after.quotas
        && *sales == after.sales
        && *total_seats == after.total_seats
        && *id_salt == after.id_salt
        && hall.is_some() == after.hall.is_some()
        && *operations == after.operations
}

/// Reads an event's document.
pub(super) fn event(id: &EventId, bytes: &[u8], state: &State) -> Result<StoredEvent, StoreError> {
    let document: EventDocument = decode(bytes, id)?;
    let (operations, lost) = document.operations.into_parts();
    let event = Event {
        id: id.clone(),
        name: document.name,
        details: document.details,
        quotas: document.quotas,
        sales: document.sales,
        total_seats: document.total_seats,
        available_seats: state.available_seats,
        confirmed_seats: state.confirmed_seats,
        held_seats: state.held_seats,
        reservation_count: state.reservation_count,
        hold_count: state.hold_count,
        waitlist_count: state.waitlist_count,
        version: state.version,
        id_salt: document.id_salt,
        due_at: state.due_at,
        changed_at: state.changed_at,
        hall: None,
        operations: operations.into_iter().map(|operation| operation.into_operation(id)).collect(),
    };
    Ok(StoredEvent { event, has_seat_map: document.has_seat_map, lost })
}

/// A layout: rows from the front to the back, each its label and how many seats it has, and the seats that are not sold.
#[derive(Serialize, Deserialize)]
struct SeatMapDocument {
    format: Format,
    rows: Vec<(RowLabel, u16)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    blocked: Vec<SeatId>,
}

/// A layout's document.
pub(super) fn write_seat_map(map: &SeatMap) -> Vec<u8> {
    let rows = map.rows().iter().map(|row| (row.label, row.seats)).collect();
    let mut bytes = Vec::new();
    encode_into(&mut bytes, &SeatMapDocument { format: Format, rows, blocked: map.blocked().collect() });
    bytes
}

/// Reads a layout's document.
pub(super) fn seat_map(id: &EventId, bytes: &[u8]) -> Result<SeatMap, StoreError> {
    let document: SeatMapDocument = decode(bytes, id)?;
    let rows = document.rows.into_iter().map(|(label, seats)| Row { label, seats }).collect();
    SeatMap::new(rows, document.blocked).map_err(|why| unreadable(id, &format!("its seat map {why}")))
}

/// Whether a field says nothing that its absence does not say.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn encode_into(bytes: &mut Vec<u8>, document: &impl Serialize) {
    serde_json::to_writer(bytes, document).expect("these documents are maps with text keys, written to memory");
}

fn decode<T: DeserializeOwned>(bytes: &[u8], id: &impl Display) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|why| unreadable(id, &why))
}

/// What it means that the file says something of `id` that cannot be.
pub(super) fn unreadable(id: &impl Display, why: &impl Display) -> StoreError {
    StoreError::Unreadable(format!("{id}: {why}"))
}
