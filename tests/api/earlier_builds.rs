//! What earlier builds wrote is opened and served by this one: see `earlier_builds/README.md` for what the copies hold.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bson::Document;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client, key},
    mongod::process::POLL,
    server::Launch,
    store::{Store, restore_database},
};

/// How long holds that fell due long ago may take to lapse after the start.
const LAPSE_PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_an_earlier_build_wrote_is_served_as_it_was_answered() {
    for_each_copy(async |client, expected| {
        for (path, earlier) in object(&expected["gets"]) {
            let present = client.get(path).await.expect(200);
            assert_keeps(present.json(), earlier, path);
        }
    })
    .await;
}

#[tokio::test]
async fn a_retry_of_what_an_earlier_build_answered_is_known() {
    for_each_copy(async |client, expected| {
        let keyed = expected["keyed"].as_array().expect("a list");
        for request in keyed {
            let path = request["path"].as_str().expect("a path");
            let retried = client.post_with(path, &request["body"], &[key(text(&request["key"]))]).await.expect(201);
            assert_eq!(retried.json()["reservationId"], request["reservationId"], "{request}: {retried}");
            assert_is_replay(&retried);
        }
        let amendment = &expected["amendment"];
        let headers = [key(text(&amendment["key"])), ("if-match", format!("\"{}\"", amendment["ifMatch"]))];
        let body = json!({ "description": "Amended 4", "totalSeats": 44 });
        assert_is_replay(&client.patch_event("limited", &body, &headers).await.expect(200));
        let body = json!({ "name": "Minted", "totalSeats": 10 });
        assert_is_replay(&client.post_with("/events", &body, &[key("mint")]).await.expect(201));
        for (path, earlier) in object(&expected["gets"]) {
            assert_keeps(client.get(path).await.expect(200).json(), earlier, path);
        }
    })
    .await;
}

#[tokio::test]
async fn holds_of_an_earlier_build_lapse_for_those_who_wait() {
    for_each_copy(async |client, expected| {
        let deadline = Instant::now() + LAPSE_PATIENCE;
        while client.get("/events/holds").await.expect(200).number("heldSeats") > 0 {
            assert!(Instant::now() < deadline, "the holds have not lapsed");
            tokio::time::sleep(POLL).await;
        }
        assert_eq!(client.reservation(text(&expected["confirmed"])).await.expect(200).text("status"), "confirmed");
        for (ids, status) in [("lapsed", "expired"), ("promoted", "confirmed"), ("waiting", "waitlisted")] {
            for id in expected[ids].as_array().expect("a list") {
                assert_eq!(client.reservation(text(id)).await.expect(200).text("status"), status, "{id}");
            }
        }
        let event = client.get("/events/holds").await.expect(200);
        assert_eq!((event.number("availableSeats"), event.number("waitlistCount")), (0, 1), "{event}");
    })
    .await;
}

#[tokio::test]
async fn a_sale_goes_on_where_an_earlier_build_left_it() {
    for_each_copy(async |client, _| {
        let sold = client.reserve_at("hall", &json!({ "partnerId": "new", "seats": 3 })).await.expect(201);
        assert_eq!(sold.json()["seatIds"].as_array().map(Vec::len), Some(3), "{sold}");
        client.delete(sold.id()).await.expect(204);
        client
            .reserve_at("hall", &json!({ "partnerId": "new", "seatIds": ["B1"] }))
            .await
            .expect_problem(409, "seat-taken");
        client
            .reserve_at("queue", &json!({ "partnerId": "new", "seats": 1 }))
            .await
            .expect_problem(409, "insufficient-seats");
        let waiting = client.reserve_at("queue", &json!({ "partnerId": "new", "seats": 1, "waitlist": true })).await;
        assert_eq!(waiting.expect(201).number("waitlistPosition"), 3);
        client
            .reserve_at("limited", &json!({ "partnerId": "x", "seats": 1 }))
            .await
            .expect_problem(409, "sales-paused");
        client.patch_event("limited", &json!({ "sales": "open" }), &[("if-match", "*".to_owned())]).await.expect(200);
        let full = client.reserve_at("limited", &json!({ "partnerId": "acme", "seats": 4 })).await;
        full.expect_problem(409, "partner-limit");
        client.reserve_at("limited", &json!({ "partnerId": "acme", "seats": 3 })).await.expect(201);
        client.reserve_at("closed", &json!({ "partnerId": "x", "seats": 1 })).await.expect_problem(409, "sales-closed");
        let list = client.send(Method::GET, "/events/burst/reservations?limit=4", &[], "").await.expect(200);
        assert_eq!(list.json()["items"].as_array().map(Vec::len), Some(4), "{list}");
    })
    .await;
}

/// Starts the present server on each copy of each store, one after the other, and gives what the earlier build answered.
async fn for_each_copy(test: impl AsyncFn(Client, Value)) {
    let copies = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/earlier_builds");
    let folders: Vec<PathBuf> = fs::read_dir(&copies)
        .expect("the folder of the copies")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    assert!(!folders.is_empty(), "no copies in {}", copies.display());
    for folder in folders {
        println!("--- {} on the embedded store", folder.display());
        let directory = Store::embedded();
        let Store::Embedded(scratch) = &directory else { unreachable!("it was made so") };
        fs::copy(folder.join("ticketboss.redb"), scratch.path().join("ticketboss.redb")).expect("the copy");
        serve_and(&directory, &folder.join("embedded.json"), &test).await;

        println!("--- {} on MongoDB", folder.display());
        let store = Store::mongo("earlier").await;
        let Store::Mongo(uri) = &store else { unreachable!("it was made so") };
        let bytes = fs::read(folder.join("mongo.bson")).expect("the copy");
        restore_database(uri, &bson::deserialize_from_slice::<Document>(&bytes).expect("a BSON document")).await;
        serve_and(&store, &folder.join("mongo.json"), &test).await;
    }
}

async fn serve_and(store: &Store, expected: &Path, test: &impl AsyncFn(Client, Value)) {
    let expected = fs::read(expected).expect("what was answered");
    let server = Launch::on(store).start().await;
    test(server.client(), serde_json::from_slice(&expected).expect("JSON")).await;
}

/// Fails unless everything that `earlier` says stands in `present`, which may say more.
fn assert_keeps(present: &Value, earlier: &Value, place: &str) {
    match (present, earlier) {
        (Value::Object(present), Value::Object(earlier)) => {
            for (field, value) in earlier {
                let found = present.get(field).unwrap_or_else(|| panic!("{place} has lost its {field}"));
                assert_keeps(found, value, &format!("{place} {field}"));
            }
        }
        (Value::Array(present), Value::Array(earlier)) => {
            assert_eq!(present.len(), earlier.len(), "{place}");
            for (number, (present, earlier)) in present.iter().zip(earlier).enumerate() {
                assert_keeps(present, earlier, &format!("{place} {number}"));
            }
        }
        _ => assert_eq!(present, earlier, "{place}"),
    }
}

#[track_caller]
fn assert_is_replay(answer: &Answer) {
    assert_eq!(answer.header("idempotent-replayed"), Some("true"), "{answer}");
}

fn object(value: &Value) -> &serde_json::Map<String, Value> {
    value.as_object().expect("an object")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
