//! What is pure in measuring: reading answers, keeping time and counts, checking the books, judging ratios. It knows no
//! socket, no process and no store, so that its tests run with `cargo test` (see `tests/reckoning.rs`).
//!
//! - [`response`] reads an answer of HTTP/1.1, strictly,
//! - [`schedule`] says when each request of an open loop was meant to be sent,
//! - [`tally`] counts answers by status and code, with a histogram of latencies for each,
//! - [`audit`] compares what clients were told with what the store holds,
//! - [`figures`] is what one run gives, [`targets`] the table of what is wanted, and the verdicts.

#![allow(dead_code, reason = "the tests of this folder and the bench use different parts of it")]

pub(crate) mod audit;
pub(crate) mod figures;
pub(crate) mod response;
pub(crate) mod schedule;
pub(crate) mod tally;
pub(crate) mod targets;
