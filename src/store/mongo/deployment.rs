//! The connection to a MongoDB deployment: settings that suit a hot event, commands with a deadline, and what their
//! errors mean.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bson::{Document, RawDocumentBuf, Timestamp, raw::cstr, rawdoc};
use futures_util::TryStreamExt;
use mongodb::{
    Client, Database,
    error::{Error, ErrorKind},
    options::ClientOptions,
};
use tokio::{
    sync::{Notify, OnceCell},
    time::{Instant, error::Elapsed, sleep, timeout_at},
};

use super::repair::Schema;
use crate::store::StoreError;

/// The database when the URI names none.
const DATABASE: &str = "ticketboss";

/// Connections per server for commits and what belongs to them: each active event needs one, and so does settling.
const POOL_MAX: u32 = 64;

/// Connections per server for those who only read. A pool of their own: however many readers there are, a commit never
/// waits behind them for a connection.
const READERS_POOL_MAX: u32 = 32;

/// Connections kept open in either pool, so that a sale does not begin with handshakes.
const POOL_MIN: u32 = 4;

/// How long to look for a primary before a try is given up. The driver's default of 30 s is longer than any request
/// lives; callers try again until their own deadline.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait for a connection to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often servers are asked how they are, beside what they tell by themselves.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// The pause before a read is tried again.
const READ_PAUSE: Duration = Duration::from_millis(25);

/// What kind of deployment it is, as its `hello` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One server without a replica set: nothing survives its loss, and no majority can be asked for.
    Standalone,
    /// A replica set.
    ReplicaSet,
    /// A sharded cluster, reached through mongos.
    Sharded,
}

/// How sure a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Concern {
    /// The primary's newest state, which may roll back.
    Local,
    /// A state that a majority has and that lasts.
    Majority,
    /// A state that lasts and holds everything acknowledged before the read began.
    Linearizable,
}

/// Why a command is not known to have been carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum CommandError {
    /// It was not carried out; it may work later.
    #[error("{0}")]
    NotDone(String),
    /// It was not carried out; it will not work until somebody changes the deployment or the URI.
    #[error("{0}")]
    Forbidden(String),
    /// The server understood it and will never do it.
    #[error("{0}")]
    Refused(String),
    /// It may have been carried out, or may yet be.
    #[error("{0}")]
    Unclear(String),
    /// A query names an index that is not there.
    #[error("{0}")]
    MissingIndex(String),
    /// A query took longer than it may, and the server broke it off.
    #[error("{0}")]
    TooSlow(String),
}

impl CommandError {
    fn is_passing(&self) -> bool {
        matches!(self, Self::NotDone(_) | Self::Unclear(_))
    }
}

impl From<CommandError> for StoreError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotDone(why) | CommandError::Unclear(why) | CommandError::MissingIndex(why) => {
                Self::Unavailable(why)
            }
            CommandError::TooSlow(why) => Self::Overloaded(why),
            CommandError::Forbidden(why) => Self::Misconfigured(why),
            CommandError::Refused(why) => Self::Unreadable(why),
        }
    }
}

/// A client for one database of one deployment.
#[derive(Debug)]
pub(super) struct Deployment {
    client: Client,
    database: Database,
    kind: Arc<OnceCell<Kind>>,
    /// The deployment's logical time after the last write that a majority acknowledged to this process, or the last read
    /// of what a majority has.
    acknowledged: Arc<Mutex<Option<Timestamp>>>,
    /// Wakes who wants to know that something failed in passing: another primary may have taken over.
    pub(super) disturbed: Arc<Notify>,
    /// What is known of the collections and their indexes.
    pub(super) schema: Arc<Schema>,
}

impl Deployment {
    /// A client for the deployment at `uri`. No server needs to be reachable yet.
    ///
    /// What the URI says about pool and timeouts stands; what it leaves open is set to what suits a hot event.
    pub(super) async fn connect(uri: &str) -> Result<Self, StoreError> {
        let (client, database) = Self::client(uri, POOL_MAX).await?;
        Ok(Self {
            client,
            database,
            kind: Arc::default(),
            acknowledged: Arc::default(),
            disturbed: Arc::default(),
            schema: Arc::new(Schema::new()),
        })
    }

