//! `cargo bench` measures TicketBoss as its users meet it: the shipped binary, real sockets, real mongods, and every answer
//! counted.
//!
//! ```text
//! cargo bench                                   every scenario once: about a quarter of an hour
//! cargo bench -- --runs 5                       five times, with medians, min and max
//! cargo bench -- --quick                        that everything works, within two minutes
//! cargo bench -- --only limits --stores embedded
//! cargo bench -- --server OTHER/ticketboss      another build
//! cargo bench -- --list                         the scenarios and what is wanted of them
//! ```
//!
//! It prints a table for each scenario, and writes `target/bench/sale.json` and `target/bench/sale.svg`. It ends with an error
//! when a run went wrong or its books do not agree, and not when a target is missed: the table says so.
//!
//! # What is measured, and how
//!
//! - Every run has **fresh ground**: a new data directory, or a new database on a replica set that was started for this
//!   (one deployment at a time), and a new server process with default settings. A warm-up of 1.5 s does not count.
//! - The **closed loop** gives throughput: each client sends its next request when the answer to the last has come. What was
//!   answered within the window counts. Its latencies hide what a slow server kept its clients from sending.
//! - The **open loop** (`latency`, `overload`) gives latency: each request has its time beforehand, and its latency counts from
//!   there. Requests that no connection was free for are told as "not sent in time".
//! - Every answer is counted by **status and problem code**. A dropped connection, a malformed answer, and an answer that nobody
//!   expects fail the run.
//! - After each run the **books are audited**: free and sold seats add up, `version` is the number of accepted changes, as many
//!   reservations stand as were answered with 201 (counted one by one on MongoDB), and a sample of them is looked up by id.
//! - **Commits** are the `findAndModify` commands that the primary counted, so the service's rare writes that only trim the
//!   journal are among them, and the textbook's that missed. The embedded store tells no such number.
//! - The rate of `insertMany` is in documents, its latency that of a command with 1,000 of them.
//! - **Cores and memory** are of `/proc`: processor time within the window, and the peak of the resident set since the run began
//!   (of the servers: since they started).
//! - Processor time that went to **others** on the machine is taken down, and told where it is more than a quarter of a core: such
//!   a run says little.
//! - What is **compared** is measured in one scenario, in an order that turns around with each repetition. Ratios are taken
//!   repetition by repetition; their median is judged.
//!
//! # Its limits, honestly
//!
//! - **The generator shares the machine's cores** with the servers and the stores, so all rates are lower than with a machine of its
//!   own, those of the fastest servers most. Its share is shown. Ratios against `/health` compare two things that pay it alike;
//!   ratios against `insertMany` favour the driver, which needs no generator.
//! - Clients are on the loopback: no network, no TLS, no proxy. They send no `Idempotency-Key`; each names a partner of its own.
//! - All nodes of a replica set, and its disks, are this one machine. Three nodes share what one has alone.
//! - A mongod has 1 GB of cache and a small oplog (256 MB), and its fail points are switched on, as in the tests. The raw
//!   driver and the baselines meet the same mongods.
//! - Peaks of memory hold what came before in the same server: in `growth` the making of what is behind the event.
//! - `growth` frees seats by cancelling where an event could not hold more: the cancelled ones stay behind the event.
//! - In `overload` the store is slowed by a line that delays all that goes to it by 100 ms, and the server's `INBOX_MAX` is 1,024,
//!   so that the offered load stays within what the machine can ask and answer.
//! - In `hostile` the hostile clients are threads of the generator too: what they cost there is taken from everybody. Its three
//!   parts follow one another on the same server, so that a peak of memory holds the parts before.
//! - `fdatasync` is of the directory that data directories are made in; the two may differ where that is moved.

