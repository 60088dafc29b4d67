//! What is wanted, as one table, and the verdicts on it.
//!
//! Nearly every target is a ratio of two figures of the same scenario, because both sides then met the same machine in
//! the same minute. The ratio is taken for each repetition, and the median of the ratios is judged.

use std::collections::BTreeMap;

use super::figures::{Figure, Sample, Spread};

/// One target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// The scenario that both sides belong to.
    pub(crate) scenario: &'static str,
    /// A side of the scenario by its name, and the figure of it that counts.
    pub(crate) of: (&'static str, Figure),
    /// What it is divided by; `None` when the figure counts as it is.
    pub(crate) over: Option<(&'static str, Figure)>,
    /// What is wanted.
    pub(crate) bound: Bound,
}

/// A limit, which itself is good enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// So much more than the other side at most: the difference counts, not the ratio.
    MoreByAtMost(f64),
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) value: Spread,
    pub(crate) met: bool,
}

/// The runs of one scenario, by the sides' names.
pub(crate) type Sides = BTreeMap<String, Vec<Sample>>;

use Bound::{AtLeast, AtMost, MoreByAtMost};
use Figure::{Conflicts, P50, P99, PerSecond, ServerMegabytes, ShedP99};

/// All targets. The sides' names are those of `scenarios.rs`.
pub(crate) static TARGETS: &[Target] = &[
    ratio("limits", "one-node, 256 clients", "one-node, insertMany", AtLeast(0.35)),
    ratio("limits", "three-node, 256 clients", "three-node, insertMany", AtLeast(0.35)),
    ratio("limits", "three-node, 1024 clients", "three-node, insertMany", AtLeast(0.45)),
    ratio("limits", "embedded, 256 clients", "GET /health, 256 clients", AtLeast(0.60)),
    ratio("baselines", "one-node, 256 clients", "textbook, 256 clients", AtLeast(500.0)),
    ratio("baselines", "one-node, 256 clients", "guarded $inc, 256 clients", AtLeast(15.0)),
    figures("one-client", ("one-node, 1 client", P50), ("textbook, 1 client", P50), AtMost(0.6)),
    ratio("reads", "embedded, GET /reservations", "embedded, GET /health", AtLeast(0.80)),
    ratio("reads", "one-node, GET /reservations", "one-node, GET /health", AtLeast(0.50)),
    ratio("sold-out", "one-node, refusals", "one-node, GET /health", AtLeast(0.50)),
    ratio("processes", "2 processes", "1 process", AtLeast(0.80)),
    ratio("processes", "4 processes", "1 process", AtLeast(0.60)),
    figures("processes", ("2 processes", P99), ("1 process", P99), AtMost(3.0)),
    figures("processes", ("4 processes", P99), ("1 process", P99), AtMost(3.0)),
    alone("processes", "2 processes", Conflicts, AtMost(0.0)),
    alone("processes", "4 processes", Conflicts, AtMost(0.0)),
    ratio("million", "embedded, start to end", "GET /health, 256 clients", AtLeast(0.60)),
    ratio("growth", "embedded, grown", "embedded, empty", AtLeast(0.90)),
    ratio("growth", "one-node, grown", "one-node, empty", AtLeast(0.90)),
    alone("growth", "embedded, grown", ServerMegabytes, AtMost(150.0)),
    alone("growth", "one-node, grown", ServerMegabytes, AtMost(150.0)),
    ratio("overload", "one-node slowed, offered 3 x peak", "one-node slowed, peak", AtLeast(0.90)),
    figures(
        "overload",
        ("one-node slowed, offered 3 x peak", ShedP99),
        ("one-node slowed, offered 3 x peak", P50),
        AtMost(1.0),
    ),
    ratio("many-events", "embedded, 1000 events", "embedded, one event", AtLeast(0.80)),
    ratio("many-events", "one-node, 1000 events", "one-node, findOneAndUpdate", AtLeast(0.60)),
    ratio("named-seats", "embedded, seat map", "embedded, general admission", AtLeast(0.70)),
    ratio("named-seats", "one-node, seat map", "one-node, general admission", AtLeast(0.70)),
    ratio("hostile", "embedded, pipelining", "embedded, undisturbed", AtLeast(0.80)),
    figures("hostile", ("embedded, pipelining", P99), ("embedded, undisturbed", P99), AtMost(3.0)),
    figures("hostile", ("embedded, everything", P99), ("embedded, undisturbed", P99), AtMost(10.0)),
    ratio("hostile", "embedded, everything", "embedded, undisturbed", AtLeast(0.50)),
    figures(
        "hostile",
        ("embedded, everything", ServerMegabytes),
        ("embedded, undisturbed", ServerMegabytes),
        MoreByAtMost(100.0),
    ),
];

