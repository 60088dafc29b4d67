//! `If-Match` and `If-None-Match`, on writes and on reads.

use reqwest::Method;
use serde_json::json;

use super::{expect_exact_problem, expect_fields_refused, for_each_server, make_hall};
use crate::support::{
    client::{Answer, Header, if_match, key},
    server::Launch,
    store::Store,
};

#[tokio::test]
async fn a_write_may_ask_for_the_version_that_it_was_decided_on() {
    for_each_server("if-match", async |server| {
        let client = server.client();
        let made = client.post_reservation_with("acme", 1, &[if_match(0)]).await.expect(201);
        expect_stale(client.post_reservation_with("acme", 1, &[if_match(0)]).await, 1);
        client.post_reservation_with("acme", 1, &[if_match(1)]).await.expect(201);

        expect_stale(client.delete_with(made.id(), &[if_match(1)]).await, 2);
        client.delete_with(made.id(), &[if_match(2)]).await.expect(204);
        assert_eq!(client.summary().await.number("version"), 3);
    })
    .await;
}

fn expect_stale(answer: Answer, current: i64) {
    let refused = expect_exact_problem(answer, 412, "precondition-failed", &["currentVersion"]);
    assert_eq!(refused.number("currentVersion"), current);
    assert_eq!(refused.header("etag"), Some(format!("\"{current}\"").as_str()));
}

