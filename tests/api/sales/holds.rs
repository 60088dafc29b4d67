//! Every hold is confirmed or expires, once, whoever crashes and whoever notices.

use std::time::Duration;

use futures_util::future::{join, join_all};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use ticketboss::clock::{Clock, SystemClock};
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
            let terms = json!({ "seats": 1, "holdSeconds": 5 });
            let answer = sale.reserve(&format!("hold{number}"), terms).await.expect(201);
            assert_eq!(answer.text("status"), "held");
            let expires_at: Timestamp = answer.text("expiresAt").parse().expect("a time");
            (answer.id().to_owned(), expires_at)
        };
        let all_held = join_all((0..1_000).map(hold)).await;
        let (lapsing, contested) = all_held.split_at(800);
        let confirm = async |(number, (id, expires_at)): (i64, &(String, Timestamp))| {
            // From a second before they lapse to a second after: some come in time, some too late.
            let at = *expires_at + SignedDuration::from_millis(10 * number - 1_000);
            sleep_until(at).await;
            let answer = sale.confirm(id).await;
            match answer.status {
                200 => assert_eq!(answer.text("status"), "confirmed"),
                _ => drop(answer.clone().expect_problem(409, "hold-expired")),
            }
            (id.clone(), answer.status == 200)
        };
        let reserve = async |number: u32| {
            sleep(Duration::from_millis(6) * number).await;
            let terms = json!({ "seats": 1, "waitlist": true });
            sale.reserve(&format!("partner{number}"), terms).await.expect(201).id().to_owned()
        };
        let crash = async {
            sleep_until(contested[100].1).await;
            sale.kill_one().await;
        };
        let confirmations = join_all((0..200).zip(contested).map(confirm));
        let (confirmed, (reserved, ())) = join(confirmations, join(join_all((0..1_000).map(reserve)), crash)).await;
        sale.within_promised(Duration::ZERO, "no hold is left", |event| event.number("heldSeats") == 0).await;

        let all = sale.audit().await;
        for (id, in_time) in &confirmed {
            let expected = if *in_time { "confirmed" } else { "expired" };
            assert_eq!(all[id]["status"], expected, "what the answer said is what stands: {id}");
        }
        for (id, _) in lapsing {
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

/// Waits until the machine's clock says so; on one machine it is the store's too.
async fn sleep_until(at: Timestamp) {
    sleep(at.duration_since(SystemClock.now()).try_into().unwrap_or_default()).await;
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
        sale.within_promised(Duration::from_secs(1), "the waitlist is served", |event| {
            event.number("waitlistCount") == 0
        })
        .await;
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
