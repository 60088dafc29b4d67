//! A disk that takes no writes: reads go on, writes are refused at once, nothing is sold twice or lost, and all of it
//! ends by itself.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::io::Errno;
use tokio::time::{sleep, timeout};

use super::{disk::Operation, *};
use crate::{
    domain::Wanted,
    store::{FactsError, Scope},
};

/// Between two looks at something that no event announces.
const POLL: Duration = Duration::from_millis(1);

/// Waits until `condition` holds.
pub(super) async fn until(condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            sleep(POLL).await;
        }
    };
    timeout(Duration::from_secs(20), holds).await.expect("it holds in time");
}

/// Waits until the store takes writes again, without asking it for any.
pub(super) async fn ready_again(store: &EmbeddedStore) {
    until(|| !store.condition.is_stopped()).await;
}

/// Reads all that there is to read of an event.
async fn reads(store: &EmbeddedStore, snapshot: &Snapshot) -> (Option<Event>, usize, usize) {
    let id = &snapshot.event.id;
    let query = ReservationQuery {
        scope: Scope::Event(id.clone()),
        status: None,
        created_from: None,
        created_to: None,
        after: None,
        limit: 100,
    };
    let event = store.event(id, soon()).await.expect("the event is read");
    let listed = store.reservations(&query, 1_000, soon()).await.expect("the reservations are read");
    let events = store.events(None, 100, soon()).await.expect("the events are read");
    (event, listed.reservations.len(), events.len())
}

/// Whatever asks to decide or to write is told that the store takes no writes.
async fn expect_read_only(store: &EmbeddedStore, snapshot: &Snapshot) {
    let read_only = |why: StoreError| assert!(matches!(why, StoreError::ReadOnly(_)), "{why:?}");
    read_only(store.load(&snapshot.event.id, soon()).await.expect_err("nothing is decided"));
    read_only(store.prove(&snapshot.event.id, snapshot.base(), soon()).await.expect_err("nothing is proven"));
    read_only(store.ready(soon()).await.expect_err("it is not ready"));
    let wanted = Wanted { reservations: vec![first_reservation(snapshot).uuid], ..Wanted::default() };
    match store.facts(snapshot, &wanted, soon()).await.expect_err("nothing is decided") {
        FactsError::Store(why) => read_only(why),
        FactsError::Stale => panic!("it was not even looked at"),
    }
    match reserve(store, snapshot, "order-9").await.expect_err("nothing is written") {
        CommitError::Store(why) => read_only(why),
        other => panic!("not certain: {other:?}"),
    }
    let id = EventId::parse("another").expect("an id");
    let event = Event::open(id, EventName::parse("A show").expect("a name"), 10, IdSalt([7; 32]));
    read_only(store.create(&event, ids::head(), soon()).await.expect_err("nothing is made"));
}

#[tokio::test]
async fn a_full_or_failing_disk_refuses_writes_at_once_and_certainly_and_answers_reads_as_before() {
    for errno in [Errno::NOSPC, Errno::DQUOT, Errno::IO, Errno::FBIG, Errno::ROFS] {
        let disk = Disk::new();
        // Reads come from the disk, too, and not from what redb happens to have in memory.
        let store = disk.store_without_cache();
        let before = show(&store, "meetup").await;
        let (after, _) = reserve(&store, &before, "order-1").await.expect("a commit");
        let read = reads(&store, &after).await;
        let openings = disk.openings();

        disk.fail(Operation::Write, errno);
        let why = reserve(&store, &after, "order-2").await.expect_err("the disk fails");
        assert!(matches!(why, CommitError::Store(StoreError::ReadOnly(_))), "{errno}: {why:?}");
        for _ in 0..20 {
            expect_read_only(&store, &after).await;
            assert_eq!(reads(&store, &after).await, read, "{errno}");
        }
        until(|| disk.tries() >= 2).await;
        assert_eq!(disk.openings(), openings, "{errno}: opening the file anew is of no use yet");
        assert_eq!(disk.copy_of_event(&after.event.id), after.base(), "{errno}: nothing was changed");

        let in_use = || matches!(disk.try_store(), Err(OpenError::InUse { .. }));
        assert!(in_use(), "{errno}: nobody else gets it meanwhile");

        let openings = disk.openings();
        disk.heal();
        ready_again(&store).await;
        assert_eq!(disk.openings(), openings + 1, "{errno}");
        assert!(in_use(), "{errno}: nor after it");
        assert_eq!(load(&store, &after.event.id).await.base(), after.base(), "{errno}");
        reserve(&store, &after, "order-2").await.expect("the store works again");
        lists::check_indexes(&disk);
    }
}

