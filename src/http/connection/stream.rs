//! A connection's bytes: one request in for every answer out.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    Exchange, Refusal,
    accept::DISCONNECT_TIMEOUT,
    admission::Permit,
    deadline::Deadline,
    head::{self, Body, Head},
    turns::Turns,
};
use crate::http::throttle::Throttle;

/// How long an idle connection stays open: longer than the 60 s after which common load balancers drop theirs, so that it
/// is they who close, and no request runs into a closing connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a head may take to arrive, from its first byte or, for a connection's first, from the connection's start; a
/// slower one is an attack or is lost.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the client may take to make room for [`PROGRESS_BYTES`] more of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a client that reads an answer takes at least within [`WRITE_TIMEOUT`]. So a long answer holds its connection for a
/// time that is bounded, however it is read.
const PROGRESS_BYTES: usize = 16 * 1024;

/// A [`TcpStream`] that hands out a request, with its body, and then nothing until its answer has left.
pub(in crate::http) struct Stream {
    tcp: TcpStream,
    peer: Option<IpAddr>,
    exchange: Rc<Exchange>,
    place: Place,
    /// Whether a request was handed out whose answer has not left yet.
    is_answering: bool,
    /// Bytes that came with a request's last ones, or are a part of a head.
    held: Held,
    /// Whether the socket has more to read, as far as is known.
    has_input: bool,
    deadline: Deadline,
    waits_for: WaitsFor,
    /// How much more of an answer must leave before the deadline is moved.
    owed: usize,
    /// What a client gets that sends ahead of its answers.
    turns: Turns,
    /// The server's own last words, and how much of them has left.
    last_words: Option<(Vec<u8>, usize)>,
    is_shut: bool,
    /// Counts the connection while it lives.
    _permit: Permit,
}

/// What the next byte belongs to.
enum Place {
    Head,
    Body(Body),
    /// Nothing: the client has said its last, or we ours.
    End,
}

/// What is late when the deadline has passed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    /// Nothing is: the request is being answered.
    Answer,
    /// The first byte of the next head.
    NextHead,
    /// The rest of a head, or the connection's first.
    Head,
    /// The next turn of a client that sends ahead.
    Turn,
    /// Room for the rest of an answer.
    Room,
    /// The client's end of a connection that is shut.
    End,
}

