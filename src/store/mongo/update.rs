//! What a commit changes about the event itself: no more than what differs, so that its oplog entry stays small.

use bson::{
    RawDocumentBuf,
    raw::{CString, cstr},
    rawdoc,
};

use super::documents::{date, details_value, operations_value, quotas_value, sales_value, seats_value};
use crate::domain::Event;

/// Fields to set and fields to take away.
pub(super) struct Update {
    pub(super) set: RawDocumentBuf,
    pub(super) unset: RawDocumentBuf,
}

/// What makes `before` into `after`, but for the head and the journal.
///
/// Versions and counts are always set: they change with almost every commit.
pub(super) fn between(before: &Event, after: &Event) -> bson::error::Result<Update> {
    let mut set = rawdoc! {
        "availableSeats": i64::from(after.available_seats),
        "confirmedSeats": i64::from(after.confirmed_seats),
        "heldSeats": i64::from(after.held_seats),
        "reservationCount": i64::from(after.reservation_count),
        "holdCount": i64::from(after.hold_count),
        "waitlistCount": i64::from(after.waitlist_count),
        "version": after.version.0,
    };
    let mut unset = RawDocumentBuf::new();
    if before.due_at != after.due_at {
        match after.due_at {
            Some(due_at) => set.append(cstr!("dueAt"), date(due_at)),
            None => unset.append(cstr!("dueAt"), ""),
        }
    }
    if let Some(changed_at) = after.changed_at.filter(|_| before.changed_at != after.changed_at) {
        set.append(cstr!("changedAt"), date(changed_at));
    }
    if before.name != after.name {
        set.append(cstr!("name"), after.name.as_str());
    }
    if before.details != after.details {
        set.append(cstr!("details"), details_value(&after.details)?);
    }
    if before.quotas != after.quotas {
        set.append(cstr!("quotas"), quotas_value(&after.quotas)?);
    }
    if before.sales != after.sales {
        set.append(cstr!("sales"), sales_value(after.sales));
    }
    if before.total_seats != after.total_seats {
        set.append(cstr!("totalSeats"), i64::from(after.total_seats));
    }
    if before.operations != after.operations {
        set.append(cstr!("operations"), operations_value(&after.operations)?);
    }
    if let (Some(before), Some(after)) = (&before.hall, &after.hall) {
        for (number, seats) in after.changed_blocks(before) {
            let path = CString::try_from(format!("seats.{number}")).expect("a number holds no NUL byte");
            set.append(path, seats_value(seats));
        }
    }
    Ok(Update { set, unset })
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
