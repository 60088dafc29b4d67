//! `DELETE /reservations/{id}`.

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::{expect_exact_problem, expect_fields, for_each_server, make_event, reserve::FIELDS};
use crate::support::client::{Answer, Client, Header, key};

#[tokio::test]
async fn a_reservation_is_cancelled_once() {
    for_each_server("cancel", async |server| {
        let client = server.client();
        let id = client.post_reservation("acme", 10).await.expect(201).id().to_owned();
        let cancelled = client.delete(&id).await.expect(204);
        assert_eq!((cancelled.body.len(), cancelled.header("idempotent-replayed")), (0, None));
        assert_eq!(client.summary().await.number("availableSeats"), 500);
        expect_exact_problem(client.delete(&id).await, 404, "not-found", &[]);
        assert_eq!(client.summary().await.number("availableSeats"), 500);
        assert_eq!(client.summary().await.number("version"), 2);
    })
    .await;
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_cancelled() {
    for_each_server("cancel unknown", async |server| {
        let client = server.client();
        for id in
            ["node-meetup-2025.0198a3b2-7c1d-7def-8123-456789abcdef", "other.0198a3b2-7c1d-7def-8123-456789abcdef", "x"]
        {
            expect_exact_problem(client.delete(id).await, 404, "not-found", &[]);
        }
        assert_eq!(client.summary().await.number("version"), 0);
    })
    .await;
}

fn show_me() -> Header {
    ("prefer", "return=representation".to_owned())
}

async fn ask(client: &Client, partner: &str, seats: u32, more: &Value) -> Answer {
    let mut body = json!({ "partnerId": partner, "seats": seats });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    client.reserve_at("show", &body).await.expect(201)
}

#[tokio::test]
async fn who_cancels_may_be_told_who_was_served() {
    for_each_server("cancel and tell", async |server| {
        let client = server.client();
        make_event(&client, "show", 4, &json!({})).await;
        let sold = ask(&client, "acme", 4, &json!({})).await;
        let wait = json!({ "waitlist": true });
        let held = ask(&client, "first", 2, &json!({ "waitlist": true, "holdSeconds": 900 })).await;
        let kept = ask(&client, "second", 1, &wait).await;
        let left = ask(&client, "third", 2, &wait).await;

        let terms = [key("k"), show_me()];
        let told = client.delete_with(sold.id(), &terms).await.expect(200);
        assert_eq!(told.header("preference-applied"), Some("return=representation"));
        expect_fields(&told, &["cancelled", "promoted"]);
        assert_eq!(told.json()["cancelled"], *client.reservation(sold.id()).await.expect(200).json());
        assert_eq!(told.json()["cancelled"]["status"], "cancelled");
        let served = [client.reservation(held.id()).await, client.reservation(kept.id()).await];
        let served: Vec<_> = served.into_iter().map(|reservation| reservation.expect(200).json().clone()).collect();
        assert_eq!(told.json()["promoted"], json!(served));
        assert_eq!((&served[0]["status"], &served[1]["status"]), (&json!("held"), &json!("confirmed")));

        // A retry is told the same, whatever has become of them since; and who asks for nothing is shown nothing.
        client.confirm(held.id(), &[]).await.expect(200);
        client.delete(kept.id()).await.expect(204);
        let again = client.delete_with(sold.id(), &terms).await.expect(200);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.json(), told.json());
        let silent = client.delete_with(sold.id(), &[key("k")]).await.expect(204);
        assert_eq!((silent.body.len(), silent.header("preference-applied")), (0, None));

        // One who only waited may have stood in the way, or not.
        let behind = ask(&client, "fourth", 1, &wait).await;
        let told = client.delete_with(left.id(), &[show_me()]).await.expect(200);
        assert_eq!(told.json()["promoted"][0]["reservationId"], behind.id());
        let told = client.delete_with(behind.id(), &[show_me()]).await.expect(200);
        assert_eq!(told.json()["promoted"], json!([]));
        let minimal = [("prefer", "return=minimal".to_owned())];
        client.delete_with(held.id(), &minimal).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn many_retries_at_once_are_told_who_was_served() {
    for_each_server("cancel and tell all", async |server| {
        let client = server.client();
        make_event(&client, "show", 20, &json!({})).await;
        let mut sold = Vec::new();
        for _ in 0..20 {
            sold.push(ask(&client, "acme", 1, &json!({})).await.id().to_owned());
        }
        for _ in 0..20 {
            ask(&client, "later", 1, &json!({ "waitlist": true })).await;
        }
        let cancel_all = async || {
            let cancels = sold.iter().map(async |id| client.delete_with(id, &[key("k"), show_me()]).await.expect(200));
            futures_util::future::join_all(cancels).await
        };
        let first = cancel_all().await;
        for told in &first {
            assert_eq!(told.json()["promoted"].as_array().map(Vec::len), Some(1), "{told}");
        }
        for (told, again) in first.iter().zip(cancel_all().await) {
            assert_eq!((told.json(), again.header("idempotent-replayed")), (again.json(), Some("true")));
        }
    })
    .await;
}

#[tokio::test]
async fn an_expired_hold_is_called_expired() {
    for_each_server("cancel expired", async |server| {
        let client = server.client();
        make_event(&client, "show", 4, &json!({})).await;
        let held = ask(&client, "acme", 4, &json!({ "holdSeconds": 1 })).await;
        let expired = loop {
            let shown = client.reservation(held.id()).await.expect(200);
            if shown.text("status") == "expired" {
                break shown;
            }
        };
        // Times of one form sort as text.
        assert!(expired.text("updatedAt") >= held.text("expiresAt"), "{expired}");
        let refused = expect_exact_problem(client.delete(held.id()).await, 404, "not-found", &[]);
        assert!(refused.text("detail").contains("has expired"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_reservation_tells_when_it_was_changed_last() {
    for_each_server("updatedAt", async |server| {
        let client = server.client();
        make_event(&client, "show", 2, &json!({})).await;
        let time = |answer: &Answer, field: &str| answer.text(field).parse::<Timestamp>().expect("a time");
        let terms = [key("k")];
        let body = json!({ "partnerId": "acme", "seats": 2, "holdSeconds": 900 });
        let made = client.post_with("/events/show/reservations", &body, &terms).await.expect(201);
        assert_eq!(made.text("updatedAt"), made.text("createdAt"));
        let waiting = ask(&client, "later", 1, &json!({ "waitlist": true })).await;

        let confirmed = client.confirm(made.id(), &[key("c")]).await.expect(200);
        assert!(time(&confirmed, "updatedAt") >= time(&confirmed, "createdAt"), "{confirmed}");
        assert_eq!(client.reservation(made.id()).await.json(), confirmed.json());
        client.delete(made.id()).await.expect(204);
        let cancelled = client.reservation(made.id()).await.expect(200);
        assert!(time(&cancelled, "updatedAt") >= time(&confirmed, "updatedAt"), "{cancelled}");
        // Who waited was served at the same time.
        let promoted = client.reservation(waiting.id()).await.expect(200);
        assert_eq!(promoted.text("updatedAt"), cancelled.text("updatedAt"));
        expect_fields(&promoted, &FIELDS);
        let list = client.get("/events/show/reservations").await.expect(200);
        assert_eq!(list.json()["items"], json!([cancelled.json(), promoted.json()]));
        // Retries are told the times of their own.
        let again = client.confirm(made.id(), &[key("c")]).await.expect(200);
        assert_eq!(again.json(), confirmed.json());
        let again = client
            .send(
                Method::POST,
                "/events/show/reservations",
                &[&terms[..], &[("content-type", "application/json".to_owned())]].concat(),
                body.to_string(),
            )
            .await;
        assert_eq!(again.expect(201).json(), made.json());
    })
    .await;
}
