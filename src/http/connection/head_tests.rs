use super::*;

/// Reads a head, and gives its length and whether a body in chunks or of so many bytes follows.
fn complete(text: &str) -> (usize, Option<u64>) {
    let mut bytes = text.as_bytes().to_vec();
    match read(&mut bytes) {
        Head::Complete(length, Body::Counted(body)) => (length, Some(body)),
        Head::Complete(length, Body::Chunked(_)) => (length, None),
        other => panic!("{text:?}: {other:?}"),
    }
}

fn refused(text: &str) -> Refusal {
    match read(&mut text.as_bytes().to_vec()) {
        Head::Refused(refusal) => refusal,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn a_head_ends_at_its_empty_line_and_says_what_follows() {
    for (lines, body) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Some(0)),
        ("GET / HTTP/1.0\r\n\r\n", Some(0)),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Some(0)),
        ("GET / HTTP/1.1\nHost: x\n\n", Some(0)),
        ("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 17\r\n\r\n", Some(17)),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n", None),
        ("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", Some(3)),
    ] {
        let (length, found) = complete(&format!("{lines}GET / HTTP/1.1\r\n"));
        assert_eq!((length, found), (lines.len(), body), "{lines:?}");
        for end in 0..lines.len() {
            let mut part = lines.as_bytes()[..end].to_vec();
            assert!(matches!(read(&mut part), Head::Incomplete), "{:?}", &lines[..end]);
        }
        assert!(may_end(lines.as_bytes(), lines.len() - 1), "{lines:?}");
    }
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    for lines in [
        "",
        "Host: y\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4, 4\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: -4\r\n",
        "Content-Length: 0x4\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length : 4\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Folded: a\r\n b\r\n",
        " Folded: a\r\n",
        "Bare: a\rb\r\n",
        "Nul: a\0b\r\n",
        "Na\0me: a\r\n",
        ": a\r\n",
        "No colon\r\n",
    ] {
        let host = if lines.is_empty() { "" } else { "Host: x\r\n" };
        let refusal = refused(&format!("POST / HTTP/1.1\r\n{host}{lines}\r\n"));
        assert!(matches!(refusal, Refusal::Malformed(_)), "{lines:?}: {refusal:?}");
    }
    for text in [
        "POST / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01\u{7c}\x03\x03",
    ] {
        assert!(matches!(refused(text), Refusal::Malformed(_)), "{text:?}");
    }
}

#[test]
fn a_head_has_a_size() {
    let of = |bytes: usize| {
        let lines = "GET / HTTP/1.1\r\nHost: x\r\nLong: \r\n\r\n";
        format!("GET / HTTP/1.1\r\nHost: x\r\nLong: {}\r\n\r\n", "x".repeat(bytes - lines.len()))
    };
    assert_eq!(complete(&of(HEAD_MAX_BYTES)).0, HEAD_MAX_BYTES);
    assert_eq!(refused(&of(HEAD_MAX_BYTES + 1)), Refusal::HeadTooLarge);
    assert_eq!(refused(&of(100_000)[..50_000]), Refusal::HeadTooLarge);
    assert_eq!(refused(&format!("GET /{}", "x".repeat(HEAD_MAX_BYTES))), Refusal::UriTooLong);
    assert_eq!(refused(&"M".repeat(HEAD_MAX_BYTES + 1)), Refusal::UriTooLong);
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX));
    assert_eq!(refused(&many), Refusal::TooManyHeaders);
}

#[test]
fn offers_of_another_protocol_are_blanked_and_nothing_else() {
    for (offered, left) in [
        (
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEA\r\n",
            "Connection:        , HTTP2-Settings\r\nUpgrade:    \r\nHTTP2-Settings: AAEA\r\n",
        ),
        (
            "connection: keep-alive,UPGRADE ,x\r\nupgrade: websocket\r\n",
            "connection: keep-alive,        ,x\r\nupgrade:          \r\n",
        ),
        ("Connection: close\r\nNot-Upgrade: upgrade\r\n", "Connection: close\r\nNot-Upgrade: upgrade\r\n"),
    ] {
        let around = |lines: &str| format!("GET / HTTP/1.1\r\nHost: upgrade\r\n{lines}\r\n").into_bytes();
        let mut bytes = around(offered);
        assert!(matches!(read(&mut bytes), Head::Complete(..)), "{offered:?}");
        assert_eq!(String::from_utf8(bytes), String::from_utf8(around(left)));
    }
}
