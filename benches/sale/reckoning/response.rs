//! The answers of HTTP/1.1, as far as servers under measurement send them: a status line, headers, and a body of a told
//! length. Anything else is an error and not guessed at, because a generator that skips what it does not understand
//! counts what never happened.

/// The longest head that is read; the servers here send some 200 bytes.
const HEAD_MAX: usize = 16 * 1024;
/// The longest body that is taken.
const BODY_MAX: usize = 4 * 1024 * 1024;

/// One whole answer at the start of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: &'a [u8],
    /// How many bytes of the buffer the answer takes.
    pub(crate) length: usize,
    /// Whether the server says that it ends the connection after this.
    pub(crate) closes: bool,
}

/// Why bytes are no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a malformed answer: {0}")]
pub(crate) struct Malformed(&'static str);

/// Reads the answer that `bytes` begin with; `None` while it is not whole.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Response<'_>>, Malformed> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if bytes.len() > HEAD_MAX { Err(Malformed("a head without an end")) } else { Ok(None) };
    };
    let mut lines = Lines(&bytes[..end + 2]);
    let status = status_of(lines.next().unwrap_or_default())?;
    let mut told = None;
    let mut closes = false;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed("a header without a colon"))?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)) {
            return Err(Malformed("a header's name"));
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            if told.is_some() {
                return Err(Malformed("two lengths"));
            }
            told = Some(number(value).ok_or(Malformed("a length that is no number"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(Malformed("a body in chunks, where answers have a length"));
        } else if name.eq_ignore_ascii_case(b"connection") {
            closes = !value.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    let body = match (status, told) {
        // RFC 9110 section 8.6: these have no body, and the second one's length would be that of another answer.
        (204 | 304, _) => 0,
        (_, Some(length)) if length <= BODY_MAX => length,
        (_, Some(_)) => return Err(Malformed("a body that is too long")),
        (_, None) => return Err(Malformed("no length")),
    };
    let start = end + 4;
    Ok(bytes.get(start..start + body).map(|body| Response { status, body, length: start + body.len(), closes }))
}

/// The value of a text field in a flat JSON body as the servers write it, without spaces and without escapes; `None` when
/// there is none. A whole JSON parser would cost the generator more than the answer cost the server.
pub(crate) fn text_field<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let wanted = name.len() + 4;
    let at = body.windows(wanted).position(|window| {
        window[0] == b'"' && &window[1..=name.len()] == name.as_bytes() && window[name.len() + 1..] == *b"\":\""
    })?;
    let value = &body[at + wanted..];
    let end = value.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&value[..end]).ok().filter(|text| !text.contains('\\'))
}

/// Lines that each end with a carriage return and a line feed.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.windows(2).position(|window| window == b"\r\n")?;
        let line = &self.0[..end];
        self.0 = &self.0[end + 2..];
        Some(line)
    }
}

fn status_of(line: &[u8]) -> Result<u16, Malformed> {
    let status = line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| match rest {
        [hundreds @ b'2'..=b'5', tens, units, b' ', ..] => number(&[*hundreds, *tens, *units]),
        _ => None,
    });
    status.and_then(|status| u16::try_from(status).ok()).ok_or(Malformed("a status line"))
}

fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &[u8] =
        b"HTTP/1.1 201 Created\r\ncontent-length: 22\r\nx-request-id: 1\r\n\r\n{\"reservationId\":\"a.b\"}";

    #[test]
    fn a_whole_answer_is_read() {
        let whole = [CREATED, b"HTTP"].concat();
        let response = parse(&whole).expect("well-formed").expect("whole");
        assert_eq!((response.status, response.length), (201, CREATED.len() - 1));
        let exact = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: keep-alive\r\n\r\nok";
        assert_eq!(parse(exact), Ok(Some(Response { status: 200, body: b"ok", length: exact.len(), closes: false })));
    }

    #[test]
    fn an_answer_is_whole_at_its_last_byte_and_not_before() {
        let exact = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        for end in 0..exact.len() {
            assert_eq!(parse(&exact[..end]), Ok(None), "{end} bytes");
        }
        assert!(parse(exact).expect("well-formed").is_some());
    }

    #[test]
    fn an_answer_tells_whether_it_is_the_connections_last() {
        let last = parse(b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n").expect("well-formed");
        assert!(last.expect("whole").closes);
    }

    #[test]
    fn an_answer_without_a_body_needs_no_length() {
        let response = parse(b"HTTP/1.1 204 No Content\r\n\r\n").expect("well-formed").expect("whole");
        assert_eq!((response.status, response.body, response.length), (204, &b""[..], 27));
        let not_modified = parse(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\n\r\n").expect("well-formed");
        assert_eq!(not_modified.expect("whole").body, b"");
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for (bytes, why) in [
            (&b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"[..], "a status line"),
            (b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n", "a status line"),
            (b"HTTP/1.1 100 Continue\r\n\r\n", "a status line"),
            (b"ok\r\n\r\n", "a status line"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "no length"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "a length that is no number"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na", "two lengths"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", "a body that is too long"),
            (b"HTTP/1.1 200 OK\r\ncontent length: 1\r\n\r\na", "a header's name"),
            (b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "a header without a colon"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "a body in chunks, where answers have a length"),
        ] {
            assert_eq!(parse(bytes), Err(Malformed(why)), "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(parse(&vec![b'a'; HEAD_MAX + 1]), Err(Malformed("a head without an end")));
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let body = br#"{"type":"urn:x:code","code":"overloaded","note":"\"code\":\"no\""}"#;
        assert_eq!(text_field(body, "code"), Some("overloaded"));
        assert_eq!(text_field(body, "cod"), None);
        assert_eq!(text_field(body, "retryable"), None);
        assert_eq!(text_field(br#"{"code":"cut"#, "code"), None);
        assert_eq!(text_field(b"", "code"), None);
    }
}
