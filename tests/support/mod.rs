//! What the tests stand on: real mongods, the real server, a client with one method per endpoint, a load that retries as
//! a good client does, and a checker that reads the history of every request.

pub(crate) mod checker;
pub(crate) mod client;
pub(crate) mod history;
pub(crate) mod load;
pub(crate) mod log;
pub(crate) mod mongod;
pub(crate) mod server;
pub(crate) mod small_disk;
pub(crate) mod store;
pub(crate) mod verdict;

use tokio::sync::{Mutex, MutexGuard};

/// Room for one heavy test at a time: several at once would measure each other on a small machine. Hold it while the
/// heavy part lasts.
pub(crate) async fn heavy() -> MutexGuard<'static, ()> {
    static ROOM: Mutex<()> = Mutex::const_new(());
    ROOM.lock().await
}
