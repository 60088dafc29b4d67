//! Child processes that never outlive us.

use std::{
    io::Write,
    path::Path,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Becomes the program, and leaves a guard beside it that waits on a pipe whose other end only we hold. A line on the
/// pipe means that the program has ended and been waited for. The pipe's end without one means that we are gone,
/// killed perhaps, and then the guard kills the program and removes its scratch directory.
const GUARD: &str = r#"
exec 3<&0
{ read -r _ <&3 || { kill -9 $$; [ -z "$1" ] || { sleep 1; rm -rf -- "$1"; }; }; } >/dev/null 2>&1 &
exec 3<&-
shift
exec "$@" </dev/null
"#;

/// Between two looks at something that no event announces.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// A running child, killed when this is dropped and also when this process dies without dropping anything.
pub(crate) struct Guarded {
    child: Child,
    pipe: ChildStdin,
}

impl Guarded {
    /// Starts `program`. `scratch`, if given, is removed with it when this process dies; `configure` may set the
    /// command's arguments, environment, directory and outputs, but not its input.
    pub(crate) fn spawn(program: &Path, scratch: Option<&Path>, configure: impl FnOnce(&mut Command)) -> Self {
        use std::os::unix::process::CommandExt;

        let mut command = Command::new("/bin/sh");
        command.args(["-c", GUARD, "sh"]).arg(scratch.unwrap_or(Path::new(""))).arg(program);
        configure(&mut command);
        // A group of its own, so that Ctrl-C in a terminal reaches us alone and we decide what ends when.
        command.stdin(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let pipe = child.stdin.take().expect("stdin was just piped");
        Self { child, pipe }
    }

    /// The child's standard output, when `configure` piped it and nobody took it yet.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The child's standard error, when `configure` piped it and nobody took it yet.
    pub(crate) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// The child's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, unless the child has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.exited().is_none() {
            kill_process(Pid::from_child(&self.child), signal).expect("a child of ours can be signalled");
        }
    }

    /// How the child ended, if it has.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("a child of ours can be waited for")?;
        self.dismiss_guard();
        Some(status)
    }

    /// Waits until the child ends by itself; `None` when it is still there after `patience`.
    pub(crate) async fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            match self.exited() {
                None if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                ended => return ended,
            }
        }
    }

    /// Kills the child with SIGKILL and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // Fails only when the child has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.dismiss_guard();
    }

    /// Sends the guard away, because the child's pid may be somebody else's from now on.
    fn dismiss_guard(&mut self) {
        // A guard that is gone already cannot read it, and need not.
        let _ = self.pipe.write_all(b"\n");
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}
