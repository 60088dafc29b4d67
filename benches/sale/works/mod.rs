//! What can be measured. Each kind of work sets up its own stage, drives it, audits it and takes it away.

mod later;
mod load;
mod reserving;

use std::time::Duration;

use crate::{
    baseline::Baseline,
    failure::{Failure, Outcome},
    ground::StoreKind,
    lab::{Lab, RUN_PATIENCE},
    limits,
    reckoning::figures::Sample,
};

/// One kind of work, on one store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// Reservations of one seat, at one event, by a closed loop.
    Reserve { store: StoreKind, clients: usize, processes: usize },
    /// The same, of a baseline.
    Baseline { baseline: Baseline, clients: usize },
    /// A page, over and over.
    Read { store: StoreKind, clients: usize, path: &'static str },
    /// Refusals of an event that is sold out.
    SoldOut { store: StoreKind, clients: usize },
    /// Reservations until so many are made; all of it counts.
    Count { store: StoreKind, reservations: u64 },
    /// Reservations of an event with so many reservations behind it.
    Grown { store: StoreKind, behind: u64 },
    /// First a closed loop, for the peak; then an open one at a multiple of that.
    Offered { store: StoreKind, offer: Offer },
    /// `insertMany` by the raw driver.
    Inserts { store: StoreKind },
    /// `findOneAndUpdate` by the raw driver.
    Updates { store: StoreKind },
    /// `fdatasync`.
    Syncs,
    /// Reservations spread evenly over so many events.
    ManyEvents { store: StoreKind, events: usize },
    /// So many waiting for an event, and then cancellations that serve them.
    Waiting { store: StoreKind, waiting: u64 },
    /// Good traffic: undisturbed, beside clients that send ahead, and beside hostile clients of every kind.
    Hostile { store: StoreKind, behind: u64 },
    /// A hall sold out from the first seat to the last, with or without a seat map.
    Hall { store: StoreKind, rows: u32, mapped: bool },
}

/// How an open loop is offered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Offer {
    /// Of the peak that the closed loop found.
    pub(crate) times: f64,
    /// Clients of the closed loop.
    pub(crate) closed_clients: usize,
    /// Connections of the open loop.
    pub(crate) connections: usize,
    /// How much later everything arrives at the store.
    pub(crate) delay: Duration,
    /// The server's bound on what waits; `None` leaves the default.
    pub(crate) inbox_max: Option<usize>,
}

/// The names of the two parts of [`Work::Offered`].
pub(crate) const OFFERED_PARTS: [&str; 2] = ["peak", "offered"];

/// The names of the parts of [`Work::Hostile`].
pub(crate) const HOSTILE_PARTS: [&str; 3] = ["undisturbed", "pipelining", "everything"];

/// Does the work once. What it gives has an empty name, or the names of its parts.
pub(crate) async fn measure(lab: &mut Lab, work: &Work) -> Outcome<Vec<(&'static str, Sample)>> {
    let one = |sample: Sample| vec![("", sample)];
    let measuring = async {
        match *work {
            Work::Reserve { store, clients, processes } => {
                reserving::reserve(lab, store, clients, processes).await.map(one)
            }
            Work::Baseline { baseline, clients } => reserving::baseline(lab, baseline, clients).await.map(one),
            Work::Read { store, clients, path } => load::read(lab, store, clients, path).await.map(one),
            Work::SoldOut { store, clients } => load::sold_out(lab, store, clients).await.map(one),
            Work::Count { store, reservations } => reserving::count(lab, store, reservations).await.map(one),
            Work::Grown { store, behind } => reserving::grown(lab, store, behind).await.map(one),
            Work::Offered { store, offer } => load::offered(lab, store, offer).await,
            Work::Inserts { store } => {
                let ground = lab.ground(store).await?;
                let sample = limits::inserts(&ground, lab.plan.window).await?;
                ground.clear().await.map(|()| one(sample))
            }
            Work::Updates { store } => {
                let ground = lab.ground(store).await?;
                let sample = limits::updates(&ground, lab.plan.window).await?;
                ground.clear().await.map(|()| one(sample))
            }
            Work::Syncs => {
                lab.end().await;
                let window = lab.plan.window;
                let synced = tokio::task::spawn_blocking(move || limits::syncs(window)).await;
                synced.unwrap_or_else(|why| Err(Failure::Failed(why.to_string()))).map(one)
            }
            Work::ManyEvents { store, events } => later::many_events(lab, store, events).await.map(one),
            Work::Waiting { store, waiting } => later::waiting(lab, store, waiting).await,
            Work::Hostile { store, behind } => load::hostile(lab, store, behind).await,
            Work::Hall { store, rows, mapped } => later::hall(lab, store, rows, mapped).await.map(one),
        }
    };
    let late = |_| Failure::Failed(format!("this run did not end within {RUN_PATIENCE:?}"));
    tokio::time::timeout(RUN_PATIENCE, measuring).await.map_err(late)?
}
