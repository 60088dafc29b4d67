//! Around every request: its id, given back as `X-Request-Id`, its lines in the log, the end of its body, and what all routes have
//! in common: the host that is asked, a slash too many, and answers that are compressed.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    rc::Rc,
    time::Instant,
};

use actix_web::{
    Error, HttpMessage as _, HttpRequest,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::header::{HeaderMap, HeaderValue},
};
use futures_util::future::Either;
use log::Level;

use super::{
    Problem, compression,
    connection::Exchange,
    headers::{X_REQUEST_ID, single},
    hosts::Hosts,
    path,
    throttle::Throttle,
    unread::{self, Answer},
};
use crate::{ids, service::ServiceError};

/// The longest `X-Request-Id` that is taken over: room for every id in use, and none for filling the log.
const REQUEST_ID_MAX_BYTES: usize = 128;

/// The name of one request in answers and log lines. Cheap to clone: all clones share the header's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// The id that [`Trace`] gave to `request`.
    pub(super) fn of(request: &HttpRequest) -> Self {
        request.extensions().get().cloned().unwrap_or_else(Self::minted)
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id that the client sent, when it is one; anything else is replaced rather than refused, because no request
    /// should fail over its name.
    fn sent_or_minted(headers: &HeaderMap) -> Self {
        let is_id = |value: &HeaderValue| {
            let bytes = value.as_bytes();
            (1..=REQUEST_ID_MAX_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
        };
        match single(headers, &X_REQUEST_ID) {
            Ok(Some(value)) if is_id(value) => Self(value.clone()),
            _ => Self::minted(),
        }
    }

    fn minted() -> Self {
        Self(HeaderValue::try_from(ids::request()).expect("hexadecimal digits are a header value"))
    }
}

/// The one middleware. It is hand-written because it runs for every request: what it costs while its log level is off is
/// one id, one header and one allocation for the future.
#[derive(Debug, Clone, Copy)]
pub struct Trace;

/// [`Trace`] around a service.
#[derive(Debug)]
pub struct Traced<S> {
    service: S,
}

impl<S> Transform<S, ServiceRequest> for Trace
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<Answer>;
    type Error = Error;
    type Transform = Traced<S>;
    type InitError = ();
    type Future = Ready<Result<Traced<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Traced { service }))
    }
}

impl<S> Service<ServiceRequest> for Traced<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<Answer>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let answering = request.conn_data::<Rc<Exchange>>().map(Exchange::begin);
        let id = RequestId::sent_or_minted(request.headers());
        request.extensions_mut().insert(id.clone());
        unread::set_aside(&mut request);
        path::trim_slash(&mut request);
        let started = log::log_enabled!(Level::Debug).then(Instant::now);
        let answer = match Hosts::check(&request) {
            Ok(()) => Either::Left(self.service.call(request)),
            Err(problem) => Either::Right(ready(Ok(request.error_response(problem)))),
        };
        Box::pin(async move {
            let response = compression::compressed(answer.await?).await;
            let mut response = unread::hold(response, answering);
            if response.status().is_server_error() {
                log_failure(&response, &id);
            }
            if let Some(started) = started {
                log_access(&response, &id, started);
            }
            response.headers_mut().insert(X_REQUEST_ID.clone(), id.0);
            Ok(response)
        })
    }
}

/// The one line of the access log. The query is left out: it is long, and filters tell more of partners than of the service.
fn log_access(response: &ServiceResponse<Answer>, id: &RequestId, started: Instant) {
    log::debug!(
        method = response.request().method().as_str(),
        path = response.request().path(),
        status = response.status().as_u16(),
        duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
        request_id = id.as_str();
        "request answered"
    );
}

/// The one line about a request that failed on our side, with what the partner is not told. Being too busy is no
/// failure, and logging it would add to the load; unknown outcomes are logged by the service, which knows more of them.
/// While the store is away every request fails alike: one line a second tells that, the others come with `debug`. A store that
/// takes no writes has said so itself.
fn log_failure(response: &ServiceResponse<Answer>, id: &RequestId) {
    static STORE_UNAVAILABLE: Throttle = Throttle::new();

    let problem = response.response().error().and_then(Error::as_error::<Problem>);
    let code = problem.map_or("unknown", Problem::code);
    let level = match code {
        "overloaded" | "outcome-unknown" => return,
        _ if matches!(problem, Some(Problem::Service(ServiceError::ReadOnly(_)))) => Level::Debug,
        "store-unavailable" if STORE_UNAVAILABLE.count().is_none() => Level::Debug,
        "store-unavailable" => Level::Warn,
        _ => Level::Error,
    };
    log::log!(
        level,
        code,
        cause = problem.map(ToString::to_string).unwrap_or_default().as_str(),
        method = response.request().method().as_str(),
        path = response.request().path(),
        status = response.status().as_u16(),
        request_id = id.as_str();
        "request failed"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(lines: &[&str]) -> RequestId {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_REQUEST_ID.clone(), HeaderValue::from_bytes(line.as_bytes()).expect("a header value"));
        }
        RequestId::sent_or_minted(&headers)
    }

    #[test]
    fn a_good_id_is_kept() {
        let longest = "x".repeat(REQUEST_ID_MAX_BYTES);
        for id in ["a", "req-1/2:3", "\"quoted\"", &longest] {
            assert_eq!(named(&[id]).as_str(), id);
        }
    }

    #[test]
    fn other_ids_are_replaced() {
        let long = "x".repeat(REQUEST_ID_MAX_BYTES + 1);
        for lines in [&[][..], &[""], &["a b"], &["é"], &["a\tb"], &[&long], &["a", "b"]] {
            let id = named(lines);
            assert_eq!(id.as_str().len(), 32, "{lines:?}");
            assert_ne!(id, named(lines), "each is new");
        }
    }
}
