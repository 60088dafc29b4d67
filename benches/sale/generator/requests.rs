//! The bytes of requests.

/// `GET` of a path.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// `DELETE` of a path.
pub(crate) fn delete(path: &str) -> Vec<u8> {
    format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// `POST` of JSON to a path.
pub(crate) fn post(path: &str, json: &str) -> Vec<u8> {
    let length = json.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}"
    );
    format!("{head}\r\n\r\n{json}").into_bytes()
}

/// A reservation of one seat, without an `Idempotency-Key`, by a partner of this number.
pub(crate) fn reserve(path: &str, partner: usize) -> Vec<u8> {
    post(path, &format!(r#"{{"partnerId":"partner-{partner}","seats":1}}"#))
}
