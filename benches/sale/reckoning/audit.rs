//! Whether the books agree: what clients were told, against what the store says.

/// What the clients of a run were told, in all: the warm-up and the answers after the end count too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// The seats that the event was made with.
    pub(crate) total_seats: u64,
    /// Reservations of one seat that were answered with 201.
    pub(crate) booked: u64,
    /// Of these, how many were cancelled with 204.
    pub(crate) cancelled: u64,
    /// Requests whose outcome the server itself called unknown; each may have booked or not.
    pub(crate) unknown: u64,
}

/// What the service says of the event.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    pub(crate) total_seats: u64,
    pub(crate) available_seats: u64,
    pub(crate) reservation_count: u64,
    pub(crate) version: u64,
}

/// Checks one event's books; the error says which two figures disagree.
pub(crate) fn check(told: Told, summary: Summary) -> Result<(), String> {
    let lowest = told.booked - told.cancelled.min(told.booked);
    let confirmed = lowest..=lowest + told.unknown;
    let changes = told.booked + told.cancelled..=told.booked + told.cancelled + told.unknown;
    let fail = |what: &str| Err(format!("the books do not agree: {what}; clients were told {told:?}, and {summary:?}"));
    if summary.total_seats != told.total_seats {
        return fail("totalSeats is not what the event was made with");
    }
    // Every reservation here is for one seat.
    if summary.available_seats + summary.reservation_count != summary.total_seats {
        return fail("availableSeats and the confirmed seats do not add up to totalSeats");
    }
    if !confirmed.contains(&summary.reservation_count) {
        return fail("reservationCount is not what was answered with 201 less what was cancelled");
    }
    if !changes.contains(&summary.version) {
        return fail("version is not the number of accepted changes");
    }
    // An unknown outcome was one change or none, the same in both.
    if summary.version - (told.booked + told.cancelled) != summary.reservation_count - lowest {
        return fail("version and reservationCount tell of different changes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: Told = Told { total_seats: 100, booked: 30, cancelled: 5, unknown: 0 };
    const GOOD: Summary = Summary { total_seats: 100, available_seats: 75, reservation_count: 25, version: 35 };

    #[test]
    fn good_books_pass() {
        assert_eq!(check(TOLD, GOOD), Ok(()));
        let told = Told { unknown: 2, ..TOLD };
        assert_eq!(check(told, GOOD), Ok(()));
        assert_eq!(check(told, Summary { available_seats: 74, reservation_count: 26, version: 36, ..GOOD }), Ok(()));
    }

    #[test]
    fn every_disagreement_is_found() {
        for (told, summary, why) in [
            (TOLD, Summary { total_seats: 500, ..GOOD }, "totalSeats"),
            (TOLD, Summary { available_seats: 76, ..GOOD }, "add up"),
            (TOLD, Summary { available_seats: 76, reservation_count: 24, ..GOOD }, "reservationCount"),
            (TOLD, Summary { available_seats: 74, reservation_count: 26, ..GOOD }, "reservationCount"),
            (TOLD, Summary { version: 34, ..GOOD }, "version is not"),
            (TOLD, Summary { version: 36, ..GOOD }, "version is not"),
            (Told { unknown: 1, ..TOLD }, Summary { version: 36, ..GOOD }, "different changes"),
        ] {
            let error = check(told, summary).expect_err("these books are wrong");
            assert!(error.contains(why), "{error}");
        }
    }
}
