//! Random stories: what is asked of one event, at times that sometimes run backwards. Names, keys and seats are few, so
//! that commands meet each other.

use std::{collections::HashSet, num::NonZeroU32, sync::Arc};

use jiff::Timestamp;
use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
    sample::select,
};

use super::{
    Ask, Seats, What, Whom,
    domain::{
        Amend, Command, Event, EventId, EventName, Expected, IdSalt, Location, Quotas, Row, RowLabel, Sales, SeatId,
        SeatMap, Version,
    },
};

const TOTAL_SEATS: u32 = 12;
/// The rows of an event whose seats have names.
const ROWS: [(&str, u16); 3] = [("A", 5), ("B", 4), ("C", 4)];
const BLOCKED: &str = "B2";
/// The seats that are asked for by name: some of those that are there, a blocked one, one that is not there.
const NAMED: [&str; 7] = ["A1", "A2", "A3", "B1", "B2", "C4", "Z1"];
const PARTNERS: [&str; 3] = ["acme", "zoe", "bob"];
const KEYS: [&str; 3] = ["a", "b", "c"];
/// Names of reservations without a key.
const NAMES: [&str; 8] = ["one", "two", "three", "four", "five", "six", "seven", "eight"];

/// A story about one event.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    /// Whether the event's seats have names.
    pub(crate) mapped: bool,
    pub(crate) quotas: Quotas,
    pub(crate) beats: Vec<Beat>,
}

/// What is asked at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Beat {
    pub(crate) second: i64,
    pub(crate) asks: Vec<Ask>,
}

impl Story {
    /// The event as nobody has touched it yet.
    pub(crate) fn event(&self, id: EventId, salt: IdSalt) -> Event {
        let name = EventName::parse("A show").expect("a name");
        let row = |(label, seats)| Row { label: RowLabel::parse(label).expect("a row"), seats };
        let blocked = vec![SeatId::parse(BLOCKED).expect("a seat")];
        let event = if self.mapped {
            let map = SeatMap::new(ROWS.map(row).to_vec(), blocked).expect("a seat map");
            Event::open_mapped(id, name, &Arc::new(map), salt)
        } else {
            Event::open(id, name, TOTAL_SEATS, salt)
        };
        Event { quotas: self.quotas, ..event }
    }

    /// The commands of each beat, to an event that has `salt`.
    pub(crate) fn batches(&self, salt: &IdSalt) -> Vec<(Timestamp, Vec<Command>)> {
        let mut indexes = 0..;
        let mut build = |ask: &Ask| ask.build(salt, indexes.next().expect("there is no end of numbers"));
        let at = |second| Timestamp::from_second(second).expect("a time");
        self.beats.iter().map(|beat| (at(beat.second), beat.asks.iter().map(&mut build).collect())).collect()
    }
}

/// A random story of up to `beats` moments.
pub(crate) fn story(beats: usize) -> impl Strategy<Value = Story> {
    let beat = (second_later(), vec(ask(), 0..5));
    (any::<bool>(), quotas(), vec(beat, 1..beats)).prop_map(|(mapped, quotas, beats)| {
        let mut second = 10;
        let mut named = HashSet::new();
        let beats = beats.into_iter().map(|(later, mut asks)| {
            second = (second + later).max(1);
            for ask in &mut asks {
                name_once(ask, &mut named);
            }
            Beat { second, asks }
        });
        Story { mapped, quotas, beats: beats.collect() }
    })
}

/// A minted id is fresh: of several reservations with one name, the first has it.
fn name_once(ask: &mut Ask, named: &mut HashSet<&'static str>) {
    if let What::Reserve(seats) = &mut ask.what
        && (ask.key.is_some() || !seats.called.is_some_and(|name| named.insert(name)))
    {
        seats.called = None;
    }
}

fn second_later() -> impl Strategy<Value = i64> {
    prop_oneof![5 => Just(0), 4 => 1_i64..4, 1 => 4_i64..9, 2 => -5_i64..0]
}

fn quotas() -> impl Strategy<Value = Quotas> {
    let max = |most| option::weighted(0.15, number(most));
    (max(4), max(9), max(4)).prop_map(
        |(seats_per_reservation_max, seats_per_partner_max, reservations_per_partner_max)| Quotas {
            seats_per_reservation_max,
            seats_per_partner_max,
            reservations_per_partner_max,
        },
    )
}

fn number(most: u32) -> impl Strategy<Value = NonZeroU32> {
    (1..=most).prop_map(|number| NonZeroU32::new(number).expect("at least one"))
}

fn ask() -> impl Strategy<Value = Ask> {
    let what = prop_oneof![
        10 => seats().prop_map(What::Reserve),
        4 => whom().prop_map(What::Cancel),
        4 => whom().prop_map(What::Confirm),
        2 => amend().prop_map(|amend| What::Amend(Box::new(amend))),
    ];
    let expected = prop_oneof![
        12 => Just(None),
        1 => Just(Some(Expected::Any)),
        2 => (0_i64..40, 0_i64..20)
            .prop_map(|(first, count)| Some(Expected::Versions((first..first + count).map(Version).collect()))),
        1 => (0_i64..40, 0_i64..20)
            .prop_map(|(first, count)| Some(Expected::Except((first..first + count).map(Version).collect()))),
    ];
    (what, option::weighted(0.4, select(&KEYS[..])), expected).prop_map(|(what, key, expected)| Ask {
        what,
        key,
        expected,
    })
}

fn seats() -> impl Strategy<Value = Seats> {
    let named = prop_oneof![3 => Just(Vec::new()), 1 => btree_set(select(&NAMED[..]), 1..3).prop_map(Vec::from_iter)];
    let count = prop_oneof![12 => 1_u32..6, 1 => 6_u32..14];
    let partner = select(&PARTNERS[..]);
    let hold_seconds = option::of(1_u32..7);
    (partner, count, named, any::<bool>(), hold_seconds, option::weighted(0.8, select(&NAMES[..]))).prop_map(
        |(partner, count, named, waitlist, hold_seconds, called)| {
            let count = if named.is_empty() { count } else { u32::try_from(named.len()).expect("few seats") };
            Seats { partner, count, named, waitlist, hold_seconds, called }
        },
    )
}

fn whom() -> impl Strategy<Value = Whom> {
    prop_oneof![
        2 => select(&NAMES[..]).prop_map(Whom::Called),
        1 => (select(&PARTNERS[..]), select(&KEYS[..])).prop_map(|(partner, key)| Whom::Keyed(partner, key)),
    ]
}

fn amend() -> impl Strategy<Value = Amend> {
    let limit = |most| option::weighted(0.2, option::of(number(most)));
    let sales = option::weighted(0.3, select(&[Sales::Open, Sales::Open, Sales::Paused, Sales::Closed][..]));
    let name = option::weighted(0.2, select(&["A show", "The show"][..]));
    let location = option::weighted(0.2, option::of(Just("Hall 3")));
    let total_seats = option::weighted(0.5, 1_u32..18);
    (limit(4), limit(9), limit(4), sales, name, location, total_seats).prop_map(
        |(reservation_seats, partner_seats, partner_reservations, sales, name, location, total_seats)| Amend {
            name: name.map(|name| EventName::parse(name).expect("a name")),
            location: location.map(|place| place.map(|place| Location::parse(place).expect("a location"))),
            seats_per_reservation_max: reservation_seats,
            seats_per_partner_max: partner_seats,
            reservations_per_partner_max: partner_reservations,
            sales,
            total_seats,
            ..Amend::default()
        },
    )
}
