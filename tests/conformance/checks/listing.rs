//! Lists: in order, whole, filtered, page by page.

use std::sync::Arc;

use jiff::SignedDuration;
use ticketboss::{
    domain::{Event, EventId, PartnerId, Reservation, Status},
    ids,
    store::{EventStore, Place, ReservationQuery, Scope, Snapshot},
};

use crate::show::{
    OrFinding, Show, Verdict, cancel, ensure, ensure_eq, everything, held, kept, list, new_event, new_hall, now,
    or_wait, pages, partner, reserve, reserve_by, soon, soon_is, steps, touched, under_key,
};

pub(super) async fn an_events_list_shows_every_commit_at_once(store: &dyn EventStore) -> Verdict {
    let (show, mut snapshot) = Show::open(store, 6).await?;
    let mut expected: Vec<Arc<Reservation>> = Vec::new();
    let start = now(store).await?;
    let (other, other_first) = Show::open(store, 10).await?;
    other.commit(&other_first, &[reserve(1)]).await?;
    ensure_eq!(show.list().await?, expected, "the list of a new event");
    // Ids from keys are in no order, and the clock may stand still or go back between two commits.
    for (round, passed) in [0, 0, 5, 3].into_iter().enumerate() {
        let key = |number| under_key(or_wait(reserve(1)), &format!("{round}-{number}"));
        let commands = [key(1), held(or_wait(reserve(1)), 60), key(2)];
        let at = start + SignedDuration::from_millis(passed);
        let (after, made) = show.commit_at(&snapshot, &commands, at).await?;
        expected.extend(kept(&made));
        expected.sort_by_key(|made| Place::of(made));
        ensure_eq!(show.list().await?, expected, "the list after commit {round}");
        snapshot = after;
    }
    // Cancelling promotes, so the list shows two other statuses.
    let (_, changed) = show.commit_at(&snapshot, &[cancel(expected[0].id.uuid)], start).await?;
    ensure_eq!(touched(&changed).len(), 2, "reservations that a cancellation touched");
    for changed in kept(&changed) {
        let place = expected.iter().position(|made| made.id == changed.id).ok_or("a reservation that nobody made")?;
        expected[place] = changed;
    }
    ensure_eq!(show.list().await?, expected, "the list after one was cancelled and one promoted");
    Ok(())
}

/// An event with eight reservations of two partners, made at four times; one is cancelled and one waits.
async fn mixed<'a>(
    store: &'a dyn EventStore,
    event: &Event,
    partners: &[PartnerId; 2],
) -> Verdict<(Show<'a>, Vec<Arc<Reservation>>)> {
    let (show, mut snapshot) = Show::make(store, event).await?;
    let start = now(store).await?;
    for seconds in 0..4 {
        let commands = partners.each_ref().map(|partner| {
            let asked = or_wait(reserve_by(partner.as_str(), 1));
            if seconds == 2 { held(asked, 600) } else { asked }
        });
        (snapshot, _) = show.commit_at(&snapshot, &commands, start + SignedDuration::from_secs(seconds)).await?;
    }
    let first = show.list().await?.first().ok_or("nothing is listed")?.id.uuid;
    show.commit_at(&snapshot, &[cancel(first)], start).await?;
    let mut expected = show.list().await?;
    expected.sort_by_key(|made| Place::of(made));
    let statuses: Vec<_> = expected.iter().map(|made| made.status).collect();
    ensure_eq!(statuses.len(), 8, "reservations of the event");
    for status in [Status::Cancelled, Status::Waitlisted, Status::Held, Status::Confirmed] {
        ensure!(statuses.contains(&status), "nothing is {status:?}: {statuses:?}");
    }
    Ok((show, expected))
}

fn new_partners() -> [PartnerId; 2] {
    // The one id begins with the other.
    let name = ids::reservation().to_string();
    [partner(&name), partner(&format!("{name}0"))]
}

