//! How an event changes: at its base or not at all, and as a whole.

use futures_util::future::{join, join_all};
use jiff::SignedDuration;
use ticketboss::{
    domain::{Decision, ReservationId, Version},
    store::{CommitError, EventStore, FactsError, Place, ReservationQuery, Scope},
};

use crate::show::{
    OrFinding, Show, Verdict, cancel, ensure, ensure_eq, everything, head, held, left_by, list, named, now, other_head,
    reserve, soon, steps, touched, uuid_of,
};

pub(super) async fn a_commit_applies_at_its_base(store: &dyn EventStore) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    let decision = show.decide(&before, &[reserve(3), reserve(2), reserve(9), reserve(1)]).await?;
    ensure_eq!(show.event().await?, before.event, "what is read before a commit");
    let next = head();
    let after = store.commit(&before, &decision, next, soon()).await.or_finding("commit")?;
    ensure_eq!(after.event.version, Version(3), "the version after three accepted changes");
    ensure_eq!((&after.event, after.head), (&decision.event, next), "the snapshot that a commit returns");
    let loaded = show.load().await?;
    ensure_eq!((&loaded.event, loaded.head), (&decision.event, next), "what is loaded after a commit");
    ensure_eq!(show.event().await?, decision.event, "what is read after a commit");

    let (after, decision) = show.commit(&after, &[cancel(touched(&decision)[0])]).await?;
    ensure_eq!(after.event.available_seats, 7, "free seats after a commit on the snapshot of a commit");
    ensure_eq!(show.load().await?.event, decision.event, "what is loaded after the second commit");
    ensure_eq!(show.event().await?, decision.event, "what is read after the second commit");
    Ok(())
}

pub(super) async fn a_commit_on_an_old_version_changes_nothing(store: &dyn EventStore) -> Verdict {
    let (show, old) = Show::open(store, 10).await?;
    let late = show.decide(&old, &[reserve(1), reserve(1)]).await?;
    let (current, _) = show.commit(&old, &[reserve(4)]).await?;
    let outcome = show.try_commit(&old, &late).await;
    ensure!(matches!(outcome, Err(CommitError::Conflict)), "a commit on an old version: {outcome:?}");
    show.ensure_untouched(&current, &touched(&late)).await
}

pub(super) async fn a_commit_under_a_wrong_head_changes_nothing(store: &dyn EventStore) -> Verdict {
    let (show, first) = Show::open(store, 10).await?;
    let (current, _) = show.commit(&first, &[reserve(4)]).await?;
    let decision = show.decide(&current, &[reserve(1)]).await?;
    for stale in [other_head(&current), ticketboss::store::Snapshot { head: first.head, ..current.clone() }] {
        let outcome = show.try_commit(&stale, &decision).await;
        ensure!(matches!(outcome, Err(CommitError::Conflict)), "a commit under a wrong head: {outcome:?}");
        show.ensure_untouched(&current, &touched(&decision)).await?;
    }
    Ok(())
}

pub(super) async fn a_commit_without_changes_shuts_out_what_was_sent_on_its_base(store: &dyn EventStore) -> Verdict {
    let (show, first) = Show::open(store, 10).await?;
    let (before, made) = show.commit(&first, &[reserve(4)]).await?;
    let late = show.decide(&before, &[reserve(1)]).await?;
    let (after, _) = show.commit(&before, &[]).await?;
    ensure_eq!(after.event, before.event, "the event after a commit without changes");
    ensure!(after.head != before.head, "a commit without changes leaves the head as it was");
    ensure!(store.prove(&show.id, after.base(), soon()).await.or_finding("prove")?, "the new head is not proved");
    let outcome = show.try_commit(&before, &late).await;
    ensure!(
        matches!(outcome, Err(CommitError::Conflict)),
        "a commit sent before it and arriving after it: {outcome:?}"
    );
    show.ensure_untouched(&after, &touched(&late)).await?;
    let kept = show.reservation(touched(&made)[0]).await?;
    ensure_eq!(kept.as_ref(), Some(&steps(&made)[0]), "a reservation of the same version");
    Ok(())
}

pub(super) async fn a_commit_given_again_changes_nothing(store: &dyn EventStore) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    let decision = show.decide(&before, &[reserve(4)]).await?;
    let next = head();
    let after = store.commit(&before, &decision, next, soon()).await.or_finding("commit")?;
    let again = store.commit(&before, &decision, next, soon()).await;
    ensure!(matches!(again, Err(CommitError::Conflict)), "the same commit again: {again:?}");
    let loaded = show.load().await?;
    ensure_eq!((loaded.event, loaded.head), (after.event, after.head), "the event after the same commit again");
    Ok(())
}

