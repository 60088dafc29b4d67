//! Who waits, whose seats are held, and what a partner has: what decisions must know beside the event.

use std::{collections::HashSet, sync::Arc};

use ticketboss::{
    domain::{Amend, Facts, Reservation, Status, Wanted},
    store::{EventStore, FactsError, Snapshot},
};
use uuid::Uuid;

use crate::show::{
    ROWS, Show, Verdict, amend, cancel, confirm, ensure, ensure_eq, held, kept, limit, now, or_wait, partner, reserve,
    reserve_by, soon, steps, touched, under_key,
};

/// All that can be asked beside names.
fn rolls(count: usize) -> Wanted {
    Wanted { waitlist: count, holds: count, ..Wanted::default() }
}

fn ids(reservations: &[Arc<Reservation>]) -> Vec<Uuid> {
    reservations.iter().map(|reservation| reservation.id.uuid).collect()
}

/// The snapshot that a commit returned, and the one that somebody else loads.
async fn both(show: &Show<'_>, committed: &Snapshot) -> Verdict<[Snapshot; 2]> {
    Ok([committed.clone(), show.load().await?])
}

/// A sold-out event and nine who wait for it, in the order in which they joined. Their ids are in another order, since some
/// come from keys, and they joined in several commits.
pub(super) async fn crowd(store: &dyn EventStore) -> Verdict<(Show<'_>, Snapshot, Uuid, Vec<Arc<Reservation>>)> {
    let (show, first) = Show::open(store, 2).await?;
    let (mut snapshot, sold) = show.commit(&first, &[reserve(2)]).await?;
    let mut waiting = Vec::new();
    for round in 0..3 {
        let key = |number| under_key(or_wait(reserve(1)), &format!("{round}-{number}"));
        let (after, joined) = show.commit(&snapshot, &[key(1), or_wait(reserve(2)), key(2)]).await?;
        waiting.extend(kept(&joined));
        snapshot = after;
    }
    ensure!(waiting.iter().all(|joined| joined.status == Status::Waitlisted), "somebody does not wait: {waiting:?}");
    Ok((show, snapshot, touched(&sold)[0], waiting))
}

pub(super) async fn facts_give_the_front_of_the_waitlist_in_order(store: &dyn EventStore) -> Verdict {
    let (show, committed, _, mut waiting) = crowd(store).await?;
    for snapshot in both(&show, &committed).await? {
        for count in [0, 1, 4, 9, 20] {
            let front = show.wanted(&snapshot, &Wanted { waitlist: count, ..Wanted::default() }).await?.waitlist;
            ensure_eq!(ids(&front), ids(&waiting[..count.min(9)]), "the first {count} of nine who wait");
            ensure_eq!(front, waiting[..count.min(9)], "what is known of the first {count} who wait");
        }
    }
    // Gaps at the front, in the middle and at the end.
    let leaving: Vec<_> = [0, 4, 8].map(|place| cancel(waiting[place].id.uuid)).into();
    let (committed, _) = show.commit(&committed, &leaving).await?;
    for place in [8, 4, 0] {
        waiting.remove(place);
    }
    for snapshot in both(&show, &committed).await? {
        for count in [1, 3, 6, 9] {
            let front = show.wanted(&snapshot, &Wanted { waitlist: count, ..Wanted::default() }).await?.waitlist;
            ensure_eq!(front, waiting[..count.min(6)], "the first {count} of those who wait still");
        }
    }
    Ok(())
}

pub(super) async fn facts_give_the_holds_that_lapse_first(store: &dyn EventStore) -> Verdict {
    let (show, first) = Show::open(store, 100).await?;
    let start = now(store).await?;
    // Held at the same time for 50 seconds twice: the one made first goes before the other.
    let asked = [90, 50, 70, 10, 30].map(|seconds| under_key(held(reserve(1), seconds), &seconds.to_string()));
    let asked = [asked.to_vec(), vec![held(reserve(1), 50)]].concat();
    let (snapshot, made) = show.commit_at(&first, &asked[..3], start).await?;
    let mut holds = kept(&made);
    let (committed, made) = show.commit_at(&snapshot, &[&asked[3..], &[reserve(1)]].concat(), start).await?;
    holds.extend(kept(&made).into_iter().filter(|hold| hold.status == Status::Held));
    holds.sort_by_key(|hold| (hold.expires_at, hold.created_version));
    ensure_eq!(holds.len(), 6, "seats held");
    for snapshot in both(&show, &committed).await? {
        for count in [0, 1, 3, 6, 20] {
            let front = show.wanted(&snapshot, &Wanted { holds: count, ..Wanted::default() }).await?.holds;
            ensure_eq!(ids(&front), ids(&holds[..count.min(6)]), "the {count} of six holds that lapse first");
            ensure_eq!(front, holds[..count.min(6)], "what is known of the {count} holds that lapse first");
        }
    }
    Ok(())
}

