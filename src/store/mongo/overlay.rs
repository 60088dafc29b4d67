//! What a journal says over what the collection says: the one place where the two are put together to lists.
//!
//! The collection lags behind the journal: it may show a reservation as it was, lack one that is new, or list one that no
//! longer belongs. It never lacks what the journal does not hold. But the journal may lag, too: keys leave it in any order,
//! so it may hold an old state of a reservation whose newer one is settled and gone from it. A query for what is listed
//! does not find that one when the newer state is off the list. So before an entry is listed that no row stands for, its
//! reservation must be looked up: see [`doubtful`].

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::domain::{Reservation, ReservationId};

/// A list of reservations: which belong to it, and in which order.
pub(super) trait Listing {
    /// What the list is sorted by. No two reservations of a list have the same, and none that is on a list changes it.
    type Place: Ord;

    /// Whether `reservation` is on the list in this state.
    fn lists(&self, reservation: &Reservation) -> bool;

    /// Where `reservation` stands on the list.
    fn place(&self, reservation: &Reservation) -> Self::Place;

    /// Whether an earlier state of `reservation` may be on the list in the collection although this state is not.
    fn may_have_listed(&self, reservation: &Reservation) -> bool {
        reservation.version > reservation.created_version
    }
}

/// The journal's reservations, each in its last state there, or in a newer one that was looked up.
#[derive(Debug, Clone, Default)]
pub(super) struct Newest(HashMap<ReservationId, Arc<Reservation>>);

impl Newest {
    /// The last state of each reservation among `entries`.
    pub(super) fn of(entries: impl IntoIterator<Item = Arc<Reservation>>) -> Self {
        let mut newest = Self::default();
        for entry in entries {
            newest.learn(entry);
        }
        newest
    }

    /// Takes a state into account, if it is newer than what is known.
    pub(super) fn learn(&mut self, state: Arc<Reservation>) {
        let known = self.0.entry(state.id.clone()).or_insert_with(|| state.clone());
        if known.version < state.version {
            *known = state;
        }
    }

    /// Every reservation.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Reservation>> {
        self.0.values()
    }

    /// The reservation of this id.
    pub(super) fn find(&self, id: &ReservationId) -> Option<&Arc<Reservation>> {
        self.0.get(id)
    }

    /// How many rows of the collection may be on the list only because they are out of date.
    pub(super) fn hidden(&self, listing: &impl Listing) -> usize {
        self.iter().filter(|entry| !listing.lists(entry) && listing.may_have_listed(entry)).count()
    }

    /// `row`, or the journal's state of it if that is newer.
    fn over<'a>(&'a self, row: &'a Arc<Reservation>) -> &'a Arc<Reservation> {
        self.find(&row.id).filter(|entry| entry.version > row.version).unwrap_or(row)
    }
}

/// Those of `known`, an overlay over `rows`, that the journal alone speaks for. Unless they were looked up, they may be out
/// of date.
pub(super) fn doubtful<'a>(
    known: &'a [Arc<Reservation>],
    rows: &[Arc<Reservation>],
) -> impl Iterator<Item = ReservationId> + 'a {
    let rows: HashSet<ReservationId> = rows.iter().map(|row| row.id.clone()).collect();
    known.iter().map(|reservation| reservation.id.clone()).filter(move |id| !rows.contains(id))
}

/// The beginning of `listing` as it stands with the journal, as far as it is known, in order.
///
/// `rows` are what the collection lists, in order, from the place where the list is asked for. When they are `truncated`,
/// more may follow the last of them in the collection, and so nothing is known of what comes after it: not even that an
/// entry of the journal is next.
pub(super) fn overlay<L: Listing>(
    listing: &L,
    rows: &[Arc<Reservation>],
    truncated: bool,
    journal: &Newest,
) -> Vec<Arc<Reservation>> {
    let listed: HashMap<&ReservationId, &Arc<Reservation>> = rows.iter().map(|row| (&row.id, row)).collect();
    let only_in_journal = journal.iter().filter(|entry| !listed.contains_key(&entry.id));
    let current = listed.values().map(|row| journal.over(row)).chain(only_in_journal);
    // As it is in the collection, whatever became of it: up to there the collection was read.
    let end = rows.last().map(|row| listing.place(row));
    let is_known = |place: &L::Place| !truncated || end.as_ref().is_some_and(|end| place <= end);
    let mut known: Vec<_> = current
        .filter(|reservation| listing.lists(reservation))
        .map(|reservation| (listing.place(reservation), reservation))
        .filter(|(place, _)| is_known(place))
        .collect();
    known.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    known.into_iter().map(|(_, reservation)| reservation.clone()).collect()
}

#[cfg(test)]
#[path = "overlay_tests.rs"]
mod tests;
