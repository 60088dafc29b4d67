//! Says what was lost, doubled or reordered, from the history of every request and the state at the end.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use super::history::{Asked, Entry, Outcome};

/// No answer may take longer: the default of `REQUEST_TIMEOUT_MS`, and as much again for a machine on which test, servers and
/// stores take turns.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// What the store holds when all is over.
#[derive(Debug, Clone, Default)]
pub(crate) struct FinalState {
    pub(crate) total_seats: u32,
    pub(crate) available_seats: u32,
    pub(crate) reservation_count: u32,
    pub(crate) version: i64,
    /// The reservations by their ids.
    pub(crate) reservations: BTreeMap<String, Found>,
    /// Whether `reservations` are all there are, or only those that answers told of.
    pub(crate) complete: bool,
    /// When each reservation was made, in milliseconds, by the version that made it, as far as that is known.
    pub(crate) made: BTreeMap<i64, i64>,
}

/// A reservation at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) partner: String,
    pub(crate) seats: u32,
    pub(crate) confirmed: bool,
    /// The version of its last change.
    pub(crate) version: i64,
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("{id} was acknowledged and is lost")]
    Lost { id: String },
    #[error("{id} was acknowledged as {told}, and is now {found:?}")]
    Altered { id: String, told: String, found: Found },
    #[error("{id} is cancelled, and nobody asked for that")]
    CancelledUnasked { id: String },
    #[error("the acknowledged cancel of {id} was undone")]
    CancelUndone { id: String },
    #[error("{id} was cancelled by {times} requests")]
    CancelledAgain { id: String, times: usize },
    #[error(
        "the cancel of {id} was answered with not-found, though it was acknowledged before and cancelled by nobody else"
    )]
    Denied { id: String },
    #[error(
        "{available} seats available and {confirmed} confirmed, with up to {open} in unknown hands, are not {total}"
    )]
    SeatsNotConserved { available: u32, confirmed: u32, open: u32, total: u32 },
    #[error("the event counts {counted} reservations where {found} are confirmed, with up to {open} in unknown hands")]
    Miscounted { counted: u32, found: u32, open: u32 },
    #[error("the event is at version {version} after {changes} changes, with up to {open} unknown ones")]
    VersionsNotUsed { version: i64, changes: i64, open: i64 },
    #[error("version {version} was given to {one} and to {other}")]
    VersionUsedTwice { version: i64, one: String, other: String },
    #[error("{later} got version {version} after version {earlier} had been answered")]
    Reordered { later: String, version: i64, earlier: i64 },
    #[error("partner {partner} has both {one} and {other} for key {key}")]
    KeyBookedTwice { partner: String, key: String, one: String, other: String },
    #[error("{request} was done by an earlier try, and those were told that nothing was changed: {refusals}")]
    DoneThoughRefused { request: String, refusals: String },
    #[error("the answer to {request} took {took:?}")]
    AnsweredLate { request: String, took: Duration },
    #[error("version {version} was made before version {earlier}, by the times that they tell")]
    TimeWentBack { version: i64, earlier: i64 },
    #[error("partner {partner} has {found} reservations for {asked} requests that were not refused")]
    BookedUnasked { partner: String, found: usize, asked: usize },
}

/// Everything that is wrong with a history that began on a fresh event.
pub(crate) fn check(history: &[Entry], end: &FinalState) -> Vec<Violation> {
    let mut violations = Vec::new();
    let told = reservations_told(history, &mut violations);
    let cancels = cancels(history);
    check_reservations(&told, &cancels, end, &mut violations);
    check_denials(history, &told, &cancels, &mut violations);
    check_refusals(history, &mut violations);
    check_times(history, end, &mut violations);
    check_sums(history, end, &mut violations);
    check_partners(history, end, &mut violations);
    check_versions(&told, &cancels, end, &mut violations);
    violations
}

/// What answers said about one reservation that was made.
struct Told<'a> {
    partner: &'a str,
    seats: u32,
    version: i64,
    /// Which process made it, or told first that it had been made.
    process: usize,
    /// When the first request that may have made it was sent, and when the first answer told of it.
    sent: u64,
    answered: u64,
}

