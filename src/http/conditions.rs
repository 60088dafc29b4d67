//! Conditional requests: entity tags, `If-Match` and `If-None-Match` (RFC 9110 sections 8.8.3, 13.1.1, 13.1.2 and 13.2.2).
//!
//! The tag of an event is its version, in quotes; of an answer that was compressed, with the coding behind it
//! ([`super::compression`]). Writes are conditioned on the event that they change. Reservations have no tag of their own: it would
//! invite to send it with the next write, whose condition is on the event.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::{Problem, compression::TAG_ENDS};
use crate::{
    domain::{Expected, Rejection, Version},
    service::ServiceError,
};

/// The most tags of one header. Who knows more versions of an event than this asks without a condition; each is kept while a write
/// waits (see [`crate::service`]).
const TAGS_MAX: usize = 64;

/// The strong tag of an event at `version`.
pub(super) fn etag(version: Version) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits in quotes are a header value")
}

/// The condition of a write on the version of its event: that of `If-Match`, compared strongly, so that weak tags stand for none,
/// and that of `If-None-Match`, compared weakly. Tags that this service has never written stand for no version.
///
/// A condition that cannot be read protects nothing, so it is refused.
pub(super) fn expected(headers: &HeaderMap) -> Result<Option<Expected>, Problem> {
    let required = Tags::parse(headers, &header::IF_MATCH).map_err(|broken| broken.told("If-Match"))?;
    let excluded = Tags::parse(headers, &header::IF_NONE_MATCH).map_err(|broken| broken.told("If-None-Match"))?;
    Ok(match (required, excluded) {
        (None, None) => None,
        (Some(Tags::Any), None) => Some(Expected::Any),
        (Some(Tags::These(tags)), None) => Some(Expected::Versions(versions(tags.iter().filter(|tag| !tag.weak)))),
        // There is an event, or nothing is written.
        (_, Some(Tags::Any)) => Some(Expected::Versions(Vec::new())),
        (None | Some(Tags::Any), Some(Tags::These(tags))) => Some(Expected::Except(versions(tags.iter()))),
        (Some(Tags::These(required)), Some(Tags::These(excluded))) => {
            let (mut required, excluded) =
                (versions(required.iter().filter(|tag| !tag.weak)), versions(excluded.iter()));
            required.retain(|version| !excluded.contains(version));
            Some(Expected::Versions(required))
        }
    })
}

fn versions<'a>(tags: impl Iterator<Item = &'a Tag<'a>>) -> Vec<Version> {
    tags.filter_map(Tag::version).collect()
}

/// Checks the conditions of a request that makes an event: `If-None-Match: *` says what holds anyway, anything else speaks of a
/// version, and there is none yet.
pub(super) fn check_creation(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::IF_MATCH) {
        return Err(Problem::invalid("If-Match", "must not be sent: the event has no version yet"));
    }
    match Tags::parse(headers, &header::IF_NONE_MATCH) {
        Ok(None | Some(Tags::Any)) => Ok(()),
        _ => Err(Problem::invalid("If-None-Match", "must be * or absent: the event has no version yet")),
    }
}

/// What a read of something at `version` comes to, by its conditions.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    /// The client has it as it is, under this tag.
    NotModified(HeaderValue),
    /// The client is to have it.
    Whole,
}

/// Evaluates the conditions of a read, `If-Match` first (RFC 9110 section 13.2.2). An `If-None-Match` that cannot be read spares
/// nothing and costs nothing, so it is passed over.
pub(super) fn check_read(headers: &HeaderMap, version: Version) -> Result<Read, Problem> {
    match Tags::parse(headers, &header::IF_MATCH).map_err(|broken| broken.told("If-Match"))? {
        Some(Tags::These(tags)) if !tags.iter().any(|tag| !tag.weak && tag.version() == Some(version)) => {
            let failed = ServiceError::from(Rejection::PreconditionFailed { current: version });
            return Err(explained(headers, failed));
        }
        _ => {}
    }
    Ok(match Tags::parse(headers, &header::IF_NONE_MATCH) {
        Ok(Some(Tags::Any)) => Read::NotModified(etag(version)),
        Ok(Some(Tags::These(tags))) => match tags.iter().find(|tag| tag.version() == Some(version)) {
            // The client's own tag, by which it finds its copy (RFC 9111 section 4.3.4): it may be that of a compressed one.
            Some(tag) => Read::NotModified(tag.strong()),
            None => Read::Whole,
        },
        Ok(None) | Err(_) => Read::Whole,
    })
}

