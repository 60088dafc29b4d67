//! The TCP stream under the HTTP service, with every bound that a stranger can reach.
//!
//! actix-http reads whatever comes and decodes all of it: its limit of pipelined requests is only looked at before it
//! decodes, a full read buffer wakes itself, and only the first head has a deadline. So it never gets more than it may
//! have: [`Stream`] hands out one request at a time, and the next one when the answer before it has left.
//!
//! - [`stream`]: reading and writing, one request per answer, with the deadlines of [`deadline`]
//! - [`head`] and [`chunks`]: where a request ends, by the parser that actix-http uses itself, and never laxer than it
//! - [`exchange`]: what was handed out and what is answered, shared with the middleware around the handlers
//! - [`refusal`]: what is answered to requests that never reach a handler
//! - [`turns`]: what those get who send requests ahead of their answers
//! - [`admission`]: how many connections there may be, and [`accept`]: who lets them in

mod accept;
mod admission;
mod chunks;
mod deadline;
mod exchange;
mod head;
mod refusal;
mod stream;
mod turns;

#[cfg(test)]
mod agreement_tests;

use self::refusal::Refusal;
pub(super) use self::{
    accept::behind_streams,
    admission::Admission,
    exchange::{Answering, Exchange},
};
