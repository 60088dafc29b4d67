//! What only the embedded store promises; the rest of its contract is in `tests/conformance`.

use std::{fs, time::Duration};

use redb::Database;
use tempfile::TempDir;

use self::{disk::Disk, outage::ready_again};
use super::*;
use crate::{
    clock::ManualClock,
    domain::{
        Command, EventName, IdSalt, IdempotencyKey, OperationId, PartnerId, Request, Reserve, SeatCount, Version,
        decide,
    },
    ids,
};

mod damage;
mod disk;
mod lists;
mod outage;
mod places;
mod recent;

#[tokio::test]
async fn a_second_store_in_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = open(&dir).expect("the first store opens");
    let why = open(&dir).err().expect("the second does not");
    assert!(matches!(why, OpenError::InUse { .. }), "{why:?}");
    assert!(why.to_string().contains("DATA_DIR") && why.to_string().contains("in use by another process"), "{why}");

    first.close(soon()).await;
    open(&dir).expect("once the first is closed, another may open");
}

#[tokio::test]
async fn everything_is_as_it_was_after_closing_and_opening() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir).expect("a store");
    let before = show(&store, "meetup").await;
    let (after, reservation) = reserve(&store, &before, "order-1").await.expect("a commit");
    store.close(soon()).await;

    let store = open(&dir).expect("the same store");
    let loaded = load(&store, &after.event.id).await;
    assert_eq!((loaded.event, loaded.head), (after.event, after.head));
    assert_eq!(store.reservation(&reservation.id, soon()).await.expect("a read"), Some(reservation));
}

#[tokio::test]
async fn a_closed_store_takes_and_tells_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir).expect("a store");
    let snapshot = show(&store, "meetup").await;
    store.close(soon()).await;
    assert!(store.ready(soon()).await.is_err());
    assert!(store.event(&snapshot.event.id, soon()).await.is_err());
    let why = reserve(&store, &snapshot, "order-1").await.expect_err("nobody writes");
    assert!(matches!(why, CommitError::Store(_)), "{why:?}");
}

#[tokio::test]
async fn a_damaged_or_foreign_file_is_refused_in_words() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("ticketboss.redb"), "these are the notes of somebody else").expect("a file");
    let why = open(&dir).err().expect("no database");
    assert!(matches!(why, OpenError::Damaged { .. }), "{why:?}");
    assert!(why.to_string().starts_with("DATA_DIR: "), "{why}");

    let file = dir.path().join("a-file");
    fs::write(&file, "").expect("a file");
    let why = EmbeddedStore::open(&file.join("data"), clock()).err().expect("no directory can be made in a file");
    assert!(matches!(why, OpenError::Inaccessible { .. }), "{why:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_look_into_a_new_directory() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let data_dir = dir.path().join("deep/data");
    EmbeddedStore::open(&data_dir, clock()).expect("a store");
    for (path, mode) in [(data_dir.clone(), 0o700), (data_dir.join("ticketboss.redb"), 0o600)] {
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, mode, "{}", path.display());
    }
}

#[tokio::test]
async fn a_document_of_another_format_is_not_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir).expect("a store");
    let snapshot = show(&store, "meetup").await;
    store.close(soon()).await;
    let document = br#"{"format":7,"name":"A show"}"#.as_slice();
    edit(&dir, |file| drop(file.open_table(tables::EVENTS).expect("a table").insert("meetup", document)));

    let store = open(&dir).expect("a store");
    let why = store.load(&snapshot.event.id, soon()).await.expect_err("format 7 is not known");
    assert!(
        matches!(&why, StoreError::Unreadable(line) if line.contains("meetup") && line.contains("format 7")),
        "{why}"
    );
}

