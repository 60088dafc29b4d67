//! What one write puts into the tables. It is made where the caller stands, so that the one thread that writes has nothing
//! to do but to write.

use std::sync::Arc;

use super::{
    documents,
    keys::{self, Key},
    listed::Listed,
    run::{Put, Run},
};
use crate::{
    domain::{Decision, Event, Head, Reservation, Version},
    store::Base,
};

/// An event, and what changed with it.
pub(super) struct Rows {
    /// The event as it will stand.
    pub(super) event: Arc<Event>,
    head: Head,
    pub(super) document: Vec<u8>,
    /// Written once, for it never changes.
    pub(super) seat_map: Option<Vec<u8>>,
    /// The blocks of the hall that changed, by their numbers.
    pub(super) blocks: Vec<(u32, Vec<u8>)>,
    /// Those that changed, in the order in which they were made.
    pub(super) reservations: Vec<ReservationRow>,
    /// Their documents.
    pub(super) documents: Run,
    /// Their rows in the list by making.
    pub(super) made: Run,
}

/// One reservation that changed.
pub(super) struct ReservationRow {
    pub(super) reservation: Arc<Reservation>,
    /// Whether it is in no table yet, because the decision made it.
    pub(super) is_new: bool,
}

impl Rows {
    /// A new event.
    pub(super) fn of_new(event: &Event, head: Head) -> Self {
        let mut rows = Self::of_event(event, head);
        if let Some(hall) = &event.hall {
            rows.seat_map = Some(documents::write_seat_map(hall.map()));
            rows.blocks = hall.blocks().collect();
        }
        rows
    }

    /// A decided event, and what differs from `before`, the event that was decided on.
    pub(super) fn of_decision(before: &Event, decision: &Decision, head: Head) -> Self {
        let mut rows = Self::of_event(&decision.event, head);
        if let (Some(before), Some(after)) = (&before.hall, &decision.event.hall) {
            rows.blocks = after.changed_blocks(before).collect();
        }
        rows.take(before.version, decision);
        rows
    }

    /// An event as it was, but for its document.
    fn of_event(event: &Event, head: Head) -> Self {
        Self {
            event: Arc::new(event.clone()),
            head,
            document: documents::write_event(event, head),
            seat_map: None,
            blocks: Vec::new(),
            reservations: Vec::new(),
            documents: Run::of_event(Key::of_event(&event.id)),
            made: Run::of_event(Key::of_event(&event.id)),
        }
    }

    /// Adds the reservations that a decision on `version` touched.
    fn take(&mut self, version: Version, decision: &Decision) {
        /// What a document and its key mostly take; longer ones make the buffer grow.
        const DOCUMENT_BYTES: usize = 320;
        /// The same for a row in the list by making.
        const LISTED_BYTES: usize = 80;

        let row = |reservation: &Arc<Reservation>| ReservationRow {
            is_new: reservation.created_version > version,
            reservation: reservation.clone(),
        };
        self.reservations = decision.reservations().map(row).collect();
        let rows = &mut self.reservations;

        rows.sort_unstable_by_key(|row| row.reservation.id.uuid);
        self.documents.reserve(rows.len(), DOCUMENT_BYTES);
        for ReservationRow { reservation, is_new } in &*rows {
            // Minted uuids grow with time, and those that come from keys are random.
            let put = match (is_new, reservation.id.uuid.get_version()) {
                (false, _) => Put::Over,
                (true, Some(uuid::Version::SortRand)) => Put::Behind,
                (true, _) => Put::Anywhere,
            };
            let document = |bytes: &mut Vec<u8>| documents::write_reservation(bytes, reservation);
            self.documents.push(reservation.id.uuid.as_bytes(), put, document);
        }

        rows.sort_unstable_by_key(|row| (row.reservation.created_at, row.reservation.created_version));
        self.made.reserve(rows.len(), LISTED_BYTES);
        for ReservationRow { reservation, is_new } in &*rows {
            let place = keys::place(reservation.created_at, reservation.created_version);
            let put = if *is_new { Put::Behind } else { Put::Over };
            self.made.push(&place, put, |bytes| Listed::write(bytes, reservation));
        }
    }

    /// Which state of the event these rows make.
    pub(super) fn base(&self) -> Base {
        Base { version: self.event.version, head: self.head }
    }
}
