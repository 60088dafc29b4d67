//! The scenarios, and the sides of each. What is compared stands in one scenario, so that both sides are measured in the same
//! minutes; what is wanted of the comparison stands in `reckoning/targets.rs`, by the names given here.

use std::{fmt::Write as _, time::Duration};

use crate::{
    arguments::Plan,
    baseline::Baseline,
    ground::StoreKind::{self, Embedded, OneNode, ThreeNode},
    reckoning::targets::{Bound, TARGETS, Target},
    works::{OFFERED_PARTS, Offer, Work},
};

/// A set of sides that are measured together.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    about: &'static str,
    build: fn(&Plan) -> Vec<Side>,
}

/// One thing to measure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Side {
    pub(crate) name: String,
    pub(crate) store: Option<StoreKind>,
    pub(crate) clients: Option<usize>,
    pub(crate) work: Work,
}

/// All scenarios, in the order in which they run.
pub(crate) static ALL: [Scenario; 15] = [
    scenario("throughput", "POST /reservations for every store and number of clients", throughput),
    scenario("limits", "the service against what machine and store allow: /health, insertMany, fdatasync", limits),
    scenario("baselines", "the service against what others would write on the same database", baselines),
    scenario("one-client", "one client without contention, against the textbook", one_client),
    scenario("latency", "an open loop at half of the peak, latency from the intended time", latency),
    scenario("reads", "GET /reservations against /health", reads),
    scenario("sold-out", "refusals of an event that is sold out, against /health", sold_out),
    scenario("processes", "one, two and four server processes that share one event", processes),
    scenario("million", "a million reservations of one event from start to end, against /health", million),
    scenario("growth", "an event with a million reservations behind it, against an empty one", growth),
    scenario("overload", "three times the peak of a slowed store, in an open loop", overload),
    scenario("many-events", "a thousand events evenly loaded, against one", many_events),
    scenario("waiting", "100,000 on the waitlist, then cancellations that promote some", waiting),
    scenario("named-seats", "a hall of 20,000 named seats, against general admission", named_seats),
    scenario("hostile", "good traffic alone, and beside clients that mean no good", hostile),
];

const fn scenario(name: &'static str, about: &'static str, build: fn(&Plan) -> Vec<Side>) -> Scenario {
    Scenario { name, about, build }
}

impl Scenario {
    /// Its sides, as far as the plan's stores go.
    pub(crate) fn sides(&self, plan: &Plan) -> Vec<Side> {
        let mut sides = (self.build)(plan);
        sides.retain(|side| side.store.is_none_or(|store| plan.stores.contains(&store)));
        sides
    }

    /// Its targets.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &'static Target> {
        TARGETS.iter().filter(|target| target.scenario == self.name)
    }
}

/// What there is, for `--list`.
pub(crate) fn list() -> String {
    let mut text = String::new();
    for scenario in &ALL {
        let _ = writeln!(text, "{:<12} {}", scenario.name, scenario.about);
        for target in scenario.targets() {
            let _ = writeln!(text, "{:<12}   {}", "", wanted(target));
        }
    }
    text
}

/// A target in words.
pub(crate) fn wanted(target: &Target) -> String {
    let (side, figure) = target.of;
    let over = target.over.map(|(other, below)| {
        let below = if below == figure { String::new() } else { format!("'s {}", below.name()) };
        format!(" x {other}{below}")
    });
    let (sign, limit) = match target.bound {
        Bound::AtLeast(limit) => (">=", limit),
        Bound::AtMost(limit) => ("<=", limit),
        Bound::MoreByAtMost(limit) => {
            let other = target.over.map(|(other, _)| other).unwrap_or_default();
            return format!("{side}, {} at most {limit} more than {other}", figure.name());
        }
    };
    format!("{side}, {} {sign} {limit}{}", figure.name(), over.unwrap_or_default())
}

/// Clients where their number is not what is looked at.
const CLIENTS: usize = 256;

fn reserve(store: StoreKind, clients: usize) -> Side {
    let work = Work::Reserve { store, clients, processes: 1 };
    side(format!("{store}, {clients} client{}", if clients == 1 { "" } else { "s" }), store, clients, work)
}

fn side(name: impl Into<String>, store: StoreKind, clients: usize, work: Work) -> Side {
    Side { name: name.into(), store: Some(store), clients: Some(clients), work }
}

fn health(clients: usize) -> Side {
    let work = Work::Read { store: Embedded, clients, path: "/health" };
    side(format!("GET /health, {clients} client{}", if clients == 1 { "" } else { "s" }), Embedded, clients, work)
}

fn read(store: StoreKind, path: &'static str) -> Side {
    side(format!("{store}, GET {path}"), store, CLIENTS, Work::Read { store, clients: CLIENTS, path })
}

fn without_clients(name: String, store: StoreKind, work: Work) -> Side {
    Side { name, store: Some(store), clients: None, work }
}

fn inserts(store: StoreKind) -> Side {
    without_clients(format!("{store}, insertMany"), store, Work::Inserts { store })
}

fn updates(store: StoreKind) -> Side {
    without_clients(format!("{store}, findOneAndUpdate"), store, Work::Updates { store })
}

fn baseline(baseline: Baseline, clients: usize) -> Side {
    let plural = if clients == 1 { "" } else { "s" };
    let name = format!("{}, {clients} client{plural}", baseline.name());
    side(name, OneNode, clients, Work::Baseline { baseline, clients })
}