    /// The same deployment through connections of their own, for those who only read. What is known of it is shared: a read
    /// through either holds what was acknowledged through the other.
    pub(super) async fn for_readers(&self, uri: &str) -> Result<Self, StoreError> {
        let (client, database) = Self::client(uri, READERS_POOL_MAX).await?;
        Ok(Self {
            client,
            database,
            kind: self.kind.clone(),
            acknowledged: self.acknowledged.clone(),
            disturbed: self.disturbed.clone(),
            schema: self.schema.clone(),
        })
    }

    async fn client(uri: &str, pool_max: u32) -> Result<(Client, Database), StoreError> {
        let misconfigured = |why: Error| StoreError::Misconfigured(format!("MONGO_URI: {}", describe(&why)));
        let mut options = ClientOptions::parse(uri).await.map_err(misconfigured)?;
        options.app_name.get_or_insert_with(|| "ticketboss".to_owned());
        options.max_pool_size.get_or_insert(pool_max);
        options.min_pool_size.get_or_insert(POOL_MIN);
        options.server_selection_timeout.get_or_insert(SELECTION_TIMEOUT);
        options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
        options.heartbeat_freq.get_or_insert(HEARTBEAT);
        // A retryable write makes the server keep a copy of the whole event document for each commit. Deciding again
        // after an unclear outcome does the same job.
        options.retry_writes = Some(false);
        options.retry_reads = Some(false);
        if let Some(name) = &options.default_database
            && (name.len() > 63 || name.contains(['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?']))
        {
            let why = format!("MONGO_URI: {name:?} cannot be the name of a database; choose one of letters and digits");
            return Err(StoreError::Misconfigured(why));
        }
        let client = Client::with_options(options).map_err(misconfigured)?;
        let database = client.default_database().unwrap_or_else(|| client.database(DATABASE));
        Ok((client, database))
    }

    /// What kind of deployment it is; asked once.
    pub(super) async fn kind(&self, deadline: Instant) -> Result<Kind, CommandError> {
        if let Some(kind) = self.kind.get() {
            return Ok(*kind);
        }
        let kind = self.kind.get_or_try_init(|| async {
            let hello = self.hello(deadline).await?;
            if hello.get_bool("isreplicaset").unwrap_or(false) {
                return Err(CommandError::NotDone("the replica set is not initiated yet".to_owned()));
            }
            let kind = match (hello.get_str("msg"), hello.get_str("setName")) {
                (Ok("isdbgrid"), _) => Kind::Sharded,
                (_, Ok(_)) => Kind::ReplicaSet,
                _ => Kind::Standalone,
            };
            Ok(kind)
        });
        // Whoever asks first may have more patience than we have.
        let too_late = || CommandError::NotDone("the deployment did not answer in time".to_owned());
        timeout_at(deadline, kind).await.map_err(|_| too_late())?.copied()
    }

    /// Whether the replica set has a node that votes and keeps no data.
    pub(super) async fn has_arbiter(&self, deadline: Instant) -> Result<bool, CommandError> {
        let hello = self.hello(deadline).await?;
        Ok(hello.get_array("arbiters").is_ok_and(|arbiters| !arbiters.is_empty()))
    }

    /// The primary's `hello`.
    pub(super) async fn hello(&self, deadline: Instant) -> Result<Document, CommandError> {
        self.run(rawdoc! { "hello": 1 }, deadline).await
    }

    /// Sends a write, to be acknowledged by a majority with its journal, and returns the whole reply.
    ///
    /// # Errors
    /// `Unclear` also when the write was made but a majority did not acknowledge it in time.
    pub(super) async fn write(&self, mut command: RawDocumentBuf, deadline: Instant) -> Result<Document, CommandError> {
        let patience = milliseconds_until(deadline)?;
        command.append(cstr!("writeConcern"), rawdoc! { "w": "majority", "j": true, "wtimeout": patience });
        command.append(cstr!("maxTimeMS"), patience);
        let reply = self.run(command, deadline).await.map_err(|error| match error {
            CommandError::TooSlow(why) => CommandError::Unclear(why),
            other => other,
        })?;
        if let Ok(error) = reply.get_document("writeConcernError") {
            return Err(CommandError::Unclear(format!(
                "a majority of the nodes did not acknowledge the write on their disks: {}",
                error.get_str("errmsg").unwrap_or("no reason given")
            )));
        }
        self.note_acknowledged(&reply);
        Ok(reply)
    }

