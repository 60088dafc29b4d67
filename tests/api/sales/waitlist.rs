//! Who waits first is served first, whoever crashes.

use futures_util::future::{join, join_all};
use serde_json::json;

use super::Sale;
use crate::support::{
    heavy,
    store::{Store, for_each_store},
};

#[tokio::test]
async fn the_first_three_hundred_of_two_thousand_get_the_seats_of_three_hundred_cancels() {
    let _room = heavy().await;
    for_each_store("waitlist", async |store: Store| {
        let sale = &Sale::open(&store, json!({ "totalSeats": 500 })).await;
        let sold =
            join_all((0..500).map(async |number| sale.reserve(&format!("a{number}"), json!({ "seats": 1 })).await));
        let sold: Vec<_> = sold.await.into_iter().map(|answer| answer.expect(201).id().to_owned()).collect();

        let join_list = async |number: u32| {
            let answer = sale.reserve(&format!("b{number}"), json!({ "seats": 1, "waitlist": true })).await.expect(201);
            assert_eq!(answer.text("status"), "waitlisted");
            (answer.number("version"), answer.number("waitlistPosition"), answer.id().to_owned())
        };
        let (mut joined, ()) = join(join_all((0..2_000).map(join_list)), sale.kill_one()).await;
        joined.sort_unstable();
        let positions: Vec<_> = joined.iter().map(|(_, position, _)| *position).collect();
        assert_eq!(positions, (1..=2_000).collect::<Vec<_>>(), "positions are given in the order of the versions");

        // A newcomer does not overtake, also not in the moment when seats come free.
        let newcomers = join_all((0..50).map(async |number| {
            let answer = sale.reserve(&format!("c{number}"), json!({ "seats": 1 })).await;
            answer.expect_problem(409, "insufficient-seats");
        }));
        let cancels = join_all(sold[..300].iter().map(async |id| sale.cancel(id).await.expect(204)));
        join(join(cancels, newcomers), sale.kill_one()).await;

        let all = sale.audit().await;
        let version = |id: &String| all[id]["version"].as_i64().expect("a version");
        let status = |id: &String| all[id]["status"].as_str().expect("a status").to_owned();
        for (index, (_, _, id)) in joined.iter().enumerate() {
            let expected = if index < 300 { "confirmed" } else { "waitlisted" };
            assert_eq!(status(id), expected, "number {} of the list", index + 1);
        }
        assert!(joined[..300].is_sorted_by_key(|(_, _, id)| version(id)), "they were served in order");
        let event = sale.event().await;
        assert_eq!(["availableSeats", "waitlistCount"].map(|field| event.number(field)), [0, 1_700]);
        let next = sale.clients[0].reservation(&joined[300].2).await.expect(200);
        assert_eq!(next.number("waitlistPosition"), 1, "everybody has moved up");

        // More seats serve those who wait before anybody else.
        sale.amend(json!({ "totalSeats": 600 })).await.expect(200);
        let all = sale.audit().await;
        let served = joined.iter().filter(|(_, _, id)| all[id]["status"] == "confirmed").count();
        assert_eq!((served, sale.event().await.number("availableSeats")), (400, 0));
    })
    .await;
}
