//! Faults in what is asked of the sound store, and in what becomes of its answers.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ticketboss::{
    domain::{Facts, Reservation, Version, Wanted},
    store::{Place, ReservationQuery, Scope},
};

use super::Fault;

/// More than any check makes.
const ALL: usize = 10_000;

/// The facts that the faulty store asks for.
pub(super) fn asked(fault: Fault, wanted: &Wanted) -> Wanted {
    let mut asked = wanted.clone();
    match fault {
        Fault::WaitlistByUuid => asked.waitlist = ALL,
        Fault::HoldsByCreation => asked.holds = ALL,
        _ => {}
    }
    asked
}

/// What the faulty store makes of facts.
pub(super) fn facts(fault: Fault, wanted: &Wanted, facts: &mut Facts) {
    match fault {
        Fault::WaitlistByUuid => {
            facts.waitlist.sort_by_key(|reservation| reservation.id.uuid);
            facts.waitlist.truncate(wanted.waitlist);
        }
        Fault::WaitlistShort => drop(facts.waitlist.pop()),
        Fault::HoldsByCreation => {
            facts.holds.sort_by_key(|reservation| reservation.created_version);
            facts.holds.truncate(wanted.holds);
        }
        Fault::HoldsShort => drop(facts.holds.pop()),
        Fault::PartnersShort => facts.partners.values_mut().for_each(|active| drop(active.pop())),
        Fault::PartnersLeftOut => facts.partners.retain(|_, active| !active.is_empty()),
        _ => {}
    }
}

/// Adds to a roll who was ever on it.
pub(super) fn remember(ever: &mut Vec<Arc<Reservation>>, roll: &mut Vec<Arc<Reservation>>, wanted: usize) {
    for reservation in &*roll {
        if !ever.iter().any(|before| before.id == reservation.id) {
            ever.push(reservation.clone());
        }
    }
    *roll = ever.iter().take(wanted).cloned().collect();
}

/// The list that the faulty store asks for.
pub(super) fn query(fault: Fault, query: &ReservationQuery) -> ReservationQuery {
    let mut asked = query.clone();
    let moment = SignedDuration::from_millis(1);
    match fault {
        Fault::ListsEndlessly => asked.limit = ALL,
        Fault::ListsOthers => match &query.scope {
            Scope::PartnerOfEvent(_, event_id) => asked.scope = Scope::Event(event_id.clone()),
            Scope::Event(_) | Scope::Partner(_) => {}
        },
        Fault::ListsEveryStatus | Fault::LimitsBeforeFiltering => asked.status = None,
        Fault::FromExclusive => asked.created_from = query.created_from.map(|from| from + moment),
        Fault::ToInclusive => asked.created_to = query.created_to.map(|to| to + moment),
        Fault::PagesRepeat => asked.after = at_version(query, |version| version - 1),
        Fault::PagesSkip => asked.after = at_version(query, |_| i64::MAX),
        Fault::PagesSkipEvents => {
            asked.after = query.after.clone().map(|after| Place { created_at: Timestamp::MAX, ..after });
        }
        _ => {}
    }
    asked
}

/// The place where the list is to go on, at another version.
fn at_version(query: &ReservationQuery, other: impl Fn(i64) -> i64) -> Option<Place> {
    let after = query.after.clone()?;
    Some(Place { created_version: Version(other(after.created_version.0)), ..after })
}

/// Where the faulty store says that a list goes on.
pub(super) fn next(fault: Fault, query: &ReservationQuery, listed: &[Arc<Reservation>], next: &mut Option<Place>) {
    match fault {
        Fault::ListsEndEarly if listed.len() < query.limit => *next = None,
        Fault::ListsGoOnFromLast => *next = listed.last().map(|last| Place::of(last)),
        Fault::ListsGoOnTooFar => {
            if let Some(next) = next {
                next.created_version = Version(next.created_version.0 + 1);
            }
        }
        _ => {}
    }
}

/// What the faulty store makes of a list.
pub(super) fn list(fault: Fault, query: &ReservationQuery, listed: &mut Vec<Arc<Reservation>>) {
    match fault {
        Fault::ListsBackwards => listed.reverse(),
        Fault::ListsShort => drop(listed.pop()),
        Fault::LimitsBeforeFiltering => listed.retain(|reservation| query.matches(reservation)),
        Fault::ListsOneEvent => {
            if let Some(first) = listed.first().map(|reservation| reservation.id.event_id.clone()) {
                listed.retain(|reservation| reservation.id.event_id == first);
            }
        }
        _ => {}
    }
}
