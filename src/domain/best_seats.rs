//! Which free seats a group gets.
//!
//! 1. **Together.** All seats side by side in one row, if any row has room. Among such places:
//!    - first those that leave no new *orphan*: a free seat between taken seats (or a taken seat and the row's end),
//!      which only a single visitor would want; when every place makes one, it is accepted;
//!    - then the row nearest the front, and in it the lowest number.
//! 2. **In one row.** When no row has room side by side, the row nearest the front that has enough free seats.
//! 3. **In as few rows as possible.** When no row has enough, the row with the most free seats is taken whole (of
//!    several, the one nearest the front), until what is left of the group fits in one row. That rest is then seated by
//!    rules 1 to 3 like a group of its own in the other rows.
//!
//! A group that is scattered in a row is seated in its runs of free seats as rule 3 seats a group in rows: the longest
//! runs are taken whole until the rest fits in one run, without a new orphan if possible. So the parts of a group are
//! as large, and as few, as the taken rows allow.

use std::{cmp::Reverse, ops::Range};

/// What must be known of a row to seat a group there without a look at its seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Openings {
    free: u32,
    longest_run: u32,
    /// Whether there is also a run of exactly one seat less than the longest.
    one_shorter: bool,
}

/// How well a group fits in a row, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Together,
    TogetherBesideOrphan,
    Scattered,
}

impl Openings {
    fn fit(self, group: u32) -> Option<Fit> {
        if group > self.free {
            None
        } else if group > self.longest_run {
            Some(Fit::Scattered)
        } else if self.longest_run - group == 1 && !self.one_shorter {
            // A group leaves no orphan in a run when it fills it, or leaves two seats or more. If the longest run is of
            // no use, only a run of exactly the group's size is: all others are shorter.
            Some(Fit::TogetherBesideOrphan)
        } else {
            Some(Fit::Together)
        }
    }
}

impl FromIterator<Range<u32>> for Openings {
    /// From the runs of free seats in a row.
    fn from_iter<I: IntoIterator<Item = Range<u32>>>(runs: I) -> Self {
        runs.into_iter().fold(Self::default(), |seen, run| {
            let length = run.end - run.start;
            let longest_run = seen.longest_run.max(length);
            let one_shorter = if length > seen.longest_run {
                seen.longest_run + 1 == length
            } else {
                seen.one_shorter || length + 1 == seen.longest_run
            };
            Self { free: seen.free + length, longest_run, one_shorter }
        })
    }
}

/// The places of the best `count` free seats in ascending order, or `None` when fewer are free. `runs` gives the runs
/// of free seats in a row, from the lowest place on; it is asked for the rows that get seats only.
pub(super) fn best<Runs: Iterator<Item = Range<u32>>>(
    rows: &[Openings],
    runs: impl Fn(usize) -> Runs,
    count: u32,
) -> Option<Vec<Range<u32>>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let rows = divide(rows, count)?;
    let mut seats: Vec<Range<u32>> = rows.whole.into_iter().flat_map(&runs).collect();

    let last: Vec<Range<u32>> = runs(rows.last).collect();
    let sizes: Vec<Openings> = last.iter().map(|run| Openings::from_iter([run.clone()])).collect();
    let parts = divide(&sizes, rows.rest)?;
    seats.extend(parts.whole.into_iter().map(|run| last[run].clone()));
    let start = last[parts.last].start;
    seats.push(start..start + parts.rest);

    seats.sort_by_key(|run| run.start);
    Some(seats)
}

/// How a group is divided among rows, or among the runs in a row: all free seats of some, `rest` seats of one more.
struct Division {
    whole: Vec<usize>,
    last: usize,
    rest: u32,
}

fn divide(parts: &[Openings], group: u32) -> Option<Division> {
    if let Some(last) = frontmost(parts, group) {
        return Some(Division { whole: Vec::new(), last, rest: group });
    }
    let mut left = parts.to_vec();
    let mut whole = Vec::new();
    let mut rest = group;
    let mut by_size: Vec<usize> = (0..parts.len()).collect();
    // The sort is stable: of equals, the one nearest the front stays first.
    by_size.sort_by_key(|part| Reverse(parts[*part].free));
    for part in by_size {
        if rest <= parts[part].free {
            let last = frontmost(&left, rest)?;
            return Some(Division { whole, last, rest });
        }
        rest -= parts[part].free;
        left[part] = Openings::default();
        whole.push(part);
    }
    None
}

/// The first of the parts that a group fits best.
fn frontmost(parts: &[Openings], group: u32) -> Option<usize> {
    let mut best = None;
    for (part, openings) in parts.iter().enumerate() {
        match openings.fit(group) {
            Some(Fit::Together) => return Some(part),
            Some(fit) if best.is_none_or(|(best, _)| fit < best) => best = Some((fit, part)),
            _ => {}
        }
    }
    best.map(|(_, part)| part)
}
