use bson::{RawArrayBuf, doc};

use super::*;
use crate::store::mongo::mongod;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_read_has_shown_bounds_every_later_read() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("bounds"));
    let soon = Instant::now() + Duration::from_secs(20);
    let writer = Deployment::connect(&uri).await.expect("a good connection string");
    let reader = Deployment::connect(&uri).await.expect("a good connection string");
    let mut documents = RawArrayBuf::new();
    documents.push(rawdoc! { "_id": "one" });
    writer.write(rawdoc! { "insert": "events", "documents": documents }, soon).await.expect("written");
    let known = |deployment: &Deployment| *deployment.acknowledged.lock().expect("a time");
    assert_eq!(known(&reader), None, "nothing was read yet");
    let find = rawdoc! { "find": "events", "filter": { "_id": "one" }, "singleBatch": true };
    let found = reader.read(find, Concern::Majority, soon).await.expect("read");
    assert_eq!(found.len(), 1);
    assert!(
        known(&writer).is_some() && known(&reader) >= known(&writer),
        "another primary may show less than this one did"
    );
    for deployment in [writer, reader] {
        deployment.shutdown().await;
    }
}

fn told(error: Document) -> Vec<bool> {
    let mut error = error;
    error.insert("index", 0);
    let errors = write_errors(&doc! { "writeErrors": [error] }).expect("readable");
    errors.into_iter().map(|error| error.id_exists).collect()
}

#[test]
fn only_a_duplicate_of_exactly_the_id_says_that_the_document_is_there() {
    let message =
        |index: &str| format!("E11000 duplicate key error collection: db.reservations index: {index} dup key: {{ }}");
    assert_eq!(told(doc! { "code": 11_000, "errmsg": message("_id_"), "keyPattern": { "_id": 1 } }), [true]);
    assert_eq!(
        told(doc! { "code": 11_000, "errmsg": message("_id_") }),
        [true],
        "no key is told, but the index's name"
    );
    for other in [
        doc! { "code": 11_000, "errmsg": message("own"), "keyPattern": { "partnerId": 1 } },
        doc! { "code": 11_000, "errmsg": message("_id_"), "keyPattern": { "_id": 1, "partnerId": 1 } },
        doc! { "code": 11_000, "errmsg": message("own") },
        doc! { "code": 11_000 },
        doc! { "code": 121, "errmsg": "Document failed validation", "keyPattern": { "_id": 1 } },
    ] {
        assert_eq!(told(other.clone()), [false], "{other}");
    }
}
