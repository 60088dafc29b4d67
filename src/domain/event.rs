//! The event at a version: the one truth about its seats.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Amendment, Change, Details, EventId, EventName, EventOperation, Hall, IdSalt, Quotas, Reservation, Sales, SeatMap,
    SeatState, Status, Step, Version,
};

/// The most seats of an event whose seats have no names: a city, not a hall, and far from where sums would overflow.
pub const TOTAL_SEATS_MAX: u32 = 10_000_000;

/// An event at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which event this is.
    pub id: EventId,
    /// What people call it.
    pub name: EventName,
    /// What it says about itself.
    pub details: Arc<Details>,
    /// How much one reservation or partner may take.
    pub quotas: Quotas,
    /// Whether new reservations are taken.
    pub sales: Sales,
    /// How many seats there are for sale.
    pub total_seats: u32,
    /// How many of them are free.
    pub available_seats: u32,
    /// How many of them belong to confirmed reservations. Kept beside `available_seats`, not derived from it, so that
    /// a wrong sum can be seen, by [`Event::check`] and by the database's own validator.
    pub confirmed_seats: u32,
    /// How many of them are held.
    pub held_seats: u32,
    /// How many reservations are confirmed.
    pub reservation_count: u32,
    /// How many reservations are held.
    pub hold_count: u32,
    /// How many reservations wait for seats.
    pub waitlist_count: u32,
    /// How many changes it has accepted.
    pub version: Version,
    /// Its secret for keyed reservation ids; never changes.
    pub id_salt: IdSalt,
    /// When the event needs looking after without being asked: no hold lapses earlier, and no promotion is left over. Only a
    /// bound, for the hold that it was set for may be gone.
    pub due_at: Option<Timestamp>,
    /// When its last change was accepted, in whole milliseconds: nothing that is accepted later is made earlier, whatever clock
    /// tells the time then. `None` when nothing was accepted yet, or by a version of this program that did not note it.
    pub changed_at: Option<Timestamp>,
    /// Who sits where, if its seats have names.
    pub hall: Option<Hall>,
    /// Who made it. (Of an event of an earlier version of this program also who amended it last, oldest first; amendments are
    /// known by [`super::OperationRecord`]s now.)
    pub operations: Vec<EventOperation>,
}

/// What people are told of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSummary {
    /// Which event this is.
    pub id: EventId,
    /// What people call it.
    pub name: EventName,
    /// What it says about itself.
    pub details: Arc<Details>,
    /// How much one reservation or partner may take.
    pub quotas: Quotas,
    /// Whether new reservations are taken.
    pub sales: Sales,
    /// Whether its seats have names.
    pub has_seat_map: bool,
    /// How many seats there are for sale.
    pub total_seats: u32,
    /// How many of them are free.
    pub available_seats: u32,
    /// How many of them are held.
    pub held_seats: u32,
    /// How many reservations are confirmed.
    pub reservation_count: u32,
    /// How many reservations wait for seats.
    pub waitlist_count: u32,
    /// How many changes the event has accepted.
    pub version: Version,
}

/// A state or a change that no rule can have produced: a defect here, or a store that was edited by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event} at version {version}: {what}")]
pub struct BrokenInvariant {
    event: EventId,
    version: Version,
    what: &'static str,
}

impl Event {
    /// A new event with every seat free.
    #[must_use]
    pub fn open(id: EventId, name: EventName, total_seats: u32, id_salt: IdSalt) -> Self {
        Self {
            id,
            name,
            details: Arc::default(),
            quotas: Quotas::default(),
            sales: Sales::Open,
            total_seats,
            available_seats: total_seats,
            confirmed_seats: 0,
            held_seats: 0,
            reservation_count: 0,
            hold_count: 0,
            waitlist_count: 0,
            version: Version::INITIAL,
            id_salt,
            due_at: None,
            changed_at: None,
            hall: None,
            operations: Vec::new(),
        }
    }

    /// A new event whose seats have names, every one of them free.
    #[must_use]
    pub fn open_mapped(id: EventId, name: EventName, map: &Arc<SeatMap>, id_salt: IdSalt) -> Self {
        Self { hall: Some(Hall::new(map.clone())), ..Self::open(id, name, map.seats_for_sale(), id_salt) }
    }

    /// What people are told of it.
    #[must_use]
    pub fn summary(&self) -> EventSummary {
        EventSummary {
            id: self.id.clone(),
            name: self.name.clone(),
            details: self.details.clone(),
            quotas: self.quotas,
            sales: self.sales,
            has_seat_map: self.hall.is_some(),
            total_seats: self.total_seats,
            available_seats: self.available_seats,
            held_seats: self.held_seats,
            reservation_count: self.reservation_count,
            waitlist_count: self.waitlist_count,
            version: self.version,
        }
    }

    /// Seats that are confirmed or held.
    #[must_use]
    pub fn taken_seats(&self) -> u32 {
        self.total_seats - self.available_seats
    }

    /// The time of a decision for which a clock tells `now`: no change is older than the one before it, whichever process,
    /// with whichever clock, made that.
    #[must_use]
    pub fn time(&self, now: Timestamp) -> Timestamp {
        self.changed_at.map_or(now, |changed_at| changed_at.max(now))
    }

