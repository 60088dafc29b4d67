//! What is read: every acknowledged commit, nothing that is newer than asked for, and never for ever.

use std::{future::Future, time::Duration};

use jiff::SignedDuration;
use ticketboss::{
    clock::{Clock, SystemClock, truncate},
    domain::{Facts, ReservationId, Status},
    ids,
    store::{Base, CommitError, EventStore, FactsError, Scope},
};
use tokio::time::{Instant, timeout};

use crate::show::{
    OrFinding, ROWS, Show, Verdict, cancel, ensure, ensure_eq, everything, head, left_by, named, new_event, now,
    other_head, reserve, soon, steps, touched, uuid_of,
};

pub(super) async fn facts_show_a_commit_at_once(store: &dyn EventStore) -> Verdict {
    let (show, mut snapshot) = Show::open(store, 100).await?;
    let mut all = Facts::default();
    for _ in 0..5 {
        let (after, decision) = show.commit(&snapshot, &[reserve(1), reserve(2)]).await?;
        all.reservations.extend(left_by(&decision).reservations);
        let uuids: Vec<_> = all.reservations.keys().copied().collect();
        ensure_eq!(show.facts(&after, &uuids).await?, all, "facts at the snapshot that the commit returned");
        snapshot = after;
    }
    Ok(())
}

pub(super) async fn facts_show_a_commit_to_whoever_loads(store: &dyn EventStore) -> Verdict {
    let (show, mut snapshot) = Show::open(store, 100).await?;
    let mut all = Facts::default();
    for _ in 0..5 {
        let (_, decision) = show.commit(&snapshot, &[reserve(1), reserve(2)]).await?;
        all.reservations.extend(left_by(&decision).reservations);
        let uuids: Vec<_> = all.reservations.keys().copied().collect();
        let loaded = show.load().await?;
        ensure_eq!(loaded.event, decision.event, "the event after a commit");
        ensure_eq!(show.facts(&loaded, &uuids).await?, all, "facts at a snapshot that was loaded");
        snapshot = loaded;
    }
    Ok(())
}

pub(super) async fn facts_leave_out_what_does_not_exist(store: &dyn EventStore) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    ensure_eq!(show.facts(&before, &[ids::reservation()]).await?, Facts::default(), "facts of a new event");
    ensure_eq!(show.facts(&before, &[]).await?, Facts::default(), "facts when nothing is asked");
    let (after, decision) = show.commit(&before, &[reserve(1), reserve(1)]).await?;
    let mut asked = touched(&decision);
    asked.insert(1, ids::reservation());
    asked.push(asked[0]);
    ensure_eq!(
        show.facts(&after, &asked).await?,
        left_by(&decision),
        "facts when some do not exist and one is named twice"
    );
    Ok(())
}

pub(super) async fn facts_are_never_newer_than_their_snapshot(store: &dyn EventStore) -> Verdict {
    let (show, first) = Show::open(store, 10).await?;
    let (old, made) = show.commit(&first, &[reserve(4), reserve(1)]).await?;
    let uuids = touched(&made);
    let (_, _) = show.commit(&old, &[cancel(uuids[0])]).await?;
    for (snapshot, then) in [(&first, Facts::default()), (&old, left_by(&made))] {
        match store.facts(snapshot, &named(&uuids), soon()).await {
            Ok(facts) => ensure_eq!(facts, then, "facts at version {}", snapshot.event.version),
            Err(FactsError::Stale) => {}
            Err(FactsError::Store(why)) => return Err(format!("facts: {why}")),
        }
    }
    Ok(())
}

pub(super) async fn a_cancelled_reservation_is_seen_in_its_last_state(store: &dyn EventStore) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    let (after, made) = show.commit(&before, &[reserve(4), reserve(1)]).await?;
    let uuid = touched(&made)[0];
    ensure_eq!(show.reservation(uuid).await?.as_ref(), Some(&steps(&made)[0]), "what is not cancelled yet");
    let (after, cancelled) = show.commit(&after, &[cancel(uuid)]).await?;
    for snapshot in [after, show.load().await?] {
        ensure_eq!(show.facts(&snapshot, &[uuid]).await?, left_by(&cancelled), "facts of what was cancelled");
    }
    let read = show.reservation(uuid).await?.ok_or("what was cancelled is gone")?;
    ensure_eq!(read.status, Status::Cancelled, "the status of what was cancelled");
    ensure_eq!(read, steps(&cancelled)[0], "what was cancelled");
    Ok(())
}

pub(super) async fn a_reservation_cancelled_in_the_batch_that_made_it_is_seen_cancelled(
    store: &dyn EventStore,
) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    let made = reserve(4);
    let uuid = uuid_of(&made, &before.event);
    let (after, decision) = show.commit(&before, &[made, reserve(1), cancel(uuid)]).await?;
    let last = &steps(&decision)[2];
    ensure_eq!(show.reservation(uuid).await?.as_ref(), Some(last), "what one batch made and cancelled");
    ensure_eq!(show.facts(&after, &touched(&decision)).await?, left_by(&decision), "facts of both reservations");
    Ok(())
}

