//! The only reader of flags, environment and `.env`.
//!
//! [`settings`] is the list of all settings with their defaults; here they become values of the types that the house works
//! with, one struct per concern. A value that cannot be used stops the start with one line that names its setting.

use std::{ffi::OsString, ops::RangeInclusive, path::PathBuf, time::Duration};

use crate::{
    domain::{EventId, EventName, TOTAL_SEATS_MAX},
    http::HostName,
    service::Limits,
};

mod dotenv;
mod mongo_uri;
mod redacted;
mod settings;
mod sources;

pub use mongo_uri::MongoUri;
pub use sources::InvalidSetting;

use sources::Sources;

/// The largest count that a setting takes where nothing else bounds it: far from where sums would overflow.
const COUNT_MAX: u32 = 1_000_000;

/// The longest hold, in seconds: a day. Seats that somebody keeps for longer than that are sold.
const HOLD_SECONDS_MAX: u32 = 86_400;

/// The largest batch: its entries must fit an event's journal, which takes twice as many.
const BATCH_MAX: u32 = 4_096;

/// The longest that a request may be told to take.
const TIMEOUT_MAX_MS: u32 = 600_000;

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// Whose requests to answer.
    pub allowed_hosts: AllowedHosts,
    /// Where to keep events and reservations.
    pub store: StoreSettings,
    /// What to sell on the root paths.
    pub event: EventSettings,
    /// How much to take on.
    pub limits: Limits,
    /// What to log, and how.
    pub logging: Logging,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// An address, or a name that has one.
    pub host: String,
    /// A port; 0 means any free one.
    pub port: u16,
    /// The probes' own port; 0 means any free one.
    pub probe_port: Option<u16>,
    /// The most connections at one time; if unset, as many as there is room for.
    pub connections_max: Option<usize>,
    /// The most connections from one address; half of those that there may be if unset.
    pub connections_per_address_max: Option<usize>,
}

/// The hosts that are answered for beside the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHosts {
    /// Every host.
    Any,
    /// These, as they were set; none when nothing is.
    These(Vec<HostName>),
}

/// Where to keep events and reservations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// A MongoDB deployment, or else the embedded store.
    pub mongo_uri: Option<MongoUri>,
    /// The embedded store's directory.
    pub data_dir: PathBuf,
}

/// What to sell on the root paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSettings {
    /// The event's id.
    pub id: EventId,
    /// Its name, if it is made at this start.
    pub name: EventName,
    /// Its seats, if it is made at this start.
    pub seats: u32,
    /// The most seats that one reservation may take.
    pub seats_per_reservation_max: u32,
    /// The longest that a reservation may hold its seats, in seconds.
    pub hold_seconds_max: u32,
}

/// What to log, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// How a line looks.
    pub format: LogFormat,
    /// Which lines there are, in `env_logger`'s words.
    pub filter: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object, for machines.
    Json,
}

/// What the program was called for.
#[derive(Debug)]
pub enum Call {
    /// To serve.
    Serve(Box<Config>),
    /// To tell about itself: the text to print.
    Tell(String),
}

/// Reads what this process was started with.
///
/// # Errors
/// Names the setting that cannot be used, and says what it takes.
pub fn read() -> Result<Call, InvalidSetting> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may read the environment")]
    let variable = |name: &str| std::env::var_os(name);
    match sources::flags(std::env::args_os())? {
        sources::Flags::Tell(text) => Ok(Call::Tell(text)),
        sources::Flags::Given(flags) => {
            let dotenv = dotenv::read(std::path::Path::new(".env"))?;
            Ok(Call::Serve(Box::new(Config::from_sources(&Sources { flags, variable: &variable, dotenv })?)))
        }
    }
}

impl Config {
    /// Settings as they are when nothing is set but what `flags` say, for a server inside a test's process.
    ///
    /// # Errors
    /// As [`read`].
    pub fn with_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidSetting> {
        let flags = ["ticketboss"].into_iter().chain(flags).map(OsString::from);
        let sources::Flags::Given(flags) = sources::flags(flags)? else {
            return Err(InvalidSetting::nothing_to_serve());
        };
        Self::from_sources(&Sources { flags, variable: &|_| None, dotenv: Vec::new() })
    }

