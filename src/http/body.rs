//! Taking in a JSON body: of the right media type, bounded in size and time. [`Fields`] reads what is in it.

use std::{fmt, future::Future, marker::PhantomData, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap, HeaderValue},
    web::{Bytes, BytesMut, Data},
};
use futures_util::StreamExt as _;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{Desk, Problem, fields::Fields, unread};

/// The largest body of most routes.
const SMALL_MAX_BYTES: usize = 4 * 1024;

/// Larger bodies that are taken in and worked on at one time. With what is made of it, each may come to a megabyte; so that no number of
/// connections adds up to more than the sixty-four that this is.
static LARGE_BODIES: Semaphore = Semaphore::const_new(LARGE_BODIES_MAX);

pub(super) const LARGE_BODIES_MAX: usize = 64;

/// What a route takes for a body.
pub(super) trait Manner: fmt::Debug + 'static {
    /// The largest body that is read.
    const MAX_BYTES: usize = SMALL_MAX_BYTES;
    /// The media types that it may come as.
    const MEDIA_TYPES: &'static [&'static str] = &["application/json"];
    /// Whether there may be none, of whatever type.
    const OPTIONAL: bool = false;
}

/// A few fields; the largest reservation with default settings has less than 600 bytes.
#[derive(Debug)]
pub(super) struct Small;

/// Room for the plan of a hall: a thousand rows, and as many blocked seats again.
#[derive(Debug)]
pub(super) struct Plan;

/// What to change, as RFC 7396 has it.
#[derive(Debug)]
pub(super) struct Patch;

/// Nothing, or an object without fields; see [`super::takes`].
#[derive(Debug)]
pub(super) struct Nothing;

impl Manner for Small {}

impl Manner for Plan {
    const MAX_BYTES: usize = 256 * 1024;
}

impl Manner for Patch {
    const MEDIA_TYPES: &'static [&'static str] = &["application/json", "application/merge-patch+json"];
}

impl Manner for Nothing {
    const OPTIONAL: bool = true;
}

/// The bytes of a body, whole, in time and within bounds.
#[derive(Debug)]
pub(super) struct JsonBody<M = Small> {
    bytes: Bytes,
    /// For as long as a large one is kept.
    _room: Room,
    manner: PhantomData<M>,
}

/// One of the [`LARGE_BODIES`]; `None` for a small one.
type Room = Option<SemaphorePermit<'static>>;

impl<M: Manner> FromRequest for JsonBody<M> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let direct = payload.take();
        Box::pin(async move {
            // Only now: where another part of the request is refused first, the body has to stay where it is.
            let mut payload = unread::take(&request).unwrap_or(direct);
            let patience = request.app_data::<Data<Desk>>().map(|desk| desk.body_timeout).unwrap_or_default();
            let arriving = arrive::<M>(&mut payload, request.headers());
            let arrived = timeout(patience, arriving).await.unwrap_or(Err(Problem::RequestTimeout));
            if arrived.is_err() {
                unread::put_back(&request, payload);
            }
            arrived.map(|(bytes, room)| Self { bytes, _room: room, manner: PhantomData })
        })
    }
}

impl<M> JsonBody<M> {
    #[cfg(test)]
    pub(super) fn of(bytes: Bytes) -> Self {
        Self { bytes, _room: None, manner: PhantomData }
    }

    /// The body's fields, ready to be taken one by one.
    pub(super) fn fields(&self) -> Result<Fields<'_>, Problem> {
        Fields::read(&self.bytes)
    }

    /// Checks that a body comes as it is taken: of one of the types, and plain.
    pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Problem>
    where
        M: Manner,
    {
        check_type::<M>(headers)
    }

    /// Whether nothing was sent.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// A body that is optional is read before its type is looked at: only that tells whether there is one.
async fn arrive<M: Manner>(payload: &mut Payload, headers: &HeaderMap) -> Result<(Bytes, Room), Problem> {
    if !M::OPTIONAL {
        check_type::<M>(headers)?;
    }
    check_length::<M>(headers)?;
    let (body, room) = read::<M>(payload).await?;
    if M::OPTIONAL && !body.is_empty() {
        check_type::<M>(headers)?;
    }
    Ok((body, room))
}

fn check_type<M: Manner>(headers: &HeaderMap) -> Result<(), Problem> {
    let is_taken = |value: &HeaderValue| {
        let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        M::MEDIA_TYPES.iter().any(|taken| media_type.eq_ignore_ascii_case(taken.as_bytes()))
    };
    let mut content_types = headers.get_all(header::CONTENT_TYPE);
    // The names of codings are compared without case (RFC 9110 section 8.4.1).
    let is_plain = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"identity");
    let mut codings =
        headers.get_all(header::CONTENT_ENCODING).flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let plain = codings.all(is_plain);
    if !content_types.next().is_some_and(is_taken) || content_types.next().is_some() || !plain {
        return Err(Problem::UnsupportedMediaType);
    }
    Ok(())
}

fn check_length<M: Manner>(headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > M::MAX_BYTES as u64) { Err(too_large::<M>()) } else { Ok(()) }
}

fn too_large<M: Manner>() -> Problem {
    Problem::PayloadTooLarge { max_bytes: M::MAX_BYTES }
}

/// Gathers the body. Most arrive in one piece, which is not copied. What is more than a small one needs room: only once it is there,
/// so that nobody keeps the room by promising a large body.
async fn read<M: Manner>(payload: &mut Payload) -> Result<(Bytes, Room), Problem> {
    let Some(mut body) = next_piece(payload).await? else { return Ok((Bytes::new(), None)) };
    let mut gathered = BytesMut::new();
    let mut room = None;
    loop {
        let length = gathered.len() + body.len();
        if length > M::MAX_BYTES {
            return Err(too_large::<M>());
        }
        if length > SMALL_MAX_BYTES && room.is_none() {
            room = Some(LARGE_BODIES.try_acquire().map_err(|_| Problem::TooManyLargeBodies)?);
        }
        let Some(piece) = next_piece(payload).await? else { break };
        gathered.extend_from_slice(&body);
        body = piece;
    }
    if gathered.is_empty() {
        return Ok((body, room));
    }
    gathered.extend_from_slice(&body);
    Ok((gathered.freeze(), room))
}

async fn next_piece(payload: &mut Payload) -> Result<Option<Bytes>, Problem> {
    let broken = |why| Problem::invalid("body", format!("did not arrive whole: {why}"));
    payload.next().await.transpose().map_err(broken)
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
