//! The composition root: the only file that knows every layer. It opens the store, puts the box office on it and the HTTP
//! face in front, and takes them down in the opposite order.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use actix_web::dev::Server;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    clock::SystemClock,
    config::{AllowedHosts, Config, EventSettings, Listen, StoreSettings},
    descriptors,
    domain::EventId,
    http::{self, ConnectionLimits, Desk, Hosts, Readiness},
    service::BoxOffice,
    store::{
        EventStore, StoreError,
        embedded::{EmbeddedStore, OpenError, may_hold_reservations},
        mongo::MongoStore,
    },
};

/// How long the line that says where the server listens waits for the event, so that a server with a healthy store is ready
/// once it says so. It serves what it can from the start, and goes on trying.
const EVENT_PATIENCE: Duration = Duration::from_secs(2);

/// The pause before the event is tried again.
const EVENT_PAUSE: Duration = Duration::from_millis(500);

/// Connections that there may be where nothing is set and there are descriptors enough. Each costs some tens of kilobytes
/// while it is used, so that these are about a gigabyte at worst.
const CONNECTIONS_MAX: usize = 50_000;

/// A server, built and listening. Nothing is answered before [`Application::run_until`] runs.
pub struct Application {
    greeting: Greeting,
    server: Server,
    probes: Option<Server>,
    box_office: BoxOffice,
    readiness: Arc<Readiness>,
    opening: JoinHandle<()>,
    request_timeout: Duration,
}

/// What the line at the start tells.
struct Greeting {
    address: SocketAddr,
    probes: Option<SocketAddr>,
    connections: ConnectionLimits,
    store: String,
    event_id: EventId,
}

impl Greeting {
    fn log(&self) {
        log::info!(
            listening:% = format_args!("http://{}", self.address),
            store = self.store.as_str(),
            event_id:% = self.event_id,
            connections_max = self.connections.connections_max,
            connections_per_address_max = self.connections.per_address_max,
            program_version = env!("CARGO_PKG_VERSION");
            "TicketBoss is open"
        );
        if let Some(address) = self.probes {
            log::info!(listening:% = format_args!("http://{address}"); "the probes are answered on a port of their own too");
        }
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The socket cannot be had.
    #[error("{settings}: cannot listen on {host}:{port}: {why}")]
    Listen {
        /// The settings that name the address.
        settings: &'static str,
        /// The address as it was set.
        host: String,
        /// The port as it was set.
        port: u16,
        /// The system's reason.
        why: io::Error,
    },
    /// The embedded store cannot be opened.
    #[error(transparent)]
    Embedded(#[from] OpenError),
    /// The connection string cannot be used.
    #[error(transparent)]
    Mongo(#[from] StoreError),
    /// The system gave no resources for the server.
    #[error("cannot start the server: {0}")]
    Serve(io::Error),
}

impl StartError {
    /// The process's exit code: 2 for settings that are wrong wherever they are used, 1 for what is in the way here and now.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Mongo(_) => 2,
            Self::Listen { .. } | Self::Embedded(_) | Self::Serve(_) => 1,
        }
    }
}

impl Application {
    /// Builds the server that `config` describes, and makes its event if it is not there. A MongoDB that is out of reach is
    /// no error: the server is not ready until it comes.
    ///
    /// Must be called on the runtime that the store is to live on.
    ///
    /// # Errors
    /// When the socket, the store or the server cannot be had.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        let (listen, request_timeout) = (config.listen, config.limits.request_timeout);
        let (listener, address) = bind("HOST, PORT", &listen.host, listen.port)?;
        let probes = listen.probe_port.map(|port| bind("HOST, PROBE_PORT", &listen.host, port)).transpose()?;
        if !address.ip().is_loopback() && config.allowed_hosts == AllowedHosts::These(Vec::new()) {
            log::info!(
                "requests are answered that ask for localhost, HOST or an address; ALLOWED_HOSTS adds the names that clients use"
            );
        }

        let store = open_store(&config.store).await?;
        // Not before, so that a start that fails says so in one line.
        let connections = connection_limits(&listen, descriptors::raise_limit());
        let box_office = BoxOffice::new(store, config.limits);
        let readiness = Arc::new(Readiness::default());
        let desk = Desk {
            box_office: box_office.clone(),
            event_id: config.event.id.clone(),
            seats_per_reservation_max: config.event.seats_per_reservation_max,
            hold_seconds_max: config.event.hold_seconds_max,
            body_timeout: request_timeout,
            readiness: readiness.clone(),
            hosts: match config.allowed_hosts {
                AllowedHosts::Any => Hosts::any(),
                AllowedHosts::These(names) => Hosts::of(&listen.host, address.ip(), names),
            },
        };
        let shutdown_timeout = shutdown_timeout(request_timeout);
        let (probes, probe_address) = match probes {
            Some((listener, address)) => {
                let server = http::serve_probes(listener, desk.clone(), shutdown_timeout).map_err(StartError::Serve)?;
                (Some(server), Some(address))
            }
            None => (None, None),
        };
        let server = http::serve(listener, desk, connections, shutdown_timeout).map_err(StartError::Serve)?;

