//! The rules as stories: each row is a time in seconds, a command, what came of it, and how many seats are free, held and
//! waited for afterwards.
//!
//! Every story is told three times: with the rows of one time as one batch, each row in a batch of its own, and to the
//! plain list of `tests/model`. All three must say what the row says.

use super::*;
use crate::{
    domain::{Amend, EventId, EventName, IdSalt, Row, RowLabel, Sales, SeatId, SeatMap, Version, facts_needed},
    model::{Naive, describe},
};
use asking::*;
use world::{World, at};

mod amendments;
mod asking;
mod batches;
mod cancels;
mod facts;
mod holds;
mod keys;
mod leftovers;
mod limits;
mod named_seats;
mod preconditions;
mod properties;
mod seats;
mod waitlist;
mod world;

type Told<'a> = (i64, Ask, &'a str, &'a str);

/// Tells `rows` to a new event of `seats` seats.
fn check(seats: u32, rows: &[Told]) {
    check_on(&World::new(seats), rows);
}

/// Tells `rows` to a new event whose seats have names: rows A, B and so on, an `x` for each seat that is not for sale, and a
/// dot for each that is.
fn check_hall(picture: &str, rows: &[Told]) {
    check_on(&World::mapped(picture), rows);
}

fn check_on(world: &World, rows: &[Told]) {
    let mut batches = world.clone();
    let mut singles = world.clone();
    let mut naive = Naive::of(&world.event);
    let mut index = 0;
    for batch in rows.chunk_by(|(one, ..), (other, ..)| one == other) {
        let numbered = batch.iter().zip(index..);
        let commands: Vec<_> = numbered.map(|((_, ask, ..), index)| ask.build(&world.event.id_salt, index)).collect();
        let now = at(batch[0].0);
        let decision = batches.batch(&commands, now);
        for ((command, outcome), (_, ask, expected, counts)) in commands.iter().zip(&decision.outcomes).zip(batch) {
            assert_eq!(describe(outcome), *expected, "row {index}, in its batch: {ask:?}");
            let single = singles.batch(std::slice::from_ref(command), now);
            assert_eq!(single.outcomes, std::slice::from_ref(outcome), "row {index}, alone: {ask:?}");
            assert_eq!(naive.tell(command, now), *expected, "row {index}, in the plain list: {ask:?}");
            assert_eq!(singles.counts(), *counts, "row {index}, after {ask:?}");
            index += 1;
        }
        batches.check(now);
        singles.check(now);
        assert_eq!(batches.but_for_due_at(), singles.but_for_due_at(), "after the batch at {}", batch[0].0);
        assert_eq!(batches.event.summary(), naive.summary(), "after the batch at {}", batch[0].0);
    }
}
