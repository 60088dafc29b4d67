//! The journal of an event, as a snapshot knows it.

use std::{collections::BTreeMap, sync::Arc};

use crate::domain::{Reservation, Version};

/// The commits whose changes the event carries and its reservations may lack, each under the version that it made. Always
/// empty in a store that writes an event and its reservations as one.
///
/// What an own commit wrote is known entry by entry. A load only counts: most decisions need no more than the event, and the
/// entries weigh a hundred times as much. So there are no entries to be had from here unless they are *all* known; else
/// whoever needs them reads them, at the snapshot's base.
#[derive(Debug, Clone, Default)]
pub struct Journal(BTreeMap<Version, Carried>);

/// What one commit wrote.
#[derive(Debug, Clone)]
enum Carried {
    /// Reservations, each in its full state after the commit.
    Entries(Arc<[Arc<Reservation>]>),
    /// So many of them.
    Counted(usize),
}

impl Journal {
    /// A journal without commits.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a commit with all that it wrote.
    pub fn insert(&mut self, version: Version, entries: Arc<[Arc<Reservation>]>) {
        self.0.insert(version, Carried::Entries(entries));
    }

    /// Adds a commit of which only the number of its entries is known.
    pub fn count(&mut self, version: Version, entries: usize) {
        self.0.insert(version, Carried::Counted(entries));
    }

    /// All entries, or `None` when some of them are only counted.
    #[must_use]
    pub fn entries(&self) -> Option<Vec<Arc<Reservation>>> {
        let mut all = Vec::new();
        for carried in self.0.values() {
            match carried {
                Carried::Entries(entries) => all.extend(entries.iter().cloned()),
                Carried::Counted(_) => return None,
            }
        }
        Some(all)
    }

    /// Whether all entries are known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.0.values().all(|carried| matches!(carried, Carried::Entries(_)))
    }

    /// The number of all entries.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        let count = |carried: &Carried| match carried {
            Carried::Entries(entries) => entries.len(),
            Carried::Counted(count) => *count,
        };
        // The counts are the database's word.
        self.0.values().map(count).fold(0, usize::saturating_add)
    }

    /// The versions of its commits, in order.
    pub fn versions(&self) -> impl Iterator<Item = Version> {
        self.0.keys().copied()
    }

    /// Leaves out the commits of these versions.
    #[must_use]
    pub fn without(mut self, versions: &[Version]) -> Self {
        self.0.retain(|version, _| !versions.contains(version));
        self
    }

    /// Takes the entries that are only counted here from `known`, which must be a journal of the same base: there, and only
    /// there, the same version is the same commit.
    pub fn recall(&mut self, known: &Self) {
        for (version, carried) in &mut self.0 {
            if let Some(entries @ Carried::Entries(_)) = known.0.get(version) {
                *carried = entries.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_entries() -> Arc<[Arc<Reservation>]> {
        Arc::new([])
    }

    #[test]
    fn entries_are_given_only_when_all_of_them_are_known() {
        let mut journal = Journal::new();
        journal.insert(Version(3), no_entries());
        assert_eq!(journal.entries(), Some(Vec::new()));
        journal.count(Version(5), 2);
        assert_eq!((journal.entries(), journal.entry_count(), journal.is_known()), (None, 2, false));
        let journal = journal.without(&[Version(5), Version(6)]);
        assert_eq!((journal.entries(), journal.entry_count(), journal.is_known()), (Some(Vec::new()), 0, true));
    }

    #[test]
    fn what_was_known_at_the_same_base_is_recalled_and_nothing_that_has_left_the_event() {
        let mut known = Journal::new();
        known.insert(Version(3), no_entries());
        known.insert(Version(4), no_entries());
        let mut loaded = Journal::new();
        loaded.count(Version(4), 0);
        loaded.recall(&known);
        assert_eq!((loaded.versions().collect::<Vec<_>>(), loaded.entries()), (vec![Version(4)], Some(Vec::new())));
        loaded.count(Version(7), 1);
        loaded.recall(&known);
        assert_eq!(loaded.entries(), None);
    }
}
