//! The rules as properties: what holds whatever is asked, in whatever order, in batches of whatever size.

use proptest::{collection::vec, prelude::*};

use super::*;

const SEATS: u32 = 12;
const PARTNERS: [&str; 2] = ["acme", "zoe"];
const KEYS: [&str; 3] = ["a", "b", "c"];
/// Names of reservations without a key. There are few, so that cancels meet what was reserved.
const NAMES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

proptest! {
    #[test]
    fn seats_are_conserved((story, sizes) in story_in_batches()) {
        let mut world = World::new(SEATS);
        for batch in split(&story, &sizes) {
            world.batch(batch, 1);
            let confirmed = || world.reservations.values().filter(|kept| kept.status == Status::Confirmed);
            let taken: u32 = confirmed().map(|kept| kept.seats.get()).sum();
            prop_assert_eq!(world.event.available_seats + taken, SEATS);
            prop_assert_eq!(world.event.confirmed_seats, taken);
            prop_assert_eq!(world.event.reservation_count as usize, confirmed().count());
            prop_assert!(world.event.check().is_ok());
        }
    }

    #[test]
    fn other_batches_give_the_same_outcomes((story, sizes) in story_in_batches()) {
        let mut whole = World::new(SEATS);
        let outcomes = whole.batch(&story, 1).outcomes;
        let mut parts = World::new(SEATS);
        let mut outcomes_of_parts = Vec::new();
        for batch in split(&story, &sizes) {
            outcomes_of_parts.extend(parts.batch(batch, 1).outcomes);
        }
        prop_assert_eq!(outcomes, outcomes_of_parts);
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn deciding_twice_gives_the_same((story, sizes) in story_in_batches()) {
        let mut world = World::new(SEATS);
        for batch in split(&story, &sizes) {
            let again = decide(&world.event, &world.facts(batch, false), batch, at(1));
            prop_assert_eq!(Ok(world.batch(batch, 1)), again);
        }
    }

    #[test]
    fn every_accepted_change_has_its_own_version_in_order_of_arrival((story, sizes) in story_in_batches()) {
        let mut world = World::new(SEATS);
        for batch in split(&story, &sizes) {
            let before = world.event.version.0;
            let decision = world.batch(batch, 1);
            let accepted: Vec<_> = decision
                .outcomes
                .iter()
                .filter_map(|outcome| match outcome {
                    Outcome::Accepted(reservation) => Some(reservation),
                    _ => None,
                })
                .collect();
            let changed: Vec<_> = decision.changes.iter().map(|change| &change.reservation).collect();
            prop_assert_eq!(&accepted, &changed);
            let versions: Vec<_> = accepted.iter().map(|reservation| reservation.version.0).collect();
            let expected: Vec<_> = (before + 1..).take(accepted.len()).collect();
            prop_assert_eq!(versions, expected);
            prop_assert_eq!(world.event.version.0, before + i64::try_from(accepted.len()).expect("a short batch"));
        }
    }

    #[test]
    fn a_replay_is_exactly_the_original_answer((story, sizes) in story_in_batches()) {
        let mut world = World::new(SEATS);
        let mut originals = HashMap::new();
        for (batch, now) in split(&story, &sizes).into_iter().zip(1..) {
            for (command, outcome) in batch.iter().zip(world.batch(batch, now).outcomes) {
                match outcome {
                    Outcome::Accepted(made) => {
                        originals.insert((made.id.uuid, command.operation.clone()), made);
                    }
                    Outcome::Replayed(told) => {
                        let original = originals.get(&(told.id.uuid, command.operation.clone()));
                        prop_assert_eq!(Some(&told), original);
                    }
                    Outcome::Refused(_) => {}
                }
            }
        }
        // Whatever was accepted is told again when it is decided anew, now that all of it may have been changed since.
        let tried: Vec<_> = story.iter().filter(|command| originals.contains_key(&(effect(&world, command)))).collect();
        for command in tried {
            let outcomes = world.attempt(std::slice::from_ref(command), 99).outcomes;
            if let Outcome::Replayed(told) = &outcomes[0] {
                prop_assert_eq!(told, &originals[&effect(&world, command)]);
            } else {
                // Only a command that reuses another one's key is refused, and nothing is done twice.
                prop_assert_eq!(&outcomes[0], &Outcome::Refused(Rejection::KeyReused));
            }
        }
    }

    #[test]
    fn a_naive_list_of_reservations_agrees((story, sizes) in story_in_batches()) {
        let mut world = World::new(SEATS);
        let mut list = List { free: SEATS, version: 0, entries: Vec::new() };
        for (batch, now) in split(&story, &sizes).into_iter().zip(1..) {
            for (command, outcome) in batch.iter().zip(world.batch(batch, now).outcomes) {
                let expected = list.tell(&world.event, command, now);
                prop_assert_eq!(describe(&outcome), expected, "{:?}", command);
            }
            prop_assert_eq!((world.event.available_seats, world.event.version.0), (list.free, list.version));
        }
    }
}

fn effect(world: &World, command: &Command) -> (Uuid, OperationId) {
    (command.reservation_uuid(&world.event.id_salt), command.operation.clone())
}

/// A random story and the sizes of the batches that it comes in.
fn story_in_batches() -> impl Strategy<Value = (Vec<Command>, Vec<usize>)> {
    let event = World::new(SEATS).event;
    let story = vec(ask(), 1..40).prop_map(move |asks| {
        // A minted id is fresh: of several reservations with one name, the first has it.
        let mut named = std::collections::HashSet::new();
        let build = |(index, mut ask): (usize, Ask)| {
            if let What::Reserve { called, .. } = &mut ask.what
                && (ask.key.is_some() || !called.is_some_and(|name| named.insert(name)))
            {
                *called = None;
            }
            ask.build(&event, index)
        };
        asks.into_iter().enumerate().map(build).collect()
    });
    (story, vec(1_usize..8, 1..40))
}

fn ask() -> impl Strategy<Value = Ask> {
    let pick = proptest::sample::select::<&'static str>;
    let reserved = (pick(PARTNERS.to_vec()), 1_u32..5, proptest::option::of(pick(NAMES.to_vec())))
        .prop_map(|(partner, seats, called)| What::Reserve { partner, seats, called });
    let cancelled = pick(NAMES.to_vec()).prop_map(|called| What::Cancel { called });
    let cancelled_keyed =
        (pick(PARTNERS.to_vec()), pick(KEYS.to_vec())).prop_map(|(partner, key)| What::CancelKeyed { partner, key });
    let what = prop_oneof![5 => reserved, 2 => cancelled, 2 => cancelled_keyed];
    let expected = prop_oneof![
        8 => Just(None),
        1 => Just(Some(Expected::Any)),
        3 => vec((0_i64..12).prop_map(Version), 0..5).prop_map(|versions| Some(Expected::Versions(versions))),
    ];
    (what, proptest::option::of(pick(KEYS.to_vec())), expected).prop_map(|(what, key, expected)| Ask {
        what,
        key,
        expected,
    })
}

/// Cuts `story` into batches of `sizes`, again from the first size when they are used up.
fn split<'a>(story: &'a [Command], sizes: &[usize]) -> Vec<&'a [Command]> {
    let mut rest = story;
    let mut batches = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, after) = rest.split_at(rest.len().min(*size));
        batches.push(batch);
        rest = after;
    }
    batches
}

