//! A disk that is soon full.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tempfile::TempDir;

use super::{mongod::node::scratch, server::Server};

/// What the store of one event needs at least, and a little more.
const SIZE: &str = "size=12m";

/// A directory on a file system of its own where this process may mount one. Where it may not, the disk is full for a
/// server by the limit that the system sets on its files: the same to the server, but for the name of the error.
pub(crate) struct SmallDisk {
    directory: TempDir,
    mounted: bool,
}

impl SmallDisk {
    pub(crate) fn new() -> Self {
        let directory = scratch("small");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(directory.path());
        let mounted = mount.output().is_ok_and(|mounted| mounted.status.success());
        println!("a full disk is {}", if mounted { "a full file system" } else { "a limit on files" });
        Self { directory, mounted }
    }

    /// A place for a store.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Leaves no room to the last byte.
    pub(crate) fn fill(&self, server: &Server) {
        if !self.mounted {
            let file = self.data_dir().join("ticketboss.redb");
            return limit_files(server, Some(file.metadata().expect("the store is there").len()));
        }
        let mut ballast = File::create(self.ballast()).expect("a file can be made");
        for size in [65_536, 4096, 1] {
            let bytes = vec![7; size];
            loop {
                match ballast.write(&bytes) {
                    Ok(_) => {}
                    Err(full) if full.kind() == ErrorKind::StorageFull => break,
                    Err(other) => panic!("the disk cannot be filled: {other}"),
                }
            }
        }
    }

    /// Gives the room back.
    pub(crate) fn make_room(&self, server: &Server) {
        if self.mounted {
            fs::remove_file(self.ballast()).expect("the disk was full");
        } else {
            limit_files(server, None);
        }
    }

    /// Whether a server that is started while the disk is full finds it full.
    pub(crate) fn is_full_for_all(&self) -> bool {
        self.mounted
    }

    fn ballast(&self) -> PathBuf {
        self.directory.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a server that is killed after this may still have its file open.
            let path: &Path = self.directory.path();
            let unmounted = Command::new("umount").arg("-l").arg(path).status();
            if !unmounted.is_ok_and(|status| status.success()) {
                eprintln!("{} stays mounted", path.display());
            }
        }
    }
}

/// Has the server's files grow no longer than this, or without a limit.
fn limit_files(server: &Server, length: Option<u64>) {
    let pid = Pid::from_raw(server.pid().try_into().expect("a process id")).expect("a process");
    let maximum = getrlimit(Resource::Fsize).maximum;
    let limit = Rlimit { current: length.or(maximum), maximum };
    prlimit(Some(pid), Resource::Fsize, limit).expect("a child of ours can be limited");
}
