//! Answers that are compressed on their way out, for clients that ask for it (RFC 9110 sections 8.4 and 12.5.3).
//!
//! Only whole bodies: what is sent piece by piece would wait in the encoder until there is enough of it. And only those that
//! are longer than a packet, since shorter ones arrive no sooner.
//!
//! A compressed answer is another representation, so its strong entity tag is another one (RFC 9110 section 8.8.3.3): `"7"`
//! becomes `"7-gzip"`. Not a weak one, which `If-Match` could never hold again; see [`super::conditions`], which takes all of them
//! for version 7.

use actix_http::encoding::Encoder;
use actix_web::{
    HttpRequest,
    body::{BodySize, BoxBody, MessageBody as _, to_bytes},
    dev::{ResponseHead, ServiceResponse},
    http::header::{self, AcceptEncoding, ContentEncoding, Encoding, Header as _, HeaderMap, HeaderValue},
};
use tokio::sync::Semaphore;

/// Bodies from this many bytes on are compressed: shorter ones fit into the packet that carries the headers.
const BYTES_MIN: u64 = 1_024;

/// What can be chosen from; where a client likes several of them equally, it is Brotli.
static CODINGS: [Encoding; 3] = [Encoding::identity(), Encoding::brotli(), Encoding::gzip()];

/// What a coding adds to the entity tag of what it encodes.
pub(super) static TAG_ENDS: [&str; 2] = ["-br", "-gzip"];

/// Answers that are compressed at one time. Each takes a core for up to some milliseconds, and shall not take all of them: with more
/// to do, the next ones leave as they are.
static ROOM: Semaphore = Semaphore::const_new(2);

/// `response` as the client wants it: compressed, or as it is.
pub(super) async fn compressed(mut response: ServiceResponse) -> ServiceResponse {
    let BodySize::Sized(length @ 1..) = response.response().body().size() else { return response };
    let accepted = response.request().headers().get(header::ACCEPT_ENCODING);
    let is_long = length >= BYTES_MIN;
    if !is_long && !accepted.is_some_and(|accepted| may_refuse_plain(accepted.as_bytes())) {
        return response;
    }
    let coding = accepted.and_then(|_| chosen(response.request(), is_long));
    // Also of the answer that is not compressed: a cache must not give it to who wants another.
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    match (coding, ROOM.try_acquire()) {
        (Some(coding), Ok(_room)) => encoded(response, coding).await,
        _ => response,
    }
}

/// Whether a client may have excluded what is not compressed, by `identity;q=0` or `*;q=0`.
fn may_refuse_plain(accepted: &[u8]) -> bool {
    accepted.windows(2).any(|pair| pair == b"=0")
}

/// The coding that the client wants most; `None` when that is none, or when it wants nothing that there is. A short body is
/// compressed only for a client that takes nothing else.
fn chosen(request: &HttpRequest, is_long: bool) -> Option<ContentEncoding> {
    let accepted = AcceptEncoding::parse(request).ok()?;
    if !is_long && accepted.negotiate(CODINGS[..1].iter()).is_some() {
        return None;
    }
    match accepted.negotiate(CODINGS.iter())? {
        Encoding::Known(coding @ (ContentEncoding::Brotli | ContentEncoding::Gzip)) => Some(coding),
        _ => None,
    }
}

async fn encoded(response: ServiceResponse, coding: ContentEncoding) -> ServiceResponse {
    let (request, response) = response.into_parts();
    let (mut response, body) = response.into_parts();
    let plain = match body.try_into_bytes() {
        Ok(plain) => plain,
        Err(body) => return ServiceResponse::new(request, response.set_body(body)),
    };
    // What the encoder says of its work goes into a head of its own: it is only true once the work is done.
    let mut head = ResponseHead::new(response.status());
    let body = match to_bytes(Encoder::response(coding, &mut head, plain.clone())).await {
        Ok(bytes) => {
            response.headers_mut().insert(header::CONTENT_ENCODING, coding.to_header_value());
            mark_tag(response.headers_mut(), coding);
            bytes
        }
        Err(why) => {
            log::error!("an answer cannot be compressed, so it leaves as it is: {why}");
            plain
        }
    };
    ServiceResponse::new(request, response.set_body(BoxBody::new(body)))
}

/// Makes the tag of what was encoded another one than that of the same as it was.
fn mark_tag(headers: &mut HeaderMap, coding: ContentEncoding) {
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()?.strip_suffix('"'));
    let marked = tag.and_then(|tag| HeaderValue::try_from(format!("{tag}-{}\"", coding.as_str())).ok());
    if let Some(marked) = marked {
        headers.insert(header::ETAG, marked);
    }
}
