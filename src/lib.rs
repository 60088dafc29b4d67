//! TicketBoss: a reservation API that sells the seats of an event exactly, and faster the more people want them.
//!
//! A reservation's way leads through these rooms, in this order:
//!
//! 1. [`http`] parses a request into values that cannot be wrong,
//! 2. [`service`] puts it in its event's inbox, where a batch gathers while the last commit is in flight,
//! 3. [`domain`] decides the batch, purely,
//! 4. [`store`] commits the decision by one write conditioned on the event's version.
//!
//! Nothing points back. [`application`] is the only file that knows every layer; [`config`] alone reads settings,
//! [`clock`] alone knows the time, and [`ids`] alone rolls dice.

pub mod application;
pub mod clock;
pub mod config;
pub mod descriptors;
pub mod domain;
pub mod http;
pub mod ids;
pub mod logging;
pub mod service;
pub mod store;

#[cfg(test)]
#[path = "../tests/model/mod.rs"]
mod model;
