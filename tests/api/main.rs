//! The whole service as its users meet it: the real binary, real sockets, real mongods.
//!
//! - [`contract`]: what partners rely on, route by route; [`hostile`]: what no partner should send
//! - [`connections`]: what a connection may do, and how many there may be
//! - [`clients`]: clients that others wrote
//! - [`crowds`], [`processes`]: many at once, in one process and in several
//! - [`sales`]: waitlist, holds, named seats and limits, under crowds and crashes
//! - [`keyed_writes`]: what was written under a key, known for ever
//! - [`crashes`], [`failovers`], [`outages`]: servers and stores that die and come back; [`disks`]: one that is full, or gone
//! - [`lifecycle`]: starting and stopping; [`logs`]: what is told of it; [`earlier_builds`]: what those before this one wrote
//! - [`docs`]: what the documents have people type
//! - [`harness`]: the ground that all of it stands on

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod connections;
mod contract;
mod crashes;
mod crowds;
mod disks;
mod docs;
mod earlier_builds;
mod failovers;
mod harness;
mod hostile;
mod keyed_writes;
mod lifecycle;
mod logs;
mod outages;
mod processes;
mod sales;
