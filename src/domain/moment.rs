//! Moments that partners name: parsed once, by RFC 3339, and within what every store and every answer can carry.

use std::fmt;

use jiff::{
    Timestamp,
    civil::{Date, Time},
};
use serde::{Deserialize, Deserializer, Serialize};

use super::InvalidValue;

/// A moment in whole milliseconds since 1970 (UTC), from `0000-01-01T00:00:00Z` to `9999-12-31T23:59:59.999Z`: exactly what
/// RFC 3339 can spell in UTC. A [`Timestamp`] ends a day earlier, because it must bear every offset, so it cannot hold what
/// partners send for "no end in sight".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Moment(i64);

/// What becomes of the part below a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// The millisecond that it is in.
    Down,
    /// The next whole millisecond, unless it is one already.
    Up,
}

const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const SECOND_MS: i64 = 1_000;

/// The last whole millisecond that a [`Timestamp`] can hold *and* be read back from: what the clock adds up to never goes
/// beyond it. (`Timestamp::MAX` itself is not read back: its milliseconds lie in a second that begins after the limit.)
pub const LAST_TIMESTAMP_MS: i64 = 253_402_207_200_000;

impl Moment {
    /// The first moment: `0000-01-01T00:00:00Z`.
    pub const MIN: Self = Self(-62_167_219_200_000);
    /// The last moment: `9999-12-31T23:59:59.999Z`.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Takes `text` as a date, a time and an offset (RFC 3339 section 5.6, letters in either case). An offset goes to 23:59
    /// at most. Second 60 is taken where a leap second can be, in the last minute of a month in UTC, and counts as the end
    /// of second 59.
    ///
    /// # Errors
    /// When it is anything else, another form of ISO 8601 included, or not between [`Moment::MIN`] and [`Moment::MAX`].
    pub fn parse(text: &str, rounding: Rounding) -> Result<Self, InvalidValue> {
        let refused = || InvalidValue("must be a time as in 2026-11-21T18:00:00Z (RFC 3339)".to_owned());
        let (milliseconds, has_more) = date_time(text.as_bytes()).ok_or_else(refused)?;
        let at = Self::from_millisecond(milliseconds).ok_or_else(out_of_bounds)?;
        // Nothing could be written down behind the last millisecond.
        let up = i64::from(has_more && rounding == Rounding::Up);
        Ok(Self((at.0 + up).min(Self::MAX.0)))
    }

    /// As [`Moment::parse`], or a plain date, which means its first instant in UTC.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse_with_dates(text: &str, rounding: Rounding) -> Result<Self, InvalidValue> {
        if let Some(date) = date(text.as_bytes()) {
            return Self::from_millisecond(days_of(date) * DAY_MS).ok_or_else(out_of_bounds);
        }
        Self::parse(text, rounding).map_err(|why| {
            if why == out_of_bounds() {
                why
            } else {
                InvalidValue(
                    "must be a time as in 2026-11-21T18:00:00Z (RFC 3339), or a date as in 2026-11-21".to_owned(),
                )
            }
        })
    }

    /// The moment so many milliseconds after the beginning of 1970, if it is within the bounds.
    #[must_use]
    pub fn from_millisecond(milliseconds: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&milliseconds).then_some(Self(milliseconds))
    }

    /// As a store reads it: what lies beyond a bound, which this program has never written, counts as the bound. Nothing is
    /// decided by such a moment, and an event is not to be lost for it.
    #[must_use]
    pub fn stored(milliseconds: i64) -> Self {
        Self(milliseconds.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Milliseconds since the beginning of 1970.
    #[must_use]
    pub fn as_millisecond(self) -> i64 {
        self.0
    }

    /// The same moment as a [`Timestamp`], or the last one of those: for comparing with times of the clock, all of which
    /// come before that.
    #[must_use]
    pub fn to_timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0.min(LAST_TIMESTAMP_MS)).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

fn out_of_bounds() -> InvalidValue {
    InvalidValue(format!("must be from {} to {}", Moment::MIN, Moment::MAX))
}

/// RFC 3339 in UTC, with always three digits after the second, so that moments also sort as text.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, of_day) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS));
        let date = date_of(days);
        let (minutes, milliseconds) = (of_day / MINUTE_MS, of_day % MINUTE_MS);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            date.month(),
            date.day(),
            minutes / 60,
            minutes % 60,
            milliseconds / SECOND_MS,
            milliseconds % SECOND_MS,
        )
    }
}

