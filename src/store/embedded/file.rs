//! The file in `DATA_DIR`: making it, opening it, and saying in an operator's words why that cannot be done.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use redb::{Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, ReadableTableMetadata, StorageError};

use super::tables::{FILE_FORMAT, RESERVATIONS};

const FILE_NAME: &str = "ticketboss.redb";

/// What redb may keep in memory. Most of it are leaf pages that batches without order (keyed reservations) come back to;
/// the inner pages of ten million reservations take some ten megabytes. What falls out is mostly still in the
/// system's page cache. redb's own default is a gigabyte, more than a small machine has to give.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Why the embedded store cannot be opened, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or the file cannot be made, read or written.
    #[error("DATA_DIR: cannot use {path}: {why}", path = path.display())]
    Inaccessible {
        /// What was to be used.
        path: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
    /// Another process has the file open.
    #[error(
        "DATA_DIR: {path} is in use by another process; stop that one, choose another DATA_DIR, or set MONGO_URI to \
         share a deployment",
        path = path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is of an older or newer kind.
    #[error("DATA_DIR: {path} has file format {found}, which this program cannot read", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The number found in it.
        found: u8,
    },
    /// The file was written by another version of this program, which kept it in another way.
    #[error(
        "DATA_DIR: its file is in format {found} and this program reads format {FILE_FORMAT}; use the program that wrote it, or \
         another DATA_DIR"
    )]
    Outdated {
        /// The number of its format.
        found: u32,
    },
    /// The file is no database, or a damaged one.
    #[error("DATA_DIR: {path} is damaged, or was not written by ticketboss: {why}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file could be opened but not used.
    #[error("DATA_DIR: the database cannot be used: {0}")]
    Unusable(String),
    /// The system gave no thread for the writer.
    #[error("cannot start the store's writer: {0}")]
    Thread(io::Error),
}

/// Makes the directory and the file in it if they are absent, such that they outlast a loss of power.
///
/// Both are for their owner alone: they hold partners' data, and the secret behind keyed reservation ids.
pub(super) fn prepare(data_dir: &Path) -> Result<PathBuf, OpenError> {
    let path = data_dir.join(FILE_NAME);
    let inaccessible = |path: &Path, why| OpenError::Inaccessible { path: path.to_owned(), why };
    if !data_dir.is_dir() {
        let mut directory = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
        directory.recursive(true).create(data_dir).map_err(|why| inaccessible(data_dir, why))?;
    }
    let mut file = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    match file.write(true).create_new(true).open(&path) {
        Ok(_) => {
            // A new name is durable only when its directory is flushed too, and so on upwards.
            for directory in [Some(data_dir), data_dir.parent()].into_iter().flatten() {
                flush_directory(directory).map_err(|why| inaccessible(directory, why))?;
            }
        }
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
        Err(why) => return Err(inaccessible(&path, why)),
    }
    Ok(path)
}

/// Opens the file, which must be there: one that vanished while we ran is not replaced by an empty one.
pub(super) fn connect(path: &Path) -> Result<Database, OpenError> {
    let refused = |why| refused(path, why);
    // redb reports several steps of one check.
    let said = AtomicBool::new(false);
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(|why| refused(why.into()))?;
    distrust_cached_pages(&file);
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        .set_repair_callback(move |_| {
            if !said.swap(true, Ordering::Relaxed) {
                log::info!("the embedded store was not closed cleanly and is checked before it is used");
            }
        })
        .create_file(file)
        .map_err(refused)
}

/// Whether `data_dir` holds reservations, as far as can be told without changing anything: a file that is in use, that was
/// not closed cleanly, or that cannot be read counts as holding some.
#[must_use]
pub fn may_hold_reservations(data_dir: &Path) -> bool {
    let path = data_dir.join(FILE_NAME);
    match path.metadata() {
        Err(why) if why.kind() == io::ErrorKind::NotFound => false,
        Ok(found) if found.len() == 0 => false,
        _ => count_reservations(&path).is_none_or(|count| count > 0),
    }
}

fn count_reservations(path: &Path) -> Option<u64> {
    let reading = ReadOnlyDatabase::open(path).ok()?.begin_read().ok()?;
    match reading.open_table(RESERVATIONS) {
        Ok(table) => table.len().ok(),
        Err(redb::TableError::TableDoesNotExist(_)) => Some(0),
        Err(_) => None,
    }
}

pub(super) fn refused(path: &Path, why: DatabaseError) -> OpenError {
    let path = path.to_owned();
    match why {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse { path },
        DatabaseError::UpgradeRequired(found) => OpenError::Format { path, found },
        DatabaseError::Storage(StorageError::Io(why)) if why.kind() != io::ErrorKind::InvalidData => {
            OpenError::Inaccessible { path, why }
        }
        why => OpenError::Damaged { path, why: why.to_string() },
    }
}

/// Has the file read from the disk and not from the system's memory. After a flush that failed, Linux holds the pages
/// that it could not write as if they were written (fsync(2), notes on errors), so a commit that the disk lacks would look
/// durable when the file is opened again, and later ones would build on it.
#[cfg(target_os = "linux")]
fn distrust_cached_pages(file: &File) {
    if let Err(why) = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed) {
        log::debug!(error:% = why; "the system keeps its cached pages of the embedded store's file");
    }
}

/// Elsewhere nothing of the kind can be asked for.
#[cfg(not(target_os = "linux"))]
fn distrust_cached_pages(_: &File) {}

#[cfg(unix)]
fn flush_directory(directory: &Path) -> io::Result<()> {
    // The parent of a relative path of one part is the empty path, which means here.
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)?.sync_all()
}

/// Elsewhere than on Unix a directory cannot be opened to be flushed.
#[cfg(not(unix))]
fn flush_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
