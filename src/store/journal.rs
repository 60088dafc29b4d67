//! The journal of an event, as a snapshot knows it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::domain::{Reservation, Version};

/// The commits whose changes the event carries and its reservations may lack, each under the version that it made. Always
/// empty in a store that writes an event and its reservations as one.
///
/// What an own commit wrote is known entry by entry. A load only counts: most decisions need no more than the event, and the
/// entries weigh a hundred times as much. So there are no entries to be had from here unless they are *all* known; else
/// whoever needs them reads them, at the snapshot's base.
#[derive(Debug, Clone, Default)]
pub struct Journal(BTreeMap<Version, Carried>);

/// Whether a commit's changes were taken out of the event without another commit. Whoever does that tells so here to every
/// snapshot that still lists them; nobody has to remember it for them.
#[derive(Debug, Clone, Default)]
pub struct Trimmed(Arc<AtomicBool>);

impl Trimmed {
    /// Notes that they were.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether they were.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What one commit wrote.
#[derive(Debug, Clone)]
enum Carried {
    /// Reservations, each in its full state after the commit.
    Entries(Arc<[Arc<Reservation>]>, Trimmed),
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
    pub fn insert(&mut self, version: Version, entries: Arc<[Arc<Reservation>]>, trimmed: Trimmed) {
        self.0.insert(version, Carried::Entries(entries, trimmed));
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
                Carried::Entries(entries, _) => all.extend(entries.iter().cloned()),
                Carried::Counted(_) => return None,
            }
        }
        Some(all)
    }

    /// Whether all entries are known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.0.values().all(|carried| matches!(carried, Carried::Entries(..)))
    }

    /// The number of all entries.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        let count = |carried: &Carried| match carried {
            Carried::Entries(entries, _) => entries.len(),
            Carried::Counted(count) => *count,
        };
        // The counts are the database's word.
        self.0.values().map(count).fold(0, usize::saturating_add)
    }

    /// The versions of its commits, in order.
    pub fn versions(&self) -> impl Iterator<Item = Version> {
        self.0.keys().copied()
    }

    /// Leaves out the commits of these versions, and those that were taken out of the event since this journal was made. (Of one
    /// that is only counted nobody knows; but then the event is loaded again before it is decided on.)
    #[must_use]
    pub fn without(mut self, versions: &[Version]) -> Self {
        let is_trimmed = |carried: &Carried| matches!(carried, Carried::Entries(_, trimmed) if trimmed.is_set());
        self.0.retain(|version, carried| !versions.contains(version) && !is_trimmed(carried));
        self
    }

    /// Takes the entries that are only counted here from `known`, which must be a journal of the same base: there, and only
    /// there, the same version is the same commit.
    pub fn recall(&mut self, known: &Self) {
        for (version, carried) in &mut self.0 {
            if let Some(entries @ Carried::Entries(..)) = known.0.get(version) {
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
        journal.insert(Version(3), no_entries(), Trimmed::default());
        assert_eq!(journal.entries(), Some(Vec::new()));
        journal.count(Version(5), 2);
        assert_eq!((journal.entries(), journal.entry_count(), journal.is_known()), (None, 2, false));
        let journal = journal.without(&[Version(5), Version(6)]);
        assert_eq!((journal.entries(), journal.entry_count(), journal.is_known()), (Some(Vec::new()), 0, true));
    }

    #[test]
    fn what_was_known_at_the_same_base_is_recalled_and_nothing_that_has_left_the_event() {
        let mut known = Journal::new();
        known.insert(Version(3), no_entries(), Trimmed::default());
        known.insert(Version(4), no_entries(), Trimmed::default());
        let mut loaded = Journal::new();
        loaded.count(Version(4), 0);
        loaded.recall(&known);
        assert_eq!((loaded.versions().collect::<Vec<_>>(), loaded.entries()), (vec![Version(4)], Some(Vec::new())));
        loaded.count(Version(7), 1);
        loaded.recall(&known);
        assert_eq!(loaded.entries(), None);
    }

    #[test]
    fn what_was_taken_out_of_the_event_is_left_out_of_every_snapshot_that_lists_it() {
        let (mut journal, trimmed) = (Journal::new(), Trimmed::default());
        journal.insert(Version(3), no_entries(), trimmed.clone());
        journal.insert(Version(4), no_entries(), Trimmed::default());
        let mut loaded = Journal::new();
        loaded.count(Version(3), 0);
        loaded.recall(&journal);
        trimmed.set();
        for journal in [journal, loaded] {
            assert!(!journal.without(&[]).versions().any(|version| version == Version(3)));
        }
    }
}