pub(super) async fn facts_know_a_partners_active_reservations_and_only_those(store: &dyn EventStore) -> Verdict {
    let (show, first) = Show::open(store, 5).await?;
    let start = now(store).await?;
    let asked = [
        reserve_by("acme", 1),
        held(reserve_by("acme", 1), 10),
        held(reserve_by("acme", 1), 90),
        reserve_by("acme", 1),
        reserve_by("acme 2", 1),
        or_wait(reserve_by("acme", 4)),
        or_wait(reserve_by("acm", 1)),
    ];
    let (snapshot, made) = show.commit_at(&first, &asked, start).await?;
    let made = kept(&made);
    let (other, other_first) = Show::open(store, 5).await?;
    other.commit(&other_first, &[reserve_by("acme", 1)]).await?;
    // One is cancelled and one lapses, and those who wait need more than that.
    let later = made[1].expires_at.unwrap_or_default();
    let (committed, _) = show.commit_at(&snapshot, &[cancel(made[3].id.uuid)], later).await?;

    let partners = ["acme", "acme 2", "acm", "nobody"].map(partner);
    let expected = [vec![0, 2, 5], vec![4], vec![6], vec![]];
    for snapshot in both(&show, &committed).await? {
        let wanted = Wanted { partners: partners.to_vec(), ..Wanted::default() };
        let facts = show.wanted(&snapshot, &wanted).await?;
        ensure_eq!(facts.partners.len(), partners.len(), "partners told of");
        for (partner, expected) in partners.iter().zip(&expected) {
            let has = facts.partners.get(partner).ok_or_else(|| format!("{partner:?} is left out"))?;
            ensure_eq!(has.len(), expected.len(), "how many active reservations {partner:?} has");
            let has: HashSet<_> = has.iter().map(|reservation| (reservation.id.uuid, reservation.status)).collect();
            let expected: HashSet<_> =
                expected.iter().map(|place| (made[*place].id.uuid, made[*place].status)).collect();
            ensure_eq!(has, expected, "the active reservations of {partner:?}");
        }
    }
    Ok(())
}

pub(super) async fn what_leaves_a_list_is_not_in_it_at_once(store: &dyn EventStore) -> Verdict {
    let (show, mut committed, sold, waiting) = crowd(store).await?;
    let wanted = Wanted { partners: vec![partner("acme")], ..rolls(50) };
    let start = now(store).await?;
    let expect = async |committed: &Snapshot, waiting: &[Uuid], holds: &[Uuid], active: usize, what: &str| -> Verdict {
        for snapshot in both(&show, committed).await? {
            let facts = show.wanted(&snapshot, &wanted).await?;
            ensure_eq!(ids(&facts.waitlist), waiting, "who waits after {what}");
            ensure_eq!(ids(&facts.holds), holds, "what is held after {what}");
            ensure_eq!(facts.partners[&partner("acme")].len(), active, "active reservations after {what}");
        }
        Ok(())
    };
    let waiting = ids(&waiting);
    expect(&committed, &waiting, &[], 10, "nine have joined").await?;
    (committed, _) = show.commit_at(&committed, &[cancel(waiting[1])], start).await?;
    let waiting = [&waiting[..1], &waiting[2..]].concat();
    expect(&committed, &waiting, &[], 9, "one of them has left").await?;
    (committed, _) = show.commit_at(&committed, &[cancel(sold)], start).await?;
    expect(&committed, &waiting[2..], &[], 8, "two were promoted").await?;

    let more = amend(Amend { total_seats: Some(committed.event.total_seats + 40), ..Amend::default() });
    let asked = [more, held(reserve(1), 10), held(reserve(1), 10), held(reserve(1), 20)];
    let (after, made) = show.commit_at(&committed, &asked, start).await?;
    let holds: Vec<_> = touched(&made).split_off(6);
    expect(&after, &[], &holds, 11, "all were promoted and seats were held").await?;
    (committed, _) = show.commit_at(&after, &[confirm(holds[0])], start).await?;
    expect(&committed, &[], &holds[1..], 11, "a hold was confirmed").await?;
    let lapsed = steps(&made).last().and_then(|hold| hold.expires_at).unwrap_or_default();
    (committed, _) = show.commit_at(&committed, &[cancel(holds[2])], start).await?;
    expect(&committed, &[], &holds[1..2], 10, "a hold was cancelled").await?;
    (committed, _) = show.commit_at(&committed, &[], lapsed).await?;
    expect(&committed, &[], &[], 9, "the last hold has lapsed").await
}

