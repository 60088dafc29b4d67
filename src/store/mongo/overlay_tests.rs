use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{EventId, PartnerId, ReservationId, SeatCount, Status, Version},
    store::mongo::queries::Waitlist,
};

/// Reservation `made`, which is made at that version, as it stands at `version`.
fn at(made: i64, version: i64, status: Status) -> Arc<Reservation> {
    Arc::new(Reservation {
        id: ReservationId {
            event_id: EventId::parse("show").expect("an id"),
            uuid: Uuid::from_u128(u128::try_from(made).expect("a positive number")),
        },
        partner_id: PartnerId::parse("acme").expect("a partner"),
        seats: SeatCount::parse(1, 1).expect("a count"),
        seat_ids: Arc::default(),
        status,
        version: Version(version),
        created_version: Version(made),
        created_at: Timestamp::UNIX_EPOCH,
        hold: None,
        expires_at: None,
        fingerprint: None,
        operations: Vec::new(),
    })
}

/// One that waits since it was made.
fn waits(made: i64) -> Arc<Reservation> {
    at(made, made, Status::Waitlisted)
}

/// One that had waited and has its seats since `version`.
fn served(made: i64, version: i64) -> Arc<Reservation> {
    at(made, version, Status::Confirmed)
}

#[test]
fn the_journal_lies_over_the_collection_as_far_as_that_was_read() {
    let check = |what: &str, rows: &[_], truncated, journal: &[_], expected: &[i64]| {
        let event_id = EventId::parse("show").expect("an id");
        let journal = Newest::of(journal.iter().cloned());
        let known = overlay(&Waitlist(&event_id), rows, truncated, &journal);
        let made: Vec<_> = known.iter().map(|reservation| reservation.created_version.0).collect();
        assert_eq!(made, expected, "{what}");
        for reservation in known {
            let newest = journal.find(&reservation.id).filter(|entry| entry.version > reservation.version);
            assert_eq!(newest, None, "{what}: an old state was listed");
        }
    };
    let all = false;
    let truncated = true;

    check("nothing at all", &[], all, &[], &[]);
    check("only rows", &[waits(1), waits(2)], all, &[], &[1, 2]);
    check("only entries, in any order", &[], all, &[waits(3), waits(1), waits(2)], &[1, 2, 3]);
    check("entries come after the rows", &[waits(1), waits(2)], all, &[waits(3)], &[1, 2, 3]);
    check("entries may come between the rows", &[waits(1), waits(3)], all, &[waits(2)], &[1, 2, 3]);
    check("an entry that is settled too is listed once", &[waits(1), waits(2)], all, &[waits(2)], &[1, 2]);
    check("who left in the journal is hidden", &[waits(1), waits(2)], all, &[served(1, 5)], &[2]);
    check("who left in the collection has left", &[served(1, 5), waits(2)], all, &[waits(1)], &[2]);
    check("whoever joined and left in the journal was never here", &[], all, &[waits(4), served(4, 5)], &[]);
    check("the order of the entries does not matter", &[], all, &[served(4, 5), waits(4)], &[]);

    check("what comes after the last row is unknown", &[waits(1), waits(3)], truncated, &[waits(4)], &[1, 3]);
    check("what comes before it is known", &[waits(1), waits(3)], truncated, &[waits(2)], &[1, 2, 3]);
    check("the last row bounds even if it has left", &[waits(1), waits(3)], truncated, &[served(3, 5), waits(4)], &[1]);
    check(
        "and what comes before it is known then",
        &[waits(1), waits(3)],
        truncated,
        &[served(3, 5), waits(2)],
        &[1, 2],
    );
    check("all rows may be hidden", &[waits(1), waits(2)], truncated, &[served(1, 5), served(2, 6), waits(7)], &[]);
    check("no rows, but more to come", &[], truncated, &[waits(1)], &[]);
}

#[test]
fn only_rows_that_were_listed_once_can_be_hidden() {
    struct Plain;
    impl Listing for Plain {
        type Place = Version;
        fn lists(&self, reservation: &Reservation) -> bool {
            reservation.status == Status::Waitlisted
        }
        fn place(&self, reservation: &Reservation) -> Version {
            reservation.created_version
        }
    }
    let journal = [waits(1), served(2, 5), at(6, 6, Status::Confirmed), at(3, 7, Status::Cancelled)];
    assert_eq!(Newest::of(journal).hidden(&Plain), 2);
}
