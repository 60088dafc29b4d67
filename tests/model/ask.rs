//! Commands in the making: what somebody asks for, in words that do not depend on an event's secret.

use std::sync::Arc;

use uuid::Uuid;

use super::domain::{
    Amend, Command, Expected, HoldSeconds, IdSalt, IdempotencyKey, OperationId, PartnerId, Request, Reserve, SeatCount,
    SeatId, fingerprint::keyed_uuid,
};

/// A command in the making.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) what: What,
    pub(crate) key: Option<&'static str>,
    pub(crate) expected: Option<Expected>,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Reserve(Seats),
    Cancel(Whom),
    Confirm(Whom),
    Amend(Box<Amend>),
}

/// Seats that somebody asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seats {
    pub(crate) partner: &'static str,
    pub(crate) count: u32,
    /// Which ones; empty when any will do.
    pub(crate) named: Vec<&'static str>,
    pub(crate) waitlist: bool,
    pub(crate) hold_seconds: Option<u32>,
    /// A name for the reservation, by which [`Whom::Called`] knows it; only where it is not made under a key.
    pub(crate) called: Option<&'static str>,
}

/// Which reservation somebody means.
#[derive(Debug, Clone)]
pub(crate) enum Whom {
    /// The one that was given this name.
    Called(&'static str),
    /// The one that a partner made under a key.
    Keyed(&'static str, &'static str),
}

impl Ask {
    /// The command, to an event that has `salt`; `index` sets it apart from all others of its story.
    pub(crate) fn build(&self, salt: &IdSalt, index: usize) -> Command {
        let request = match &self.what {
            What::Reserve(seats) => Request::Reserve(seats.build(index)),
            What::Cancel(whom) => Request::Cancel(whom.uuid(salt)),
            What::Confirm(whom) => Request::Confirm(whom.uuid(salt)),
            What::Amend(amend) => Request::Amend(amend.clone()),
        };
        let operation = match self.key {
            Some(text) => OperationId::Key(key(text)),
            None => OperationId::Minted(uuid_numbered(2 << 64, index)),
        };
        Command { operation, expected: self.expected.clone(), request }
    }
}

impl Seats {
    fn build(&self, index: usize) -> Reserve {
        Reserve {
            minted: self.called.map_or_else(|| uuid_numbered(1 << 64, index), uuid_called),
            partner_id: partner(self.partner),
            seats: SeatCount::parse(self.count, u32::MAX).expect("a count"),
            seat_ids: self.named.iter().map(|seat| SeatId::parse(seat).expect("a seat")).collect::<Arc<[_]>>(),
            waitlist: self.waitlist,
            hold: self.hold_seconds.map(|seconds| HoldSeconds::parse(seconds, u32::MAX).expect("a hold")),
        }
    }
}

impl Whom {
    pub(crate) fn uuid(&self, salt: &IdSalt) -> Uuid {
        match self {
            Self::Called(name) => uuid_called(name),
            Self::Keyed(id, text) => keyed_uuid(salt, &partner(id), &key(text)),
        }
    }
}

fn partner(text: &str) -> PartnerId {
    PartnerId::parse(text).expect("a partner")
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).expect("a key")
}

fn uuid_called(name: &str) -> Uuid {
    name.bytes().fold(Uuid::from_u128(3 << 64), |uuid, byte| Uuid::from_u128((uuid.as_u128() << 8) | u128::from(byte)))
}

fn uuid_numbered(base: u128, index: usize) -> Uuid {
    Uuid::from_u128(base + u128::try_from(index).expect("a small number"))
}
