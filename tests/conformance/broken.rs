//! No check is idle: each one fails on every store that breaks its rule in one of the ways named here, and passes on the
//! same wrapper without a fault.

use std::{collections::HashSet, sync::Arc};

use ticketboss::store::EventStore;

use crate::{
    checks::{CHECKS, verdict},
    embedded,
    fault::{Broken, Fault},
};

/// Which faults each check must find.
const BREAKERS: &[(&str, &[Fault])] = &[
    ("creating_again_changes_nothing", &[Fault::AlwaysCreates, Fault::OverwritesOnCreate]),
    ("creating_never_overwrites_what_was_committed", &[Fault::OverwritesOnCreate]),
    ("of_concurrent_creations_exactly_one_creates", &[Fault::AlwaysCreates]),
    ("an_unknown_event_is_absent", &[Fault::InventsEvents, Fault::AlwaysProves]),
    ("an_event_round_trips", &[Fault::LosesSalt]),
    ("a_commit_applies_at_its_base", &[Fault::AcknowledgesWithoutWriting, Fault::LoadsStale, Fault::ReadsEventStale]),
    (
        "a_commit_on_an_old_version_changes_nothing",
        &[Fault::IgnoresBase, Fault::AcknowledgesConflicts, Fault::WritesReservationsOnConflict],
    ),
    (
        "a_commit_under_a_wrong_head_changes_nothing",
        &[Fault::IgnoresHead, Fault::IgnoresBase, Fault::WritesReservationsOnConflict],
    ),
    ("a_commit_given_again_changes_nothing", &[Fault::IgnoresBase, Fault::AcknowledgesConflicts]),
    (
        "a_commit_without_changes_shuts_out_what_was_sent_on_its_base",
        &[Fault::IgnoresHead, Fault::IgnoresBase, Fault::AcknowledgesWithoutWriting, Fault::AcknowledgesConflicts],
    ),
    (
        "of_concurrent_commits_on_one_base_exactly_one_applies",
        &[Fault::IgnoresBase, Fault::AcknowledgesConflicts, Fault::WritesReservationsOnConflict],
    ),
    ("no_commit_is_lost_among_competitors", &[Fault::IgnoresBase, Fault::AcknowledgesConflicts, Fault::LoadsStale]),
    ("an_event_and_its_reservations_change_together", &[Fault::TearsCommits]),
    ("a_thousand_reservations_commit_at_once", &[Fault::RefusesLargeBatches, Fault::LosesAReservation]),
    ("sums_that_are_wrong_are_refused", &[Fault::TakesWrongSums]),
    ("events_do_not_touch_each_other", &[Fault::SharesUuids]),
    ("facts_show_a_commit_at_once", &[Fault::LosesAReservation, Fault::AcknowledgesWithoutWriting]),
    ("facts_show_a_commit_to_whoever_loads", &[Fault::LosesAReservation, Fault::LoadsStale]),
    ("facts_leave_out_what_does_not_exist", &[Fault::FactsInvented]),
    ("facts_are_never_newer_than_their_snapshot", &[Fault::FactsTooNew]),
    (
        "a_cancelled_reservation_is_seen_in_its_last_state",
        &[Fault::LosesCancels, Fault::FactsStale, Fault::ReadsReservationStale],
    ),
    ("a_reservation_cancelled_in_the_batch_that_made_it_is_seen_cancelled", &[Fault::WritesFirstState]),
    (
        "proof_holds_only_at_the_current_base",
        &[Fault::AlwaysProves, Fault::NeverProves, Fault::ProvesByVersion, Fault::ProvesByHead],
    ),
    ("every_acknowledged_commit_is_read", &[Fault::ReadsEventStale, Fault::ReadsReservationStale]),
    ("a_passed_deadline_is_an_error_at_once", &[Fault::IgnoresDeadlines]),
    ("the_store_is_ready", &[Fault::NeverReady]),
    (
        "a_reservation_round_trips",
        &[Fault::CoarseTime, Fault::LosesFingerprints, Fault::ForgetsOperations, Fault::ConfusesKeys],
    ),
    ("keys_and_minted_ids_stay_apart", &[Fault::ConfusesKeys]),
    ("awkward_strings_survive", &[Fault::ManglesDollars, Fault::ManglesUnicode, Fault::ManglesKeys]),
    (
        "time_comes_in_whole_milliseconds_and_is_never_ahead",
        &[Fault::FineTime, Fault::TimeAhead, Fault::TimeBehind, Fault::TimeUnknown],
    ),
    ("a_decision_without_changes_takes_over_when_the_event_is_due", &[Fault::KeepsDueAt]),
    (
        "nothing_is_made_before_what_was_made_earlier_whatever_the_clock",
        &[Fault::ForgetsTime, Fault::PagesSkip, Fault::LosesAReservation],
    ),
    (
        "reservations_round_trip_in_every_status",
        &[Fault::LosesHolds, Fault::LosesExpiry, Fault::LosesPositions, Fault::ConfusesUnasked],
    ),
    (
        "an_events_terms_and_history_round_trip",
        &[Fault::LosesDetails, Fault::LosesQuotas, Fault::LosesSales, Fault::ForgetsEventOperations],
    ),
    ("operations_are_known_for_ever", &[Fault::ForgetsRecords]),
    ("a_key_makes_one_event_whatever_its_id", &[Fault::AlwaysCreates, Fault::ForgetsKeys]),
    ("a_hall_survives_commits_and_loads", &[Fault::KeepsFirstBlock, Fault::LosesSeatIds]),
    (
        "facts_give_the_front_of_the_waitlist_in_order",
        &[Fault::WaitlistByUuid, Fault::WaitlistShort, Fault::KeepsWhoLeft],
    ),
    ("facts_give_the_holds_that_lapse_first", &[Fault::HoldsByCreation, Fault::HoldsShort]),
    (
        "facts_know_a_partners_active_reservations_and_only_those",
        &[Fault::PartnersInactive, Fault::PartnersShort, Fault::PartnersLeftOut],
    ),
    ("what_leaves_a_list_is_not_in_it_at_once", &[Fault::KeepsWhoLeft, Fault::PartnersInactive]),
    ("facts_on_a_superseded_snapshot_are_as_they_were_or_stale", &[Fault::FactsTooNew]),
    (
        "the_place_on_the_waitlist_is_counted",
        &[Fault::PositionFromZero, Fault::PositionAtFirst, Fault::PositionsInARow],
    ),
    (
        "an_events_list_shows_every_commit_at_once",
        &[Fault::ListsStale, Fault::ListsShort, Fault::ListsBackwards, Fault::LosesCancels],
    ),
    ("lists_page_without_gap_or_double", &[Fault::PagesRepeat, Fault::PagesSkip, Fault::ListsEndlessly]),
    (
        "lists_hold_what_was_asked_for",
        &[
            Fault::ListsOthers,
            Fault::ListsEveryStatus,
            Fault::LimitsBeforeFiltering,
            Fault::FromExclusive,
            Fault::ToInclusive,
        ],
    ),
    (
        "a_partners_list_covers_all_events",
        &[Fault::ListsOneEvent, Fault::ListsBackwards, Fault::PagesSkipEvents, Fault::ToInclusive],
    ),
    ("a_page_ends_where_its_budget_ends", &[Fault::ListsIgnoreBudget, Fault::ListsEndEarly, Fault::ListsGoOnFromLast]),
    (
        "a_list_is_whole_whatever_its_budget",
        &[Fault::ListsEndEarly, Fault::ListsGoOnFromLast, Fault::ListsGoOnTooFar, Fault::PagesRepeat],
    ),
    (
        "a_walk_meets_everything_once_while_others_reserve",
        &[Fault::PagesRepeat, Fault::ListsGoOnTooFar, Fault::ListsBackwards],
    ),
    (
        "a_place_far_from_both_ends_is_not_counted_on_a_small_budget",
        &[Fault::PositionIgnoresBudget, Fault::PositionGuessed],
    ),
    (
        "events_are_listed_by_their_ids",
        &[Fault::EventsBackwards, Fault::EventsRepeat, Fault::EventsEndlessly, Fault::LosesSeatMaps],
    ),
    (
        "due_events_are_named_until_they_were_looked_after",
        &[
            Fault::DueNever,
            Fault::DueEarly,
            Fault::DueBackwards,
            Fault::DueEndlessly,
            Fault::DuePagesRepeat,
            Fault::DuePagesEnd,
            Fault::DueForEver,
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_check_fails_on_every_store_that_breaks_its_rule() {
    let dir = tempfile::tempdir().expect("a directory");
    let sound: Arc<dyn EventStore> = Arc::new(embedded(&dir));
    let mut faults = Vec::new();
    for (name, check) in CHECKS {
        if let Err(finding) = verdict(&Broken::new(&sound, Fault::None), *check).await {
            faults.push(format!("{name} fails on a sound store: {finding}"));
        }
        let breakers = BREAKERS.iter().find(|(of, _)| of == name).map_or(&[][..], |(_, breakers)| breakers);
        if breakers.is_empty() {
            faults.push(format!("{name} was never seen to fail"));
        }
        for fault in breakers {
            if verdict(&Broken::new(&sound, *fault), *check).await.is_ok() {
                faults.push(format!("{name} passes on a store with the fault {fault:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_breaker_is_for_a_check() {
    let checks: HashSet<_> = CHECKS.iter().map(|(name, _)| *name).collect();
    let broken: HashSet<_> = BREAKERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(checks, broken);
    assert_eq!(checks.len(), CHECKS.len(), "each check has a name of its own");
}
