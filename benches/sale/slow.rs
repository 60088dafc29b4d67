//! A TCP proxy that makes a store slow in a way that can be repeated: every byte to the store waits the same time, in order.
//! Nothing is lost and nothing is reordered, as on a long line.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};

use crate::failure::{Outcome, failed};

/// Pieces on their way at most, per connection; the driver has one request on a connection at a time.
const PIECES_MAX: usize = 1_024;
/// The largest piece that is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// A running proxy; it ends, with all its connections, when this is dropped.
pub(crate) struct SlowLine {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl SlowLine {
    /// Listens on a free port and leads to `store`, where everything arrives `delay` later.
    pub(crate) async fn to(store: String, delay: Duration) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed("the slow line"))?;
        let address = listener.local_addr().map_err(failed("the slow line"))?;
        let accepting = tokio::spawn(async move {
            // Dropped with this task, and then it ends them.
            let mut lines = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let store = store.clone();
                lines.spawn(async move {
                    // Whatever ends a line shows as a broken connection on both sides.
                    let _ = line(near, &store, delay).await;
                });
                while lines.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, accepting })
    }
}

impl Drop for SlowLine {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn line(near: TcpStream, store: &str, delay: Duration) -> io::Result<()> {
    let far = TcpStream::connect(store).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((mut from_store, to_store), (from_near, mut to_near)) = (far.into_split(), near.into_split());
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    tokio::try_join!(read(from_near, sender, delay), write(to_store, receiver), async {
        tokio::io::copy(&mut from_store, &mut to_near).await?;
        // The store hangs up: so does the line, in both directions.
        Err::<(), _>(io::ErrorKind::ConnectionAborted.into())
    })?;
    Ok(())
}

type Piece = (Instant, Vec<u8>);

async fn read(mut from: OwnedReadHalf, to: mpsc::Sender<Piece>, delay: Duration) -> io::Result<()> {
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        if from.read_buf(&mut piece).await? == 0 || to.send((Instant::now() + delay, piece)).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut from: mpsc::Receiver<Piece>) -> io::Result<()> {
    while let Some((due, piece)) = from.recv().await {
        sleep_until(due).await;
        to.write_all(&piece).await?;
    }
    to.shutdown().await
}
