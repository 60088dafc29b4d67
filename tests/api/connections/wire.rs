//! A connection as a test writes it, byte by byte.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// How long anything may take that the server bounds by some seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection, and what of its answers was not looked at yet.
pub(super) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Wire {
    pub(super) async fn open(port: u16) -> Self {
        Self::open_from(Ipv4Addr::LOCALHOST, port).await
    }

    /// From one of this machine's addresses: all of 127.0.0.0/8 are.
    pub(super) async fn open_from(address: Ipv4Addr, port: u16) -> Self {
        Self::connect(TcpSocket::new_v4().expect("a socket"), address, port).await
    }

    /// With little room for what comes, so that what is not read soon stays with the server.
    pub(super) async fn open_narrow(port: u16) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a small one");
        Self::connect(socket, Ipv4Addr::LOCALHOST, port).await
    }

    async fn connect(socket: TcpSocket, address: Ipv4Addr, port: u16) -> Self {
        socket.bind(SocketAddr::from((address, 0))).expect("an address of this machine");
        let opened = timeout(PATIENCE, socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))).await;
        let stream = opened.expect("accepted in time").expect("the server listens");
        Self { stream, unread: Vec::new() }
    }

    /// Sends; a server that has closed or does not read is no failure here.
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("taken by the system");
    }

    /// Sends as much as the system takes at once.
    pub(super) fn send_what_fits(&mut self, bytes: &[u8]) -> usize {
        self.stream.try_write(bytes).unwrap_or(0)
    }

    /// Says that nothing more is sent.
    pub(super) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("it is open");
    }

    /// The next answer, which has a body.
    pub(super) async fn reply(&mut self) -> Reply {
        self.next(true).await.expect("an answer before the end")
    }

    /// The next answer, which has a body; `None` when the connection ends without one.
    pub(super) async fn reply_if_any(&mut self) -> Option<Reply> {
        self.next(true).await
    }

    /// The next answer, to HEAD.
    pub(super) async fn reply_to_head(&mut self) -> Reply {
        self.next(false).await.expect("an answer before the end")
    }

    /// Whether the server closes without saying anything more.
    pub(super) async fn is_at_end(&mut self) -> bool {
        self.next(true).await.is_none() && self.unread.is_empty()
    }

    /// Waits until the server closes without a word.
    pub(super) async fn wait_for_end(&mut self, patience: Duration) {
        let read = timeout(patience, self.stream.read_buf(&mut self.unread)).await;
        assert_eq!(read.expect("closed in time").expect("closed in order"), 0);
    }

    async fn next(&mut self, has_body: bool) -> Option<Reply> {
        loop {
            if let Some((reply, length)) = parse(&self.unread, has_body) {
                self.unread.drain(..length);
                return Some(reply);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await;
            match read.expect("an answer or the end in time") {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    }
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Checks that it is a problem of this status and code, and the last answer of its connection.
    #[track_caller]
    pub(super) fn expect_last(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.header("content-type")), (status, Some("application/problem+json")), "{self:?}");
        let body: Value = serde_json::from_str(&self.body).expect("JSON");
        assert_eq!((&body["status"], &body["code"]), (&status.into(), &code.into()), "{self:?}");
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self:?}");
        assert_eq!(self.header("connection"), Some("close"), "{self:?}");
        assert!(self.header("x-request-id").is_some() && self.header("date").is_some(), "{self:?}");
    }
}

/// The first answer in `bytes` and its length; `None` while it is not whole.
fn parse(bytes: &[u8], has_body: bool) -> Option<(Reply, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = str::from_utf8(&bytes[..end]).expect("a head in ASCII").to_owned();
    let status = head.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("no answer begins so: {head:?}"));
    let status = status[..3].parse().expect("a status");
    let mut reply = Reply { status, head, body: String::new() };
    let length = reply.header("content-length").map_or(0, |length| length.parse().expect("a number"));
    let whole = end + if has_body { length } else { 0 };
    reply.body = String::from_utf8_lossy(bytes.get(end..whole)?).into_owned();
    Some((reply, whole))
}
