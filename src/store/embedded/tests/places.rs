//! `DATA_DIR` as operators have it: linked to, moved, deleted, shared, in the way.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::{outage::until, *};

fn open_at(path: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(path, clock())
}

fn told(path: &Path) -> String {
    open_at(path).err().expect("it cannot be opened").to_string()
}

#[tokio::test]
async fn a_directory_that_is_moved_away_is_neither_sold_into_nor_let_go_and_works_when_it_is_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let (place, elsewhere) = (dir.path().join("data"), dir.path().join("data2"));
    let store = open_at(&place).expect("a store");
    let before = show(&store, "meetup").await;

    fs::rename(&place, &elsewhere).expect("it is moved");
    until(|| store.condition.is_stopped()).await;
    assert!(store.condition.why().contains("was moved away"), "{}", store.condition.why());
    reserve(&store, &before, "order-1").await.expect_err("nothing is sold");
    assert!(store.event(&before.event.id, soon()).await.expect("a read").is_some());
    assert!(matches!(open_at(&elsewhere), Err(OpenError::InUse { .. })), "one process has it, wherever it lies");

    // Somebody makes a new one meanwhile, another server perhaps.
    let other = open_at(&place).expect("another store");
    show(&other, "matinee").await;
    until(|| store.condition.why().contains("there is another file")).await;
    assert!(store.ready(soon()).await.is_err(), "another file is not taken for the own one");
    other.close(soon()).await;

    fs::remove_dir_all(&place).expect("it is removed");
    fs::rename(&elsewhere, &place).expect("it is put back");
    outage::ready_again(&store).await;
    reserve(&store, &before, "order-1").await.expect("the store works");
    store.close(soon()).await;
    let again = open_at(&place).expect("the same store");
    assert_eq!(load(&again, &before.event.id).await.event.version, Version(1));
}

#[tokio::test]
async fn a_deleted_file_is_noticed_and_can_be_rescued() {
    let dir = tempfile::tempdir().expect("a directory");
    let (place, rescued) = (dir.path().join("data"), dir.path().join("rescued"));
    let store = open_at(&place).expect("a store");
    let before = show(&store, "meetup").await;
    let (after, _) = reserve(&store, &before, "order-1").await.expect("a commit");
    fs::remove_dir_all(&place).expect("it is removed");
    until(|| store.condition.is_stopped()).await;
    let why = store.condition.why();
    assert!(why.contains("was deleted"), "{why}");
    reserve(&store, &after, "order-2").await.expect_err("nothing is sold into nothing");
    let (_, from) = why.split_once("can be copied from ").expect("it says how");
    fs::create_dir(&rescued).expect("a directory");
    fs::copy(from.trim_end_matches(')'), rescued.join("ticketboss.redb")).expect("it can be copied");
    store.close(soon()).await;
    assert!(!place.exists(), "nothing is made in its place");
    assert_eq!(load(&open_at(&rescued).expect("a store"), &before.event.id).await.base(), after.base());
}

#[tokio::test]
async fn a_write_after_the_file_was_replaced_is_refused_even_before_anybody_looked() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("data");
    let store = open_at(&place).expect("a store");
    let before = show(&store, "meetup").await;
    fs::write(place.join("new"), "another file").expect("a file");
    fs::rename(place.join("new"), place.join("ticketboss.redb")).expect("it is replaced");
    // With work all the time, there is no idle moment to look in.
    let began = Instant::now();
    let why = loop {
        let event = Event { id: ids::event(), ..before.event.clone() };
        match store.create(&event, ids::head(), soon()).await {
            Ok(_) => assert!(began.elapsed() < Duration::from_secs(5), "it sells on into a file that nobody will find"),
            Err(why) => break why,
        }
    };
    assert!(matches!(&why, StoreError::ReadOnly(why) if why.contains("another file")), "{why:?}");
}

#[tokio::test]
async fn where_links_lead_is_what_is_opened_and_locked() {
    let dir = tempfile::tempdir().expect("a directory");
    let [place, link, linked] = ["data", "link", "linked"].map(|name| dir.path().join(name));
    symlink(&place, &link).expect("a link");
    let why = told(&link);
    assert!(why.contains("is a symbolic link to") && why.contains("which is not there"), "{why}");
    assert!(!place.exists(), "nothing is made where a link leads nowhere");

    let store = open_at(&place).expect("a store");
    fs::create_dir(&linked).expect("a directory");
    symlink(place.join("ticketboss.redb"), linked.join("ticketboss.redb")).expect("a link");
    let hard = dir.path().join("hard");
    fs::create_dir(&hard).expect("a directory");
    fs::hard_link(place.join("ticketboss.redb"), hard.join("ticketboss.redb")).expect("a hard link");
    for path in [&link, &linked, &hard, &place] {
        assert!(matches!(open_at(path), Err(OpenError::InUse { .. })), "{} is the same file", path.display());
    }
    store.close(soon()).await;
    let store = open_at(&link).expect("a store behind a link");
    show(&store, "meetup").await;

    // Another release of the data, say.
    let other = dir.path().join("other");
    open_at(&other).expect("a store").close(soon()).await;
    fs::remove_file(&link).expect("a link");
    symlink(&other, &link).expect("a link");
    until(|| store.condition.is_stopped()).await;
    assert!(store.condition.why().contains("there is another file"), "{}", store.condition.why());
    store.close(soon()).await;

    fs::remove_file(linked.join("ticketboss.redb")).expect("a link");
    symlink("nowhere", linked.join("ticketboss.redb")).expect("a link");
    assert!(told(&linked).contains("ticketboss.redb is a symbolic link to nowhere"), "{}", told(&linked));
}

#[tokio::test]
async fn what_is_in_the_way_of_a_directory_or_a_file_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "notes").expect("a file");
    let directory = dir.path().join("directory");
    fs::create_dir_all(directory.join("ticketboss.redb")).expect("a directory");
    for (path, wanted) in
        [(&file, "not a directory"), (&file.join("data"), "Not a directory"), (&directory, "is no file")]
    {
        let why = told(path);
        assert!(why.starts_with("DATA_DIR: ") && why.contains(wanted) && !why.contains('\n'), "{why}");
    }
}

#[tokio::test]
async fn whoever_else_can_reach_the_file_is_warned_of_and_nothing_is_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("data");
    open_at(&place).expect("a store").close(soon()).await;
    let file = place.join("ticketboss.redb");
    for (directory_mode, file_mode, wanted) in [
        (0o700, 0o600, None),
        (0o700, 0o644, None),
        (0o755, 0o600, None),
        (0o755, 0o644, Some("chmod 600")),
        (0o750, 0o640, Some("chmod 600")),
        (0o750, 0o604, None),
        (0o777, 0o600, Some("chmod 700")),
        (0o1777, 0o600, None),
    ] {
        for (path, mode) in [(&place, directory_mode), (&file, file_mode)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
        }
        let warning = file::exposure(&place, &file);
        match wanted {
            None => assert_eq!(warning, None, "{directory_mode:o} {file_mode:o}"),
            Some(wanted) => assert!(warning.as_ref().is_some_and(|warning| warning.contains(wanted)), "{warning:?}"),
        }
        open_at(&place).expect("a store").close(soon()).await;
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
        assert_eq!((mode(&place), mode(&file)), (directory_mode, file_mode), "it is the operator's");
    }
}