/// One request that asked for a reservation's cancel and may have done it.
struct Cancel<'a> {
    request: Request<'a>,
    process: usize,
    sent: u64,
    /// When it was acknowledged, if it was.
    answered: Option<u64>,
}

/// One request as its sender sees it: all that is sent under one key, or a single one without.
type Request<'a> = Result<&'a str, usize>;

fn request(place: usize, key: Option<&String>) -> Request<'_> {
    key.map(String::as_str).ok_or(place)
}

/// The reservations that answers told of, by id. Finds keys that made two, and answers that contradict each other.
fn reservations_told<'a>(history: &'a [Entry], violations: &mut Vec<Violation>) -> BTreeMap<&'a str, Told<'a>> {
    let mut first_sent = HashMap::new();
    let mut booked: HashMap<_, &str> = HashMap::new();
    let mut told: BTreeMap<&str, Told<'_>> = BTreeMap::new();
    for (place, entry) in history.iter().enumerate() {
        let Asked::Reserve { partner, key, .. } = &entry.asked else { continue };
        let request = (partner.as_str(), request(place, key.as_ref()));
        let sent = *first_sent.entry(request).or_insert(entry.sent);
        let Outcome::Reserved { id, seats, version } = &entry.outcome else { continue };
        let one = *booked.entry(request).or_insert(id);
        if one != id {
            let (partner, key) = (partner.clone(), key.clone().unwrap_or_default());
            violations.push(Violation::KeyBookedTwice { partner, key, one: one.to_owned(), other: id.clone() });
        }
        let (version, answered) = (*version, entry.answered);
        let fresh = Told { partner, seats: *seats, version, process: entry.process, sent, answered };
        let known = told.entry(id).or_insert(fresh);
        if answered < known.answered {
            (known.answered, known.process) = (answered, entry.process);
        }
        if known.version != version {
            let (one, other) = (format!("{id} at {}", known.version), format!("{id} at {version}"));
            violations.push(Violation::VersionUsedTwice { version, one, other });
        }
    }
    told
}

fn cancels(history: &[Entry]) -> BTreeMap<&str, Vec<Cancel<'_>>> {
    let mut cancels: BTreeMap<&str, Vec<Cancel<'_>>> = BTreeMap::new();
    for (place, entry) in history.iter().enumerate() {
        let Asked::Cancel { id, key } = &entry.asked else { continue };
        if entry.outcome.refusal().is_some() {
            continue;
        }
        let answered = (entry.outcome == Outcome::Cancelled).then_some(entry.answered);
        let request = request(place, key.as_ref());
        let cancel = Cancel { request, process: entry.process, sent: entry.sent, answered };
        cancels.entry(id).or_default().push(cancel);
    }
    cancels
}

fn check_reservations(
    told: &BTreeMap<&str, Told<'_>>,
    cancels: &BTreeMap<&str, Vec<Cancel<'_>>>,
    end: &FinalState,
    violations: &mut Vec<Violation>,
) {
    for (id, told) in told {
        let id = (*id).to_owned();
        let Some(found) = end.reservations.get(&id) else {
            violations.push(Violation::Lost { id });
            continue;
        };
        let unchanged = found.version == told.version;
        if found.partner != told.partner || found.seats != told.seats || found.confirmed != unchanged {
            let told = format!("{} seats of {} at version {}", told.seats, told.partner, told.version);
            violations.push(Violation::Altered { id, told, found: found.clone() });
        }
    }
    for (id, found) in &end.reservations {
        let id = id.clone();
        let possible = cancels.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        let acknowledged: BTreeSet<_> =
            possible.iter().filter(|cancel| cancel.answered.is_some()).map(|cancel| cancel.request).collect();
        if acknowledged.len() > 1 {
            violations.push(Violation::CancelledAgain { id: id.clone(), times: acknowledged.len() });
        }
        if !found.confirmed && possible.is_empty() {
            violations.push(Violation::CancelledUnasked { id });
        } else if found.confirmed && !acknowledged.is_empty() {
            violations.push(Violation::CancelUndone { id });
        }
    }
}

