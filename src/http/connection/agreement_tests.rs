//! That the streams and actix-http never see different requests in the same bytes.

use actix_codec::Decoder as _;
use actix_http::{
    ServiceConfig,
    h1::{Codec, Message, MessageType},
};
use actix_web::web::BytesMut;
use proptest::{prelude::*, test_runner::TestRunner};

use super::head::{self, Head};

thread_local! {
    static CONFIG: ServiceConfig = ServiceConfig::default();
}

/// Where the first request ends, body included, as the stream sees it; and the bytes as it hands them out.
fn ours(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut bytes = bytes.to_vec();
    let Head::Complete(length, mut body) = head::read(&mut bytes) else { return None };
    let rest = body.advance(&bytes[length..]).ok()?;
    body.is_at_end().then_some((length + rest, bytes))
}

/// Where it ends as actix-http sees it; `None` when it refuses it.
fn theirs(bytes: &[u8], config: &ServiceConfig) -> Option<usize> {
    let mut codec = Codec::new(config.clone());
    let mut left = BytesMut::from(bytes);
    let Ok(Some(Message::Item(_))) = codec.decode(&mut left) else { return None };
    if codec.message_type() != MessageType::None {
        loop {
            match codec.decode(&mut left) {
                Ok(Some(Message::Chunk(None))) => break,
                Ok(Some(Message::Chunk(Some(_)))) => {}
                Ok(Some(Message::Item(_)) | None) => panic!("a body without an end in {bytes:?}"),
                Err(_) => return None,
            }
        }
    }
    Some(bytes.len() - left.len())
}

/// What heads are made of, good and bad.
fn line() -> impl Strategy<Value = String> {
    let ends =
        prop_oneof![20 => Just("\r\n"), 2 => Just("\n"), 1 => Just("\r\r\n"), 1 => Just("\n\r\n"), 1 => Just("\r")];
    let values = prop::sample::select(vec![
        "x",
        "",
        "0",
        "1",
        "3",
        "5",
        "5 ",
        " 5",
        "+5",
        "05",
        "5, 5",
        "0x5",
        "chunked",
        "CHUNKED",
        "chunked ",
        "identity",
        "gzip, chunked",
        "close",
        "upgrade",
        "keep-alive, Upgrade",
        "websocket",
        "h2c",
        "100-continue",
        "\u{b}chunked",
        "a\0b",
    ]);
    let names = prop::sample::select(vec![
        "Host",
        "host",
        "Content-Length",
        "content-length",
        "Transfer-Encoding",
        "transfer-encoding",
        "Connection",
        "Upgrade",
        "Expect",
        "Content-Length ",
        " Folded",
        "X",
        "Transfer_Encoding",
        "TE",
        "",
    ]);
    (names, prop::sample::select(vec![": ", ":", " : ", ""]), values, ends)
        .prop_map(|(name, colon, value, end)| [name, colon, value, end].concat())
}

fn request() -> impl Strategy<Value = String> {
    let first = prop::sample::select(vec![
        "GET / HTTP/1.1\r\nHost: x\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\n",
        "\r\nPOST / HTTP/1.1\nHost: x\n",
        "POST / HTTP/1.0\r\n",
        "HEAD / HTTP/1.1\r\nHost: x\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n",
        "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n",
    ]);
    let rest = prop::sample::select(vec![
        "0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "hello",
        "5\nhello\n0\n\n",
        "0\r\nT: v\n\r\n\r\n",
        "1\r\n\n\r\n0\r\n\r\n",
        "0000000000000000000\r\n\r\n",
        "-1\r\n\r\n",
        "",
        "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    ]);
    let lines = prop::collection::vec(line(), 0..4);
    (first, lines, prop::collection::vec(rest, 1..4)).prop_map(|(first, lines, rest)| {
        format!("{first}{}\r\n{}GET /next HTTP/1.1\r\nHost: x\r\n\r\n", lines.concat(), rest.concat())
    })
}

#[test]
fn a_request_ends_where_actix_http_sees_its_end() {
    let same_end = |text: String| {
        if let Some((end, handed_out)) = ours(text.as_bytes()) {
            // Alone, as the decoder gets it, and with more behind it, as it never does: the end stays where it is.
            for bytes in [&handed_out[..end], &handed_out] {
                let theirs = CONFIG.with(|config| theirs(bytes, config));
                prop_assert!(theirs.is_none_or(|theirs| theirs == end), "{theirs:?}, not {end} in {text:?}");
            }
        }
        Ok(())
    };
    // A codec has a clock, which runs as a local task.
    actix_web::rt::System::new().block_on(async {
        let config = ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() };
        TestRunner::new(config).run(&request(), same_end).unwrap_or_else(|difference| panic!("{difference}"));
    });
}
