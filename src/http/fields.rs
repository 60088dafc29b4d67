//! Reading the fields of a JSON object: strict about their shape, and complete about what is wrong with them.
//!
//! A reader ([`value`], [`integer()`], [`text`], [`object`], [`list`]) makes a value of a field, or says what is wrong inside of it, under names
//! that count from there; who called it puts the name of the field before them.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use validator::{ValidationErrors, ValidationErrorsKind};

use super::{
    Problem, integer,
    mistakes::{KnownNames, Mistakes},
};
use crate::domain::{InvalidValue, counted};

/// The fields of an object. Each is taken by its name; what is wrong is gathered, so that one answer tells it all.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    known: KnownNames,
    mistakes: Mistakes,
}

impl<'a> Fields<'a> {
    /// The fields of a body.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Problem> {
        if body.trim_ascii().is_empty() {
            return Err(Problem::invalid("body", "must be a JSON object, and is empty"));
        }
        match serde_json::from_slice(body) {
            Ok(Members(members)) => Ok(Self::of(members)),
            Err(why) if why.is_data() => Err(Problem::invalid("body", "must be a JSON object")),
            Err(why) => Err(Problem::invalid("body", format!("must be JSON: {why}"))),
        }
    }

    fn of(members: Vec<(Cow<'a, str>, &'a RawValue)>) -> Self {
        Self { members, known: KnownNames::default(), mistakes: Mistakes::default() }
    }

    /// Whether there is a field called `name` that says something: null is as good as nothing.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(key, value)| key == name && !is_null(value))
    }

    /// Whether there are no fields.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Notes it unless one of the two fields is there and the other is not.
    pub(super) fn exactly_one(&mut self, name: &'static str, other: &'static str) {
        match (self.has(name), self.has(other)) {
            (true, true) => self.refuse(other, format!("must not be given together with {name}")),
            (false, false) => self.refuse(name, format!("is required, or {other} instead")),
            _ => {}
        }
    }

    /// Takes the field called `name`, which must be there exactly once. Anything else is noted, and `None`.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a RawValue) -> Result<T, Mistakes>,
    ) -> Option<T> {
        if !self.members.iter().any(|(key, _)| key == name) {
            self.refuse(name, "is required");
        }
        self.given(name, read)
    }

    /// Takes the field called `name`, which may be there once; null is as good as nothing. What is wrong with it is noted, and
    /// `None`.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a RawValue) -> Result<T, Mistakes>,
    ) -> Option<T> {
        self.clearable(name, read).flatten()
    }

    /// As [`Fields::optional`], for a field of which null says something else, and whose reader must refuse it.
    pub(super) fn given<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a RawValue) -> Result<T, Mistakes>,
    ) -> Option<T> {
        self.known.note(name);
        let mut values = self.members.extract_if(.., |(key, _)| key == name).map(|(_, value)| value);
        let (value, repeated) = (values.next(), values.next().is_some());
        values.for_each(drop);
        if repeated {
            self.refuse(name, "must be given once");
            return None;
        }
        read(value?).map_err(|inside| self.mistakes.take_in(name, inside)).ok()
    }

    /// As [`Fields::optional`], for a field of which `null` says that what was there is to be taken away.
    #[expect(clippy::option_option, reason = "absent, null and a value are three things (RFC 7396)")]
    pub(super) fn clearable<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a RawValue) -> Result<T, Mistakes>,
    ) -> Option<Option<T>> {
        self.given(name, |value| if is_null(value) { Ok(None) } else { read(value).map(Some) })
    }

    /// Notes that the field called `name` is wrong; `message` reads on from its name.
    pub(super) fn refuse(&mut self, name: &'static str, message: impl Into<String>) {
        self.mistakes.note(name, message);
    }

    /// Ends the reading: fails with everything that was noted, with every field that was not taken, and with every rule
    /// that the taken ones break.
    pub(super) fn finish(mut self, rules: Result<(), ValidationErrors>) -> Result<(), Problem> {
        for (field, message) in rules.err().into_iter().flat_map(of_rules) {
            self.mistakes.note(field, message);
        }
        self.into_mistakes().into_result()
    }

    fn into_mistakes(self) -> Mistakes {
        let Self { members, known, mut mistakes } = self;
        for (name, _) in members {
            mistakes.note_unknown(&name, "field", &known);
        }
        mistakes
    }

    /// Ends the reading of a body that has no fields: fails with every one that there is, and with the `hint` what to do instead.
    pub(super) fn none(self, hint: &str) -> Result<(), Problem> {
        let Self { members, mut mistakes, .. } = self;
        for (name, _) in members {
            mistakes.note_foreign(&name, "field", Some(hint));
        }
        mistakes.into_result()
    }
}

