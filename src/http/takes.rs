//! What a route takes beside its path and its headers. What it does not take is refused and never passed over: whoever sent it
//! would believe that it was heeded.
//!
//! The route table says it, with [`nothing`], [`body`] and [`query`] around the handlers, so that no handler has to.

use std::{
    future::{Ready, ready},
    marker::PhantomData,
    pin::Pin,
};

use actix_web::{
    FromRequest, Handler, HttpRequest,
    dev::Payload,
    http::{
        Method,
        header::{self, HeaderName},
    },
};
use futures_util::future::Either;

use super::{
    Problem,
    body::{JsonBody, Nothing},
    query::Parameters,
    unread,
};

/// Sent by browsers alone: where the page comes from that asks.
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A handler of requests that have neither a query nor a body.
pub(super) fn nothing<H, A>(handler: H) -> Checked<H, A, false, false> {
    Checked(handler, PhantomData)
}

/// A handler of requests that have a body, which it reads itself, and no query.
pub(super) fn body<H, A>(handler: H) -> Checked<H, A, false, true> {
    Checked(handler, PhantomData)
}

/// A handler of requests that have a query, which it reads itself, and no body.
pub(super) fn query<H, A>(handler: H) -> Checked<H, A, true, false> {
    Checked(handler, PhantomData)
}

/// A handler behind the check that a request has no query, unless `QUERY`, and no body, unless `BODY`.
pub(super) struct Checked<H, A, const QUERY: bool, const BODY: bool>(H, PhantomData<fn(A)>);

impl<H: Clone, A, const QUERY: bool, const BODY: bool> Clone for Checked<H, A, QUERY, BODY> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<H, A, const QUERY: bool, const BODY: bool> Handler<(Understood<QUERY, BODY>, A)> for Checked<H, A, QUERY, BODY>
where
    H: Handler<A>,
    A: 'static,
{
    type Output = H::Output;
    type Future = H::Future;

    fn call(&self, (_, arguments): (Understood<QUERY, BODY>, A)) -> Self::Future {
        self.0.call(arguments)
    }
}

/// That nothing was sent which the route does not take.
#[derive(Debug)]
pub(super) struct Understood<const QUERY: bool, const BODY: bool>;

impl<const QUERY: bool, const BODY: bool> FromRequest for Understood<QUERY, BODY> {
    type Error = Problem;
    type Future = Either<Ready<Result<Self, Problem>>, Pin<Box<dyn Future<Output = Result<Self, Problem>>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !QUERY && request.uri().query().is_some() {
            let refused = Parameters::of(request).none(|name| hint_for_parameter(request.method(), BODY, name));
            if let Err(problem) = refused {
                return Either::Left(ready(Err(problem)));
            }
        }
        if BODY {
            return Either::Left(ready(Ok(Self)));
        }
        if let Err(problem) = asked_for(request) {
            return Either::Left(ready(Err(problem)));
        }
        if matches!(payload, Payload::None) && !unread::is_set_aside(request) {
            return Either::Left(ready(Ok(Self)));
        }
        let method = request.method().clone();
        let arriving = JsonBody::<Nothing>::from_request(request, payload);
        Either::Right(Box::pin(async move {
            let body = arriving.await?;
            if !body.is_empty() {
                body.fields()?.none(hint_for_field(&method))?;
            }
            Ok(Self)
        }))
    }
}

/// Checks that a `POST` without a body was asked for by somebody who may.
///
/// A page may let the browser send a `POST` anywhere without asking first, but not one of JSON: before that, the browser asks
/// with `OPTIONS`, and is not let (Fetch standard, "CORS-safelisted request-header"). So whatever a browser can send has to be
/// JSON, even where there is no body. Browsers say where such a request comes from; other clients do not, and may leave out the
/// type of what they do not send.
fn asked_for(request: &HttpRequest) -> Result<(), Problem> {
    if *request.method() != Method::POST {
        return Ok(());
    }
    let headers = request.headers();
    if headers.contains_key(header::CONTENT_TYPE) {
        return JsonBody::<Nothing>::check_type(headers);
    }
    if headers.contains_key(header::ORIGIN) || headers.contains_key(&SEC_FETCH_SITE) {
        return Err(Problem::UntypedFromBrowser);
    }
    Ok(())
}

/// What to do instead of sending a parameter called `name` with a request that takes none.
fn hint_for_parameter(method: &Method, has_body: bool, name: &str) -> Option<&'static str> {
    match (method.as_str(), name) {
        ("POST" | "PATCH", _) if has_body => Some("what a request says stands in its body, as JSON"),
        ("POST", _) => Some(hint_for_field(method)),
        ("DELETE", _) => Some(CANCELLED_WHOLE),
        (_, "partnerId" | "status" | "createdFrom" | "createdTo" | "limit" | "cursor" | "page") => {
            Some("the lists are GET /events/{eventId}/reservations and GET /partners/{partnerId}/reservations")
        }
        _ => None,
    }
}

fn hint_for_field(method: &Method) -> &'static str {
    match method.as_str() {
        "DELETE" => CANCELLED_WHOLE,
        "POST" => "its path says all there is to say",
        _ => "what a GET asks for stands in its path and its query",
    }
}

const CANCELLED_WHOLE: &str = "a reservation is cancelled as a whole, and part of one cannot be; nothing was changed";
