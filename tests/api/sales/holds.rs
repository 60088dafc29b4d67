//! Every hold is confirmed or expires, once, whoever crashes and whoever notices.

use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::json;
use tokio::time::sleep;

use super::Sale;
use crate::support::{
    heavy,
    store::{Store, for_each_store},
};

#[tokio::test]
async fn a_thousand_holds_lapse_among_a_thousand_reservations_and_two_hundred_confirmations() {
    let _room = heavy().await;
    for_each_store("holds", async |store: Store| {
        let sale = &Sale::open(&store, json!({ "totalSeats": 1_200 })).await;
        let hold = async |number: u32| {
            let terms = json!({ "seats": 1, "holdSeconds": 3 });
            let answer = sale.reserve(&format!("hold{number}"), terms).await.expect(201);
            assert_eq!(answer.text("status"), "held");
            answer.id().to_owned()
        };
        let all_held = join_all((0..1_000).map(hold)).await;
        let confirm = async |(number, id): (u32, &String)| {
            // Some come in time, some too late, and most in the very moment.
            sleep(Duration::from_secs(1) + Duration::from_millis(15) * number).await;
            let answer = sale.confirm(id).await;
            match answer.status {
                200 => assert_eq!(answer.text("status"), "confirmed"),
                _ => drop(answer.clone().expect_problem(409, "hold-expired")),
            }
            (id.clone(), answer.status == 200)
        };
        let reserve = async |number: u32| {
            sleep(Duration::from_millis(3) * number).await;
            let terms = json!({ "seats": 1, "waitlist": true });
            sale.reserve(&format!("partner{number}"), terms).await.expect(201).id().to_owned()
        };
        let crash = async {
            sleep(Duration::from_millis(1_500)).await;
            sale.kill_one().await;
        };
        let confirmations = join_all((0..200).zip(&all_held[..200]).map(confirm));
        let (confirmed, (reserved, ())) = join(confirmations, join(join_all((0..1_000).map(reserve)), crash)).await;
        sale.within_promised("no hold is left", |event| event.number("heldSeats") == 0).await;

        let all = sale.audit().await;
        for (id, in_time) in &confirmed {
            let expected = if *in_time { "confirmed" } else { "expired" };
            assert_eq!(all[id]["status"], expected, "what the answer said is what stands: {id}");
        }
        for id in &all_held[200..] {
            assert_eq!(all[id]["status"], "expired", "{id}");
        }
        let in_time = confirmed.iter().filter(|(_, in_time)| *in_time).count();
        println!("{in_time} of 200 were confirmed in time");
        assert!((1..200).contains(&in_time), "confirming never met lapsing");
        let seated = reserved.iter().filter(|id| all[*id]["status"] == "confirmed").count();
        assert_eq!(seated, 1_000.min(1_200 - in_time), "every seat that came free went to somebody who waited");
    })
    .await;
}

#[tokio::test]
async fn a_lapsed_hold_gives_its_seats_to_the_waitlist_without_any_request() {
    let _room = heavy().await;
    for_each_store("lapse", async |store: Store| {
        let sale = &Sale::open(&store, json!({ "totalSeats": 2 })).await;
        let held = sale.reserve("held", json!({ "seats": 2, "holdSeconds": 1 })).await.expect(201);
        let first =
            sale.reserve("first", json!({ "seats": 1, "waitlist": true, "holdSeconds": 900 })).await.expect(201);
        let second = sale.reserve("second", json!({ "seats": 1, "waitlist": true })).await.expect(201);
        // Whoever of the processes lives notices.
        sale.kill_one().await;
        sleep(Duration::from_secs(1)).await;
        sale.within_promised("the waitlist is served", |event| event.number("waitlistCount") == 0).await;
        let all = sale.audit().await;
        let statuses = [held.id(), first.id(), second.id()].map(|id| all[id]["status"].as_str().expect("a status"));
        assert_eq!(statuses, ["expired", "held", "confirmed"]);
        assert!(all[first.id()]["expiresAt"].is_string(), "its time runs from its promotion");
        sale.confirm(first.id()).await.expect(200);
        sale.confirm(held.id()).await.expect_problem(409, "hold-expired");
        sale.audit().await;
    })
    .await;
}
