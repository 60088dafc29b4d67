//! Several mongods that form a replica set.

use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};

use super::{
    node::{Node, free_port},
    process::POLL,
};

/// The set's name, in connection strings too.
const NAME: &str = "rs0";
/// How long an election may take on a loaded machine; with the timeouts below it takes two to five seconds.
const ELECTION_PATIENCE: Duration = Duration::from_mins(1);
/// How long a primary that steps down stays out of the next elections.
const STEP_DOWN_SECS: i32 = 4;

/// A replica set on this machine; its nodes are numbered from 0. It and its data go when this is dropped.
pub(crate) struct ReplicaSet {
    nodes: Vec<Node>,
}

impl ReplicaSet {
    /// Starts a set of `nodes` nodes on free ports and waits until one is primary and the others follow it.
    pub(crate) async fn start(nodes: usize) -> Self {
        let ports: Vec<u16> = (0..nodes).map(|_| free_port()).collect();
        Self::start_on(&ports).await
    }

    /// Starts a set with one node on each of these ports and waits until one is primary and the others follow it.
    pub(crate) async fn start_on(ports: &[u16]) -> Self {
        let nodes = futures_util::future::join_all(ports.iter().map(|port| Node::start(Some(NAME), *port))).await;
        let set = Self { nodes };
        let members: Vec<Document> =
            (0_i32..).zip(&set.nodes).map(|(id, node)| doc! { "_id": id, "host": node.address() }).collect();
        // MongoDB's own timeouts are made for networks between data centres; here a failover should take seconds. The
        // last one counts for a frozen node: a new primary waits for everybody's heartbeat before it takes writes.
        let settings =
            doc! { "electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 500, "heartbeatTimeoutSecs": 2 };
        let config = doc! { "_id": NAME, "members": members, "settings": settings };
        set.nodes[0].command(doc! { "replSetInitiate": config }).await.expect("fresh nodes form a set");
        set.wait_whole().await;
        set
    }

    /// The connection string of `database`.
    pub(crate) fn uri(&self, database: &str) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(Node::address).collect();
        format!("mongodb://{}/{database}?replicaSet={NAME}", hosts.join(","))
    }

    /// One node, for what only a single node can be asked.
    pub(crate) fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node that says it is primary now, if any does. For a moment after an old primary was cut off there may be
    /// two: the one that others elected last counts.
    pub(crate) async fn primary(&self) -> Option<usize> {
        let answers = futures_util::future::join_all(self.nodes.iter().map(Node::hello)).await;
        (0..)
            .zip(answers)
            .filter_map(|(node, hello)| Some((node, hello?)))
            .filter(|(_, hello)| hello.get_bool("isWritablePrimary").unwrap_or(false))
            .max_by_key(|(_, hello)| hello.get_object_id("electionId").ok())
            .map(|(node, _)| node)
    }

    /// Waits until a node is primary, and says which.
    pub(crate) async fn wait_primary(&self) -> usize {
        let deadline = Instant::now() + ELECTION_PATIENCE;
        loop {
            if let Some(primary) = self.primary().await {
                return primary;
            }
            assert!(Instant::now() < deadline, "no node became primary within {ELECTION_PATIENCE:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until one node is primary and all others are its secondaries.
    pub(crate) async fn wait_whole(&self) {
        let deadline = Instant::now() + ELECTION_PATIENCE;
        let mut waiting: Vec<&Node> = self.nodes.iter().collect();
        self.wait_primary().await;
        while let Some(node) = waiting.last() {
            let hello = node.hello().await.unwrap_or_default();
            if ["isWritablePrimary", "secondary"].iter().any(|role| hello.get(role) == Some(&Bson::Boolean(true))) {
                waiting.pop();
                continue;
            }
            assert!(Instant::now() < deadline, "{node} joined no set within {ELECTION_PATIENCE:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills a node with SIGKILL.
    pub(crate) fn kill(&self, node: usize) {
        self.nodes[node].kill();
    }

    /// Ends a node with SIGTERM.
    pub(crate) async fn stop(&self, node: usize) {
        self.nodes[node].stop().await;
    }

    /// Freezes a node with SIGSTOP.
    pub(crate) fn pause(&self, node: usize) {
        self.nodes[node].pause();
    }

    /// Lets a frozen node go on.
    pub(crate) fn resume(&self, node: usize) {
        self.nodes[node].resume();
    }

    /// Starts a dead node again on its port and data; it may need a while to follow the primary.
    pub(crate) async fn restart(&self, node: usize) {
        self.nodes[node].restart().await;
    }

    /// Has the primary give up its role, and says which node that was. Returns once it has; the next primary may not
    /// be elected yet.
    pub(crate) async fn step_down(&self) -> usize {
        let deadline = Instant::now() + ELECTION_PATIENCE;
        loop {
            let primary = self.wait_primary().await;
            // Its secondaries must have caught up within this time, or it refuses; under load that may take two tries.
            let command = doc! { "replSetStepDown": STEP_DOWN_SECS, "secondaryCatchUpPeriodSecs": 2 };
            match self.nodes[primary].command(command).await {
                Ok(_) => return primary,
                Err(error) => {
                    assert!(Instant::now() < deadline, "{} would not step down: {error}", self.nodes[primary]);
                }
            }
        }
    }
}
