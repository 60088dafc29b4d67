//! Conditional requests: entity tags, `If-Match` and `If-None-Match` (RFC 9110 sections 8.8.3, 13.1.1 and 13.1.2).
//!
//! The tag of an event is its version, in quotes.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Problem;
use crate::domain::{Expected, Version};

/// The strong tag of an event at `version`.
pub(super) fn etag(version: Version) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits in quotes are a header value")
}

/// The versions that `If-Match` names. The comparison is strong, so weak tags stand for none; neither do tags that this
/// service has never written.
pub(super) fn expected(headers: &HeaderMap) -> Result<Option<Expected>, Problem> {
    match Tags::parse(headers, &header::IF_MATCH) {
        Ok(None) => Ok(None),
        Ok(Some(Tags::Any)) => Ok(Some(Expected::Any)),
        Ok(Some(Tags::These(tags))) => {
            let strong = tags.iter().filter(|tag| !tag.weak);
            Ok(Some(Expected::Versions(strong.filter_map(Tag::version).collect())))
        }
        Err(Malformed) => Err(Problem::invalid("If-Match", r#"must be * or a list of entity tags, such as "7""#)),
    }
}

/// Whether the client's copy, by its `If-None-Match`, is the event at `version`. The comparison is weak. A header that
/// cannot be read spares nothing and costs nothing, so it is passed over.
pub(super) fn is_fresh(headers: &HeaderMap, version: Version) -> bool {
    match Tags::parse(headers, &header::IF_NONE_MATCH) {
        Ok(Some(Tags::Any)) => true,
        Ok(Some(Tags::These(tags))) => tags.iter().any(|tag| tag.version() == Some(version)),
        Ok(None) | Err(Malformed) => false,
    }
}

/// A header's entity tags.
#[derive(Debug, PartialEq)]
enum Tags<'a> {
    Any,
    These(Vec<Tag<'a>>),
}

#[derive(Debug, PartialEq)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

#[derive(Debug, PartialEq)]
struct Malformed;

impl<'a> Tags<'a> {
    /// Reads a list of tags, which may be spread over several lines of one name.
    fn parse(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<Self>, Malformed> {
        let mut lines = headers.get_all(name).map(HeaderValue::as_bytes).peekable();
        if lines.peek().is_none() {
            return Ok(None);
        }
        let mut tags = Vec::new();
        let mut any = 0;
        for line in lines {
            if line.trim_ascii() == b"*" {
                any += 1;
            } else {
                read_list(line, &mut tags)?;
            }
        }
        match (any, tags.is_empty()) {
            (1, true) => Ok(Some(Self::Any)),
            (0, false) => Ok(Some(Self::These(tags))),
            _ => Err(Malformed),
        }
    }
}

/// Reads `#entity-tag`, empty elements allowed (RFC 9110 section 5.6.1.2).
fn read_list<'a>(mut rest: &'a [u8], tags: &mut Vec<Tag<'a>>) -> Result<(), Malformed> {
    loop {
        rest = rest.trim_ascii_start();
        if !rest.is_empty() && rest[0] != b',' {
            let (tag, after) = Tag::read(rest)?;
            tags.push(tag);
            rest = after.trim_ascii_start();
        }
        match rest.split_first() {
            None => return Ok(()),
            Some((b',', after)) => rest = after,
            Some(_) => return Err(Malformed),
        }
    }
}

impl<'a> Tag<'a> {
    /// Reads one `[ "W/" ] DQUOTE *etagc DQUOTE`, and says what follows it.
    fn read(text: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let (weak, quoted) = match text.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, text),
        };
        let inner = quoted.strip_prefix(b"\"").ok_or(Malformed)?;
        let end = inner.iter().position(|byte| *byte == b'"').ok_or(Malformed)?;
        let (opaque, after) = inner.split_at(end);
        let allowed = |byte: &u8| *byte == 0x21 || (0x23..=0x7e).contains(byte) || *byte >= 0x80;
        if opaque.iter().all(allowed) { Ok((Self { weak, opaque }, &after[1..])) } else { Err(Malformed) }
    }

    /// The version that the tag stands for, if this service can have written it: `"7"`, but not `"07"`.
    fn version(&self) -> Option<Version> {
        let text = std::str::from_utf8(self.opaque).ok()?;
        let version = text.parse().ok().map(Version)?;
        (version.to_string() == text).then_some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_bytes(line.as_bytes()).expect("a header value"));
        }
        headers
    }

    #[test]
    fn if_match_names_versions() {
        let versions = |numbers: &[i64]| Expected::Versions(numbers.iter().copied().map(Version).collect());
        let table: &[(&[&str], Expected)] = &[
            (&["*"], Expected::Any),
            (&[" * "], Expected::Any),
            (&[r#""7""#], versions(&[7])),
            (&[r#""0""#], versions(&[0])),
            (&[r#""7","8""#], versions(&[7, 8])),
            (&[r#" "7" , "8" "#], versions(&[7, 8])),
            (&[r#", "7",, "8","#], versions(&[7, 8])),
            (&[r#""7""#, r#""8""#], versions(&[7, 8])),
            (&[r#"W/"7""#], versions(&[])),
            (&[r#"W/"7", "8""#], versions(&[8])),
            (&[r#""07""#], versions(&[])),
            (&[r#""+7""#], versions(&[])),
            (&[r#""""#], versions(&[])),
            (&[r#""*""#], versions(&[])),
            (&[r#""a,b""#], versions(&[])),
            (&[r#""é""#], versions(&[])),
            (&[r#""99999999999999999999""#], versions(&[])),
        ];
        for (lines, wanted) in table {
            let read = expected(&with(&header::IF_MATCH, lines)).expect("well-formed");
            assert_eq!(read.as_ref(), Some(wanted), "{lines:?}");
        }
        assert_eq!(expected(&HeaderMap::new()).expect("absent"), None);
    }

    #[test]
    fn a_malformed_if_match_is_refused() {
        for lines in [
            &["7"][..],
            &[""],
            &[","],
            &[r#""7"#],
            &[r#"7""#],
            &[r#""7" "8""#],
            &[r#"w/"7""#],
            &[r#"W/ "7""#],
            &["\"7 8\""],
            &["*, *"],
            &[r#"*, "7""#],
            &["*", r#""7""#],
            &["*", "*"],
        ] {
            let refused = expected(&with(&header::IF_MATCH, lines)).expect_err("malformed");
            assert!(refused.to_string().contains("If-Match"), "{lines:?}: {refused}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let table: &[(&[&str], bool)] = &[
            (&["*"], true),
            (&[r#""7""#], true),
            (&[r#"W/"7""#], true),
            (&[r#""6", W/"7""#], true),
            (&[r#""6""#, r#""7""#], true),
            (&[r#""6""#], false),
            (&[r#""07""#], false),
            (&["7"], false),
            (&[r#""7"#], false),
        ];
        for (lines, fresh) in table {
            assert_eq!(is_fresh(&with(&header::IF_NONE_MATCH, lines), Version(7)), *fresh, "{lines:?}");
        }
        assert!(!is_fresh(&HeaderMap::new(), Version(7)));
    }

    #[test]
    fn a_tag_is_read_as_it_is_written() {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, etag(Version(12)));
        assert_eq!(expected(&headers).expect("our own tag"), Some(Expected::Versions(vec![Version(12)])));
    }
}
