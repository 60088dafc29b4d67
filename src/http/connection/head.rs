//! One request's head: whether it is there, where its body ends, and what in it must not be acted on.
//!
//! It is parsed by httparse, as actix-http does it a moment later, so that the two see the same lines. What actix-http would
//! refuse without a word is refused here with one, and what could be read in two ways (RFC 9112 section 11.2) is refused
//! too.

use std::ops::Range;

use super::{Refusal, chunks::Chunks};

/// The largest head, in bytes. The longest that the API asks for has some hundred; browsers and proxies send up to 8 KiB.
pub(super) const HEAD_MAX_BYTES: usize = 16 * 1024;

/// The most headers: as many as actix-http takes.
const HEADERS_MAX: usize = 96;

/// What is known of a head.
#[derive(Debug)]
pub(super) enum Head {
    /// It has not arrived whole.
    Incomplete,
    /// It takes so many bytes, and is followed by a body.
    Complete(usize, Body),
    /// It is none.
    Refused(Refusal),
}

/// What is left of a request's body.
#[derive(Debug)]
pub(super) enum Body {
    /// Bytes that are counted.
    Counted(u64),
    /// Chunks.
    Chunked(Chunks),
}

impl Body {
    const NONE: Self = Self::Counted(0);

    pub(super) fn is_at_end(&self) -> bool {
        match self {
            Self::Counted(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_at_end(),
        }
    }

    /// Follows the body through `bytes`, and says how many of them belong to it.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, super::chunks::Malformed> {
        match self {
            Self::Counted(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunked(chunks) => chunks.advance(bytes),
        }
    }
}

/// Looks for a head at the start of `bytes`, and makes it harmless: offers to change the protocol are blanked, since
/// actix-http would close a connection whose offer it does not take, where RFC 9110 section 7.8 lets a server ignore it.
pub(super) fn read(bytes: &mut [u8]) -> Head {
    let mut offers = Offers::default();
    let head = match parse(bytes, &mut offers) {
        Ok(Some((length, _))) if length > HEAD_MAX_BYTES => Head::Refused(Refusal::HeadTooLarge),
        Ok(Some((length, body))) => Head::Complete(length, body),
        Ok(None) if bytes.len() <= HEAD_MAX_BYTES => Head::Incomplete,
        Ok(None) if bytes[..HEAD_MAX_BYTES].contains(&b'\n') => Head::Refused(Refusal::HeadTooLarge),
        Ok(None) => Head::Refused(Refusal::UriTooLong),
        Err(refusal) => Head::Refused(refusal),
    };
    for offer in offers.0 {
        bytes[offer].fill(b' ');
    }
    head
}

/// Whether a head may end in the last bytes that have come; `from` is where they begin. Looking for it is cheaper than
/// parsing a head anew with every byte of it.
pub(super) fn may_end(bytes: &[u8], from: usize) -> bool {
    let tail = &bytes[from.saturating_sub(3)..];
    tail.windows(2).any(|pair| pair == b"\n\n") || tail.windows(3).any(|three| three == b"\n\r\n")
}

/// Where the bytes are that offer another protocol. Hardly any request has one, and then nothing is allocated.
#[derive(Default)]
struct Offers(Vec<Range<usize>>);

fn parse(bytes: &[u8], offers: &mut Offers) -> Result<Option<(usize, Body)>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyHeaders),
        Err(error) => return Err(Refusal::Malformed(why(error))),
    };
    let mut framing = Framing::default();
    for header in request.headers.iter() {
        framing.take(bytes, header, offers)?;
    }
    let body = framing.body(request.version == Some(1), request.method == Some("POST"))?;
    Ok(Some((length, body)))
}

fn why(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "A header's name has a character that may not be there.",
        httparse::Error::HeaderValue => "A header's value has a character that may not be there.",
        httparse::Error::Version => "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
        _ => "This is no HTTP/1.1 request.",
    }
}

fn refuse_if(wrong: bool, why: &'static str) -> Result<(), Refusal> {
    if wrong { Err(Refusal::Malformed(why)) } else { Ok(()) }
}

/// What a head's lines say of the body behind it.
#[derive(Default)]
struct Framing {
    host: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    fn take(&mut self, bytes: &[u8], header: &httparse::Header<'_>, offers: &mut Offers) -> Result<(), Refusal> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            4 if is("host") => refuse_if(std::mem::replace(&mut self.host, true), "Host is there twice.")?,
            7 if is("upgrade") => offers.add(bytes, header.value),
            10 if is("connection") => {
                let options = header.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                for option in options.filter(|option| option.eq_ignore_ascii_case(b"upgrade")) {
                    offers.add(bytes, option);
                }
            }
            14 if is("content-length") => {
                let again = self.length.replace(number(header.value)?).is_some();
                refuse_if(again, "Content-Length is there twice.")?;
            }
            17 if is("transfer-encoding") => {
                let chunked = header.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                let again = std::mem::replace(&mut self.chunked, true);
                refuse_if(again || !chunked, "Transfer-Encoding may only be chunked, once.")?;
            }
            _ => {}
        }
        Ok(())
    }

    fn body(self, is_http_1_1: bool, is_post: bool) -> Result<Body, Refusal> {
        match (self.chunked, self.length) {
            _ if is_http_1_1 && !self.host => Err(Refusal::Malformed("Host is missing.")),
            (true, Some(_)) => Err(Refusal::Malformed("Content-Length and Transfer-Encoding exclude each other.")),
            (true, None) if is_http_1_1 => Ok(Body::Chunked(Chunks::new())),
            (true, None) => Err(Refusal::Malformed("HTTP/1.0 has no Transfer-Encoding.")),
            (false, None) if !is_http_1_1 && is_post => {
                Err(Refusal::Malformed("A POST of HTTP/1.0 needs a Content-Length."))
            }
            (false, None) => Ok(Body::NONE),
            (false, Some(length)) => Ok(Body::Counted(length)),
        }
    }
}

impl Offers {
    /// Notes `part`, which is a part of `whole`.
    fn add(&mut self, whole: &[u8], part: &[u8]) {
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        self.0.push(start..start + part.len());
    }
}

/// A Content-Length: digits, and nothing else.
fn number(value: &[u8]) -> Result<u64, Refusal> {
    let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(Refusal::Malformed("Content-Length must be a whole number."))
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
