//! The service on a store that fails as it is told.

mod fates;
mod faulty;
mod house;
mod lists;
mod read_only;
mod readiness;
mod rivals;
mod sales;
