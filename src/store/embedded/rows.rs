//! What one write puts into the tables. It is made where the caller stands, so that the one thread that writes has nothing
//! to do but to write.

use std::{ops::Range, sync::Arc};

use uuid::Uuid;

use super::{
    documents,
    keys::{self, Key, Roll},
};
use crate::{
    domain::{Decision, Event, Head, Reservation},
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
    /// The documents of all reservations one after the other, so that a batch of hundreds costs one allocation.
    documents: Vec<u8>,
    /// In the order of their uuids.
    pub(super) reservations: Vec<ReservationRow>,
    /// Each reservation's place in the list of its event, and which of `reservations` it is, in the order of the places.
    pub(super) made: Vec<(Key, usize)>,
    /// The same for the lists of their partners.
    pub(super) made_by_partner: Vec<(Key, usize)>,
}

/// One reservation that changed.
pub(super) struct ReservationRow {
    pub(super) uuid: Uuid,
    document: Range<usize>,
    /// Where it stands as long as it is what it is now.
    pub(super) enrolled: Option<(Roll, Key)>,
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
        rows.take(decision);
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
            documents: Vec::new(),
            reservations: Vec::new(),
            made: Vec::new(),
            made_by_partner: Vec::new(),
        }
    }

    /// Adds the reservations that a decision touched. In the order of their keys, neighbours are written while their page
    /// is at hand.
    fn take(&mut self, decision: &Decision) {
        /// What a reservation's document mostly takes; a longer one makes the buffer grow.
        const DOCUMENT_BYTES: usize = 320;

        let mut touched: Vec<_> = decision.reservations().collect();
        touched.sort_unstable_by_key(|reservation| reservation.id.uuid);
        self.documents.reserve(touched.len() * DOCUMENT_BYTES);
        self.reservations = touched.iter().map(|reservation| self.row(reservation)).collect();
        let places = |place: fn(&Reservation) -> Key| {
            let mut places: Vec<_> = touched.iter().map(|reservation| place(reservation)).zip(0..).collect();
            places.sort_unstable();
            places
        };
        self.made = places(keys::made);
        self.made_by_partner = places(keys::made_by_partner);
    }

    fn row(&mut self, reservation: &Reservation) -> ReservationRow {
        let start = self.documents.len();
        documents::write_reservation(&mut self.documents, reservation);
        ReservationRow {
            uuid: reservation.id.uuid,
            document: start..self.documents.len(),
            enrolled: keys::enrolled(
                &reservation.id.event_id,
                reservation.status,
                reservation.expires_at,
                reservation.created_version,
            ),
        }
    }

    /// The document of one of its reservations.
    pub(super) fn document_of(&self, row: &ReservationRow) -> &[u8] {
        &self.documents[row.document.clone()]
    }

    /// Which state of the event these rows make.
    pub(super) fn base(&self) -> Base {
        Base { version: self.event.version, head: self.head }
    }
}
