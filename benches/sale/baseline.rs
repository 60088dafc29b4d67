//! What others would write: two minimal servers on the same database, majority-acknowledged and journaled as TicketBoss is,
//! with a pool as large, and without retries. Each is a process of its own: this very program, started for that.

use std::path::Path;

use actix_web::{
    App, HttpResponse, HttpServer,
    web::{self, Data, Json},
};
use bson::{Document, doc};
use mongodb::{
    Client, Collection,
    error::Error,
    options::{Acknowledgment, ClientOptions, CollectionOptions, WriteConcern},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    failure::{Failure, Outcome, failed},
    ground::{Ground, number},
    process::{ADDRESS_MARK, ServerProcess},
    stage::EVENT,
};

/// The hidden word that has this program be a baseline.
pub(crate) const COMMAND: &str = "serve-baseline";
/// Connections to the store, as many as TicketBoss opens.
const POOL_MAX: u32 = 64;

/// A way to sell a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// Optimistic concurrency as the textbook has it: read the event, write it on the condition that its version is still
    /// the same, insert the reservation; 409 when somebody else was first.
    Textbook,
    /// One update on the condition that enough seats are left, then the reservation.
    GuardedInc,
}

impl Baseline {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Textbook => "textbook",
            Self::GuardedInc => "guarded $inc",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Textbook, Self::GuardedInc].into_iter().find(|baseline| baseline.name() == name)
    }
}

/// Makes the event in the ground's database and starts a server for it.
pub(crate) async fn start(baseline: Baseline, ground: &Ground, seats: u64) -> Outcome<ServerProcess> {
    let database = ground.database().ok_or_else(|| Failure::Failed("a baseline needs MongoDB".to_owned()))?;
    let seats = i64::try_from(seats).map_err(failed("seats"))?;
    let event = doc! { "_id": EVENT, "totalSeats": seats, "availableSeats": seats, "version": 0_i64 };
    database.collection("events").insert_one(event).await.map_err(failed("making a baseline's event"))?;
    database.create_collection("reservations").await.map_err(failed("making a baseline's collection"))?;
    let program = std::env::current_exe().map_err(failed("this program's path"))?;
    let (_, uri) = ground.setting();
    ServerProcess::start(Path::new(&program), &[COMMAND, baseline.name(), &uri], &[]).await
}

/// Checks that every 201 has its reservation and its seat.
pub(crate) async fn audit(ground: &Ground, seats: u64, booked: u64) -> Outcome<()> {
    let database = ground.database().ok_or_else(|| Failure::Failed("a baseline needs MongoDB".to_owned()))?;
    let event = database.collection::<Document>("events").find_one(doc! { "_id": EVENT }).await;
    let event = event.map_err(failed("reading a baseline's event"))?.unwrap_or_default();
    let available = number(&event, "availableSeats").and_then(|seats| u64::try_from(seats).ok());
    let documents = ground.count("reservations", doc! {}).await?;
    if documents != booked || available != seats.checked_sub(booked) {
        let why = format!("{booked} were answered with 201, {documents} stand, and {available:?} of {seats} are left");
        return Err(Failure::Failed(why));
    }
    Ok(())
}

/// The baseline's whole process; the arguments are its name and the store's connection string.
pub(crate) async fn serve(arguments: &[String]) -> Result<(), String> {
    let [name, uri] = arguments else { return Err(format!("{COMMAND} takes a name and a connection string")) };
    let baseline = Baseline::named(name).ok_or_else(|| format!("there is no baseline {name}"))?;
    let failed = |why: Error| why.to_string();
    let mut options = ClientOptions::parse(uri).await.map_err(failed)?;
    options.max_pool_size = Some(POOL_MAX);
    options.retry_writes = Some(false);
    options.retry_reads = Some(false);
    let database = Client::with_options(options).map_err(failed)?.default_database().ok_or("no database is named")?;
    let durable = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    let durable = CollectionOptions::builder().write_concern(durable).build();
    let desk = Data::new(Desk {
        baseline,
        events: database.collection_with_options("events", durable.clone()),
        reservations: database.collection_with_options("reservations", durable),
    });
    let server =
        HttpServer::new(move || App::new().app_data(desk.clone()).route("/reservations", web::post().to(reserve)));
    // As many workers as cores, as TicketBoss has.
    let server = server.bind(("127.0.0.1", 0)).map_err(|why| why.to_string())?;
    for address in server.addrs() {
        eprintln!("serving {} on {ADDRESS_MARK}{address}", baseline.name());
    }
    server.run().await.map_err(|why| why.to_string())?;
    database.client().clone().shutdown().await;
    Ok(())
}

struct Desk {
    baseline: Baseline,
    events: Collection<Document>,
    reservations: Collection<Document>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    partner_id: String,
    seats: i64,
}

async fn reserve(desk: Data<Desk>, Json(wanted): Json<Wanted>) -> HttpResponse {
    let taken = match desk.baseline {
        Baseline::Textbook => desk.compare_and_set(&wanted).await,
        Baseline::GuardedInc => desk.guarded_inc(&wanted).await,
    };
    let refused = |code: &str| HttpResponse::Conflict().json(json!({ "code": code }));
    match taken {
        Ok(Taken::At(version)) => match desk.insert(&wanted, version).await {
            Ok(id) => HttpResponse::Created().json(json!({
                "reservationId": id, "eventId": EVENT, "partnerId": wanted.partner_id, "seats": wanted.seats,
                "status": "confirmed", "version": version,
            })),
            Err(why) => broken(&why),
        },
        Ok(Taken::Conflict) => refused("version-conflict"),
        Ok(Taken::SoldOut) => refused("insufficient-seats"),
        Err(why) => broken(&why),
    }
}

fn broken(why: &Error) -> HttpResponse {
    eprintln!("{why}");
    HttpResponse::InternalServerError().json(json!({ "code": "internal" }))
}

enum Taken {
    At(i64),
    Conflict,
    SoldOut,
}

impl Desk {
    /// Reads the newest state, which gives the write the best chance to still meet it.
    async fn compare_and_set(&self, wanted: &Wanted) -> Result<Taken, Error> {
        let event = self.events.find_one(doc! { "_id": EVENT }).await?.unwrap_or_default();
        let (version, available) = (number(&event, "version").unwrap_or(0), number(&event, "availableSeats"));
        if available.unwrap_or(0) < wanted.seats {
            return Ok(Taken::SoldOut);
        }
        let update = doc! { "$inc": { "availableSeats": -wanted.seats, "version": 1_i64 } };
        let taken = self.events.find_one_and_update(doc! { "_id": EVENT, "version": version }, update).await?;
        Ok(taken.map_or(Taken::Conflict, |_| Taken::At(version + 1)))
    }

    async fn guarded_inc(&self, wanted: &Wanted) -> Result<Taken, Error> {
        let enough = doc! { "_id": EVENT, "availableSeats": { "$gte": wanted.seats } };
        let update = doc! { "$inc": { "availableSeats": -wanted.seats, "version": 1_i64 } };
        let taken = self.events.find_one_and_update(enough, update).await?;
        Ok(taken.map_or(Taken::SoldOut, |event| Taken::At(number(&event, "version").unwrap_or(0) + 1)))
    }

    async fn insert(&self, wanted: &Wanted, version: i64) -> Result<String, Error> {
        let id = format!("{EVENT}.{}", ticketboss::ids::reservation());
        let reservation = doc! {
            "_id": &id, "eventId": EVENT, "partnerId": &wanted.partner_id, "seats": wanted.seats,
            "status": "confirmed", "version": version,
        };
        self.reservations.insert_one(reservation).await?;
        Ok(id)
    }
}