mod arguments;
mod baseline;
mod chart;
mod failure;
mod generator;
mod ground;
mod hostile;
mod lab;
mod limits;
#[allow(unused_imports, reason = "a bench without the harness is compiled with cfg(test), but its tests fall away")]
#[path = "../../tests/support/mongod/mod.rs"]
mod mongod;
mod process;
#[allow(unused_imports, reason = "a bench without the harness is compiled with cfg(test), but its tests fall away")]
mod reckoning;
mod results;
mod scenarios;
mod slow;
mod stage;
mod tables;
mod watch;
mod works;

use std::{
    fs,
    process::ExitCode,
    time::{Duration, Instant},
};

use arguments::{Call, Plan};
use failure::{Failure, Outcome, failed};
use lab::Lab;
use results::Results;
use scenarios::Scenario;
use tables::whole;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == baseline::COMMAND => {
            actix_web::rt::System::new().block_on(baseline::serve(rest)).map_err(|why| (why, 1))
        }
        _ => match arguments::read(&arguments) {
            Ok(Call::Tell(text)) => {
                print!("{text}");
                Ok(())
            }
            Ok(Call::Measure(plan)) => measure(*plan).map_err(|why| (why.to_string(), 1)),
            Err(why) => Err((why, 2)),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((why, code)) => {
            eprintln!("sale: {why}");
            ExitCode::from(code)
        }
    }
}

/// Runs the plan; an error when anything went wrong.
#[tokio::main]
async fn measure(plan: Plan) -> Outcome<()> {
    let start = Instant::now();
    println!("Measuring {} on {}", plan.server.display(), results::machine());
    let mut lab = Lab::new(plan);
    let mut all = Vec::new();
    let mut failures = 0;
    for scenario in lab.plan.scenarios.clone() {
        let (results, failed) = run(&mut lab, scenario, start).await;
        all.push(results);
        failures += failed;
    }
    lab.end().await;

    for results in &all {
        tables::print(results, !lab.plan.quick);
    }
    let directory = mongod::install::target_directory().join("bench");
    fs::create_dir_all(&directory).map_err(failed(&directory.display().to_string()))?;
    let (json, svg) = (directory.join("sale.json"), directory.join("sale.svg"));
    results::write(&json, &lab.plan, &all)?;
    println!("\nAll figures: {}", json.display());
    if chart::draw(&svg, &all)? {
        println!("Chart: {}", svg.display());
    }
    println!("It took {:.0} s.", start.elapsed().as_secs_f64());
    if lab.plan.runs == 1 && !lab.plan.quick {
        println!("One run says little about a ratio near its target: cargo bench -- --runs 5");
    }
    if failures > 0 {
        return Err(Failure::Failed(format!("{failures} runs went wrong; see above")));
    }
    Ok(())
}

/// Runs one scenario as often as the plan says; gives what came of it and how many runs went wrong.
async fn run(lab: &mut Lab, scenario: &'static Scenario, start: Instant) -> (Results, usize) {
    let mut results = Results::new(scenario);
    let mut failures = 0;
    let mut sides = scenario.sides(&lab.plan);
    for repetition in 1..=lab.plan.runs {
        for side in &sides {
            let outcome = works::measure(lab, &side.work).await;
            let shown = match &outcome {
                Ok(parts) => {
                    let rates: Vec<String> = parts.iter().map(|(_, sample)| whole(sample.per_second)).collect();
                    format!("{}/s", rates.join("/s, "))
                }
                Err(Failure::Skipped(why)) => format!("skipped: {why}"),
                Err(Failure::Failed(why)) => format!("FAILED: {why}"),
            };
            println!("{:>5} s  {} {repetition}: {}: {shown}", seconds(start.elapsed()), scenario.name, side.name);
            match outcome {
                Ok(parts) => results.keep(side, parts),
                Err(failure) => {
                    failures += usize::from(matches!(failure, Failure::Failed(_)));
                    results.missing.push(format!("{}: {shown}", side.name));
                    // What a run that went wrong leaves behind is not to be built upon.
                    lab.end().await;
                }
            }
        }
        // What drifts meanwhile, the machine's temper or the disk's, is to hit both ends of the list alike.
        sides.reverse();
    }
    (results, failures)
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.0}", elapsed.as_secs_f64())
}
