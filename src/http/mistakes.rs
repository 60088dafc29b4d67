//! What is wrong with a request, gathered so that one answer tells all of it.

use std::borrow::Cow;

use super::{Problem, hints, problem::FieldError};

/// Mistakes that one answer lists; a body of nothing but unknown fields holds hundreds.
const SHOWN_MAX: usize = 16;

/// Mistakes that are looked at before the first are shown in their order. A seat map may hold ten thousands of them.
const NOTED_MAX: usize = 256;

/// How much of a name that the partner made up is repeated in the answer.
const NAME_MAX_CHARS: usize = 64;

/// The most names that one object or query takes; the longest has eleven.
const KNOWN_MAX: usize = 16;

/// The names that a request takes, noted one by one while it is read. They lie on the stack, since nobody needs them as long as
/// nothing is wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KnownNames {
    names: [&'static str; KNOWN_MAX],
    count: usize,
}

impl KnownNames {
    pub(super) fn note(&mut self, name: &'static str) {
        if let Some(next) = self.names.get_mut(self.count) {
            *next = name;
            self.count += 1;
        }
    }

    fn as_slice(&self) -> &[&'static str] {
        &self.names[..self.count]
    }
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<FieldError>);

impl Mistakes {
    /// Notes that `field` is wrong; `message` reads on from its name.
    pub(super) fn note(&mut self, field: impl Into<Cow<'static, str>>, message: impl Into<String>) {
        if self.0.len() < NOTED_MAX {
            self.0.push(FieldError { field: field.into(), message: message.into() });
        }
    }

    /// Notes that `name` means nothing here; `what` says what it was taken for. Of the names that are `known`, the one that
    /// was most likely meant is told.
    pub(super) fn note_unknown(&mut self, name: &str, what: &str, known: &KnownNames) {
        let hint = hints::meant(name, known.as_slice()).map(|meant| format!("did you mean {meant}?"));
        self.note_foreign(name, what, hint.as_deref());
    }

    /// Notes that `name` means nothing here, whatever is like it; `hint` says what to do instead.
    pub(super) fn note_foreign(&mut self, name: &str, what: &str, hint: Option<&str>) {
        let name: String = name.chars().take(NAME_MAX_CHARS).collect();
        let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
        self.note(name, format!("is not a {what} of this request{hint}"));
    }

    /// One mistake of the very thing that is read; whoever reads it knows its name.
    pub(super) fn one(message: String) -> Self {
        let mut mistakes = Self::default();
        mistakes.note("", message);
        mistakes
    }

    /// Notes what is wrong `inside` of a field or of an item, `[2]` for the third.
    pub(super) fn take_in(&mut self, outer: impl Into<Cow<'static, str>>, inside: Self) {
        let outer = outer.into();
        for FieldError { field, message } in inside.0 {
            let name = match field.as_bytes() {
                [] => outer.clone(),
                [b'[', ..] => format!("{outer}{field}").into(),
                _ => format!("{outer}.{field}").into(),
            };
            self.note(name, message);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fails with what was noted, in the order of the fields.
    pub(super) fn into_result(self) -> Result<(), Problem> {
        let Self(mut errors) = self;
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by(|one, other| one.field.cmp(&other.field));
        errors.dedup();
        errors.truncate(SHOWN_MAX);
        Err(Problem::InvalidRequest(errors))
    }
}
