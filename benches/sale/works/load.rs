//! Pages, refusals, and what happens when more is offered than can be served.

use std::time::Duration;

use super::{HOSTILE_PARTS, OFFERED_PARTS, Offer};
use crate::{
    failure::{Failure, Outcome},
    generator::{Keep, Load, Pace, Script, call, requests},
    ground::{Ground, StoreKind},
    hostile::Crowd,
    lab::{Lab, told},
    reckoning::{audit::Told, figures::Sample},
    slow::SlowLine,
    stage::{BOOKED, EVENT, REFUSED, SEATS_MAX, SHOWN, Stage},
};

/// The good clients beside hostile ones.
const GOOD_CLIENTS: usize = 32;

/// A page, over and over.
pub(super) async fn read(lab: &mut Lab, store: StoreKind, clients: usize, path: &str) -> Outcome<Sample> {
    let stage = lab.stage(store, SEATS_MAX, &[], 1).await?;
    let (sample, _) = stage.drive(lab.reading(&stage, clients, path), SHOWN).await?;
    stage.close().await.map(|()| sample)
}

/// Refusals of an event whose only seat is sold.
pub(super) async fn sold_out(lab: &mut Lab, store: StoreKind, clients: usize) -> Outcome<Sample> {
    let stage = lab.stage(store, 1, &[], 1).await?;
    let (status, _) = call(stage.addresses()[0], &requests::reserve("/reservations", 0)).await?;
    if status != 201 {
        return Err(Failure::Failed(format!("the only seat was answered with {status}")));
    }
    let load = lab.reserving(&stage, clients);
    let load = Load { requests_max: u64::MAX, expected: REFUSED, keep: Keep::Nothing, ..load };
    let (sample, _) = stage.drive(load, REFUSED).await?;
    stage.audit(Told { total_seats: 1, booked: 1, cancelled: 0, unknown: 0 }, &[]).await?;
    stage.close().await.map(|()| sample)
}

/// The peak by a closed loop, then an open loop at a multiple of it.
pub(super) async fn offered(lab: &mut Lab, store: StoreKind, offer: Offer) -> Outcome<Vec<(&'static str, Sample)>> {
    let (stage, line) = slowed(lab, store, offer).await?;
    let load = lab.reserving(&stage, offer.closed_clients);
    let (peak, tally) = stage.drive(load, BOOKED).await?;
    stage.audit(told(SEATS_MAX, &[&tally]), &tally.ids).await?;
    stage.close().await?;
    drop(line);

    let (stage, line) = slowed(lab, store, offer).await?;
    let load = lab.reserving(&stage, offer.connections);
    let load = Load { pace: Pace::Open(peak.per_second * offer.times), requests_max: u64::MAX, ..load };
    let (sample, tally) = stage.drive(load, BOOKED).await?;
    stage.audit(told(SEATS_MAX, &[&tally]), &tally.ids).await?;
    stage.close().await?;
    drop(line);
    Ok(OFFERED_PARTS.into_iter().zip([peak, sample]).collect())
}

/// Good traffic, half of it reservations and half summaries, on an event with so many reservations behind it: alone, and
/// beside hostile clients.
pub(super) async fn hostile(lab: &mut Lab, store: StoreKind, behind: u64) -> Outcome<Vec<(&'static str, Sample)>> {
    const ANSWERED: &[(u16, &str)] = &[(200, ""), (201, "")];

    let stage = lab.stage(store, SEATS_MAX, &[], 1).await?;
    let before = Load { window: None, requests_max: behind, ..lab.reserving(&stage, GOOD_CLIENTS) };
    let (_, before) = stage.drive(before, BOOKED).await?;
    let script = |client: usize| match client % 2 {
        0 => Script::always(requests::reserve("/reservations", client)),
        _ => Script::always(requests::get("/reservations")),
    };
    let mut tallies = vec![before];
    let mut samples = Vec::new();
    for (part, crowd) in HOSTILE_PARTS.into_iter().zip([Crowd::NOBODY, Crowd::PIPELINING, Crowd::ALL]) {
        let load = lab.reserving(&stage, 0);
        let scripts = (0..GOOD_CLIENTS).map(script).collect();
        let crowd = crowd.loose(stage.addresses()[0], EVENT);
        let load = Load { scripts, requests_max: u64::MAX, expected: ANSWERED, ..load };
        let (sample, tally) = stage.drive(load, ANSWERED).await?;
        drop(crowd);
        samples.push((part, sample));
        tallies.push(tally);
    }
    stage.audit(told(SEATS_MAX, &tallies.iter().collect::<Vec<_>>()), &tallies[1].ids).await?;
    stage.close().await?;
    Ok(samples)
}

/// A stage whose store is reached through a slow line, if one is wanted. The line lasts as long as it is kept.
async fn slowed(lab: &mut Lab, store: StoreKind, offer: Offer) -> Outcome<(Stage, Option<SlowLine>)> {
    let mut settings = Vec::new();
    settings.extend(offer.inbox_max.map(|most| ("INBOX_MAX", most.to_string())));
    if offer.delay == Duration::ZERO {
        return Ok((lab.stage(store, SEATS_MAX, &settings, 1).await?, None));
    }
    let ground = lab.ground(store).await?;
    let Ground::Mongo { direct, database, .. } = &ground else {
        return Err(Failure::Failed("only MongoDB is reached over a line".to_owned()));
    };
    let line = SlowLine::to(direct.clone(), offer.delay).await?;
    // Without directConnection the driver would learn the node's own address and go around the line.
    let uri = format!("mongodb://{}/{}?directConnection=true", line.address, database.name());
    settings.extend([("MONGO_URI", uri), ("EVENT_SEATS", SEATS_MAX.to_string())]);
    Ok((Stage::open(ground, &lab.plan.server, &settings, 1).await?, Some(line)))
}