/// Bytes that were read and not handed out.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    /// Where the first of them is.
    start: usize,
    /// Up to where they may be handed out.
    free: usize,
    /// Up to where the end of a head was looked for.
    searched: usize,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    fn waiting(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            (self.free, self.searched) = (self.free - self.start, self.searched.saturating_sub(self.start));
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Moves what is free to `buf`; false when nothing is.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let there = (self.free - self.start).min(buf.remaining());
        buf.put_slice(&self.bytes[self.start..self.start + there]);
        self.start += there;
        if self.is_empty() {
            // An idle connection holds no memory that it does not need.
            *self = Self::default();
        }
        there > 0
    }
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, permit: Permit) -> Self {
        Self {
            peer: permit.peer(),
            tcp,
            exchange: Rc::default(),
            place: Place::Head,
            is_answering: false,
            held: Held::default(),
            has_input: false,
            deadline: Deadline::after(HEAD_TIMEOUT),
            waits_for: WaitsFor::Head,
            owed: 0,
            turns: Turns::new(),
            last_words: None,
            is_shut: false,
            _permit: permit,
        }
    }

    /// What the middleware around the handlers counts in.
    pub(super) fn exchange(&self) -> &Rc<Exchange> {
        &self.exchange
    }

    /// Looks for a head in what is held; true when a request may be handed out, or the connection is at its end.
    fn look_at_held(&mut self) -> bool {
        let Held { start, searched, .. } = self.held;
        let looked_at = searched.saturating_sub(start);
        let waiting = self.held.waiting();
        if waiting.len() == looked_at {
            return false;
        }
        // What is no head at all is refused at its first bytes; what is a part of one is parsed when it may be whole.
        if looked_at > 0 && waiting.len() <= head::HEAD_MAX_BYTES && !head::may_end(waiting, looked_at) {
            self.held.searched = self.held.bytes.len();
            return false;
        }
        match head::read(waiting) {
            Head::Incomplete => {
                self.held.searched = self.held.bytes.len();
                false
            }
            Head::Complete(length, mut body) => {
                match body.advance(&self.held.waiting()[length..]) {
                    Ok(more) => {
                        self.held.free = self.held.start + length + more;
                        self.begin(body);
                    }
                    Err(_) => self.refuse(Refusal::Chunks),
                }
                true
            }
            Head::Refused(refusal) => {
                self.refuse(refusal);
                true
            }
        }
    }

    /// Looks for a head in what was just read into `buf` behind `start`, where most requests come whole. What may not be
    /// handed out is taken out of it again.
    fn look_at_fresh(&mut self, buf: &mut ReadBuf<'_>, start: usize) {
        let fresh = &mut buf.filled_mut()[start..];
        let free = match head::read(fresh) {
            Head::Incomplete => 0,
            Head::Complete(length, mut body) => match body.advance(&fresh[length..]) {
                Ok(more) => {
                    self.begin(body);
                    length + more
                }
                Err(_) => return self.refuse_fresh(Refusal::Chunks, buf, start),
            },
            Head::Refused(refusal) => return self.refuse_fresh(refusal, buf, start),
        };
        if free < fresh.len() {
            self.held.add(&fresh[free..]);
            if free == 0 {
                self.held.searched = self.held.bytes.len();
            }
            buf.set_filled(start + free);
        }
    }

    fn refuse_fresh(&mut self, refusal: Refusal, buf: &mut ReadBuf<'_>, start: usize) {
        buf.set_filled(start);
        self.refuse(refusal);
    }

    /// Notes that a request is handed out, of whose body `rest` is still to come.
    fn begin(&mut self, rest: Body) {
        self.exchange.hand_out();
        self.is_answering = true;
        self.waits_for = WaitsFor::Answer;
        self.go_on(rest);
    }

    /// Follows a body through what was just read into `buf` behind `start`, and takes out of it what comes after.
    fn follow_body(&mut self, buf: &mut ReadBuf<'_>, start: usize) {
        let Place::Body(body) = &mut self.place else { return };
        let fresh = &buf.filled()[start..];
        let Ok(more) = body.advance(fresh) else {
            buf.set_filled(start);
            return self.break_body();
        };
        if body.is_at_end() {
            self.place = Place::Head;
        }
        if more < fresh.len() {
            self.held.add(&fresh[more..]);
            buf.set_filled(start + more);
        }
    }

    /// Ends the input inside a body. Who reads the body learns that it did not arrive whole, and answers so.
    fn break_body(&mut self) {
        Refusal::Chunks.note(self.peer);
        self.held = Held::default();
        self.has_input = true;
        self.place = Place::End;
    }

    fn go_on(&mut self, rest: Body) {
        self.place = if rest.is_at_end() { Place::Head } else { Place::Body(rest) };
    }

    /// Ends the connection with an answer of its own.
    fn refuse(&mut self, refusal: Refusal) {
        refusal.note(self.peer);
        self.last_words = Some((refusal.encode(), 0));
        self.place = Place::End;
    }

    /// Finds out, while an answer is awaited, whether the client has sent more or has gone, without taking anything.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_input && self.held.is_empty() {
            let mut byte = [0];
            match self.tcp.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
                Poll::Ready(Ok(_)) => self.has_input = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    /// Reads from the socket; ready without anything in `buf` at its end.
    fn poll_socket(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        self.has_input = false;
        if buf.filled().len() == start {
            self.place = Place::End;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for a head until its deadline, and then ends the connection: with a word where a head has begun.
    fn poll_late_head(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waits_for == WaitsFor::NextHead && !self.held.is_empty() {
            self.waits_for = WaitsFor::Head;
            self.deadline.restart(HEAD_TIMEOUT);
        }
        ready!(self.deadline.poll(cx));
        if self.held.is_empty() {
            self.place = Place::End;
        } else {
            self.refuse(Refusal::HeadTimeout);
        }
        Poll::Ready(())
    }

    /// Notes that an answer has left, and sees to it that what waits comes next.
    fn answered(&mut self, cx: &mut Context<'_>) {
        self.is_answering = false;
        self.waits_for = WaitsFor::NextHead;
        self.deadline.restart(KEEP_ALIVE);
        if self.held.is_empty() && !self.has_input {
            self.turns.reset();
            // Nothing polls an idle connection but its timer, which must run for that.
            let _ = self.deadline.poll(cx);
            return;
        }
        if let Err(pause) = self.turns.take() {
            self.waits_for = WaitsFor::Turn;
            self.deadline.restart(pause);
            if self.deadline.poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        } else {
            cx.waker().wake_by_ref();
        }
    }

    /// Waits for the turn of a client that sends ahead of its answers.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waits_for == WaitsFor::Turn {
            ready!(self.deadline.poll(cx));
            self.turns.begin();
            self.waits_for = WaitsFor::NextHead;
            self.deadline.restart(KEEP_ALIVE);
        }
        Poll::Ready(())
    }

    /// Writes to the socket, within the time that a client has to read.
    fn poll_socket_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = Pin::new(&mut self.tcp).poll_write(cx, bytes)? {
            self.owed = self.owed.saturating_sub(written);
            return Poll::Ready(Ok(written));
        }
        if self.waits_for != WaitsFor::Room || self.owed == 0 {
            self.waits_for = WaitsFor::Room;
            self.owed = PROGRESS_BYTES;
            self.deadline.restart(WRITE_TIMEOUT);
        }
        ready!(self.deadline.poll(cx));
        note_unread(self.peer);
        self.place = Place::End;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_last_words(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((words, sent)) = self.last_words.take() {
            if sent == words.len() {
                self.last_words = Some((words, sent));
                break;
            }
            let written = self.poll_socket_write(cx, &words[sent..]);
            let more = if let Poll::Ready(Ok(written)) = written { written } else { 0 };
            self.last_words = Some((words, sent + more));
            if ready!(written)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.held.hand_out(buf) {
                return Poll::Ready(Ok(()));
            }
            let start = buf.filled().len();
            match &mut this.place {
                Place::End => return Poll::Ready(Ok(())),
                Place::Body(body) if !this.held.is_empty() => match body.advance(this.held.waiting()) {
                    Ok(more) => {
                        this.held.free = this.held.start + more;
                        if body.is_at_end() {
                            this.place = Place::Head;
                        }
                    }
                    Err(_) => this.break_body(),
                },
                Place::Body(_) => {
                    ready!(this.poll_socket(cx, buf))?;
                    this.follow_body(buf, start);
                    if buf.filled().len() > start {
                        return Poll::Ready(Ok(()));
                    }
                }
                Place::Head if this.is_answering => return this.poll_input(cx),
                Place::Head => {
                    ready!(this.poll_turn(cx));
                    if this.look_at_held() {
                        continue;
                    }
                    if this.poll_socket(cx, buf)?.is_pending() {
                        ready!(this.poll_late_head(cx));
                        continue;
                    }
                    if this.held.is_empty() && matches!(this.place, Place::Head) {
                        this.look_at_fresh(buf, start);
                        if buf.filled().len() > start {
                            return Poll::Ready(Ok(()));
                        }
                    } else {
                        this.held.add(&buf.filled()[start..]);
                        buf.set_filled(start);
                    }
                }
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.last_words.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        // Nobody has asked, or no handler was asked: actix-http itself refuses, without a word. We have one.
        if !this.is_answering || !this.exchange.all_begun() {
            this.refuse(Refusal::NotTaken(status(bytes)));
            return Poll::Ready(Ok(bytes.len()));
        }
        this.poll_socket_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // All that was encoded is written now: the socket has no buffer of its own to flush.
        if this.is_answering && this.exchange.all_answered() {
            this.answered(cx);
        } else if this.waits_for == WaitsFor::Room && this.last_words.is_none() {
            // Last words are not flushed here: their deadline goes on.
            this.waits_for = WaitsFor::Answer;
        }
        this.poll_last_words(cx)
    }

    /// Says goodbye. Where the client may still be sending, it is heard out for a moment: bytes that nobody reads would
    /// make the system take back the answer that is still on its way.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_last_words(cx))?;
        if !this.is_shut {
            ready!(Pin::new(&mut this.tcp).poll_shutdown(cx))?;
            this.is_shut = true;
            this.waits_for = WaitsFor::End;
            this.deadline.restart(DISCONNECT_TIMEOUT);
        }
        if this.last_words.is_none() && !this.has_input && this.held.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut ignored = [0; 4_096];
        loop {
            let mut buf = ReadBuf::new(&mut ignored);
            match Pin::new(&mut this.tcp).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    ready!(this.deadline.poll(cx));
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

/// The status of an answer of which `bytes` are the first.
fn status(bytes: &[u8]) -> StatusCode {
    let digits = bytes.get("HTTP/1.1 ".len()..).and_then(|rest| rest.get(..3));
    digits.and_then(|digits| StatusCode::from_bytes(digits).ok()).unwrap_or(StatusCode::BAD_REQUEST)
}

fn note_unread(peer: Option<IpAddr>) {
    static UNREAD: Throttle = Throttle::new();

    if let Some(count) = UNREAD.count() {
        let last_peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
        log::warn!(count, last_peer = last_peer.as_str(); "connections ended: their answers were not read in time");
    }
}
