//! Stores that break one rule each: a wrapper around a sound store, and a [`Fault`] that says where it goes wrong.

mod answers;
mod mangle;
mod wrapper;

pub(crate) use wrapper::Broken;

/// What a store can get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: the control.
    None,
    /// Says of every creation that it made the event.
    AlwaysCreates,
    /// Resets an event that is created again.
    OverwritesOnCreate,
    /// Shows an event that nobody made.
    InventsEvents,
    /// Forgets which key has made an event.
    ForgetsKeys,
    /// Forgets the records of operations.
    ForgetsRecords,
    /// Loses the salt of a new event.
    LosesSalt,
    /// Commits at the right version whatever the head.
    IgnoresHead,
    /// Commits whatever the base.
    IgnoresBase,
    /// Acknowledges a commit that conflicts.
    AcknowledgesConflicts,
    /// Acknowledges without having written anything.
    AcknowledgesWithoutWriting,
    /// Writes the reservations of a commit that conflicts.
    WritesReservationsOnConflict,
    /// Writes the event first and the reservations after it.
    TearsCommits,
    /// Leaves the last reservation of a commit out.
    LosesAReservation,
    /// Refuses what is large.
    RefusesLargeBatches,
    /// Takes an event whose sums are wrong.
    TakesWrongSums,
    /// Keeps one reservation for each uuid, whichever event it is of.
    SharesUuids,
    /// Loads what it loaded first.
    LoadsStale,
    /// Reads the event that it read first.
    ReadsEventStale,
    /// Reads the reservation that it read first.
    ReadsReservationStale,
    /// Gathers facts from what it read first.
    FactsStale,
    /// Gathers the latest facts whatever the snapshot.
    FactsTooNew,
    /// Makes facts up for what does not exist.
    FactsInvented,
    /// Never writes that a reservation was cancelled.
    LosesCancels,
    /// Writes the first state of a reservation that a batch changes twice.
    WritesFirstState,
    /// Proves everything.
    AlwaysProves,
    /// Proves nothing.
    NeverProves,
    /// Proves by the version alone.
    ProvesByVersion,
    /// Proves by the head alone.
    ProvesByHead,
    /// Takes its time.
    IgnoresDeadlines,
    /// Is never ready.
    NeverReady,
    /// Tells the time in microseconds.
    FineTime,
    /// Tells a time that is yet to come.
    TimeAhead,
    /// Tells a time that has long passed.
    TimeBehind,
    /// Does not know the time.
    TimeUnknown,
    /// Takes `$` out of partner ids.
    ManglesDollars,
    /// Takes whole characters beyond the first plane out of partner ids.
    ManglesUnicode,
    /// Cuts keys at a dot.
    ManglesKeys,
    /// Stores keys and minted ids alike.
    ConfusesKeys,
    /// Keeps time in seconds.
    CoarseTime,
    /// Loses fingerprints.
    LosesFingerprints,
    /// Keeps the last operation only.
    ForgetsOperations,
    /// Loses which seats a reservation has.
    LosesSeatIds,
    /// Loses for how long seats are to be held.
    LosesHolds,
    /// Loses when a hold lapses.
    LosesExpiry,
    /// Loses the places on the waitlist that were told.
    LosesPositions,
    /// Stores what nobody asked for like something under a key.
    ConfusesUnasked,
    /// Loses what an event says about itself.
    LosesDetails,
    /// Loses an event's limits.
    LosesQuotas,
    /// Sells whatever an event says.
    LosesSales,
    /// Forgets who made and amended an event.
    ForgetsEventOperations,
    /// Keeps only the first seats of a hall.
    KeepsFirstBlock,
    /// Leaves it at when the event was due before, if nothing else changed.
    KeepsDueAt,
    /// Forgets when an event was changed.
    ForgetsTime,
    /// Lists those who wait by their ids.
    WaitlistByUuid,
    /// Leaves the last of those who wait out.
    WaitlistShort,
    /// Lists holds in the order in which they were made.
    HoldsByCreation,
    /// Leaves the last hold out.
    HoldsShort,
    /// Tells of reservations of a partner that nothing can become of any more.
    PartnersInactive,
    /// Leaves one of a partner's reservations out.
    PartnersShort,
    /// Leaves partners out who have nothing.
    PartnersLeftOut,
    /// Still tells of those who wait and of holds when they are no longer there.
    KeepsWhoLeft,
    /// Counts places on the waitlist from zero.
    PositionFromZero,
    /// Tells the place on the waitlist that was the first.
    PositionAtFirst,
    /// Tells several who wait that they stand one behind the other.
    PositionsInARow,
    /// Looks at as many as there are to find a place on the waitlist.
    PositionIgnoresBudget,
    /// Makes a place up when it has looked at as many as it may.
    PositionGuessed,
    /// Lists backwards.
    ListsBackwards,
    /// Lists what it listed first.
    ListsStale,
    /// Leaves the last row of a list out.
    ListsShort,
    /// Looks at as many rows as there are.
    ListsIgnoreBudget,
    /// Says that a list ends where it was broken off.
    ListsEndEarly,
    /// Says that a list goes on behind what was found last, wherever it was broken off.
    ListsGoOnFromLast,
    /// Says that a list goes on behind the row that comes next.
    ListsGoOnTooFar,
    /// Lists as much as there is.
    ListsEndlessly,
    /// Lists the reservations of everybody.
    ListsOthers,
    /// Lists whatever the status.
    ListsEveryStatus,
    /// Filters what a page without a filter would have held.
    LimitsBeforeFiltering,
    /// Lists only what was made after the time from which on it was asked.
    FromExclusive,
    /// Lists also what was made at the time up to which it was asked.
    ToInclusive,
    /// Begins a page with the last row of the one before.
    PagesRepeat,
    /// Begins a page at the next moment.
    PagesSkip,
    /// Begins a page with the next event.
    PagesSkipEvents,
    /// Lists a partner's reservations of one event.
    ListsOneEvent,
    /// Lists events backwards.
    EventsBackwards,
    /// Lists also the event after which the list was to begin.
    EventsRepeat,
    /// Lists as many events as there are.
    EventsEndlessly,
    /// Never says that an event has a seat map.
    LosesSeatMaps,
    /// Never says that an event is due.
    DueNever,
    /// Says that an event is due before it is.
    DueEarly,
    /// Tells of the latest that are due first.
    DueBackwards,
    /// Tells of all that are due.
    DueEndlessly,
    /// Begins every page of those that are due with the first.
    DuePagesRepeat,
    /// Says of the first page of those that are due that it is the last.
    DuePagesEnd,
    /// Tells of events that are no longer due.
    DueForEver,
}