/// Cancels that were refused for want of a reservation, though it was there.
fn check_denials(
    history: &[Entry],
    told: &BTreeMap<&str, Told<'_>>,
    cancels: &BTreeMap<&str, Vec<Cancel<'_>>>,
    violations: &mut Vec<Violation>,
) {
    for (place, entry) in history.iter().enumerate() {
        let (Asked::Cancel { id, key }, Some("not-found")) = (&entry.asked, entry.outcome.refusal()) else { continue };
        let was_there = told.get(id.as_str()).is_some_and(|told| told.answered < entry.sent);
        // An earlier try with the same key is no excuse: its answer is to be repeated.
        let others =
            |cancel: &Cancel<'_>| cancel.sent < entry.answered && cancel.request != request(place, key.as_ref());
        if was_there && !cancels.get(id.as_str()).is_some_and(|cancels| cancels.iter().any(others)) {
            violations.push(Violation::Denied { id: id.clone() });
        }
    }
}

/// A refusal promises that nothing was changed. What a later try with the same key finds done must have been done by a try
/// that was accepted, or not answered.
fn check_refusals(history: &[Entry], violations: &mut Vec<Violation>) {
    let mut may_be_done = BTreeSet::new();
    let mut refusals: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let mut by_sending: Vec<&Entry> = history.iter().collect();
    by_sending.sort_by_key(|entry| entry.sent);
    for entry in by_sending {
        let request = match &entry.asked {
            Asked::Reserve { partner, key: Some(key), .. } => (partner, key),
            Asked::Cancel { id, key: Some(key) } => (id, key),
            Asked::Reserve { key: None, .. } | Asked::Cancel { key: None, .. } => continue,
        };
        if entry.replayed && !may_be_done.contains(&request) {
            let refusals = refusals.remove(&request).unwrap_or_default().join(", ");
            violations.push(Violation::DoneThoughRefused { request: format!("{:?}", entry.asked), refusals });
        }
        match entry.outcome.refusal() {
            Some(code) => refusals.entry(request).or_default().push(format!("{code} by process {}", entry.process)),
            None => drop(may_be_done.insert(request)),
        }
    }
}

/// Every answer comes in time, and what was made later does not look older.
fn check_times(history: &[Entry], end: &FinalState, violations: &mut Vec<Violation>) {
    for entry in history.iter().filter(|entry| entry.took > ANSWERED_WITHIN) {
        violations.push(Violation::AnsweredLate { request: format!("{:?}", entry.asked), took: entry.took });
    }
    let made: Vec<_> = end.made.iter().collect();
    for pair in made.windows(2) {
        let [(earlier, before), (version, after)] = [pair[0], pair[1]];
        if after < before {
            violations.push(Violation::TimeWentBack { version: *version, earlier: *earlier });
        }
    }
}

fn check_sums(history: &[Entry], end: &FinalState, violations: &mut Vec<Violation>) {
    let confirmed = || end.reservations.values().filter(|found| found.confirmed);
    let seats: u32 = confirmed().map(|found| found.seats).sum();
    let found = u32::try_from(confirmed().count()).expect("a small number");
    let open = if end.complete { Vec::new() } else { open_requests(history) };

    let (available, total, open_seats) = (end.available_seats, end.total_seats, open.iter().sum());
    if !(available + seats..=available + seats + open_seats).contains(&total) {
        violations.push(Violation::SeatsNotConserved { available, confirmed: seats, open: open_seats, total });
    }
    let open = u32::try_from(open.len()).expect("a small number");
    if !(found..=found + open).contains(&end.reservation_count) {
        violations.push(Violation::Miscounted { counted: end.reservation_count, found, open });
    }
    // Each reservation took one version when it was made, and one more when it was cancelled.
    let (made, open) = (i64::try_from(end.reservations.len()).expect("a small number"), i64::from(open));
    let changes = 2 * made - i64::from(found);
    if !(changes..=changes + open).contains(&end.version) {
        violations.push(Violation::VersionsNotUsed { version: end.version, changes, open });
    }
}