    fn from_sources(sources: &Sources<'_>) -> Result<Self, InvalidSetting> {
        // What looks like a connection string is meant for MONGO_URI; from here on nobody would keep its password.
        let plain = |text: &str| (!redacted::may_hold_credentials(text)).then(|| text.to_owned());
        let usize_of = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let whole = |setting, range: RangeInclusive<u32>| {
            let what = format!("a whole number from {} to {}", range.start(), range.end());
            sources.required(setting, &what, |text| text.parse().ok().filter(|number| range.contains(number)))
        };
        let count = |setting| {
            let what = format!("a whole number from 1 to {COUNT_MAX}");
            let parse = |text: &str| text.parse().ok().filter(|number| (1..=COUNT_MAX).contains(number)).map(usize_of);
            sources.optional(setting, &what, parse)
        };
        Ok(Self {
            listen: Listen {
                host: sources.required(&settings::HOST, "an address or a host name", plain)?,
                port: sources.required(&settings::PORT, "a port from 0 to 65535", |text| text.parse().ok())?,
                probe_port: sources
                    .optional(&settings::PROBE_PORT, "a port from 0 to 65535", |text| text.parse().ok())?,
                connections_max: count(&settings::CONNECTIONS_MAX)?,
                connections_per_address_max: count(&settings::CONNECTIONS_PER_ADDRESS_MAX)?,
            },
            allowed_hosts: sources
                .optional(
                    &settings::ALLOWED_HOSTS,
                    "host names or addresses with commas between them, or *",
                    parse_hosts,
                )?
                .unwrap_or(AllowedHosts::These(Vec::new())),
            store: StoreSettings {
                mongo_uri: sources.optional(&settings::MONGO_URI, MongoUri::WHAT, MongoUri::parse)?,
                data_dir: sources.required(&settings::DATA_DIR, "a directory", plain)?.into(),
            },
            event: EventSettings {
                id: sources.required(&settings::EVENT_ID, "1 to 64 characters out of a-z, 0-9 and '-'", |text| {
                    EventId::parse(text).ok()
                })?,
                name: sources.required(
                    &settings::EVENT_NAME,
                    "1 to 200 characters, none of them invisible",
                    |text| EventName::parse(text).ok(),
                )?,
                seats: whole(&settings::EVENT_SEATS, 1..=TOTAL_SEATS_MAX)?,
                seats_per_reservation_max: whole(&settings::SEATS_PER_RESERVATION_MAX, 1..=COUNT_MAX)?,
                hold_seconds_max: whole(&settings::HOLD_SECONDS_MAX, 1..=HOLD_SECONDS_MAX)?,
            },
            limits: Limits {
                commit_batch_max: usize_of(whole(&settings::COMMIT_BATCH_MAX, 1..=BATCH_MAX)?),
                commit_attempts_max: whole(&settings::COMMIT_ATTEMPTS_MAX, 1..=COUNT_MAX)?,
                inbox_max: usize_of(whole(&settings::INBOX_MAX, 1..=COUNT_MAX)?),
                request_timeout: Duration::from_millis(
                    whole(&settings::REQUEST_TIMEOUT_MS, 100..=TIMEOUT_MAX_MS)?.into(),
                ),
            },
            logging: Logging {
                format: sources.required(&settings::LOG_FORMAT, "text or json", |text| match text {
                    "text" => Some(LogFormat::Text),
                    "json" => Some(LogFormat::Json),
                    _ => None,
                })?,
                filter: sources.required(&settings::RUST_LOG, "a filter such as info or ticketboss=debug", |text| {
                    (is_spelled_out(text) && env_filter::Builder::new().try_parse(text).is_ok())
                        .then(|| text.to_owned())
                })?,
            },
        })
    }
}

/// Reads hosts with commas between them.
fn parse_hosts(text: &str) -> Option<AllowedHosts> {
    if text.trim() == "*" {
        return Some(AllowedHosts::Any);
    }
    let hosts = text.split(',').map(|host| HostName::parse(host.trim()));
    hosts.collect::<Option<_>>().map(AllowedHosts::These)
}

/// Whether every bare word of a log filter is a level. `env_logger` takes any other one for the name of a module, so
/// that a misspelt level would silence everything else.
fn is_spelled_out(filter: &str) -> bool {
    let directives = filter.split('/').next().unwrap_or_default();
    let bare = directives.split(',').map(str::trim).filter(|word| !word.is_empty() && !word.contains('='));
    bare.into_iter().all(|word| word.parse::<log::LevelFilter>().is_ok())
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