fn throughput(plan: &Plan) -> Vec<Side> {
    let clients = |store: StoreKind| plan.clients.iter().map(move |clients| reserve(store, *clients));
    StoreKind::ALL.into_iter().flat_map(clients).collect()
}

fn limits(plan: &Plan) -> Vec<Side> {
    let mut sides = vec![Side { name: "fdatasync".to_owned(), store: None, clients: None, work: Work::Syncs }];
    // The bare page does not touch the store, so one store's is every store's.
    sides.extend(plan.clients.iter().filter(|clients| **clients != CLIENTS).map(|clients| health(*clients)));
    sides.extend([health(CLIENTS), reserve(Embedded, CLIENTS)]);
    sides.extend([reserve(OneNode, CLIENTS), inserts(OneNode), updates(OneNode)]);
    sides.extend([reserve(ThreeNode, CLIENTS), reserve(ThreeNode, 1_024), inserts(ThreeNode), updates(ThreeNode)]);
    sides
}

fn baselines(_: &Plan) -> Vec<Side> {
    let guarded = baseline(Baseline::GuardedInc, CLIENTS);
    vec![baseline(Baseline::Textbook, CLIENTS), reserve(OneNode, CLIENTS), guarded]
}

fn one_client(_: &Plan) -> Vec<Side> {
    vec![baseline(Baseline::Textbook, 1), reserve(OneNode, 1)]
}

fn latency(_: &Plan) -> Vec<Side> {
    let offer =
        Offer { times: 0.5, closed_clients: CLIENTS, connections: 1_024, delay: Duration::ZERO, inbox_max: None };
    let offered = |store| side(format!("{store}"), store, offer.connections, Work::Offered { store, offer });
    StoreKind::ALL.map(offered).into()
}

fn reads(_: &Plan) -> Vec<Side> {
    [Embedded, OneNode].into_iter().flat_map(|store| [read(store, "/health"), read(store, "/reservations")]).collect()
}

fn sold_out(_: &Plan) -> Vec<Side> {
    let refusals =
        |store| side(format!("{store}, refusals"), store, CLIENTS, Work::SoldOut { store, clients: CLIENTS });
    [Embedded, OneNode].into_iter().flat_map(|store| [read(store, "/health"), refusals(store)]).collect()
}

fn processes(_: &Plan) -> Vec<Side> {
    let shared = |processes| {
        let work = Work::Reserve { store: OneNode, clients: CLIENTS, processes };
        side(format!("{processes} process{}", if processes == 1 { "" } else { "es" }), OneNode, CLIENTS, work)
    };
    [1, 2, 4].map(shared).into()
}

fn million(plan: &Plan) -> Vec<Side> {
    let work = Work::Count { store: Embedded, reservations: plan.reservations };
    vec![health(CLIENTS), side("embedded, start to end", Embedded, CLIENTS, work)]
}

fn growth(plan: &Plan) -> Vec<Side> {
    let sides = |store| {
        let of = |name, behind| side(format!("{store}, {name}"), store, CLIENTS, Work::Grown { store, behind });
        [of("empty", 0), of("grown", plan.reservations)]
    };
    [Embedded, OneNode].into_iter().flat_map(sides).collect()
}

fn overload(_: &Plan) -> Vec<Side> {
    // Twice as many clients as the inbox takes are one full batch on its way and one that waits: the most that can be
    // accepted without any being shed. The delay keeps three times that within what two cores can ask and answer.
    let offer = Offer {
        times: 3.0,
        closed_clients: 2_048,
        connections: 4_096,
        delay: Duration::from_millis(100),
        inbox_max: Some(1_024),
    };
    vec![side("one-node slowed", OneNode, offer.connections, Work::Offered { store: OneNode, offer })]
}

fn many_events(_: &Plan) -> Vec<Side> {
    let spread =
        |store, events, name| side(format!("{store}, {name}"), store, CLIENTS, Work::ManyEvents { store, events });
    vec![
        spread(Embedded, 1, "one event"),
        spread(Embedded, 1_000, "1000 events"),
        spread(OneNode, 1_000, "1000 events"),
        updates(OneNode),
    ]
}

fn waiting(plan: &Plan) -> Vec<Side> {
    let waiting = if plan.quick { 2_000 } else { 100_000 };
    let on = |store: StoreKind| side(store.name(), store, CLIENTS, Work::Waiting { store, waiting });
    [Embedded, OneNode].map(on).into()
}

fn named_seats(plan: &Plan) -> Vec<Side> {
    let rows = if plan.quick { 20 } else { 200 };
    let sides = |store| {
        let of = |name, mapped| side(format!("{store}, {name}"), store, CLIENTS, Work::Hall { store, rows, mapped });
        [of("general admission", false), of("seat map", true)]
    };
    [Embedded, OneNode].into_iter().flat_map(sides).collect()
}

fn hostile(plan: &Plan) -> Vec<Side> {
    let behind = plan.reservations / 4;
    vec![side("embedded", Embedded, 32, Work::Hostile { store: Embedded, behind })]
}

/// The full name of a part of a side, for those that give two figures.
pub(crate) fn name_of_part(side: &Side, part: &str) -> String {
    match side.work {
        Work::Offered { offer, .. } if part == OFFERED_PARTS[1] => {
            format!("{}, {part} {} x peak", side.name, offer.times)
        }
        _ if part.is_empty() => side.name.clone(),
        _ => format!("{}, {part}", side.name),
    }
}