impl<'de> Deserialize<'de> for Moment {
    /// As [`Moment::stored`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Self::stored)
    }
}

/// Day 0.
const EPOCH: Date = Date::constant(1970, 1, 1);

fn days_of(date: Date) -> i64 {
    i64::from(date.since(EPOCH).map_or(0, |since| since.get_days()))
}

fn date_of(days: i64) -> Date {
    let span = jiff::Span::new().try_days(days);
    span.and_then(|span| EPOCH.checked_add(span)).unwrap_or(EPOCH)
}

/// `date-time` of RFC 3339 section 5.6: the millisecond since 1970 that it is in, and whether it lies behind the beginning of
/// that.
fn date_time(text: &[u8]) -> Option<(i64, bool)> {
    let (day, rest) = text.split_at_checked(10)?;
    let (clock, rest) = rest.split_at_checked(9)?;
    let date = date(day)?;
    let [b'T' | b't', h1, h2, b':', m1, m2, b':', s1, s2] = *clock else { return None };
    let (hour, minute, second) = (two_digits(h1, h2)?, two_digits(m1, m2)?, two_digits(s1, s2)?);
    let (fraction, offset) = match rest {
        [b'.', after @ ..] => after.split_at(after.iter().take_while(|byte| byte.is_ascii_digit()).count()),
        _ => (&b"0"[..], rest),
    };
    let offset = offset_minutes(offset)?;
    if fraction.is_empty() || second > 60 {
        return None;
    }
    let time = Time::new(hour, minute, second.min(59), 0).ok()?;
    let minute =
        days_of(date) * DAY_MS + i64::from(time.hour()) * 60 * MINUTE_MS + i64::from(time.minute()) * MINUTE_MS
            - offset * MINUTE_MS;
    if second == 60 {
        let after = minute + MINUTE_MS;
        let begins_a_month = after.rem_euclid(DAY_MS) == 0 && date_of(after.div_euclid(DAY_MS)).day() == 1;
        // The day after the last one is out of a date's reach, and begins a month.
        return (begins_a_month || after > Moment::MAX.0).then_some((after - 1, false));
    }
    let digit = |place: usize| fraction.get(place).map_or(0, |digit| i64::from(digit - b'0'));
    let milliseconds = digit(0) * 100 + digit(1) * 10 + digit(2);
    let has_more = fraction.iter().skip(3).any(|digit| *digit != b'0');
    Some((minute + i64::from(time.second()) * SECOND_MS + milliseconds, has_more))
}

/// `full-date` of RFC 3339 section 5.6.
fn date(text: &[u8]) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let year = i16::from(two_digits(y1, y2)?) * 100 + i16::from(two_digits(y3, y4)?);
    Date::new(year, two_digits(m1, m2)?, two_digits(d1, d2)?).ok()
}

/// `time-offset` of RFC 3339 section 5.6: hours 00 to 23, minutes 00 to 59.
fn offset_minutes(text: &[u8]) -> Option<i64> {
    match *text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
            let offset = i64::from(hours) * 60 + i64::from(minutes);
            (hours < 24 && minutes < 60).then_some(if sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<i8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| (byte - b'0').cast_signed());
    Some(digit(tens)? * 10 + digit(ones)?)
}

#[cfg(test)]
#[path = "moment_tests.rs"]
mod tests;