pub(super) async fn lists_page_without_gap_or_double(store: &dyn EventStore) -> Verdict {
    let partners = new_partners();
    let (show, expected) = mixed(store, &new_event(6), &partners).await?;
    let own: Vec<_> = expected.iter().filter(|made| made.partner_id == partners[0]).cloned().collect();
    let scopes =
        [(Scope::Event(show.id.clone()), expected), (Scope::PartnerOfEvent(partners[0].clone(), show.id.clone()), own)];
    for (scope, expected) in scopes {
        for limit in [1, 2, 3, 7, 8, 9] {
            let listed = pages(store, &everything(scope.clone()), limit).await?;
            ensure_eq!(places(&listed), places(&expected), "pages of {limit} of {scope:?}");
        }
        let none = ReservationQuery { limit: 0, ..everything(scope) };
        ensure_eq!(list(store, &none).await?.len(), 0, "a list of none");
    }
    Ok(())
}

fn places(reservations: &[Arc<Reservation>]) -> Vec<Place> {
    reservations.iter().map(|reservation| Place::of(reservation)).collect()
}

pub(super) async fn lists_hold_what_was_asked_for(store: &dyn EventStore) -> Verdict {
    let partners = new_partners();
    let (show, all) = mixed(store, &new_event(6), &partners).await?;
    let times: Vec<_> = all.iter().map(|made| made.created_at).collect();
    let (second, third) = (Some(times[2]), Some(times[4]));
    let between = third.map(|third| third - SignedDuration::from_millis(1));
    for scope in [Scope::Event(show.id.clone()), Scope::PartnerOfEvent(partners[1].clone(), show.id.clone())] {
        for status in Status::ALL.map(Some).into_iter().chain([None]) {
            for (created_from, created_to) in
                [(None, None), (second, None), (None, third), (second, third), (between, None), (third, second)]
            {
                for after in [None, Some(Place::of(&all[3]))] {
                    let scope = scope.clone();
                    let query = ReservationQuery { scope, status, created_from, created_to, after, limit: 100 };
                    let expected: Vec<_> = all.iter().filter(|made| query.matches(made)).cloned().collect();
                    ensure_eq!(list(store, &query).await?, expected, "the answer to {query:?}");
                    // The limit counts what is in the answer, not what was looked at.
                    let few = ReservationQuery { limit: 1, ..query };
                    ensure_eq!(list(store, &few).await?, expected[..expected.len().min(1)], "the answer to {few:?}");
                }
            }
        }
    }
    Ok(())
}

pub(super) async fn a_partners_list_covers_all_events(store: &dyn EventStore) -> Verdict {
    let partners = new_partners();
    let mut all = Vec::new();
    // Made in another order than that of their ids.
    let mut events = [new_event(6), new_event(6), new_event(6)];
    events.reverse();
    for event in &events {
        all.extend(mixed(store, event, &partners).await?.1);
    }
    all.sort_by_key(|made| Place::of(made));
    let own: Vec<_> = all.iter().filter(|made| made.partner_id == partners[0]).cloned().collect();
    let query = everything(Scope::Partner(partners[0].clone()));
    // At once: all of it was acknowledged to this very process.
    ensure_eq!(list(store, &query).await?, own, "a partner's list");
    for limit in [1, 4, 5] {
        ensure_eq!(places(&pages(store, &query, limit).await?), places(&own), "pages of {limit} of a partner's list");
    }
    let times = (Some(own[1].created_at), Some(own[3].created_at));
    for (created_from, created_to) in [times, (times.0, None), (None, times.1)] {
        for status in [None, Some(Status::Held)] {
            let query = ReservationQuery { created_from, created_to, status, ..query.clone() };
            let expected: Vec<_> = own.iter().filter(|made| query.matches(made)).cloned().collect();
            ensure_eq!(list(store, &query).await?, expected, "the answer to {query:?}");
        }
    }
    Ok(())
}

