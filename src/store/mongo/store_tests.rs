//! Facts and lists on a real server, with whatever part of the journal settled, against a model that simply remembers
//! every reservation.

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        Command, EventName, HoldSeconds, PartnerId, Quotas, Request, Reserve, SeatCount, Status, Undecided, decide,
        facts_needed,
    },
    store::{Place, Scope},
};

const SEEDS: u64 = 3;
const STEPS: usize = 60;
const PARTNERS: [&str; 3] = ["acme", "globex", "initech"];

struct Play {
    store: MongoStore,
    random: StdRng,
    snapshot: Snapshot,
    known: HashMap<Uuid, Arc<Reservation>>,
    now: Timestamp,
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_and_lists_are_the_same_however_much_is_settled() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("play"));
    for seed in 0..SEEDS {
        let mut play = Play::begin(&uri, seed).await;
        for step in 0..STEPS {
            play.commit().await;
            play.settle_some().await;
            let what = format!("seed {seed}, step {step}, version {}", play.snapshot.event.version);
            play.check_facts(&what).await;
            play.check_lists(&what).await;
        }
        play.check_due().await;
        play.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_whose_successor_left_the_journal_first_is_not_believed() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("outlived"));
    let mut play = Play::begin(&uri, 0).await;
    let partner = PartnerId::parse("acme").expect("a partner");
    let waits = |seats| {
        let seats = SeatCount::parse(seats, 12).expect("a count");
        let reserve = Reserve { waitlist: true, ..Reserve::any(ids::reservation(), partner.clone(), seats) };
        Command { operation: ids::operation(), expected: None, request: Request::Reserve(reserve) }
    };
    let made = [waits(12), waits(1), waits(2), waits(3)];
    let uuids = made.each_ref().map(|command| command.reservation_uuid(&play.snapshot.event.id_salt).expect("a uuid"));
    play.commit_all(&made).await;
    let older = play.store.journals.take_queue();
    let cancel = Command { operation: ids::operation(), expected: None, request: Request::Cancel(uuids[1]) };
    play.commit_all(&[cancel]).await;
    play.store.settler.settle_queue().await.expect("settled");
    play.store.settler.trim(Instant::now()).await;
    let event_id = play.snapshot.event.id.clone();
    play.snapshot = play.store.load(&event_id, soon()).await.expect("loaded").expect("it is there");
    assert_eq!(play.snapshot.journal.versions().count(), 1, "only the older state is left in the journal");

    let wanted = Wanted { waitlist: 1, partners: vec![partner.clone()], ..Wanted::default() };
    let facts = play.store.facts(&play.snapshot, &wanted, soon()).await.expect("facts");
    let listed = |reservations: &[Arc<Reservation>]| -> Vec<_> {
        reservations.iter().map(|reservation| reservation.id.uuid).collect()
    };
    assert_eq!(listed(&facts.waitlist), [uuids[2]]);
    assert_eq!(listed(&facts.partners[&partner]), [uuids[0], uuids[2], uuids[3]]);
    let query = ReservationQuery {
        scope: Scope::Event(event_id),
        status: Some(Status::Waitlisted),
        created_from: None,
        created_to: None,
        after: None,
        limit: 5,
    };
    let found = play.store.reservations(&query, 100, soon()).await.expect("listed").reservations;
    assert_eq!(listed(&found), [uuids[2], uuids[3]]);
    let joined = [found[1].created_version];
    let positions = play.store.waitlist_positions(&found[1].id.event_id, &joined, 100, soon()).await;
    assert_eq!(positions.expect("counted"), Some(vec![2]));

    play.store.journals.put_back(older);
    play.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_nothing_before_which_something_is_still_to_come() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("followed"));
    let mut play = Play::begin(&uri, 0).await;
    let partner = PartnerId::parse("acme").expect("a partner");
    let seats = SeatCount::parse(1, 12).expect("a count");
    let reserve = Reserve::any(ids::reservation(), partner.clone(), seats);
    let command = Command { operation: ids::operation(), expected: None, request: Request::Reserve(reserve) };
    play.commit_all(&[command]).await;
    let first = play.known.values().next().expect("one was made");
    // The reader has read the journal. Then two more are committed, and of these the second is settled first.
    let mut last = Reservation::clone(first);
    last.id.uuid = ids::reservation();
    (last.version, last.created_version) = (Version(3), Version(3));
    let raw = documents::ReservationDocument::raw(&last).expect("a document");
    let mut rows = RawArrayBuf::new();
    rows.push(raw);
    let insert = rawdoc! { "insert": schema::RESERVATIONS, "documents": rows };
    play.store.deployment.write(insert, soon()).await.expect("inserted");

    let event_id = play.snapshot.event.id.clone();
    for scope in [Scope::Event(event_id.clone()), Scope::PartnerOfEvent(partner.clone(), event_id)] {
        let everything =
            ReservationQuery { scope, status: None, created_from: None, created_to: None, after: None, limit: 5 };
        let confirmed = ReservationQuery { status: Some(Status::Confirmed), ..everything.clone() };
        // However far the list is searched.
        for (query, rows_max) in [(&everything, 1_000), (&confirmed, 1_000), (&confirmed, 2), (&confirmed, 1)] {
            let page = play.store.reservations(query, rows_max, soon()).await.expect("listed");
            let versions: Vec<_> = page.reservations.iter().map(|found| found.created_version.0).collect();
            assert_eq!(versions, [1], "whoever goes on from version 3 never sees version 2");
            assert!(page.next.is_none_or(|next| next.created_version <= Version(1)), "that is where the list goes on");
        }
    }
    play.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_hold_when_what_was_counted_has_left_the_journal() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("counted"));
    let mut play = Play::begin(&uri, 0).await;
    let commands: Vec<_> = (0..3).map(|_| play.command()).collect();
    play.commit_all(&commands).await;
    let event_id = play.snapshot.event.id.clone();
    play.snapshot = play.store.load(&event_id, soon()).await.expect("loaded").expect("it is there");
    assert_eq!((play.snapshot.journal.entry_count(), play.snapshot.journal.entries()), (3, None), "a load only counts");
    play.check_facts("while the entries are in the journal").await;
    play.store.settler.settle_queue().await.expect("settled");
    play.store.settler.trim(Instant::now()).await;
    play.check_facts("after they have left it").await;

    let superseded = play.snapshot.clone();
    let command = play.command();
    play.commit_all(&[command]).await;
    let wanted = Wanted { reservations: vec![Uuid::from_u128(1)], ..Wanted::default() };
    let facts = play.store.facts(&superseded, &wanted, soon()).await;
    assert!(matches!(facts, Err(FactsError::Stale)), "{facts:?}: there is no such journal any more");
    play.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_were_only_counted_fill_the_journal_too() {
    let uri = mongod::shared::one_node().await.uri(&mongod::shared::unique_db("full"));
    let mut play = Play::begin(&uri, 0).await;
    let command = play.command();
    let decision = play.decide(&[command]).await;
    let full = i64::try_from(commit::JOURNAL_ENTRIES_MAX).expect("a small number");
    play.fix(rawdoc! { "q": { "_id": "play-0" }, "u": { "$set": { "journal": { "0": { "entries": full } } } } }).await;
    play.snapshot = play.store.load(&play.snapshot.event.id, soon()).await.expect("loaded").expect("it is there");
    let refused = play.store.commit(&play.snapshot, &decision, ids::head(), soon()).await;
    assert!(
        matches!(&refused, Err(CommitError::Store(StoreError::Unavailable(why))) if why.contains("full")),
        "{refused:?}"
    );

    play.fix(rawdoc! { "q": { "_id": "play-0" }, "u": { "$set": { "journal": {} } } }).await;
    play.close().await;
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

impl Play {
    async fn begin(uri: &str, seed: u64) -> Self {
        // Nothing is settled or trimmed but by the test.
        let store = MongoStore::idle(uri).await.expect("a good connection string");
        let id = EventId::parse(&format!("play-{seed}")).expect("an id");
        let mut event = Event::open(id, EventName::parse("A play").expect("a name"), 12, ids::id_salt());
        event.quotas = Quotas { seats_per_partner_max: NonZeroU32::new(40), ..Quotas::default() };
        store.create(&event, ids::head(), soon()).await.expect("created");
        let snapshot = store.load(&event.id, soon()).await.expect("loaded").expect("it is there");
        assert_eq!(snapshot.event, event);
        let now = store.now(soon()).await.expect("the primary tells");
        Self { store, random: StdRng::seed_from_u64(seed), snapshot, known: HashMap::new(), now }
    }

    /// Changes the event's document by hand.
    async fn fix(&self, statement: bson::RawDocumentBuf) {
        let mut updates = RawArrayBuf::new();
        updates.push(statement);
        let reply = self.store.deployment.write(rawdoc! { "update": EVENTS, "updates": updates }, soon()).await;
        assert_eq!(reply.expect("written").get_i32("n").expect("a count"), 1);
    }

    async fn close(self) {
        self.store.settler.settle_queue().await.expect("settled");
        self.store.close(soon()).await;
        assert!(self.store.journals.is_done(), "the journal was left behind");
    }

    fn command(&mut self) -> Command {
        let active: Vec<Uuid> =
            self.known.values().filter(|known| known.status.is_active()).map(|known| known.id.uuid).collect();
        let request = match (self.random.random_range(0..10), active.choose(&mut self.random)) {
            (0..3, Some(uuid)) => Request::Cancel(*uuid),
            (3, Some(uuid)) => Request::Confirm(*uuid),
            _ => {
                let partner = PARTNERS.choose(&mut self.random).expect("some");
                let seats = SeatCount::parse(self.random.random_range(1..4), 4).expect("a count");
                let any = Reserve::any(ids::reservation(), PartnerId::parse(partner).expect("a partner"), seats);
                let hold = self.random.random_bool(0.5).then(|| self.random.random_range(1..4));
                let hold = hold.map(|seconds| HoldSeconds::parse(seconds, 4).expect("a hold"));
                Request::Reserve(Reserve { waitlist: true, hold, ..any })
            }
        };
        Command { operation: ids::operation(), expected: None, request }
    }

    /// Decides some commands as the service would, a moment later than before.
    async fn commit(&mut self) {
        self.now += jiff::SignedDuration::from_millis(self.random.random_range(0..700));
        let commands: Vec<_> = (0..self.random.random_range(0..6)).map(|_| self.command()).collect();
        self.commit_all(&commands).await;
        let loaded = self.store.load(&self.snapshot.event.id, soon()).await.expect("loaded").expect("it is there");
        assert_eq!((&loaded.event, loaded.head), (&self.snapshot.event, self.snapshot.head));
        if self.random.random_bool(0.3) {
            self.snapshot = loaded;
        }
    }

    async fn decide(&self, commands: &[Command]) -> Decision {
        let mut wanted = facts_needed(&self.snapshot.event, commands, self.now, true);
        loop {
            let facts = self.store.facts(&self.snapshot, &wanted, soon()).await.expect("facts");
            match decide(&self.snapshot.event, &facts, commands, self.now) {
                Ok(decision) => return decision,
                Err(Undecided::Missing(missing)) => wanted.extend(missing),
                Err(broken) => panic!("{broken}"),
            }
        }
    }

    async fn commit_all(&mut self, commands: &[Command]) {
        let decision = self.decide(commands).await;
        self.snapshot = self.store.commit(&self.snapshot, &decision, ids::head(), soon()).await.expect("committed");
        let after = decision.reservations().map(|reservation| (reservation.id.uuid, reservation.clone()));
        self.known.extend(after);
    }

    /// Settles some of the commits, in any order, and now and then takes what is settled out of the event.
    async fn settle_some(&mut self) {
        let queue = self.store.journals.take_queue();
        let (now, later): (Vec<_>, Vec<_>) = queue.into_iter().partition(|_| self.random.random_bool(0.3));
        self.store.journals.put_back(now);
        self.store.settler.settle_queue().await.expect("settled");
        self.store.journals.put_back(later);
        if self.random.random_bool(0.1) {
            self.store.settler.trim(Instant::now()).await;
        }
    }

    fn sorted<K: Ord>(
        &self,
        belongs: impl Fn(&Reservation) -> bool,
        key: impl Fn(&Reservation) -> K,
    ) -> Vec<Arc<Reservation>> {
        let mut sorted: Vec<_> = self.known.values().filter(|known| belongs(known)).cloned().collect();
        sorted.sort_by_key(|known| key(known));
        sorted
    }

    async fn check_facts(&mut self, what: &str) {
        let count = self.random.random_range(0..12);
        let named: Vec<_> = self.known.keys().copied().take(count).chain([Uuid::from_u128(1)]).collect();
        let partners = ["acme", "globex", "nobody"].map(|partner| PartnerId::parse(partner).expect("a partner"));
        let wanted = Wanted {
            reservations: named.clone(),
            waitlist: count,
            holds: count,
            partners: partners.to_vec(),
            ..Wanted::default()
        };
        let facts = self.store.facts(&self.snapshot, &wanted, soon()).await.expect(what);

        let named = named.iter().filter_map(|uuid| Some((*uuid, self.known.get(uuid)?.clone()))).collect();
        assert_eq!(facts.reservations, named, "{what}");
        let mut waitlist = self.sorted(|known| known.status == Status::Waitlisted, |known| known.created_version);
        waitlist.truncate(count);
        assert_eq!(facts.waitlist, waitlist, "{what}");
        let mut holds =
            self.sorted(|known| known.status == Status::Held, |known| (known.expires_at, known.created_version));
        holds.truncate(count);
        assert_eq!(facts.holds, holds, "{what}");
        for partner in partners {
            let active = self
                .sorted(|known| known.partner_id == partner && known.status.is_active(), |known| known.created_version);
            assert_eq!(facts.partners[&partner], active, "{what}");
        }
        assert_eq!(facts.partners.len(), 3, "{what}");
    }

    async fn check_lists(&mut self, what: &str) {
        let waitlist = self.sorted(|known| known.status == Status::Waitlisted, |known| known.created_version);
        let some: Vec<_> = (1..).zip(&waitlist).filter(|_| self.random.random_bool(0.5)).collect();
        let joined: Vec<_> = some.iter().map(|(_, waiting)| waiting.created_version).collect();
        let positions =
            self.store.waitlist_positions(&self.snapshot.event.id, &joined, 1_000, soon()).await.expect(what);
        assert_eq!(positions, Some(some.iter().map(|(place, _)| *place).collect::<Vec<u32>>()), "{what}");
        let event_id = self.snapshot.event.id.clone();
        let partner = PartnerId::parse("acme").expect("a partner");
        for scope in [Scope::Event(event_id.clone()), Scope::PartnerOfEvent(partner, event_id)] {
            let status = [None, Some(Status::Waitlisted), Some(Status::Held), Some(Status::Confirmed)];
            let mut query = ReservationQuery {
                scope,
                status: *status.choose(&mut self.random).expect("some"),
                created_from: None,
                created_to: self.random.random_bool(0.3).then_some(self.now),
                after: None,
                limit: self.random.random_range(2..10),
            };
            let expected = self.sorted(|known| query.matches(known), Place::of);
            let mut found = Vec::new();
            loop {
                let rows_max = self.random.random_range(1..12);
                let page = self.store.reservations(&query, rows_max, soon()).await.expect(what);
                assert!(page.reservations.len() <= query.limit, "{what}");
                found.extend(page.reservations);
                if page.next.is_none() {
                    break;
                }
                assert!(page.next > query.after, "{what}: it goes on behind where it began");
                query.after = page.next;
            }
            assert_eq!(found, expected, "{what}, {query:?}");
        }
    }

    async fn check_due(&self) {
        let event = &self.snapshot.event;
        let due = self.store.due(self.now, None, 1_000, soon()).await.expect("due").event_ids;
        assert_eq!(due.contains(&event.id), event.due_at.is_some_and(|due_at| due_at <= self.now));
        let later = self.now + jiff::SignedDuration::from_secs(60);
        let due = self.store.due(later, None, 1_000, soon()).await.expect("due").event_ids;
        assert_eq!(due.contains(&event.id), event.due_at.is_some());
        let summaries = self.store.events(None, 1_000, soon()).await.expect("events");
        assert!(summaries.contains(&event.summary()), "{summaries:?}");
    }
}
