//! Reservations of one seat at one event.

use crate::{
    baseline::{self, Baseline},
    failure::{Failure, Outcome},
    generator::{Keep, Load, Pace, Script, requests},
    ground::StoreKind,
    lab::{Lab, told},
    limits,
    reckoning::figures::Sample,
    stage::{BOOKED, CANCELLED, SEATS_MAX, Stage},
};

/// Clients where the number is not what is looked at.
pub(super) const CLIENTS: usize = 256;

/// A closed loop, on one server process or on several that share the event.
pub(super) async fn reserve(lab: &mut Lab, store: StoreKind, clients: usize, processes: usize) -> Outcome<Sample> {
    let stage = lab.stage(store, SEATS_MAX, &[], processes).await?;
    let (sample, tally) = stage.drive(lab.reserving(&stage, clients), BOOKED).await?;
    stage.audit(told(SEATS_MAX, &[&tally]), &tally.ids).await?;
    if let Some(document) = stage.a_document().await? {
        limits::same_shape(&document)?;
    }
    stage.close().await.map(|()| sample)
}

/// A closed loop on what others would write.
pub(super) async fn baseline(lab: &mut Lab, kind: Baseline, clients: usize) -> Outcome<Sample> {
    let ground = lab.ground(StoreKind::OneNode).await?;
    let server = baseline::start(kind, &ground, SEATS_MAX).await?;
    let stage = Stage::with(ground, server);
    let load = Load { keep: Keep::Nothing, ..lab.reserving(&stage, clients) };
    let (sample, tally) = stage.drive(load, BOOKED).await?;
    baseline::audit(&stage.ground, SEATS_MAX, tally.all(BOOKED)).await?;
    stage.close().await.map(|()| sample)
}

/// So many reservations, which sell the event out; measured from the first to the last.
pub(super) async fn count(lab: &mut Lab, store: StoreKind, reservations: u64) -> Outcome<Sample> {
    let stage = lab.stage(store, reservations, &[], 1).await?;
    let load = Load { window: None, requests_max: reservations, ..lab.reserving(&stage, CLIENTS) };
    let (sample, tally) = stage.drive(load, BOOKED).await?;
    if tally.all(BOOKED) != reservations {
        let why = format!("{} of {reservations} reservations were made: {:?}", tally.all(BOOKED), tally.by_kind());
        return Err(Failure::Failed(why));
    }
    stage.audit(told(reservations, &[&tally]), &tally.ids).await?;
    stage.close().await.map(|()| sample)
}

/// A closed loop on an event that has made so many reservations before. Where they would leave too few seats, some are
/// cancelled again: they stay reservations, and their seats are sold anew.
pub(super) async fn grown(lab: &mut Lab, store: StoreKind, behind: u64) -> Outcome<Sample> {
    let stage = lab.stage(store, SEATS_MAX, &[], 1).await?;
    // Both sides of a comparison get as much to sell. 400,000 last for five seconds of 60,000 and the warm-up.
    let to_sell = SEATS_MAX * 2 / 5;
    let cancelled = (behind + to_sell).saturating_sub(SEATS_MAX).min(behind);
    let mut before = Vec::new();
    if behind > 0 {
        let keep = Keep::First(cancelled);
        let load = Load { window: None, requests_max: behind, keep, ..lab.reserving(&stage, CLIENTS) };
        let (_, mut tally) = stage.drive(load, BOOKED).await?;
        if tally.all(BOOKED) != behind {
            return Err(Failure::Failed(format!("{} of {behind} could be made before", tally.all(BOOKED))));
        }
        let ids = std::mem::take(&mut tally.ids);
        before.push(tally);
        if !ids.is_empty() {
            let (_, tally) = stage.drive(cancelling(&stage, &ids), CANCELLED).await?;
            before.push(tally);
        }
        stage.settled().await?;
    }
    let load = Load { requests_max: to_sell, ..lab.reserving(&stage, CLIENTS) };
    let (sample, tally) = stage.drive(load, BOOKED).await?;
    let all: Vec<_> = before.iter().chain([&tally]).collect();
    stage.audit(told(SEATS_MAX, &all), &tally.ids).await?;
    stage.close().await.map(|()| sample)
}

/// Cancels these reservations, each once.
pub(super) fn cancelling(stage: &Stage, ids: &[String]) -> Load {
    let share = ids.len().div_ceil(CLIENTS).max(1);
    let script =
        |ids: &[String]| Script::once(ids.iter().map(|id| requests::delete(&format!("/reservations/{id}"))).collect());
    Load {
        servers: stage.addresses(),
        scripts: ids.chunks(share).map(script).collect(),
        pace: Pace::Closed,
        window: None,
        requests_max: u64::MAX,
        expected: CANCELLED,
        keep: Keep::Nothing,
    }
}
