//! What a process writes, line by line, as it writes it.

use std::{
    fmt,
    io::{BufRead, BufReader, Read},
    thread,
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

/// How many lines a failure shows; a server under load writes many.
const SHOWN_LINES_MAX: usize = 200;
/// How long the rest of a dead process's output may take to arrive.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// The lines of one output stream of a process. Clones see the same lines.
#[derive(Clone)]
pub(crate) struct Log {
    lines: watch::Receiver<Vec<String>>,
}

impl Log {
    /// Follows `stream` in a thread until it ends.
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, lines) = watch::channel(Vec::new());
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                sender.send_modify(|lines| lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
        });
        Self { lines }
    }

    /// Waits for a line that contains `part`.
    pub(crate) async fn line_with(&self, part: &str, patience: Duration) -> String {
        let has = |line: &&String| line.contains(part);
        let mut lines = self.lines.clone();
        let found = timeout(patience, lines.wait_for(|lines| lines.iter().any(|line| has(&line)))).await;
        match found {
            Ok(Ok(lines)) => lines.iter().find(has).expect("it was just there").clone(),
            Ok(Err(_)) => panic!("the process ended without a line that contains {part:?}:\n{self}"),
            Err(tokio::time::error::Elapsed { .. }) => {
                panic!("no line that contains {part:?} within {patience:?}:\n{self}")
            }
        }
    }

    /// Whether a line so far contains `part`.
    pub(crate) fn contains(&self, part: &str) -> bool {
        self.lines.borrow().iter().any(|line| line.contains(part))
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// Everything that was written, once the process has ended.
    pub(crate) async fn whole(mut self) -> String {
        let ended = async { while self.lines.changed().await.is_ok() {} };
        timeout(DRAIN_PATIENCE, ended).await.expect("the output of a dead process ends");
        self.lines().join("\n")
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines.borrow();
        f.write_str(&lines[lines.len().saturating_sub(SHOWN_LINES_MAX)..].join("\n"))
    }
}
