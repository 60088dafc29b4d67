//! What comes back is what was written, to the last character and millisecond.

use std::{collections::HashMap, sync::Arc};

use ticketboss::{
    domain::{
        Amend, Currency, Description, Details, Event, EventName, EventOperation, Fingerprint, Location, Moment,
        OperationId, OperationKind, Price, Quotas, Request, Reservation, Sales, SeatState, Status, Wanted,
    },
    ids,
    store::{EventStore, Snapshot},
};

use crate::show::{
    OrFinding, Show, Verdict, amend, at, cancel, confirm, ensure, ensure_eq, held, kept, left_by, limit, new_event,
    new_hall, now, or_wait, reserve, reserve_by, seat, soon, steps, touched, under_key,
};

pub(super) async fn a_reservation_round_trips(store: &dyn EventStore) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    let commands = [reserve(4), under_key(reserve(2), "order-1"), under_key(reserve(1), "order-2")];
    let (after, made) = show.commit(&before, &commands).await?;
    for step in steps(&made) {
        let read = show.reservation(step.id.uuid).await?;
        ensure_eq!(read.as_ref(), Some(&step), "a new reservation");
    }
    ensure_eq!(show.facts(&after, &touched(&made)).await?, left_by(&made), "facts of new reservations");

    // Cancelled by a key of its own and by a minted id, both histories have two operations.
    let uuids = touched(&made);
    let commands = [under_key(cancel(uuids[0]), "away-1"), cancel(uuids[1])];
    let (after, cancelled) = show.commit(&after, &commands).await?;
    for step in steps(&cancelled) {
        let read = show.reservation(step.id.uuid).await?;
        ensure_eq!(read.as_ref(), Some(&step), "a cancelled reservation");
    }
    ensure_eq!(show.facts(&after, &touched(&cancelled)).await?, left_by(&cancelled), "facts of cancelled reservations");
    Ok(())
}

pub(super) async fn keys_and_minted_ids_stay_apart(store: &dyn EventStore) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    let minted = ids::reservation();
    let mut by_id = reserve(1);
    by_id.operation = OperationId::Minted(minted);
    // A partner may send as a key what looks just like an id of ours.
    let by_key = under_key(reserve(1), &minted.to_string());
    let (_, decision) = show.commit(&before, &[by_id, by_key]).await?;
    for step in steps(&decision) {
        let read = show.reservation(step.id.uuid).await?;
        let operations = read.as_ref().map(|read| &read.operations);
        ensure_eq!(operations, Some(&step.operations), "the history of a reservation");
    }
    Ok(())
}

pub(super) async fn awkward_strings_survive(store: &dyn EventStore) -> Verdict {
    let longest = "\u{1f39f}".repeat(64);
    let partners = [
        "$set",
        "$$ROOT",
        "$where",
        "a.b",
        ".",
        "__proto__",
        "{\"$gt\":\"\"}",
        "null",
        "é\u{301}",
        " acme ",
        "\\u0041\"",
        "\u{202e}emca",
        &longest,
    ];
    let longest = "k".repeat(255);
    let keys = ["$set", "$$ROOT", "a.b", ".", "__proto__", "{\"$gt\":\"\"}", "\\\"'`", "_id", "0", &longest];

    let (show, before) = Show::open(store, 1000).await?;
    let by_partners = partners.iter().map(|partner| reserve_by(partner, 1));
    let by_keys = keys.iter().map(|key| under_key(reserve(1), key));
    let by_both = partners.iter().zip(keys).map(|(partner, key)| under_key(reserve_by(partner, 1), key));
    let commands: Vec<_> = by_partners.chain(by_keys).chain(by_both).collect();
    let (after, decision) = show.commit(&before, &commands).await?;
    ensure_eq!(decision.changes.len(), commands.len(), "accepted commands");
    let facts = show.facts(&after, &touched(&decision)).await?;
    for (command, step) in commands.iter().zip(steps(&decision)) {
        let uuid = step.id.uuid;
        let Request::Reserve(asked) = &command.request else { continue };
        for read in [facts.reservations.get(&uuid).cloned(), show.reservation(uuid).await?] {
            let read = read.ok_or_else(|| format!("the reservation of {:?} is gone", asked.partner_id))?;
            ensure_eq!(read.partner_id, asked.partner_id, "the partner");
            ensure_eq!(read.operations[0].id, command.operation, "the key");
            ensure_eq!(read, step, "the reservation");
        }
    }
    Ok(())
}