        let greeting = Greeting {
            address,
            probes: probe_address,
            connections,
            store: shown(&config.store),
            event_id: config.event.id.clone(),
        };
        let opening = tokio::spawn(open_event(box_office.clone(), config.event, readiness.clone()));
        Ok(Self { greeting, server, probes, box_office, readiness, opening, request_timeout })
    }

    /// Where it listens; with port 0, the port that it got.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.greeting.address
    }

    /// Where the probes are answered too, if anywhere.
    #[must_use]
    pub fn probe_addr(&self) -> Option<SocketAddr> {
        self.greeting.probes
    }

    /// Serves until `stop` resolves. Then it is no longer ready, takes no more connections, answers what it has accepted,
    /// and lets the store go, within about three request timeouts.
    ///
    /// # Errors
    /// When the server ends by itself.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let handle = self.server.handle();
        let (mut server, mut stop) = (pin!(self.server), pin!(stop));
        // The probes say that the server is stopping for as long as it does.
        let probes = self.probes.map(|server| (server.handle(), tokio::spawn(server)));
        let mut opened = pin!(timeout(EVENT_PATIENCE, &mut self.opening));
        let mut greeted = false;
        let outcome = loop {
            tokio::select! {
                ended = &mut server => break ended,
                () = &mut stop => {
                    self.readiness.drain();
                    log::info!("stopping: answering what was accepted");
                    // The handle only sends the word; the server stops while it is polled.
                    break tokio::join!(handle.stop(true), server).1;
                }
                _ = &mut opened, if !greeted => {
                    greeted = true;
                    self.greeting.log();
                }
            }
        };
        if let Some((handle, probes)) = probes {
            handle.stop(true).await;
            // What it has to say of its end is said by the other one.
            let _ = probes.await;
        }
        self.opening.abort();
        self.box_office.close(self.request_timeout * 2).await;
        log::info!("stopped");
        outcome
    }
}

fn bind(settings: &'static str, host: &str, port: u16) -> Result<(TcpListener, SocketAddr), StartError> {
    let unavailable = |why| StartError::Listen { settings, host: host.to_owned(), port, why };
    let listener = http::bind(host, port).map_err(unavailable)?;
    let address = listener.local_addr().map_err(unavailable)?;
    Ok((listener, address))
}

/// What is set, as far as there are descriptors for it.
fn connection_limits(listen: &Listen, open_files_max: Option<u64>) -> ConnectionLimits {
    let room = descriptors::room_for_connections(open_files_max);
    if let Some(wanted) = listen.connections_max.filter(|wanted| *wanted > room) {
        log::warn!(
            connections_max = room, wanted, open_files_max:? = open_files_max;
            "CONNECTIONS_MAX is more than the limit of open files allows; raise that (ulimit -Hn, LimitNOFILE) for more"
        );
    }
    let connections_max = listen.connections_max.unwrap_or(CONNECTIONS_MAX).min(room);
    let per_address_max = listen.connections_per_address_max.unwrap_or_else(|| connections_max.div_ceil(2));
    ConnectionLimits { connections_max, per_address_max }
}

/// Time for every accepted request to be answered, in whole seconds, with some to spare for sending the answers.
fn shutdown_timeout(request_timeout: Duration) -> Duration {
    Duration::from_secs(request_timeout.as_secs() + 2)
}

async fn open_store(settings: &StoreSettings) -> Result<Arc<dyn EventStore>, StartError> {
    let clock = Arc::new(SystemClock);
    let Some(uri) = &settings.mongo_uri else {
        return Ok(Arc::new(EmbeddedStore::open(&settings.data_dir, clock)?));
    };
    if may_hold_reservations(&settings.data_dir) {
        log::warn!(
            data_dir:% = settings.data_dir.display();
            "MONGO_URI is set while DATA_DIR holds reservations; they stay behind there"
        );
    }
    let redacted = |why: StoreError| match why {
        StoreError::Misconfigured(why) => StoreError::Misconfigured(uri.redact(&why)),
        StoreError::Unavailable(why) => StoreError::Unavailable(uri.redact(&why)),
        StoreError::ReadOnly(why) => StoreError::ReadOnly(uri.redact(&why)),
        StoreError::Overloaded(why) => StoreError::Overloaded(uri.redact(&why)),
        StoreError::Unreadable(why) => StoreError::Unreadable(uri.redact(&why)),
    };
    Ok(Arc::new(MongoStore::open(uri.expose()).await.map_err(redacted)?))
}

/// Where events and reservations are, for the log.
fn shown(settings: &StoreSettings) -> String {
    match &settings.mongo_uri {
        Some(uri) => uri.to_string(),
        None => format!("embedded:{}", settings.data_dir.display()),
    }
}

