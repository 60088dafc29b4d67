//! What the file holds: events and reservations as JSON documents, each with the number of its format.
//!
//! JSON costs little beside the disk, can be read by a person in need, and has no limits that a partner's strings meet.
//! What is absent, empty or zero is left out, so a document is as long as what it has to say.

use std::{fmt::Display, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use self::operation::EventOperationDocument;
use crate::{
    domain::{
        Details, Event, EventId, EventName, Head, IdSalt, Quotas, Row, RowLabel, Sales, SeatId, SeatMap, Version,
    },
    store::{Base, StoreError},
};

mod operation;
mod reservation;

pub(super) use reservation::{reservation, standing, write_reservation};

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

/// An event. Its seat map and the states of its seats lie in tables of their own, for they may be a thousand times as long.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventDocument {
    format: Format,
    version: Version,
    head: Head,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    due_at: Option<Timestamp>,
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
    confirmed_seats: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    held_seats: u32,
    reservation_count: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    hold_count: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    waitlist_count: u32,
    id_salt: IdSalt,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    operations: Vec<EventOperationDocument>,
}

/// What an event's document says of its state, for those who need not know more.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stamp {
    #[serde(rename = "format")]
    _format: Format,
    version: Version,
    head: Head,
    /// When the event needs looking after.
    #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub(super) due_at: Option<Timestamp>,
    /// How many wait.
    #[serde(default)]
    pub(super) waitlist_count: u32,
    #[serde(default)]
    pub(super) quotas: Quotas,
}

impl Stamp {
    /// Which state it is.
    pub(super) fn base(&self) -> Base {
        Base { version: self.version, head: self.head }
    }
}

/// An event as its document tells it.
pub(super) struct StoredEvent {
    /// Without its hall.
    pub(super) event: Event,
    /// Whether it has one.
    pub(super) has_seat_map: bool,
}

/// An event's document.
pub(super) fn write_event(event: &Event, head: Head) -> Vec<u8> {
    let document = EventDocument {
        format: Format,
        version: event.version,
        head,
        due_at: event.due_at,
        name: event.name.clone(),
        details: event.details.clone(),
        quotas: event.quotas,
        sales: event.sales,
        has_seat_map: event.hall.is_some(),
        total_seats: event.total_seats,
        available_seats: event.available_seats,
        confirmed_seats: event.confirmed_seats,
        held_seats: event.held_seats,
        reservation_count: event.reservation_count,
        hold_count: event.hold_count,
        waitlist_count: event.waitlist_count,
        id_salt: event.id_salt,
        operations: event.operations.iter().map(EventOperationDocument::from).collect(),
    };
    let mut bytes = Vec::with_capacity(512);
    encode_into(&mut bytes, &document);
    bytes
}

/// Reads an event's document.
pub(super) fn event(id: &EventId, bytes: &[u8]) -> Result<StoredEvent, StoreError> {
    let document: EventDocument = decode(bytes, id)?;
    let event = Event {
        id: id.clone(),
        name: document.name,
        details: document.details,
        quotas: document.quotas,
        sales: document.sales,
        total_seats: document.total_seats,
        available_seats: document.available_seats,
        confirmed_seats: document.confirmed_seats,
        held_seats: document.held_seats,
        reservation_count: document.reservation_count,
        hold_count: document.hold_count,
        waitlist_count: document.waitlist_count,
        version: document.version,
        id_salt: document.id_salt,
        due_at: document.due_at,
        hall: None,
        operations: document.operations.into_iter().map(|operation| operation.into_operation(id)).collect(),
    };
    Ok(StoredEvent { event, has_seat_map: document.has_seat_map })
}

/// Reads of an event's document which state it is.
pub(super) fn stamp(id: &EventId, bytes: &[u8]) -> Result<Stamp, StoreError> {
    decode(bytes, id)
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
