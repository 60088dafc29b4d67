//! What redb writes to, seen from below: a disk that may fail, and what one opening of it by redb may still do then.
//!
//! redb answers nothing that it has not in memory once a single write has failed, and must read its whole file before it
//! goes on. So it never hears of such a failure: from the first one on, the [`Session`] leaves the file as it is, and keeps in
//! memory what redb believes to have written. What was durable before stays readable at full speed; that the rest is
//! not there is for the writer to know, who asks [`Session::failure`] before anything is acknowledged.
//!
//! The header decides which state the file is in. It is written right before a flush and never after a failure, so a
//! commit that failed before its flush was certainly not made.

use std::{
    collections::HashMap,
    fmt, io,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use redb::{BackendError, Builder, Database, DatabaseError, StorageBackend};

/// The unit in which unwritten bytes are kept; redb's pages are multiples of it.
const BLOCK: u64 = 4096;

/// Where the store's bytes are, as one process has it open from start to end.
pub(super) trait Medium: StorageBackend {
    /// Whether new data would find room, as far as can be found out without touching the store's own bytes.
    fn has_room(&self) -> io::Result<()>;

    /// Whether what is open here is still what the next start would open; else why not, for the operator.
    fn is_in_place(&self) -> Result<(), String>;

    /// Has everything read from the disk itself from now on.
    fn distrust_cached_pages(&self);

    /// What is said in the log about rescuing what can no longer be found under its name.
    fn rescue_hint(&self) -> String;
}

/// The medium, and the lock on it, which is held from the first opening until [`Disk::close`], whatever redb opens and
/// closes meanwhile.
#[derive(Debug)]
pub(super) struct Disk {
    medium: Box<dyn Medium>,
    locked: AtomicBool,
}

impl Disk {
    pub(super) fn new(medium: impl Medium) -> Arc<Self> {
        Arc::new(Self { medium: Box::new(medium), locked: AtomicBool::new(false) })
    }

    /// Opens the database, and locks the medium if that is not done yet. An empty medium becomes an empty database at the
    /// first opening, never later: it would hide that everything is lost.
    pub(super) fn open(self: &Arc<Self>, builder: &Builder) -> Result<(Database, Arc<Session>), DatabaseError> {
        if self.was_opened() && self.medium.len()? == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file was emptied").into());
        }
        self.medium.distrust_cached_pages();
        let session = Arc::new(Session {
            disk: self.clone(),
            unwritten: Mutex::default(),
            detached: AtomicBool::new(false),
            revoked: AtomicBool::new(false),
            headers_written: AtomicU64::new(0),
        });
        let database = builder.create_with_backend(Backend(session.clone()))?;
        self.locked.store(true, Ordering::Release);
        Ok((database, session))
    }

    pub(super) fn medium(&self) -> &dyn Medium {
        &*self.medium
    }

    /// Whether redb had it open before.
    pub(super) fn was_opened(&self) -> bool {
        self.locked.load(Ordering::Acquire)
    }

    /// Lets the lock go.
    pub(super) fn close(&self) {
        if self.locked.swap(false, Ordering::AcqRel)
            && let Err(why) = self.medium.close()
        {
            log::debug!("the lock on the embedded store's file ends with the process: {why}");
        }
    }
}

/// One opening of the medium by redb.
pub(super) struct Session {
    disk: Arc<Disk>,
    unwritten: Mutex<Unwritten>,
    /// Whether nothing reaches the medium any more.
    detached: AtomicBool,
    /// Whether another session may change the medium, so that nothing read from it fits what was read before.
    revoked: AtomicBool,
    headers_written: AtomicU64,
}

/// What redb wrote and the medium does not have.
#[derive(Default)]
struct Unwritten {
    /// The header, which waits for the next flush.
    header: Option<Vec<u8>>,
    failure: Option<String>,
    /// The rest, once detached: by their number.
    blocks: HashMap<u64, Vec<u8>>,
    /// How long the medium would be.
    len: u64,
    /// How much of what the medium has would still be there.
    kept_len: u64,
}

impl Session {
    /// Why nothing reaches the medium any more, if so.
    pub(super) fn failure(&self) -> Option<String> {
        if self.detached.load(Ordering::Acquire) { self.unwritten().failure.clone() } else { None }
    }

    /// How often a header was written, or tried to be: a commit between two equal answers was not made.
    pub(super) fn headers_written(&self) -> u64 {
        self.headers_written.load(Ordering::Acquire)
    }

    /// Lets nothing reach the medium from now on, and keeps why unless there was a reason before.
    pub(super) fn detach(&self, why: &str) {
        self.detach_with(&mut self.unwritten(), why);
    }

    /// Ends it, because another session is about to change the medium. Reading fails from now on, except for what redb
    /// has in memory: a page that is read here and changed there must not be taken for one of the old state.
    pub(super) fn revoke(&self) {
        self.detach("the file was opened anew");
        self.revoked.store(true, Ordering::SeqCst);
    }

    fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn medium(&self) -> &dyn Medium {
        self.disk.medium()
    }

    fn detach_with(&self, unwritten: &mut Unwritten, why: &str) {
        if unwritten.failure.is_some() {
            return;
        }
        unwritten.failure = Some(why.to_owned());
        // A medium that does not even tell its length is read no further than what was written here.
        unwritten.len = self.medium().len().unwrap_or(0);
        unwritten.kept_len = unwritten.len;
        if let Some(header) = unwritten.header.take() {
            // What cannot be kept because its block cannot be read is not read back either.
            let _ = self.keep(unwritten, 0, &header);
        }
        self.detached.store(true, Ordering::Release);
    }

