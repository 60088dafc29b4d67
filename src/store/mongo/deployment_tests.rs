use bson::doc;

use super::*;

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