/// Reads a value by its type; `what` says what that is.
pub(super) fn value<'a, T: Deserialize<'a>>(what: impl fmt::Display) -> impl Fn(&'a RawValue) -> Result<T, Mistakes> {
    move |value| {
        serde_json::from_str(value.get()).map_err(|why| {
            Mistakes::one(if why.is_data() {
                format!("must be {what}, not {}", kind(value))
            } else {
                // Half a surrogate pair, or a number beyond all bounds: of the right shape, but without a meaning.
                format!("must be {what}: {why}")
            })
        })
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Reads an integer, however JSON spells it; `what` says which there may be.
pub(super) fn integer<'a, T: TryFrom<u64>>(what: impl fmt::Display) -> impl Fn(&'a RawValue) -> Result<T, Mistakes> {
    move |value| {
        let is_number = matches!(value.get().as_bytes(), [b'-' | b'0'..=b'9', ..]);
        let integer = is_number.then(|| integer::of_number(value.get())).flatten();
        let in_range = integer.and_then(|integer| T::try_from(integer).ok());
        in_range.ok_or_else(|| Mistakes::one(format!("must be {what}, not {}", kind(value))))
    }
}

/// Reads a string, and makes of it what `parse` does.
pub(super) fn text<'a, T>(
    what: impl fmt::Display,
    parse: impl Fn(&str) -> Result<T, InvalidValue>,
) -> impl Fn(&'a RawValue) -> Result<T, Mistakes> {
    parsed(what, move |Text(text): Text<'a>| parse(&text))
}

/// Reads a value by its type, and makes of it what `parse` does.
pub(super) fn parsed<'a, V: Deserialize<'a>, T>(
    what: impl fmt::Display,
    parse: impl Fn(V) -> Result<T, InvalidValue>,
) -> impl Fn(&'a RawValue) -> Result<T, Mistakes> {
    let read = value(what);
    move |value| parse(read(value)?).map_err(|why| Mistakes::one(why.0))
}

/// Reads an object; `read` takes its fields, and gives `None` only after one of them was noted as wrong.
pub(super) fn object<'a, T>(
    what: impl fmt::Display,
    read: impl Fn(&mut Fields<'a>) -> Option<T>,
) -> impl Fn(&'a RawValue) -> Result<T, Mistakes> {
    let members = value::<Members<'a>>(what);
    move |value| {
        let Members(members) = members(value)?;
        let mut fields = Fields::of(members);
        let made = read(&mut fields);
        let mistakes = fields.into_mistakes();
        made.filter(|_| mistakes.is_empty()).ok_or(mistakes)
    }
}

/// Reads an array of `max` items at most; a longer one is not looked into.
pub(super) fn list<'a, T>(
    what: impl fmt::Display,
    max: usize,
    read: impl Fn(&'a RawValue) -> Result<T, Mistakes>,
) -> impl Fn(&'a RawValue) -> Result<Vec<T>, Mistakes> {
    let items = value::<Vec<&'a RawValue>>(what);
    move |value| {
        let items = items(value)?;
        if items.len() > max {
            let most = counted(u32::try_from(max).unwrap_or(u32::MAX), "item");
            return Err(Mistakes::one(format!("must have {most} at most, not {}", items.len())));
        }
        let mut mistakes = Mistakes::default();
        let mut made = Vec::with_capacity(items.len());
        for (place, item) in items.into_iter().enumerate() {
            match read(item) {
                Ok(item) => made.push(item),
                Err(inside) => mistakes.take_in(format!("[{place}]"), inside),
            }
        }
        if mistakes.is_empty() { Ok(made) } else { Err(mistakes) }
    }
}

/// What the validator found, in the partner's spelling of the fields.
fn of_rules(broken: ValidationErrors) -> impl Iterator<Item = (String, String)> {
    broken.into_errors().into_iter().flat_map(|(field, found)| {
        let errors = match found {
            ValidationErrorsKind::Field(errors) => errors,
            // Nested objects are read by `object`, which has looked at them already.
            ValidationErrorsKind::Struct(_) | ValidationErrorsKind::List(_) => Vec::new(),
        };
        let field = camel_case(&field);
        errors.into_iter().map(move |error| (field.clone(), error.message.unwrap_or(error.code).into_owned()))
    })
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_ascii_uppercase() + &word[1..])
}

/// What a partner would call the value. It is asked for only when a value is not of its type.
fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes() {
        [b'"', ..] => "a string",
        [b'[', ..] => "an array",
        [b'{', ..] => "an object",
        [b't' | b'f', ..] => "a boolean",
        [b'n', ..] => "null",
        number if number.contains(&b'.') => "a decimal number",
        _ => "this number",
    }
}

/// A string, borrowed where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of a JSON object in the order they came, repeated names included, values unparsed.
///
/// Hand-written because what is derived for a struct takes an array for one, and stops at the first mistake.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
