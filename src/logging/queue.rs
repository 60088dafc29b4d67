//! Lines on their way to standard error. Whoever logs only leaves them here; a thread of its own writes them. When nobody reads
//! the other end of a pipe, that thread waits, and nobody else does: lines that find no room are dropped, and counted.

use std::{
    io::{self, ErrorKind, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// What may wait: some thousands of lines, which is more than any burst between two turns of the thread, and little memory. As
/// much again may be under way.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// The pause before a pipe that does not block and is full is tried again.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// The way in. Each [`write`](Write::write) is one whole line, or several.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// There is nothing to write any more.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that found no room since the last were written.
    dropped: u64,
    /// Whether lines are under way.
    writing: bool,
}

impl Queue {
    /// A queue whose thread writes to `out`. `tell` makes the line that says how many were dropped.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        tell: impl Fn(u64) -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Self(Arc::default());
        let shared = queue.0.clone();
        thread::Builder::new().name("log-writer".to_owned()).spawn(move || shared.write_forever(out, &tell))?;
        Ok(queue)
    }

    /// Waits until all lines so far are written, but not longer than `patience`: nobody may be reading them.
    pub(super) fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.0.lock();
        while !state.is_empty() || state.writing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.0.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Write for Queue {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        let was_empty = state.is_empty();
        if state.waiting.len() + lines.len() <= WAITING_BYTES_MAX {
            state.waiting.extend_from_slice(lines);
        } else {
            state.dropped += 1;
        }
        drop(state);
        if was_empty {
            self.0.filled.notify_one();
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped == 0
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_forever(&self, mut out: impl Write, tell: &impl Fn(u64) -> Vec<u8>) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.lock();
            state.writing = false;
            while state.is_empty() {
                self.emptied.notify_all();
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            mem::swap(&mut state.waiting, &mut lines);
            let dropped = mem::take(&mut state.dropped);
            state.writing = true;
            drop(state);
            write_whole(&mut out, &lines);
            lines.clear();
            if dropped > 0 {
                write_whole(&mut out, &tell(dropped));
            }
        }
    }
}

/// Writes all of `lines`, however long that takes. When the other end is gone they are lost, and there is nobody to be told.
fn write_whole(out: &mut impl Write, mut lines: &[u8]) {
    while !lines.is_empty() {
        match out.write(lines) {
            Ok(0) => return,
            Ok(written) => lines = &lines[written..],
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            // Somebody who shares the pipe has made it so that it does not block.
            Err(why) if why.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// An output that takes a write only when it is let to, and tells what it took.
    struct Gate {
        permits: mpsc::Receiver<usize>,
        taken: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.permits.recv().expect("the test lives") {
                0 => Err(ErrorKind::WouldBlock.into()),
                most => {
                    let taken = &bytes[..bytes.len().min(most)];
                    self.taken.send(taken.to_vec()).expect("the test lives");
                    Ok(taken.len())
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Queue, mpsc::Sender<usize>, mpsc::Receiver<Vec<u8>>) {
        let (permit, permits) = mpsc::channel();
        let (taken, written) = mpsc::channel();
        let tell = |count| format!("dropped {count}\n").into_bytes();
        (Queue::start(Gate { permits, taken }, tell).expect("a thread"), permit, written)
    }

    #[test]
    fn a_writer_never_waits_for_a_reader_and_what_is_dropped_is_counted() {
        let (mut queue, permit, written) = gated();
        let line = [b"x".repeat(1023).as_slice(), b"\n"].concat();
        // The first is under way before the others wait, or else waits with them.
        let lines = 10_000;
        for _ in 0..lines {
            queue.write_all(&line).expect("it takes everything");
        }
        let held = queue.0.lock().waiting.capacity();
        assert!(held <= 2 * WAITING_BYTES_MAX, "{held} bytes are held");
        let begun = Instant::now();
        queue.flush(Duration::from_millis(50));
        assert!(begun.elapsed() < Duration::from_secs(5), "nor does the end of the process");

        let mut read = Vec::new();
        while !read.ends_with(b"\n") || !read.windows(8).any(|part| part == b"dropped ") {
            permit.send(usize::MAX).expect("it writes");
            read.extend(written.recv().expect("it writes"));
        }
        let text = String::from_utf8(read).expect("ASCII");
        let (kept, told) = text.split_once("dropped ").expect("it is told");
        let dropped: usize = told.trim().parse().expect("a number");
        assert_eq!(kept.matches('\n').count() + dropped, lines, "every line is either there or counted");
        assert!(dropped > lines / 2, "{dropped}");
    }

    #[test]
    fn a_flush_waits_for_all_lines_in_their_order() {
        let (mut queue, permit, written) = gated();
        // Short writes, and a pipe that is full at times.
        for most in [0, 3, 0, 0, 2, usize::MAX, usize::MAX, usize::MAX, usize::MAX] {
            permit.send(most).expect("it writes");
        }
        for line in ["one\n", "two\n", "three\n"] {
            queue.write_all(line.as_bytes()).expect("it takes everything");
        }
        queue.flush(Duration::from_secs(20));
        let read: Vec<u8> = written.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(read).expect("ASCII"), "one\ntwo\nthree\n");
    }

    #[test]
    fn a_reader_that_is_gone_stops_nobody() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut queue = Queue::start(Gone, |_| Vec::new()).expect("a thread");
        let begun = Instant::now();
        for _ in 0..10 {
            queue.write_all(b"a line\n").expect("it takes everything");
            queue.flush(Duration::from_secs(20));
        }
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
