//! Short ways to write commands down.

pub(super) use crate::model::{Ask, Seats, What, Whom};

use super::{Amend, Sales, Version};
use crate::domain::Expected;

/// Any seats, for good, at once.
pub(super) fn reserve(partner: &'static str, count: u32) -> Ask {
    Ask::of(What::Reserve(Seats { partner, count, ..Seats::default() }))
}

/// These seats and no others.
pub(super) fn reserve_named(partner: &'static str, named: &[&'static str]) -> Ask {
    let count = u32::try_from(named.len()).expect("a few seats");
    Ask::of(What::Reserve(Seats { partner, count, named: named.to_vec(), ..Seats::default() }))
}

/// Any seats, for `seconds` at first.
pub(super) fn hold(partner: &'static str, count: u32, seconds: u32) -> Ask {
    reserve(partner, count).held(seconds)
}

/// Any seats, now or later.
pub(super) fn wait(partner: &'static str, count: u32) -> Ask {
    reserve(partner, count).or_wait()
}

pub(super) fn cancel(called: &'static str) -> Ask {
    Ask::of(What::Cancel(Whom::Called(called)))
}

/// Cancels what `partner` reserved under `key`.
pub(super) fn cancel_keyed(partner: &'static str, key: &'static str) -> Ask {
    Ask::of(What::Cancel(Whom::Keyed(partner, key)))
}

pub(super) fn confirm(called: &'static str) -> Ask {
    Ask::of(What::Confirm(Whom::Called(called)))
}

pub(super) fn confirm_keyed(partner: &'static str, key: &'static str) -> Ask {
    Ask::of(What::Confirm(Whom::Keyed(partner, key)))
}

pub(super) fn amend(amend: Amend) -> Ask {
    Ask::of(What::Amend(Box::new(amend)))
}

pub(super) fn total_seats(seats: u32) -> Ask {
    amend(Amend { total_seats: Some(seats), ..Amend::default() })
}

pub(super) fn sales(sales: Sales) -> Ask {
    amend(Amend { sales: Some(sales), ..Amend::default() })
}

impl Ask {
    fn of(what: What) -> Self {
        Self { what, key: None, expected: None }
    }

    /// Names the reservation, so that [`cancel`] and [`confirm`] can.
    pub(super) fn called(self, name: &'static str) -> Self {
        self.with(|seats| seats.called = Some(name))
    }

    pub(super) fn held(self, seconds: u32) -> Self {
        self.with(|seats| seats.hold_seconds = Some(seconds))
    }

    pub(super) fn or_wait(self) -> Self {
        self.with(|seats| seats.waitlist = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Seats)) -> Self {
        if let What::Reserve(seats) = &mut self.what {
            change(seats);
        }
        self
    }

    pub(super) fn key(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    pub(super) fn at_version(self, versions: &[i64]) -> Self {
        let versions = versions.iter().copied().map(Version).collect();
        Self { expected: Some(Expected::Versions(versions)), ..self }
    }

    pub(super) fn at_any_version(self) -> Self {
        Self { expected: Some(Expected::Any), ..self }
    }
}