pub(super) async fn of_concurrent_commits_on_one_base_exactly_one_applies(store: &dyn EventStore) -> Verdict {
    let (show, base) = Show::open(store, 100).await?;
    let mut decisions = Vec::new();
    for seats in 1..=16 {
        decisions.push(show.decide(&base, &[reserve(seats)]).await?);
    }
    let outcomes = join_all(decisions.iter().map(|decision| show.try_commit(&base, decision))).await;
    let mut winners = Vec::new();
    let mut losers = Vec::new();
    for (decision, outcome) in decisions.iter().zip(outcomes) {
        match outcome {
            Ok(after) => winners.push((decision, after)),
            Err(CommitError::Conflict) => losers.extend(touched(decision)),
            Err(other) => return Err(format!("a competing commit: {other:?}")),
        }
    }
    ensure_eq!(winners.len(), 1, "commits that applied on one base");
    let (winner, after) = &winners[0];
    ensure_eq!(show.facts(after, &touched(winner)).await?, left_by(winner), "the winner's reservation");
    show.ensure_untouched(after, &losers).await
}

pub(super) async fn no_commit_is_lost_among_competitors(store: &dyn EventStore) -> Verdict {
    const COMPETITORS: u32 = 8;
    /// At every try somebody wins, so each competitor wins at its last try at the latest.
    const TRIES: u32 = COMPETITORS;

    let (show, _) = Show::open(store, 100).await?;
    let compete = async || -> Verdict<Decision> {
        for _ in 0..TRIES {
            let snapshot = show.load().await?;
            let decision = show.decide(&snapshot, &[reserve(1)]).await?;
            match show.try_commit(&snapshot, &decision).await {
                Ok(_) => return Ok(decision),
                Err(CommitError::Conflict) => {}
                Err(other) => return Err(format!("a competing commit: {other:?}")),
            }
        }
        Err(format!("{COMPETITORS} competitors, and one lost {TRIES} times"))
    };
    let decisions: Vec<_> = join_all((0..COMPETITORS).map(|_| compete())).await.into_iter().collect::<Verdict<_>>()?;
    let mut versions: Vec<_> = decisions.iter().map(|decision| decision.event.version.0).collect();
    versions.sort_unstable();
    ensure_eq!(versions, (1..=i64::from(COMPETITORS)).collect::<Vec<_>>(), "versions that were acknowledged");
    let after = show.load().await?;
    ensure_eq!(after.event.available_seats, 100 - COMPETITORS, "free seats in the end");
    for decision in &decisions {
        ensure_eq!(show.facts(&after, &touched(decision)).await?, left_by(decision), "an acknowledged reservation");
    }
    Ok(())
}

