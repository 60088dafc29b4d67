//! `DELETE /reservations/{id}`.

use super::{expect_exact_problem, for_each_server};

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
