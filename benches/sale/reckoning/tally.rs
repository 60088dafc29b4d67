//! Counts of answers, by status and problem code, with a histogram of latencies for each.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

/// The longest latency that a histogram tells apart, in microseconds; a longer one counts as this.
const LATENCY_MAX_MICROS: u64 = 120_000_000;
/// Digits that a histogram keeps of a latency.
const DIGITS: u8 = 3;

/// What came back. Tallies of several threads are merged at the end.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    // A handful of kinds at most, so that looking through them is quicker than any map.
    kinds: Vec<Kind>,
    /// Ids of reservations that were asked to be kept.
    pub(crate) ids: Vec<String>,
    /// When the last answer came, counted from the start.
    pub(crate) last_answer: Duration,
    /// Requests of an open loop that no connection was free to send before the end.
    pub(crate) unsent: u64,
}

#[derive(Debug)]
struct Kind {
    status: u16,
    code: Box<str>,
    all: u64,
    measured: u64,
    latency: Histogram<u64>,
}

/// Latencies of one kind of answer, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "a number without its unit is no figure")]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

impl Tally {
    /// Counts an answer; `measured` when it lies in the window.
    pub(crate) fn note(&mut self, status: u16, code: &str, latency: Duration, measured: bool) {
        let known = self.kinds.iter().position(|kind| kind.status == status && *kind.code == *code);
        let kind = match known {
            Some(at) => &mut self.kinds[at],
            None => self.new_kind(status, code),
        };
        kind.all += 1;
        if measured {
            kind.measured += 1;
            kind.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        }
    }

    fn new_kind(&mut self, status: u16, code: &str) -> &mut Kind {
        let latency = Histogram::new_with_max(LATENCY_MAX_MICROS, DIGITS).expect("these bounds are good");
        self.kinds.push(Kind { status, code: code.into(), all: 0, measured: 0, latency });
        self.kinds.last_mut().expect("one was just pushed")
    }

    /// Adds what another thread counted.
    pub(crate) fn merge(&mut self, other: Self) {
        for kind in other.kinds {
            let known = self.kinds.iter().position(|mine| mine.status == kind.status && mine.code == kind.code);
            let mine = match known {
                Some(at) => &mut self.kinds[at],
                None => self.new_kind(kind.status, &kind.code),
            };
            mine.all += kind.all;
            mine.measured += kind.measured;
            mine.latency.add(&kind.latency).expect("all histograms have the same bounds");
        }
        self.ids.extend(other.ids);
        self.last_answer = self.last_answer.max(other.last_answer);
        self.unsent += other.unsent;
    }

    /// All answers of any kind, the warm-up's too.
    pub(crate) fn answers(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.all).sum()
    }

    /// All answers of these kinds, the warm-up's too.
    pub(crate) fn all(&self, kinds: &[(u16, &str)]) -> u64 {
        self.of(kinds).map(|kind| kind.all).sum()
    }

    /// The answers of these kinds within the window.
    pub(crate) fn measured(&self, kinds: &[(u16, &str)]) -> u64 {
        self.of(kinds).map(|kind| kind.measured).sum()
    }

    /// The latencies of these kinds within the window; `None` when there was no such answer.
    pub(crate) fn latency(&self, kinds: &[(u16, &str)]) -> Option<Latency> {
        let mut together: Option<Histogram<u64>> = None;
        for kind in self.of(kinds).filter(|kind| kind.measured > 0) {
            match &mut together {
                Some(sum) => sum.add(&kind.latency).expect("all histograms have the same bounds"),
                None => together = Some(kind.latency.clone()),
            }
        }
        let together = together?;
        #[expect(clippy::cast_precision_loss, reason = "a latency is at most 120 s in microseconds")]
        let milliseconds = |micros: u64| micros as f64 / 1_000.0;
        Some(Latency {
            p50_ms: milliseconds(together.value_at_quantile(0.5)),
            p99_ms: milliseconds(together.value_at_quantile(0.99)),
            p999_ms: milliseconds(together.value_at_quantile(0.999)),
            max_ms: milliseconds(together.max()),
        })
    }

    /// The answers within the window, as "409 version-conflict" and how many.
    pub(crate) fn by_kind(&self) -> BTreeMap<String, u64> {
        self.kinds
            .iter()
            .filter(|kind| kind.measured > 0)
            .map(|kind| (format!("{} {}", kind.status, kind.code).trim_end().to_owned(), kind.measured))
            .collect()
    }

    fn of(&self, kinds: &[(u16, &str)]) -> impl Iterator<Item = &Kind> {
        self.kinds.iter().filter(|kind| kinds.contains(&(kind.status, &*kind.code)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKED: &[(u16, &str)] = &[(201, "")];
    const SHED: &[(u16, &str)] = &[(503, "overloaded"), (503, "store-unavailable")];

    fn tally(latencies: &[u64], status: u16, code: &str) -> Tally {
        let mut tally = Tally::default();
        for millis in latencies {
            tally.note(status, code, Duration::from_millis(*millis), true);
        }
        tally
    }

    #[test]
    fn answers_are_counted_by_status_and_code_and_the_warm_up_apart() {
        let mut tally = tally(&[1, 2, 3], 201, "");
        tally.note(201, "", Duration::from_millis(500), false);
        tally.note(503, "overloaded", Duration::from_millis(1), true);
        tally.note(503, "store-unavailable", Duration::from_millis(9), true);
        assert_eq!((tally.all(BOOKED), tally.measured(BOOKED)), (4, 3));
        assert_eq!((tally.answers(), tally.measured(SHED)), (6, 2));
        let shown: Vec<_> = tally.by_kind().into_iter().collect();
        let wanted = [("201", 3), ("503 overloaded", 1), ("503 store-unavailable", 1)];
        assert_eq!(shown, wanted.map(|(kind, count)| (kind.to_owned(), count)));
        assert!(tally.latency(BOOKED).expect("there are some").max_ms < 4.0, "the warm-up is not timed");
    }

    #[test]
    fn quantiles_are_those_of_all_threads_together() {
        let mut whole = tally(&[1; 98], 201, "");
        whole.merge(tally(&[1_000, 2_000], 201, ""));
        whole.merge(tally(&[7], 409, "version-conflict"));
        let latency = whole.latency(BOOKED).expect("there are some");
        assert!((latency.p50_ms - 1.0).abs() < 0.01, "{latency:?}");
        assert!((latency.p99_ms - 1_000.0).abs() < 2.0, "{latency:?}");
        assert!((latency.max_ms - 2_000.0).abs() < 3.0, "{latency:?}");
        assert_eq!(whole.measured(&[(409, "version-conflict")]), 1);
        assert_eq!(whole.latency(&[(500, "internal")]), None);
    }
}
