//! Where a server under test keeps its data, and what stands there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::{
    Client,
    options::{ClientOptions, ReadConcern},
};
use tempfile::TempDir;

use super::mongod::{
    node::scratch,
    process::POLL,
    shared::{deployment_uri, unique_db},
};

/// The event that the service makes by default.
pub(crate) const EVENT: &str = "node-meetup-2025";

/// A store that no other test uses.
pub(crate) enum Store {
    /// A directory for the embedded store.
    Embedded(Arc<TempDir>),
    /// The connection string of a database of its own.
    Mongo(String),
}

/// Runs `test` on each of the two stores, one after the other. What it prints tells a failure's store.
pub(crate) async fn for_each_store(name: &str, test: impl AsyncFn(Store)) {
    println!("--- {name} on the embedded store");
    test(Store::embedded()).await;
    println!("--- {name} on MongoDB");
    test(Store::mongo(name).await).await;
}

impl Store {
    /// A new directory for the embedded store.
    pub(crate) fn embedded() -> Self {
        Self::Embedded(Arc::new(scratch("data")))
    }

    /// A new database on any deployment that works.
    pub(crate) async fn mongo(name: &str) -> Self {
        Self::Mongo(deployment_uri(&unique_db(name)).await)
    }

    /// The directory of the embedded store; it goes when nobody holds it any more.
    pub(crate) fn directory(&self) -> Option<Arc<TempDir>> {
        match self {
            Self::Embedded(directory) => Some(directory.clone()),
            Self::Mongo(_) => None,
        }
    }

    /// The setting that has a server use this store.
    pub(crate) fn setting(&self) -> (String, String) {
        match self {
            Self::Embedded(directory) => ("DATA_DIR".to_owned(), directory.path().display().to_string()),
            Self::Mongo(uri) => ("MONGO_URI".to_owned(), uri.clone()),
        }
    }

    /// Whether the event's journal is empty: every accepted change stands in `reservations`. Always true for the embedded
    /// store, which has none.
    pub(crate) async fn journal_is_empty(&self) -> bool {
        let Self::Mongo(uri) = self else { return true };
        event_document(uri).await.get_document("journal").expect("an event has a journal").is_empty()
    }

    /// Waits until the journal is empty.
    pub(crate) async fn wait_settled(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while !self.journal_is_empty().await {
            assert!(Instant::now() < deadline, "the journal still holds changes after {patience:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// The event's reservations as the store holds them; `None` for a store that only the server can look into.
    pub(crate) async fn reservation_documents(&self) -> Option<Vec<Document>> {
        let Self::Mongo(uri) = self else { return None };
        let documents = with_client(uri, async |client| {
            let database = client.default_database().expect("the connection string names one");
            let reservations = database.collection("reservations");
            reservations
                .find(doc! { "eventId": EVENT })
                .read_concern(ReadConcern::majority())
                .await?
                .try_collect()
                .await
        });
        Some(documents.await.unwrap_or_else(|error| panic!("the reservations cannot be read: {error}")))
    }
}

/// The event as MongoDB holds it.
async fn event_document(uri: &str) -> Document {
    let found = with_client(uri, async |client| {
        let database = client.default_database().expect("the connection string names one");
        database.collection("events").find_one(doc! { "_id": EVENT }).read_concern(ReadConcern::majority()).await
    });
    let found = found.await.unwrap_or_else(|error| panic!("the event cannot be read: {error}"));
    found.expect("a server has made the event")
}

/// Sets fields of one document, past the server and its rules, as damage or a careless hand might.
pub(crate) async fn change_document(uri: &str, collection: &str, id: &str, fields: Document) {
    let changed = with_client(uri, async |client| {
        let database = client.default_database().expect("the connection string names one");
        let collection = database.collection::<Document>(collection);
        let update = doc! { "$set": fields };
        collection.update_one(doc! { "_id": id }, update).bypass_document_validation(true).await
    });
    let changed = changed.await.unwrap_or_else(|error| panic!("the document cannot be changed: {error}"));
    assert_eq!(changed.matched_count, 1, "there is no {id} in {collection}");
}

/// Empties a database, as somebody might who mistook it for another one.
pub(crate) async fn drop_database(uri: &str) {
    let dropped = with_client(uri, async |client| {
        client.default_database().expect("the connection string names one").drop().await
    });
    dropped.await.unwrap_or_else(|error| panic!("the database cannot be dropped: {error}"));
}

/// Fills an empty database with what `copy` holds: `{collections: [{name, options, indexes, documents}]}`, as the server's
/// own `create`, `createIndexes` and `insert` take them.
pub(crate) async fn restore_database(uri: &str, copy: &Document) {
    let restored = with_client(uri, async |client| {
        let database = client.default_database().expect("the connection string names one");
        for collection in copy.get_array("collections").expect("a list").iter().filter_map(|one| one.as_document()) {
            let name = collection.get_str("name").expect("a name");
            let mut create = doc! { "create": name };
            create.extend(collection.get_document("options").expect("options").clone());
            database.run_command(create).await?;
            for (command, field) in [("createIndexes", "indexes"), ("insert", "documents")] {
                let values = collection.get_array(field).expect("a list");
                if !values.is_empty() {
                    database.run_command(doc! { command: name, field: values.clone() }).await?;
                }
            }
        }
        Ok(())
    });
    restored.await.unwrap_or_else(|error| panic!("the copy cannot be restored: {error}"));
}

/// Works with a client that lives no longer than that: a client belongs to the runtime of the test that made it.
async fn with_client<T>(
    uri: &str,
    work: impl AsyncFnOnce(&Client) -> mongodb::error::Result<T>,
) -> mongodb::error::Result<T> {
    let client = Client::with_options(ClientOptions::parse(uri).await?)?;
    let answer = work(&client).await;
    client.shutdown().await;
    answer
}
