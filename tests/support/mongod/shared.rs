//! Deployments that the tests of one binary share, so that each does not wait for an election of its own.

use tokio::sync::OnceCell;

use super::{install, replica_set::ReplicaSet};

/// The one-node set of this test binary. Not to be broken: tests that kill nodes start a set of their own.
pub(crate) async fn one_node() -> &'static ReplicaSet {
    static SET: OnceCell<ReplicaSet> = OnceCell::const_new();
    SET.get_or_init(|| ReplicaSet::start(1)).await
}

/// The three-node set of this test binary. Not to be broken: tests that kill nodes start a set of their own.
pub(crate) async fn three_nodes() -> &'static ReplicaSet {
    static SET: OnceCell<ReplicaSet> = OnceCell::const_new();
    SET.get_or_init(|| ReplicaSet::start(3)).await
}

/// The connection string of `database` on any working deployment: the one that `MONGO_TEST_URI` names, else the shared
/// three-node set.
pub(crate) async fn deployment_uri(database: &str) -> String {
    match install::setting("MONGO_TEST_URI") {
        Some(uri) => with_database(&uri, database),
        None => three_nodes().await.uri(database),
    }
}

/// A database name that no other test uses, on a deployment that may be shared with other runs.
pub(crate) fn unique_db(name: &str) -> String {
    // MongoDB takes up to 63 bytes.
    let short: String = name.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    format!("tb_{short}_{:016x}", rand::random::<u64>())
}

/// `uri` with another database. The database of a connection string is also where its user is looked up, unless
/// `authSource` says otherwise, so that is kept.
fn with_database(uri: &str, database: &str) -> String {
    let (scheme, rest) = uri.split_once("://").unwrap_or_else(|| panic!("MONGO_TEST_URI is no connection string"));
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, old) = rest.split_once('/').unwrap_or((rest, ""));
    let mut options: Vec<String> = options.split('&').filter(|option| !option.is_empty()).map(str::to_owned).collect();
    let has_source = options.iter().any(|option| option.to_ascii_lowercase().starts_with("authsource="));
    if hosts.contains('@') && !has_source && !old.is_empty() {
        options.push(format!("authSource={old}"));
    }
    let separator = if options.is_empty() { "" } else { "?" };
    format!("{scheme}://{hosts}/{database}{separator}{}", options.join("&"))
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn a_given_deployment_keeps_all_but_its_database() {
        for (given, expected) in [
            ("mongodb://a:1", "mongodb://a:1/db"),
            ("mongodb://a:1,b:2/old?replicaSet=rs0", "mongodb://a:1,b:2/db?replicaSet=rs0"),
            ("mongodb://u:p@a/old", "mongodb://u:p@a/db?authSource=old"),
            ("mongodb://u:p@a/?tls=true", "mongodb://u:p@a/db?tls=true"),
            ("mongodb+srv://u:p@a/old?authSource=x", "mongodb+srv://u:p@a/db?authSource=x"),
        ] {
            assert_eq!(with_database(given, "db"), expected, "{given}");
        }
    }
}
