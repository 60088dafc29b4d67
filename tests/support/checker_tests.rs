//! A checker that sees nothing would let everything pass: each violation is shown to it in a history of a few lines.

use super::{
    super::history::{Asked, Entry, Outcome},
    FinalState, Found, Violation, check,
};

/// A history told in order: every line is sent and answered before the next one.
#[derive(Default)]
struct Story {
    history: Vec<Entry>,
    end: FinalState,
}

impl Story {
    fn new() -> Self {
        let end = FinalState { total_seats: 10, available_seats: 10, complete: true, ..FinalState::default() };
        Self { history: Vec::new(), end }
    }

    fn line(mut self, asked: Asked, outcome: Outcome) -> Self {
        let sent = 2 * self.history.len() as u64;
        let answered = if outcome == Outcome::Unknown { u64::MAX } else { sent + 1 };
        let took = std::time::Duration::ZERO;
        self.history.push(Entry { process: 0, asked, sent, answered, outcome, replayed: false, took });
        self
    }

    /// The last answer says that it repeats an earlier one.
    fn repeated(mut self) -> Self {
        self.history.last_mut().expect("there is a line").replayed = true;
        self
    }

    /// `partner` asks for 2 seats under a key of the same name.
    fn asks(self, partner: &str, outcome: Outcome) -> Self {
        let key = Some(format!("{partner}-key"));
        self.line(Asked::Reserve { partner: partner.to_owned(), seats: 2, key }, outcome)
    }

    /// Reservation `id` was made for `partner` at `version`, and answered so.
    fn reserves(self, partner: &str, id: &str, version: i64) -> Self {
        self.asks(partner, reserved(id, version)).holds(partner, id, version)
    }

    /// The store has such a reservation, whatever was answered.
    fn holds(mut self, partner: &str, id: &str, version: i64) -> Self {
        let found = Found { partner: partner.to_owned(), seats: 2, confirmed: true, version };
        self.end.reservations.insert(id.to_owned(), found);
        self.end.available_seats -= 2;
        self.end.reservation_count += 1;
        self.end.version += 1;
        self
    }

    /// Somebody asks to cancel `id`.
    fn asks_to_cancel(self, id: &str, key: &str, outcome: Outcome) -> Self {
        self.line(Asked::Cancel { id: id.to_owned(), key: Some(key.to_owned()) }, outcome)
    }

    /// The store has `id` as cancelled at `version`, whatever was answered.
    fn holds_cancelled(mut self, id: &str, version: i64) -> Self {
        let found = self.end.reservations.get_mut(id).expect("it was made");
        (found.confirmed, found.version) = (false, version);
        self.end.available_seats += 2;
        self.end.reservation_count -= 1;
        self.end.version += 1;
        self
    }

    /// The store is changed behind everybody's back.
    fn but(mut self, change: impl FnOnce(&mut FinalState)) -> Self {
        change(&mut self.end);
        self
    }

    #[track_caller]
    fn passes(self) {
        assert_eq!(check(&self.history, &self.end), []);
    }

    /// Checks that what is found wrong includes all of this.
    #[track_caller]
    fn shows(self, wrong: impl Fn(&Violation) -> bool) {
        let violations = check(&self.history, &self.end);
        assert!(violations.iter().any(wrong), "found only {violations:?}");
    }
}

fn reserved(id: &str, version: i64) -> Outcome {
    Outcome::Reserved { id: id.to_owned(), seats: 2, version }
}

fn refused(code: &str) -> Outcome {
    Outcome::Refused { code: code.to_owned() }
}

#[test]
fn a_faultless_history_is_let_pass() {
    Story::new()
        .reserves("a", "r1", 1)
        .asks("b", Outcome::Unknown)
        .reserves("b", "r2", 2)
        .repeated()
        .asks("a", reserved("r1", 1))
        .repeated()
        .asks("c", refused("insufficient-seats"))
        .asks_to_cancel("r1", "k1", Outcome::Unknown)
        .asks_to_cancel("r1", "k1", Outcome::Cancelled)
        .repeated()
        .holds_cancelled("r1", 3)
        .asks_to_cancel("r1", "k1", Outcome::Cancelled)
        .asks_to_cancel("r1", "k2", refused("not-found"))
        .asks("d", Outcome::Unknown)
        .holds("d", "r3", 4)
        .passes();
}

