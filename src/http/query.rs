//! Reading a query: strict about its parameters, and complete about what is wrong with them.

use actix_web::HttpRequest;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{
    Problem,
    mistakes::{KnownNames, Mistakes},
};
use crate::domain::InvalidValue;

/// What is written as it is: the unreserved characters of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The most parameters that are looked at; no request takes more than six. A head may hold thousands.
const PARAMETERS_MAX: usize = 32;

/// The parameters of a query, as form fields are written (`+` is a space). Each is taken by its name; what is wrong is
/// gathered, so that one answer tells it all.
#[derive(Debug)]
pub(super) struct Parameters {
    untaken: Vec<(String, String)>,
    taken: Vec<(&'static str, String)>,
    known: KnownNames,
    mistakes: Mistakes,
}

impl Parameters {
    pub(super) fn of(request: &HttpRequest) -> Self {
        Self::read(request.query_string())
    }

    fn read(query: &str) -> Self {
        let mut mistakes = Mistakes::default();
        let mut untaken = Vec::new();
        let mut pairs = query.split('&').filter(|pair| !pair.is_empty());
        for pair in pairs.by_ref().take(PARAMETERS_MAX) {
            let pair = pair.replace('+', " ");
            let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
            match (decoded(name), decoded(value)) {
                (Some(name), Some(value)) => untaken.push((name, value)),
                _ => mistakes.note("query", "must be percent-encoded UTF-8"),
            }
        }
        if pairs.next().is_some() {
            mistakes.note("query", format!("must have {PARAMETERS_MAX} parameters at most"));
        }
        Self { untaken, taken: Vec::new(), known: KnownNames::default(), mistakes }
    }

    /// Takes the parameter called `name`, which may be there once, and makes of it what `parse` does. What is wrong with it
    /// is noted, and `None`.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Option<T> {
        self.known.note(name);
        let mut values = self.untaken.extract_if(.., |(key, _)| key == name).map(|(_, value)| value);
        let (value, repeated) = (values.next()?, values.next().is_some());
        values.for_each(drop);
        if repeated {
            self.mistakes.note(name, "must be given once");
            return None;
        }
        let parsed = parse(&value).map_err(|why| self.mistakes.note(name, why.0)).ok();
        self.taken.push((name, value));
        parsed
    }

    /// Ends the reading: fails with everything that was noted and with every parameter that was not taken. Gives back those
    /// that were, as they were sent.
    pub(super) fn finish(self) -> Result<Vec<(&'static str, String)>, Problem> {
        let Self { untaken, taken, known, mut mistakes } = self;
        for (name, _) in untaken {
            mistakes.note_unknown(&name, "query parameter", &known);
        }
        mistakes.into_result().map(|()| taken)
    }

    /// Ends the reading of a query that has no parameters: fails with every one that there is, and with what `hint` says of
    /// its name.
    pub(super) fn none(self, hint: impl Fn(&str) -> Option<&'static str>) -> Result<(), Problem> {
        let Self { untaken, mut mistakes, .. } = self;
        for (name, _) in untaken {
            mistakes.note_foreign(&name, "query parameter", hint(&name));
        }
        mistakes.into_result()
    }
}

/// The text that `encoded` stands for. `None` when a `%` is not followed by two hexadecimal digits, or when what comes out is
/// not UTF-8: whatever would be made of that is not what somebody meant.
pub(super) fn decoded(encoded: &str) -> Option<String> {
    let digits_follow = |after: &str| after.len() >= 2 && after.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    if !encoded.split('%').skip(1).all(digits_follow) {
        return None;
    }
    Some(percent_decode_str(encoded).decode_utf8().ok()?.into_owned())
}

/// `text` as it may stand in a path or a query.
pub(super) fn encoded(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "a parameter's reader may fail")]
    fn anything(text: &str) -> Result<String, InvalidValue> {
        Ok(text.to_owned())
    }

    #[test]
    fn parameters_are_taken_by_name() {
        let mut parameters = Parameters::read("b=2&a=x+y%2Bz&&c&%61%62=%C3%BC");
        assert_eq!(parameters.take("a", anything).as_deref(), Some("x y+z"));
        assert_eq!(parameters.take("b", anything).as_deref(), Some("2"));
        assert_eq!(parameters.take("c", anything).as_deref(), Some(""));
        assert_eq!(parameters.take("ab", anything).as_deref(), Some("ü"));
        assert_eq!(parameters.take("d", anything), None);
        let taken = parameters.finish().expect("nothing else was sent");
        assert_eq!(taken[1], ("b", "2".to_owned()));
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let mut parameters = Parameters::read("limit=1&limit=2&sort=up&status=lost&%zz=1&x=%ff");
        assert_eq!(parameters.take("limit", anything), None);
        assert_eq!(parameters.take("status", |_| Err::<(), _>(InvalidValue("must be good".to_owned()))), None);
        let why = parameters.finish().expect_err("refused").to_string();
        assert_eq!(
            why,
            "limit must be given once; query must be percent-encoded UTF-8; sort is not a query parameter of this request; \
             status must be good."
        );
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        for text in ["a/b", "ü", "..", "100%", "%2F", "a+b c", "?#&=", "💺"] {
            assert_eq!(decoded(&encoded(text).to_string()).as_deref(), Some(text));
        }
        for bad in ["%", "%2", "a%zzb", "%%41", "%ff", "%c3", "%ed%a0%80", "%2\u{fc}"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }
}
