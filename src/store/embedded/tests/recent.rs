//! A list is whole and in order wherever its rows are: recent, about to be moved, or moved.

use std::collections::BTreeMap;

use redb::{ReadableDatabase, ReadableTableMetadata};

use super::{
    super::recent::Gathering,
    disk::GENERATION_ROWS,
    lists::{check_indexes, take},
    *,
};
use crate::{
    domain::{Reservation, Status},
    store::{Place, Scope},
};

/// Events that are sold one reservation at a time, with what they were told to hold.
struct Shows {
    store: EmbeddedStore,
    at: Vec<Snapshot>,
    now: Timestamp,
    made: BTreeMap<Place, Arc<Reservation>>,
}

impl Shows {
    async fn on(disk: &Disk) -> Self {
        let store = disk.store();
        let mut at = Vec::new();
        for name in ["evening", "evening-2", "matinee"] {
            let id = EventId::parse(name).expect("an id");
            let event = Event::open(id.clone(), EventName::parse("A show").expect("a name"), 10_000, IdSalt([7; 32]));
            store.create(&event, ids::head(), soon()).await.expect("it is made");
            at.push(load(&store, &id).await);
        }
        Self { store, at, now: clock().now(), made: BTreeMap::new() }
    }

    /// Commits `commands` on one of the shows.
    async fn take(&mut self, show: usize, commands: &[Command]) {
        let before = &self.at[show];
        let after = take(&self.store, before, commands, self.now).await;
        for command in commands {
            let uuid = command.reservation_uuid(&before.event.id_salt).expect("it is about a reservation");
            let id = ReservationId { event_id: before.event.id.clone(), uuid };
            let made = self.store.reservation(&id, soon()).await.expect("a read").expect("it is there");
            self.made.insert(Place::of(&made), made);
        }
        self.at[show] = after;
        self.now += jiff::SignedDuration::from_millis(1);
    }

    async fn reserve(&mut self, show: usize, count: usize) {
        let commands: Vec<_> = (0..count).map(|_| reserving()).collect();
        self.take(show, &commands).await;
    }

    /// Cancels the one that was made as the `back`th from the last of a show, if there are as many.
    async fn cancel(&mut self, show: usize, back: usize) {
        let event_id = &self.at[show].event.id;
        let own = self.made.values().filter(|made| made.id.event_id == *event_id);
        let made = own.rev().nth(back).filter(|made| made.status == Status::Confirmed);
        if let Some(uuid) = made.map(|made| made.id.uuid) {
            self.take(show, &[command_to(Request::Cancel(uuid))]).await;
        }
    }

    /// A reservation at the first show, as it would be decided now.
    fn decided(&self) -> (Decision, Head) {
        let decision = decide(&self.at[0].event, &Facts::default(), [&reserving()], self.now).expect("a sound event");
        (decision, ids::head())
    }

    /// Takes note that it was committed.
    fn note(&mut self, decision: &Decision, head: Head) {
        self.at[0] = Snapshot { event: decision.event.clone(), head, journal: Journal::new() };
        self.made.extend(decision.reservations().map(|made| (Place::of(made), made.clone())));
        self.now += jiff::SignedDuration::from_millis(1);
    }

    fn check(&self, view: &View) {
        for snapshot in &self.at {
            let expected: Vec<_> =
                self.made.values().filter(|made| made.id.event_id == snapshot.event.id).cloned().collect();
            assert_eq!(listed(view, &of_event(&snapshot.event.id), 7), expected);
            // From its middle, too.
            if let Some(middle) = expected.get(expected.len() / 2) {
                let after = Some(Place::of(middle));
                let query = ReservationQuery { after, limit: 3, ..of_event(&snapshot.event.id) };
                let rest: Vec<_> = expected[expected.len() / 2 + 1..].iter().take(3).cloned().collect();
                assert_eq!(view.list(&query, 100, || true).expect("a list").reservations, rest);
            }
        }
    }

    fn view(&self) -> Arc<View> {
        self.store.shown.view().expect("a state")
    }
}

fn reserving() -> Command {
    let partner_id = PartnerId::parse("acme").expect("a partner");
    command_to(Request::Reserve(Reserve::any(
        ids::reservation(),
        partner_id,
        SeatCount::parse(1, 10).expect("a count"),
    )))
}

fn command_to(request: Request) -> Command {
    Command { operation: ids::operation(), expected: None, request }
}

/// A list from page to page, each of which looks at so many rows.
fn listed(view: &View, query: &ReservationQuery, rows_max: usize) -> Vec<Arc<Reservation>> {
    let mut query = query.clone();
    let mut listed = Vec::new();
    loop {
        let page = view.list(&query, rows_max, || true).expect("a page");
        listed.extend(page.reservations);
        if page.next.is_none() {
            return listed;
        }
        assert!(page.next > query.after, "it goes on behind where it began");
        query.after = page.next;
    }
}

fn of_event(id: &EventId) -> ReservationQuery {
    ReservationQuery {
        scope: Scope::Event(id.clone()),
        status: None,
        created_from: None,
        created_to: None,
        after: None,
        limit: usize::MAX,
    }
}

