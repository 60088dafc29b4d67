//! The tests of what `cargo bench` reckons with. A bench without the harness runs no tests of its own, so its pure part
//! is included here.

#[path = "../benches/sale/reckoning/mod.rs"]
mod reckoning;
