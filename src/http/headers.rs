//! Names and manners of the headers that the contract adds to HTTP's own.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// What a client calls a request, so that a retry is known as one.
pub(super) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer repeats an earlier one.
pub(super) static IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The name of a request in the log.
pub(super) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What of a request's `Prefer` was heeded (RFC 7240 section 3).
pub(super) static PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// What a client would like, and can do without (RFC 7240 section 2).
static PREFER: HeaderName = HeaderName::from_static("prefer");

/// Whether the client would like to be shown what its request has changed: `Prefer: return=representation` (RFC 7240 section 4.2).
/// Of several wishes for the same the first counts; what cannot be read is no wish.
pub(super) fn prefers_representation(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(&PREFER).filter_map(|line| line.to_str().ok());
    let mut wishes = lines.flat_map(|line| line.split(',')).filter_map(|wish| {
        let (name, value) = wish.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("return").then(|| value.trim())
    });
    wishes.next().is_some_and(|value| value.trim_matches('"').eq_ignore_ascii_case("representation"))
}

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

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_representation_is_preferred_in_so_many_words() {
        for (lines, wanted) in [
            (&["return=representation"][..], true),
            (&["Return = \"representation\""], true),
            (&["respond-async, return=representation; foo=\"bar\""], true),
            (&["wait=10", "return=representation"], true),
            (&["return=minimal, return=representation"], false),
            (&["return=minimal"], false),
            (&["return"], false),
            (&["representation"], false),
            (&["x-return=representation"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(PREFER.clone(), HeaderValue::from_static(line));
            }
            assert_eq!(prefers_representation(&headers), wanted, "{lines:?}");
        }
    }
}
