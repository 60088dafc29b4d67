//! The file in `DATA_DIR`: making it, and what it is to the store as long as it is open.

use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions},
    io::{self, ErrorKind},
    ops::Bound,
    path::{Path, PathBuf},
};

use redb::{
    BackendError, ReadOnlyDatabase, ReadableDatabase, ReadableTableMetadata, StorageBackend, backends::FileBackend,
};

use super::{
    medium::Medium,
    open_error::{OpenError, refused},
    tables::RESERVATIONS,
};

const FILE_NAME: &str = "ticketboss.redb";

/// A file beside it that is written to find out whether there is room, and removed again.
const PROBE_NAME: &str = "ticketboss.probe";

/// How much room there must be before writing is tried again: more than any one commit takes, so that the store does not
/// go in and out of service with every few kilobytes that somebody else makes and uses.
const ROOM_BYTES: usize = 1024 * 1024;

/// The file, open and to be found under its name.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    /// What is written to find out about room: beside where the file really is, which may be behind a link.
    probe: PathBuf,
    /// Shares everything with the backend's, the lock too.
    file: File,
    backend: FileBackend,
}

impl DataFile {
    /// Opens the file in `data_dir`, and makes both if they are absent.
    pub(super) fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let path = prepare(data_dir)?;
        let inaccessible = |why| OpenError::Inaccessible { path: path.clone(), why };
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(inaccessible)?;
        #[cfg(unix)]
        if let Some(warning) = exposure(data_dir, &path) {
            log::warn!("DATA_DIR: {warning}");
        }
        let backend = file.try_clone().map_err(inaccessible)?;
        let backend = FileBackend::new(backend).map_err(|why| refused(&path, why))?;
        let probe = path.canonicalize().map_err(inaccessible)?.with_file_name(PROBE_NAME);
        Ok(Self { path, probe, file, backend })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file to probe with. None if that cannot be had for another reason than the disk's: whether the own file can be
    /// written, writing to it will tell.
    fn probe(&self) -> io::Result<Option<FileBackend>> {
        let mut file = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
        match file.write(true).create(true).truncate(true).open(&self.probe) {
            Ok(file) => FileBackend::new(file).map(Some).map_err(io::Error::other),
            Err(why) => match why.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem => Err(why),
                _ => Ok(None),
            },
        }
    }
}

impl Medium for DataFile {
    /// Writes so much beyond where the file ends, but in another file: whatever breaks that off does no harm.
    fn has_room(&self) -> io::Result<()> {
        let Some(probe) = self.probe()? else { return Ok(()) };
        let end = self.file.metadata()?.len();
        let probed = probe.write(end, &vec![0; ROOM_BYTES]).and_then(|()| probe.sync_data());
        if let Err(why) = std::fs::remove_file(&self.probe) {
            log::debug!(path:% = self.probe.display(); "cannot remove what was written to find out about room: {why}");
        }
        probed
    }

    #[cfg(unix)]
    fn is_in_place(&self) -> Result<(), String> {
        use std::os::unix::fs::MetadataExt;

        let open = self.file.metadata().map_err(|why| format!("the open file tells nothing of itself: {why}"))?;
        let is_same = |found: &Metadata| (found.dev(), found.ino()) == (open.dev(), open.ino());
        let path = self.path.display();
        match self.path.metadata() {
            Ok(found) if is_same(&found) => Ok(()),
            Ok(_) => Err(format!(
                "there is another file at {path} than the one that is open; put the old one back, or restart to use the new one"
            )),
            _ if open.nlink() == 0 => Err(format!("{path} was deleted")),
            Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(format!("{path} was moved away; put it back, or restart with DATA_DIR set to where it is"))
            }
            // Who may look at the path may change; the file is still what it is.
            Err(_) => Ok(()),
        }
    }

    /// Elsewhere than on Unix a file that is open stays where it is.
    #[cfg(not(unix))]
    fn is_in_place(&self) -> Result<(), String> {
        Ok(())
    }

    /// After a flush that failed, Linux holds the pages that it could not write as if they were written (fsync(2), notes on
    /// errors), so a commit that the disk lacks would look durable when the file is opened again, and later ones would
    /// build on it.
    #[cfg(target_os = "linux")]
    fn distrust_cached_pages(&self) {
        if let Err(why) = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed) {
            log::debug!(error:% = why; "the system keeps its cached pages of the embedded store's file");
        }
    }

    /// Elsewhere nothing of the kind can be asked for.
    #[cfg(not(target_os = "linux"))]
    fn distrust_cached_pages(&self) {}

    #[cfg(target_os = "linux")]
    fn rescue_hint(&self) -> String {
        use std::os::fd::AsRawFd;
        format!(
            "as long as this process runs, the file can be copied from /proc/{}/fd/{}",
            std::process::id(),
            self.file.as_raw_fd()
        )
    }

    #[cfg(not(target_os = "linux"))]
    fn rescue_hint(&self) -> String {
        "what was sold is in the open file of this process only".to_owned()
    }
}