    /// Does what changes the medium, or, if it fails or has failed before, `keep`s the change in memory.
    fn change(
        &self,
        act: impl FnOnce(&mut Unwritten) -> io::Result<()>,
        keep: impl FnOnce(&mut Unwritten) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut unwritten = self.unwritten();
        if unwritten.failure.is_none() {
            match act(&mut unwritten) {
                Ok(()) => return Ok(()),
                Err(why) => self.detach_with(&mut unwritten, &why.to_string()),
            }
        }
        keep(&mut unwritten)
    }

    fn keep(&self, unwritten: &mut Unwritten, offset: u64, data: &[u8]) -> io::Result<()> {
        unwritten.len = unwritten.len.max(offset + data.len() as u64);
        for (number, within, part) in blocks(offset, data.len()) {
            let block = match unwritten.blocks.entry(number) {
                std::collections::hash_map::Entry::Occupied(kept) => kept.into_mut(),
                std::collections::hash_map::Entry::Vacant(place) => {
                    let mut block = vec![0; to_usize(BLOCK)];
                    self.read_medium(number * BLOCK, &mut block, unwritten.kept_len)?;
                    place.insert(block)
                }
            };
            block[within..within + part.len()].copy_from_slice(&data[part]);
        }
        Ok(())
    }

    /// Reads what the medium has there up to `end`; zeros after it.
    fn read_medium(&self, offset: u64, out: &mut [u8], end: u64) -> io::Result<()> {
        let there = to_usize(end.saturating_sub(offset)).min(out.len());
        out[there..].fill(0);
        if there == 0 { Ok(()) } else { self.medium().read(offset, &mut out[..there]) }
    }

    /// Reads what redb wrote and the medium does not have, and the rest from the medium.
    fn read_back(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let unwritten = self.unwritten();
        if unwritten.failure.is_none() {
            self.medium().read(offset, out)?;
            if let Some(header) = unwritten.header.as_ref().filter(|_| offset == 0) {
                let known = header.len().min(out.len());
                out[..known].copy_from_slice(&header[..known]);
            }
            return Ok(());
        }
        let (len, kept_len) = (unwritten.len, unwritten.kept_len);
        // The medium changes no more, and others read meanwhile.
        drop(unwritten);
        if offset + out.len() as u64 > len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_medium(offset, out, kept_len)?;
        let unwritten = self.unwritten();
        for (number, within, part) in blocks(offset, out.len()) {
            if let Some(block) = unwritten.blocks.get(&number) {
                out[part.clone()].copy_from_slice(&block[within..within + part.len()]);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("detached", &self.detached).finish_non_exhaustive()
    }
}

/// The blocks that so many bytes from `offset` on lie in: the number of each, where in it they begin, and which they are.
fn blocks(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = to_usize(at % BLOCK);
        let part = done..len.min(done + to_usize(BLOCK) - within);
        done = part.end;
        (!part.is_empty()).then_some((at / BLOCK, within, part))
    })
}

/// Lengths within a file that is read into memory in parts; on a machine of 32 bits redb could not use a longer one.
fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// What redb has of a session.
#[derive(Debug)]
struct Backend(Arc<Session>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        if self.0.detached.load(Ordering::Acquire) { Ok(self.0.unwritten().len) } else { self.0.medium().len() }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset == 0 || self.0.detached.load(Ordering::Acquire) {
            self.0.read_back(offset, out)?;
        } else {
            self.0.medium().read(offset, out)?;
        }
        // After reading: what was read before this was so is of the state that it is taken for.
        if self.0.revoked.load(Ordering::SeqCst) {
            return Err(io::Error::other("the file was opened anew meanwhile"));
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let keep = |unwritten: &mut Unwritten| {
            unwritten.len = len;
            unwritten.kept_len = unwritten.kept_len.min(len);
            unwritten.blocks.retain(|number, _| number * BLOCK < len);
            Ok(())
        };
        self.0.change(|_| self.0.medium().set_len(len), keep)
    }

    fn sync_data(&self) -> io::Result<()> {
        let flush = |unwritten: &mut Unwritten| {
            if let Some(header) = &unwritten.header {
                self.0.headers_written.fetch_add(1, Ordering::AcqRel);
                self.0.medium().write(0, header)?;
            }
            self.0.medium().sync_data()?;
            unwritten.header = None;
            Ok(())
        };
        self.0.change(flush, |_| Ok(()))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let write = |unwritten: &mut Unwritten| {
            if offset == 0 {
                unwritten.header = Some(data.to_vec());
                return Ok(());
            }
            self.0.medium().write(offset, data)
        };
        self.0.change(write, |unwritten| self.0.keep(unwritten, offset, data))
    }

    /// The disk outlives its sessions, and so does its lock, unless this was the first and it could not be opened.
    fn close(&self) -> io::Result<()> {
        if self.0.disk.was_opened() { Ok(()) } else { self.0.medium().close() }
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if self.0.disk.was_opened() {
            return Ok(true);
        }
        self.0.medium().try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        if self.0.disk.was_opened() {
            return Ok(());
        }
        self.0.medium().unlock_range(start, end)
    }
}

#[cfg(test)]
#[path = "medium_tests.rs"]
mod tests;
