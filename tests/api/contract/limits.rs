//! What an event's organizer forbids: sales that are paused or closed, and more than one partner or reservation may have.

use serde_json::json;

use super::{expect_exact_problem, expect_fields_refused, for_each_server, make_event};
use crate::support::client::{Answer, Client, if_match};

async fn ask(client: &Client, partner: &str, seats: u32) -> Answer {
    client.reserve_at("show", &json!({ "partnerId": partner, "seats": seats })).await
}

#[tokio::test]
async fn sales_can_be_stopped() {
    for_each_server("sales", async |server| {
        let client = server.client();
        make_event(&client, "show", 5, &json!({})).await;
        let kept = ask(&client, "acme", 1).await.expect(201);
        for (version, sales, code) in [(1, "paused", "sales-paused"), (2, "closed", "sales-closed")] {
            client.patch_event("show", &json!({ "sales": sales }), &[if_match(version)]).await.expect(200);
            expect_exact_problem(ask(&client, "acme", 1).await, 409, code, &[]);
        }
        // Giving back is always possible.
        client.delete(kept.id()).await.expect(204);
        client.patch_event("show", &json!({ "sales": "open" }), &[if_match(4)]).await.expect(200);
        ask(&client, "acme", 1).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn a_partner_gets_so_much_and_no_more() {
    for_each_server("partner limit", async |server| {
        let client = server.client();
        let limits = json!({ "seatsPerPartnerMax": 4, "reservationsPerPartnerMax": 2 });
        make_event(&client, "show", 50, &limits).await;
        let first = ask(&client, "acme", 3).await.expect(201);
        let over = expect_exact_problem(ask(&client, "acme", 2).await, 409, "partner-limit", &[]);
        let detail = over.text("detail");
        assert!(detail.contains("4 seats") && detail.contains("has 3"), "{detail}");
        ask(&client, "acme", 1).await.expect(201);
        client.delete(first.id()).await.expect(204);
        ask(&client, "acme", 1).await.expect(201);
        let over = expect_exact_problem(ask(&client, "acme", 1).await, 409, "partner-limit", &[]);
        assert!(over.text("detail").contains("2 reservations"), "{over}");
        // Others have limits of their own.
        ask(&client, "other", 4).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn a_reservation_gets_so_much_and_no_more() {
    for_each_server("reservation limit", async |server| {
        let client = server.client();
        make_event(&client, "show", 50, &json!({ "seatsPerReservationMax": 2 })).await;
        ask(&client, "acme", 2).await.expect(201);
        expect_fields_refused(ask(&client, "acme", 3).await, &["seats"]);
        let map = json!({ "rows": [{ "row": "A", "seats": 5 }] });
        let hall = json!({ "eventId": "hall", "name": "A", "seatMap": map, "seatsPerReservationMax": 2 });
        client.post("/events", &hall).await.expect(201);
        let named = json!({ "partnerId": "acme", "seatIds": ["A1", "A2", "A3"] });
        expect_fields_refused(client.reserve_at("hall", &named).await, &["seatIds"]);
    })
    .await;
}
