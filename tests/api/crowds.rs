//! Many at once, at one event: the moment that everything here is made for.

use futures_util::future::join_all;

use crate::support::{
    client::{Answer, Client},
    heavy,
    server::Launch,
    store::{Store, for_each_store},
};

#[tokio::test]
async fn two_hundred_partners_get_their_seats() {
    let _room = heavy().await;
    for_each_store("200 partners", async |store: Store| {
        let server = Launch::on(&store).start().await;
        let client = server.client();
        let answers = all_at_once(200, async |number| client.post_reservation(&format!("p{number}"), 1).await).await;
        for answer in &answers {
            answer.clone().expect(201);
        }
        expect_sold(&client, 300, &answers).await;
    })
    .await;
}

#[tokio::test]
async fn a_thousand_partners_share_five_hundred_seats_exactly() {
    let _room = heavy().await;
    for_each_store("1000 partners", async |store: Store| {
        let server = Launch::on(&store).start().await;
        let client = server.client();
        let answers = all_at_once(1_000, async |number| client.post_reservation(&format!("p{number}"), 1).await).await;
        let (sold, refused): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == 201);
        assert_eq!((sold.len(), refused.len()), (500, 500));
        for answer in refused {
            answer.expect_problem(409, "insufficient-seats");
        }
        expect_sold(&client, 0, &sold).await;
    })
    .await;
}

#[tokio::test]
async fn twenty_cancels_at_once_give_the_seats_back_once() {
    let _room = heavy().await;
    for_each_store("20 cancels", async |store: Store| {
        let server = Launch::on(&store).start().await;
        let client = server.client();
        for round in 0..10 {
            let id = client.post_reservation("acme", 10).await.expect(201).id().to_owned();
            let mut statuses: Vec<u16> =
                all_at_once(20, async |_| client.delete(&id).await).await.iter().map(|answer| answer.status).collect();
            statuses.sort_unstable();
            assert_eq!((statuses[0], &statuses[1..]), (204, &[404; 19][..]), "round {round}");
            assert_eq!(client.summary().await.number("availableSeats"), 500, "round {round}");
        }
        let answers = all_at_once(60, async |number| client.post_reservation(&format!("p{number}"), 10).await).await;
        let sold = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(sold, 50, "10 seats each make exactly 500");
        assert_eq!(client.summary().await.number("availableSeats"), 0);
    })
    .await;
}

/// Sends `count` requests together, each on a connection of its own, and waits for all answers.
async fn all_at_once(count: u32, request: impl AsyncFn(u32) -> Answer) -> Vec<Answer> {
    join_all((0..count).map(|number| request(number))).await
}

/// Checks that so many seats are left, and that each sold reservation is one of its own that can be fetched.
async fn expect_sold(client: &Client, available: i64, sold: &[Answer]) {
    let summary = client.summary().await.expect(200);
    let count = i64::try_from(sold.len()).expect("a small number");
    let numbers = ["availableSeats", "reservationCount", "version"].map(|field| summary.number(field));
    assert_eq!(numbers, [available, count, count]);

    let mut versions: Vec<i64> = sold.iter().map(|answer| answer.number("version")).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=count).collect::<Vec<_>>());
    for some in sold.chunks(100) {
        let shown = join_all(some.iter().map(|answer| client.reservation(answer.id()))).await;
        for (shown, told) in shown.into_iter().zip(some) {
            assert_eq!(shown.expect(200).json(), told.json());
        }
    }
}
