//! What texts of partners may hold, so that no two of them look alike and differ: normal form (NFC), no space around them, and
//! nothing that cannot be seen.

use std::{borrow::Cow, sync::Arc};

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use super::InvalidValue;

/// What a text is for, and so what it may hold beside letters, marks, numbers, punctuation, symbols and spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is compared: nothing else.
    Id,
    /// It is read by people: also joiners and variation selectors, which emoji and some scripts cannot be written without.
    Name,
    /// As a name, and of several lines: also line feeds and tabs. `\r\n` and `\r`, as forms on web pages send them, become
    /// line feeds.
    Lines,
}

/// Takes `text` in its one form: NFC, trimmed, 1 to `max` characters of which at least one can be seen.
///
/// # Errors
/// When that is not possible; says which character is in the way, and where.
pub(super) fn checked(text: &str, kind: Kind, max: usize) -> Result<Arc<str>, InvalidValue> {
    let text = if kind == Kind::Lines { with_line_feeds(text) } else { Cow::Borrowed(text) };
    let text = text.trim_matches(|char: char| is_around(char, kind));
    if text.is_ascii() {
        // Most are, and these need no tables.
        let forbidden = |byte: u8| byte.is_ascii_control() && !(kind == Kind::Lines && matches!(byte, b'\n' | b'\t'));
        if let Some(at) = text.bytes().position(forbidden) {
            return Err(cannot_be_seen(text, at));
        }
        return bounded(text, text.len(), max);
    }
    if let Some(at) = first_forbidden(text, kind) {
        return Err(cannot_be_seen(text, at));
    }
    if !text.chars().any(|char| !char.is_whitespace() && !is_joiner(char)) {
        return bounded("", 0, max);
    }
    let text = match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    };
    bounded(&text, text.chars().count(), max)
}

fn bounded(text: &str, chars: usize, max: usize) -> Result<Arc<str>, InvalidValue> {
    match chars {
        0 => Err(InvalidValue("must not be blank".to_owned())),
        _ if chars > max => Err(InvalidValue(format!("must be at most {max} characters"))),
        _ => Ok(text.into()),
    }
}

/// Whether `char` is left away at either end of a text: spaces of whatever width, and empty lines where there are lines.
fn is_around(char: char, kind: Kind) -> bool {
    char == ' '
        || char.general_category() == GeneralCategory::SpaceSeparator
        || kind == Kind::Lines && matches!(char, '\n' | '\t')
}

/// Takes a text that a store holds. What earlier versions took must stay readable as it is, whatever became of the rules: it
/// is held to no more than they all had in common.
///
/// # Errors
/// When no version can have written it.
pub(super) fn stored(text: &str, max: usize) -> Result<Arc<str>, InvalidValue> {
    let forbidden = |char: char| char.is_control() && !matches!(char, '\n' | '\t');
    if text.trim().is_empty() || text.chars().count() > max || text.chars().any(forbidden) {
        return Err(InvalidValue(format!("must be 1 to {max} characters, not blank, without control characters")));
    }
    Ok(text.into())
}

fn with_line_feeds(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n").into() } else { text.into() }
}

fn cannot_be_seen(text: &str, at: usize) -> InvalidValue {
    let code = text[at..].chars().next().map_or(0, u32::from);
    let place = text[..at].chars().count() + 1;
    InvalidValue(format!("must not hold control, format or invisible characters (U+{code:04X} is at place {place})"))
}

/// Where the first character stands that may not be there. One pass: the text may be as long as a body.
fn first_forbidden(text: &str, kind: Kind) -> Option<usize> {
    let mut in_flag = false;
    text.char_indices().find_map(|(at, char)| {
        let is_of_flag = in_flag && is_tag(char);
        in_flag = is_of_flag || char == '\u{1f3f4}';
        (!is_allowed(char, is_of_flag, kind)).then_some(at)
    })
}

/// Whether `char` may stand in a text; `is_of_flag` says that it is a tag that spells out the flag before it.
fn is_allowed(char: char, is_of_flag: bool, kind: Kind) -> bool {
    if is_joiner(char) {
        return kind != Kind::Id;
    }
    if is_blank_letter(char) {
        return false;
    }
    match char.general_category() {
        GeneralCategory::Control => kind == Kind::Lines && matches!(char, '\n' | '\t'),
        GeneralCategory::Format => kind != Kind::Id && is_of_flag,
        GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator
        | GeneralCategory::PrivateUse
        | GeneralCategory::Surrogate
        | GeneralCategory::Unassigned => false,
        _ => true,
    }
}

/// The zero width (non-)joiner and the variation selectors: they change how their neighbours look.
fn is_joiner(char: char) -> bool {
    matches!(char, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}' | '\u{180f}')
}

/// Tags, which spell out whose flag a black flag is (as England's), and mean nothing elsewhere.
fn is_tag(char: char) -> bool {
    matches!(char, '\u{e0020}'..='\u{e007f}')
}

