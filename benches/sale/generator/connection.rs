//! One connection that asks and is answered, in turn.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    failure::{Failure, Outcome, failed},
    reckoning::response::{self, Response},
};

/// Room for an answer at the start; most are a quarter of it.
const BUFFER_BYTES: usize = 1_024;
/// How long the answer to a single call may take; servers bound themselves by less.
const CALL_PATIENCE: Duration = Duration::from_mins(1);

/// A connection that stays open from request to request.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    answered: usize,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|why| format!("cannot connect to {address}: {why}"))?;
        stream.set_nodelay(true).map_err(|why| format!("a connection to {address}: {why}"))?;
        Ok(Self { stream, buffer: Vec::with_capacity(BUFFER_BYTES), answered: 0 })
    }

    /// Sends `request` and waits for its answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<Response<'_>, String> {
        let broken = |answered: usize, why: String| format!("a connection failed after {answered} answers: {why}");
        self.buffer.clear();
        self.stream.write_all(request).await.map_err(|why| broken(self.answered, why.to_string()))?;
        // Found whole here, read again below: the borrow checker does not see that an early return would do.
        let length = loop {
            match response::parse(&self.buffer).map_err(|why| broken(self.answered, why.to_string()))? {
                Some(response) => break response.length,
                None => match self.stream.read_buf(&mut self.buffer).await {
                    Ok(0) => return Err(broken(self.answered, "the server dropped it".to_owned())),
                    Ok(_) => {}
                    Err(why) => return Err(broken(self.answered, why.to_string())),
                },
            }
        };
        if self.buffer.len() > length {
            return Err(broken(self.answered, "more came than was asked for".to_owned()));
        }
        self.answered += 1;
        Ok(response::parse(&self.buffer).ok().flatten().expect("it was just whole"))
    }
}

/// Asks once, on a connection of its own; gives status and body.
pub(crate) async fn call(address: SocketAddr, request: &[u8]) -> Outcome<(u16, Vec<u8>)> {
    let asked = async {
        let mut connection = Connection::open(address).await?;
        let response = connection.ask(request).await?;
        Ok::<_, String>((response.status, response.body.to_vec()))
    };
    let shown = String::from_utf8_lossy(request).lines().next().unwrap_or_default().to_owned();
    match timeout(CALL_PATIENCE, asked).await {
        Ok(answered) => answered.map_err(failed(&shown)),
        Err(_) => Err(Failure::Failed(format!("{shown}: no answer within {CALL_PATIENCE:?}"))),
    }
}
