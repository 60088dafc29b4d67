//! The listening socket and the server behind it, with every bound that it has.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    thread::available_parallelism,
    time::Duration,
};

use actix_http::{Request, Response};
use actix_server::Server;
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::{App, body::MessageBody, dev::AppConfig, web::Data};
use tokio::net::TcpSocket;

use super::{
    Desk, Trace,
    connection::{Admission, behind_streams},
    probe_routes, routes,
};

/// Connections that may wait to be accepted. A sale opens with thousands at once, and one that finds the queue full
/// comes back after a second at best. Linux caps this at `net.core.somaxconn`, 4,096 since version 5.4.
const BACKLOG: u32 = 4_096;

/// Connections that may be accepted beyond those that are let in, per worker: those that are being told so.
const REFUSED_AT_ONCE: usize = 64;

/// Connections of the probes' own listener. A probe takes one for some milliseconds; there are a few probes a second.
const PROBE_CONNECTIONS_MAX: usize = 64;

/// Of these, how many from one address: whoever fills that leaves room for the others.
const PROBE_CONNECTIONS_PER_ADDRESS_MAX: usize = 32;

/// What the system holds of a connection's answers; Linux doubles it for its own bookkeeping (`socket(7)`). More than half of the
/// largest usual answer, and little enough that it is counted in what a connection costs.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;

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
    // Accepted connections inherit it. Left to itself the system lets an answer that nobody reads grow to megabytes, and says
    // only a megabyte later that there is room again, long after a slow but steady reader's time is over.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// How many connections a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub connections_max: usize,
    /// From one address: an IPv4 address, or an IPv6 network of 64 bits.
    pub per_address_max: usize,
}

/// Serves `desk` on `listener`. The server runs while it is polled. Told to stop gracefully, it takes no more requests,
/// and answers those it has within `shutdown_timeout`, in whole seconds.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve(
    listener: TcpListener,
    desk: Desk,
    limits: ConnectionLimits,
    shutdown_timeout: Duration,
) -> io::Result<Server> {
    let desk = Data::new(desk);
    let workers = available_parallelism().map_or(1, usize::from);
    listen_with(listener, "api", workers, limits, shutdown_timeout, move || {
        App::new().wrap(Trace).configure(routes(desk.clone()))
    })
}

/// Serves the probes alone on `listener`, by a thread and with room of their own, so that they answer however busy the
/// other port is.
///
/// # Errors
/// As [`serve`].
pub fn serve_probes(listener: TcpListener, desk: Desk, shutdown_timeout: Duration) -> io::Result<Server> {
    let desk = Data::new(desk);
    let limits =
        ConnectionLimits { connections_max: PROBE_CONNECTIONS_MAX, per_address_max: PROBE_CONNECTIONS_PER_ADDRESS_MAX };
    listen_with(listener, "probes", 1, limits, shutdown_timeout, move || {
        App::new().wrap(Trace).configure(probe_routes(desk.clone()))
    })
}

fn listen_with<F, A, S, B>(
    listener: TcpListener,
    name: &str,
    workers: usize,
    limits: ConnectionLimits,
    shutdown_timeout: Duration,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> A + Send + Clone + 'static,
    A: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let admission = Admission::new(limits.connections_max, limits.per_address_max);
    let builder = Server::build()
        .workers(workers)
        // The admission is what limits; this only keeps the kernel's queue from being emptied faster than it can judge.
        .max_concurrent_connections(limits.connections_max.div_ceil(workers) + REFUSED_AT_ONCE)
        .shutdown_timeout(shutdown_timeout.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let server =
        builder.listen(name, listener, move || behind_streams(app(), admission.clone(), stopping.clone()))?.run();
    Ok(server)
}