#[tokio::test]
async fn no_read_and_no_refusal_waits_for_the_file_to_be_opened_anew() {
    let disk = Disk::new();
    let store = disk.store();
    let before = show(&store, "meetup").await;
    disk.fail(Operation::Write, Errno::NOSPC);
    reserve(&store, &before, "order-1").await.expect_err("the disk is full");
    // The writer hangs while it opens the file, as it does for seconds on a large one.
    disk.hold();
    disk.heal();
    disk.held().await;
    for _ in 0..100 {
        reads(&store, &before).await;
        expect_read_only(&store, &before).await;
    }
    disk.release();
    ready_again(&store).await;
}

#[tokio::test]
async fn a_commit_whose_flush_failed_is_acknowledged_if_the_file_opened_anew_has_it() {
    let disk = Disk::new();
    let store = disk.store();
    let before = show(&store, "meetup").await;
    disk.fail_once(Operation::Flush, Errno::IO);
    let (after, reservation) = reserve(&store, &before, "order-1").await.expect("it was made");
    assert_eq!(load(&store, &before.event.id).await.base(), after.base());
    assert_eq!(store.reservation(&reservation.id, soon()).await.expect("a read"), Some(reservation));
    reserve(&store, &after, "order-2").await.expect("the store works");
    lists::check_indexes(&disk);
}

#[tokio::test]
async fn a_commit_whose_header_was_not_written_is_certainly_not_made() {
    let disk = Disk::new();
    let store = disk.store();
    let before = show(&store, "meetup").await;
    disk.fail_once(Operation::WriteHeader, Errno::IO);
    let why = reserve(&store, &before, "order-1").await.expect_err("it was not made");
    assert!(matches!(why, CommitError::Store(StoreError::Unavailable(_))), "it may be tried again: {why:?}");
    reserve(&store, &before, "order-1").await.expect("the store works");
    lists::check_indexes(&disk);
}

#[tokio::test]
async fn a_commit_of_which_nobody_can_tell_is_unclear_and_nothing_is_decided_until_the_file_tells() {
    let disk = Disk::new();
    let store = disk.store();
    let before = show(&store, "meetup").await;
    disk.fail(Operation::Flush, Errno::IO);
    let why = reserve(&store, &before, "order-1").await.expect_err("it cannot be flushed");
    assert!(matches!(why, CommitError::Unclear(_)), "{why:?}");
    until(|| disk.tries() >= 3).await;
    expect_read_only(&store, &before).await;
    assert_eq!(reads(&store, &before).await, (Some(before.event.clone()), 0, 1), "the last state known to be durable");

    disk.heal();
    ready_again(&store).await;
    let after = load(&store, &before.event.id).await;
    assert_eq!(after.event.version, Version(1), "the disk had it");
    assert!(!store.prove(&before.event.id, before.base(), soon()).await.expect("a proof"));
    reserve(&store, &after, "order-2").await.expect("the store works");
    lists::check_indexes(&disk);
}

#[tokio::test]
async fn writes_are_taken_only_after_something_was_written() {
    let disk = Disk::new();
    let store = disk.store();
    let before = show(&store, "meetup").await;
    disk.fail(Operation::Write, Errno::NOSPC);
    disk.lie_about_room();
    reserve(&store, &before, "order-1").await.expect_err("the disk is full");
    until(|| disk.tries() >= 3).await;
    expect_read_only(&store, &before).await;
    assert_eq!(reads(&store, &before).await, (Some(before.event.clone()), 0, 1), "however often it was opened anew");
    disk.heal();
    ready_again(&store).await;
    reserve(&store, &before, "order-1").await.expect("the store works");
}

#[tokio::test]
async fn those_who_wait_behind_a_commit_that_fails_are_told_at_once_that_nothing_was_changed() {
    for operation in [Operation::Write, Operation::Flush] {
        let disk = Disk::new();
        let store = Arc::new(disk.store());
        let [one, other] = [show(&store, "matinee").await, show(&store, "evening").await];
        disk.hold();
        let first = in_background(&store, &one);
        disk.held().await;
        let waiting_behind = in_background(&store, &other);
        waiting(&store, 1).await;
        disk.fail(operation, Errno::IO);
        disk.release();
        let _ = first.await.expect("no panic");
        let why = waiting_behind.await.expect("no panic").expect_err("nothing is written");
        assert!(matches!(why, CommitError::Store(StoreError::ReadOnly(_))), "{operation:?}: {why:?}");
    }
}

