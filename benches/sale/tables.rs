//! What a reader in a terminal sees.

use crate::{
    reckoning::{
        figures::{Figure, Sample, Spread, Usage},
        targets::Verdict,
    },
    results::{Results, Row},
};

/// Cores that others may take before a table says so. The kernel's work for sockets and disks is among it.
const ELSEWHERE_MAX_CORES: f64 = 0.25;

/// The table of one scenario, and its targets. Where nothing is judged, ratios are shown all the same.
pub(crate) fn print(results: &Results, judged: bool) {
    println!("\n{}", results.scenario.name);
    let name = "name".len().max(results.rows.iter().map(|row| row.name.len()).max().unwrap_or(0));
    println!(
        "  {:<name$} {:>10} {:>8} {:>8} {:>8} {:>9} {:>7} {:>13} {:>13} {:>13}  other answers",
        "", "per second", "p50 ms", "p99 ms", "p99.9 ms", "commits/s", "batch", "server", "store", "generator"
    );
    for row in &results.rows {
        print_row(row, name);
    }
    for why in &results.missing {
        println!("  {why}");
    }
    for (wanted, verdict) in results.verdicts() {
        println!("  {}", verdict_line(&wanted, verdict, judged));
    }
}

fn print_row(row: &Row, name: usize) {
    let sample = row.middle();
    let latency = |of: fn(&crate::reckoning::tally::Latency) -> f64| optional(sample.latency.as_ref().map(of), decimal);
    println!(
        "  {:<name$} {:>10} {:>8} {:>8} {:>8} {:>9} {:>7} {:>13} {:>13} {:>13}  {}",
        row.name,
        whole(sample.per_second),
        latency(|latency| latency.p50_ms),
        latency(|latency| latency.p99_ms),
        latency(|latency| latency.p999_ms),
        optional(sample.commits_per_second, whole),
        optional(sample.mean_batch, decimal),
        usage(sample.server, sample.seconds),
        usage(sample.store, sample.seconds),
        usage(sample.generator, sample.seconds),
        others(sample),
    );
    if let (Some(Spread { min, max, .. }), 2..) = (row.spread(Figure::PerSecond), row.samples.len()) {
        println!("  {:<name$} {:>10} … {} over {} runs", "", whole(min), whole(max), row.samples.len());
    }
}

/// Cores kept busy and peak of memory.
fn usage(usage: Option<Usage>, seconds: f64) -> String {
    let shown = |usage: Usage| format!("{:.2} c {:>4.0} MB", usage.cpu_seconds / seconds, usage.peak_megabytes);
    usage.map_or_else(|| "-".to_owned(), shown)
}

/// Everything but the answers that are nothing but work done.
fn others(sample: &Sample) -> String {
    let mut parts: Vec<String> =
        sample.answers.iter().filter(|(kind, _)| kind.contains(' ')).map(|(kind, n)| format!("{n} x {kind}")).collect();
    if let Some(shed) = sample.shed {
        parts.push(format!("shed p99 {} ms", decimal(shed.p99_ms)));
    }
    if sample.unsent > 0 {
        parts.push(format!("{} not sent in time", sample.unsent));
    }
    let elsewhere = sample.elsewhere_cpu_seconds.unwrap_or(0.0) / sample.seconds;
    if elsewhere > ELSEWHERE_MAX_CORES {
        parts.push(format!("{elsewhere:.1} c TAKEN BY OTHERS"));
    }
    parts.join(", ")
}

fn verdict_line(wanted: &str, verdict: Option<Verdict>, judged: bool) -> String {
    let Some(Verdict { value: Spread { median, min, max }, met }) = verdict else {
        return format!("not measured  {wanted}");
    };
    let word = match (judged, met) {
        (false, _) => "not judged   ",
        (true, true) => "met          ",
        (true, false) => "MISSED       ",
    };
    let ends = if min < max { format!(" ({min:.3} … {max:.3})") } else { String::new() };
    format!("{word} {wanted}: {median:.3}{ends}")
}

fn optional(value: Option<f64>, shown: fn(f64) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), shown)
}

/// A count with its thousands set apart.
pub(crate) fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn decimal(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") }
}