#[test]
fn an_unknown_outcome_may_be_either_where_not_all_is_seen() {
    let open = || Story::new().reserves("a", "r1", 1).asks("b", Outcome::Unknown).but(|end| end.complete = false);
    open().passes();
    open().but(|end| (end.available_seats, end.reservation_count, end.version) = (6, 2, 2)).passes();
    open().but(|end| end.available_seats = 5).shows(|wrong| matches!(wrong, Violation::SeatsNotConserved { .. }));
}

#[test]
fn a_lost_reservation_is_seen() {
    let lost = |wrong: &Violation| matches!(wrong, Violation::Lost { .. });
    Story::new().asks("a", reserved("r1", 1)).shows(lost);
}

#[test]
fn an_altered_reservation_is_seen() {
    let altered = |wrong: &Violation| matches!(wrong, Violation::Altered { .. });
    let changes: [fn(&mut Found); 4] = [
        |found| found.seats = 3,
        |found| found.partner = "b".to_owned(),
        |found| found.version = 2,
        |found| found.confirmed = false,
    ];
    for change in changes {
        let alter = |end: &mut FinalState| change(end.reservations.get_mut("r1").expect("it was made"));
        Story::new().reserves("a", "r1", 1).but(alter).shows(altered);
    }
}

#[test]
fn a_cancel_that_nobody_asked_for_is_seen() {
    let unasked = |wrong: &Violation| matches!(wrong, Violation::CancelledUnasked { .. });
    Story::new().reserves("a", "r1", 1).holds_cancelled("r1", 2).shows(unasked);
    let refused = refused("store-unavailable");
    Story::new().reserves("a", "r1", 1).asks_to_cancel("r1", "k", refused).holds_cancelled("r1", 2).shows(unasked);
}

#[test]
fn an_undone_cancel_is_seen() {
    let undone = |wrong: &Violation| matches!(wrong, Violation::CancelUndone { .. });
    Story::new().reserves("a", "r1", 1).asks_to_cancel("r1", "k", Outcome::Cancelled).shows(undone);
}

#[test]
fn a_cancel_that_two_requests_were_thanked_for_is_seen() {
    let again = |wrong: &Violation| matches!(wrong, Violation::CancelledAgain { times: 2, .. });
    Story::new()
        .reserves("a", "r1", 1)
        .asks_to_cancel("r1", "k1", Outcome::Cancelled)
        .asks_to_cancel("r1", "k2", Outcome::Cancelled)
        .holds_cancelled("r1", 2)
        .shows(again);
}

#[test]
fn a_denied_reservation_is_seen() {
    let denied = |wrong: &Violation| matches!(wrong, Violation::Denied { .. });
    Story::new().reserves("a", "r1", 1).asks_to_cancel("r1", "k", refused("not-found")).shows(denied);
    // The same request's earlier try may have done it; then it must be told so.
    Story::new()
        .reserves("a", "r1", 1)
        .asks_to_cancel("r1", "k", Outcome::Unknown)
        .asks_to_cancel("r1", "k", refused("not-found"))
        .holds_cancelled("r1", 2)
        .shows(denied);
}

#[test]
fn a_change_that_was_denied_is_seen() {
    let denied = |wrong: &Violation| matches!(wrong, Violation::DoneThoughRefused { .. });
    let refused = || refused("store-unavailable");
    Story::new().asks("a", refused()).reserves("a", "r1", 1).repeated().shows(denied);
    Story::new()
        .reserves("a", "r1", 1)
        .asks_to_cancel("r1", "k", refused())
        .asks_to_cancel("r1", "k", Outcome::Cancelled)
        .repeated()
        .holds_cancelled("r1", 2)
        .shows(denied);
}

