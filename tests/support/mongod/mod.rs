//! Real mongods for tests and for trying out: found or installed, started on free ports of this machine, and gone
//! when the process that started them is gone, whatever ended it.
//!
//! - [`install`] finds or fetches the binary,
//! - [`process`] ties a child's life to ours,
//! - [`node`] is one mongod, [`replica_set`] several that form a set,
//! - [`shared`] holds the deployments that all tests of one binary share, each test in a database of its own.

#![allow(dead_code, reason = "each binary that includes this folder uses another part of it")]

pub(crate) mod install;
pub(crate) mod node;
pub(crate) mod process;
pub(crate) mod replica_set;
pub(crate) mod shared;
