//! Clients that mean no good, beside those that are measured. They run in this process, end when they are dropped, and come
//! back when they are cut off.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use crate::generator::requests;

/// How much a pipelining client sends at once: as much as actix-http reads before it looks at what it has.
const BURST_BYTES: usize = 130_000;

/// Before a client that was cut off comes back.
const PAUSE: Duration = Duration::from_millis(100);

/// What hostile clients there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowd {
    /// They send requests ahead and read the answers.
    reading: usize,
    /// They send requests ahead and read nothing.
    silent: usize,
    /// They ask once, and then hold half of another head.
    half_heads: usize,
    /// They send a head byte by byte.
    slow_heads: usize,
    /// They send an `If-Match` of 120 KB.
    large_heads: usize,
    /// They list what is not there: an unknown partner's reservations, and those of a rare status.
    scans: usize,
}

impl Crowd {
    /// Nobody.
    pub(crate) const NOBODY: Self =
        Self { reading: 0, silent: 0, half_heads: 0, slow_heads: 0, large_heads: 0, scans: 0 };
    /// Those who send ahead.
    pub(crate) const PIPELINING: Self = Self { reading: 4, silent: 200, ..Self::NOBODY };
    /// Some of every kind.
    pub(crate) const ALL: Self =
        Self { reading: 4, silent: 200, half_heads: 1_000, slow_heads: 100, large_heads: 16, scans: 8 };

    /// Lets them loose on the server at `address` until what is returned is dropped.
    pub(crate) fn loose(self, address: SocketAddr, event: &'static str) -> JoinSet<()> {
        let mut crowd = JoinSet::new();
        for _ in 0..self.reading {
            crowd.spawn(again(move || pipeline(address, true)));
        }
        for _ in 0..self.silent {
            crowd.spawn(again(move || pipeline(address, false)));
        }
        for _ in 0..self.half_heads {
            crowd.spawn(again(move || half_head(address)));
        }
        for _ in 0..self.slow_heads {
            crowd.spawn(again(move || slow_head(address)));
        }
        for _ in 0..self.large_heads {
            crowd.spawn(again(move || large_head(address)));
        }
        for _ in 0..self.scans {
            crowd.spawn(again(move || scan(address, event)));
        }
        crowd
    }
}

/// Whatever ends a hostile connection, it is what the server should do.
async fn again<F: Future<Output = std::io::Result<()>>>(act: impl Fn() -> F) {
    loop {
        let _ = act().await;
        sleep(PAUSE).await;
    }
}

async fn pipeline(address: SocketAddr, reads: bool) -> std::io::Result<()> {
    let request = requests::get("/health");
    let burst = request.repeat(BURST_BYTES / request.len());
    let (mut from, mut to) = TcpStream::connect(address).await?.into_split();
    let writing = async {
        loop {
            to.write_all(&burst).await?;
        }
    };
    let reading = async {
        if !reads {
            return std::future::pending().await;
        }
        let mut answers = vec![0; BURST_BYTES];
        while from.read(&mut answers).await? > 0 {}
        Ok(())
    };
    tokio::select! { ended = writing => ended, ended = reading => ended }
}

async fn half_head(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = requests::get("/health");
    stream.write_all(&request).await?;
    if hear(&mut stream).await? {
        stream.write_all(&request[..request.len() / 2]).await?;
        while hear(&mut stream).await? {}
    }
    Ok(())
}

async fn slow_head(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    loop {
        stream.write_all(b"G").await?;
        sleep(PAUSE).await;
    }
}

async fn large_head(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let tags = "\"1\", ".repeat(24_000);
    let request = format!("DELETE /reservations/none HTTP/1.1\r\nhost: bench\r\nif-match: {tags}\"1\"\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    hear(&mut stream).await.map(|_| ())
}

async fn scan(address: SocketAddr, event: &str) -> std::io::Result<()> {
    for path in ["/partners/nobody/reservations".to_owned(), format!("/events/{event}/reservations?status=expired")] {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&requests::get(&path)).await?;
        hear(&mut stream).await?;
    }
    Ok(())
}

/// Waits for some bytes, whichever they are; false at the end.
async fn hear(stream: &mut TcpStream) -> std::io::Result<bool> {
    stream.read(&mut [0; 1_024]).await.map(|bytes| bytes > 0)
}
