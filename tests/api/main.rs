//! The whole service as its users meet it: the real binary, real sockets, real mongods.
//!
//! - [`contract`]: what partners rely on, route by route; [`hostile`]: what no partner should send
//! - [`crowds`], [`processes`]: many at once, in one process and in several
//! - [`sales`]: waitlist, holds, named seats and limits, under crowds and crashes
//! - [`keyed_writes`]: what was written under a key, known for ever
//! - [`crashes`], [`failovers`], [`outages`]: servers and stores that die and come back
//! - [`lifecycle`]: starting and stopping
//! - [`harness`]: the ground that all of it stands on

#[path = "../support/mod.rs"]
mod support;

mod contract;
mod crashes;
mod crowds;
mod failovers;
mod harness;
mod hostile;
mod keyed_writes;
mod lifecycle;
mod outages;
mod processes;
mod sales;
