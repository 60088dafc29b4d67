//! What comes back is what was written, to the last character and millisecond.

use ticketboss::{
    clock,
    domain::{OperationId, Request},
    ids,
    store::EventStore,
};

use crate::show::{Show, Verdict, cancel, ensure_eq, left_by, reserve, reserve_by, touched, under_key};

pub(super) async fn a_reservation_round_trips(store: &dyn EventStore) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    let commands = [reserve(4), under_key(reserve(2), "order-1"), under_key(reserve(1), "order-2")];
    let (after, made) = show.commit(&before, &commands).await?;
    for change in &made.changes {
        let read = show.reservation(change.reservation.id.uuid).await?;
        ensure_eq!(read.as_ref(), Some(&change.reservation), "a new reservation");
    }
    ensure_eq!(show.facts(&after, &touched(&made)).await?, left_by(&made), "facts of new reservations");

    // Cancelled by a key of its own and by a minted id, both histories have two operations.
    let uuids = touched(&made);
    let commands = [under_key(cancel(uuids[0]), "away-1"), cancel(uuids[1])];
    let (after, cancelled) = show.commit(&after, &commands).await?;
    for change in &cancelled.changes {
        let read = show.reservation(change.reservation.id.uuid).await?;
        ensure_eq!(read.as_ref(), Some(&change.reservation), "a cancelled reservation");
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
    for change in &decision.changes {
        let read = show.reservation(change.reservation.id.uuid).await?;
        let operations = read.as_ref().map(|read| &read.operations);
        ensure_eq!(operations, Some(&change.reservation.operations), "the history of a reservation");
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
    for (command, change) in commands.iter().zip(&decision.changes) {
        let uuid = change.reservation.id.uuid;
        let Request::Reserve(asked) = &command.request else { continue };
        for read in [facts.reservations.get(&uuid).cloned(), show.reservation(uuid).await?] {
            let read = read.ok_or_else(|| format!("the reservation of {:?} is gone", asked.partner_id))?;
            ensure_eq!(read.partner_id, asked.partner_id, "the partner");
            ensure_eq!(read.operations[0].id, command.operation, "the key");
            ensure_eq!(read, change.reservation, "the reservation");
        }
    }
    Ok(())
}

pub(super) async fn time_comes_in_whole_milliseconds(store: &dyn EventStore) -> Verdict {
    // Several looks, because one in a thousand finer readings would pass.
    for _ in 0..3 {
        let now = store.now();
        ensure_eq!(now, clock::truncate(now), "the store's time");
        tokio::task::yield_now().await;
    }
    Ok(())
}
