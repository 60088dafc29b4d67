//! One mongod.

use std::{
    collections::HashSet,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bson::{Document, doc};
use mongodb::{
    Client,
    options::{ClientOptions, ServerAddress},
};
use rustix::process::Signal;
use tempfile::TempDir;

use super::{
    install,
    process::{Guarded, POLL},
};

/// How long a mongod may take until it can be connected to; a loaded machine needs a few seconds.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// How long a mongod may take to end when asked to.
const STOP_PATIENCE: Duration = Duration::from_mins(1);
/// How long one administrative command may take, on a loaded machine too.
const COMMAND_PATIENCE: Duration = Duration::from_secs(20);
/// How long a node may take to say hello. Short, because a paused one never does; who asks asks again.
const HELLO_PATIENCE: Duration = Duration::from_secs(1);

/// A mongod on this machine, with a port and data that survive its being killed and started again. Its data goes when
/// this is dropped.
pub(crate) struct Node {
    port: u16,
    replica_set: Option<String>,
    // Before the data, because fields are dropped in this order and a running mongod goes on writing files.
    process: Mutex<Option<Guarded>>,
    data: TempDir,
}

impl Node {
    /// Starts a mongod that belongs to no replica set, and waits until it can be connected to.
    pub(crate) async fn standalone() -> Self {
        Self::start(None, free_port()).await
    }

    /// Starts a mongod on `port`, as a member of `replica_set` if one is named, and waits until it can be connected to.
    pub(crate) async fn start(replica_set: Option<&str>, port: u16) -> Self {
        let data = scratch("mongod");
        let node = Self { port, replica_set: replica_set.map(str::to_owned), process: Mutex::new(None), data };
        node.restart().await;
        node
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The connection string of `database` on this node alone.
    pub(crate) fn uri(&self, database: &str) -> String {
        format!("mongodb://{}/{database}?directConnection=true", self.address())
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&self) {
        self.process().take();
    }

    /// Ends it with SIGTERM: it hands over and closes its files.
    pub(crate) async fn stop(&self) {
        let Some(mut process) = self.process().take() else { return };
        process.signal(Signal::CONT);
        process.signal(Signal::TERM);
        assert!(process.wait(STOP_PATIENCE).await.is_some(), "{self} did not end within {STOP_PATIENCE:?} of SIGTERM");
    }

    /// Freezes it: its sockets stay open and nobody answers, as when a machine hangs or a network swallows packets.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it again on the same port and data, unless it runs, and waits until it can be connected to.
    pub(crate) async fn restart(&self) {
        if self.process().as_mut().is_some_and(|process| process.exited().is_none()) {
            return;
        }
        let process = self.spawn();
        *self.process() = Some(process);
        let deadline = Instant::now() + START_PATIENCE;
        while tokio::net::TcpStream::connect(self.address()).await.is_err() {
            if let Some(status) = self.process().as_mut().and_then(Guarded::exited) {
                panic!("{self} ended with {status} at its start:\n{}", self.last_words());
            }
            assert!(Instant::now() < deadline, "{self} took no connection within {START_PATIENCE:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Runs a command on the `admin` database of this very node.
    pub(crate) async fn command(&self, command: Document) -> mongodb::error::Result<Document> {
        self.command_within(COMMAND_PATIENCE, command).await
    }

    /// What it says about its role in the set; `None` when it does not answer soon.
    pub(crate) async fn hello(&self) -> Option<Document> {
        // The driver would try a dead node again and again.
        tokio::net::TcpStream::connect(self.address()).await.ok()?;
        self.command_within(HELLO_PATIENCE, doc! { "hello": 1 }).await.ok()
    }

    async fn command_within(&self, patience: Duration, command: Document) -> mongodb::error::Result<Document> {
        let address = ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port: Some(self.port) };
        let options = ClientOptions::builder().hosts(vec![address]).direct_connection(true).build();
        // A client belongs to the runtime that made it, and every test has its own, so none is kept.
        let client = Client::with_options(options)?;
        let answer = tokio::time::timeout(patience, client.database("admin").run_command(command)).await;
        client.shutdown().immediate(true).await;
        answer.unwrap_or_else(|_| Err(mongodb::error::Error::custom(format!("{self} did not answer in {patience:?}"))))
    }

    fn spawn(&self) -> Guarded {
        let data = self.data.path();
        let output = File::options().create(true).append(true).open(self.output()).expect("the data folder is ours");
        let errors = output.try_clone().expect("a file handle can be duplicated");
        Guarded::spawn(install::mongod(), Some(data), |command| {
            command.args(["--bind_ip", "127.0.0.1", "--port", &self.port.to_string(), "--nounixsocket"]);
            command.arg("--dbpath").arg(data);
            // Several of them share a small machine, and tests hold little data.
            command.args(["--wiredTigerCacheSizeGB", "0.25", "--quiet"]);
            command.args(["--setParameter", "diagnosticDataCollectionEnabled=false"]);
            // SIGTERM to a primary otherwise waits 15 s for clients to notice.
            command.args(["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=1000"]);
            // Fail points (`configureFailPoint`), with which a test can have a reply lost on purpose.
            command.args(["--setParameter", "enableTestCommands=1"]);
            if let Some(name) = &self.replica_set {
                command.args(["--replSet", name, "--oplogSize", "256"]);
            }
            command.stdout(output).stderr(errors);
        })
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = self.process().as_mut() {
            process.signal(signal);
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Guarded>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn output(&self) -> PathBuf {
        self.data.path().join("mongod.log")
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.output()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mongod on {}", self.address())
    }
}

/// A directory under `target/tmp` that is removed when the value is dropped.
pub(crate) fn scratch(prefix: &str) -> TempDir {
    let parent = install::target_directory().join("tmp");
    fs::create_dir_all(&parent).expect("cargo's target directory can be written");
    tempfile::Builder::new().prefix(&format!("{prefix}-")).tempdir_in(parent).expect("a directory can be made there")
}

/// A port that nobody listens on, below those that the system hands out to outgoing connections: whoever knocks at
/// a dead server's port again and again cannot be given that very port and end up talking to itself.
pub(crate) fn free_port() -> u16 {
    static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = taken.get_or_insert_default();
    for _ in 0..1_000 {
        let port = rand::random_range(20_000..32_000);
        if !taken.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            taken.insert(port);
            return port;
        }
    }
    panic!("no free port between 20000 and 32000 on 127.0.0.1")
}
