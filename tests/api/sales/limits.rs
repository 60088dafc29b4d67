//! What one partner may have is exact, through however many processes it asks.

use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::json;

use super::Sale;
use crate::support::{
    client::Answer,
    heavy,
    store::{Store, for_each_store},
};

/// Long enough that what is to be refused while it lasts is asked for in time on a busy machine.
const HOLD: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_hundred_requests_of_one_partner_get_four_seats() {
    let _room = heavy().await;
    for_each_store("limits", async |store: Store| {
        let sale = &Sale::open(&store, json!({ "totalSeats": 500, "seatsPerPartnerMax": 4 })).await;
        // Every request is the same partner's; its key alone tells them apart.
        let path = format!("/events/{}/reservations", sale.event);
        let body = json!({ "partnerId": "greedy", "seats": 1 }).to_string();
        let ask =
            async |number: u32| sale.until_known(reqwest::Method::POST, &path, &format!("k{number}"), &body).await;
        let (answers, ()) = join(join_all((0..100).map(ask)), sale.kill_one()).await;
        let (sold, refused): (Vec<Answer>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
        assert_eq!(sold.len(), 4);
        for answer in refused {
            answer.expect_problem(409, "partner-limit");
        }
        assert_eq!(sale.event().await.number("availableSeats"), 496);

        // A cancel and a lapse give back what they free, and others are not limited by it.
        sale.cancel(sold[0].id()).await.expect(204);
        let held = json!({ "partnerId": "greedy", "seats": 1, "holdSeconds": HOLD.as_secs() }).to_string();
        sale.until_known(reqwest::Method::POST, &path, "held", &held).await.expect(201);
        ask(1_000).await.expect_problem(409, "partner-limit");
        sale.reserve("modest", json!({ "seats": 4 })).await.expect(201);
        sale.within_promised(HOLD, "the hold lapses", |event| event.number("heldSeats") == 0).await;
        ask(1_001).await.expect(201);
        ask(1_002).await.expect_problem(409, "partner-limit");
        sale.audit().await;
    })
    .await;
}