pub(super) async fn an_event_and_its_reservations_change_together(store: &dyn EventStore) -> Verdict {
    const COMMITS: usize = 12;
    const BATCH: usize = 5;
    let (show, first) = Show::open(store, 1000).await?;
    let commands: Vec<_> = (0..COMMITS * BATCH).map(|_| reserve(1)).collect();
    // Reservations in the order in which they are made, so that version v makes the v-th of them.
    let uuids: Vec<_> = commands.iter().map(|command| uuid_of(command, &first.event)).collect();

    let write = async {
        let mut snapshot = first.clone();
        for batch in commands.chunks(BATCH) {
            snapshot = show.commit(&snapshot, batch).await?.0;
        }
        Ok(())
    };
    let watch = async {
        // More looks than there can be states; a store that never shows the last state is found out elsewhere.
        for _ in 0..100_000 {
            let snapshot = show.load().await?;
            let made = usize::try_from(snapshot.event.version.0).expect("a small version");
            ensure_eq!(made % BATCH, 0, "versions in the middle of a commit, at version {made}");
            match store.facts(&snapshot, &named(&uuids), soon()).await {
                Ok(facts) => ensure_eq!(facts.reservations.len(), made, "facts at version {made}"),
                Err(FactsError::Stale) => {}
                Err(FactsError::Store(why)) => return Err(format!("facts: {why}")),
            }
            let made = usize::try_from(show.event().await?.version.0).expect("a small version");
            if let Some(last) = made.checked_sub(1) {
                ensure!(
                    show.reservation(uuids[last]).await?.is_some(),
                    "version {made} is there without its reservation"
                );
            }
            if made == uuids.len() {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        Err("the last state is never shown".to_owned())
    };
    let (written, watched) = join(write, watch).await;
    written.and(watched)
}

pub(super) async fn a_thousand_reservations_commit_at_once(store: &dyn EventStore) -> Verdict {
    const RESERVATIONS: u32 = 1000;
    let (show, before) = Show::open(store, RESERVATIONS).await?;
    let commands: Vec<_> = (0..RESERVATIONS).map(|_| reserve(1)).collect();
    let (after, decision) = show.commit(&before, &commands).await?;
    ensure_eq!(after.event.available_seats, 0, "free seats");
    let uuids = touched(&decision);
    ensure_eq!(show.facts(&after, &uuids).await?, left_by(&decision), "facts after a large batch");
    let cancels: Vec<_> = uuids.iter().map(|uuid| cancel(*uuid)).collect();
    let (after, decision) = show.commit(&after, &cancels).await?;
    ensure_eq!(after.event.available_seats, RESERVATIONS, "free seats after all were cancelled");
    let loaded = show.load().await?;
    ensure_eq!(show.facts(&loaded, &uuids).await?, left_by(&decision), "facts after all were cancelled");
    Ok(())
}

pub(super) async fn sums_that_are_wrong_are_refused(store: &dyn EventStore) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    let mut wrong = show.decide(&before, &[reserve(4)]).await?;
    wrong.event.available_seats += 1;
    let outcome = show.try_commit(&before, &wrong).await;
    ensure!(matches!(outcome, Err(CommitError::Refused(_))), "a seat too many: {outcome:?}");
    show.ensure_untouched(&before, &touched(&wrong)).await
}

pub(super) async fn events_do_not_touch_each_other(store: &dyn EventStore) -> Verdict {
    let (one, one_before) = Show::open(store, 10).await?;
    let (other, other_before) = Show::open(store, 10).await?;
    // The same uuid in both: a reservation is known by its event and its uuid.
    let command = reserve(4);
    let (one_after, in_one) = one.commit(&one_before, std::slice::from_ref(&command)).await?;
    other.ensure_untouched(&other_before, &touched(&in_one)).await?;
    let (other_after, in_other) = other.commit(&other_before, std::slice::from_ref(&command)).await?;
    let (other_after, cancelled) = other.commit(&other_after, &[cancel(touched(&in_other)[0])]).await?;

    for (show, snapshot, decision) in [(&one, &one_after, &in_one), (&other, &other_after, &cancelled)] {
        ensure_eq!(show.load().await?.event, snapshot.event, "an event beside another one");
        ensure_eq!(show.facts(snapshot, &touched(decision)).await?, left_by(decision), "facts beside another event");
        let last = &steps(decision)[0];
        ensure_eq!(last.id, ReservationId { event_id: show.id.clone(), uuid: last.id.uuid }, "whose reservation it is");
        ensure_eq!(show.reservation(last.id.uuid).await?.as_ref(), Some(last), "the reservation beside another event");
    }
    Ok(())
}

pub(super) async fn a_decision_without_changes_takes_over_when_the_event_is_due(store: &dyn EventStore) -> Verdict {
    let (show, first) = Show::open(store, 10).await?;
    let (before, made) = show.commit(&first, &[held(reserve(1), 60), held(reserve(1), 600)]).await?;
    let [earlier, later] = [&steps(&made)[0], &steps(&made)[1]];
    let (before, _) = show.commit(&before, &[cancel(earlier.id.uuid)]).await?;
    ensure_eq!(before.event.due_at, earlier.expires_at, "when the event is due, as a bound");
    // At that time nothing is to be done, so the event is due when the other hold lapses.
    let (after, decision) = show.commit_at(&before, &[], earlier.expires_at.unwrap_or_default()).await?;
    ensure!(decision.changes.is_empty(), "changes without a command: {:?}", decision.changes);
    ensure_eq!(after.event.due_at, later.expires_at, "when the event is due, as the commit returns it");
    let loaded = show.load().await?;
    ensure_eq!((&loaded.event, loaded.head), (&decision.event, after.head), "what is loaded");
    ensure_eq!(show.event().await?, decision.event, "what is read");
    ensure_eq!(show.reservation(later.id.uuid).await?.as_ref(), Some(later), "the hold that is left");
    Ok(())
}

pub(super) async fn nothing_is_made_before_what_was_made_earlier_whatever_the_clock(store: &dyn EventStore) -> Verdict {
    let (show, _) = Show::open(store, 100).await?;
    let start = now(store).await?;
    // Whoever follows the list goes on from the last row that it was shown.
    let mut follower = ReservationQuery { created_from: Some(start), ..everything(Scope::Event(show.id.clone())) };
    let mut seen = Vec::new();
    // Clocks of several processes; each knows no more than what it loads.
    for passed in [5, 0, -3_600_000, 9, 8, 9, 0] {
        let snapshot = show.load().await?;
        let commands = [reserve(1), held(reserve(1), 60), reserve(1)];
        let at = start + SignedDuration::from_millis(passed);
        let (after, _) = show.commit_at(&snapshot, &commands, at).await?;
        ensure_eq!(show.load().await?.event, after.event, "the event, loaded after a commit at {at}");
        let page = list(store, &follower).await?;
        follower.after = page.last().map(|last| Place::of(last)).or(follower.after);
        seen.extend(page);
    }
    let versions: Vec<_> = seen.iter().map(|made| made.created_version.0).collect();
    ensure_eq!(versions, (1..=21).collect::<Vec<_>>(), "what a reader found who followed the list");
    ensure!(seen.is_sorted_by_key(|made| made.created_at), "times go back");
    Ok(())
}
