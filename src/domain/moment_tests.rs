use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Result<String, String> {
    Moment::parse(text, Rounding::Down).map(|at| at.to_string()).map_err(|why| why.0)
}

#[test]
fn a_time_is_a_date_a_time_and_an_offset() {
    for (text, wanted) in [
        ("2026-11-21T18:00:00Z", "2026-11-21T18:00:00.000Z"),
        ("2026-11-21t18:00:00z", "2026-11-21T18:00:00.000Z"),
        ("2026-11-21T18:00:00+01:30", "2026-11-21T16:30:00.000Z"),
        ("2026-11-21T18:00:00.25-00:00", "2026-11-21T18:00:00.250Z"),
        ("2026-11-21T00:00:00+23:59", "2026-11-20T00:01:00.000Z"),
        ("2026-11-21T00:00:00-23:59", "2026-11-21T23:59:00.000Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"),
        ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
        ("0000-01-01T00:00:00-01:00", "0000-01-01T01:00:00.000Z"),
        ("9999-12-30T22:00:00.001Z", "9999-12-30T22:00:00.001Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"),
        ("9999-12-31T23:59:59.999999999999Z", "9999-12-31T23:59:59.999Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
        ("2016-12-31T18:59:60.5-05:00", "2016-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:60Z", "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(parsed(text), Ok(wanted.to_owned()), "{text}");
    }
}

#[test]
fn other_forms_are_refused() {
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
        "2026-11-21T18:00:00ZZ",
        "2026-11-21T18:00:00+25:59",
        "2026-11-21T18:00:00+24:00",
        "2026-11-21T18:00:00+01:60",
        "2026-11-21T18:00:00-99:99",
        "20261121T180000Z",
        "0000-00-00T00:00:00Z",
        "2026-02-29T18:00:00Z",
        "2026-13-01T18:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T18:60:00Z",
        "2026-11-21T18:00:61Z",
        "2026-11-21T18:00:60Z",
        "2016-12-31T23:59:60+01:00",
        "+002026-11-21T18:00:00Z",
        "-002026-11-21T18:00:00Z",
        "1795284000",
        "２026-11-21T18:00:00Z",
        "tomorrow",
    ] {
        let why = parsed(bad).expect_err(bad);
        assert!(why.contains("RFC 3339"), "{bad}: {why}");
    }
    for beyond in ["0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60-00:01"] {
        let why = parsed(beyond).expect_err(beyond);
        assert!(
            why.contains("0000-01-01T00:00:00.000Z") && why.contains("9999-12-31T23:59:59.999Z"),
            "{beyond}: {why}"
        );
    }
}

#[test]
fn a_time_has_whole_milliseconds() {
    let at = |text, rounding| Moment::parse(text, rounding).expect("a time").as_millisecond().rem_euclid(1_000);
    for (text, down, up) in [
        ("2026-11-21T18:00:00.0001Z", 0, 1),
        ("2026-11-21T18:00:00.0010000Z", 1, 1),
        ("1900-01-01T00:00:00.0001Z", 0, 1),
        ("9999-12-31T23:59:59.9999Z", 999, 999),
    ] {
        assert_eq!((at(text, Rounding::Down), at(text, Rounding::Up)), (down, up), "{text}");
    }
}

#[test]
fn a_plain_date_is_its_first_instant() {
    for (text, wanted) in [
        ("2024-01-01", "2024-01-01T00:00:00.000Z"),
        ("9999-12-31", "9999-12-31T00:00:00.000Z"),
        ("2024-01-01T00:00:00+01:00", "2023-12-31T23:00:00.000Z"),
    ] {
        assert_eq!(Moment::parse_with_dates(text, Rounding::Up).expect(text).to_string(), wanted);
    }
    for bad in ["2024-02-30", "2024-1-1", "24-01-01", "2024-01-01Z", " 2024-01-01"] {
        let why = Moment::parse_with_dates(bad, Rounding::Up).expect_err(bad).0;
        assert!(why.contains("or a date"), "{why}");
    }
}

#[test]
fn what_lies_beyond_the_clock_is_the_clocks_end() {
    assert_eq!(Moment::MAX.to_timestamp().as_millisecond(), LAST_TIMESTAMP_MS);
    assert_eq!(Moment::MIN.to_timestamp().as_millisecond(), Moment::MIN.as_millisecond());
    assert!(Timestamp::from_millisecond(LAST_TIMESTAMP_MS).is_ok());
    assert!(Timestamp::from_millisecond(LAST_TIMESTAMP_MS + 1).is_err(), "the bound is the last one");
}

proptest! {
    #[test]
    fn every_moment_is_read_back_as_it_was_written(
        milliseconds in prop_oneof![
            Moment::MIN.0..=Moment::MAX.0,
            Moment::MIN.0..=Moment::MIN.0 + 3,
            Moment::MAX.0 - 3..=Moment::MAX.0,
            LAST_TIMESTAMP_MS - 3..=LAST_TIMESTAMP_MS + 3,
            -3..=3_i64,
        ]
    ) {
        let at = Moment::from_millisecond(milliseconds).expect("within the bounds");
        prop_assert_eq!(Moment::parse(&at.to_string(), Rounding::Down), Ok(at));
        prop_assert_eq!(Moment::parse(&at.to_string(), Rounding::Up), Ok(at));
        let json = serde_json::to_string(&at).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Moment>(&json).expect("a moment"), at);
    }

    #[test]
    fn no_text_is_taken_for_a_moment_that_another_parser_reads_otherwise(
        year in 0_i16..=9_998, month in 1_i8..=12, day in 1_i8..=31, hour in 0_i8..=23, minute in 0_i8..=59,
        second in 0_i8..=59, offset_hours in 0..=23_u8, offset_minutes in 0..=59_u8,
    ) {
        let text = format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}-{offset_hours:02}:{offset_minutes:02}"
        );
        let other = text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
        prop_assert_eq!(Moment::parse(&text, Rounding::Down).ok().map(Moment::as_millisecond), other);
    }

    #[test]
    fn whatever_is_stored_is_some_moment(milliseconds in any::<i64>()) {
        let at = Moment::stored(milliseconds);
        prop_assert!(Moment::MIN <= at && at <= Moment::MAX);
        prop_assert!(!at.to_string().is_empty());
    }
}
