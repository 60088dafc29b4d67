//! Waiting for seats.

use serde_json::json;

use super::{expect_exact_problem, expect_fields, expect_fields_refused, for_each_server, make_event, reserve::FIELDS};
use crate::support::client::{Answer, Client, key};

async fn wait_for(client: &Client, partner: &str, seats: u32) -> Answer {
    client.reserve_at("show", &json!({ "partnerId": partner, "seats": seats, "waitlist": true })).await
}

#[tokio::test]
async fn a_seat_that_comes_free_goes_to_the_head_of_the_waitlist() {
    for_each_server("waitlist", async |server| {
        let client = server.client();
        make_event(&client, "show", 2, &json!({})).await;
        let first = wait_for(&client, "first", 2).await.expect(201);
        expect_fields(&first, &FIELDS);
        assert_eq!(first.text("status"), "confirmed");

        let second = wait_for(&client, "second", 1).await.expect(201);
        expect_fields(&second, &[&FIELDS[..], &["waitlistPosition"]].concat());
        assert_eq!((second.text("status"), second.number("waitlistPosition")), ("waitlisted", 1));
        let third = wait_for(&client, "third", 1).await.expect(201);
        assert_eq!(third.number("waitlistPosition"), 2);
        assert_eq!(client.reservation(third.id()).await.expect(200).json(), third.json());
        assert_eq!(client.get("/events/show").await.number("waitlistCount"), 2);

        // Somebody leaves the list: the others move up.
        client.delete(second.id()).await.expect(204);
        assert_eq!(client.reservation(third.id()).await.expect(200).number("waitlistPosition"), 1);
        client.delete(first.id()).await.expect(204);
        let promoted = client.reservation(third.id()).await.expect(200);
        expect_fields(&promoted, &FIELDS);
        assert_eq!(promoted.text("status"), "confirmed");
        let event = client.get("/events/show").await;
        assert_eq!((event.number("waitlistCount"), event.number("availableSeats")), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn who_does_not_wait_is_told_that_others_do() {
    for_each_server("others wait", async |server| {
        let client = server.client();
        make_event(&client, "show", 3, &json!({})).await;
        wait_for(&client, "first", 2).await.expect(201);
        wait_for(&client, "second", 3).await.expect(201);
        let refused = client.reserve_at("show", &json!({ "partnerId": "third", "seats": 1 })).await;
        let refused = expect_exact_problem(refused, 409, "insufficient-seats", &["availableSeats"]);
        assert_eq!(refused.number("availableSeats"), 1);
        let detail = refused.text("detail");
        assert!(detail.contains("one reservation waits") && detail.contains("\"waitlist\": true"), "{detail}");

        // What can never come free is not waited for.
        let never = wait_for(&client, "fourth", 4).await;
        let never = expect_exact_problem(never, 409, "insufficient-seats", &["availableSeats"]);
        assert!(never.text("detail").contains("more than the event has"), "{never}");
        let named = json!({ "partnerId": "a", "seatIds": ["A1"], "waitlist": true });
        expect_fields_refused(client.reserve_at("show", &named).await, &["waitlist"]);
    })
    .await;
}

#[tokio::test]
async fn a_retry_is_told_the_place_that_it_joined_at() {
    for_each_server("waitlist replay", async |server| {
        let client = server.client();
        make_event(&client, "show", 1, &json!({})).await;
        let seat = wait_for(&client, "first", 1).await.expect(201);
        wait_for(&client, "second", 1).await.expect(201);
        let body = json!({ "partnerId": "third", "seats": 1, "waitlist": true });
        let join = async || client.post_with("/events/show/reservations", &body, &[key("k")]).await.expect(201);
        let joined = join().await;
        assert_eq!(joined.number("waitlistPosition"), 2);
        client.delete(seat.id()).await.expect(204);
        let again = join().await;
        assert_eq!((again.json(), again.header("idempotent-replayed")), (joined.json(), Some("true")));
        assert_eq!(client.reservation(joined.id()).await.number("waitlistPosition"), 1);
    })
    .await;
}

#[tokio::test]
async fn lists_tell_the_places_of_those_who_wait() {
    for_each_server("places in lists", async |server| {
        let client = server.client();
        make_event(&client, "show", 1, &json!({})).await;
        client.reserve_at("show", &json!({ "partnerId": "a", "seats": 1 })).await.expect(201);
        let mut waiting = Vec::new();
        for partner in ["a", "b", "a", "b", "b", "a", "a"] {
            let body = json!({ "partnerId": partner, "seats": 1, "waitlist": true });
            waiting.push(client.reserve_at("show", &body).await.expect(201).id().to_owned());
        }
        // Places move up when somebody leaves.
        client.delete(&waiting[1]).await.expect(204);
        let places = async |path: &str| {
            let list = client.get(path).await.expect(200);
            let items = list.json()["items"].as_array().expect("a list").clone();
            for item in &items {
                let shown = client.reservation(item["reservationId"].as_str().expect("an id")).await.expect(200);
                assert_eq!(item, shown.json(), "{path}");
            }
            items.iter().map(|item| item["waitlistPosition"].as_i64()).collect::<Vec<_>>()
        };
        let all = [None, Some(1), None, Some(2), Some(3), Some(4), Some(5), Some(6)];
        assert_eq!(places("/events/show/reservations").await, all);
        assert_eq!(places("/events/show/reservations?status=waitlisted&limit=2").await, [Some(1), Some(2)]);
        assert_eq!(places("/events/show/reservations?partnerId=b").await, [None, Some(3), Some(4)]);
        let of_partner = async || places("/partners/a/reservations?status=waitlisted").await;
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        // Over all events the list may be a moment behind.
        while of_partner().await != [Some(1), Some(2), Some(5), Some(6)] {
            assert!(std::time::Instant::now() < deadline, "the list stays behind");
        }
    })
    .await;
}
