//! `GET /reservations`.

use reqwest::Method;
use serde_json::json;

use super::{expect_fields, for_each_server};
use crate::support::{
    client::Client,
    server::Launch,
    store::{Store, for_each_store},
};

const FIELDS: [&str; 9] = [
    "eventId",
    "name",
    "totalSeats",
    "availableSeats",
    "heldSeats",
    "confirmedSeats",
    "reservationCount",
    "waitlistCount",
    "version",
];

#[tokio::test]
async fn the_summary_tells_the_event_in_numbers() {
    for_each_server("summary", async |server| {
        let client = server.client();
        let fresh = client.summary().await.expect(200);
        assert_eq!(
            *fresh.json(),
            json!({
                "eventId": "node-meetup-2025", "name": "Node.js Meet-up", "totalSeats": 500, "availableSeats": 500,
                "heldSeats": 0, "confirmedSeats": 0, "reservationCount": 0, "waitlistCount": 0, "version": 0,
            })
        );
        assert_eq!(fresh.header("content-type"), Some("application/json"));

        let id = client.post_reservation("acme", 4).await.expect(201).id().to_owned();
        client.post_reservation("acme", 1).await.expect(201);
        expect_numbers(&client, 495, 2, 2).await;
        client.delete(&id).await.expect(204);
        expect_numbers(&client, 499, 1, 3).await;
    })
    .await;
}

async fn expect_numbers(client: &Client, available: i64, reservations: i64, version: i64) {
    let summary = client.summary().await.expect(200);
    let numbers = ["availableSeats", "reservationCount", "version"].map(|field| summary.number(field));
    assert_eq!(numbers, [available, reservations, version]);
    expect_fields(&summary, &FIELDS);
    assert_eq!(summary.header("etag"), Some(format!("\"{version}\"").as_str()));
}

#[tokio::test]
async fn a_dashboard_that_has_the_current_version_is_told_so() {
    for_each_server("etag", async |server| {
        let client = server.client();
        let ask =
            async |tag: &str| client.send(Method::GET, "/reservations", &[("if-none-match", tag.to_owned())], "").await;
        let tag = client.summary().await.expect(200).header("etag").expect("every summary has one").to_owned();
        assert!(tag.starts_with('"'), "a strong tag: {tag}");
        for fresh in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let answer = ask(&fresh).await.expect(304);
            assert_eq!((answer.body.len(), answer.header("etag")), (0, Some(tag.as_str())), "{fresh}");
        }
        client.post_reservation("acme", 1).await.expect(201);
        let newer = ask(&tag).await.expect(200);
        assert_ne!(newer.header("etag"), Some(tag.as_str()));
    })
    .await;
}

#[tokio::test]
async fn an_event_is_made_as_it_is_set() {
    for_each_store("settings", async |store: Store| {
        let launch =
            Launch::on(&store).set("EVENT_ID", "show-7").set("EVENT_NAME", "Ünïcode & $ons").set("EVENT_SEATS", "3");
        let server = launch.start().await;
        let summary = server.client().summary().await.expect(200);
        assert_eq!((summary.text("eventId"), summary.text("name")), ("show-7", "Ünïcode & $ons"));
        assert_eq!(summary.number("totalSeats"), 3);
        let made = server.client().post_reservation("acme", 3).await.expect(201);
        assert!(made.id().starts_with("show-7."), "{made}");
    })
    .await;
}