/// How many rows the file has among the recent ones.
fn recent_rows(database: &Database) -> u64 {
    let table = database.begin_read().expect("a state").open_table(tables::RECENT).expect("a table");
    table.len().expect("a count")
}

#[tokio::test]
async fn lists_are_whole_while_their_rows_are_moved_and_after_a_crash_at_any_of_these_moments() {
    let disk = Disk::new();
    let mut shows = Shows::on(&disk).await;
    let (mut forgotten, mut before) = (0, 0);
    for round in 0..6 * GENERATION_ROWS {
        shows.reserve(round % 3, 1).await;
        match round % 10 {
            // Of one that is recent, one that is being moved, and one that was moved long ago.
            3 => shows.cancel(round % 3, 1).await,
            5 => shows.cancel(round % 3, GENERATION_ROWS / 3).await,
            7 => shows.cancel(round % 3, GENERATION_ROWS).await,
            // Many at once go straight into the list, whether what they change is recent or not.
            9 if round % 20 == 9 => {
                shows.reserve(0, 12).await;
                let own = shows.made.values().filter(|made| made.id.event_id == shows.at[0].event.id);
                let own = own.rev().skip(8).filter(|made| made.status == Status::Confirmed).take(12);
                let cancels: Vec<_> = own.map(|made| command_to(Request::Cancel(made.id.uuid))).collect();
                shows.take(0, &cancels).await;
            }
            _ => {}
        }
        let view = shows.view();
        shows.check(&view);
        let copy = disk.copy();
        let rows = recent_rows(&copy);
        assert!(rows <= 2 * GENERATION_ROWS as u64 + 32, "{rows} recent rows");
        forgotten += i32::from(rows < before);
        before = rows;
        if round % 7 == 0 {
            // What a crash at this moment leaves.
            let damage = Arc::default();
            let gathering = Gathering::open(&copy, GENERATION_ROWS, &damage).expect("a sound file");
            shows.check(&View::of(&copy, gathering.recent().clone(), damage).expect("a state"));
        }
    }
    assert!(forgotten >= 3, "generations were moved {forgotten} times");
    check_indexes(&disk);
}

#[tokio::test]
async fn a_state_that_somebody_reads_stays_as_it_is_while_rows_are_added_and_moved() {
    let disk = Disk::new();
    let mut shows = Shows::on(&disk).await;
    let mut states = Vec::new();
    for round in 0..4 * GENERATION_ROWS {
        shows.reserve(round % 3, 1).await;
        shows.cancel(round % 3, 2).await;
        if round % 5 == 0 {
            states.push((shows.view(), shows.made.clone()));
        }
    }
    for (view, made) in states {
        shows.made = made;
        shows.check(&view);
    }
}

#[tokio::test]
async fn a_file_that_is_opened_has_the_same_lists_and_goes_on_moving_their_rows() {
    let disk = Disk::new();
    let mut shows = Shows::on(&disk).await;
    for round in 0..GENERATION_ROWS + 7 {
        shows.reserve(round % 3, 1).await;
        shows.cancel(round % 3, 4).await;
    }
    let left = recent_rows(&disk.copy());
    assert!(left > 0);
    shows.store.close(soon()).await;
    shows.store = disk.store();
    shows.check(&shows.view());
    let mut least = left;
    for round in 0..3 * GENERATION_ROWS {
        shows.reserve(round % 3, 1).await;
        shows.cancel(round % 3, 4).await;
        shows.check(&shows.view());
        least = least.min(recent_rows(&disk.copy()));
    }
    assert!(least < left, "what was left at the start is moved");
}

#[tokio::test]
async fn whichever_disk_operation_fails_while_rows_are_moved_the_lists_are_whole() {
    let mut failed = 0;
    for allowed in 0.. {
        let disk = Disk::new();
        let mut shows = Shows::on(&disk).await;
        // Each commit after the first generation moves two of its rows, and the next commits the last of them.
        for round in 0..GENERATION_ROWS + GENERATION_ROWS / 2 - 3 {
            shows.reserve(round % 3, 1).await;
        }
        let mut went_on = 0;
        disk.fail_after(allowed);
        for _ in 0..4 {
            let (decision, head) = shows.decided();
            if shows.store.commit(&shows.at[0], &decision, head, soon()).await.is_err() {
                break;
            }
            shows.note(&decision, head);
            went_on += 1;
        }
        disk.heal();
        if went_on == 4 {
            assert!(recent_rows(&disk.copy()) < GENERATION_ROWS as u64, "the first generation is forgotten");
            break;
        }
        failed += 1;
        ready_again(&shows.store).await;
        let id = shows.at[0].event.id.clone();
        let after = load(&shows.store, &id).await;
        if after.event.version != shows.at[0].event.version {
            // It was written although nobody was told.
            let listed = listed(&shows.view(), &of_event(&id), 100);
            let last = listed.last().expect("a reservation").clone();
            assert_eq!(last.created_version, after.event.version);
            shows.made.insert(Place::of(&last), last);
        }
        shows.at[0] = after;
        shows.check(&shows.view());
        check_indexes(&disk);
        shows.reserve(0, 1).await;
        shows.check(&shows.view());
    }
    assert!(failed > 4, "{failed} failures");
}
