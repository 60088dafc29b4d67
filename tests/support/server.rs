//! The real server: the binary as it is shipped, as a process of its own, on a free port.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::{
    client::Client,
    log::Log,
    mongod::{
        node::{free_port, scratch},
        process::{Guarded, POLL},
    },
    store::Store,
};

/// How long a server may take until it listens.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long a server may take to end when asked to; the service bounds itself by less.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// How the start-up line names the address, whatever the log's format.
const ADDRESS_MARK: &str = "http://127.0.0.1:";

/// A server that is to be started: the store, and settings beside the defaults.
pub(crate) struct Launch {
    settings: Vec<(String, String)>,
    port: u16,
    /// Whether its store is there, so that it will be ready soon after it listens.
    has_store: bool,
    /// Its soft and hard limit of open files; `None` leaves those of this process.
    open_files: Option<(u32, u32)>,
    /// Holds the store's directory for as long as a server may use it: one whose data goes takes no more writes.
    _directory: Option<Arc<TempDir>>,
}

/// A server process, which may be ended and started again. It dies with this value, and with the test's process.
pub(crate) struct Server {
    launch: Launch,
    directory: TempDir,
    /// All processes so far; the last is the current one.
    runs: Mutex<Vec<Run>>,
}

struct Run {
    process: Guarded,
    log: Log,
    /// Whether we ended it; one that ends by itself fails the test.
    ended: bool,
}

/// How a process ended that was to end by itself.
pub(crate) struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Launch {
    /// A server on `store`, with default settings and any free port.
    pub(crate) fn on(store: &Store) -> Self {
        Self {
            settings: vec![store.setting()],
            port: 0,
            has_store: true,
            open_files: None,
            _directory: store.directory(),
        }
    }

    /// Sets one more variable of the server's environment, or changes one.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(other, _)| other != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it with these soft and hard limits of open files.
    pub(crate) fn open_files(mut self, soft: u32, hard: u32) -> Self {
        self.open_files = Some((soft, hard));
        self
    }

    /// Uses a port outside the range that outgoing connections get theirs from, for servers that clients keep knocking
    /// at while they are down; see [`free_port`].
    pub(crate) fn fixed_port(mut self) -> Self {
        self.port = free_port();
        self
    }

    /// Says that its store is out of reach for now, so that nobody waits for the server to be ready.
    pub(crate) fn without_store(mut self) -> Self {
        self.has_store = false;
        self
    }

    /// Starts it and waits until it listens, and is ready if its store is there.
    pub(crate) async fn start(self) -> Server {
        let mut server = Server { launch: self, directory: scratch("server"), runs: Mutex::default() };
        server.launch.port = server.run().await;
        server
    }

    /// Starts it, waits until it ends by itself, and says how that was.
    pub(crate) async fn run_to_end(self, arguments: &[&str]) -> Ended {
        let directory = scratch("server");
        let mut process = self.spawn(directory.path(), arguments);
        let (stdout, stderr) = logs(&mut process);
        let status = process.wait(STOP_PATIENCE).await;
        process.kill();
        let status = status.unwrap_or_else(|| panic!("the server still runs after {STOP_PATIENCE:?}:\n{stderr}"));
        let (stdout, stderr) = (stdout.whole().await, stderr.whole().await);
        Ended { code: status.code(), stdout, stderr }
    }

    /// Starts the process in a directory without a `.env`, and with nothing in its environment but what it is given.
    fn spawn(&self, directory: &Path, arguments: &[impl AsRef<OsStr>]) -> Guarded {
        let program = Path::new(env!("CARGO_BIN_EXE_ticketboss"));
        let shell = Path::new("/bin/sh");
        Guarded::spawn(if self.open_files.is_some() { shell } else { program }, None, |command: &mut Command| {
            if let Some((soft, hard)) = self.open_files {
                let limited = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
                command.args(["-c", &limited]).arg(program);
            }
            command.args(arguments).current_dir(directory).env_clear().env("PORT", self.port.to_string());
            command.envs(self.settings.iter().map(|(name, value)| (name, value)));
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        })
    }
}

