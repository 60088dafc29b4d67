//! How an event begins.

use futures_util::future::join_all;
use ticketboss::{
    domain::{
        Event, EventName, EventOperation, Fingerprint, IdSalt, IdempotencyKey, OperationId, ReservationId, Version,
    },
    ids,
    store::{Base, Creation, EventStore},
};

use crate::show::{OrFinding, Show, Verdict, ensure, ensure_eq, head, new_event, reserve, soon};

pub(super) async fn creating_again_changes_nothing(store: &dyn EventStore) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    let mut other = Event { id: show.id.clone(), ..new_event(99) };
    other.name = EventName::parse("Another show").expect("a name");
    ensure_eq!(store.create(&other, head(), soon()).await.or_finding("create")?, Creation::Existed, "creating again");
    let after = show.load().await?;
    ensure_eq!((after.event, after.head), (before.event, before.head), "the event after it was created again");
    Ok(())
}

pub(super) async fn creating_never_overwrites_what_was_committed(store: &dyn EventStore) -> Verdict {
    let (show, before) = Show::open(store, 10).await?;
    let (committed, _) = show.commit(&before, &[reserve(3)]).await?;
    let again = store.create(&before.event, before.head, soon()).await.or_finding("create")?;
    ensure_eq!(again, Creation::Existed, "creating again");
    let after = show.load().await?;
    ensure_eq!((after.event, after.head), (committed.event, committed.head), "the event after it was created again");
    Ok(())
}

pub(super) async fn of_concurrent_creations_exactly_one_creates(store: &dyn EventStore) -> Verdict {
    let event = new_event(10);
    let heads: Vec<_> = (0..12).map(|_| head()).collect();
    let creations = join_all(heads.iter().map(|head| store.create(&event, *head, soon()))).await;
    let mut created = Vec::new();
    for (head, creation) in heads.iter().zip(creations) {
        if creation.or_finding("create")? == Creation::Created {
            created.push(*head);
        }
    }
    let loaded = Show { store, id: event.id.clone() }.load().await?;
    ensure_eq!(created, [loaded.head], "the heads of those who were told that they created it");
    Ok(())
}

pub(super) async fn an_unknown_event_is_absent(store: &dyn EventStore) -> Verdict {
    let id = new_event(1).id;
    ensure!(store.load(&id, soon()).await.or_finding("load")?.is_none(), "an unknown event was loaded");
    ensure!(store.event(&id, soon()).await.or_finding("event")?.is_none(), "an unknown event was read");
    let reservation = ReservationId { event_id: id.clone(), uuid: ids::reservation() };
    let read = store.reservation(&reservation, soon()).await.or_finding("reservation")?;
    ensure_eq!(read, None, "a reservation of an unknown event");
    let base = Base { version: Version::INITIAL, head: head() };
    ensure!(!store.prove(&id, base, soon()).await.or_finding("prove")?, "an unknown event was proved");
    Ok(())
}

pub(super) async fn an_event_round_trips(store: &dyn EventStore) -> Verdict {
    // Also names that earlier versions took, and that stand in their stores.
    let names = ["Node.js Meet-up", "$set", "a.b", "“Ünïcødé” 🎟 \u{202e}", &"é".repeat(200)];
    for (name, seats) in names.into_iter().zip([1, 500, i32::MAX.unsigned_abs(), i32::MAX.unsigned_abs() + 1, u32::MAX])
    {
        let salt = IdSalt(std::array::from_fn(|index| if index % 2 == 0 { 0xff } else { 0 }));
        let event = Event { name: EventName::stored(name).expect("a name"), id_salt: salt, ..new_event(seats) };
        let first = head();
        store.create(&event, first, soon()).await.or_finding("create")?;
        let show = Show { store, id: event.id.clone() };
        let loaded = show.load().await?;
        ensure_eq!((&loaded.event, loaded.head), (&event, first), "a new event");
        ensure!(loaded.event.id_salt == salt, "the salt of a new event is another one");
        let (after, decision) = show.commit(&loaded, &[reserve(seats)]).await?;
        ensure_eq!(after.event, decision.event, "an event without a free seat");
        ensure_eq!(show.event().await?, decision.event, "the same event, read again");
    }
    Ok(())
}

pub(super) async fn a_key_makes_one_event_whatever_its_id(store: &dyn EventStore) -> Verdict {
    let key = IdempotencyKey::parse(&ids::reservation().to_string()).or_finding("a key")?;
    let made_by = |seats: u32, id: OperationId| {
        let mut event = new_event(seats);
        let fingerprint = Some(Fingerprint::of_event(&event));
        event.operations.push(EventOperation { id, fingerprint, answer: event.summary() });
        event
    };
    let first = made_by(5, OperationId::Key(key.clone()));
    let create = async |event: &Event| store.create(event, head(), soon()).await.or_finding("create");
    ensure_eq!(create(&first).await?, Creation::Created, "the first event of a key");
    ensure_eq!(create(&first).await?, Creation::Existed, "the same once more");
    let other = made_by(5, OperationId::Key(key));
    ensure_eq!(create(&other).await?, Creation::KeyTaken, "another event of the same key");
    ensure_eq!(store.event(&other.id, soon()).await.or_finding("event")?, None, "the event that was refused");
    // Of several that ask together, one has the key.
    let key = IdempotencyKey::parse(&ids::reservation().to_string()).or_finding("a key")?;
    let rivals: Vec<_> = (1..9).map(|seats| made_by(seats, OperationId::Key(key.clone()))).collect();
    let mut outcomes = Vec::new();
    for outcome in join_all(rivals.iter().map(create)).await {
        outcomes.push(outcome?);
    }
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    ensure_eq!((count(Creation::Created), count(Creation::KeyTaken)), (1, 7), "what became of rivals for a key");
    Ok(())
}
