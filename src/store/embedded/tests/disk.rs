//! A disk that fails, stands still, is full, or goes away, when it is told to.

use std::{
    fs::OpenOptions,
    io,
    ops::Bound,
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use redb::{
    BackendError, Database, ReadableDatabase, StorageBackend,
    backends::{FileBackend, InMemoryBackend},
};
use rustix::io::Errno;
use tempfile::NamedTempFile;
use tokio::sync::Notify;

use super::{
    super::{EmbeddedStore, OpenError, SIZES, medium::Medium, open_file::Sizes, state::State, tables::STATES},
    clock,
};
use crate::{domain::EventId, store::Base};

/// Small, so that recent rows are moved often.
pub(super) const GENERATION_ROWS: usize = 32;

/// The test's handle on the disk.
pub(super) struct Disk {
    file: NamedTempFile,
    behaviour: Arc<Behaviour>,
}

/// What the disk is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    /// Of anything but the header, which lies at the start.
    Write,
    WriteHeader,
    Flush,
}

#[derive(Debug)]
struct Behaviour {
    /// Operations that still succeed.
    allowed: AtomicUsize,
    /// What fails from now on, how often, and with which error of the system.
    failing: Mutex<Option<(Operation, usize, Errno)>>,
    /// Whether the next write panics.
    panics: AtomicBool,
    /// Whether it says that it has room when it has none.
    lies: AtomicBool,
    /// Why it is not where it was.
    displaced: Mutex<Option<String>>,
    flushes: AtomicUsize,
    openings: AtomicUsize,
    tries: AtomicUsize,
    looks: AtomicUsize,
    holding: Mutex<bool>,
    released: Condvar,
    held: Notify,
}

#[derive(Debug)]
struct Backend {
    file: FileBackend,
    behaviour: Arc<Behaviour>,
}

impl Disk {
    pub(super) fn new() -> Self {
        let behaviour = Behaviour {
            allowed: AtomicUsize::new(usize::MAX),
            failing: Mutex::default(),
            panics: AtomicBool::new(false),
            lies: AtomicBool::new(false),
            displaced: Mutex::default(),
            looks: AtomicUsize::new(0),
            flushes: AtomicUsize::new(0),
            openings: AtomicUsize::new(0),
            tries: AtomicUsize::new(0),
            holding: Mutex::new(false),
            released: Condvar::new(),
            held: Notify::new(),
        };
        Self { file: NamedTempFile::new().expect("a file"), behaviour: Arc::new(behaviour) }
    }

    /// A store on this disk.
    pub(super) fn store(&self) -> EmbeddedStore {
        self.try_store().expect("a store")
    }

    pub(super) fn try_store(&self) -> Result<EmbeddedStore, OpenError> {
        self.store_with(SIZES.cache_bytes)
    }

    /// A store that has nothing in memory, so that all of what is read comes from the disk.
    pub(super) fn store_without_cache(&self) -> EmbeddedStore {
        self.store_with(0).expect("a store")
    }

