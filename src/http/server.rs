//! The listening socket and the server behind it, with every bound that it has.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    thread::available_parallelism,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::Server, web::Data};
use tokio::net::TcpSocket;

use super::{Desk, Trace, routes};

/// Connections that may wait to be accepted. A sale opens with thousands at once, and one that finds the queue full
/// comes back after a second at best. Linux caps this at `net.core.somaxconn`, 4,096 since version 5.4.
const BACKLOG: u32 = 4_096;

/// Connections per worker; more wait in the backlog. Each costs some tens of kilobytes while it is used, so that this is
/// about a gigabyte per core at worst. It takes a limit on open files that is as high.
const CONNECTIONS_PER_WORKER_MAX: usize = 25_000;

/// How long an idle connection stays open: longer than the 60 s after which common load balancers drop theirs, so that it
/// is they who close, and no request runs into a closing connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a connection may take to send its first request's head; a slower one is an attack or is lost.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection that is being closed may take to hear so.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Opens the socket on the first address of `host` that can be had; port 0 means any free one.
///
/// Must be called within a tokio runtime.
///
/// # Errors
/// When the name has no address, or none of them can be had; the last one's reason.
pub fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let nothing = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    (host, port).to_socket_addrs()?.map(listen).reduce(io::Result::or).unwrap_or_else(|| Err(nothing()))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait until the kernel has forgotten the connections of the process before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Serves `desk` on `listener`. The server runs while it is polled. Told to stop gracefully, it takes no more requests,
/// and answers those it has within `shutdown_timeout`, in whole seconds.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve(listener: TcpListener, desk: Desk, shutdown_timeout: Duration) -> io::Result<Server> {
    let desk = Data::new(desk);
    let server = HttpServer::new(move || App::new().wrap(Trace).configure(routes(desk.clone())))
        .workers(available_parallelism().map_or(1, usize::from))
        .max_connections(CONNECTIONS_PER_WORKER_MAX)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        // Answers are small and whole: holding one back to join the next would only delay it.
        .tcp_nodelay(true)
        .shutdown_timeout(shutdown_timeout.as_secs())
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(server)
}
