//! What is answered to those whose request never reaches a handler: a problem like any other, and the end of the
//! connection. They are counted, and logged once a second at most.

use std::net::IpAddr;

use actix_web::{
    HttpResponse, ResponseError as _,
    body::MessageBody as _,
    http::{StatusCode, header},
};
use jiff::fmt::rfc2822::DateTimePrinter;

use super::head::HEAD_MAX_BYTES;
use crate::{
    clock::{Clock as _, SystemClock},
    http::{Problem, headers::X_REQUEST_ID, throttle::Throttle},
    ids,
};

/// Why a connection is ended by the server before a handler has seen the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Refusal {
    /// It is no request, or could be read in two ways; says how.
    Malformed(&'static str),
    /// actix-http did not take it, with this status.
    NotTaken(StatusCode),
    /// The chunks of the body are not what RFC 9112 says.
    Chunks,
    /// The head is larger than [`HEAD_MAX_BYTES`].
    HeadTooLarge,
    /// The head has more headers than are taken.
    TooManyHeaders,
    /// The first line alone is larger than [`HEAD_MAX_BYTES`].
    UriTooLong,
    /// The head did not arrive in time.
    HeadTimeout,
    /// There are as many connections as there may be.
    Full,
    /// There are as many from this address as there may be.
    FullForAddress,
}

impl Refusal {
    /// Counts it, and logs it where a line is due.
    pub(super) fn note(self, peer: Option<IpAddr>) {
        static OF_REQUESTS: Throttle = Throttle::new();
        static OF_CONNECTIONS: Throttle = Throttle::new();

        let (throttle, what) = match self {
            Self::Full | Self::FullForAddress => (&OF_CONNECTIONS, "connections refused"),
            _ => (&OF_REQUESTS, "requests refused before they reached a handler"),
        };
        let Some(count) = throttle.count() else { return };
        let problem = self.problem();
        log::warn!(
            count,
            last_status = problem.status_code().as_u16(),
            last_code = problem.code(),
            last_cause = problem.to_string().as_str(),
            last_peer = peer.map(|peer| peer.to_string()).unwrap_or_default().as_str();
            "{what}"
        );
    }

    /// The whole answer, as it goes over the wire.
    pub(super) fn encode(self) -> Vec<u8> {
        let response: HttpResponse = self.problem().error_response();
        let status = response.status();
        let mut answer = format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default());
        let mut add = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                answer.push_str(part);
            }
        };
        for (name, value) in response.headers() {
            add(name.as_str(), value.to_str().unwrap_or_default());
        }
        add(X_REQUEST_ID.as_str(), &ids::request());
        add(
            header::DATE.as_str(),
            &DateTimePrinter::new().timestamp_to_rfc9110_string(&SystemClock.now()).unwrap_or_default(),
        );
        add(header::CONNECTION.as_str(), "close");
        let body = response.into_body().try_into_bytes().unwrap_or_default();
        add(header::CONTENT_LENGTH.as_str(), &body.len().to_string());
        let mut answer = answer.into_bytes();
        answer.extend_from_slice(b"\r\n");
        answer.extend_from_slice(&body);
        answer
    }

    fn problem(self) -> Problem {
        match self {
            Self::Malformed(detail) => Problem::Malformed(detail),
            Self::NotTaken(StatusCode::REQUEST_TIMEOUT) | Self::HeadTimeout => Problem::HeadTimeout,
            Self::NotTaken(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) | Self::HeadTooLarge => {
                Problem::HeadTooLarge { max_bytes: HEAD_MAX_BYTES }
            }
            Self::NotTaken(_) => Problem::Malformed("This is no HTTP/1.1 request."),
            Self::Chunks => Problem::Malformed("The body's chunks are not what RFC 9112 says."),
            Self::TooManyHeaders => Problem::TooManyHeaders,
            Self::UriTooLong => Problem::UriTooLong,
            Self::Full => Problem::Full("This server has as many connections as it may. Ask another one, or again."),
            Self::FullForAddress => Problem::Full(
                "There are as many connections from this address as there may be. Use those that are open.",
            ),
        }
    }
}
