//! Named seats: the layout of a hall, and who sits where.

use std::collections::BTreeMap;

use bson::{Binary, spec::BinarySubtype};
use serde::{Deserialize, Serialize};

use crate::domain::{Row, RowLabel, SeatId, SeatMap};

/// The layout of a hall. It never changes, so it is read once and left out of queries after that.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SeatMapDocument {
    rows: Vec<RowDocument>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    blocked: Vec<SeatId>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RowDocument {
    label: RowLabel,
    seats: u16,
}

impl From<&SeatMap> for SeatMapDocument {
    fn from(map: &SeatMap) -> Self {
        let row = |row: &Row| RowDocument { label: row.label, seats: row.seats };
        Self { rows: map.rows().iter().map(row).collect(), blocked: map.blocked().collect() }
    }
}

impl SeatMapDocument {
    pub(super) fn seat_map(self) -> Result<SeatMap, String> {
        let rows = self.rows.into_iter().map(|row| Row { label: row.label, seats: row.seats });
        SeatMap::new(rows.collect(), self.blocked).map_err(|why| format!("seatMap {why}"))
    }
}

/// The blocks of [`Hall::blocks`](crate::domain::Hall::blocks) by their numbers in decimal, so that a commit can set each
/// alone.
pub(super) type SeatsDocument = BTreeMap<String, Binary>;

pub(super) fn seats_document(blocks: impl Iterator<Item = (u32, Vec<u8>)>) -> SeatsDocument {
    blocks.map(|(number, bytes)| (number.to_string(), seats_value(bytes))).collect()
}

pub(super) fn blocks(seats: SeatsDocument) -> Result<Vec<(u32, Vec<u8>)>, String> {
    let block = |(number, seats): (String, Binary)| {
        let number = number.parse().map_err(|_| format!("seats has a block {number}"))?;
        Ok((number, seats.bytes))
    };
    seats.into_iter().map(block).collect()
}

/// A block as a commit sets it.
pub(in super::super) fn seats_value(bytes: Vec<u8>) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes }
}