pub(super) async fn facts_on_a_superseded_snapshot_are_as_they_were_or_stale(store: &dyn EventStore) -> Verdict {
    let (show, old, sold, waiting) = crowd(store).await?;
    let uuids = vec![sold, waiting[1].id.uuid];
    let wanted = Wanted { reservations: uuids, partners: vec![partner("acme")], ..rolls(3) };
    let then = show.wanted(&old, &wanted).await?;
    ensure_eq!((then.reservations.len(), then.waitlist.len()), (2, 3), "facts told at first");
    let mut current = old.clone();
    let quota = Amend { seats_per_partner_max: Some(limit(1_000)), ..Amend::default() };
    // The last is not about any reservation, and the first leaves three who wait and are no newer.
    for command in [cancel(waiting[0].id.uuid), cancel(sold), reserve(1), amend(quota)] {
        (current, _) = show.commit(&current, &[command]).await?;
        match store.facts(&old, &wanted, soon()).await {
            Ok(facts) => ensure_eq!(by_name(facts), by_name(then.clone()), "facts at version {}", old.event.version),
            Err(FactsError::Stale) => {}
            Err(FactsError::Store(why)) => return Err(format!("facts: {why}")),
        }
    }
    Ok(())
}

/// Facts with the reservations of partners in a fixed order, for they come in any.
fn by_name(mut facts: Facts) -> Facts {
    for active in facts.partners.values_mut() {
        active.sort_by_key(|reservation| reservation.id.uuid);
    }
    facts
}

pub(super) async fn the_place_on_the_waitlist_is_counted(store: &dyn EventStore) -> Verdict {
    let (show, mut snapshot, sold, waiting) = crowd(store).await?;
    let (other, other_first) = Show::open(store, 1).await?;
    other.commit(&other_first, &[reserve(1), or_wait(reserve(1)), or_wait(reserve(1))]).await?;
    let expect = async |still: &[&Arc<Reservation>], what: &str| -> Verdict {
        for (before, reservation) in still.iter().enumerate() {
            let joined = [reservation.created_version];
            let place = store.waitlist_positions(&show.id, &joined, ROWS, soon()).await;
            let place = place.map_err(|why| format!("waitlist_positions: {why}"))?;
            let expected = u32::try_from(before + 1).ok().map(|place| vec![place]);
            ensure_eq!(place, expected, "the place of the {}. who waits {what}", before + 1);
        }
        for step in [1, 2, 3] {
            let some: Vec<_> = (1..).zip(still).step_by(step).collect();
            let joined: Vec<_> = some.iter().map(|(_, waiting)| waiting.created_version).collect();
            let places = store.waitlist_positions(&show.id, &joined, ROWS, soon()).await;
            let places = places.map_err(|why| format!("waitlist_positions: {why}"))?;
            let expected: Vec<u32> = some.iter().map(|(place, _)| *place).collect();
            ensure_eq!(places, Some(expected), "the places of every {step}. who waits {what}");
        }
        Ok(())
    };
    expect(&waiting.iter().collect::<Vec<_>>(), "when nine have joined").await?;
    for place in [0, 4] {
        (snapshot, _) = show.commit(&snapshot, &[cancel(waiting[place].id.uuid)]).await?;
    }
    let still = [&waiting[1..4], &waiting[5..]].concat();
    expect(&still.iter().collect::<Vec<_>>(), "when two have left").await?;
    show.commit(&snapshot, &[cancel(sold)]).await?;
    expect(&still[1..].iter().collect::<Vec<_>>(), "when one was promoted").await
}