#[tokio::test]
async fn a_writer_that_panics_goes_on_and_nothing_is_lost() {
    let disk = Disk::new();
    let store = disk.store();
    let mut snapshot = show(&store, "meetup").await;
    for round in 1..4 {
        disk.panic_at_the_next_write();
        let why = reserve(&store, &snapshot, "order-1").await.expect_err("the writer panics");
        assert!(matches!(why, CommitError::Store(StoreError::ReadOnly(_))), "{why:?}");
        assert_eq!(reads(&store, &snapshot).await.0, Some(snapshot.event.clone()));
        ready_again(&store).await;
        assert_eq!(load(&store, &snapshot.event.id).await.base(), snapshot.base());
        snapshot = reserve(&store, &snapshot, &format!("round-{round}")).await.expect("the store works").0;
    }
    lists::check_indexes(&disk);
    store.close(soon()).await;
    assert_eq!(load(&disk.store(), &snapshot.event.id).await.base(), snapshot.base());
}

#[tokio::test]
async fn a_store_that_starts_on_a_full_disk_can_be_read_and_takes_writes_once_there_is_room() {
    for clean in [true, false] {
        let disk = Disk::new();
        let store = disk.store();
        let before = show(&store, "meetup").await;
        let (after, _) = reserve(&store, &before, "order-1").await.expect("a commit");
        let disk = if clean {
            store.close(soon()).await;
            disk
        } else {
            disk.after_a_crash()
        };
        disk.fail(Operation::Write, Errno::NOSPC);
        let store = disk.store();
        assert_eq!(reads(&store, &after).await, (Some(after.event.clone()), 1, 1));
        assert!(store.reservation(&first_reservation(&before), soon()).await.expect("a read").is_some());
        assert_eq!(store.create(&after.event, ids::head(), soon()).await.expect("it is there"), Creation::Existed);
        expect_read_only(&store, &after).await;

        disk.heal();
        ready_again(&store).await;
        reserve(&store, &after, "order-2").await.expect("the store works");
        lists::check_indexes(&disk);
    }
}

#[tokio::test]
async fn a_file_of_the_last_format_is_read_on_a_full_disk_and_taken_over_once_there_is_room() {
    let disk = Disk::new();
    let store = disk.store();
    let before = show(&store, "meetup").await;
    let (after, _) = reserve(&store, &before, "order-1").await.expect("a commit");
    store.close(soon()).await;
    drop(store);
    let file = redb::Database::open(disk.path()).expect("the file");
    let transaction = file.begin_write().expect("a transaction");
    transaction.delete_table(tables::OPERATIONS).expect("what was added since");
    transaction
        .open_table(redb::TableDefinition::<(), u32>::new("format"))
        .expect("a table")
        .insert((), 2)
        .expect("a row");
    transaction.commit().expect("a commit");
    drop(file);

    disk.fail(Operation::Write, Errno::NOSPC);
    let store = disk.store();
    assert_eq!(reads(&store, &after).await, (Some(after.event.clone()), 1, 1));
    expect_read_only(&store, &after).await;

    disk.heal();
    ready_again(&store).await;
    let wanted = Wanted { operations: vec![first_reservation(&before).uuid], ..Wanted::default() };
    assert!(store.facts(&after, &wanted, soon()).await.expect("facts").operations.is_empty());
    reserve(&store, &after, "order-2").await.expect("the store works");
    store.close(soon()).await;
    drop(store);
    reads(&disk.store(), &after).await;
}

#[tokio::test]
async fn a_new_store_that_finds_no_room_says_so_and_the_next_start_makes_it() {
    for operation in [Operation::Write, Operation::WriteHeader, Operation::Flush] {
        let disk = Disk::new();
        disk.fail(operation, Errno::NOSPC);
        let why = disk.try_store().err().expect("there is no room");
        assert!(matches!(why, OpenError::NotMade { .. }), "{operation:?}: {why:?}");
        assert!(why.to_string().starts_with("DATA_DIR: cannot make a new store in "), "{why}");
        disk.heal();
        show(&disk.store(), "meetup").await;
    }
}

#[tokio::test]
async fn a_store_is_closed_during_an_outage_without_touching_the_disk() {
    let disk = Disk::new();
    let store = disk.store();
    let before = show(&store, "meetup").await;
    let (after, _) = reserve(&store, &before, "order-1").await.expect("a commit");
    disk.fail(Operation::Write, Errno::NOSPC);
    reserve(&store, &after, "order-2").await.expect_err("the disk is full");
    let held = std::fs::read(disk.path()).expect("the file is there");
    // Longer than this it would only wait for the disk.
    timeout(Duration::from_secs(5), store.close(soon())).await.expect("closed soon");
    assert!(std::fs::read(disk.path()).expect("the file is there") == held, "the file is as it was");
    disk.heal();
    assert_eq!(load(&disk.store(), &after.event.id).await.base(), after.base());
}