#[tokio::test]
async fn if_match_takes_lists_and_a_star() {
    for_each_server("if-match lists", async |server| {
        let client = server.client();
        for (tag, status) in
            [("*", 201), ("\"1\"", 201), ("\"7\", \"2\"", 201), ("W/\"3\"", 412), ("\"x\"", 412), ("3", 400)]
        {
            let header = ("if-match", tag.to_owned());
            let answer = client.post_reservation_with("acme", 1, &[header]).await;
            assert_eq!(answer.status, status, "{tag}: {answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_reservation_that_is_unknown_is_not_found_whatever_the_version() {
    for_each_server("if-match order", async |server| {
        let id = "node-meetup-2025.0198a3b2-7c1d-7def-8123-456789abcdef";
        server.client().delete_with(id, &[if_match(99)]).await.expect_problem(404, "not-found");
        // And one that is known and stale is refused for that, not for the seats.
        let asked = server.client().post_reservation_with("acme", 1, &[if_match(99)]).await;
        asked.expect_problem(412, "precondition-failed");
    })
    .await;
}

#[tokio::test]
async fn a_retry_is_answered_whatever_the_version() {
    for_each_server("if-match replay", async |server| {
        let client = server.client();
        let terms = [key("k"), if_match(0)];
        let first = client.post_reservation_with("acme", 1, &terms).await.expect(201);
        let again = client.post_reservation_with("acme", 1, &terms).await.expect(201);
        assert_eq!(again.json(), first.json());
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    })
    .await;
}

fn if_none_match(tags: &str) -> Header {
    ("if-none-match", tags.to_owned())
}

#[tokio::test]
async fn a_write_may_be_kept_from_a_version() {
    for_each_server("if-none-match", async |server| {
        let client = server.client();
        expect_stale(client.post_reservation_with("acme", 1, &[if_none_match("*")]).await, 0);
        expect_stale(client.post_reservation_with("acme", 1, &[if_none_match("W/\"0\"")]).await, 0);
        let made = client.post_reservation_with("acme", 1, &[if_none_match("\"7\", \"8\"")]).await.expect(201);
        expect_stale(client.delete_with(made.id(), &[if_none_match("\"1\"")]).await, 1);
        expect_stale(client.delete_with(made.id(), &[if_match(1), if_none_match("\"1\"")]).await, 1);
        let refused = client.delete_with(made.id(), &[if_none_match("1")]).await;
        expect_fields_refused(refused, &["If-None-Match"]);
        // A retry is answered whatever the version.
        let terms = [key("k"), if_none_match("\"0\"")];
        client.delete_with(made.id(), &terms).await.expect(204);
        let again = client.delete_with(made.id(), &terms).await.expect(204);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));

        let body = json!({ "sales": "paused" });
        let event = "node-meetup-2025";
        expect_stale(client.patch_event(event, &body, &[if_match(2), if_none_match("\"2\"")]).await, 2);
        client.patch_event(event, &body, &[if_match(2), if_none_match("\"1\"")]).await.expect(200);
        let new = json!({ "name": "A", "totalSeats": 1 });
        client.post_with("/events", &new, &[if_none_match("*")]).await.expect(201);
        expect_fields_refused(client.post_with("/events", &new, &[if_none_match("\"0\"")]).await, &["If-None-Match"]);
    })
    .await;
}

#[tokio::test]
async fn a_read_may_ask_for_a_version_that_it_knows() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let client = server.client();
    make_hall(&client, "hall").await;
    client.reserve_at("hall", &json!({ "partnerId": "acme", "seats": 1 })).await.expect(201);
    client.post_reservation("acme", 1).await.expect(201);
    for path in ["/reservations", "/events/hall", "/events/hall/seats"] {
        let get = async |headers: &[Header]| client.send(Method::GET, path, headers, "").await;
        get(&[if_match(1)]).await.expect(200);
        get(&[("if-match", "*".to_owned())]).await.expect(200);
        expect_stale(get(&[if_match(0)]).await, 1);
        // If-Match counts first (RFC 9110 section 13.2.2).
        expect_stale(get(&[if_match(0), if_none_match("\"1\"")]).await, 1);
        get(&[if_match(1), if_none_match("\"1\"")]).await.expect(304);
        get(&[if_match(1), if_none_match("\"0\"")]).await.expect(200);
        get(&[if_none_match("*")]).await.expect(304);
        expect_fields_refused(get(&[("if-match", "1".to_owned())]).await, &["If-Match"]);
        let head = client.send(Method::HEAD, path, &[if_match(0)], "").await;
        assert_eq!((head.status, head.header("etag")), (412, Some("\"1\"")), "{path}");
    }
}

#[tokio::test]
async fn a_weak_tag_is_called_weak() {
    for_each_server("weak tags", async |server| {
        let client = server.client();
        let made = client.post_reservation("acme", 1).await.expect(201);
        let weak = [("if-match", "W/\"1\"".to_owned())];
        let confirm = format!("/reservations/{}/confirm", made.id());
        for refused in [
            client.post_reservation_with("acme", 1, &weak).await,
            client.delete_with(made.id(), &weak).await,
            client.send(Method::POST, &confirm, &weak, "").await,
            client.patch_event("node-meetup-2025", &json!({ "sales": "paused" }), &weak).await,
            client.send(Method::GET, "/reservations", &weak, "").await,
        ] {
            assert!(refused.text("detail").contains("weak tag"), "{refused}");
            expect_stale(refused, 1);
        }
        // One that would not hold as a strong one either is not to blame for that.
        let stale = client.delete_with(made.id(), &[("if-match", "W/\"0\"".to_owned())]).await;
        assert!(!stale.text("detail").contains("weak"), "{stale}");
    })
    .await;
}

#[tokio::test]
async fn a_condition_names_so_many_tags_and_no_more() {
    let store = Store::embedded();
    let server = Launch::on(&store).start().await;
    let client = server.client();
    let tags = |count: i64| {
        ("if-match", (1 - count..1).map(|version| format!("\"{}\"", version.abs())).collect::<Vec<_>>().join(","))
    };
    client.post_reservation_with("acme", 1, &[tags(64)]).await.expect(201);
    for headers in [[tags(65)], [("if-match", format!("\"{}\"", "\",\"".repeat(3_000)))]] {
        let refused = client.post_reservation_with("acme", 1, &headers).await;
        assert!(refused.text("detail").contains("at most 64 entity tags"), "{refused}");
        expect_fields_refused(refused, &["If-Match"]);
    }
    assert_eq!(client.summary().await.number("version"), 1);
}
