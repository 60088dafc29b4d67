//! The rules of a sale once more, as plainly as they can be put: a list that is searched from end to end. Beside it,
//! commands that are quickly written down, outcomes in words, and random stories.
//!
//! The library's own tests compare `decide` with the list, `tests/conformance` every store. Whoever takes this module in
//! has `ticketboss::domain` beside it under the name `domain`.

use super::domain;

mod ask;
pub(crate) mod chooser;
mod naive;
mod stories;
mod words;

pub(crate) use ask::{Ask, Seats, What, Whom};
pub(crate) use naive::Naive;
pub(crate) use stories::{Story, story};
pub(crate) use words::describe;