#[tokio::test]
async fn a_state_of_another_format_is_neither_read_nor_written_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir).expect("a store");
    let snapshot = show(&store, "meetup").await;
    store.close(soon()).await;
    let mut row = snapshot_row(&snapshot);
    row[3] = 7;
    edit(&dir, |file| drop(file.open_table(tables::STATES).expect("a table").insert("meetup", row.as_slice())));

    let store = open(&dir).expect("a store");
    let why = store.load(&snapshot.event.id, soon()).await.expect_err("format 7 is not known");
    assert!(
        matches!(&why, StoreError::Unreadable(line) if line.contains("meetup") && line.contains("format 7")),
        "{why}"
    );
    let why = reserve(&store, &snapshot, "order-1").await.expect_err("nor is anything written over it");
    assert!(matches!(why, CommitError::Store(StoreError::Unreadable(_))), "{why:?}");
}

#[tokio::test]
async fn a_file_of_another_format_is_refused_and_left_as_it_is() {
    use redb::TableDefinition;

    let dir = tempfile::tempdir().expect("a directory");
    open(&dir).expect("a store").close(soon()).await;
    edit(&dir, |file| {
        let mut table = file.open_table(TableDefinition::<(), u32>::new("format")).expect("a table");
        table.insert((), tables::FILE_FORMAT + 1).expect("a row");
    });
    let why = open(&dir).err().expect("a newer one");
    assert!(matches!(why, OpenError::Outdated { found } if found == tables::FILE_FORMAT + 1), "{why:?}");
    assert!(why.to_string().starts_with("DATA_DIR: "), "{why}");

    let dir = tempfile::tempdir().expect("a directory");
    edit(&dir, |file| drop(file.open_table(TableDefinition::<&str, &[u8]>::new("events")).expect("a table")));
    let why = open(&dir).err().expect("one from before files told their format");
    assert!(matches!(why, OpenError::Outdated { found: 1 }), "{why:?}");
    edit(&dir, |file| assert_eq!(file.list_tables().expect("tables").count(), 1, "nothing was made in it"));
}

#[tokio::test]
async fn a_file_from_before_operations_had_records_is_taken_over_with_all_that_it_holds() {
    use redb::TableDefinition;

    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir).expect("a store");
    let before = show(&store, "meetup").await;
    let (after, reservation) = reserve(&store, &before, "order-1").await.expect("a commit");
    store.close(soon()).await;
    // As the last version without them left it.
    edit(&dir, |file| {
        assert!(file.delete_table(tables::OPERATIONS).expect("a table"), "there was one");
        file.open_table(TableDefinition::<(), u32>::new("format")).expect("a table").insert((), 2).expect("a row");
    });
    for _ in 0..2 {
        let store = open(&dir).expect("an older file can be used");
        assert_eq!(load(&store, &after.event.id).await.event, after.event);
        assert_eq!(store.reservation(&reservation.id, soon()).await.expect("a read").as_ref(), Some(&reservation));
        let unknown = Wanted { operations: vec![ids::reservation()], ..Wanted::default() };
        assert_eq!(store.facts(&after, &unknown, soon()).await.expect("facts"), Facts::default());
        store.close(soon()).await;
    }
}

#[tokio::test]
async fn left_behind_reservations_are_noticed_without_touching_anything() {
    let dir = tempfile::tempdir().expect("a directory");
    let data_dir = dir.path().join("data");
    assert!(!may_hold_reservations(&data_dir));
    assert!(!data_dir.exists(), "looking makes nothing");

    let store = EmbeddedStore::open(&data_dir, clock()).expect("a store");
    let snapshot = show(&store, "meetup").await;
    assert!(may_hold_reservations(&data_dir), "a file in use may hold some");
    store.close(soon()).await;
    assert!(!may_hold_reservations(&data_dir), "there is an event and no reservation");

    let store = EmbeddedStore::open(&data_dir, clock()).expect("a store");
    reserve(&store, &snapshot, "order-1").await.expect("a commit");
    store.close(soon()).await;
    assert!(may_hold_reservations(&data_dir));
}