#[tokio::test]
async fn a_disk_that_was_moved_away_sells_nothing_and_goes_on_when_it_is_put_back() {
    let disk = Disk::new();
    let store = disk.store();
    let before = show(&store, "meetup").await;
    disk.displace();
    until(|| store.condition.is_stopped()).await;
    expect_read_only(&store, &before).await;
    reads(&store, &before).await;
    let (openings, flushes, looks) = (disk.openings(), disk.flushes(), disk.looks());
    until(|| disk.looks() >= looks + 3).await;
    assert_eq!(disk.flushes(), flushes, "nothing is written to it meanwhile");
    disk.heal();
    ready_again(&store).await;
    assert_eq!(disk.openings(), openings, "it was never closed");
    reserve(&store, &before, "order-1").await.expect("the store works");
}

#[tokio::test]
async fn a_disk_that_cannot_be_read_is_read_again_when_it_can() {
    let disk = Disk::new();
    let store = disk.store();
    let before = show(&store, "meetup").await;
    // So many that an event is on another page than the root of their tree, which a state holds in memory.
    for number in 0..100 {
        show(&store, &format!("show-{number}")).await;
    }
    store.close(soon()).await;
    let store = disk.store_without_cache();
    disk.fail(Operation::Read, Errno::IO);
    let why = store.event(&before.event.id, soon()).await.expect_err("it cannot be read");
    assert!(matches!(why, StoreError::Unavailable(_)), "{why:?}");
    assert!(store.ready(soon()).await.is_err());
    disk.heal();
    ready_again(&store).await;
    assert_eq!(store.event(&before.event.id, soon()).await.expect("a read"), Some(before.event.clone()));
    reserve(&store, &before, "order-1").await.expect("the store works");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_a_reopening_interrupts_is_made_again_on_the_new_state() {
    let disk = Disk::new();
    let store = disk.store();
    let before = show(&store, "meetup").await;
    let rounds = AtomicUsize::new(0);
    let first = store.shown.view().expect("a state");
    let read = store.shown.read(|view| {
        if rounds.fetch_add(1, Ordering::SeqCst) > 0 {
            return view.state(&before.event.id);
        }
        // What a page of the old file comes to once the new one may have changed it.
        disk.fail(Operation::Write, Errno::NOSPC);
        let (decision, head) = decided(&before, "order-1");
        let failing = store.commit(&before, &decision, head, soon());
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(failing)).expect_err("a full disk");
        disk.heal();
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(ready_again(&store)));
        Err(StoreError::Unavailable("the file was opened anew meanwhile".to_owned()))
    });
    assert_eq!(read.expect("the new state is read").expect("the event").base(), before.base());
    assert!(!Arc::ptr_eq(&first, &store.shown.view().expect("a state")));
    assert!(!store.condition.is_stopped(), "nothing is wrong with the new file");
}

#[tokio::test]
async fn a_file_that_lacks_what_was_acknowledged_is_not_gone_on_with() {
    let disk = Disk::new();
    let store = disk.store();
    let before = show(&store, "meetup").await;
    let older = std::fs::read(disk.path()).expect("the file");
    let (after, reservation) = reserve(&store, &before, "order-1").await.expect("it is acknowledged");
    disk.fail(Operation::Write, Errno::NOSPC);
    reserve(&store, &after, "order-2").await.expect_err("the disk is full");

    // Somebody puts an older copy in its place, byte by byte, and makes room.
    let newer = std::fs::read(disk.path()).expect("the file");
    std::fs::write(disk.path(), &older).expect("it can be written");
    disk.heal();
    until(|| store.condition.why().contains("has lost what was acknowledged")).await;
    expect_read_only(&store, &after).await;
    assert_eq!(store.reservation(&reservation.id, soon()).await.expect("a read"), Some(reservation));

    std::fs::write(disk.path(), &newer).expect("it can be written");
    ready_again(&store).await;
    reserve(&store, &after, "order-2").await.expect("the store works");
    lists::check_indexes(&disk);
}

#[tokio::test]
async fn a_commit_that_turned_out_to_be_made_is_what_the_next_reopening_must_have() {
    let disk = Disk::new();
    let store = disk.store();
    let other = show(&store, "other").await;
    let before = show(&store, "meetup").await;
    disk.fail(Operation::Flush, Errno::IO);
    let why = reserve(&store, &before, "order-1").await.expect_err("it cannot be flushed");
    assert!(matches!(why, CommitError::Unclear(_)), "{why:?}");
    disk.heal();
    ready_again(&store).await;
    assert_eq!(load(&store, &before.event.id).await.event.version, Version(1), "the disk had it");

    disk.fail_once(Operation::Flush, Errno::IO);
    reserve(&store, &other, "order-2").await.expect("the file opened anew has both");
    ready_again(&store).await;
    lists::check_indexes(&disk);
}
