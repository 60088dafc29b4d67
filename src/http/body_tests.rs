use super::*;

/// What the head of a request with these headers comes to, where a body of this manner is taken.
fn check<M: Manner>(lines: &[(&'static str, &str)]) -> Result<(), &'static str> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(header::HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"));
    }
    let checked = check_type::<M>(&headers).and_then(|()| check_length::<M>(&headers));
    checked.map_err(|problem| problem.code())
}

#[test]
fn a_body_is_plain_json_of_bounded_length() {
    let check = |lines: &[_]| check::<Small>(lines);
    let json = ("content-type", "application/json");
    for good in ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/json ;a=b"] {
        assert_eq!(check(&[("content-type", good)]), Ok(()), "{good}");
    }
    for bad in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "application/ld+json",
        "application/json, text/plain",
        "application",
        "json",
        "*/*",
        "text/plain; application/json",
    ] {
        assert_eq!(check(&[("content-type", bad)]), Err("unsupported-media-type"), "{bad}");
    }
    assert_eq!(check(&[]), Err("unsupported-media-type"));
    assert_eq!(check(&[json, json]), Err("unsupported-media-type"));
    assert_eq!(check(&[json, ("content-encoding", "gzip")]), Err("unsupported-media-type"));
    assert_eq!(check(&[json, ("content-encoding", "identity")]), Ok(()));
    assert_eq!(check(&[json, ("content-length", "4096")]), Ok(()));
    assert_eq!(check(&[json, ("content-length", "4097")]), Err("payload-too-large"));
}

#[test]
fn a_patch_may_call_itself_one_and_a_plan_may_be_long() {
    let json = ("content-type", "application/json");
    let patch = ("content-type", "Application/Merge-Patch+JSON; charset=utf-8");
    assert_eq!((check::<Patch>(&[patch]), check::<Patch>(&[json])), (Ok(()), Ok(())));
    assert_eq!(check::<Plan>(&[patch]), Err("unsupported-media-type"));
    assert_eq!(check::<Patch>(&[json, ("content-length", "4097")]), Err("payload-too-large"));
    assert_eq!(check::<Plan>(&[json, ("content-length", "262144")]), Ok(()));
    assert_eq!(check::<Plan>(&[json, ("content-length", "262145")]), Err("payload-too-large"));
}

#[actix_web::test]
async fn a_body_is_gathered_from_its_pieces() {
    let gather = async |pieces: &[usize]| {
        let pieces: Vec<_> = pieces.iter().map(|bytes| Ok(Bytes::from(vec![b'x'; *bytes]))).collect();
        let stream: actix_web::dev::Payload = Payload::Stream { payload: Box::pin(futures_util::stream::iter(pieces)) };
        read::<Small>(&mut { stream }).await.map(|(body, _)| body.len()).map_err(|problem| problem.code())
    };
    assert_eq!(gather(&[]).await, Ok(0));
    assert_eq!(gather(&[4_096]).await, Ok(4_096));
    assert_eq!(gather(&[0, 4_000, 0, 95, 1]).await, Ok(4_096));
    assert_eq!(gather(&[4_097]).await, Err("payload-too-large"));
    assert_eq!(gather(&[4_000, 96, 1]).await, Err("payload-too-large"));
}