/// Requires that the event and what `states` says of its reservations are read as they were written.
async fn ensure_lasts(show: &Show<'_>, written: &Snapshot, states: &[Arc<Reservation>], what: &str) -> Verdict {
    let loaded = show.load().await?;
    ensure_eq!(loaded.event, written.event, "the event, loaded after {what}");
    ensure_eq!(show.event().await?, written.event, "the event, read after {what}");
    let uuids: Vec<_> = states.iter().map(|state| state.id.uuid).collect();
    let facts = show.facts(&loaded, &uuids).await?;
    for state in states {
        ensure_eq!(facts.reservations.get(&state.id.uuid), Some(state), "a reservation in the facts after {what}");
        ensure_eq!(show.reservation(state.id.uuid).await?.as_ref(), Some(state), "a reservation, read after {what}");
    }
    Ok(())
}

pub(super) async fn reservations_round_trip_in_every_status(store: &dyn EventStore) -> Verdict {
    use Status::{Cancelled, Confirmed, Expired, Held, Waitlisted};

    let (show, first) = Show::open(store, 3).await?;
    let start = now(store).await?;
    let asked = [
        held(reserve(1), 10),
        under_key(held(reserve(1), 20), "kept"),
        reserve(1),
        or_wait(reserve(1)),
        under_key(or_wait(held(reserve(1), 30)), "later"),
        or_wait(reserve(3)),
    ];
    let (snapshot, made) = show.commit_at(&first, &asked, start).await?;
    let made = kept(&made);
    let told: Vec<_> = made.iter().map(|made| made.status).collect();
    ensure_eq!(told, [Held, Held, Confirmed, Waitlisted, Waitlisted, Waitlisted], "the first statuses");
    ensure_lasts(&show, &snapshot, &made, "seats were held and others wait").await?;

    // The hold lapses and the head of the waitlist is promoted, which nobody asked for; then the next, to a hold.
    let [lapsed, confirmed, sold] = [&made[0], &made[1], &made[2]].map(|made| made.id.uuid);
    let later = made[0].expires_at.unwrap_or_default();
    let commands = [confirm(confirmed), under_key(cancel(sold), "away")];
    let (snapshot, changed) = show.commit_at(&snapshot, &commands, later).await?;
    let changed = kept(&changed);
    let status = |reservation: &Reservation| (reservation.status, reservation.operations.len());
    let told: Vec<_> = changed.iter().map(|changed| status(changed)).collect();
    let expected = [(Expired, 2), (Confirmed, 2), (Confirmed, 2), (Cancelled, 2), (Held, 2)];
    ensure_eq!(told, expected, "statuses after a lapse, a promotion, a confirmation, a cancellation and a promotion");
    ensure_eq!(changed[0].operations[1].kind, OperationKind::Lapse, "what became of {lapsed}");
    let unasked = changed.iter().filter(|changed| changed.operations[1].id == OperationId::Unasked).count();
    ensure_eq!(unasked, 3, "operations that nobody asked for");
    ensure_lasts(&show, &snapshot, &changed, "a hold has lapsed and others were promoted").await?;
    ensure_lasts(&show, &snapshot, &made[5..], "others were promoted before it").await
}

pub(super) async fn an_events_terms_and_history_round_trip(store: &dyn EventStore) -> Verdict {
    let details = |text: &str, starts_at: Moment| Details {
        description: Description::parse(text).ok(),
        starts_at: Some(starts_at),
        location: Location::parse("$where: “Hall 3”").ok(),
        price: Currency::parse("EUR").ok().map(|currency| Price { amount: u32::MAX, currency }),
    };
    let early = Moment::MIN;
    let mut event = Event {
        details: Arc::new(details("$first\nline", early)),
        quotas: Quotas {
            seats_per_reservation_max: limit(4),
            seats_per_partner_max: limit(8),
            reservations_per_partner_max: limit(u32::MAX),
        },
        sales: Sales::Paused,
        ..new_event(20)
    };
    let made_by = |id, fingerprint, event: &Event| EventOperation { id, fingerprint, answer: event.summary() };
    event.operations.push(made_by(ids::operation(), Some(Fingerprint::of_event(&event)), &event));
    let (show, before) = Show::make(store, &event).await?;
    ensure_lasts(&show, &Snapshot { event, ..before.clone() }, &[], "it was made").await?;

    let later = Moment::MAX;
    let description = "é".repeat(1_000);
    let others = details(&description, later);
    let all = Amend {
        name: EventName::parse("Another $name").ok(),
        description: Some(others.description),
        starts_at: Some(others.starts_at),
        location: Some(None),
        price: Some(None),
        seats_per_reservation_max: Some(None),
        seats_per_partner_max: Some(limit(1_000_000)),
        reservations_per_partner_max: Some(None),
        sales: Some(Sales::Open),
        total_seats: Some(30),
    };
    let closed = Amend { sales: Some(Sales::Closed), ..Amend::default() };
    let commands = [under_key(amend(all), "better"), held(reserve(2), 600), or_wait(reserve(1)), amend(closed)];
    let (mut after, decision) = show.commit(&before, &commands).await?;
    ensure_eq!(after.event, decision.event, "the event that a commit returns");
    ensure_eq!((after.event.operations.len(), after.event.sales), (1, Sales::Closed), "its history");
    ensure!(after.event.due_at.is_some() && after.event.held_seats == 2, "nothing is held: {:?}", after.event);
    ensure_lasts(&show, &after, &kept(&decision), "it was amended").await?;
    for total in 31..40 {
        (after, _) = show.commit(&after, &[amend(Amend { total_seats: Some(total), ..Amend::default() })]).await?;
    }
    ensure_lasts(&show, &after, &[], "many amendments").await
}

