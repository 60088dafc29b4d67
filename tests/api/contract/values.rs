//! The values that everything is made of: what is taken is told again as it is, in one form, by every way.

use bson::doc;
use serde_json::{Value, json};

use super::{expect_fields_refused, for_each_server, make_event};
use crate::support::{
    client::{Answer, Client, if_match},
    server::Launch,
    store::{Store, change_document},
};

async fn ask(client: &Client, event: &str, partner: &str) -> Answer {
    client.reserve_at(event, &json!({ "partnerId": partner, "seats": 1 })).await.expect(201)
}

#[tokio::test]
async fn every_time_that_is_taken_is_told_again_and_can_be_taken_away() {
    for_each_server("times", async |server| {
        let client = server.client();
        make_event(&client, "show", 5, &json!({ "startsAt": "9999-12-31T23:59:59Z" })).await;
        for (version, (sent, told)) in [
            ("9999-12-30T22:00:00.001Z", json!("9999-12-30T22:00:00.001Z")),
            ("9999-12-31T23:59:59.9999Z", json!("9999-12-31T23:59:59.999Z")),
            ("0000-01-01T00:00:00Z", json!("0000-01-01T00:00:00.000Z")),
            ("2016-12-31T23:59:60Z", json!("2016-12-31T23:59:59.999Z")),
            ("2026-11-21t18:00:00.5+23:59", json!("2026-11-20T18:01:00.500Z")),
            ("", Value::Null),
        ]
        .into_iter()
        .enumerate()
        {
            let sent = if sent.is_empty() { Value::Null } else { json!(sent) };
            let version = i64::try_from(version).expect("small");
            let amended =
                client.patch_event("show", &json!({ "startsAt": sent }), &[if_match(version)]).await.expect(200);
            let shown = client.get("/events/show").await.expect(200);
            assert_eq!((amended.json(), shown.json().get("startsAt").unwrap_or(&Value::Null)), (shown.json(), &told));
            assert_eq!(
                client.get("/events?limit=100").await.expect(200).json()["items"].as_array().expect("items").len(),
                2
            );
        }
        // The other fields are as sound as before, and the history of the event with them.
        ask(&client, "show", "acme").await;
        server.terminate().await;
        server.restart().await;
        assert_eq!(server.client().get("/events/show").await.expect(200).number("version"), 7);
        assert_eq!(server.client().readyz().await.expect(200).json(), &json!({ "status": "ok" }));
        for bad in ["2026-11-21T18:00:00+25:59", "2026-11-21", "9999-12-31T23:59:59-00:01", "2026-11-21T18:00:60Z"] {
            let refused = client.patch_event("show", &json!({ "startsAt": bad }), &[if_match(7)]).await;
            expect_fields_refused(refused, &["startsAt"]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_plain_date_in_a_filter_is_its_first_instant() {
    for_each_server("dates", async |server| {
        let client = server.client();
        make_event(&client, "show", 5, &json!({})).await;
        let made = ask(&client, "show", "acme").await;
        let day = &made.text("createdAt")[..10];
        for (query, wanted) in [
            (format!("createdFrom={day}"), 1),
            (format!("createdTo={day}"), 0),
            ("createdFrom=2024-01-01&createdTo=9999-12-31".to_owned(), 1),
            ("createdTo=9999-12-31T23:59:59Z".to_owned(), 1),
            ("createdFrom=9999-12-31T23:59:59.999Z".to_owned(), 0),
            ("createdFrom=0000-01-01".to_owned(), 1),
        ] {
            for path in ["/events/show/reservations", "/partners/acme/reservations"] {
                // Over all events the list may be a moment behind.
                let found = async || {
                    let page = client.get(&format!("{path}?{query}")).await.expect(200);
                    page.json()["items"].as_array().expect("a list").len()
                };
                while wanted > 0 && path.starts_with("/partners") && found().await == 0 {}
                assert_eq!(found().await, wanted, "{path}?{query}");
            }
        }
        for bad in ["2024-02-30", "2024-1-1", "24-01-01", "2024-01-01T", "2026-11-21T18:00:00%2B25:59"] {
            let refused = client.get(&format!("/events/show/reservations?createdFrom={bad}")).await;
            expect_fields_refused(refused, &["createdFrom"]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_partner_is_one_however_the_id_is_typed_and_wherever() {
    for_each_server("one partner", async |server| {
        let client = server.client();
        make_event(&client, "show", 9, &json!({ "reservationsPerPartnerMax": 2 })).await;
        let made = ask(&client, "show", " cafe\u{301}").await;
        assert_eq!(made.text("partnerId"), "caf\u{e9}");
        ask(&client, "show", "caf\u{e9} ").await;
        let third = json!({ "partnerId": "cafe\u{301}", "seats": 1 });
        client.post("/events/show/reservations", &third).await.expect_problem(409, "partner-limit");
        for (path, query) in [
            ("/events/show/reservations", "?partnerId=cafe%CC%81"),
            ("/events/show/reservations", "?partnerId=+caf%C3%A9+"),
            ("/partners/cafe%CC%81/reservations", ""),
            ("/partners/%20caf%C3%A9/reservations", ""),
        ] {
            let found = async || {
                let page = client.get(&format!("{path}{query}")).await.expect(200);
                page.json()["items"].as_array().expect("a list").len()
            };
            while path.starts_with("/partners") && found().await < 2 {}
            assert_eq!(found().await, 2, "{path}{query}");
        }
        for invisible in ["\u{200b}", "ac\u{ad}me", "acme\u{200d}", "\u{feff}acme", "\u{3164}"] {
            let body = json!({ "partnerId": invisible, "seats": 1 });
            expect_fields_refused(client.post("/events/show/reservations", &body).await, &["partnerId"]);
            let encoded: Vec<_> = invisible.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let encoded = encoded.concat();
            expect_fields_refused(client.get(&format!("/partners/{encoded}/reservations")).await, &["partnerId"]);
            let query = format!("/events/show/reservations?partnerId={encoded}");
            expect_fields_refused(client.get(&query).await, &["partnerId"]);
        }
    })
    .await;
}

#[tokio::test]
async fn texts_for_people_keep_what_scripts_and_emoji_need() {
    for_each_server("texts", async |server| {
        let client = server.client();
        let texts = json!({
            "name": " Family day 👩\u{200d}👩\u{200d}👧 ", "location": "می\u{200c}خواهم", "description": "One.\r\n\tTwo. ❤\u{fe0f}\r\n",
        });
        let made = make_event(&client, "show", 5, &texts).await;
        let told = |field| made.text(field).to_owned();
        assert_eq!(told("name"), "Family day 👩\u{200d}👩\u{200d}👧");
        assert_eq!((told("location").as_str(), told("description").as_str()), ("می\u{200c}خواهم", "One.\n\tTwo. ❤\u{fe0f}"));
        assert_eq!(client.get("/events/show").await.expect(200).json(), made.json());
        let hidden = json!({ "name": "Safe\u{202e}fdp", "description": "a\u{200b}b", "location": "\u{e0041}" });
        let refused = client.patch_event("show", &hidden, &[if_match(0)]).await;
        expect_fields_refused(refused, &["description", "location", "name"]);
    })
    .await;
}

#[tokio::test]
async fn one_event_that_cannot_be_read_fails_nobody_else_and_is_named() {
    let store = Store::mongo("damaged").await;
    let Store::Mongo(uri) = &store else { panic!("it is MongoDB") };
    let server = Launch::on(&store).start().await;
    let client = server.client();
    for id in ["bad", "good", "old"] {
        make_event(&client, id, 5, &json!({})).await;
        ask(&client, id, "acme").await;
    }
    store.wait_settled(std::time::Duration::from_secs(10)).await;
    server.terminate().await;
    change_document(uri, "events", "bad", doc! { "name": "\u{7}" }).await;
    change_document(uri, "events", "old", doc! { "operations": [{ "id": 7 }] }).await;
    server.restart().await;

    // The server finds it by itself.
    let found = async || client.readyz().await.json().get("unreadableEvents").is_some();
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(20), async { while !found().await {} });
    in_time.await.expect("the probe tells of it");
    client.get("/events/bad").await.expect_problem(500, "internal");
    client.get("/events/good").await.expect(200);
    client.get("/events/old").await.expect(200);
    let ready = client.readyz().await.expect(200);
    assert_eq!(ready.json(), &json!({ "status": "ok", "unreadableEvents": ["bad"] }));
    let all = client.get("/events?limit=1").await.expect(200);
    assert_eq!(all.json()["items"][0]["eventId"], "good", "a page is as full as it can be");
    let all = client.get("/events").await.expect(200);
    let ids: Vec<_> =
        all.json()["items"].as_array().expect("items").iter().map(|event| event["eventId"].clone()).collect();
    assert_eq!(ids, ["good", "node-meetup-2025", "old"]);
    ask(&client, "old", "acme").await;
    assert_eq!(server.log().lines().iter().filter(|line| line.contains("an event cannot be read")).count(), 1);

    change_document(uri, "events", "bad", doc! { "name": "A show" }).await;
    client.get("/events/bad").await.expect(200);
    assert_eq!(client.readyz().await.expect(200).json(), &json!({ "status": "ok" }));

    let good = client.get("/partners/acme/reservations").await.expect(200);
    let whole = good.json()["items"].as_array().expect("items").clone();
    let id = whole[0]["reservationId"].as_str().expect("an id");
    change_document(uri, "reservations", id, doc! { "operations": [7] }).await;
    let rest = client.get("/partners/acme/reservations?limit=1").await.expect(200);
    assert_eq!(rest.json()["items"][0], whole[1], "the one that cannot be read is left out");
}

#[tokio::test]
async fn a_configured_event_that_cannot_be_read_is_named_by_the_probe() {
    let store = Store::mongo("unreadable").await;
    let Store::Mongo(uri) = &store else { panic!("it is MongoDB") };
    let server = Launch::on(&store).start().await;
    change_document(uri, "events", "node-meetup-2025", doc! { "name": "\u{7}" }).await;
    let refused = server.client().readyz().await.expect_problem(503, "event-unreadable");
    assert!(refused.text("detail").contains("node-meetup-2025"), "{refused}");
    change_document(uri, "events", "node-meetup-2025", doc! { "name": "Mended" }).await;
    server.client().readyz().await.expect(200);
}