#[test]
fn seats_that_do_not_add_up_are_seen() {
    for available in [7, 9] {
        Story::new()
            .reserves("a", "r1", 1)
            .but(|end| end.available_seats = available)
            .shows(|wrong| matches!(wrong, Violation::SeatsNotConserved { .. }));
    }
}

#[test]
fn a_wrong_count_of_reservations_is_seen() {
    for count in [0, 2] {
        Story::new()
            .reserves("a", "r1", 1)
            .but(|end| end.reservation_count = count)
            .shows(|wrong| matches!(wrong, Violation::Miscounted { .. }));
    }
}

#[test]
fn a_version_that_no_change_used_is_seen() {
    for version in [0, 2] {
        Story::new()
            .reserves("a", "r1", 1)
            .but(|end| end.version = version)
            .shows(|wrong| matches!(wrong, Violation::VersionsNotUsed { .. }));
    }
}

#[test]
fn a_version_used_twice_is_seen() {
    let twice = |wrong: &Violation| matches!(wrong, Violation::VersionUsedTwice { .. });
    Story::new().reserves("a", "r1", 1).reserves("b", "r2", 1).shows(twice);
    Story::new()
        .reserves("a", "r1", 1)
        .reserves("b", "r2", 2)
        .asks_to_cancel("r1", "k", Outcome::Cancelled)
        .holds_cancelled("r1", 2)
        .shows(twice);
    Story::new().reserves("a", "r1", 1).asks("a", reserved("r1", 2)).shows(twice);
}

#[test]
fn a_change_of_order_is_seen() {
    let reordered = |wrong: &Violation| matches!(wrong, Violation::Reordered { .. });
    Story::new().reserves("a", "r1", 2).reserves("b", "r2", 1).shows(reordered);
    Story::new()
        .reserves("a", "r1", 1)
        .asks_to_cancel("r1", "k", Outcome::Cancelled)
        .holds_cancelled("r1", 3)
        .reserves("b", "r2", 2)
        .shows(reordered);
}

#[test]
fn requests_in_flight_together_may_come_in_any_order() {
    let mut story = Story::new().reserves("a", "r1", 2).reserves("b", "r2", 1);
    story.history[1].sent = 0;
    story.passes();
}

#[test]
fn a_key_that_booked_twice_is_seen() {
    let twice = |wrong: &Violation| matches!(wrong, Violation::KeyBookedTwice { .. });
    Story::new().reserves("a", "r1", 1).reserves("a", "r2", 2).shows(twice);
}

#[test]
fn a_reservation_that_nobody_asked_for_is_seen() {
    let unasked = |wrong: &Violation| matches!(wrong, Violation::BookedUnasked { .. });
    Story::new().holds("a", "r1", 1).shows(unasked);
    Story::new().asks("a", refused("version-conflict")).holds("a", "r1", 1).shows(unasked);
    // Booked by the try that got no answer, and again by the one that did.
    Story::new().asks("a", Outcome::Unknown).holds("a", "r0", 1).reserves("a", "r1", 2).shows(unasked);
}

#[test]
fn an_answer_that_comes_late_is_seen() {
    let mut story = Story::new().reserves("acme", "a", 1);
    story.history[0].took = super::ANSWERED_WITHIN;
    assert_eq!(check(&story.history, &story.end), []);
    story.history[0].took += std::time::Duration::from_millis(1);
    let found = check(&story.history, &story.end);
    assert!(matches!(found[..], [Violation::AnsweredLate { .. }]), "{found:?}");
}

#[test]
fn what_was_made_later_and_looks_older_is_seen() {
    let mut story = Story::new().reserves("acme", "a", 1).reserves("zoe", "z", 2);
    story.end.made = [(1, 1_000), (2, 1_000)].into();
    assert_eq!(check(&story.history, &story.end), []);
    story.end.made.insert(2, 999);
    assert_eq!(check(&story.history, &story.end), [Violation::TimeWentBack { version: 2, earlier: 1 }]);
}
