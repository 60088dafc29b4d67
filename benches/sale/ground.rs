//! What servers stand on: a fresh directory, or a fresh database on a deployment that this process started.

use std::fmt;

use bson::{Document, doc};
use mongodb::{
    Client, Database,
    options::{ClientOptions, ReadConcern},
};
use tempfile::TempDir;

use crate::{
    failure::{Failure, Outcome, failed},
    mongod::{node::scratch, replica_set::ReplicaSet},
    watch::forget_peaks,
};

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StoreKind {
    Embedded,
    OneNode,
    ThreeNode,
}

impl StoreKind {
    pub(crate) const ALL: [Self; 3] = [Self::Embedded, Self::OneNode, Self::ThreeNode];

    /// Its name in arguments and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::OneNode => "one-node",
            Self::ThreeNode => "three-node",
        }
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The cache of each mongod. The tests' 256 MB would have a million reservations read from disk.
const CACHE: &str = "cache_size=1GB";

/// A replica set, and a client to look into it with.
pub(crate) struct Deployment {
    pub(crate) kind: StoreKind,
    set: ReplicaSet,
    client: Client,
    pids: Vec<u32>,
    databases: u32,
}

impl Deployment {
    /// Starts the nodes and waits until they form a set.
    pub(crate) async fn start(kind: StoreKind) -> Outcome<Self> {
        let nodes = if kind == StoreKind::ThreeNode { 3 } else { 1 };
        let set = ReplicaSet::start(nodes).await;
        let mut pids = Vec::new();
        for node in 0..nodes {
            let cache = doc! { "setParameter": 1, "wiredTigerEngineRuntimeConfig": CACHE };
            set.node(node).command(cache).await.map_err(failed("a mongod's cache"))?;
            let status = set.node(node).command(doc! { "serverStatus": 1 }).await.map_err(failed("serverStatus"))?;
            let pid = number(&status, "pid").and_then(|pid| u32::try_from(pid).ok());
            pids.push(pid.ok_or_else(|| Failure::Failed("a mongod does not tell its pid".to_owned()))?);
        }
        let client = client(&set.uri("admin")).await?;
        Ok(Self { kind, set, client, pids, databases: 0 })
    }

    /// Ends it, and its data.
    pub(crate) async fn stop(self) {
        self.client.shutdown().immediate(true).await;
    }

    fn database(&mut self) -> String {
        self.databases += 1;
        format!("bench{}", self.databases)
    }
}

/// A client with a pool that suits the many requests in flight of the limits, and without retries, as everywhere here.
pub(crate) async fn client(uri: &str) -> Outcome<Client> {
    let mut options = ClientOptions::parse(uri).await.map_err(failed(uri))?;
    options.max_pool_size.get_or_insert(256);
    options.retry_writes = Some(false);
    options.retry_reads = Some(false);
    Client::with_options(options).map_err(failed(uri))
}

/// The ground of one run.
pub(crate) enum Ground {
    Embedded(TempDir),
    Mongo { uri: String, direct: String, database: Database, pids: Vec<u32> },
}

impl Ground {
    /// A directory of its own.
    pub(crate) fn embedded() -> Self {
        Self::Embedded(scratch("bench-data"))
    }

    /// A database of its own.
    pub(crate) fn mongo(deployment: &mut Deployment) -> Outcome<Self> {
        forget_peaks(&deployment.pids)?;
        let name = deployment.database();
        Ok(Self::Mongo {
            uri: deployment.set.uri(&name),
            direct: deployment.set.node(0).address(),
            database: deployment.client.database(&name),
            pids: deployment.pids.clone(),
        })
    }

    /// The setting that has a server use it.
    pub(crate) fn setting(&self) -> (&'static str, String) {
        match self {
            Self::Embedded(directory) => ("DATA_DIR", directory.path().display().to_string()),
            Self::Mongo { uri, .. } => ("MONGO_URI", uri.clone()),
        }
    }

    /// The database, if it is one.
    pub(crate) fn database(&self) -> Option<&Database> {
        match self {
            Self::Embedded(_) => None,
            Self::Mongo { database, .. } => Some(database),
        }
    }

    /// The store's processes; none for a store inside the server.
    pub(crate) fn pids(&self) -> Vec<u32> {
        match self {
            Self::Embedded(_) => Vec::new(),
            Self::Mongo { pids, .. } => pids.clone(),
        }
    }

    /// `findAndModify` commands that the primary has run since it started.
    pub(crate) async fn commits(&self) -> Outcome<Option<i64>> {
        let Some(database) = self.database() else { return Ok(None) };
        let status = doc! { "serverStatus": 1, "repl": 0, "locks": 0, "wiredTiger": 0 };
        let status = database.run_command(status).await.map_err(failed("serverStatus"))?;
        let commands = status.get_document("metrics").and_then(|metrics| metrics.get_document("commands"));
        let counts = commands.and_then(|commands| commands.get_document("findAndModify"));
        Ok(counts.ok().and_then(|counts| number(counts, "total")))
    }

    /// How many documents of a collection match, as a majority has them.
    pub(crate) async fn count(&self, collection: &str, filter: Document) -> Outcome<u64> {
        let Some(database) = self.database() else { return Ok(0) };
        let documents = database.collection::<Document>(collection);
        let count = documents.count_documents(filter).read_concern(ReadConcern::majority()).await;
        count.map_err(failed(&format!("counting {collection}")))
    }

    /// Takes it away.
    pub(crate) async fn clear(self) -> Outcome<()> {
        match self {
            Self::Embedded(directory) => directory.close().map_err(failed("removing a data directory")),
            Self::Mongo { database, .. } => database.drop().await.map_err(failed("dropping a database")),
        }
    }
}

/// A whole number, whichever of BSON's three it is.
pub(crate) fn number(document: &Document, name: &str) -> Option<i64> {
    let value = document.get(name)?;
    #[expect(clippy::cast_possible_truncation, reason = "what MongoDB counts as a double is whole and below 2^53")]
    value.as_i64().or_else(|| value.as_i32().map(i64::from)).or_else(|| value.as_f64().map(|value| value as i64))
}
