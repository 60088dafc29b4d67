//! File descriptors: every connection takes one, and so do the store's files and the database driver's connections.
//!
//! Most systems start a process with a soft limit of 1,024, for the sake of programs that use `select(2)`, and a hard one
//! that is far higher (systemd's default is 524,288). This program does not use it, so it takes what it may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that no connection gets: the driver keeps up to 64 per server of a deployment, and the embedded store, the log
/// and the runtime a few dozen.
const RESERVE: u64 = 512;

/// Raises the soft limit of open files to the hard one, logs it, and gives what is in force; `None` is no limit.
#[must_use]
pub fn raise_limit() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: before.maximum, maximum: before.maximum };
    if before.current != before.maximum
        && let Err(error) = setrlimit(Resource::Nofile, wanted)
    {
        log::warn!(
            open_files_max:? = before.current, hard_limit:? = before.maximum, cause:% = error;
            "the limit of open files cannot be raised"
        );
    }
    let now = getrlimit(Resource::Nofile).current;
    let told = |limit: Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    log::info!(
        open_files_max = told(now).as_str(),
        open_files_max_before = told(before.current).as_str();
        "the limit of open files is as high as it may be"
    );
    now
}

/// How many connections fit below `limit`, beside what the store needs: a quarter of the descriptors where there are few.
#[must_use]
pub fn room_for_connections(limit: Option<u64>) -> usize {
    let room = limit.map_or(u64::MAX, |limit| limit - RESERVE.min(limit / 4));
    usize::try_from(room).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be() {
        let raised = raise_limit();
        assert_eq!(raised, getrlimit(Resource::Nofile).maximum);
    }

    #[test]
    fn connections_leave_descriptors_for_the_store() {
        for (limit, room) in [(256, 192), (1_024, 768), (4_096, 3_584), (524_288, 523_776)] {
            assert_eq!(room_for_connections(Some(limit)), room);
        }
        assert_eq!(room_for_connections(None), usize::MAX);
    }
}