impl StorageBackend for DataFile {
    fn len(&self) -> io::Result<u64> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.backend.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.backend.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.backend.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }
}

/// Makes the directory and the file in it if they are absent, such that they outlast a loss of power.
///
/// Both are for their owner alone: they hold partners' data, and the secret behind keyed reservation ids.
fn prepare(data_dir: &Path) -> Result<PathBuf, OpenError> {
    let path = data_dir.join(FILE_NAME);
    let inaccessible = |path: &Path, why| OpenError::Inaccessible { path: path.to_owned(), why };
    for path in [data_dir, &path] {
        if let Some(target) = dangling(path) {
            return Err(OpenError::Dangling { path: path.to_owned(), target });
        }
    }
    match data_dir.metadata() {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(inaccessible(data_dir, ErrorKind::NotADirectory.into())),
        Err(why) if why.kind() == ErrorKind::NotFound => {
            let mut directory = DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
            directory.recursive(true).create(data_dir).map_err(|why| inaccessible(data_dir, why))?;
        }
        Err(why) => return Err(inaccessible(data_dir, why)),
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
        // On a file system that takes no writes, a file that is there is told apart from one that is not.
        Err(_) if path.exists() => {}
        Err(why) => return Err(inaccessible(&path, why)),
    }
    if path.is_file() { Ok(path) } else { Err(OpenError::NoFile { path }) }
}

/// Where a symbolic link leads that leads nowhere.
fn dangling(path: &Path) -> Option<PathBuf> {
    let target = std::fs::read_link(path).ok()?;
    matches!(path.metadata(), Err(why) if why.kind() == ErrorKind::NotFound).then_some(target)
}

/// Who else than their owner can reach the directory's file, and what to do about it. What an operator has set is not changed:
/// it may be what a backup needs.
#[cfg(unix)]
pub(super) fn exposure(data_dir: &Path, path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    /// Others may replace what is in a directory, unless it is sticky.
    const WRITABLE: u32 = 0o002;
    const STICKY: u32 = 0o1000;

    let mode = |path: &Path| path.metadata().ok().map(|found| found.permissions().mode());
    let (directory, file) = (mode(data_dir)?, mode(path)?);
    if directory & WRITABLE != 0 && directory & STICKY == 0 {
        let data_dir = data_dir.display();
        return Some(format!("everybody may replace what is in {data_dir}; chmod 700 {data_dir}"));
    }
    // Group and others each need the directory's right to search and one on the file.
    let reached =
        [(0o010, 0o070), (0o001, 0o007)].iter().any(|(search, any)| directory & search != 0 && file & any != 0);
    let path = path.display();
    reached.then(|| format!("others than its owner may use {path} (mode {:03o}); chmod 600 {path}", file & 0o777))
}

/// Whether `data_dir` holds reservations, as far as can be told without changing anything: a file that is in use, that was
/// not closed cleanly, or that cannot be read counts as holding some.
#[must_use]
pub fn may_hold_reservations(data_dir: &Path) -> bool {
    let path = data_dir.join(FILE_NAME);
    match path.metadata() {
        Err(why) if why.kind() == ErrorKind::NotFound => false,
        Ok(found) if found.len() == 0 || !found.is_file() => false,
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