impl Server {
    /// A client of this server, for the runtime that it is called on.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.launch.port)
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.launch.port
    }

    /// The id of the current process.
    pub(crate) fn pid(&self) -> u32 {
        self.current(|run| run.process.pid())
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&self) {
        self.current(|run| {
            run.ended = true;
            run.process.kill();
        });
    }

    /// Asks it to end, by SIGTERM.
    pub(crate) fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends it a signal that ends it.
    pub(crate) fn signal(&self, signal: Signal) {
        self.current(|run| {
            run.ended = true;
            run.process.signal(signal);
        });
    }

    /// Waits until it has ended after it was asked to, and gives its exit code; `None` when a signal ended it.
    pub(crate) async fn wait_for_end(&self) -> Option<i32> {
        let mut run = self.runs().pop().expect("it was started");
        let status = run.process.wait(STOP_PATIENCE).await;
        let status = status.unwrap_or_else(|| panic!("the server still runs {STOP_PATIENCE:?} later:\n{}", run.log));
        self.runs().push(run);
        status.code()
    }

    /// Ends it by SIGTERM and gives its exit code; `None` when a signal ended it.
    pub(crate) async fn terminate(&self) -> Option<i32> {
        self.ask_to_end();
        self.wait_for_end().await
    }

    /// Starts it again after it was ended, with the same settings on the same port, and waits as [`Launch::start`] does.
    pub(crate) async fn restart(&self) {
        assert!(
            self.current(|run| run.process.exited().is_some()),
            "only a server that has ended can be started again"
        );
        self.run().await;
    }

    /// What the current process has written to its log.
    pub(crate) fn log(&self) -> Log {
        self.current(|run| run.log.clone())
    }

    /// Starts a process, waits for the line that tells where it listens, and until it is ready; gives the port.
    async fn run(&self) -> u16 {
        let mut process = self.launch.spawn(self.directory.path(), &[] as &[&str]);
        let (_, log) = logs(&mut process);
        self.runs().push(Run { process, log: log.clone(), ended: false });
        let line = log.line_with(ADDRESS_MARK, START_PATIENCE).await;
        let (_, rest) = line.split_once(ADDRESS_MARK).expect("the line was chosen for it");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let port = digits.parse().unwrap_or_else(|_| panic!("no port in the start-up line {line}"));
        if self.launch.has_store {
            wait_until_ready(&Client::new(port)).await;
        }
        port
    }

    fn current<T>(&self, act: impl FnOnce(&mut Run) -> T) -> T {
        act(self.runs().last_mut().expect("it was started"))
    }

    fn runs(&self) -> MutexGuard<'_, Vec<Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    /// Shows the logs when the test failed, and fails it when a process ended by itself or panicked somewhere inside.
    fn drop(&mut self) {
        let mut runs = std::mem::take(&mut *self.runs());
        let broken = |run: &mut Run| {
            let by_itself = run.process.exited().filter(|_| !run.ended);
            by_itself.is_some() || run.log.contains("panicked at")
        };
        let broken = runs.iter_mut().any(broken);
        if broken || std::thread::panicking() {
            for (number, run) in (1..).zip(&runs) {
                eprintln!("--- server on port {}, process {number}:\n{}", self.launch.port, run.log);
            }
        }
        assert!(!broken || std::thread::panicking(), "a server ended by itself or panicked; its log is above");
    }
}

/// A new database needs its collections and indexes first, which takes its time on a busy machine.
async fn wait_until_ready(client: &Client) {
    let ready = async {
        while client.readyz().await.status != 200 {
            sleep(POLL).await;
        }
    };
    timeout(START_PATIENCE, ready).await.unwrap_or_else(|_| panic!("not ready within {START_PATIENCE:?}"));
}

fn logs(process: &mut Guarded) -> (Log, Log) {
    let stdout = process.take_stdout().expect("stdout was piped");
    let stderr = process.take_stderr().expect("stderr was piped");
    (Log::of(stdout), Log::of(stderr))
}
