//! Several server processes that share one event on MongoDB.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;

use crate::support::{
    client::{Answer, Client, key},
    heavy,
    history::{Asked, History},
    load::Load,
    server::{Launch, Server},
    store::Store,
    verdict::verify,
};

/// Servers on one store, and a client of each.
async fn servers(count: usize, launch: impl Fn() -> Launch) -> (Vec<Server>, Vec<Client>) {
    let servers = join_all((0..count).map(|_| launch().start())).await;
    let clients = servers.iter().map(Server::client).collect();
    (servers, clients)
}

#[tokio::test]
async fn processes_that_start_together_make_one_event() {
    let store = Store::mongo("seeding").await;
    let (_servers, clients) = servers(3, || Launch::on(&store)).await;
    for client in &clients {
        let summary = client.summary().await.expect(200);
        assert_eq!((summary.number("availableSeats"), summary.number("version")), (500, 0));
    }
    clients[0].post_reservation("acme", 2).await.expect(201);
    for client in &clients {
        assert_eq!(client.summary().await.number("availableSeats"), 498);
    }
}

#[tokio::test]
async fn one_key_through_two_processes_makes_one_reservation() {
    let _room = heavy().await;
    let store = Store::mongo("one key").await;
    let (_servers, clients) = servers(2, || Launch::on(&store)).await;
    let ask = async |number: usize, partner: &str, seats: u32| {
        clients[number % 2].post_reservation_with(partner, seats, &[key("order-1")]).await
    };
    let answers = join_all((0..50).map(|number| ask(number, "acme", 3))).await;
    let first = &answers[0];
    for answer in &answers {
        assert_eq!(answer.clone().expect(201).json(), first.json());
    }
    expect_summary(&clients, 497, 1).await;

    clients[0].delete(first.id()).await.expect(204);
    for number in 0..2 {
        let again = ask(number, "acme", 3).await.expect(201);
        assert_eq!((again.json(), again.header("idempotent-replayed")), (first.json(), Some("true")));
        ask(number, "acme", 4).await.expect_problem(422, "idempotency-key-reused");
    }
    expect_summary(&clients, 500, 0).await;

    let others: Vec<Answer> = join_all((0..50).map(|number| ask(number, ["b", "c"][number / 25], 3))).await;
    let mut ids: Vec<&str> = others.iter().map(Answer::id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2, "two partners, two reservations");
    expect_summary(&clients, 494, 2).await;
}

async fn expect_summary(clients: &[Client], available: i64, count: i64) {
    for client in clients {
        let summary = client.summary().await.expect(200);
        assert_eq!((summary.number("availableSeats"), summary.number("reservationCount")), (available, count));
    }
}

#[tokio::test]
async fn two_processes_sell_one_event_exactly() {
    sell_with(2).await;
}

#[tokio::test]
async fn four_processes_sell_one_event_exactly() {
    sell_with(4).await;
}

async fn sell_with(processes: usize) {
    let _room = heavy().await;
    let store = Store::mongo("processes").await;
    let (_servers, clients) = servers(processes, || Launch::on(&store)).await;
    let load = Load::start(&clients, 32);
    load.more_accepted(1_000, Duration::from_mins(1)).await;
    let history = load.finish().await;
    verify(&clients[0], &store, &history).await;
}

#[tokio::test]
async fn whoever_follows_the_list_misses_nothing_that_two_processes_sell() {
    let _room = heavy().await;
    let store = Store::mongo("followed").await;
    let (_servers, clients) = servers(2, || Launch::on(&store).set("EVENT_SEATS", "1000000")).await;
    let load = Load::start(&clients, 32);
    let mut reader = Reader::new(clients[1].clone());
    tokio::select! {
        () = load.more_accepted(1_500, Duration::from_mins(1)) => {}
        () = async { loop { reader.follow().await } } => {}
    }
    let history = load.finish().await;
    reader.follow().await;
    let made: HashSet<_> =
        history.entries().iter().filter_map(|entry| entry.outcome.reservation_id().map(str::to_owned)).collect();
    let missed = made.difference(&reader.seen).count();
    assert_eq!(missed, 0, "of {} reservations", made.len());
}

/// Reads an event's list again and again from where it was read to.
struct Reader {
    client: Client,
    created_from: String,
    seen: HashSet<String>,
}

impl Reader {
    fn new(client: Client) -> Self {
        Self { client, created_from: "1970-01-01T00:00:00Z".to_owned(), seen: HashSet::new() }
    }

    /// Reads to the end of the list as it is now.
    async fn follow(&mut self) {
        let path = format!("/events/node-meetup-2025/reservations?limit=100&createdFrom={}", self.created_from);
        let mut page = self.client.get(&path).await.expect(200).json().clone();
        loop {
            for item in page["items"].as_array().expect("items") {
                item["createdAt"].as_str().expect("a time").clone_into(&mut self.created_from);
                self.seen.insert(item["reservationId"].as_str().expect("an id").to_owned());
            }
            let Some(cursor) = page["nextCursor"].as_str() else { return };
            page = self.client.get(&format!("{path}&cursor={cursor}")).await.expect(200).json().clone();
        }
    }
}

#[tokio::test]
async fn without_batches_and_second_tries_processes_get_in_each_others_way() {
    let _room = heavy().await;
    let store = Store::mongo("textbook").await;
    let launch = || Launch::on(&store).set("COMMIT_BATCH_MAX", "1").set("COMMIT_ATTEMPTS_MAX", "1");
    let (_servers, clients) = servers(2, launch).await;
    let history = History::default();
    let mut conflicts = Vec::new();
    for round in 0..10 {
        let answers = join_all((0..20).map(async |number| {
            let client = &clients[number % 2];
            let partner = format!("p{round}-{number}");
            let asked = Asked::Reserve { partner: partner.clone(), seats: 1, key: None };
            history.note(number % 2, asked, client.try_post_reservation(&partner, 1, &[])).await
        }));
        for answer in answers.await {
            match answer.expect("loopback does not lose answers") {
                answer if answer.status == 201 => {}
                answer => conflicts.push(answer),
            }
        }
    }
    assert!(!conflicts.is_empty(), "two processes never met in 200 requests");
    for conflict in conflicts {
        let conflict = conflict.expect_problem(409, "version-conflict");
        assert_eq!(conflict.json()["retryable"], true);
        let seconds: u32 = conflict.header("retry-after").expect("says when").parse().expect("in seconds");
        assert!((1..=60).contains(&seconds), "{conflict}");
    }
    verify(&clients[0], &store, &history).await;
}
