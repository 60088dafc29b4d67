//! Request bodies that nobody has read to their end.
//!
//! A connection whose request is still arriving when its answer is sent is closed, a moment later. Not so when the body
//! comes in chunks and its stream was dropped: then actix reads on to the end, for which no timer runs, and a body without
//! an end would hold its connection for ever. So the stream is kept until the answer is out.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage, HttpRequest,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    web::Bytes,
};

use super::connection::Answering;

/// The rest of a request's body, kept with the request.
struct Unread(Payload);

/// Moves the body from the way to the handler, which would drop it, to a place beside it.
pub(super) fn set_aside(request: &mut ServiceRequest) {
    match request.take_payload() {
        Payload::None => {}
        payload => put_back(request.request(), payload),
    }
}

/// Whether a body was set aside.
pub(super) fn is_set_aside(request: &HttpRequest) -> bool {
    request.extensions().contains::<Unread>()
}

/// The body that was set aside.
pub(super) fn take(request: &HttpRequest) -> Option<Payload> {
    request.extensions_mut().remove().map(|Unread(payload)| payload)
}

/// Sets aside what is left of a body, or all of it.
pub(super) fn put_back(request: &HttpRequest, payload: Payload) {
    request.extensions_mut().insert(Unread(payload));
}

/// Ties what is left of the request's body to the answer, and what counts the answer.
pub(super) fn hold(response: ServiceResponse, answering: Option<Answering>) -> ServiceResponse<Answer> {
    let payload = take(response.request());
    response.map_body(|_, body| Answer { body, _payload: payload, _answering: answering })
}

/// A response's body. It keeps the request's alive until it is sent, and then says that the request is answered.
pub struct Answer {
    body: BoxBody,
    _payload: Option<Payload>,
    _answering: Option<Answering>,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