#[tokio::test]
async fn whichever_disk_operation_fails_a_commit_is_there_whole_or_not_at_all_and_the_store_recovers() {
    let (mut undone, mut unclear) = (0, 0);
    for allowed in 0.. {
        let disk = Disk::new();
        let store = disk.store();
        let before = show(&store, "meetup").await;
        disk.fail_after(allowed);
        let outcome = reserve(&store, &before, "order-1").await;
        let Err(why) = outcome else { break };
        let definite = match why {
            CommitError::Store(StoreError::ReadOnly(_)) => true,
            CommitError::Unclear(_) => false,
            other => panic!("after {allowed} operations: {other:?}"),
        };
        assert!(store.ready(soon()).await.is_err(), "not ready after {allowed} operations");
        let shown = store.event(&before.event.id, soon()).await.expect("a read").expect("the event");
        assert_eq!(shown, before.event, "after {allowed} operations");

        disk.heal();
        ready_again(&store).await;
        let after = load(&store, &before.event.id).await;
        let id = first_reservation(&before);
        let reservation = store.reservation(&id, soon()).await.expect("a read");
        lists::check_indexes(&disk);
        let applied = after.event.version == Version(1);
        assert_eq!(applied, reservation.is_some(), "the event and its reservation go together");
        assert!(!(definite && applied), "an outcome that was called definite, after {allowed} operations");
        if definite {
            undone += 1;
        } else {
            unclear += 1;
        }
        reserve(&store, &after, "order-2").await.expect("the store works again");
    }
    assert!(undone + unclear > 2 && unclear > 0, "{undone} undone and {unclear} unclear outcomes");
}

#[tokio::test]
async fn a_file_that_vanished_is_not_replaced_by_an_empty_one() {
    let disk = Disk::new();
    let store = disk.store();
    let snapshot = show(&store, "meetup").await;
    disk.fail_after(0);
    reserve(&store, &snapshot, "order-1").await.expect_err("the disk fails");
    disk.empty();
    let (openings, tries) = (disk.openings(), disk.tries());
    disk.heal();
    // The one before the last is over, and was on a disk that works.
    outage::until(|| disk.tries() >= tries + 3).await;
    assert!(store.ready(soon()).await.is_err(), "an empty file is not an empty store");
    assert_eq!(disk.openings(), openings, "redb would make a store of it");
}

#[tokio::test]
async fn nothing_is_shown_before_the_disk_has_it_and_everything_before_it_is_acknowledged() {
    let disk = Disk::new();
    let store = Arc::new(disk.store());
    let before = show(&store, "meetup").await;
    let id = first_reservation(&before);

    disk.hold();
    let committing = in_background(&store, &before);
    disk.held().await;
    assert_eq!(store.event(&before.event.id, soon()).await.expect("a read").expect("the event"), before.event);
    assert_eq!(store.reservation(&id, soon()).await.expect("a read"), None);
    assert!(store.prove(&before.event.id, before.base(), soon()).await.expect("a proof"));

    disk.release();
    let after = committing.await.expect("no panic").expect("a commit").0;
    assert_eq!(store.event(&before.event.id, soon()).await.expect("a read").expect("the event"), after.event);
    assert!(store.reservation(&id, soon()).await.expect("a read").is_some());
}

#[tokio::test]
async fn a_commit_that_outlasts_its_deadline_is_unclear_and_may_land() {
    let disk = Disk::new();
    let store = Arc::new(disk.store());
    let before = show(&store, "meetup").await;
    disk.hold();
    // Long enough for the writer to begin, or it would rightly leave the commit undone.
    let deadline = Instant::now() + Duration::from_millis(200);
    let (decision, head) = decided(&before, "order-1");
    let why = store.commit(&before, &decision, head, deadline).await.expect_err("the disk is slow");
    assert!(matches!(why, CommitError::Unclear(_)), "{why:?}");

    disk.release();
    let why = reserve(&store, &before, "order-2").await.expect_err("it has landed meanwhile");
    assert!(matches!(why, CommitError::Conflict), "{why:?}");
    assert_eq!(load(&store, &before.event.id).await.head, head);
}