/// Makes sure that the event is there, however long the store takes to come; says why it is not, once per reason.
async fn open_event(box_office: BoxOffice, settings: EventSettings, readiness: Arc<Readiness>) {
    let EventSettings { id, name, seats, .. } = settings;
    let mut said = String::new();
    let event = loop {
        match box_office.open_event(&id, &name, seats).await {
            Ok(event) => break event,
            Err(why) => {
                let cause = why.to_string();
                // What follows the first brace is the driver's list of servers, in an order that changes.
                let reason = cause.split('{').next().unwrap_or_default();
                if reason != said {
                    log::warn!(event_id:% = id, cause = cause.as_str(); "the event cannot be opened yet; trying again");
                    reason.clone_into(&mut said);
                }
            }
        }
        sleep(EVENT_PAUSE).await;
    };
    readiness.event_opened();
    tokio::spawn(async move { box_office.look_over_events().await });
    log::info!(
        event_id:% = id,
        total_seats = event.total_seats,
        available_seats = event.available_seats,
        event_version = event.version.0;
        "the event is open"
    );
    if event.total_seats != seats || event.name != name {
        log::warn!(
            event_id:% = id,
            name = event.name.as_str(),
            total_seats = event.total_seats;
            "the event was made before, with another name or other seats than are set now; it stays as it is"
        );
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// A configuration on a port and a directory of its own; `flags` come after.
    fn config(directory: &tempfile::TempDir, flags: &[&str]) -> Config {
        let directory = directory.path().to_str().expect("a path in UTF-8");
        Config::with_flags(["--data-dir", directory].iter().chain(flags).copied()).expect("good settings")
    }

    #[tokio::test]
    async fn an_application_serves_until_it_is_told_to_stop() {
        let directory = tempfile::tempdir().expect("a directory");
        let application = Application::build(config(&directory, &["--port", "0"])).await.expect("it starts");
        let url = format!("http://{}", application.addr());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(application.run_until(async { drop(stopped.await) }));

        // It serves while its event is being opened, so the first answers may be that it is not ready.
        let ready = async { while reqwest::get(format!("{url}/readyz")).await.expect("an answer").status() != 200 {} };
        timeout(Duration::from_secs(10), ready).await.expect("ready in time");
        let summary: serde_json::Value =
            reqwest::get(format!("{url}/reservations")).await.expect("an answer").json().await.expect("JSON");
        assert_eq!(summary["availableSeats"], 500);

        stop.send(()).expect("it runs");
        running.await.expect("it ends").expect("well");
        assert!(reqwest::get(format!("{url}/health")).await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn on_every_address_it_answers_for_every_address_and_no_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let flags = ["--host", "0.0.0.0", "--port", "0"];
        let application = Application::build(config(&directory, &flags)).await.expect("it starts");
        let url = format!("http://127.0.0.1:{}/", application.addr().port());
        let running = tokio::spawn(application.run_until(std::future::pending()));
        for (host, status) in
            [("10.0.0.7:5000", 200), ("[2001:db8::1]", 200), ("localhost", 200), ("evil.example", 421)]
        {
            let asked = reqwest::Client::new().get(&url).header("host", host).send().await.expect("an answer");
            assert_eq!(asked.status(), status, "{host}");
        }
        running.abort();
    }

    #[tokio::test]
    async fn what_is_in_the_way_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = taken.local_addr().expect("bound").port().to_string();
        for (flags, wanted, exit_code) in [
            (&["--port", &port][..], "HOST, PORT: ", 1),
            (&["--port", "0", "--mongo-uri", "mongodb://host/?tls=maybe"], "MONGO_URI: ", 2),
        ] {
            let why = Application::build(config(&directory, flags)).await.err().expect("it cannot start");
            assert!(why.to_string().contains(wanted), "{why}");
            assert_eq!(why.exit_code(), exit_code, "{why}");
        }
    }

    #[tokio::test]
    async fn a_connection_string_that_the_driver_refuses_is_not_repeated() {
        let directory = tempfile::tempdir().expect("a directory");
        for uri in [
            "mongodb://user:sec/ret@host/?w=1",
            "mongodb://user:sec:ret@host",
            "mongodb://user:sec@ret@host",
            "mongodb://user:sec%ret@host",
            "mongodb://user:sec[ret]@host",
            "mongodb://user:sec#ret@host",
            "mongodb://user:secret",
            "mongodb://user:secret@host:secret",
            "mongodb://user:secret@host/?tls=maybe",
            "mongodb://user:secret@host/a b?x=y",
            "mongodb://user:secret@host/?authMechanism=nonsense",
            "mongodb://user:secret@host/?tlsCertificateKeyFilePassword=secret&tls=secret",
            "mongodb+srv://user:secret@host:1",
            "mongodb+srv://user:secret@a,b",
        ] {
            let Ok(config) = Config::with_flags([
                "--data-dir",
                directory.path().to_str().expect("UTF-8"),
                "--port=0",
                &format!("--mongo-uri={uri}"),
            ]) else {
                continue;
            };
            let Err(why) = Application::build(config).await else { panic!("{uri} is taken") };
            let line = why.to_string();
            assert!(!line.contains("sec") && !line.contains("ret") && !line.contains('\n'), "{uri}: {line}");
        }
    }
}