/// The seats of each request of which nobody knows whether it was done.
fn open_requests(history: &[Entry]) -> Vec<u32> {
    let mut open = HashMap::new();
    let mut known = BTreeSet::new();
    for (place, entry) in history.iter().enumerate() {
        let Asked::Reserve { partner, seats, key } = &entry.asked else { continue };
        let request = (partner, request(place, key.as_ref()));
        match entry.outcome {
            Outcome::Reserved { .. } => drop(known.insert(request)),
            Outcome::Refused { .. } => {}
            Outcome::Cancelled | Outcome::Unknown => drop(open.insert(request, *seats)),
        }
    }
    open.into_iter().filter(|(request, _)| !known.contains(request)).map(|(_, seats)| seats).collect()
}

/// Nobody has more reservations than requests that were not plainly refused.
fn check_partners(history: &[Entry], end: &FinalState, violations: &mut Vec<Violation>) {
    let mut asked: HashMap<&str, BTreeSet<_>> = HashMap::new();
    for (place, entry) in history.iter().enumerate() {
        let Asked::Reserve { partner, key, .. } = &entry.asked else { continue };
        if entry.outcome.refusal().is_none() {
            asked.entry(partner).or_default().insert(request(place, key.as_ref()));
        }
    }
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for reservation in end.reservations.values() {
        *found.entry(&reservation.partner).or_default() += 1;
    }
    for (partner, found) in found {
        let asked = asked.get(partner).map_or(0, BTreeSet::len);
        if found > asked {
            violations.push(Violation::BookedUnasked { partner: partner.to_owned(), found, asked });
        }
    }
}

/// One accepted change, between the ticks at which it was asked for and first answered.
struct Change {
    sent: u64,
    answered: u64,
    version: i64,
    what: String,
}

/// Every accepted change has a version of its own, and what was answered before something else was sent has the smaller
/// one. That holds in one process and across them, since all commit to one event.
fn check_versions(
    told: &BTreeMap<&str, Told<'_>>,
    cancels: &BTreeMap<&str, Vec<Cancel<'_>>>,
    end: &FinalState,
    violations: &mut Vec<Violation>,
) {
    let making = |(id, told): (&&str, &Told<'_>)| {
        let what = format!("the making of {id} by process {}", told.process);
        Change { sent: told.sent, answered: told.answered, version: told.version, what }
    };
    // A cancel's answer names no version; the reservation has it at the end. With several that may have done it, the
    // one sent first may be the one.
    let cancelling = |(id, found): (&String, &Found)| {
        let possible = cancels.get(id.as_str())?;
        let first = possible.iter().min_by_key(|cancel| cancel.sent)?;
        let answered = possible.iter().filter_map(|cancel| cancel.answered).min().unwrap_or(u64::MAX);
        let what = format!("the cancel of {id} by process {}", first.process);
        Some(Change { sent: first.sent, answered, version: found.version, what })
    };
    let cancelled = end.reservations.iter().filter(|(_, found)| !found.confirmed);
    let mut changes: Vec<Change> = told.iter().map(making).chain(cancelled.filter_map(cancelling)).collect();

    let mut used: BTreeMap<i64, &str> = BTreeMap::new();
    for Change { version, what, .. } in &changes {
        if let Some(one) = used.insert(*version, what) {
            let (one, other) = (one.to_owned(), what.clone());
            violations.push(Violation::VersionUsedTwice { version: *version, one, other });
        }
    }

    let mut answers: Vec<(u64, i64)> = changes.iter().map(|change| (change.answered, change.version)).collect();
    answers.sort_unstable();
    let mut answers = answers.into_iter().peekable();
    changes.sort_by_key(|change| change.sent);
    let mut earlier = 0;
    for Change { sent, version, what, .. } in changes {
        while let Some((_, answered)) = answers.next_if(|(at, _)| *at < sent) {
            earlier = earlier.max(answered);
        }
        if version < earlier {
            violations.push(Violation::Reordered { later: what, version, earlier });
        }
    }
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
