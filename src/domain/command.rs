//! What can be asked of an event, and what can come of it.

use std::{num::NonZeroU32, sync::Arc};

use uuid::Uuid;

use super::{
    Description, Details, EventName, EventSummary, Fingerprint, HoldSeconds, IdSalt, IdempotencyKey, Location, Moment,
    OperationId, PartnerId, Price, Quotas, Reservation, ReservationId, Sales, SeatCount, SeatId, Status, Version,
    fingerprint::{keyed_uuid, operation_uuid},
};

/// One request to change an event. Its ids are fixed when the request arrives, so that deciding it anew after an
/// unclear outcome comes to the same change, or finds the one that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// How its effect is known again.
    pub operation: OperationId,
    /// The versions of the event at which it may act; `None` means at any.
    pub expected: Option<Expected>,
    /// What is asked.
    pub request: Request,
}

/// What `If-Match` and `If-None-Match` ask for together (RFC 9110 sections 13.1.1 and 13.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// `*`: at any version, as long as there is an event.
    Any,
    /// Only at one of these versions.
    Versions(Vec<Version>),
    /// At any but these versions.
    Except(Vec<Version>),
}

impl Expected {
    /// Whether the condition holds at `version`.
    #[must_use]
    pub fn holds_at(&self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
            Self::Except(versions) => !versions.contains(&version),
        }
    }
}

/// What a command asks for. A uuid is a reservation's own part of its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Seats for a partner.
    Reserve(Reserve),
    /// Giving a reservation's seats back, or its place on the waitlist up.
    Cancel(Uuid),
    /// Keeping the seats of a hold for good.
    Confirm(Uuid),
    /// Other terms for the event itself.
    Amend(Box<Amend>),
}

/// A request for seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// The uuid that the reservation gets when the request carries no key.
    pub minted: Uuid,
    /// Who asks.
    pub partner_id: PartnerId,
    /// For how many.
    pub seats: SeatCount,
    /// For which; empty when any will do. Else as many as `seats`, each once.
    pub seat_ids: Arc<[SeatId]>,
    /// Whether to wait for seats when they are not there.
    pub waitlist: bool,
    /// For how long to hold the seats; `None` when they are wanted for good.
    pub hold: Option<HoldSeconds>,
}

impl Reserve {
    /// A request for any seats, for good, at once.
    #[must_use]
    pub fn any(minted: Uuid, partner_id: PartnerId, seats: SeatCount) -> Self {
        Self { minted, partner_id, seats, seat_ids: Arc::default(), waitlist: false, hold: None }
    }
}

/// What to change about an event; `None` leaves it as it is, and an inner `None` takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amend {
    /// What people call it.
    pub name: Option<EventName>,
    /// What it is.
    pub description: Option<Option<Description>>,
    /// When it begins.
    pub starts_at: Option<Option<Moment>>,
    /// Where it is.
    pub location: Option<Option<Location>>,
    /// What a seat costs.
    pub price: Option<Option<Price>>,
    /// Seats of one reservation.
    pub seats_per_reservation_max: Option<Option<NonZeroU32>>,
    /// Seats of one partner.
    pub seats_per_partner_max: Option<Option<NonZeroU32>>,
    /// Reservations of one partner.
    pub reservations_per_partner_max: Option<Option<NonZeroU32>>,
    /// Whether new reservations are taken.
    pub sales: Option<Sales>,
    /// How many seats there are for sale.
    pub total_seats: Option<u32>,
}

impl Amend {
    /// Whether what a partner has must be known before the partner gets more, once these are the event's terms.
    #[must_use]
    pub fn limits_partners(&self) -> bool {
        let limits = |max: &Option<Option<NonZeroU32>>| max.is_some_and(|max| max.is_some());
        limits(&self.seats_per_partner_max) || limits(&self.reservations_per_partner_max)
    }
}

impl Command {
    /// The request's `Idempotency-Key`, if it carried one.
    #[must_use]
    pub fn key(&self) -> Option<&IdempotencyKey> {
        match &self.operation {
            OperationId::Key(key) => Some(key),
            OperationId::Minted(_) | OperationId::Unasked => None,
        }
    }

    /// The uuid of the reservation that this command makes or changes, in the event that has `salt`; `None` when it is about
    /// the event itself.
    #[must_use]
    pub fn reservation_uuid(&self, salt: &IdSalt) -> Option<Uuid> {
        match (&self.request, self.key()) {
            (Request::Reserve(reserve), Some(key)) => Some(keyed_uuid(salt, &reserve.partner_id, key)),
            (Request::Reserve(reserve), None) => Some(reserve.minted),
            (Request::Cancel(uuid) | Request::Confirm(uuid), _) => Some(*uuid),
            (Request::Amend(_), _) => None,
        }
    }

    /// The uuid of the record that this command leaves, or that tells what became of it, in the event that has `salt`; `None`
    /// when it is known by a reservation alone.
    #[must_use]
    pub fn record_uuid(&self, salt: &IdSalt) -> Option<Uuid> {
        match (&self.request, self.key()) {
            (Request::Amend(_), _) => operation_uuid(salt, None, &self.operation),
            (Request::Cancel(uuid) | Request::Confirm(uuid), Some(_)) => {
                operation_uuid(salt, Some(*uuid), &self.operation)
            }
            _ => None,
        }
    }

    /// The fingerprint that a retry of this command is compared by. Commands without a key need none, and neither do
    /// those that say nothing but which reservation they are about.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.key()?;
        match &self.request {
            Request::Reserve(reserve) => Some(Fingerprint::of_reserve(reserve)),
            Request::Amend(amend) => Some(Fingerprint::of_amend(amend)),
            Request::Cancel(_) | Request::Confirm(_) => None,
        }
    }
}

