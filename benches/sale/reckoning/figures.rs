//! What one run gives, and what several runs of the same thing give together.

use std::collections::BTreeMap;

use super::tally::Latency;

/// The outcome of one run. What could not be measured honestly is left out.
#[derive(Debug, Clone, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sample {
    /// How long it was measured.
    pub(crate) seconds: f64,
    /// What was to be done, done per second: reservations accepted, pages read, documents written.
    pub(crate) per_second: f64,
    /// Answers within the window, by status and problem code.
    pub(crate) answers: BTreeMap<String, u64>,
    /// Requests of an open loop that could not be sent before the end, because all connections waited.
    pub(crate) unsent: u64,
    /// Latency of what was done.
    pub(crate) latency: Option<Latency>,
    /// Latency of what was turned away with 503.
    pub(crate) shed: Option<Latency>,
    /// Commits per second: `findAndModify` commands that the primary counted.
    pub(crate) commits_per_second: Option<f64>,
    /// Accepted changes per commit.
    pub(crate) mean_batch: Option<f64>,
    /// What the server processes used, together.
    pub(crate) server: Option<Usage>,
    /// What the store's processes used, together.
    pub(crate) store: Option<Usage>,
    /// What this process used: the generator, or the driver that stands in for it.
    pub(crate) generator: Option<Usage>,
    /// Processor time within the window that went to others on the machine, the kernel's own threads among them.
    pub(crate) elsewhere_cpu_seconds: Option<f64>,
}

/// What processes used.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    /// Processor time within the window, in seconds.
    pub(crate) cpu_seconds: f64,
    /// The largest resident set since the run began, in megabytes of 10^6 bytes.
    pub(crate) peak_megabytes: f64,
}

/// One number of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// What was done per second.
    PerSecond,
    /// Half of what was done took no longer, in milliseconds.
    P50,
    /// 99 % of what was done took no longer, in milliseconds.
    P99,
    /// 99 % of what was turned away was told so within this, in milliseconds.
    ShedP99,
    /// The servers' peak memory in megabytes.
    ServerMegabytes,
    /// 409 `version-conflict` answers.
    Conflicts,
}

impl Figure {
    /// Its name in a table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "per second",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::ShedP99 => "p99 of the shed",
            Self::ServerMegabytes => "server memory in MB",
            Self::Conflicts => "version-conflict answers",
        }
    }

    /// Its value in `sample`, if that has it.
    #[expect(clippy::cast_precision_loss, reason = "the counts here are far below 2^52")]
    pub(crate) fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::PerSecond => Some(sample.per_second),
            Self::P50 => sample.latency.map(|latency| latency.p50_ms),
            Self::P99 => sample.latency.map(|latency| latency.p99_ms),
            Self::ShedP99 => sample.shed.map(|latency| latency.p99_ms),
            Self::ServerMegabytes => sample.server.map(|usage| usage.peak_megabytes),
            Self::Conflicts => Some(sample.answers.get("409 version-conflict").copied().unwrap_or(0) as f64),
        }
    }
}

/// The middle and the ends of several values.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of these values; `None` when there are none.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
        Some(Self { median, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        for (values, median, min, max) in [
            (vec![3.0], 3.0, 3.0, 3.0),
            (vec![9.0, 1.0, 2.0], 2.0, 1.0, 9.0),
            (vec![4.0, 1.0, 2.0, 10.0], 3.0, 1.0, 10.0),
        ] {
            assert_eq!(Spread::of(values), Some(Spread { median, min, max }));
        }
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn a_figure_that_was_not_measured_has_no_value() {
        let sample = Sample { per_second: 5.0, ..Sample::default() };
        assert_eq!(Figure::PerSecond.of(&sample), Some(5.0));
        assert_eq!(Figure::P50.of(&sample), None);
        assert_eq!(Figure::ServerMegabytes.of(&sample), None);
        assert_eq!(Figure::Conflicts.of(&sample), Some(0.0));
    }
}