    /// Whether it needs looking after when a clock tells `now`.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due_at.is_some_and(|due_at| due_at <= self.time(now))
    }

    /// Whether somebody waits and seats are free that may be given to those who wait.
    pub(super) fn can_serve_waitlist(&self) -> bool {
        self.waitlist_count > 0 && self.available_seats > 0 && self.sales == Sales::Open
    }

    /// Takes one accepted change into account.
    ///
    /// # Errors
    /// When the change does not fit: its version is not the next one, or seats or counts would leave their bounds.
    /// The event is then unchanged.
    pub fn apply(&mut self, change: &Change) -> Result<(), BrokenInvariant> {
        if change.version() != self.version.next() {
            return Err(self.broken("a change must carry the next version"));
        }
        match change {
            Change::Reservation(step) => self.take(step)?,
            Change::Event(amendment) => self.amend(amendment)?,
            Change::Noted(_) => {}
        }
        self.version = change.version();
        Ok(())
    }

    /// Seats and counts move by what the reservation had before and has after the step.
    fn take(&mut self, step: &Step) -> Result<(), BrokenInvariant> {
        let after = &*step.reservation;
        let seats = after.seats.get();
        let moved = |status: Status, held: u32, amount: u32| {
            let of = |other: Option<Status>| if other == Some(status) { amount } else { 0 };
            held.checked_sub(of(step.before))?.checked_add(of(Some(after.status)))
        };
        let bounds = || self.broken("seats or counts of reservations would leave their bounds");
        let confirmed_seats = moved(Status::Confirmed, self.confirmed_seats, seats).ok_or_else(bounds)?;
        let held_seats = moved(Status::Held, self.held_seats, seats).ok_or_else(bounds)?;
        let reservation_count = moved(Status::Confirmed, self.reservation_count, 1).ok_or_else(bounds)?;
        let hold_count = moved(Status::Held, self.hold_count, 1).ok_or_else(bounds)?;
        let waitlist_count = moved(Status::Waitlisted, self.waitlist_count, 1).ok_or_else(bounds)?;
        let available_seats = confirmed_seats
            .checked_add(held_seats)
            .and_then(|taken| self.total_seats.checked_sub(taken))
            .ok_or_else(|| self.broken("more seats would be taken than there are"))?;
        self.seat(step.before, after)?;

        self.available_seats = available_seats;
        self.confirmed_seats = confirmed_seats;
        self.held_seats = held_seats;
        self.reservation_count = reservation_count;
        self.hold_count = hold_count;
        self.waitlist_count = waitlist_count;
        Ok(())
    }

    /// Moves the named seats of a reservation, if the event's seats have names.
    fn seat(&mut self, before: Option<Status>, after: &Reservation) -> Result<(), BrokenInvariant> {
        let Some(hall) = &mut self.hall else {
            return if after.seat_ids.is_empty() {
                Ok(())
            } else {
                Err(self.broken("a reservation names seats of an event whose seats have no names"))
            };
        };
        let state = |status: Option<Status>| match status {
            Some(Status::Confirmed) => SeatState::Sold,
            Some(Status::Held) => SeatState::Held,
            _ => SeatState::Free,
        };
        let (from, to) = (state(before), state(Some(after.status)));
        let named = u32::try_from(after.seat_ids.len()).unwrap_or(u32::MAX);
        if to != SeatState::Free && named != after.seats.get() {
            return Err(self.broken("a reservation does not name as many seats as it takes"));
        }
        if from == to {
            return Ok(());
        }
        hall.change(&after.seat_ids, from, to).map_err(|_| self.broken("a named seat is not as the reservation says"))
    }

    fn amend(&mut self, amendment: &Amendment) -> Result<(), BrokenInvariant> {
        let available_seats = amendment
            .total_seats
            .checked_sub(self.taken_seats())
            .ok_or_else(|| self.broken("there would be fewer seats than are taken"))?;
        if self.hall.is_some() && amendment.total_seats != self.total_seats {
            return Err(self.broken("the seats of a seat map cannot grow or shrink"));
        }
        self.name = amendment.name.clone();
        self.details = amendment.details.clone();
        self.quotas = amendment.quotas;
        self.sales = amendment.sales;
        self.total_seats = amendment.total_seats;
        self.available_seats = available_seats;
        Ok(())
    }

    /// Checks what must hold at every version, whoever wrote it.
    ///
    /// # Errors
    /// Says which sum is wrong.
    pub fn check(&self) -> Result<(), BrokenInvariant> {
        let taken = self.confirmed_seats.checked_add(self.held_seats);
        if taken.and_then(|taken| taken.checked_add(self.available_seats)) != Some(self.total_seats) {
            return Err(self.broken("available, held and confirmed seats do not add up to all seats"));
        }
        if self.reservation_count > self.confirmed_seats || self.hold_count > self.held_seats {
            return Err(self.broken("there are more reservations than seats that they take"));
        }
        if let Some(hall) = &self.hall
            && (hall.free(), hall.held(), hall.sold()) != (self.available_seats, self.held_seats, self.confirmed_seats)
        {
            return Err(self.broken("the seat map does not show as many free, held and sold seats as are counted"));
        }
        if self.hold_count > 0 && self.due_at.is_none() {
            return Err(self.broken("holds would never lapse"));
        }
        if self.version < Version::INITIAL {
            return Err(self.broken("the version is negative"));
        }
        Ok(())
    }

    pub(super) fn broken(&self, what: &'static str) -> BrokenInvariant {
        BrokenInvariant { event: self.id.clone(), version: self.version, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_sum_is_seen() {
        let name = EventName::parse("A show").expect("a good name");
        let mut event = Event::open(EventId::parse("show").expect("a good id"), name, 10, IdSalt([0; 32]));
        event.check().expect("a new event is sound");
        event.available_seats = 9;
        let why = event.check().expect_err("a seat is missing").to_string();
        assert!(why.contains("show") && why.contains("add up"), "{why}");
    }
}
