//! `Idempotency-Key` on writes.

use ticketboss::domain::ReservationId;

use super::{expect_exact_problem, for_each_server};
use crate::support::{
    client::key,
    server::Launch,
    store::{Store, for_each_store},
};

#[tokio::test]
async fn a_retry_gets_the_original_answer_even_after_a_cancel() {
    for_each_server("replay", async |server| {
        let client = server.client();
        let first = client.post_reservation_with("acme", 4, &[key("order-1")]).await.expect(201);
        assert_eq!(first.header("idempotent-replayed"), None);
        assert_eq!(ReservationId::parse(first.id()).expect("an id").uuid.get_version_num(), 8);
        client.post_reservation("other", 1).await.expect(201);

        let replay = async |sent: &str| {
            let again = client.post_reservation_with("acme", 4, &[key(sent)]).await.expect(201);
            assert_eq!(again.json(), first.json());
            assert_eq!(again.header("location"), first.header("location"));
            assert_eq!(again.header("idempotent-replayed"), Some("true"));
        };
        replay("order-1").await;
        replay("\"order-1\"").await;
        client.delete(first.id()).await.expect(204);
        replay("order-1").await;
        let summary = client.summary().await;
        assert_eq!((summary.number("availableSeats"), summary.number("version")), (499, 3));
    })
    .await;
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    for_each_server("reuse", async |server| {
        let client = server.client();
        let made = client.post_reservation_with("acme", 4, &[key("k")]).await.expect(201);
        let reused = client.post_reservation_with("acme", 5, &[key("k")]).await;
        expect_exact_problem(reused, 422, "idempotency-key-reused", &[]);
        // Not for another partner, nor for a cancel of what it made.
        let other = client.post_reservation_with("other", 5, &[key("k")]).await.expect(201);
        assert_ne!(other.id(), made.id());
        client.delete_with(made.id(), &[key("k")]).await.expect_problem(422, "idempotency-key-reused");
        assert_eq!(client.summary().await.number("version"), 2);
    })
    .await;
}

#[tokio::test]
async fn a_retried_cancel_is_thanked_again() {
    for_each_server("cancel replay", async |server| {
        let client = server.client();
        let made = client.post_reservation("acme", 4).await.expect(201);
        let first = client.delete_with(made.id(), &[key("c")]).await.expect(204);
        let again = client.delete_with(made.id(), &[key("c")]).await.expect(204);
        let replayed = [first, again].map(|answer| answer.header("idempotent-replayed").map(str::to_owned));
        assert_eq!(replayed, [None, Some("true".to_owned())]);
        client.delete_with(made.id(), &[key("d")]).await.expect_problem(404, "not-found");
        assert_eq!(client.summary().await.number("version"), 2);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    for_each_store("refusal", async |store: Store| {
        let server = Launch::on(&store).set("EVENT_SEATS", "5").start().await;
        let client = server.client();
        let all = client.post_reservation("acme", 5).await.expect(201);
        client.post_reservation_with("b", 1, &[key("k")]).await.expect_problem(409, "insufficient-seats");
        client.delete(all.id()).await.expect(204);
        let made = client.post_reservation_with("b", 1, &[key("k")]).await.expect(201);
        assert_eq!(made.header("idempotent-replayed"), None);
        // Nor does a refused request bind its key.
        client.post_reservation_with("b", 4, &[key("k2")]).await.expect(201);
        client.post_reservation_with("b", 2, &[key("k3")]).await.expect_problem(409, "insufficient-seats");
    })
    .await;
}
