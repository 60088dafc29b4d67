//! What a sale needs beside selling: waitlist, holds, named seats, limits. Each on both stores, with everybody at once,
//! through two processes where the store can be shared, and with one process killed in the middle.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client, Header, if_match, key},
    server::{Launch, Server},
    store::Store,
};

mod holds;
mod limits;
mod named_seats;
mod waitlist;

/// How long a partner goes on trying to learn what became of one request.
const PERSISTENCE: Duration = Duration::from_mins(1);
/// How long a partner waits before it tries again.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// Within this time the service does by itself whatever is due.
const PROMISED: Duration = Duration::from_secs(2);

/// An event on sale, and the processes that sell it.
struct Sale {
    servers: Vec<Server>,
    clients: Vec<Client>,
    event: String,
    turn: AtomicUsize,
}

impl Sale {
    /// Opens an event; `terms` are the fields of its making beside its name.
    async fn open(store: &Store, terms: Value) -> Self {
        let count = if matches!(store, Store::Mongo(_)) { 2 } else { 1 };
        let servers = join_all((0..count).map(|_| Launch::on(store).fixed_port().start())).await;
        let clients: Vec<_> = servers.iter().map(Server::client).collect();
        let mut body = json!({ "name": "A big sale" });
        body.as_object_mut().expect("an object").extend(terms.as_object().expect("an object").clone());
        let made = clients[0].send(Method::POST, "/events", &as_json(&[]), body.to_string()).await.expect(201);
        let event = made.text("eventId").to_owned();
        Self { servers, clients, event, turn: AtomicUsize::new(0) }
    }

    /// Kills one process while its requests are in flight, and starts it again.
    async fn kill_one(&self) {
        let victim = self.servers.last().expect("at least one");
        victim.kill();
        victim.restart().await;
    }

    /// Asks for seats until an answer says what became of it. `body` lacks only the partner.
    async fn reserve(&self, partner: &str, mut body: Value) -> Answer {
        body["partnerId"] = partner.into();
        let path = format!("/events/{}/reservations", self.event);
        self.until_known(Method::POST, &path, &format!("reserve-{partner}"), &body.to_string()).await
    }

    async fn cancel(&self, id: &str) -> Answer {
        self.until_known(Method::DELETE, &format!("/reservations/{id}"), "cancel", "").await
    }

    async fn confirm(&self, id: &str) -> Answer {
        self.until_known(Method::POST, &format!("/reservations/{id}/confirm"), "confirm", "").await
    }

    /// Sends a request under a key, each time to the next process, until an answer says what became of it.
    async fn until_known(&self, method: Method, path: &str, name: &str, body: &str) -> Answer {
        let deadline = Instant::now() + PERSISTENCE;
        let headers = if body.is_empty() { vec![key(name)] } else { as_json(&[key(name)]) };
        loop {
            let client = &self.clients[self.turn.fetch_add(1, Ordering::Relaxed) % self.clients.len()];
            match client.try_send(method.clone(), path, &headers, body.to_owned()).await {
                Ok(answer) if answer.status < 500 && !is_retryable(&answer) => return answer,
                answer => assert!(Instant::now() < deadline, "{method} {path} stayed unanswered: {answer:?}"),
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    async fn amend(&self, terms: Value) -> Answer {
        let path = format!("/events/{}", self.event);
        let version = self.event().await.number("version");
        self.clients[0].send(Method::PATCH, &path, &as_json(&[if_match(version)]), terms.to_string()).await
    }

    async fn event(&self) -> Answer {
        self.clients[0].get(&format!("/events/{}", self.event)).await.expect(200)
    }

    /// All reservations of the event by their ids, page by page.
    async fn reservations(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        let mut path = format!("/events/{}/reservations?limit=100", self.event);
        loop {
            let page = self.clients[0].get(&path).await.expect(200);
            for item in page.json()["items"].as_array().expect("a page has items") {
                let id = item["reservationId"].as_str().expect("an id").to_owned();
                assert!(all.insert(id, item.clone()).is_none(), "listed twice: {item}");
            }
            let Some(cursor) = page.json()["nextCursor"].as_str() else { return all };
            path = format!("/events/{}/reservations?limit=100&cursor={cursor}", self.event);
        }
    }

    /// Waits until `condition` holds for the event, for as long as the service promises once `due` has passed.
    async fn within_promised(&self, due: Duration, what: &str, condition: impl Fn(&Answer) -> bool) {
        let deadline = Instant::now() + due + PROMISED;
        loop {
            let event = self.event().await;
            if condition(&event) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}, not within {due:?} and {PROMISED:?}: {event}");
        }
    }

    /// Checks that event, list and seat map tell the same story, and gives the list.
    async fn audit(&self) -> BTreeMap<String, Value> {
        let (event, all) = (self.event().await, self.reservations().await);
        let of = |status: &str| all.values().filter(|item| item["status"] == status).collect::<Vec<_>>();
        let seats = |items: &[&Value]| items.iter().map(|item| item["seats"].as_i64().expect("a number")).sum::<i64>();
        let count = |items: &[&Value]| i64::try_from(items.len()).expect("a small number");
        let (confirmed, held, waiting) = (of("confirmed"), of("held"), of("waitlisted"));
        let told =
            ["reservationCount", "heldSeats", "waitlistCount", "availableSeats"].map(|field| event.number(field));
        let free = event.number("totalSeats") - seats(&confirmed) - seats(&held);
        assert_eq!(told, [count(&confirmed), seats(&held), count(&waiting), free], "{event}");

        let mut versions: Vec<_> = all.values().map(|item| item["version"].as_i64()).collect();
        versions.sort_unstable();
        versions.dedup();
        assert_eq!(versions.len(), all.len(), "two reservations were changed by one version");
        if event.json()["hasSeatMap"] == true {
            self.audit_map(&confirmed, &held).await;
        }
        all
    }

    async fn audit_map(&self, confirmed: &[&Value], held: &[&Value]) {
        let map = self.clients[0].get(&format!("/events/{}/seats", self.event)).await.expect(200);
        for (items, state) in [(confirmed, 's'), (held, 'h')] {
            let mut named = BTreeSet::new();
            for item in items {
                let ids = seat_ids(item);
                assert_eq!(i64::try_from(ids.len()).ok(), item["seats"].as_i64(), "{item}");
                for id in ids {
                    assert!(named.insert(id.clone()), "{id} belongs to two reservations");
                }
            }
            assert_eq!(seats_of(&map, state), named, "the map shows other seats as {state:?} than belong to somebody");
        }
    }
}

/// The ids of the seats that a map shows in this state.
fn seats_of(map: &Answer, state: char) -> BTreeSet<String> {
    let rows = map.json()["rows"].as_array().expect("a map has rows");
    let in_row = |row: &Value| {
        let label = row["row"].as_str().expect("a label").to_owned();
        let states: Vec<char> = row["seats"].as_str().expect("its seats").chars().collect();
        (1..)
            .zip(states)
            .filter(|(_, found)| *found == state)
            .map(move |(number, _): (u32, _)| format!("{label}{number}"))
            .collect::<Vec<_>>()
    };
    rows.iter().flat_map(in_row).collect()
}

/// The named seats of a reservation.
fn seat_ids(reservation: &Value) -> Vec<String> {
    let ids = reservation["seatIds"].as_array().map(Vec::as_slice).unwrap_or_default();
    ids.iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
}

fn as_json(headers: &[Header]) -> Vec<Header> {
    [&[("content-type", "application/json".to_owned())], headers].concat()
}

fn is_retryable(answer: &Answer) -> bool {
    answer.status >= 400 && answer.json()["retryable"] == true
}
