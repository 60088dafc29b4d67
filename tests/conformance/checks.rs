//! The suite: every check by its name, and how they are run.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use ticketboss::store::EventStore;
use tokio::time::timeout;

use crate::show::Verdict;

mod budgets;
mod committing;
mod creating;
mod lasting;
mod listing;
mod reading;
mod rolls;

/// A check: it works on fresh events of the store, and says which rule the store breaks.
pub(crate) type Check = fn(&dyn EventStore) -> LocalBoxFuture<'_, Verdict>;

/// How long one check may take. A store that hangs fails it.
const CHECK_TIMEOUT: Duration = Duration::from_mins(1);

macro_rules! checks {
    ($($room:ident::$name:ident,)+) => {
        &[$((stringify!($name), |store| Box::pin($room::$name(store)))),+]
    };
}

/// Every check that a store must pass.
pub(crate) const CHECKS: &[(&str, Check)] = checks![
    creating::creating_again_changes_nothing,
    creating::creating_never_overwrites_what_was_committed,
    creating::of_concurrent_creations_exactly_one_creates,
    creating::an_unknown_event_is_absent,
    creating::a_key_makes_one_event_whatever_its_id,
    creating::an_event_round_trips,
    committing::a_commit_applies_at_its_base,
    committing::a_commit_on_an_old_version_changes_nothing,
    committing::a_commit_under_a_wrong_head_changes_nothing,
    committing::a_commit_given_again_changes_nothing,
    committing::a_commit_without_changes_shuts_out_what_was_sent_on_its_base,
    committing::of_concurrent_commits_on_one_base_exactly_one_applies,
    committing::no_commit_is_lost_among_competitors,
    committing::an_event_and_its_reservations_change_together,
    committing::a_thousand_reservations_commit_at_once,
    committing::sums_that_are_wrong_are_refused,
    committing::events_do_not_touch_each_other,
    committing::a_decision_without_changes_takes_over_when_the_event_is_due,
    committing::nothing_is_made_before_what_was_made_earlier_whatever_the_clock,
    reading::facts_show_a_commit_at_once,
    reading::facts_show_a_commit_to_whoever_loads,
    reading::facts_leave_out_what_does_not_exist,
    reading::facts_are_never_newer_than_their_snapshot,
    reading::a_cancelled_reservation_is_seen_in_its_last_state,
    reading::a_reservation_cancelled_in_the_batch_that_made_it_is_seen_cancelled,
    reading::proof_holds_only_at_the_current_base,
    reading::every_acknowledged_commit_is_read,
    reading::a_passed_deadline_is_an_error_at_once,
    reading::the_store_is_ready,
    reading::time_comes_in_whole_milliseconds_and_is_never_ahead,
    rolls::facts_give_the_front_of_the_waitlist_in_order,
    rolls::facts_give_the_holds_that_lapse_first,
    rolls::facts_know_a_partners_active_reservations_and_only_those,
    rolls::what_leaves_a_list_is_not_in_it_at_once,
    rolls::facts_on_a_superseded_snapshot_are_as_they_were_or_stale,
    rolls::the_place_on_the_waitlist_is_counted,
    listing::an_events_list_shows_every_commit_at_once,
    listing::lists_page_without_gap_or_double,
    listing::lists_hold_what_was_asked_for,
    listing::a_partners_list_covers_all_events,
    listing::events_are_listed_by_their_ids,
    listing::due_events_are_named_until_they_were_looked_after,
    budgets::a_page_ends_where_its_budget_ends,
    budgets::a_list_is_whole_whatever_its_budget,
    budgets::a_walk_meets_everything_once_while_others_reserve,
    budgets::a_place_far_from_both_ends_is_not_counted_on_a_small_budget,
    lasting::a_reservation_round_trips,
    lasting::keys_and_minted_ids_stay_apart,
    lasting::awkward_strings_survive,
    lasting::reservations_round_trip_in_every_status,
    lasting::an_events_terms_and_history_round_trip,
    lasting::a_hall_survives_commits_and_loads,
    lasting::operations_are_known_for_ever,
];

/// Runs every check on `store`, and fails with all findings.
pub(crate) async fn run(store: &dyn EventStore) {
    let mut findings = Vec::new();
    for (name, check) in CHECKS {
        if let Err(finding) = verdict(store, *check).await {
            findings.push(format!("{name}: {finding}"));
        }
    }
    assert!(findings.is_empty(), "the store breaks its contract:\n{}", findings.join("\n"));
}

/// Runs one check.
pub(crate) async fn verdict(store: &dyn EventStore, check: Check) -> Verdict {
    timeout(CHECK_TIMEOUT, check(store)).await.unwrap_or_else(|_| Err(format!("it hangs for {CHECK_TIMEOUT:?}")))
}
