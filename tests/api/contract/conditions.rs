//! `If-Match` on writes.

use super::{expect_exact_problem, for_each_server};
use crate::support::client::{Answer, if_match, key};

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