/// The rules once more, as plainly as they can be put: a list that is searched from end to end.
struct List {
    free: u32,
    version: i64,
    entries: Vec<Entry>,
}

struct Entry {
    uuid: Uuid,
    partner: PartnerId,
    seats: u32,
    cancelled: bool,
    made_under: OperationId,
    made: String,
    cancelled_under: Option<(OperationId, String)>,
    time: i64,
}

impl List {
    fn tell(&mut self, event: &Event, command: &Command, now: i64) -> String {
        match &command.request {
            Request::Reserve(reserve) => self.reserve(event, command, reserve, now),
            Request::Cancel(uuid) => self.cancel(command, *uuid),
        }
    }

    fn reserve(&mut self, event: &Event, command: &Command, reserve: &Reserve, now: i64) -> String {
        let seats = reserve.seats.get();
        // A key is the same key when partner and text are: no digest is needed to see that.
        let same = |entry: &&Entry| entry.made_under == command.operation && entry.partner == reserve.partner_id;
        if let Some(entry) = self.entries.iter().find(same) {
            return if entry.seats == seats {
                entry.made.replace("made", "again")
            } else {
                "refused: key reused".into()
            };
        }
        if let Some(refused) = self.precondition(command) {
            return refused;
        }
        if seats > self.free {
            return format!("refused: {seats} seats were asked for and {} are available", self.free);
        }
        self.free -= seats;
        self.version += 1;
        let made = format!("made v{}, confirmed, t{now}", self.version);
        self.entries.push(Entry {
            uuid: command.reservation_uuid(&event.id_salt),
            partner: reserve.partner_id.clone(),
            seats,
            cancelled: false,
            made_under: command.operation.clone(),
            made: made.clone(),
            cancelled_under: None,
            time: now,
        });
        made
    }

    fn cancel(&mut self, command: &Command, uuid: Uuid) -> String {
        let unknown = "refused: unknown".to_owned();
        let Some(index) = self.entries.iter().position(|entry| entry.uuid == uuid) else { return unknown };
        let entry = &self.entries[index];
        if entry.made_under == command.operation {
            return "refused: key reused".into();
        }
        if let Some((_, done)) = entry.cancelled_under.as_ref().filter(|(under, _)| *under == command.operation) {
            return done.replace("done", "again");
        }
        if entry.cancelled {
            return unknown;
        }
        if let Some(refused) = self.precondition(command) {
            return refused;
        }
        self.version += 1;
        let entry = &mut self.entries[index];
        self.free += entry.seats;
        entry.cancelled = true;
        let done = format!("done v{}, cancelled, t{}", self.version, entry.time);
        entry.cancelled_under = Some((command.operation.clone(), done.clone()));
        done
    }

    fn precondition(&self, command: &Command) -> Option<String> {
        let holds = match &command.expected {
            None | Some(Expected::Any) => true,
            Some(Expected::Versions(versions)) => versions.iter().any(|version| version.0 == self.version),
        };
        (!holds).then(|| format!("refused: precondition failed at v{}", self.version))
    }
}
