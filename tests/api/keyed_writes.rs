//! What was written under a key is known again, whoever is asked, whatever happened since, and however long ago it was.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client, Header, key},
    heavy,
    server::{Launch, Server},
    store::{Store, for_each_store},
};

/// Amendments that come between a write and its retry: more than any list of the last ones would hold.
const OTHERS: usize = 20;

fn any_version() -> Header {
    ("if-match", "*".to_owned())
}

/// A retry gets the very answer of the first time, and says that it is one.
fn expect_again(first: &Answer, again: Answer) {
    let again = again.expect(first.status);
    assert_eq!((again.json(), again.header("idempotent-replayed")), (first.json(), Some("true")));
}

async fn amend_often(clients: &[Client]) {
    for number in 0..OTHERS {
        let change = json!({ "description": format!("Change {number}.") });
        clients[number % clients.len()].patch_event("show", &change, &[any_version()]).await.expect(200);
    }
}

#[tokio::test]
async fn every_keyed_write_is_known_again_for_ever() {
    let _room = heavy().await;
    for_each_store("keyed writes", async |store: Store| {
        let mut servers = vec![Launch::on(&store).fixed_port().start().await];
        if let Store::Mongo(_) = &store {
            servers.push(Launch::on(&store).fixed_port().start().await);
        }
        let clients: Vec<Client> = servers.iter().map(Server::client).collect();
        let (one, other) = (&clients[0], &clients[clients.len() - 1]);

        let event = json!({ "name": "A show", "totalSeats": 9 });
        let minted = one.post_with("/events", &event, &[key("make-minted")]).await.expect(201);
        let named = json!({ "eventId": "show", "name": "A show", "totalSeats": 9 });
        let made = one.post_with("/events", &named, &[key("make-named")]).await.expect(201);
        let amended =
            one.patch_event("show", &json!({ "totalSeats": 8 }), &[key("fewer"), any_version()]).await.expect(200);
        let reserved = one.reserve_at("show", &json!({ "partnerId": "acme", "seats": 1 })).await.expect(201);
        let id = reserved.id().to_owned();
        let confirmed = one.confirm(&id, &[key("sure")]).await.expect(200);
        amend_often(&clients).await;
        one.delete(&id).await.expect(204);

        let ask_again = async || {
            for client in [one, other] {
                expect_again(&minted, client.post_with("/events", &event, &[key("make-minted")]).await);
                expect_again(&made, client.post_with("/events", &named, &[key("make-named")]).await);
                let fewer =
                    client.patch_event("show", &json!({ "totalSeats": 8 }), &[key("fewer"), any_version()]).await;
                expect_again(&amended, fewer);
                expect_again(&confirmed, client.confirm(&id, &[key("sure")]).await);

                // And it stands for nothing else.
                let reused = "idempotency-key-reused";
                let elsewhere = |id: &str| json!({ "eventId": id, "name": "A show", "totalSeats": 9 });
                for used in ["make-minted", "make-named"] {
                    let answer = client.post_with("/events", &elsewhere("elsewhere"), &[key(used)]).await;
                    answer.expect_problem(422, reused);
                }
                client.post_with("/events", &event, &[key("make-named")]).await.expect_problem(422, reused);
                client.get("/events/elsewhere").await.expect_problem(404, "not-found");
                let more =
                    client.patch_event("show", &json!({ "totalSeats": 7 }), &[key("fewer"), any_version()]).await;
                more.expect_problem(422, reused);
                client.delete_with(&id, &[key("sure")]).await.expect_problem(422, reused);
            }
        };
        ask_again().await;
        for server in &servers {
            server.kill();
        }
        for server in &servers {
            server.restart().await;
        }
        ask_again().await;
        assert_eq!(one.get("/events/show").await.expect(200).number("totalSeats"), 8);
    })
    .await;
}

#[tokio::test]
async fn of_requests_for_events_under_one_key_one_makes_its_event() {
    for_each_store("rivals for a key", async |store: Store| {
        let servers = [Launch::on(&store).start().await];
        let client = servers[0].client();
        let ask = async |number: usize| {
            let event = json!({ "eventId": format!("show-{number}"), "name": "A show", "totalSeats": 9 });
            client.post_with("/events", &event, &[key("only-one")]).await
        };
        let answers = join_all((0..20).map(ask)).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(made, 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        for answer in answers.into_iter().filter(|answer| answer.status != 201) {
            answer.expect_problem(422, "idempotency-key-reused");
        }
        let listed = client.get("/events").await.expect(200);
        let shows: Vec<&Value> = listed.json()["items"].as_array().expect("a list").iter().collect();
        assert_eq!(shows.len(), 2, "the configured event and one more: {shows:?}");
    })
    .await;
}
