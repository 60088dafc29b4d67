//! What one write puts into the tables. It is made where the caller stands, so that the one thread that writes has nothing
//! to do but to write.

use std::sync::Arc;

use super::{
    documents::{self, unreadable},
    keys::{self, Key},
    listed::Listed,
    run::{Put, Run},
    state::State,
};
use crate::{
    domain::{Decision, Event, EventId, Hall, Head, OperationId, OperationRecord, Reservation, Version},
    store::StoreError,
};

/// An event, and what changed with it.
pub(super) struct Rows {
    pub(super) event_id: EventId,
    /// The event as it will stand, if it is to be kept in memory.
    pub(super) kept: Option<Arc<Event>>,
    pub(super) state: State,
    /// Its document, if that changed.
    pub(super) document: Option<Vec<u8>>,
    /// Written once, for it never changes.
    pub(super) seat_map: Option<Vec<u8>>,
    /// The blocks of the hall that changed, by their numbers.
    pub(super) blocks: Vec<(u32, Vec<u8>)>,
    /// Which event its key makes, if it is a new one that is made under a key.
    pub(super) creation: Option<(Key, Vec<u8>)>,
    /// Records of operations. They are never written twice.
    pub(super) operations: Vec<(Key, Vec<u8>)>,
    /// Those that changed.
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
        rows.document = Some(documents::write_event(event));
        if let Some(made) = event.operations.first()
            && let OperationId::Key(key) = &made.id
        {
            rows.creation = Some((keys::creation(key), documents::write_creation(&event.id, made)));
        }
        if let Some(hall) = &event.hall {
            rows.seat_map = Some(documents::write_seat_map(hall.map()));
            rows.blocks = hall.blocks().collect();
        }
        rows
    }

    /// A decided event, and what differs from `before`, the event that was decided on.
    pub(super) fn of_decision(before: &Event, decision: &Decision, head: Head) -> Self {
        let mut rows = Self::of_event(&decision.event, head);
        if !documents::is_same_document(before, &decision.event) {
            rows.document = Some(documents::write_event(&decision.event));
        }
        if let (Some(before), Some(after)) = (&before.hall, &decision.event.hall) {
            rows.blocks = after.changed_blocks(before).collect();
        }
        let id = &decision.event.id;
        let record =
            |record: &Arc<OperationRecord>| (keys::record(id, record.uuid), documents::write_operation_record(record));
        rows.operations = decision.records.iter().map(record).collect();
        rows.take(before.version, decision);
        rows
    }

    /// Makes sure that what will be written of `event` and of the `records` is read back as it is: what could not be read again must not be
    /// written. Reservations are read back in debug builds only, for they are many, and each of their values is within what
    /// its type can hold; a test reads them back at both ends of every one.
    pub(super) fn check(&self, event: &Event, records: &[Arc<OperationRecord>]) -> Result<(), StoreError> {
        let id = &self.event_id;
        let differs = |what: &str| unreadable(id, &format!("{what} would not be read back as it is"));
        if State::read(id, &self.state.row())? != self.state {
            return Err(differs("its state"));
        }
        if let Some(document) = &self.document {
            let stored = documents::event(id, document, &self.state)?;
            let hall = stored.has_seat_map.then(|| event.hall.clone()).flatten();
            if (Event { hall, ..stored.event }) != *event {
                return Err(differs("its document"));
            }
        }
        if let (Some(map), Some(hall)) = (&self.seat_map, &event.hall) {
            let map = Arc::new(documents::seat_map(id, map)?);
            let read = Hall::restore(map, self.blocks.iter().cloned()).map_err(|why| unreadable(id, &why))?;
            if read != *hall {
                return Err(differs("its hall"));
            }
        }
        for (record, (_, written)) in records.iter().zip(&self.operations) {
            if documents::operation_record(id, record.uuid, written)? != **record {
                return Err(differs("the record of an operation"));
            }
        }
        if cfg!(debug_assertions) {
            for (row, written) in self.reservations.iter().zip(self.documents.rows()) {
                let read = documents::reservation(row.reservation.id.clone(), written.value)?;
                debug_assert_eq!(read, *row.reservation, "a reservation is not read back as it is");
            }
        }
        Ok(())
    }

    /// An event as it was, but for its state.
    fn of_event(event: &Event, head: Head) -> Self {
        Self {
            event_id: event.id.clone(),
            kept: None,
            state: State::of(event, head),
            document: None,
            seat_map: None,
            blocks: Vec::new(),
            creation: None,
            operations: Vec::new(),
            reservations: Vec::new(),
            documents: Run::default(),
            made: Run::default(),
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
        self.documents.reserve(self.reservations.len(), DOCUMENT_BYTES);
        self.made.reserve(self.reservations.len(), LISTED_BYTES);
        for ReservationRow { reservation, is_new } in &self.reservations {
            // Minted uuids grow with time, and those that come from keys are random.
            let put = match (is_new, reservation.id.uuid.get_version()) {
                (false, _) => Put::Over,
                (true, Some(uuid::Version::SortRand)) => Put::Behind,
                (true, _) => Put::Anywhere,
            };
            let document = |bytes: &mut Vec<u8>| documents::write_reservation(bytes, reservation);
            self.documents.push(Key::of_document(&reservation.id).bytes(), put, document);

            let event = Key::of_event(&reservation.id.event_id);
            let place = event.then_place(reservation.created_at, reservation.created_version);
            let put = if *is_new { Put::Behind } else { Put::Over };
            self.made.push(place.bytes(), put, |bytes| Listed::write(bytes, reservation));
        }
    }
}
