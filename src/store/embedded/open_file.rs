//! The file as redb has it open, and what is remembered of it.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{Database, DatabaseError, WriteTransaction};

use super::{
    medium::{Disk, Session},
    recent::{Gathering, Moved},
    run::Row,
    tables,
    view::View,
};
use crate::store::Damage;

/// How much is kept in memory of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// For redb's pages.
    pub(super) cache_bytes: usize,
    /// Recent rows of lists that are gathered before they are moved.
    pub(super) generation_rows: usize,
}

/// How far redb's check of a file has come when it has found the newest state broken and goes on with the one before, and when
/// it has found a state that is whole (redb 4.4, `Database::do_repair`).
const LEFT_OUT: f64 = 0.2;
const CHECKED: f64 = 0.5;

/// An opened file.
pub(super) struct OpenFile {
    database: Database,
    session: Arc<Session>,
    gathering: Gathering,
    sizes: Sizes,
    damage: Arc<Damage>,
}

/// Has redb open the file, which checks it from end to end unless it was closed cleanly.
pub(super) fn open(disk: &Arc<Disk>, sizes: Sizes) -> Result<(Database, Arc<Session>), DatabaseError> {
    let what = if disk.was_opened() {
        "the embedded store's file is checked before it is written again"
    } else {
        "the embedded store was not closed cleanly and is checked before it is used"
    };
    // redb reports several steps of one check.
    let said = AtomicBool::new(false);
    let mut builder = Database::builder();
    builder.set_cache_size(sizes.cache_bytes).set_repair_callback(move |check| {
        // So far it comes only when it has left the newest state out.
        if (LEFT_OUT..CHECKED).contains(&check.progress()) {
            log::warn!(
                "the last commit in the embedded store's file is not whole and is left out: it was under way when the process or \
                 the machine stopped, or the disk is damaged"
            );
        }
        if !said.swap(true, Ordering::Relaxed) {
            log::info!("{what}");
        }
    });
    disk.open(&builder)
}

impl OpenFile {
    pub(super) fn new(
        database: Database,
        session: Arc<Session>,
        sizes: Sizes,
        damage: Arc<Damage>,
    ) -> Result<Self, redb::Error> {
        let gathering = Gathering::open(&database, sizes.generation_rows, &damage)?;
        Ok(Self { database, session, gathering, sizes, damage })
    }

    /// The last durable state.
    pub(super) fn view(&self) -> Result<View, redb::Error> {
        View::of(&self.database, self.gathering.recent().clone(), self.damage.clone())
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn gathering(&self) -> &Gathering {
        &self.gathering
    }

    /// An error if anything that was to be written is not.
    pub(super) fn failure(&self) -> Result<(), String> {
        self.session.failure().map_or(Ok(()), Err)
    }

    pub(super) fn begin_write(&self) -> Result<WriteTransaction, String> {
        self.failure()?;
        self.database.begin_write().map_err(|why| why.to_string())
    }

    /// Writes something that changes nothing, and makes it durable.
    pub(super) fn probe(&self) -> Result<(), String> {
        let transaction = self.begin_write()?;
        tables::write_format(&transaction).map_err(|why| why.to_string())?;
        transaction.commit().map_err(|why| why.to_string())?;
        self.failure()
    }

    /// Takes note of a transaction that is durable.
    pub(super) fn went_on(&mut self, added: &[Row<'_>], moved: Moved) {
        self.gathering.went_on(added, moved);
    }

    /// Opens the file anew, which must be there still.
    pub(super) fn reopened(&self, disk: &Arc<Disk>) -> Result<Self, String> {
        let (database, session) = open(disk, self.sizes).map_err(|why| why.to_string())?;
        tables::take_over(&database).map_err(|why| why.to_string())?;
        Self::new(database, session, self.sizes, self.damage.clone()).map_err(|why| why.to_string())
    }

    /// Takes the place of this one.
    pub(super) fn replace(&mut self, by: Self) {
        let before = mem::replace(self, by);
        before.session.revoke();
        before.close();
    }

    /// Closes it. A panic within redb may have left it in a state in which it panics again; nothing of it is needed.
    pub(super) fn close(self) {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(self)));
    }
}
