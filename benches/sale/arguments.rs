//! What is asked for on the command line.

use std::{path::PathBuf, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, Command, error::ErrorKind, value_parser};

use crate::{
    ground::StoreKind,
    reckoning::schedule::Window,
    scenarios::{self, Scenario},
    stage::SEATS_MAX,
};

/// The most of anything that a run may be asked for: enough for a large machine, and an end for a slip of the finger.
const CLIENTS_MAX: u64 = 8_192;
const SECONDS_MAX: u64 = 300;
const RUNS_MAX: u64 = 50;

/// What to run, and how.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) scenarios: Vec<&'static Scenario>,
    pub(crate) stores: Vec<StoreKind>,
    /// For the matrix of `throughput`, and for `/health` beside it.
    pub(crate) clients: Vec<usize>,
    pub(crate) window: Window,
    pub(crate) runs: usize,
    /// The server's binary.
    pub(crate) server: PathBuf,
    /// How many `million` and `growth` make.
    pub(crate) reservations: u64,
    /// Whether it only shows that everything works.
    pub(crate) quick: bool,
}

/// What the command line asks for.
pub(crate) enum Call {
    Measure(Box<Plan>),
    /// A text to print.
    Tell(String),
}

/// Reads the arguments behind the program's name; the error is one line.
pub(crate) fn read(arguments: &[String]) -> Result<Call, String> {
    let named = std::iter::once("sale".to_owned()).chain(arguments.iter().cloned());
    match command().try_get_matches_from(named) {
        Ok(matches) if !matches.get_flag("bench") => {
            Ok(Call::Tell("This measures for minutes; `cargo bench` runs it.\n".to_owned()))
        }
        Ok(matches) if matches.get_flag("list") => Ok(Call::Tell(scenarios::list())),
        Ok(matches) => plan(&matches).map(|plan| Call::Measure(Box::new(plan))),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(Call::Tell(error.render().to_string())),
        Err(error) => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(format!("{first}; see cargo bench -- --help"))
        }
    }
}

fn command() -> Command {
    let whole =
        |name: &'static str, most: u64| Arg::new(name).long(name).value_parser(value_parser!(u64).range(1..=most));
    let several = |name: &'static str| Arg::new(name).long(name).value_delimiter(',');
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    Command::new("cargo bench --")
        .about("Measures TicketBoss against its stores, against the machine, and against what others would write.")
        .arg(flag("quick").help("A short form that shows that everything works; its figures mean little"))
        .arg(several("only").value_name("SCENARIO,...").help("These scenarios; see --list"))
        .arg(several("stores").value_name("STORE,...").help("Out of embedded, one-node, three-node"))
        .arg(
            several("clients")
                .value_name("N,...")
                .value_parser(value_parser!(u64).range(1..=CLIENTS_MAX))
                .help("Clients of the throughput matrix [default: 1,16,64,256,1024]"),
        )
        .arg(whole("seconds", SECONDS_MAX).value_name("N").help("How long each run is measured [default: 5]"))
        .arg(
            whole("runs", RUNS_MAX).value_name("N").help("Repetitions; medians are told with min and max [default: 1]"),
        )
        .arg(
            whole("reservations", SEATS_MAX)
                .value_name("N")
                .help("How many `million` and `growth` make [default: 1000000]"),
        )
        .arg(
            Arg::new("server")
                .long("server")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .help("Another server binary [default: the one of this build]"),
        )
        .arg(flag("list").help("Tells the scenarios and their targets"))
        // cargo says this to whatever it runs as a bench.
        .arg(flag("bench").hide(true))
}

fn plan(matches: &ArgMatches) -> Result<Plan, String> {
    let quick = matches.get_flag("quick");
    let number = |name: &str, quickly: u64, else_: u64| {
        matches.get_one::<u64>(name).copied().unwrap_or(if quick { quickly } else { else_ })
    };
    let names = |name: &str| matches.get_many::<String>(name).map(|names| names.cloned().collect::<Vec<_>>());
    let scenarios = match names("only") {
        None => scenarios::ALL.iter().collect(),
        Some(names) => names
            .iter()
            .map(|name| {
                let found = scenarios::ALL.iter().find(|scenario| scenario.name == name);
                found.ok_or_else(|| format!("--only: there is no scenario {name:?}; see cargo bench -- --list"))
            })
            .collect::<Result<_, _>>()?,
    };
    let stores = match names("stores") {
        // Three mongods take long to start, and a short form has nothing to learn from them.
        None if quick => vec![StoreKind::Embedded, StoreKind::OneNode],
        None => StoreKind::ALL.to_vec(),
        Some(names) => names
            .iter()
            .map(|name| {
                let found = StoreKind::ALL.into_iter().find(|store| store.name() == name);
                found.ok_or_else(|| format!("--stores: {name:?} is none of embedded, one-node, three-node"))
            })
            .collect::<Result<_, _>>()?,
    };
    let clients: Vec<u64> = match matches.get_many("clients") {
        Some(given) => given.copied().collect(),
        None if quick => vec![16, 256],
        None => vec![1, 16, 64, 256, 1_024],
    };
    let server = matches.get_one::<PathBuf>("server").cloned();
    let server = server.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_ticketboss")));
    // Servers are started in directories of their own, where a relative path would lead elsewhere.
    let server = server.canonicalize().map_err(|why| format!("--server: {}: {why}", server.display()))?;
    Ok(Plan {
        scenarios,
        stores,
        clients: clients.into_iter().filter_map(|clients| usize::try_from(clients).ok()).collect(),
        window: Window {
            warm_up: Duration::from_millis(if quick { 300 } else { 1_500 }),
            measured: Duration::from_secs(number("seconds", 1, 5)),
        },
        runs: usize::try_from(number("runs", 1, 1)).unwrap_or(1),
        server,
        reservations: number("reservations", 20_000, SEATS_MAX),
        quick,
    })
}
