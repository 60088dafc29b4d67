//! Names and manners of the headers that the contract adds to HTTP's own.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// What a client calls a request, so that a retry is known as one.
pub(super) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer repeats an earlier one.
pub(super) static IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The name of a request in the log.
pub(super) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// More than one line of a header that may come once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated;

/// The only value of a header that may come once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Repeated> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Repeated),
    }
}
