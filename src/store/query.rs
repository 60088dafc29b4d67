//! What lists of reservations can be asked for, in which order they come, and where a list goes on.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::{EventId, PartnerId, Reservation, Status, Version};

/// Which reservations are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationQuery {
    /// Whose or of what.
    pub scope: Scope,
    /// Only those of this status.
    pub status: Option<Status>,
    /// Only those made at this time or later.
    pub created_from: Option<Timestamp>,
    /// Only those made before this time.
    pub created_to: Option<Timestamp>,
    /// Only those that come after this place.
    pub after: Option<Place>,
    /// How many at most.
    pub limit: usize,
}

/// Whose or of what reservations are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of an event, in the order in which they were made.
    Event(EventId),
    /// A partner's of one event, in the order in which they were made.
    PartnerOfEvent(PartnerId, EventId),
    /// A partner's of all events: event by event in the order of their ids, each in the order in which they were made.
    Partner(PartnerId),
}

/// A reservation's place in every list: by its event, when it was made, and at which version. No two are the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its event.
    pub event_id: EventId,
    /// When it was made.
    pub created_at: Timestamp,
    /// The event's version that made it.
    pub created_version: Version,
}

/// A page of a list of reservations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReservationPage {
    /// What belongs on the list, in its order, from where it was asked for.
    pub reservations: Vec<Arc<Reservation>>,
    /// Where the list goes on; `None` at its end. Up to here nothing is missing, and more may follow. It may lie far behind the
    /// last reservation of the page: what is between them was looked at and is not on the list.
    pub next: Option<Place>,
}

impl ReservationPage {
    /// A page of `reservations`, of a list that was searched up to `end` (`None`: as far as it goes). When the page is full,
    /// what follows its last reservation was not looked at.
    #[must_use]
    pub fn new(reservations: Vec<Arc<Reservation>>, limit: usize, end: Option<Place>) -> Self {
        let last = reservations.last().filter(|_| reservations.len() >= limit);
        let next = last.map(|last| Place::of(last)).or(end);
        Self { reservations, next }
    }
}

impl Place {
    /// What comes after everything of an event, and before all events with a greater id.
    #[must_use]
    pub fn end_of(event_id: EventId) -> Self {
        // The last moment that is told in whole milliseconds, as places are kept: the very last one cannot be read back.
        let created_at = Timestamp::from_second(Timestamp::MAX.as_second()).unwrap_or(Timestamp::MAX);
        Self { event_id, created_at, created_version: Version(i64::MAX) }
    }

    /// Where `reservation` stands in a list.
    #[must_use]
    pub fn of(reservation: &Reservation) -> Self {
        Self {
            event_id: reservation.id.event_id.clone(),
            created_at: reservation.created_at,
            created_version: reservation.created_version,
        }
    }
}

impl ReservationQuery {
    /// Whether `reservation` belongs into the answer, whatever the limit.
    #[must_use]
    pub fn matches(&self, reservation: &Reservation) -> bool {
        let in_scope = match &self.scope {
            Scope::Event(event_id) => reservation.id.event_id == *event_id,
            Scope::PartnerOfEvent(partner_id, event_id) => {
                reservation.partner_id == *partner_id && reservation.id.event_id == *event_id
            }
            Scope::Partner(partner_id) => reservation.partner_id == *partner_id,
        };
        in_scope
            && self.status.is_none_or(|status| reservation.status == status)
            && self.created_from.is_none_or(|from| reservation.created_at >= from)
            && self.created_to.is_none_or(|to| reservation.created_at < to)
            && self.after.as_ref().is_none_or(|after| Place::of(reservation) > *after)
    }
}
