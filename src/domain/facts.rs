//! What must be known beside an event to decide commands on it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use uuid::Uuid;

use super::{CHANGES_MAX, Command, Event, OperationRecord, PartnerId, Request, Reservation};

/// Rows of the waitlist that are asked for beside those that can be foreseen, so that one question mostly does.
const WAITLIST_MARGIN: usize = 8;

/// Rows of the holds that are asked for first when one of them is due.
pub const HOLDS_AT_FIRST: usize = 64;

/// Facts about an event's reservations, as they stand at the event's version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Those that were asked for by the uuid part of their id. One that was asked for and is absent does not exist.
    pub reservations: HashMap<Uuid, Arc<Reservation>>,
    /// Records of operations that were asked for by their uuid. One that was asked for and is absent does not exist.
    pub operations: HashMap<Uuid, Arc<OperationRecord>>,
    /// The front of the waitlist, in the order in which they joined (by `created_version`).
    pub waitlist: Vec<Arc<Reservation>>,
    /// The holds that lapse first, by `expires_at` and then `created_version`.
    pub holds: Vec<Arc<Reservation>>,
    /// The active reservations (confirmed, held, waitlisted) of each partner that was asked for.
    pub partners: HashMap<PartnerId, Vec<Arc<Reservation>>>,
}

/// The facts that are needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Reservations by the uuid part of their id.
    pub reservations: Vec<Uuid>,
    /// Records of operations by their uuid.
    pub operations: Vec<Uuid>,
    /// How many from the front of the waitlist; fewer only when there are no more.
    pub waitlist: usize,
    /// How many of the holds that lapse first; fewer only when there are no more.
    pub holds: usize,
    /// Partners whose active reservations are to be known; each once.
    pub partners: Vec<PartnerId>,
}

impl Wanted {
    /// Whether the event alone tells enough.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reservations.is_empty()
            && self.operations.is_empty()
            && self.waitlist == 0
            && self.holds == 0
            && self.partners.is_empty()
    }

    /// Takes in what `missing` asks for too.
    pub fn extend(&mut self, missing: Self) {
        self.reservations.extend(missing.reservations);
        self.operations.extend(missing.operations);
        self.waitlist = self.waitlist.max(missing.waitlist);
        self.holds = self.holds.max(missing.holds);
        self.partners.extend(missing.partners);
    }
}

/// The facts that most likely suffice to decide `commands` on `event` at `now`. Where they do not, [`super::decide()`] says
/// what is missing.
///
/// A reservation whose id was minted for this very request cannot exist yet, so it is asked for only when an earlier
/// attempt may have made it (`attempted`).
#[must_use]
pub fn facts_needed<'a>(
    event: &Event,
    commands: impl IntoIterator<Item = &'a Command>,
    now: Timestamp,
    attempted: bool,
) -> Wanted {
    facts_needed_within(event, commands, now, attempted, HOLDS_AT_FIRST)
}

/// The same for a decision that is likely to lapse `holds` holds without being asked.
#[must_use]
pub fn facts_needed_within<'a>(
    event: &Event,
    commands: impl IntoIterator<Item = &'a Command>,
    now: Timestamp,
    attempted: bool,
    holds: usize,
) -> Wanted {
    let mut wanted = Wanted::default();
    let mut seats = 0_u32;
    let mut may_free_seats = false;
    let mut may_limit_partners = event.quotas.limit_partners();
    let mut partners = HashSet::new();
    for command in commands {
        let is_new = matches!(command.request, Request::Reserve(_)) && command.key().is_none();
        if attempted || !is_new {
            wanted.reservations.extend(command.reservation_uuid(&event.id_salt));
        }
        if let Request::Reserve(reserve) = &command.request {
            seats = seats.saturating_add(reserve.seats.get());
        }
        if attempted || command.key().is_some() {
            wanted.operations.extend(command.record_uuid(&event.id_salt));
        }
        match &command.request {
            Request::Reserve(reserve) if may_limit_partners && partners.insert(&reserve.partner_id) => {
                wanted.partners.push(reserve.partner_id.clone());
            }
            Request::Amend(amend) => may_limit_partners |= amend.limits_partners(),
            _ => {}
        }
        may_free_seats |= matches!(command.request, Request::Cancel(_) | Request::Amend(_));
    }
    if event.is_due(now) {
        // Whoever wants more seats than are free may have those of holds that are over.
        let short = if event.waitlist_count > 0 { 0 } else { seats.saturating_sub(event.available_seats) };
        wanted.holds = holds.saturating_add((short as usize).min(CHANGES_MAX)).min(event.hold_count as usize);
        may_free_seats |= wanted.holds > 0;
    }
    if event.waitlist_count > 0 && (may_free_seats || event.can_serve_waitlist()) {
        let served = event.available_seats as usize + wanted.holds + wanted.reservations.len();
        wanted.waitlist = (served + WAITLIST_MARGIN).min(CHANGES_MAX).min(event.waitlist_count as usize);
    }
    wanted
}
