//! `GET /events/{eventId}/reservations` and `GET /partners/{partnerId}/reservations`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    events::walk, expect_exact_problem, expect_fields, expect_fields_refused, for_each_server, make_event,
    reserve::FIELDS,
};
use crate::support::client::{Answer, Client};

async fn ask(client: &Client, event: &str, partner: &str, more: &Value) -> Answer {
    let mut body = json!({ "partnerId": partner, "seats": 1 });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    client.reserve_at(event, &body).await.expect(201)
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["reservationId"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn an_events_reservations_are_listed_as_they_were_made() {
    for_each_server("event's reservations", async |server| {
        let client = server.client();
        make_event(&client, "show", 4, &json!({})).await;
        let path = "/events/show/reservations";
        assert_eq!(*client.get(path).await.expect(200).json(), json!({ "items": [], "nextCursor": null }));

        let mut made = Vec::new();
        for (partner, more) in [
            ("a", json!({})),
            ("b", json!({})),
            ("a", json!({ "holdSeconds": 60 })),
            ("ü&/", json!({})),
            ("a", json!({ "waitlist": true })),
        ] {
            made.push(ask(&client, "show", partner, &more).await.id().to_owned());
        }
        client.post_reservation("a", 1).await.expect(201);
        let made: Vec<_> = made.iter().map(String::as_str).collect();
        let list = async |query: &str| walk(&client, &format!("{path}?limit=1&{query}"), 1).await;
        for (query, wanted) in [
            ("", &[0, 1, 2, 3, 4][..]),
            ("partnerId=a", &[0, 2, 4]),
            ("partnerId=%C3%BC%26%2F", &[3]),
            ("partnerId=nobody", &[]),
            ("status=confirmed", &[0, 1, 3]),
            ("status=held", &[2]),
            ("status=waitlisted&partnerId=a", &[4]),
            ("status=cancelled", &[]),
            ("createdFrom=2020-01-01T00:00:00Z", &[0, 1, 2, 3, 4]),
            ("createdTo=2020-01-01T00:00:00Z", &[]),
        ] {
            let wanted: Vec<_> = wanted.iter().map(|index| made[*index]).collect();
            assert_eq!(ids(&list(query).await), wanted, "{query}");
        }
        // An item is the reservation, with its place on the waitlist.
        let listed = list("status=held").await;
        assert_eq!(listed[0], *client.reservation(made[2]).await.expect(200).json());
        let waiting = client.reservation(made[4]).await.expect(200);
        assert_eq!(waiting.number("waitlistPosition"), 1);
        assert_eq!(list("status=waitlisted").await[0], *waiting.json());

        client.delete(made[0]).await.expect(204);
        // Its seat went to the one who waited.
        assert_eq!(ids(&list("status=cancelled").await), [made[0]]);
        assert_eq!(ids(&list("status=confirmed").await), [made[1], made[3], made[4]]);
    })
    .await;
}

#[tokio::test]
async fn a_time_of_making_is_within_from_and_before_to() {
    for_each_server("created filters", async |server| {
        let client = server.client();
        make_event(&client, "show", 5, &json!({})).await;
        let made = ask(&client, "show", "a", &json!({})).await;
        let at: jiff::Timestamp = made.text("createdAt").parse().expect("a time");
        let next = at + jiff::SignedDuration::from_millis(1);
        let found = async |query: String| {
            let page = client.get(&format!("/events/show/reservations?{query}")).await.expect(200);
            page.json()["items"].as_array().expect("a list").len()
        };
        assert_eq!(found(format!("createdFrom={at}&createdTo={next}")).await, 1);
        assert_eq!(found(format!("createdFrom={next}")).await, 0);
        assert_eq!(found(format!("createdTo={at}")).await, 0);
        // A hair later than it was made.
        let hair = at + jiff::SignedDuration::from_micros(1);
        assert_eq!((found(format!("createdFrom={hair}")).await, found(format!("createdTo={hair}")).await), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn a_partners_reservations_are_listed_event_by_event() {
    for_each_server("partner's reservations", async |server| {
        let client = server.client();
        for event in ["show-b", "show-a"] {
            make_event(&client, event, 5, &json!({})).await;
        }
        let mut made = Vec::new();
        for event in ["show-b", "show-a", "show-b", "show-a"] {
            made.push(ask(&client, event, "acme", &json!({})).await.id().to_owned());
            ask(&client, event, "other", &json!({})).await;
        }
        client.delete(&made[2]).await.expect(204);
        let list = async |query: &str| walk(&client, &format!("/partners/acme/reservations?limit=1{query}"), 1).await;
        // At once, for it was this very server that took them.
        let (all, cancelled) = ([&made[1], &made[3], &made[0], &made[2]], [&made[2]]);
        assert_eq!(ids(&list("").await), all);
        assert_eq!(ids(&list("&status=cancelled").await), cancelled);
        expect_fields(&client.get("/partners/nobody/reservations").await.expect(200), &["items", "nextCursor"]);
        let first = &list("").await[0];
        let mut fields: Vec<_> = first.as_object().expect("an object").keys().map(String::as_str).collect();
        fields.sort_unstable();
        let mut wanted = FIELDS;
        wanted.sort_unstable();
        assert_eq!(fields, wanted);
    })
    .await;
}

#[tokio::test]
async fn any_partner_can_be_asked_about() {
    for_each_server("odd partners", async |server| {
        let client = server.client();
        for (partner, segment) in [
            ("a/b", "a%2Fb"),
            ("ü", "%C3%BC"),
            ("ü", "%c3%bc"),
            ("..", "%2E%2E"),
            ("..", ".."),
            (".", "%2e"),
            ("100%", "100%25"),
            ("%2F", "%252F"),
            ("a+b", "a+b"),
            ("a+b", "a%2Bb"),
            ("a b", "a%20b"),
            ("?#&=", "%3F%23%26%3D"),
            ("{\"$gt\":\"\"}", "%7B%22$gt%22:%22%22%7D"),
        ] {
            let before = listed(&client, segment).await;
            client.post_reservation(partner, 1).await.expect(201);
            client.post_reservation(partner, 1).await.expect(201);
            assert_eq!(listed(&client, segment).await.0, before.0 + 2);
            let link = listed(&client, segment).await.1.expect("there is more");
            // The link leads on, in whatever spelling.
            let next = raw(&client, &link).await;
            assert_eq!(next.json()["items"][0]["partnerId"], partner, "{link}");
        }
    })
    .await;
}

/// Waits until it is so, which takes a moment at most.
async fn eventually(is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so().await {
        assert!(Instant::now() < deadline, "it is still not so after 10 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many reservations there are behind `segment`, and the link to the second page of one.
async fn listed(client: &Client, segment: &str) -> (usize, Option<String>) {
    let all = raw(client, &format!("/partners/{segment}/reservations?limit=100")).await;
    let one = raw(client, &format!("/partners/{segment}/reservations?limit=1")).await;
    let link = one.header("link").and_then(|link| link.strip_prefix('<')?.strip_suffix(">; rel=\"next\""));
    (all.json()["items"].as_array().expect("a list").len(), link.map(str::to_owned))
}

/// `GET` of a path as it is: a good client would tidy it up.
async fn raw(client: &Client, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.raw(request.as_bytes()).await.expect("an answer").expect(200)
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list() {
    for_each_server("cursors", async |server| {
        let client = server.client();
        for event in ["show", "show-b"] {
            make_event(&client, event, 9, &json!({})).await;
            for partner in ["a", "b", "a", "b"] {
                ask(&client, event, partner, &json!({})).await;
            }
        }
        let lists = [
            "/events?",
            "/events/show/reservations?",
            "/events/show-b/reservations?",
            "/events/show/reservations?partnerId=a&",
            "/events/show/reservations?partnerId=b&",
            "/events/show/reservations?status=confirmed&",
            "/partners/a/reservations?",
            "/partners/b/reservations?",
            "/partners/a/reservations?createdFrom=2020-01-01T00:00:00Z&",
        ];
        for own in lists {
            let first = async || client.get(&format!("{own}limit=1")).await.expect(200);
            eventually(async || first().await.json()["nextCursor"].is_string()).await;
            let page = first().await;
            let cursor = page.text("nextCursor");
            for list in lists {
                let answer = client.get(&format!("{list}cursor={cursor}")).await;
                if list == own {
                    answer.expect(200);
                } else {
                    expect_fields_refused(answer, &["cursor"]);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_bad_list_is_told_each_parameter_that_is_wrong() {
    for_each_server("bad lists", async |server| {
        let client = server.client();
        let path = "/events/node-meetup-2025/reservations";
        for (query, fields) in [
            ("limit=0", &["limit"][..]),
            ("limit=101&status=lost&createdFrom=now", &["createdFrom", "limit", "status"]),
            ("partnerId=%20&createdTo=0000-00-00", &["createdTo", "partnerId"]),
            ("cursor=abc&page=2", &["cursor", "page"]),
            ("status=held&status=held", &["status"]),
        ] {
            expect_fields_refused(client.get(&format!("{path}?{query}")).await, fields);
        }
        expect_fields_refused(client.get("/partners/acme/reservations?partnerId=a").await, &["partnerId"]);
        expect_exact_problem(client.get("/events/nowhere/reservations").await, 404, "not-found", &[]);
        let made = client.reserve_at("nowhere", &json!({ "partnerId": "a", "seats": 1 })).await;
        expect_exact_problem(made, 404, "not-found", &[]);
    })
    .await;
}
