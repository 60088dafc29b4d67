//! The list of all settings: one table behind the flags, the variables, the help and `.env.example`.

/// One setting. Its flag is its name in lower case with dashes.
#[derive(Debug)]
pub(super) struct Setting {
    /// The name of the environment variable.
    pub(super) name: &'static str,
    /// The value when nothing is set; empty when that means "without".
    pub(super) default: &'static str,
    /// The group that it is shown in.
    pub(super) group: &'static str,
    /// What it does.
    pub(super) help: &'static str,
}

const LISTEN: &str = "Where to listen";
const STORE: &str = "Where to keep reservations";
const EVENT: &str = "What to sell";
const LIMITS: &str = "How much to take on";
const LOG: &str = "What to log (on standard error)";

pub(super) static HOST: Setting = Setting {
    name: "HOST",
    default: "127.0.0.1",
    group: LISTEN,
    help: "Address or host name; 0.0.0.0 is every address",
};
pub(super) static PORT: Setting =
    Setting { name: "PORT", default: "5000", group: LISTEN, help: "Port; 0 is any free one, and the log says which" };
pub(super) static ALLOWED_HOSTS: Setting = Setting {
    name: "ALLOWED_HOSTS",
    default: "",
    group: LISTEN,
    help: "Host names that are answered beside localhost and HOST, separated by commas, each with or without a port;\n\
           * is every name. Behind a proxy or a load balancer: the names that clients use",
};
pub(super) static PROBE_PORT: Setting = Setting {
    name: "PROBE_PORT",
    default: "",
    group: LISTEN,
    help: "Port on which /health, /livez and /readyz are answered too, with room of their own",
};
pub(super) static CONNECTIONS_MAX: Setting = Setting {
    name: "CONNECTIONS_MAX",
    default: "",
    group: LISTEN,
    help: "Most connections at one time; if unset 50000, or as many as the limit of open\n\
           files allows",
};
pub(super) static CONNECTIONS_PER_ADDRESS_MAX: Setting = Setting {
    name: "CONNECTIONS_PER_ADDRESS_MAX",
    default: "",
    group: LISTEN,
    help: "Most connections from one address; if unset half of all. Behind one load\n\
           balancer, set it as high as CONNECTIONS_MAX",
};
pub(super) static MONGO_URI: Setting = Setting {
    name: "MONGO_URI",
    default: "",
    group: STORE,
    help: "A MongoDB deployment, such as mongodb://a,b,c/?replicaSet=rs0; the database in it,\n\
           else ticketboss. Without it the embedded store is used",
};
pub(super) static DATA_DIR: Setting =
    Setting { name: "DATA_DIR", default: "./data", group: STORE, help: "Directory of the embedded store" };
pub(super) static EVENT_ID: Setting = Setting {
    name: "EVENT_ID",
    default: "node-meetup-2025",
    group: EVENT,
    help: "Event that /reservations serves; made at start if it is not there",
};
pub(super) static EVENT_NAME: Setting =
    Setting { name: "EVENT_NAME", default: "Node.js Meet-up", group: EVENT, help: "Its name when it is made" };
pub(super) static EVENT_SEATS: Setting =
    Setting { name: "EVENT_SEATS", default: "500", group: EVENT, help: "Its seats when it is made" };
pub(super) static SEATS_PER_RESERVATION_MAX: Setting = Setting {
    name: "SEATS_PER_RESERVATION_MAX",
    default: "10",
    group: EVENT,
    help: "Most seats that one reservation may take",
};
pub(super) static HOLD_SECONDS_MAX: Setting = Setting {
    name: "HOLD_SECONDS_MAX",
    default: "900",
    group: EVENT,
    help: "Longest that a reservation may hold its seats before it is confirmed",
};
pub(super) static COMMIT_BATCH_MAX: Setting = Setting {
    name: "COMMIT_BATCH_MAX",
    default: "1024",
    group: LIMITS,
    help: "Most requests that one commit carries; it never waits for more to come",
};
pub(super) static COMMIT_ATTEMPTS_MAX: Setting = Setting {
    name: "COMMIT_ATTEMPTS_MAX",
    default: "100",
    group: LIMITS,
    help: "Tries to commit against other processes before 409 version-conflict",
};
pub(super) static INBOX_MAX: Setting = Setting {
    name: "INBOX_MAX",
    default: "16384",
    group: LIMITS,
    help: "Most requests that may wait for one event before 503 overloaded",
};
pub(super) static REQUEST_TIMEOUT_MS: Setting = Setting {
    name: "REQUEST_TIMEOUT_MS",
    default: "5000",
    group: LIMITS,
    help: "Longest that a request may take, and its body before that",
};
pub(super) static LOG_FORMAT: Setting =
    Setting { name: "LOG_FORMAT", default: "text", group: LOG, help: "text, or json for one object a line" };
pub(super) static RUST_LOG: Setting = Setting {
    name: "RUST_LOG",
    default: "info",
    group: LOG,
    help: "What to log, as env_logger takes it; ticketboss=debug has a line for every request",
};

/// All of them, in the order of help and `.env.example`.
pub(super) static ALL: [&Setting; 19] = [
    &HOST,
    &PORT,
    &ALLOWED_HOSTS,
    &PROBE_PORT,
    &CONNECTIONS_MAX,
    &CONNECTIONS_PER_ADDRESS_MAX,
    &MONGO_URI,
    &DATA_DIR,
    &EVENT_ID,
    &EVENT_NAME,
    &EVENT_SEATS,
    &SEATS_PER_RESERVATION_MAX,
    &HOLD_SECONDS_MAX,
    &COMMIT_BATCH_MAX,
    &COMMIT_ATTEMPTS_MAX,
    &INBOX_MAX,
    &REQUEST_TIMEOUT_MS,
    &LOG_FORMAT,
    &RUST_LOG,
];

impl Setting {
    /// The flag's name, without its dashes in front.
    pub(super) fn flag(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }
}