pub(super) async fn proof_holds_only_at_the_current_base(store: &dyn EventStore) -> Verdict {
    let (show, old) = Show::open(store, 10).await?;
    let prove = async |base: Base| store.prove(&show.id, base, soon()).await.or_finding("prove");
    ensure!(prove(old.base()).await?, "a new event is not proved at its first base");
    let (current, _) = show.commit(&old, &[reserve(1)]).await?;
    ensure!(prove(current.base()).await?, "the current base is not proved");
    ensure!(!prove(old.base()).await?, "an old base is proved");
    ensure!(!prove(other_head(&current).base()).await?, "the right version under a wrong head is proved");
    ensure!(!prove(Base { head: old.head, ..current.base() }).await?, "the right version under the old head is proved");
    ensure!(!prove(Base { head: current.head, ..old.base() }).await?, "an old version under the right head is proved");
    Ok(())
}

pub(super) async fn every_acknowledged_commit_is_read(store: &dyn EventStore) -> Verdict {
    let (show, mut snapshot) = Show::open(store, 100).await?;
    for _ in 0..10 {
        let command = reserve(1);
        let uuid = uuid_of(&command, &snapshot.event);
        ensure_eq!(show.reservation(uuid).await?, None, "a reservation before it is made");
        let (after, decision) = show.commit(&snapshot, &[command]).await?;
        ensure_eq!(show.event().await?, decision.event, "the event after a commit");
        let read = show.reservation(uuid).await?;
        ensure_eq!(read.as_ref(), Some(&steps(&decision)[0]), "a reservation after it was made");
        snapshot = after;
    }
    Ok(())
}

pub(super) async fn a_passed_deadline_is_an_error_at_once(store: &dyn EventStore) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    let decision = show.decide(&before, &[reserve(1)]).await?;
    let passed = Instant::now();
    let id = ReservationId { event_id: show.id.clone(), uuid: touched(&decision)[0] };
    fails("create", store.create(&new_event(1), head(), passed)).await?;
    fails("load", store.load(&show.id, passed)).await?;
    fails("facts", store.facts(&before, &named(&[id.uuid]), passed)).await?;
    fails("prove", store.prove(&show.id, before.base(), passed)).await?;
    fails("event", store.event(&show.id, passed)).await?;
    fails("reservation", store.reservation(&id, passed)).await?;
    let joined = [steps(&decision)[0].created_version];
    fails("waitlist_positions", store.waitlist_positions(&show.id, &joined, ROWS, passed)).await?;
    fails("events", store.events(None, 1, passed)).await?;
    fails("reservations", store.reservations(&everything(Scope::Event(show.id.clone())), ROWS, passed)).await?;
    fails("due", store.due(now(store).await?, 1, passed)).await?;
    fails("ready", store.ready(passed)).await?;
    let why = fails("commit", store.commit(&before, &decision, head(), passed)).await?;
    match why {
        CommitError::Unclear(_) => Ok(()),
        CommitError::Store(_) => show.ensure_untouched(&before, &touched(&decision)).await,
        other => Err(format!("a commit after its deadline: {other:?}")),
    }
}

/// Requires that a call ends with an error, and soon.
async fn fails<T, E>(what: &str, call: impl Future<Output = Result<T, E>>) -> Verdict<E> {
    let outcome =
        timeout(Duration::from_secs(5), call).await.map_err(|_| format!("{what} hangs after its deadline"))?;
    outcome.err().ok_or_else(|| format!("{what} succeeds after its deadline"))
}

pub(super) async fn the_store_is_ready(store: &dyn EventStore) -> Verdict {
    store.ready(soon()).await.or_finding("ready")
}

pub(super) async fn time_comes_in_whole_milliseconds_and_is_never_ahead(store: &dyn EventStore) -> Verdict {
    /// How far the store's time may lag. The suite runs where the store runs, so both have one clock.
    const LAG_MAX: SignedDuration = SignedDuration::from_secs(5);

    let mut last = now(store).await?;
    // Several looks, because one in a thousand finer readings would pass.
    for _ in 0..3 {
        let before = SystemClock.now();
        let told = now(store).await?;
        ensure_eq!(told, truncate(told), "the store's time");
        ensure!(told <= SystemClock.now(), "the store's time is ahead: {told}");
        ensure!(told >= before - LAG_MAX, "the store's time lags: {told} at {before}");
        ensure!(told >= last, "the store's time went back: {told} after {last}");
        last = told;
        tokio::task::yield_now().await;
    }
    Ok(())
}
