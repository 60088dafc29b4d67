//! Sockets, accepted and put under the HTTP service, or refused.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_http::{HttpService, KeepAlive, Protocol, Request, Response, error::DispatchError};
use actix_server::GracefulShutdownSignal;
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{Error, body::MessageBody, dev::AppConfig};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use super::{Admission, Refusal, stream::Stream};

/// How long a connection that is being closed may take to hear so.
pub(super) const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections that are told why they are refused, at one time. More are closed without a word: each takes a descriptor
/// of the reserve while it is told.
const TOLD_AT_ONCE: usize = 32;

/// Puts `app` behind the streams of this module. `admission` says how many there may be; once `stopping` resolves, each
/// ends after the answer that it is at.
pub(in crate::http) fn behind_streams<A, S, B>(
    app: A,
    admission: Arc<Admission>,
    stopping: GracefulShutdownSignal,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    A: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let app = app.into_factory().map_err(|error| error.into().error_response());
    let http = HttpService::build()
        // Every deadline is the stream's own. This says that connections are kept, and not for how long.
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .on_connect_ext(|stream: &Stream, data| {
            data.insert(stream.exchange().clone());
        })
        .finish(map_config(app, |()| AppConfig::default()));
    fn_service(move |tcp| admit(tcp, admission.clone())).and_then(http)
}

type Connection = (Stream, Protocol, Option<std::net::SocketAddr>);

async fn admit(tcp: TcpStream, admission: Arc<Admission>) -> Result<Connection, DispatchError> {
    let peer = tcp.peer_addr().ok();
    match admission.admit(peer.map(|peer| peer.ip())) {
        Ok(permit) => {
            // Answers are small and whole: holding one back to join the next would only delay it.
            let _ = tcp.set_nodelay(true);
            Ok((Stream::new(tcp, permit), Protocol::Http1, peer))
        }
        Err(refusal) => {
            refusal.note(peer.map(|peer| peer.ip()));
            tell(tcp, refusal).await;
            Err(DispatchError::Io(io::ErrorKind::ConnectionRefused.into()))
        }
    }
}

/// Answers a connection that is not let in, and hears it out for a moment: what it has sent already would else make the
/// system take the answer back.
async fn tell(mut tcp: TcpStream, refusal: Refusal) {
    static TOLD: AtomicUsize = AtomicUsize::new(0);

    if TOLD.fetch_add(1, Relaxed) < TOLD_AT_ONCE {
        let telling = async {
            tcp.write_all(&refusal.encode()).await?;
            tcp.shutdown().await?;
            tokio::io::copy(&mut tcp, &mut tokio::io::sink()).await
        };
        // Whether it was heard is the client's matter.
        let _ = timeout(DISCONNECT_TIMEOUT, telling).await;
    }
    TOLD.fetch_sub(1, Relaxed);
}