#[tokio::test]
async fn a_commit_that_waited_past_its_deadline_is_left_undone() {
    let disk = Disk::new();
    let store = Arc::new(disk.store());
    let [one, other] = [show(&store, "matinee").await, show(&store, "evening").await];
    disk.hold();
    let first = in_background(&store, &one);
    disk.held().await;
    let (decision, head) = decided(&other, "order-1");
    let outcome = store.commit(&other, &decision, head, Instant::now() + Duration::from_millis(1)).await;
    // The caller cannot know that the writer never began.
    assert!(matches!(outcome, Err(CommitError::Unclear(_))), "{outcome:?}");
    disk.release();
    first.await.expect("no panic").expect("the commit before it");
    reserve(&store, &other, "order-2").await.expect("its event is where it was");
}

#[tokio::test]
async fn commits_that_gather_share_one_flush() {
    const EVENTS: usize = 20;
    let disk = Disk::new();
    let store = Arc::new(disk.store());
    let mut snapshots = Vec::new();
    for number in 0..=EVENTS {
        snapshots.push(show(&store, &format!("show-{number}")).await);
    }
    disk.hold();
    let first = in_background(&store, &snapshots[0]);
    disk.held().await;
    let flushes = disk.flushes();
    let gathered: Vec<_> = snapshots[1..].iter().map(|snapshot| in_background(&store, snapshot)).collect();
    waiting(&store, EVENTS).await;

    disk.release();
    first.await.expect("no panic").expect("the first commit");
    for commit in gathered {
        commit.await.expect("no panic").expect("a gathered commit");
    }
    assert_eq!(disk.flushes() - flushes, 1, "flushes for {EVENTS} commits");
}

#[tokio::test]
async fn writes_on_one_event_that_gather_see_each_other() {
    let disk = Disk::new();
    let store = Arc::new(disk.store());
    let [first, before] = [show(&store, "matinee").await, show(&store, "evening").await];
    let (one, one_head) = decided(&before, "order-1");
    let between = Snapshot { event: one.event.clone(), head: one_head, journal: Journal::new() };
    let reservation = one.reservations().next().expect("a reservation").clone();
    let cancel = Command { operation: ids::operation(), expected: None, request: Request::Cancel(reservation.id.uuid) };
    let facts = Facts { reservations: [(reservation.id.uuid, reservation)].into(), ..Facts::default() };
    let other = decide(&between.event, &facts, [&cancel], clock().now()).expect("a sound event");
    let other_head = ids::head();
    let (stale, stale_head) = decided(&before, "order-3");

    disk.hold();
    let holding = in_background(&store, &first);
    disk.held().await;
    let mut gathered = Vec::new();
    for (base, decision, head) in
        [(&before, one, one_head), (&between, other, other_head), (&before, stale, stale_head)]
    {
        let (store, base) = (store.clone(), base.clone());
        let committing = {
            let store = store.clone();
            tokio::spawn(async move { store.commit(&base, &decision, head, soon()).await.map(drop) })
        };
        gathered.push(committing);
        waiting(&store, gathered.len()).await;
    }
    let flushes = disk.flushes();
    disk.release();
    holding.await.expect("no panic").expect("the commit before them");
    let mut outcomes = Vec::new();
    for committing in gathered {
        outcomes.push(committing.await.expect("no panic"));
    }
    assert!(matches!(outcomes[..], [Ok(()), Ok(()), Err(CommitError::Conflict)]), "{outcomes:?}");
    assert_eq!(disk.flushes() - flushes, 1, "in one transaction");
    assert_eq!(load(&store, &before.event.id).await.head, other_head);
    lists::check_indexes(&disk);
}

