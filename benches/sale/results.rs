//! What all runs gave: kept by scenario and side, and written out as JSON and as tables.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};

use crate::{
    arguments::Plan,
    failure::{Outcome, failed},
    ground::StoreKind,
    reckoning::{
        figures::{Figure, Sample, Spread},
        targets::{Sides, Verdict},
    },
    scenarios::{Scenario, Side, name_of_part, wanted},
};

/// The runs of one part of one side.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) store: Option<StoreKind>,
    pub(crate) clients: Option<usize>,
    pub(crate) samples: Vec<Sample>,
}

/// All rows of one scenario, and why sides are missing.
pub(crate) struct Results {
    pub(crate) scenario: &'static Scenario,
    pub(crate) rows: Vec<Row>,
    pub(crate) missing: Vec<String>,
}

impl Results {
    pub(crate) fn new(scenario: &'static Scenario) -> Self {
        Self { scenario, rows: Vec::new(), missing: Vec::new() }
    }

    /// Keeps what one run of `side` gave.
    pub(crate) fn keep(&mut self, side: &Side, parts: Vec<(&'static str, Sample)>) {
        for (part, sample) in parts {
            let name = name_of_part(side, part);
            match self.rows.iter_mut().find(|row| row.name == name) {
                Some(row) => row.samples.push(sample),
                None => {
                    self.rows.push(Row { name, store: side.store, clients: side.clients, samples: vec![sample] });
                }
            }
        }
    }

    /// The verdicts on its targets; `None` where a side was not measured.
    pub(crate) fn verdicts(&self) -> Vec<(String, Option<Verdict>)> {
        let sides: Sides = self.rows.iter().map(|row| (row.name.clone(), row.samples.clone())).collect();
        self.scenario.targets().map(|target| (wanted(target), target.judge(&sides))).collect()
    }
}

impl Row {
    /// A figure over all runs; `None` when a run did not measure it.
    pub(crate) fn spread(&self, figure: Figure) -> Option<Spread> {
        Spread::of(self.samples.iter().map(|sample| figure.of(sample)).collect::<Option<_>>()?)
    }

    /// The run whose work per second is the median, or the lower of two in the middle.
    pub(crate) fn middle(&self) -> &Sample {
        let mut order: Vec<&Sample> = self.samples.iter().collect();
        order.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
        order[(order.len() - 1) / 2]
    }
}

/// Writes everything as JSON.
pub(crate) fn write(path: &Path, plan: &Plan, all: &[Results]) -> Outcome<()> {
    let scenarios: BTreeMap<&str, Value> =
        all.iter().map(|results| (results.scenario.name, json_of(results))).collect();
    let document = json!({
        "machine": machine(),
        "server": plan.server.display().to_string(),
        "quick": plan.quick,
        "runs": plan.runs,
        "warmUpSeconds": plan.window.warm_up.as_secs_f64(),
        "measuredSeconds": plan.window.measured.as_secs_f64(),
        "scenarios": scenarios,
    });
    let text = serde_json::to_string_pretty(&document).map_err(failed("the figures as JSON"))?;
    fs::write(path, text + "\n").map_err(failed(&path.display().to_string()))
}

fn json_of(results: &Results) -> Value {
    let side = |row: &Row| {
        json!({
            "name": row.name,
            "store": row.store,
            "clients": row.clients,
            "perSecond": row.spread(Figure::PerSecond),
            "runs": row.samples,
        })
    };
    let target = |(wanted, verdict): (String, Option<Verdict>)| json!({ "wanted": wanted, "value": verdict.map(|verdict| verdict.value), "met": verdict.map(|verdict| verdict.met) });
    json!({
        "sides": results.rows.iter().map(side).collect::<Vec<_>>(),
        "missing": results.missing,
        "targets": results.verdicts().into_iter().map(target).collect::<Vec<_>>(),
    })
}

/// What the figures were measured on.
pub(crate) fn machine() -> Value {
    let first = |path: &str, start: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line =
            text.lines().find_map(|line| Some(line.strip_prefix(start)?.trim().trim_start_matches(": ").to_owned()));
        line.unwrap_or_else(|| "unknown".to_owned())
    };
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "processor": first("/proc/cpuinfo", "model name"),
        "memory": first("/proc/meminfo", "MemTotal:"),
        "kernel": first("/proc/sys/kernel/osrelease", ""),
    })
}
