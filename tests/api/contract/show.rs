//! `GET /reservations/{id}`.

use super::{expect_exact_problem, expect_fields, for_each_server, reserve::FIELDS};

#[tokio::test]
async fn a_reservation_is_shown_as_it_stands_cancelled_ones_too() {
    for_each_server("show", async |server| {
        let client = server.client();
        let made = client.post_reservation("acme", 3).await.expect(201);
        let shown = client.reservation(made.id()).await.expect(200);
        assert_eq!(shown.json(), made.json());
        expect_fields(&shown, &FIELDS);
        // The tag is the event's: a reservation's would promise an If-Match that compares with something else.
        assert_eq!(shown.header("etag"), None);

        client.post_reservation("other", 1).await.expect(201);
        client.delete(made.id()).await.expect(204);
        let shown = client.reservation(made.id()).await.expect(200);
        assert_eq!((shown.text("status"), shown.number("version"), shown.number("seats")), ("cancelled", 3, 3));
        assert_eq!(shown.text("createdAt"), made.text("createdAt"));
        expect_fields(&shown, &FIELDS);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_reservation_is_not_found() {
    for_each_server("unknown", async |server| {
        let client = server.client();
        for id in
            ["node-meetup-2025.0198a3b2-7c1d-7def-8123-456789abcdef", "other.0198a3b2-7c1d-7def-8123-456789abcdef", "x"]
        {
            expect_exact_problem(client.reservation(id).await, 404, "not-found", &[]);
        }
    })
    .await;
}
