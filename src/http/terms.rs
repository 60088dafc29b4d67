//! The terms of a write, from its headers: `Idempotency-Key`, `If-Match` and the request's id.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderMap};

use super::{
    Problem, conditions,
    headers::{IDEMPOTENCY_KEY, Repeated, single},
    trace::RequestId,
};
use crate::{domain::IdempotencyKey, service::Terms};

impl FromRequest for Terms {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request))
    }
}

fn read(request: &HttpRequest) -> Result<Terms, Problem> {
    Ok(Terms {
        key: key(request.headers())?,
        expected: conditions::expected(request.headers())?,
        request_id: RequestId::of(request).as_str().into(),
    })
}

/// The key, bare or as the string of structured fields that draft-ietf-httpapi-idempotency-key-header makes it:
/// `k1` and `"k1"` are one key.
fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let refused = |message: String| Problem::invalid("Idempotency-Key", message);
    let value = single(headers, &IDEMPOTENCY_KEY).map_err(|Repeated| refused("must be sent once".to_owned()))?;
    let Some(value) = value else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let unquoted = match text.strip_prefix('"') {
        None => text,
        Some(rest) => unquote(rest).ok_or_else(|| refused("must end where its quotes end".to_owned()))?.into(),
    };
    IdempotencyKey::parse(&unquoted).map(Some).map_err(|why| refused(why.to_string()))
}

/// The string that `rest` continues after its opening quote (RFC 9651 section 4.2.5), if nothing follows it.
fn unquote(rest: &str) -> Option<String> {
    let mut string = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(string),
            '\\' => string.push(chars.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            other => string.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn keyed(lines: &[&str]) -> Result<Option<IdempotencyKey>, Problem> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IDEMPOTENCY_KEY.clone(), HeaderValue::from_bytes(line.as_bytes()).expect("a header value"));
        }
        key(&headers)
    }

    #[test]
    fn a_key_may_be_bare_or_quoted() {
        let longest = "k".repeat(255);
        let longest_quoted = format!("\"{longest}\"");
        for (line, wanted) in [
            ("k1", "k1"),
            ("\"k1\"", "k1"),
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r#"a"b\c"#, r#"a"b\c"#),
            ("{\"$gt\":1}", "{\"$gt\":1}"),
            (&longest, &longest),
            (&longest_quoted, &longest),
        ] {
            let key = keyed(&[line]).expect("a good key").expect("present");
            assert_eq!(key.as_str(), wanted, "{line}");
        }
        assert_eq!(keyed(&[]).expect("absent"), None);
    }

    #[test]
    fn the_heaviest_head_leaves_less_than_a_kilobyte() {
        let tags = (1_000_000_000_000_000_000_i64..).take(64).map(|version| format!("\"{version}\""));
        let request = actix_web::test::TestRequest::post()
            .insert_header((IDEMPOTENCY_KEY.clone(), "k".repeat(255)))
            .insert_header(("if-match", tags.collect::<Vec<_>>().join(",")))
            .insert_header(("x-padding", "x".repeat(10_000)))
            .to_http_request();
        let terms = read(&request).expect("as heavy as it may be");
        let Some(crate::domain::Expected::Versions(versions)) = terms.expected else { panic!("they are versions") };
        assert_eq!((terms.key.map(|key| key.as_str().len()), versions.len()), (Some(255), 64));
        let bytes = size_of::<Terms>() + 255 + versions.capacity() * size_of_val(&versions[0]) + terms.request_id.len();
        assert!(bytes < 1_024, "{bytes}");
    }

    #[test]
    fn other_keys_are_refused_by_name() {
        let long = "k".repeat(256);
        for lines in [
            &[""][..],
            &["\"\""],
            &["\""],
            &["\"k1"],
            &["\"k1\" "],
            &["\"k1\";p=1"],
            &["\"k1\"k2"],
            &[r#""k\1""#],
            &["a b"],
            &["\"a b\""],
            &["a\tb"],
            &["é"],
            &[&long],
            &["k1", "k2"],
            &["k1", "k1"],
        ] {
            let refused = keyed(lines).expect_err("a bad key");
            assert!(refused.to_string().starts_with("Idempotency-Key must"), "{lines:?}: {refused}");
        }
    }
}
