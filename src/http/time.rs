//! Times as partners write and read them (RFC 3339).

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde::Serializer;

use crate::domain::InvalidValue;

/// The first moment of the year 0, before which RFC 3339 cannot go.
const FIRST_SECOND: i64 = -62_167_219_200;

/// Takes `text` as a time in whole milliseconds, which is as fine as times are kept.
///
/// # Errors
/// When it is not a date, a time and an offset as RFC 3339 has them; other forms of ISO 8601 are refused.
pub(super) fn parse(text: &str, rounded: RoundMode) -> Result<Timestamp, InvalidValue> {
    let to_milliseconds = TimestampRound::new().smallest(Unit::Millisecond).mode(rounded);
    Some(text)
        .filter(|text| has_shape(text.as_bytes()))
        .and_then(|text| text.parse::<Timestamp>().ok()?.round(to_milliseconds).ok())
        .filter(|at| at.as_second() >= FIRST_SECOND)
        .ok_or_else(|| InvalidValue("must be a time as in 2026-11-21T18:00:00Z (RFC 3339)".to_owned()))
}

/// Whether `text` is `date-time` by the letters (RFC 3339 section 5.6).
fn has_shape(text: &[u8]) -> bool {
    let like = |text: &[u8], pattern: &[u8]| {
        text.len() == pattern.len()
            && text.iter().zip(pattern).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                b'+' => matches!(byte, b'+' | b'-'),
                letter => byte.eq_ignore_ascii_case(letter),
            })
    };
    let Some((time, rest)) = text.split_at_checked(19) else { return false };
    let (fraction, offset) = match rest {
        [b'.', after @ ..] => after.split_at(after.iter().take_while(|byte| byte.is_ascii_digit()).count()),
        _ => (&b"0"[..], rest),
    };
    like(time, b"0000-00-00T00:00:00") && !fraction.is_empty() && (like(offset, b"Z") || like(offset, b"+00:00"))
}

/// With always three digits after the second, so that times also sort as text.
pub(super) fn in_milliseconds<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.3}"))
}

/// As [`in_milliseconds`], where there is a time.
#[expect(clippy::ref_option, reason = "serde calls it so")]
pub(super) fn in_milliseconds_if_any<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => in_milliseconds(at, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_a_time_and_an_offset() {
        for (text, wanted) in [
            ("2026-11-21T18:00:00Z", "2026-11-21T18:00:00Z"),
            ("2026-11-21t18:00:00z", "2026-11-21T18:00:00Z"),
            ("2026-11-21T18:00:00+01:30", "2026-11-21T16:30:00Z"),
            ("2026-11-21T18:00:00.25-00:00", "2026-11-21T18:00:00.25Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        ] {
            let at = parse(text, RoundMode::Floor).expect(text);
            assert_eq!(at.to_string(), wanted);
        }
        for bad in [
            "",
            "2026-11-21",
            "2026-11-21 18:00:00Z",
            "2026-11-21T18:00Z",
            "2026-11-21T18:00:00",
            "2026-11-21T18:00:00.Z",
            "2026-11-21T18:00:00,5Z",
            "2026-11-21T18:00:00+01",
            "2026-11-21T18:00:00+0100",
            "2026-11-21T18:00:00 01:00",
            "2026-11-21T18:00:00Z[UTC]",
            "20261121T180000Z",
            "0000-00-00T00:00:00Z",
            "2026-02-30T18:00:00Z",
            "2026-11-21T25:00:00Z",
            "2026-11-21T18:00:00+99:99",
            "0000-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59Z",
            "+002026-11-21T18:00:00Z",
            "-002026-11-21T18:00:00Z",
            "1795284000",
            "２026-11-21T18:00:00Z",
            "tomorrow",
        ] {
            assert!(parse(bad, RoundMode::Floor).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn a_time_has_whole_milliseconds() {
        let at = |mode| parse("2026-11-21T18:00:00.0001Z", mode).expect("a time").as_millisecond() % 1_000;
        assert_eq!((at(RoundMode::Floor), at(RoundMode::Ceil)), (0, 1));
    }
}
