//! Long answers are compressed for those who ask for it.

use std::io::Read as _;

use reqwest::Method;
use serde_json::{Value, json};

use super::make_event;
use crate::support::{
    client::{Answer, Client, Header, key},
    server::Launch,
    store::Store,
};

fn accepting(codings: &str) -> Header {
    ("accept-encoding", codings.to_owned())
}

async fn get(client: &Client, path: &str, headers: &[Header]) -> Answer {
    client.send(Method::GET, path, headers, "").await
}

/// What the body says, whatever it is packed in.
fn unpacked(answer: &Answer) -> Value {
    let mut plain = Vec::new();
    match answer.header("content-encoding") {
        None => plain.clone_from(&answer.body),
        Some("gzip") => drop(flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut plain).expect("gzip")),
        Some("br") => drop(brotli::Decompressor::new(&*answer.body, 4_096).read_to_end(&mut plain).expect("brotli")),
        Some(other) => panic!("nobody asked for {other}"),
    }
    serde_json::from_slice(&plain).expect("JSON")
}

#[tokio::test]
async fn a_long_answer_is_compressed_for_those_who_ask_for_it() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let client = server.client();
    for number in 0..20 {
        client.post_reservation(&format!("partner-{number}"), 1).await.expect(201);
    }
    let path = "/events/node-meetup-2025/reservations";
    let plain = get(&client, path, &[]).await.expect(200);
    assert!(plain.body.len() > 3_000, "{plain}");
    for (codings, wanted) in [
        ("gzip", Some("gzip")),
        ("br", Some("br")),
        ("GZIP", Some("gzip")),
        ("gzip;q=0.5, br", Some("br")),
        ("br;q=0.1, gzip;q=0.9", Some("gzip")),
        ("gzip, deflate, br", Some("br")),
        ("identity;q=0, br", Some("br")),
        ("br;q=0, gzip", Some("gzip")),
        ("gzip;q=0", None),
        ("identity", None),
        ("deflate", None),
        ("zstd", None),
        ("", None),
        ("gzip;q=x", None),
    ] {
        let answer = get(&client, path, &[accepting(codings)]).await.expect(200);
        assert_eq!(answer.header("content-encoding"), wanted, "{codings}");
        assert_eq!(unpacked(&answer), *plain.json(), "{codings}");
        let length: usize = answer.header("content-length").expect("it is whole").parse().expect("a number");
        assert_eq!(length, answer.body.len(), "{codings}");
        assert!(wanted.is_none() || length * 3 < plain.body.len(), "{codings}: {length}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{codings}");
        let head = client.send(Method::HEAD, path, &[accepting(codings)], "").await.expect(200);
        assert_eq!((head.header("content-encoding"), head.body.len()), (wanted, 0), "{codings}");
    }
    assert_eq!(plain.header("vary"), Some("accept-encoding"), "a cache keeps them apart");
    // A short one arrives no sooner, unless nothing else is taken.
    let short = get(&client, "/reservations", &[accepting("gzip")]).await.expect(200);
    assert_eq!((short.header("content-encoding"), short.header("vary")), (None, None));
    let short = get(&client, "/reservations", &[accepting("gzip, identity;q=0")]).await.expect(200);
    assert_eq!(short.header("content-encoding"), Some("gzip"));
    assert_eq!(unpacked(&short)["totalSeats"], 500);
}

#[tokio::test]
async fn the_tag_of_a_compressed_answer_is_its_own_and_good_for_every_condition() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let client = server.client();
    let description = "A long description. ".repeat(49);
    make_event(&client, "show", 5, &json!({ "description": description })).await;
    let plain = get(&client, "/events/show", &[]).await.expect(200);
    assert_eq!(plain.header("etag"), Some("\"0\""));
    for (coding, tag) in [("gzip", "\"0-gzip\""), ("br", "\"0-br\"")] {
        let packed = get(&client, "/events/show", &[accepting(coding)]).await.expect(200);
        assert_eq!(packed.header("etag"), Some(tag));
        // A cache finds its copy by its own tag.
        let known = [accepting(coding), ("if-none-match", tag.to_owned())];
        let fresh = get(&client, "/events/show", &known).await.expect(304);
        assert_eq!((fresh.header("etag"), fresh.body.len()), (Some(tag), 0));
        get(&client, "/events/show", &[("if-match", tag.to_owned())]).await.expect(200);
    }
    let amended =
        client.patch_event("show", &json!({ "sales": "paused" }), &[("if-match", "\"0-gzip\"".to_owned())]).await;
    assert_eq!(amended.expect(200).number("version"), 1);
    // A write is answered as it was, packed or not.
    let terms = [key("k"), ("if-match", "\"1-br\"".to_owned()), accepting("br")];
    let body = json!({ "sales": "open" });
    let first = client.patch_event("show", &body, &terms).await.expect(200);
    let again = client.patch_event("show", &body, &terms).await.expect(200);
    assert_eq!((first.header("etag"), again.header("etag")), (Some("\"2-br\""), Some("\"2-br\"")));
    assert_eq!((again.header("idempotent-replayed"), unpacked(&again)), (Some("true"), unpacked(&first)));
}

#[tokio::test]
async fn the_coding_of_a_body_is_compared_without_case() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    for (coding, status) in [
        ("identity", 201),
        ("Identity", 201),
        ("IDENTITY , identity", 201),
        ("gzip", 415),
        ("GZip", 415),
        ("identity, gzip", 415),
    ] {
        let headers = [("content-encoding", coding.to_owned())];
        let answer = server.client().post_reservation_with("acme", 1, &headers).await;
        assert_eq!(answer.status, status, "{coding}: {answer}");
    }
}