/// One accepted change, which makes one version of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A reservation's step from one state to the next.
    Reservation(Step),
    /// Other terms for the event itself.
    Event(Box<Amendment>),
    /// Nothing but that it was asked under a key: the version with which its record travels.
    Noted(Version),
}

impl Change {
    /// The version that the change makes.
    #[must_use]
    pub fn version(&self) -> Version {
        match self {
            Self::Reservation(step) => step.reservation.version,
            Self::Event(amendment) => amendment.version,
            Self::Noted(version) => *version,
        }
    }

    /// The step, if it is a reservation's.
    #[must_use]
    pub fn step(&self) -> Option<&Step> {
        match self {
            Self::Reservation(step) => Some(step),
            Self::Event(_) | Self::Noted(_) => None,
        }
    }
}

/// A reservation's step from one state to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The reservation's status before; `None` when the step made it.
    pub before: Option<Status>,
    /// The reservation after it; its `version` is the one that the step made.
    pub reservation: Arc<Reservation>,
}

/// The terms of an event after an amendment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// The version that it makes.
    pub version: Version,
    /// What people call the event.
    pub name: EventName,
    /// What it says about itself.
    pub details: Arc<Details>,
    /// How much one reservation or partner may take.
    pub quotas: Quotas,
    /// Whether new reservations are taken.
    pub sales: Sales,
    /// How many seats there are for sale.
    pub total_seats: u32,
}

/// What a command was about, as its answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A reservation. One that was cancelled too, if that served nobody.
    Reservation(Arc<Reservation>),
    /// A reservation that was cancelled, and who has seats for it.
    Cancellation(Box<Cancellation>),
    /// The event itself.
    Event(Box<EventSummary>),
}

/// A reservation that was cancelled, and what that led to at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// The reservation as it is then.
    pub cancelled: Arc<Reservation>,
    /// Those who left the waitlist for its seats in the same commit, in their order, as they are then: the first
    /// [`super::operation::PROMOTED_MAX`] of them. What one commit had no room for follows with the next, untold.
    pub promoted: Vec<Arc<Reservation>>,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done now; what it was about as it stands right after.
    Accepted(Subject),
    /// It had been done before; what it was about as it stood right after that.
    Replayed(Subject),
    /// Nothing had to be done, because the reservation is as it was asked to be.
    AlreadySo(Arc<Reservation>),
    /// A rule forbids it.
    Refused(Rejection),
}

/// Why a rule forbids a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Fewer seats are free than were asked for, or others wait for them.
    #[error("{requested} seats were asked for and {available} are available{}", others_wait(*.waiting))]
    InsufficientSeats {
        /// How many were asked for.
        requested: u32,
        /// How many are free.
        available: u32,
        /// How many reservations wait for them.
        waiting: u32,
    },
    /// Named seats that somebody else has, or that are not for sale.
    #[error("these seats are taken: {}", list(.0))]
    SeatTaken(Vec<SeatId>),
    /// Named seats that the event does not have, though it has others.
    #[error("the event has no such seats: {}", list(.0))]
    UnknownSeats(Vec<SeatId>),
    /// Seats were named of an event whose seats have no names.
    #[error("the event has no such seats: {}", list(.0))]
    SeatsHaveNoNames(Vec<SeatId>),
    /// More seats than one reservation of this event may take.
    #[error("one reservation of this event may take {max} seats at most")]
    TooManySeats {
        /// The event's limit.
        max: u32,
    },
    /// More than one partner may have of this event.
    #[error("one partner may have {max} {} of this event at most, and this one has {taken}", .what.as_str())]
    PartnerLimit {
        /// What is limited.
        what: Limited,
        /// The event's limit.
        max: u32,
        /// What the partner has already.
        taken: u32,
    },
    /// New reservations are not taken at this time.
    #[error("sales of this event are paused")]
    SalesPaused,
    /// New reservations are not taken any more.
    #[error("sales of this event are closed")]
    SalesClosed,
    /// The hold's time was over before it was confirmed.
    #[error("the hold had expired before it was confirmed")]
    HoldExpired,
    /// A reservation on the waitlist has no seats to confirm.
    #[error("the reservation waits for its seats, so there is nothing to confirm yet")]
    NothingHeld,
    /// No such reservation, or it is cancelled already.
    #[error("there is no such active reservation: {0}")]
    UnknownReservation(ReservationId),
    /// The reservation was held, and its time is over; or it waited for more seats than the event has any more. There is
    /// nothing to give back.
    #[error("the reservation has expired: {0}")]
    ReservationExpired(ReservationId),
    /// An event cannot have fewer seats than are taken.
    #[error("{taken} seats are taken, so there cannot be only {requested}")]
    SeatsTaken {
        /// How many seats there should be.
        requested: u32,
        /// How many are confirmed or held.
        taken: u32,
    },
    /// The number of seats of an event with a seat map is that of its map.
    #[error("the number of seats is given by the seat map and cannot be changed")]
    SeatsAreMapped,
    /// The event is not at an expected version.
    #[error("the event is at version {current}")]
    PreconditionFailed {
        /// Where the event is.
        current: Version,
    },
    /// The key was used for another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
}

/// What a partner may have only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Seats.
    Seats,
    /// Reservations.
    Reservations,
}

impl Limited {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seats => "seats",
            Self::Reservations => "reservations",
        }
    }

    /// The word for one of it.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Seats => "seat",
            Self::Reservations => "reservation",
        }
    }
}

fn others_wait(waiting: u32) -> String {
    match waiting {
        0 => String::new(),
        1 => ", for which one reservation waits".to_owned(),
        more => format!(", for which {more} reservations wait"),
    }
}

fn list(seats: &[SeatId]) -> String {
    let seats: Vec<_> = seats.iter().map(ToString::to_string).collect();
    seats.join(", ")
}