/// What counts as a letter, a mark or a symbol and shows nothing: the rest of Unicode's `Default_Ignorable_Code_Point` that is
/// neither of category Cf nor unassigned, and the blank of Braille.
fn is_blank_letter(char: char) -> bool {
    matches!(
        char,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{16fe4}'
            | '\u{1d159}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(kind: Kind, text: &str) -> Result<String, String> {
        checked(text, kind, 64).map(|text| text.to_string()).map_err(|why| why.0)
    }

    #[test]
    fn a_text_as_long_as_a_body_is_looked_at_once() {
        let flag = format!("\u{1f3f4}{}", "\u{e0067}".repeat(60_000));
        let begun = std::time::Instant::now();
        assert_eq!(of(Kind::Name, &flag), Err("must be at most 64 characters".to_owned()));
        // Once takes milliseconds also on a slow machine; once for each of its characters took tens of seconds.
        assert!(begun.elapsed() < std::time::Duration::from_secs(2), "it took {:?}", begun.elapsed());
    }

    #[test]
    fn what_looks_alike_is_one_text() {
        for (one, other) in [
            ("e\u{301}t\u{e9}", "\u{e9}t\u{e9}"),
            (" acme", "acme"),
            ("acme\u{3000}\u{a0}", "acme"),
            ("\u{212b}", "\u{c5}"),
        ] {
            for kind in [Kind::Id, Kind::Name, Kind::Lines] {
                assert_eq!(of(kind, one), of(kind, other), "{one:?} {kind:?}");
                assert_eq!(of(kind, one), Ok(other.to_owned()));
            }
        }
    }

    #[test]
    fn what_cannot_be_seen_is_refused_and_named() {
        for char in [
            '\0',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{34f}',
            '\u{115f}',
            '\u{17b4}',
            '\u{180e}',
            '\u{200b}',
            '\u{200e}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2800}',
            '\u{3164}',
            '\u{e000}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{ffff}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{10ffff}',
            '\u{378}',
        ] {
            for kind in [Kind::Id, Kind::Name, Kind::Lines] {
                let why = of(kind, &format!("a{char}b")).expect_err("it cannot be seen");
                assert!(why.contains(&format!("U+{:04X} is at place 2", u32::from(char))), "{why}");
                assert!(!why.contains(char));
            }
        }
        for text in ["a\nb", "a\tb", "a\n", "\u{85}a", "\u{2029}é"] {
            assert!(of(Kind::Name, text).is_err() && of(Kind::Id, text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn joiners_are_for_people_and_not_for_ids() {
        for text in [
            "👩\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}",
            "می\u{200c}خواهم",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "葛\u{e0100}",
        ] {
            assert_eq!(of(Kind::Name, text), Ok(text.to_owned()));
            assert_eq!(of(Kind::Lines, text), Ok(text.to_owned()));
            assert!(of(Kind::Id, text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_shows_nothing_is_blank() {
        for text in ["", " ", "\u{3000}", "\u{a0}\u{2003}", "\u{200d}", " \u{fe0f}\u{200c} "] {
            for kind in [Kind::Name, Kind::Lines] {
                let why = of(kind, text).expect_err("blank");
                assert!(why == "must not be blank", "{text:?}: {why}");
            }
            assert!(of(Kind::Id, text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lines_end_as_they_do_here() {
        assert_eq!(of(Kind::Lines, "One\r\nTwo\rThree\n\tFour é\r\n"), Ok("One\nTwo\nThree\n\tFour é".to_owned()));
        assert_eq!(of(Kind::Lines, "One\r\n\tTwo"), Ok("One\n\tTwo".to_owned()));
    }

    #[test]
    fn texts_are_counted_in_characters_of_their_normal_form() {
        assert!(of(Kind::Id, &"e\u{301}".repeat(64)).is_ok());
        assert!(of(Kind::Id, &"é".repeat(65)).is_err() && of(Kind::Id, &"e".repeat(65)).is_err());
        // One character that becomes two.
        assert!(of(Kind::Id, &"\u{958}".repeat(33)).is_err() && of(Kind::Id, &"\u{958}".repeat(32)).is_ok());
    }

    proptest! {
        #[test]
        fn a_text_that_was_taken_is_taken_again_and_read_as_it_is(text in any::<String>(), letters in "[ a-zé\u{300}-\u{303}\u{1100}-\u{11ff}\r\n\t]{0,70}") {
            for text in [text, letters] {
                for kind in [Kind::Id, Kind::Name, Kind::Lines] {
                    let Ok(taken) = checked(&text, kind, 64) else { continue };
                    prop_assert_eq!(checked(&taken, kind, 64), Ok(taken.clone()), "its form is not its own");
                    prop_assert_eq!(stored(&taken, 64), Ok(taken.clone()), "it would not be read again");
                }
            }
        }
    }
}