const fn ratio(scenario: &'static str, of: &'static str, over: &'static str, bound: Bound) -> Target {
    figures(scenario, (of, PerSecond), (over, PerSecond), bound)
}

const fn figures(
    scenario: &'static str,
    of: (&'static str, Figure),
    over: (&'static str, Figure),
    bound: Bound,
) -> Target {
    Target { scenario, of, over: Some(over), bound }
}

const fn alone(scenario: &'static str, of: &'static str, figure: Figure, bound: Bound) -> Target {
    Target { scenario, of: (of, figure), over: None, bound }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            AtLeast(least) => value >= least,
            AtMost(most) | MoreByAtMost(most) => value <= most,
        }
    }
}

impl Target {
    /// The verdict on these runs; `None` when a side was not run or did not measure the figure.
    pub(crate) fn judge(&self, sides: &Sides) -> Option<Verdict> {
        let figures = |(side, figure): (&str, Figure)| -> Option<Vec<f64>> {
            sides.get(side)?.iter().map(|sample| figure.of(sample)).collect()
        };
        let mut values = figures(self.of)?;
        if let Some(over) = self.over {
            let below = figures(over)?;
            // Nothing done at all on the other side says nothing about this one.
            if below.len() != values.len() || below.contains(&0.0) {
                return None;
            }
            let compare = |(value, below): (&f64, f64)| match self.bound {
                MoreByAtMost(_) => value - below,
                AtLeast(_) | AtMost(_) => value / below,
            };
            values = values.iter().zip(below).map(compare).collect();
        }
        let value = Spread::of(values)?;
        Some(Verdict { value, met: self.bound.holds(value.median) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(one: &[f64], other: &[f64]) -> Sides {
        let samples = |rates: &[f64]| {
            rates.iter().map(|rate| Sample { per_second: *rate, ..Sample::default() }).collect::<Vec<_>>()
        };
        [("one".to_owned(), samples(one)), ("other".to_owned(), samples(other))].into()
    }

    #[test]
    fn the_median_of_the_pairs_ratios_is_judged() {
        let target = ratio("any", "one", "other", AtLeast(2.0));
        // The machine was twice as slow in the second repetition, for both.
        let verdict = target.judge(&sides(&[20.0, 10.0, 19.0], &[10.0, 5.0, 10.0])).expect("both sides ran");
        assert_eq!(verdict, Verdict { value: Spread { median: 2.0, min: 1.9, max: 2.0 }, met: true });
        assert!(!target.judge(&sides(&[19.9], &[10.0])).expect("both sides ran").met);
        assert!(ratio("any", "one", "other", AtMost(2.0)).judge(&sides(&[1.0], &[1.0])).expect("both sides ran").met);
    }

    #[test]
    fn a_difference_may_be_judged_instead() {
        let target = ratio("any", "one", "other", MoreByAtMost(100.0));
        let verdict = target.judge(&sides(&[180.0, 199.0, 230.0], &[100.0; 3])).expect("both sides ran");
        assert_eq!(verdict, Verdict { value: Spread { median: 99.0, min: 80.0, max: 130.0 }, met: true });
        assert!(!target.judge(&sides(&[201.0], &[100.0])).expect("both sides ran").met);
    }

    #[test]
    fn there_is_no_verdict_without_both_sides() {
        assert_eq!(ratio("any", "one", "none", AtLeast(2.0)).judge(&sides(&[1.0], &[1.0])), None);
        assert_eq!(ratio("any", "one", "other", AtLeast(2.0)).judge(&sides(&[1.0, 1.0], &[1.0])), None);
        assert_eq!(ratio("any", "one", "other", AtLeast(2.0)).judge(&sides(&[1.0], &[0.0])), None);
        assert_eq!(alone("any", "one", P50, AtMost(2.0)).judge(&sides(&[1.0], &[])), None);
    }
}