#[tokio::test]
async fn closing_waits_for_what_was_handed_over() {
    let disk = Disk::new();
    let store = Arc::new(disk.store());
    let snapshots = [show(&store, "matinee").await, show(&store, "evening").await];
    disk.hold();
    let first = in_background(&store, &snapshots[0]);
    disk.held().await;
    let second = in_background(&store, &snapshots[1]);
    waiting(&store, 1).await;
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close(soon()).await }
    });
    waiting(&store, 2).await;
    disk.release();
    closing.await.expect("no panic");
    first.await.expect("no panic").expect("the first commit");
    second.await.expect("no panic").expect("the second commit");

    let again = disk.store();
    for snapshot in &snapshots {
        assert_eq!(load(&again, &snapshot.event.id).await.event.version, Version(1));
    }
}

/// Changes the file of a store that is closed, past everything that guards it.
fn edit(dir: &TempDir, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::create(dir.path().join("ticketboss.redb")).expect("a database");
    let transaction = database.begin_write().expect("a transaction");
    change(&transaction);
    transaction.commit().expect("it is written");
}

fn snapshot_row(snapshot: &Snapshot) -> state::StateRow {
    state::State::of(&snapshot.event, snapshot.head).row()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Timestamp::from_millisecond(1_763_700_000_123).expect("a time")))
}

fn open(dir: &TempDir) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(dir.path(), clock())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Makes an event of ten seats. Its salt is fixed, so the uuids of keyed reservations are known beforehand.
async fn show(store: &EmbeddedStore, id: &str) -> Snapshot {
    let id = EventId::parse(id).expect("an id");
    let event = Event::open(id.clone(), EventName::parse("A show").expect("a name"), 10, IdSalt([7; 32]));
    assert_eq!(store.create(&event, ids::head(), soon()).await.expect("it is made"), Creation::Created);
    load(store, &id).await
}

async fn load(store: &EmbeddedStore, id: &EventId) -> Snapshot {
    store.load(id, soon()).await.expect("a read").expect("the event is there")
}

fn command(key: &str) -> Command {
    let partner_id = PartnerId::parse("acme").expect("a partner");
    let reserve = Reserve::any(ids::reservation(), partner_id, SeatCount::parse(2, 10).expect("a count"));
    let key = IdempotencyKey::parse(key).expect("a key");
    Command { operation: OperationId::Key(key), expected: None, request: Request::Reserve(reserve) }
}

/// The id that the reservation under the key `order-1` gets.
fn first_reservation(snapshot: &Snapshot) -> ReservationId {
    let uuid = command("order-1").reservation_uuid(&snapshot.event.id_salt).expect("it is about a reservation");
    ReservationId { event_id: snapshot.event.id.clone(), uuid }
}

/// A reservation of two seats decided on `snapshot`.
fn decided(snapshot: &Snapshot, key: &str) -> (Decision, Head) {
    let decision = decide(&snapshot.event, &Facts::default(), [&command(key)], clock().now()).expect("a sound event");
    (decision, ids::head())
}

async fn reserve(
    store: &EmbeddedStore,
    snapshot: &Snapshot,
    key: &str,
) -> Result<(Snapshot, Arc<Reservation>), CommitError> {
    let (decision, head) = decided(snapshot, key);
    let after = store.commit(snapshot, &decision, head, soon()).await?;
    Ok((after, decision.reservations().next().expect("a reservation").clone()))
}

fn in_background(
    store: &Arc<EmbeddedStore>,
    snapshot: &Snapshot,
) -> tokio::task::JoinHandle<Result<(Snapshot, Arc<Reservation>), CommitError>> {
    let (store, snapshot) = (store.clone(), snapshot.clone());
    tokio::spawn(async move { reserve(&store, &snapshot, "order-1").await })
}

/// Returns once `count` pieces of work wait for the writer.
async fn waiting(store: &EmbeddedStore, count: usize) {
    while INBOX_MAX - store.writer.capacity() < count {
        tokio::task::yield_now().await;
    }
}
