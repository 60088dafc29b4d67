//! A server process under measurement: TicketBoss itself, another build of it, or a baseline.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    failure::{Failure, Outcome, failed},
    mongod::{
        node::scratch,
        process::{Guarded, POLL},
    },
};

/// How long a server may take until it listens.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long a server may take to end when asked to; the service bounds itself by less.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// How a server's log names its address.
pub(crate) const ADDRESS_MARK: &str = "http://";

/// A running server. It dies with this value, and with this process.
pub(crate) struct ServerProcess {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    // Before the directory, because fields are dropped in this order.
    process: Guarded,
    log: PathBuf,
    _directory: TempDir,
}

impl ServerProcess {
    /// Starts `program` with nothing in its environment but `settings`, and waits until its log names its address.
    pub(crate) async fn start(program: &Path, arguments: &[&str], settings: &[(&str, String)]) -> Outcome<Self> {
        let directory = scratch("bench-server");
        let log = directory.path().join("log");
        let output = File::create(&log).map_err(failed("a server's log"))?;
        let mut process = Guarded::spawn(program, None, |command| {
            command.args(arguments).current_dir(directory.path()).env_clear();
            command.envs(settings.iter().map(|(name, value)| (*name, value)));
            command.stdout(Stdio::null()).stderr(output);
        });
        let deadline = Instant::now() + START_PATIENCE;
        let address = loop {
            let written = fs::read_to_string(&log).unwrap_or_default();
            if let Some(address) = address_in(&written) {
                break address;
            }
            if process.exited().is_some() || Instant::now() > deadline {
                let why = format!("{} does not serve:\n{}", program.display(), written.trim_end());
                return Err(Failure::Failed(why));
            }
            tokio::time::sleep(POLL).await;
        };
        Ok(Self { address, process, log, _directory: directory })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The last lines of its log, to tell with a failure.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    /// Ends it by SIGTERM, which it must obey in order.
    pub(crate) async fn stop(mut self) -> Outcome<()> {
        self.process.signal(Signal::TERM);
        match self.process.wait(STOP_PATIENCE).await {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Failure::Failed(format!("a server ended with {status}:\n{}", self.last_words()))),
            None => Err(Failure::Failed(format!("a server did not end within {STOP_PATIENCE:?} of SIGTERM"))),
        }
    }
}

/// The address in a log's first whole line that has one.
fn address_in(log: &str) -> Option<SocketAddr> {
    let whole = &log[..log.rfind('\n')?];
    let (_, rest) = whole.split_once(ADDRESS_MARK)?;
    let end = rest.find(|sign: char| !sign.is_ascii_digit() && sign != '.' && sign != ':').unwrap_or(rest.len());
    rest[..end].parse().ok()
}