    fn store_with(&self, cache_bytes: usize) -> Result<EmbeddedStore, OpenError> {
        let file = OpenOptions::new().read(true).write(true).open(self.path()).expect("the file is there");
        let file = FileBackend::new(file).expect("a backend");
        let backend = Backend { file, behaviour: self.behaviour.clone() };
        let sizes = Sizes { cache_bytes, generation_rows: GENERATION_ROWS };
        EmbeddedStore::start(backend, self.path(), clock(), sizes)
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// What the file holds at this moment, in memory, whoever has it open.
    pub(super) fn copy(&self) -> Database {
        let copy = InMemoryBackend::new();
        let bytes = std::fs::read(self.file.path()).expect("the file is there");
        copy.set_len(bytes.len() as u64).expect("room in memory");
        copy.write(0, &bytes).expect("room in memory");
        Database::builder().create_with_backend(copy).expect("a sound file")
    }

    /// Which state the file has of an event at this moment.
    pub(super) fn copy_of_event(&self, id: &EventId) -> Base {
        let states = self.copy().begin_read().expect("a state").open_table(STATES).expect("a table");
        let row = states.get(id.as_str()).expect("a read").expect("the event");
        State::read(id, row.value()).expect("a state").base()
    }

    /// Another disk, with what this one would hold if the process that has it open crashed now.
    pub(super) fn after_a_crash(&self) -> Self {
        let other = Self::new();
        std::fs::copy(self.path(), other.path()).expect("the file is copied");
        other
    }

    /// Lets `allowed` operations succeed, and fails all after them.
    pub(super) fn fail_after(&self, allowed: usize) {
        self.behaviour.allowed.store(allowed, Ordering::SeqCst);
    }

    /// Fails all operations of this kind from now on with this error of the system.
    pub(super) fn fail(&self, operation: Operation, errno: Errno) {
        *self.behaviour.failing.lock().unwrap() = Some((operation, usize::MAX, errno));
    }

    /// Fails the next operation of this kind.
    pub(super) fn fail_once(&self, operation: Operation, errno: Errno) {
        *self.behaviour.failing.lock().unwrap() = Some((operation, 1, errno));
    }

    pub(super) fn heal(&self) {
        self.fail_after(usize::MAX);
        *self.behaviour.failing.lock().unwrap() = None;
        *self.behaviour.displaced.lock().unwrap() = None;
    }

    /// Has the thread panic that writes next.
    pub(super) fn panic_at_the_next_write(&self) {
        self.behaviour.panics.store(true, Ordering::SeqCst);
    }

    /// Has the disk say that there is room, whether or not there is.
    pub(super) fn lie_about_room(&self) {
        self.behaviour.lies.store(true, Ordering::SeqCst);
    }

    /// Says that the disk is no longer where it was.
    pub(super) fn displace(&self) {
        *self.behaviour.displaced.lock().unwrap() = Some("moved away on purpose".to_owned());
    }

    pub(super) fn empty(&self) {
        self.file.as_file().set_len(0).expect("a file can be emptied");
    }

    /// Makes flushes wait until [`Disk::release`].
    pub(super) fn hold(&self) {
        *self.behaviour.holding.lock().unwrap() = true;
    }

    /// Returns once a flush waits.
    pub(super) async fn held(&self) {
        self.behaviour.held.notified().await;
    }

    pub(super) fn release(&self) {
        *self.behaviour.holding.lock().unwrap() = false;
        self.behaviour.released.notify_all();
    }

    /// How often the disk was told to keep what was written.
    pub(super) fn flushes(&self) -> usize {
        self.behaviour.flushes.load(Ordering::SeqCst)
    }

    /// How often the store tried whether there is room.
    pub(super) fn tries(&self) -> usize {
        self.behaviour.tries.load(Ordering::SeqCst)
    }

    /// How often the store looked whether the disk is where it was.
    pub(super) fn looks(&self) -> usize {
        self.behaviour.looks.load(Ordering::SeqCst)
    }

    /// How often redb opened what is on the disk.
    pub(super) fn openings(&self) -> usize {
        self.behaviour.openings.load(Ordering::SeqCst)
    }
}

impl Behaviour {
    fn operate(&self, operation: Operation) -> io::Result<()> {
        if let Some((failing, times, errno)) = &mut *self.failing.lock().unwrap()
            && *failing == operation
            && *times > 0
        {
            *times -= 1;
            return Err((*errno).into());
        }
        let spend = |allowed: usize| if allowed == usize::MAX { Some(allowed) } else { allowed.checked_sub(1) };
        match self.allowed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("the disk fails on purpose")),
        }
    }
}

impl Medium for Backend {
    fn has_room(&self) -> io::Result<()> {
        self.behaviour.tries.fetch_add(1, Ordering::SeqCst);
        if self.behaviour.lies.load(Ordering::SeqCst) { Ok(()) } else { self.behaviour.operate(Operation::Write) }
    }

    fn is_in_place(&self) -> Result<(), String> {
        self.behaviour.looks.fetch_add(1, Ordering::SeqCst);
        self.behaviour.displaced.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn distrust_cached_pages(&self) {
        self.behaviour.openings.fetch_add(1, Ordering::SeqCst);
    }

    fn rescue_hint(&self) -> String {
        "it is in the test's hands".to_owned()
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.behaviour.operate(Operation::Read)?;
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.behaviour.operate(Operation::Read)?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.behaviour.operate(Operation::Write)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.behaviour.flushes.fetch_add(1, Ordering::SeqCst);
        let mut holding = self.behaviour.holding.lock().unwrap();
        while *holding {
            self.behaviour.held.notify_one();
            holding = self.behaviour.released.wait(holding).unwrap();
        }
        drop(holding);
        self.behaviour.operate(Operation::Flush)?;
        self.file.sync_data()
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        assert!(!self.behaviour.panics.swap(false, Ordering::SeqCst), "a panic on purpose");
        self.behaviour.operate(if offset == 0 { Operation::WriteHeader } else { Operation::Write })?;
        self.file.write(offset, data)
    }
}
