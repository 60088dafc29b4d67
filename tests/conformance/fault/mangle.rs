//! Faults that change a reservation or an event on its way into the store, or out of it.

use std::sync::Arc;

use jiff::Timestamp;
use ticketboss::domain::{Event, Hall, IdSalt, IdempotencyKey, OperationId, PartnerId, Quotas, Reservation, Sales};

use super::Fault;

/// The reservation as the faulty store writes it.
pub(super) fn reservation(fault: Fault, sound: &Arc<Reservation>) -> Arc<Reservation> {
    let mut mangled = Reservation::clone(sound);
    match fault {
        Fault::ManglesDollars => mangled.partner_id = partner(&mangled.partner_id, |character| character != '$'),
        Fault::ManglesUnicode => mangled.partner_id = partner(&mangled.partner_id, |character| character < '\u{10000}'),
        Fault::ManglesKeys => ids(&mut mangled, |id| match id {
            OperationId::Key(key) => key_of(key.as_str().split('.').next().unwrap_or_default()),
            other => other.clone(),
        }),
        Fault::ConfusesKeys => ids(&mut mangled, |id| match id {
            OperationId::Minted(uuid) => key_of(&uuid.to_string()),
            other => other.clone(),
        }),
        Fault::ConfusesUnasked => ids(&mut mangled, |id| match id {
            OperationId::Unasked => key_of("unasked"),
            other => other.clone(),
        }),
        Fault::LosesSeatIds => mangled.seat_ids = Arc::default(),
        Fault::LosesHolds => mangled.hold = None,
        Fault::LosesExpiry => mangled.operations.iter_mut().for_each(|operation| operation.expires_at = None),
        Fault::LosesPositions => {
            mangled.operations.iter_mut().for_each(|operation| operation.waitlist_position = None);
        }
        Fault::CoarseTime => {
            mangled.created_at = Timestamp::from_second(mangled.created_at.as_second()).expect("an earlier time");
        }
        Fault::LosesFingerprints => mangled.fingerprint = None,
        Fault::ForgetsOperations => drop(mangled.operations.drain(..mangled.operations.len() - 1)),
        _ => return sound.clone(),
    }
    Arc::new(mangled)
}

/// The event as the faulty store writes it.
pub(super) fn event(fault: Fault, sound: &Event) -> Event {
    let mut mangled = sound.clone();
    match fault {
        Fault::LosesSalt => mangled.id_salt = IdSalt([0; 32]),
        Fault::LosesDetails => mangled.details = Arc::default(),
        Fault::LosesQuotas => mangled.quotas = Quotas::default(),
        Fault::LosesSales => mangled.sales = Sales::Open,
        Fault::ForgetsTime => mangled.changed_at = None,
        Fault::ForgetsEventOperations => mangled.operations.clear(),
        Fault::ForgetsKeys => {
            mangled.operations.iter_mut().for_each(|made| made.id = OperationId::Unasked);
        }
        _ => {}
    }
    mangled
}

/// The event as a faulty store reads it: past the first block of its hall, nobody sits anywhere.
pub(super) fn first_block(sound: &Event) -> Event {
    let hall = sound.hall.as_ref().map(|hall| {
        let empty = Hall::new(hall.map().clone());
        let blocks = hall.blocks().take(1).chain(empty.blocks().skip(1));
        Hall::restore(hall.map().clone(), blocks).expect("blocks of one map")
    });
    Event { hall, ..sound.clone() }
}

fn partner(id: &PartnerId, keep: impl Fn(char) -> bool) -> PartnerId {
    let kept: String = id.as_str().chars().filter(|character| keep(*character)).collect();
    PartnerId::parse(&kept).unwrap_or_else(|_| PartnerId::parse("nobody").expect("a partner"))
}

fn ids(reservation: &mut Reservation, change: impl Fn(&OperationId) -> OperationId) {
    for operation in &mut reservation.operations {
        operation.id = change(&operation.id);
    }
}

fn key_of(text: &str) -> OperationId {
    OperationId::Key(IdempotencyKey::parse(text).unwrap_or_else(|_| IdempotencyKey::parse("k").expect("a key")))
}
