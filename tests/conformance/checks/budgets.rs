//! Lists on a budget: a page looks at so many reservations and no more, and says where the list goes on.

use std::sync::Arc;

use jiff::SignedDuration;
use ticketboss::{
    domain::{PartnerId, Reservation, Status},
    ids,
    store::{EventStore, Place, ReservationPage, ReservationQuery, Scope},
};

use super::rolls::crowd;
use crate::show::{
    ROWS, Show, Verdict, cancel, ensure, ensure_eq, everything, held, kept, new_event, now, or_wait, page, partner,
    reserve, reserve_by, soon, soon_is,
};

/// Walks a list page by page to its end.
async fn walk(store: &dyn EventStore, query: &ReservationQuery, rows_max: usize) -> Verdict<Vec<Arc<Reservation>>> {
    let mut query = query.clone();
    let mut listed = Vec::new();
    // More pages than any check needs; one that turns in circles ends here.
    for _ in 0..5_000 {
        let ReservationPage { reservations, next } = page(store, &query, rows_max).await?;
        ensure!(reservations.len() <= query.limit, "a page of {} of {query:?}", reservations.len());
        listed.extend(reservations);
        let Some(next) = next else { return Ok(listed) };
        ensure!(query.after.as_ref().is_none_or(|after| *after < next), "{query:?} goes on at {next:?}, behind itself");
        query.after = Some(next);
    }
    Err(format!("{query:?} has no end"))
}

pub(super) async fn a_page_ends_where_its_budget_ends(store: &dyn EventStore) -> Verdict {
    const MANY: usize = 40;
    let (show, first) = Show::open(store, 100).await?;
    let commands: Vec<_> = (0..MANY).map(|_| reserve(1)).collect();
    let (after, made) = show.commit(&first, &commands).await?;
    let last = kept(&made).pop().ok_or("nothing was made")?;
    let (_, changed) = show.commit(&after, &[cancel(last.id.uuid)]).await?;
    let query =
        ReservationQuery { status: Some(Status::Cancelled), limit: 10, ..everything(Scope::Event(show.id.clone())) };
    // What is still on its way into the list may be looked at beside.
    soon_is("what a page of four rows holds, and whether the list goes on", (0, true), async || {
        let page = page(store, &query, 4).await?;
        Ok((page.reservations.len(), page.next.is_some()))
    })
    .await?;
    ensure_eq!(walk(store, &query, 4).await?, kept(&changed), "what is found at the end of the list");
    let whole = page(store, &query, ROWS).await?;
    ensure_eq!((whole.reservations, whole.next), (kept(&changed), None), "the list on a large budget");
    Ok(())
}

pub(super) async fn a_list_is_whole_whatever_its_budget(store: &dyn EventStore) -> Verdict {
    let name = ids::reservation().to_string();
    let partners = [partner(&name), partner(&format!("{name}0"))];
    let mut all: Vec<Arc<Reservation>> = Vec::new();
    let mut shows = Vec::new();
    for _ in 0..2 {
        let (show, expected) = mixed(store, &partners).await?;
        all.extend(expected);
        shows.push(show.id.clone());
    }
    all.sort_by_key(|made| Place::of(made));
    let scopes = [
        Scope::Event(shows[0].clone()),
        Scope::PartnerOfEvent(partners[0].clone(), shows[1].clone()),
        Scope::Partner(partners[1].clone()),
    ];
    let times = (Some(all[2].created_at), Some(all[6].created_at));
    for scope in scopes {
        for status in
            [None, Some(Status::Confirmed), Some(Status::Held), Some(Status::Waitlisted), Some(Status::Expired)]
        {
            for (created_from, created_to) in [(None, None), times, (times.1, times.0)] {
                let query = ReservationQuery { status, created_from, created_to, ..everything(scope.clone()) };
                let expected: Vec<_> = all.iter().filter(|made| query.matches(made)).cloned().collect();
                for (limit, rows_max) in [(1, 1), (2, 3), (100, 1), (100, 5), (3, ROWS)] {
                    let query = ReservationQuery { limit, ..query.clone() };
                    let what = format!("pages of {rows_max} rows of {query:?}");
                    soon_is(&what, expected.clone(), async || walk(store, &query, rows_max).await).await?;
                }
            }
        }
    }
    Ok(())
}

/// An event with ten reservations of two partners, made two at a time.
async fn mixed<'a>(store: &'a dyn EventStore, partners: &[PartnerId; 2]) -> Verdict<(Show<'a>, Vec<Arc<Reservation>>)> {
    let (show, mut snapshot) = Show::make(store, &new_event(8)).await?;
    let start = now(store).await?;
    for seconds in 0..5 {
        let commands = partners.each_ref().map(|partner| {
            let asked = or_wait(reserve_by(partner.as_str(), 1));
            if seconds == 1 { held(asked, 600) } else { asked }
        });
        (snapshot, _) = show.commit_at(&snapshot, &commands, start + SignedDuration::from_secs(seconds)).await?;
    }
    let expected = show.list().await?;
    ensure_eq!(expected.len(), 10, "reservations of the event");
    Ok((show, expected))
}

pub(super) async fn a_walk_meets_everything_once_while_others_reserve(store: &dyn EventStore) -> Verdict {
    let (show, mut snapshot) = Show::open(store, 1_000).await?;
    let commands: Vec<_> = (0..20).map(|_| reserve(1)).collect();
    let before;
    (snapshot, before) = show.commit(&snapshot, &commands).await?;
    let before: Vec<_> = kept(&before).iter().map(|made| Place::of(made)).collect();
    let mut query =
        ReservationQuery { status: Some(Status::Confirmed), limit: 3, ..everything(Scope::Event(show.id.clone())) };
    let mut met: Vec<Place> = Vec::new();
    let mut others = 0;
    for round in 0..200 {
        let page = page(store, &query, 2).await?;
        met.extend(page.reservations.iter().map(|met| Place::of(met)));
        let Some(next) = page.next else { break };
        query.after = Some(next);
        if round < 10 {
            (snapshot, _) = show.commit(&snapshot, &[reserve(1), held(reserve(1), 600)]).await?;
            others += 1;
        }
    }
    ensure!(others > 5, "the walk was over before anybody reserved");
    ensure!(met.is_sorted_by(|one, other| one < other), "the walk met {met:?}");
    let met_before: Vec<_> = met.iter().filter(|place| before.contains(place)).cloned().collect();
    ensure_eq!(met_before, before, "what was there before the walk began");
    Ok(())
}

pub(super) async fn a_place_far_from_both_ends_is_not_counted_on_a_small_budget(store: &dyn EventStore) -> Verdict {
    let (_, _, _, waiting) = crowd(store).await?;
    let place = async |index: usize, rows_max: usize| {
        let reservation: &Arc<Reservation> = &waiting[index];
        let joined = [reservation.created_version];
        let places = store.waitlist_positions(&reservation.id.event_id, &joined, rows_max, soon()).await;
        places.map(|places| places.map(|places| places[0])).map_err(|why| format!("waitlist_positions: {why}"))
    };
    // What is still on its way to the waitlist may be looked at beside.
    soon_is("a place in the middle, after a look at two", None, async || place(4, 2).await).await?;
    for index in 0..waiting.len() {
        for rows_max in [1, 4, 8, 30] {
            let right = u32::try_from(index + 1).ok();
            let found = place(index, rows_max).await?;
            ensure!(found.is_none() || found == right, "place {right:?} was counted as {found:?} with {rows_max} rows");
        }
    }
    ensure_eq!(place(4, 30).await?, Some(5), "a place in the middle, after a look at all");
    Ok(())
}
