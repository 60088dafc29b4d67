//! What a connection may do, in raw bytes, and how many connections there may be.

mod heads;
mod pipelining;
mod room;
mod wire;

/// `GET` or `HEAD` of a path.
fn get(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// A reservation's head and body; `framing` says how the body is marked.
fn post(framing: &str, body: &str) -> String {
    format!(
        "POST /reservations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{body}"
    )
}

const RESERVATION: &str = r#"{"partnerId":"acme","seats":1}"#;

/// A reservation whose body has a length.
fn reserve() -> String {
    post(&format!("Content-Length: {}", RESERVATION.len()), RESERVATION)
}