pub(super) async fn a_hall_survives_commits_and_loads(store: &dyn EventStore) -> Verdict {
    // Nine thousand seats: more than two blocks of what a store may keep them in.
    let event = new_hall(9);
    let (show, before) = Show::make(store, &event).await?;
    ensure_lasts(&show, &Snapshot { event, ..before.clone() }, &[], "it was made").await?;
    let start = now(store).await?;
    let seats = [seat(8, 1_000), seat(0, 2), seat(4, 97)];
    let commands = [
        at(reserve(3), &seats),
        held(at(reserve(2), &[seat(8, 999), seat(4, 98)]), 10),
        reserve(5),
        at(reserve(1), &[seat(4, 99)]),
    ];
    let (after, made) = show.commit_at(&before, &commands, start).await?;
    let made = kept(&made);
    ensure_eq!(made.len(), 4, "reservations of named seats");
    ensure_eq!(made[0].seat_ids[..], seats, "the seats that were asked for");
    let state = |snapshot: &Snapshot, seat| snapshot.event.hall.as_ref().and_then(|hall| hall.state(seat));
    ensure_eq!(state(&after, seat(8, 999)), Some(SeatState::Held), "a seat at the back");
    ensure_lasts(&show, &after, &made, "seats of every block were taken").await?;

    // Each commit touches another block, and each is decided on what was loaded.
    for (number, seat) in [seat(2, 3), seat(5, 3), seat(8, 3)].into_iter().enumerate() {
        let (after, made) = show.commit_at(&show.load().await?, &[at(reserve(1), &[seat])], start).await?;
        ensure_eq!(state(&after, seat), Some(SeatState::Sold), "seat {seat}");
        ensure_lasts(&show, &after, &kept(&made), &format!("commit {number}")).await?;
    }
    let loaded = show.load().await?;
    let lapsed = made[1].expires_at.unwrap_or_default();
    let (after, freed) = show.commit_at(&loaded, &[cancel(made[0].id.uuid)], lapsed).await?;
    for (seat, expected) in
        [(seat(8, 999), SeatState::Free), (seat(0, 2), SeatState::Free), (seat(0, 1), SeatState::Blocked)]
    {
        ensure_eq!(state(&show.load().await?, seat), Some(expected), "seat {seat} after a lapse and a cancellation");
    }
    ensure_lasts(&show, &after, &kept(&freed), "seats were given back").await
}

pub(super) async fn operations_are_known_for_ever(store: &dyn EventStore) -> Verdict {
    let (show, first) = Show::open(store, 30).await?;
    let (before, made) = show.commit(&first, &[reserve(2)]).await?;
    let uuid = made.reservations().next().ok_or("nothing was reserved")?.id.uuid;
    let more = |total| amend(Amend { total_seats: Some(total), ..Amend::default() });
    let asked = [under_key(more(31), "more"), under_key(confirm(uuid), "sure"), more(32)];
    let (mut after, decision) = show.commit(&before, &asked).await?;
    ensure_eq!(decision.records.len(), 3, "records of a batch");
    let wanted =
        Wanted { operations: decision.records.iter().map(|record| record.uuid).collect(), ..Wanted::default() };
    let expected: HashMap<_, _> = decision.records.iter().map(|record| (record.uuid, record.clone())).collect();
    for total in 33..50 {
        for snapshot in [&after, &show.load().await?] {
            let facts = store.facts(snapshot, &wanted, soon()).await.or_finding("facts")?;
            ensure_eq!(facts.operations, expected, "records at version {}", snapshot.event.version);
        }
        (after, _) = show.commit(&after, &[more(total)]).await?;
    }
    let absent = Wanted { operations: vec![ids::reservation()], ..Wanted::default() };
    let facts = store.facts(&after, &absent, soon()).await.or_finding("facts")?;
    ensure_eq!(facts.operations.len(), 0, "records that nobody left");
    Ok(())
}