pub(super) async fn events_are_listed_by_their_ids(store: &dyn EventStore) -> Verdict {
    // What stands between ids in other orders than that of their bytes.
    let own = format!("list-{}", ids::reservation());
    let mut all = Vec::new();
    for (number, end) in ["-b", "0", "-a-1", "-a", "a", "-a0"].into_iter().enumerate() {
        let bare = if number == 3 { new_hall(1) } else { new_event(5) };
        let event = Event { id: EventId::parse(&format!("{own}{end}")).expect("an id"), ..bare };
        let (show, first) = Show::make(store, &event).await?;
        let (after, _) = show.commit(&first, &[reserve(2), held(reserve(1), 600), or_wait(reserve(9))]).await?;
        all.push(after.event.summary());
    }
    all.sort_by(|one, other| one.id.cmp(&other.id));
    let before = EventId::parse(&own).expect("an id");
    let from =
        async |after: &EventId, limit: usize| store.events(Some(after), limit, soon()).await.or_finding("events");
    soon_is("events", all.clone(), async || from(&before, 6).await).await?;
    for (place, event) in all.iter().enumerate() {
        let listed = from(&event.id, 3).await?;
        let others = listed.iter().filter(|other| other.id.as_str().starts_with(&own)).cloned().collect::<Vec<_>>();
        ensure!(listed.len() <= 3, "{} events where three were asked for", listed.len());
        ensure_eq!(others, all[place + 1..(place + 4).min(6)], "events after {}", event.id);
    }
    let first = store.events(None, 2, soon()).await.or_finding("events")?;
    ensure!(first.len() == 2 && first[0].id < first[1].id, "the first two events: {first:?}");
    Ok(())
}

pub(super) async fn due_events_are_named_until_they_were_looked_after(store: &dyn EventStore) -> Verdict {
    /// More than other checks leave behind.
    const MANY: usize = 10_000;

    let start = now(store).await?;
    let mut shows: Vec<(Show<'_>, Snapshot)> = Vec::new();
    // Made in another order than that in which they are due.
    for seconds in [30, 10, 20] {
        let (show, first) = Show::open(store, 5).await?;
        let commands = [held(reserve(1), seconds), held(reserve(1), 600), reserve(1)];
        let (after, made) = show.commit_at(&first, &commands, start).await?;
        ensure_eq!(after.event.due_at, steps(&made)[0].expires_at, "when it is due");
        shows.push((show, after));
    }
    let (idle, first) = Show::open(store, 5).await?;
    idle.commit_at(&first, &[reserve(1)], start).await?;

    let place = |id: &EventId| [1, 2, 0].into_iter().position(|place| shows[place].0.id == *id);
    let due = async |milliseconds: i64| -> Verdict<Vec<usize>> {
        let now = start + SignedDuration::from_millis(milliseconds);
        let due = store.due(now, None, MANY, soon()).await.or_finding("due")?.event_ids;
        ensure!(!due.contains(&idle.id), "an event is due that has no holds");
        Ok(due.iter().filter_map(place).collect())
    };
    for (milliseconds, expected) in
        [(9_999, vec![]), (10_000, vec![0]), (20_001, vec![0, 1]), (30_000, vec![0, 1, 2]), (599_999, vec![0, 1, 2])]
    {
        let what = format!("events that are due {milliseconds} ms later");
        soon_is(&what, expected, async || due(milliseconds).await).await?;
    }
    let later = start + SignedDuration::from_secs(30);
    let two = store.due(later, None, 2, soon()).await.or_finding("due")?;
    ensure_eq!(two.event_ids.len(), 2, "two events that are due");
    let (mut paged, mut after) = (Vec::new(), None);
    for _ in 0..MANY {
        let page = store.due(later, after.as_ref(), 1, soon()).await.or_finding("due")?;
        paged.extend(page.event_ids.iter().filter_map(place));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    ensure_eq!(paged, [0, 1, 2], "events that are due, page by page");

    // The first hold lapses and the other one is left; then the other one is cancelled.
    let (show, snapshot) = &shows[1];
    let (after, _) = show.commit_at(snapshot, &[], later).await?;
    soon_is("events that are due after a lapse", vec![1, 2], async || due(30_000).await).await?;
    soon_is("events that are due when the other hold lapses", vec![1, 2, 0], async || due(600_000).await).await?;
    let other = show.list().await?[1].id.uuid;
    show.commit_at(&after, &[cancel(other)], later).await?;
    soon_is("events that are due after all", vec![1, 2], async || due(600_000).await).await
}
