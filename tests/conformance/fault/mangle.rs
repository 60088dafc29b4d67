//! Faults that change a reservation on its way into the store.

use std::sync::Arc;

use jiff::Timestamp;
use ticketboss::domain::{IdempotencyKey, OperationId, PartnerId, Reservation};

use super::Fault;

/// The reservation as the faulty store writes it.
pub(super) fn reservation(fault: Fault, sound: &Arc<Reservation>) -> Arc<Reservation> {
    let mut mangled = Reservation::clone(sound);
    match fault {
        Fault::ManglesDollars => mangled.partner_id = partner(&mangled.partner_id, |character| character != '$'),
        Fault::ManglesUnicode => mangled.partner_id = partner(&mangled.partner_id, |character| character < '\u{10000}'),
        Fault::ManglesKeys => ids(&mut mangled, |id| match id {
            OperationId::Key(key) => key_of(key.as_str().split('.').next().unwrap_or_default()),
            OperationId::Minted(uuid) => OperationId::Minted(*uuid),
        }),
        Fault::ConfusesKeys => ids(&mut mangled, |id| match id {
            OperationId::Key(key) => OperationId::Key(key.clone()),
            OperationId::Minted(uuid) => key_of(&uuid.to_string()),
        }),
        Fault::CoarseTime => {
            mangled.created_at = Timestamp::from_second(mangled.created_at.as_second()).expect("an earlier time");
        }
        Fault::LosesFingerprints => mangled.fingerprint = None,
        Fault::ForgetsOperations => drop(mangled.operations.drain(..mangled.operations.len() - 1)),
        _ => return sound.clone(),
    }
    Arc::new(mangled)
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