/// The problem behind `error`, in the words that fit the request's conditions: a weak tag is called one.
pub(super) fn explained(headers: &HeaderMap, error: ServiceError) -> Problem {
    match error {
        ServiceError::Rejected(Rejection::PreconditionFailed { current }) if names_it_weakly(headers, current) => {
            Problem::WeakTag { current }
        }
        other => other.into(),
    }
}

/// Whether `If-Match` would hold at `version` if weak tags counted.
fn names_it_weakly(headers: &HeaderMap, version: Version) -> bool {
    match Tags::parse(headers, &header::IF_MATCH) {
        Ok(Some(Tags::These(tags))) => tags.iter().any(|tag| tag.weak && tag.version() == Some(version)),
        _ => false,
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

/// Why a header's tags cannot be taken.
#[derive(Debug, PartialEq)]
enum Broken {
    Malformed,
    TooMany,
}

impl Broken {
    fn told(&self, field: &'static str) -> Problem {
        Problem::invalid(
            field,
            match self {
                Self::Malformed => r#"must be * or a list of entity tags, such as "7""#.to_owned(),
                Self::TooMany => format!("must name at most {TAGS_MAX} entity tags"),
            },
        )
    }
}

impl<'a> Tags<'a> {
    /// Reads a list of tags, which may be spread over several lines of one name.
    fn parse(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<Self>, Broken> {
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
            _ => Err(Broken::Malformed),
        }
    }
}

/// Reads `#entity-tag`, empty elements allowed (RFC 9110 section 5.6.1.2).
fn read_list<'a>(mut rest: &'a [u8], tags: &mut Vec<Tag<'a>>) -> Result<(), Broken> {
    loop {
        rest = rest.trim_ascii_start();
        if !rest.is_empty() && rest[0] != b',' {
            if tags.len() == TAGS_MAX {
                return Err(Broken::TooMany);
            }
            let (tag, after) = Tag::read(rest)?;
            tags.push(tag);
            rest = after.trim_ascii_start();
        }
        match rest.split_first() {
            None => return Ok(()),
            Some((b',', after)) => rest = after,
            Some(_) => return Err(Broken::Malformed),
        }
    }
}

impl<'a> Tag<'a> {
    /// Reads one `[ "W/" ] DQUOTE *etagc DQUOTE`, and says what follows it.
    fn read(text: &'a [u8]) -> Result<(Self, &'a [u8]), Broken> {
        let (weak, quoted) = match text.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, text),
        };
        let inner = quoted.strip_prefix(b"\"").ok_or(Broken::Malformed)?;
        let end = inner.iter().position(|byte| *byte == b'"').ok_or(Broken::Malformed)?;
        let (opaque, after) = inner.split_at(end);
        let allowed = |byte: &u8| *byte == 0x21 || (0x23..=0x7e).contains(byte) || *byte >= 0x80;
        if opaque.iter().all(allowed) { Ok((Self { weak, opaque }, &after[1..])) } else { Err(Broken::Malformed) }
    }

    /// The version that the tag stands for, if this service can have written it: `"7"` and `"7-gzip"`, but not `"07"`.
    fn version(&self) -> Option<Version> {
        let text = std::str::from_utf8(self.opaque).ok()?;
        let digits = TAG_ENDS.iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text);
        let version = digits.parse().ok().map(Version)?;
        // Only as it is written here: by its digits, without a zero or a sign in front.
        let length = version.0.checked_ilog10().unwrap_or(0) + 1;
        (u32::try_from(digits.len()) == Ok(length)).then_some(version)
    }

    /// The tag as a strong one.
    fn strong(&self) -> HeaderValue {
        let quoted = [b"\"", self.opaque, b"\""].concat();
        HeaderValue::from_bytes(&quoted).expect("it came in a header")
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
    fn a_header_names_so_many_tags_and_no_more() {
        let most = vec![r#""7""#; TAGS_MAX].join(",");
        let read = expected(&with(&header::IF_MATCH, &[&most])).expect("as many as there may be");
        assert_eq!(read, Some(Expected::Versions(vec![Version(7); TAGS_MAX])));
        for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
            for lines in [&[&*format!("{most},W/\"8\"")][..], &[&most, r#""8""#]] {
                let refused = expected(&with(&name, lines)).expect_err("one too many").to_string();
                assert!(refused.contains("at most 64 entity tags"), "{refused}");
            }
        }
    }

    #[test]
    fn writes_may_be_kept_from_versions() {
        let versions = |numbers: &[i64]| numbers.iter().copied().map(Version).collect();
        for (required, excluded, wanted) in [
            (&[][..], "*", Expected::Versions(vec![])),
            (&["*"], "*", Expected::Versions(vec![])),
            (&[r#""7""#], "*", Expected::Versions(vec![])),
            (&[], r#""7""#, Expected::Except(versions(&[7]))),
            (&[], r#"W/"7", "8-br""#, Expected::Except(versions(&[7, 8]))),
            (&["*"], r#""7""#, Expected::Except(versions(&[7]))),
            (&[r#""7", "8""#], r#""7""#, Expected::Versions(versions(&[8]))),
        ] {
            let mut headers = with(&header::IF_MATCH, required);
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(excluded).expect("a header value"));
            assert_eq!(expected(&headers).expect("well-formed"), Some(wanted), "{required:?} {excluded}");
        }
        expected(&with(&header::IF_NONE_MATCH, &["7"])).expect_err("a condition that cannot be read");
    }

    #[test]
    fn a_read_asks_for_a_version_or_against_one() {
        let at_seven = |lines: &[(HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, line) in lines {
                headers.append(name.clone(), HeaderValue::from_str(line).expect("a header value"));
            }
            check_read(&headers, Version(7)).map_err(|problem| problem.to_string())
        };
        let (if_match, if_none_match) = (header::IF_MATCH, header::IF_NONE_MATCH);
        for good in ["*", r#""7""#, r#""6", "7""#, r#""7-gzip""#, r#""7-br""#] {
            assert_eq!(at_seven(&[(if_match.clone(), good)]), Ok(Read::Whole), "{good}");
        }
        for stale in [r#""6""#, r#"W/"6""#, r#""7-zip""#] {
            let refused = at_seven(&[(if_match.clone(), stale)]).expect_err(stale);
            assert!(refused.contains("at version 7"), "{refused}");
        }
        let weak = at_seven(&[(if_match.clone(), r#"W/"7""#)]).expect_err("a weak tag");
        assert!(weak.contains("weak") && weak.contains(r#""7""#), "{weak}");
        at_seven(&[(if_match.clone(), "7")]).expect_err("malformed");
        // The first condition counts first.
        at_seven(&[(if_match, r#""6""#), (if_none_match.clone(), r#""7""#)]).expect_err("stale");
        let tag = |tag| Ok(Read::NotModified(HeaderValue::from_static(tag)));
        assert_eq!(at_seven(&[(if_none_match.clone(), r#""6", W/"7-gzip""#)]), tag(r#""7-gzip""#));
        assert_eq!(at_seven(&[(if_none_match, "*")]), tag(r#""7""#));
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
            let read = check_read(&with(&header::IF_NONE_MATCH, lines), Version(7)).expect("no If-Match");
            assert_eq!(read != Read::Whole, *fresh, "{lines:?}");
        }
        assert_eq!(check_read(&HeaderMap::new(), Version(7)).expect("no condition"), Read::Whole);
    }

    #[test]
    fn a_tag_is_read_as_it_is_written() {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, etag(Version(12)));
        assert_eq!(expected(&headers).expect("our own tag"), Some(Expected::Versions(vec![Version(12)])));
    }
}
