//! Why the embedded store cannot be opened, in an operator's words.

use std::{
    io,
    path::{Path, PathBuf},
};

use redb::{DatabaseError, StorageError};

use super::tables::FILE_FORMAT;

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
    /// A symbolic link that leads nowhere: what it should lead to may be not mounted yet, so nothing is made there.
    #[error(
        "DATA_DIR: {path} is a symbolic link to {target}, which is not there; make or mount it first, or remove the link",
        path = path.display(), target = target.display()
    )]
    Dangling {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// There is something else where the file should be.
    #[error("DATA_DIR: {path} is no file; move it away, or choose another DATA_DIR", path = path.display())]
    NoFile {
        /// What is there.
        path: PathBuf,
    },
    /// A new store could not be written.
    #[error("DATA_DIR: cannot make a new store in {path}: {why}", path = path.display())]
    NotMade {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
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

/// What redb's refusal to open the file at `path` means.
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