    /// Sends a query and returns all its documents, however many batches they take. A query that fails in passing is sent again until the
    /// deadline, so that readers live through a failover; one that misses its index waits until that is made.
    pub(super) async fn read(
        &self,
        command: RawDocumentBuf,
        concern: Concern,
        deadline: Instant,
    ) -> Result<Vec<Document>, CommandError> {
        loop {
            match self.try_read(command.clone(), concern, deadline).await {
                Ok(found) => return Ok(found),
                Err(CommandError::MissingIndex(why)) => self.schema.mend(&why, deadline).await?,
                Err(error) if error.is_passing() && Instant::now() + READ_PAUSE < deadline => sleep(READ_PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_read(
        &self,
        mut command: RawDocumentBuf,
        concern: Concern,
        deadline: Instant,
    ) -> Result<Vec<Document>, CommandError> {
        let mut read_concern = RawDocumentBuf::new();
        match (self.kind(deadline).await?, concern) {
            (Kind::Standalone, _) | (_, Concern::Local) => read_concern.append(cstr!("level"), "local"),
            (_, Concern::Linearizable) => read_concern.append(cstr!("level"), "linearizable"),
            (_, Concern::Majority) => {
                read_concern.append(cstr!("level"), "majority");
                // After a failover the new primary's majority snapshot may lag behind what the old one acknowledged.
                if let Some(time) = *self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner) {
                    read_concern.append(cstr!("afterClusterTime"), time);
                }
            }
        }
        command.append(cstr!("readConcern"), read_concern);
        command.append(cstr!("maxTimeMS"), milliseconds_until(deadline)?);
        // What one read has shown, none after it may lack, also when another primary answers, whose majority snapshot may lag: so
        // of its reply more is needed than a cursor tells. (Longer lists come in batches, and lean on what was noted before.)
        let is_noted = concern == Concern::Majority
            && matches!(command.get("singleBatch"), Ok(Some(whole)) if whole.as_bool() == Some(true));
        if concern == Concern::Linearizable || is_noted {
            let reply = self.run(command, deadline).await?;
            self.note_acknowledged(&reply);
            return first_batch(reply);
        }
        let found = async { self.database.run_raw_cursor_command(command).await?.try_collect().await };
        self.outcome(timeout_at(deadline, found).await)
    }

    fn note_acknowledged(&self, reply: &Document) {
        if let Ok(time) = reply.get_timestamp("operationTime") {
            let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
            if acknowledged.is_none_or(|before| before < time) {
                *acknowledged = Some(time);
            }
        }
    }

    /// Sends any command to the primary. The reply may hold write errors or a write concern error.
    pub(super) async fn run(&self, command: RawDocumentBuf, deadline: Instant) -> Result<Document, CommandError> {
        self.outcome(timeout_at(deadline, self.database.run_raw_command(command)).await)
    }

    fn outcome<T>(&self, outcome: Result<Result<T, Error>, Elapsed>) -> Result<T, CommandError> {
        let error = match outcome {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => classify(&error),
            Err(_) => CommandError::Unclear("no answer in time".to_owned()),
        };
        if error.is_passing() {
            self.disturbed.notify_one();
        }
        Err(error)
    }

    /// Ends all connections. The driver's background work must end before the runtime does.
    pub(super) async fn shutdown(&self) {
        self.client.clone().shutdown().immediate(true).await;
    }
}

/// Most of the time left, as milliseconds, for the server's own limits: it should give up a little before we do, since its
/// answer says what the matter is.
fn milliseconds_until(deadline: Instant) -> Result<i64, CommandError> {
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    match i64::try_from(left * 9 / 10) {
        Ok(left @ 1..) => Ok(left),
        _ => Err(CommandError::NotDone("no time is left".to_owned())),
    }
}

fn first_batch(mut reply: Document) -> Result<Vec<Document>, CommandError> {
    let unexpected = || CommandError::Refused("a query's reply is not one whole batch".to_owned());
    let cursor = reply.get_document_mut("cursor").map_err(|_| unexpected())?;
    if cursor.get_i64("id").unwrap_or_default() != 0 {
        return Err(unexpected());
    }
    let Some(bson::Bson::Array(batch)) = cursor.remove("firstBatch") else { return Err(unexpected()) };
    let document = |item| match item {
        bson::Bson::Document(document) => Ok(document),
        _ => Err(unexpected()),
    };
    batch.into_iter().map(document).collect()
}

/// What an error says about the command. Codes: MongoDB's `error_codes.yml`.
fn classify(error: &Error) -> CommandError {
    let why = describe(error);
    match error.kind.as_ref() {
        ErrorKind::Command(command) => match command.code {
            // Bad value, no query execution plans: the only bad value in our queries can be the index that they name.
            2 | 291 if command.message.contains("hint") => CommandError::MissingIndex(why),
            // Not the primary (any more): refused before anything was done.
            10058 | 10107 | 13435 | 13436 => CommandError::NotDone(why),
            // Unauthorized, authentication failed, no such role.
            13 | 18 | 31 | 8000 => CommandError::Forbidden(why),
            // Bad value, failed to parse, type mismatch, not viable path, conflicting updates, invalid options, command not found, document
            // validation failed, unsupported command, document too large (three ways), a duplicate in a unique index, an index that
            // stands there under another name or with other keys.
            2 | 9 | 14 | 28 | 40 | 59 | 72 | 85 | 86 | 115 | 121 | 10334 | 17419 | 17420 | DUPLICATE_KEY => {
                CommandError::Refused(why)
            }
            // Its maxTimeMS was over.
            50 => CommandError::TooSlow(why),
            _ => CommandError::Unclear(why),
        },
        ErrorKind::Authentication { .. } => CommandError::Forbidden(why),
        // The command never left this process. (Of a pool that was cleared that cannot be said: the driver calls it the same
        // when it breaks off a command that waits for its answer.)
        ErrorKind::ServerSelection { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::InvalidTlsConfig { .. }
        | ErrorKind::IncompatibleServer { .. }
        | ErrorKind::Shutdown => CommandError::NotDone(why),
        ErrorKind::InvalidArgument { .. } | ErrorKind::BsonSerialization(_) => CommandError::Refused(why),
        _ => CommandError::Unclear(why),
    }
}

/// One line about an error, without the connection string.
fn describe(error: &Error) -> String {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => format!("{} ({}, code {})", command.message, command.code_name, command.code),
        // The driver's message goes on with all it knows of each server, over many lines' worth.
        ErrorKind::ServerSelection { message, .. } => {
            let hint = if message.contains("AuthenticationFailed") || message.contains("Authentication failed") {
                "authentication failed: the user or the password in MONGO_URI is refused"
            } else if message.contains("ReplicaSetNoPrimary") {
                "the replica set that MONGO_URI names has no primary that answers; check its name and its nodes"
            } else {
                "no server that MONGO_URI names answers; check its hosts and the network"
            };
            hint.to_owned()
        }
        kind => kind.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

/// What a reply says about one statement of a bulk write that was not done.
#[derive(Debug)]
pub(super) struct WriteError {
    /// Which statement, counted from 0.
    pub(super) index: usize,
    /// Whether the document's `_id` stands in the collection already. A duplicate in another index, which somebody else must
    /// have made, is not that: the document is not there.
    pub(super) id_exists: bool,
    /// The server's words.
    pub(super) message: String,
}

/// A reply's write errors.
///
/// # Errors
/// `Unclear` when one cannot be read: a statement of which nothing is known must not count as done.
pub(super) fn write_errors(reply: &Document) -> Result<Vec<WriteError>, CommandError> {
    let read = |error: &bson::Bson| {
        let error = error.as_document()?;
        let message = error.get_str("errmsg").unwrap_or("no reason given").to_owned();
        Some(WriteError {
            index: usize::try_from(error.get_i32("index").ok()?).ok()?,
            id_exists: error.get_i32("code").ok()? == DUPLICATE_KEY && is_of_id_index(error, &message),
            message,
        })
    };
    let Ok(errors) = reply.get_array("writeErrors") else { return Ok(Vec::new()) };
    let errors: Option<Vec<_>> = errors.iter().map(read).collect();
    errors.ok_or_else(|| CommandError::Unclear("the server's write errors cannot be read".to_owned()))
}

/// Error code of a duplicate key in any unique index.
const DUPLICATE_KEY: i32 = 11_000;

/// Whether a duplicate is one of exactly `_id`. Servers tell the key of the index (`keyPattern`); where a proxy leaves it out, the
/// message has the index's name. The server looks at the index of `_id` first, so another index is only named when the `_id`
/// is new.
fn is_of_id_index(error: &Document, message: &str) -> bool {
    match error.get_document("keyPattern") {
        Ok(key) => key.len() == 1 && key.contains_key("_id"),
        Err(_) => message.contains(" index: _id_ "),
    }
}

#[cfg(test)]
#[path = "deployment_tests.rs"]
mod tests;
