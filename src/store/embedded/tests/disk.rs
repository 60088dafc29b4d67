//! A disk that fails, or stands still, when it is told to.

use std::{
    fs::OpenOptions,
    io,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use redb::{
    Database, StorageBackend,
    backends::{FileBackend, InMemoryBackend},
};
use tempfile::NamedTempFile;
use tokio::sync::Notify;

use super::{super::EmbeddedStore, clock};

/// Small, so that recent rows are moved often.
pub(super) const GENERATION_ROWS: usize = 32;

/// The test's handle on the disk.
pub(super) struct Disk {
    file: NamedTempFile,
    behaviour: Arc<Behaviour>,
}

#[derive(Debug)]
struct Behaviour {
    /// Operations that still succeed.
    allowed: AtomicUsize,
    flushes: AtomicUsize,
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
            flushes: AtomicUsize::new(0),
            holding: Mutex::new(false),
            released: Condvar::new(),
            held: Notify::new(),
        };
        Self { file: NamedTempFile::new().expect("a file"), behaviour: Arc::new(behaviour) }
    }

    /// A store on this disk.
    pub(super) fn store(&self) -> EmbeddedStore {
        let (path, behaviour) = (self.file.path().to_owned(), self.behaviour.clone());
        let connect = move || {
            let file = OpenOptions::new().read(true).write(true).open(&path).expect("the file is there");
            let backend = Backend { file: FileBackend::new(file).expect("a backend"), behaviour: behaviour.clone() };
            Database::builder().create_with_backend(backend).map_err(|why| super::file::refused(&path, why))
        };
        EmbeddedStore::start(connect, clock(), GENERATION_ROWS).expect("a store")
    }

    /// What the file holds at this moment, in memory, whoever has it open.
    pub(super) fn copy(&self) -> Database {
        let copy = InMemoryBackend::new();
        let bytes = std::fs::read(self.file.path()).expect("the file is there");
        copy.set_len(bytes.len() as u64).expect("room in memory");
        copy.write(0, &bytes).expect("room in memory");
        Database::builder().create_with_backend(copy).expect("a sound file")
    }

    /// Lets `allowed` operations succeed, and fails all after them.
    pub(super) fn fail_after(&self, allowed: usize) {
        self.behaviour.allowed.store(allowed, Ordering::SeqCst);
    }

    pub(super) fn heal(&self) {
        self.fail_after(usize::MAX);
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
}

impl Behaviour {
    fn operate(&self) -> io::Result<()> {
        let spend = |allowed: usize| if allowed == usize::MAX { Some(allowed) } else { allowed.checked_sub(1) };
        match self.allowed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("the disk fails on purpose")),
        }
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.behaviour.operate()?;
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.behaviour.operate()?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.behaviour.operate()?;
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
        self.behaviour.operate()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.behaviour.operate()?;
        self.file.write(offset, data)
    }
}
