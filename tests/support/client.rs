//! A partner's client: one method per endpoint, and a raw form for requests that no good client sends.

use std::{sync::OnceLock, time::Duration};

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long an answer may take. The service bounds itself by less.
const PATIENCE: Duration = Duration::from_secs(30);

/// A header of a request.
pub(crate) type Header = (&'static str, String);

/// The header that makes a request known again.
pub(crate) fn key(key: impl Into<String>) -> Header {
    ("idempotency-key", key.into())
}

/// The header that lets a write happen at one version only.
pub(crate) fn if_match(version: i64) -> Header {
    ("if-match", format!("\"{version}\""))
}

/// A client of one server. Belongs to the runtime that made it. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: String,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body as it came.
    pub(crate) body: Vec<u8>,
    /// The body as JSON, parsed when it is first asked for.
    json: OnceLock<Value>,
}

impl Client {
    /// A client of the server on `port` of this machine.
    pub(crate) fn new(port: u16) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // A retry is the test's to make and to write down.
            .retry(reqwest::retry::never())
            .timeout(PATIENCE)
            .build()
            .expect("these options are good");
        Self { http, address: format!("127.0.0.1:{port}") }
    }

    /// Where the server listens, as `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// `POST /reservations`.
    pub(crate) async fn post_reservation(&self, partner: &str, seats: u32) -> Answer {
        self.post_reservation_with(partner, seats, &[]).await
    }

    /// `POST /reservations` with headers such as [`key`] and [`if_match`].
    pub(crate) async fn post_reservation_with(&self, partner: &str, seats: u32, headers: &[Header]) -> Answer {
        answered(self.try_post_reservation(partner, seats, headers).await)
    }

    /// As [`Client::post_reservation_with`], for when no answer may come.
    pub(crate) async fn try_post_reservation(
        &self,
        partner: &str,
        seats: u32,
        headers: &[Header],
    ) -> reqwest::Result<Answer> {
        let body = json!({ "partnerId": partner, "seats": seats }).to_string();
        let json = [("content-type", "application/json".to_owned())];
        self.try_send(Method::POST, "/reservations", &[&json, headers].concat(), body).await
    }

    /// `DELETE /reservations/{id}`.
    pub(crate) async fn delete(&self, id: &str) -> Answer {
        self.delete_with(id, &[]).await
    }

    /// `DELETE /reservations/{id}` with headers.
    pub(crate) async fn delete_with(&self, id: &str, headers: &[Header]) -> Answer {
        answered(self.try_delete(id, headers).await)
    }

    /// As [`Client::delete_with`], for when no answer may come.
    pub(crate) async fn try_delete(&self, id: &str, headers: &[Header]) -> reqwest::Result<Answer> {
        self.try_send(Method::DELETE, &format!("/reservations/{id}"), headers, "").await
    }

    /// `GET /reservations/{id}`.
    pub(crate) async fn reservation(&self, id: &str) -> Answer {
        self.get(&format!("/reservations/{id}")).await
    }

    /// `GET /reservations`.
    pub(crate) async fn summary(&self) -> Answer {
        self.get("/reservations").await
    }

    /// `GET /health`.
    pub(crate) async fn health(&self) -> Answer {
        self.get("/health").await
    }

    /// `GET /readyz`.
    pub(crate) async fn readyz(&self) -> Answer {
        self.get("/readyz").await
    }

    /// `POST` of a JSON body to any path.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body, &[]).await
    }

    /// `POST` of a JSON body to any path, with headers such as [`key`] and [`if_match`].
    pub(crate) async fn post_with(&self, path: &str, body: &Value, headers: &[Header]) -> Answer {
        let json = [("content-type", "application/json".to_owned())];
        self.send(Method::POST, path, &[&json, headers].concat(), body.to_string()).await
    }

    /// `PATCH /events/{id}`, at the version that a header such as [`if_match`] names.
    pub(crate) async fn patch_event(&self, id: &str, body: &Value, headers: &[Header]) -> Answer {
        let json = [("content-type", "application/merge-patch+json".to_owned())];
        self.send(Method::PATCH, &format!("/events/{id}"), &[&json, headers].concat(), body.to_string()).await
    }

    /// `POST /events/{id}/reservations`.
    pub(crate) async fn reserve_at(&self, event_id: &str, body: &Value) -> Answer {
        self.post(&format!("/events/{event_id}/reservations"), body).await
    }

    /// `POST /reservations/{id}/confirm`, without a body.
    pub(crate) async fn confirm(&self, id: &str, headers: &[Header]) -> Answer {
        self.send(Method::POST, &format!("/reservations/{id}/confirm"), headers, "").await
    }

    /// `GET` of any path.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// Any request that HTTP allows.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[Header],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        answered(self.try_send(method, path, headers, body).await)
    }

    /// As [`Client::send`], for when no answer may come.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[Header],
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("http://{}{path}", self.address)).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await?.to_vec();
        Ok(Answer { status, headers, body, json: OnceLock::new() })
    }

    /// Sends `bytes` as they are on a connection of its own, and reads what comes until the server closes it or the answer
    /// is whole. `None` when the server closes without an answer.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        let exchange = async {
            let mut connection = TcpStream::connect(&self.address).await.expect("the server listens");
            // A server that has heard enough may answer and close while we still write.
            let _ = connection.write_all(bytes).await;
            let mut read = Vec::new();
            while Answer::parse(&read).is_none() {
                match connection.read_buf(&mut read).await {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => break,
                }
            }
            Answer::parse(&read)
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("the server answers or closes within 30 s")
    }
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> &Value {
        self.json.get_or_init(|| {
            serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON body ({error}): {self:?}"))
        })
    }

    /// A field of the body that is text.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.json()[field].as_str().unwrap_or_else(|| panic!("no text {field:?} in {self:?}"))
    }

    /// A field of the body that is a whole number.
    pub(crate) fn number(&self, field: &str) -> i64 {
        self.json()[field].as_i64().unwrap_or_else(|| panic!("no whole number {field:?} in {self:?}"))
    }

    /// The reservation's id.
    pub(crate) fn id(&self) -> &str {
        self.text("reservationId")
    }

    /// The problem's code.
    pub(crate) fn code(&self) -> &str {
        self.text("code")
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Gives itself back if it has this status, and fails with all of it otherwise.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Checks that it is a problem of this status and code, complete and well-formed, and gives itself back.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.header("content-type")), (status, Some("application/problem+json")), "{self}");
        assert_eq!((self.code(), self.number("status")), (code, i64::from(status)), "{self}");
        for field in ["type", "title", "detail"] {
            assert!(!self.text(field).is_empty(), "{self}");
        }
        // What clients of other services show.
        for copy in ["error", "message"] {
            assert_eq!(self.text(copy), self.text("detail"), "{self}");
        }
        assert!(self.json()["retryable"].is_boolean(), "{self}");
        self
    }

    /// Reads a whole HTTP/1.1 response; `None` while it is not whole.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: HeaderMap = lines
            .filter_map(|line| line.split_once(':'))
            .filter_map(|(name, value)| {
                Some((HeaderName::try_from(name).ok()?, HeaderValue::from_str(value.trim()).ok()?))
            })
            .collect();
        let length = headers.get("content-length").map_or(Some(0), |length| length.to_str().ok()?.parse().ok())?;
        let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
        Some(Self { status, headers, body, json: OnceLock::new() })
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

fn answered(answer: reqwest::Result<Answer>) -> Answer {
    answer.unwrap_or_else(|error| panic!("the server did not answer: {error:?}"))
}
