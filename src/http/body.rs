//! Reading a JSON body: bounded in size and time, strict about its shape, and complete about what is wrong with it.

use std::{borrow::Cow, fmt, future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
    web::{Bytes, BytesMut, Data},
};
use futures_util::StreamExt as _;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use tokio::time::timeout;
use validator::{ValidationErrors, ValidationErrorsKind};

use super::{Desk, Problem, problem::FieldError, unread};

/// The largest body that is read; the largest valid one has about 450 bytes.
const BODY_MAX_BYTES: usize = 4 * 1024;

/// Mistakes that one answer lists; a body of nothing but unknown fields holds hundreds.
const ERRORS_MAX: usize = 16;

/// How much of an unknown field's name is repeated in the answer.
const FIELD_NAME_MAX_CHARS: usize = 64;

/// The bytes of a body that came as `application/json`, whole, in time and within bounds.
#[derive(Debug)]
pub(super) struct JsonBody(Bytes);

impl FromRequest for JsonBody {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = unread::take(&request).unwrap_or_else(|| payload.take());
        Box::pin(async move {
            let patience = request.app_data::<Data<Desk>>().map(|desk| desk.body_timeout).unwrap_or_default();
            let arrived = match check_headers(request.headers()) {
                Ok(()) => timeout(patience, read(&mut payload)).await.unwrap_or(Err(Problem::RequestTimeout)),
                Err(refused) => Err(refused),
            };
            if arrived.is_err() {
                unread::put_back(&request, payload);
            }
            arrived.map(Self)
        })
    }
}

impl JsonBody {
    /// The body's fields, ready to be taken one by one.
    pub(super) fn fields(&self) -> Result<Fields<'_>, Problem> {
        if self.0.trim_ascii().is_empty() {
            return Err(Problem::invalid("body", "must be a JSON object, and is empty"));
        }
        match serde_json::from_slice(&self.0) {
            Ok(Members(members)) => Ok(Fields { members, errors: Vec::new() }),
            Err(why) if why.is_data() => Err(Problem::invalid("body", "must be a JSON object")),
            Err(why) => Err(Problem::invalid("body", format!("must be JSON: {why}"))),
        }
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    let is_json = |value: &header::HeaderValue| {
        let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
    };
    let mut content_types = headers.get_all(header::CONTENT_TYPE);
    let plain = headers.get_all(header::CONTENT_ENCODING).all(|coding| coding.as_bytes() == b"identity");
    if !content_types.next().is_some_and(is_json) || content_types.next().is_some() || !plain {
        return Err(Problem::UnsupportedMediaType);
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > BODY_MAX_BYTES as u64) {
        return Err(TOO_LARGE);
    }
    Ok(())
}

const TOO_LARGE: Problem = Problem::PayloadTooLarge { max_bytes: BODY_MAX_BYTES };

/// Gathers the body. Most arrive in one piece, which is not copied.
async fn read(payload: &mut Payload) -> Result<Bytes, Problem> {
    let mut body = Bytes::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|why| Problem::invalid("body", format!("did not arrive whole: {why}")))?;
        if body.len() + chunk.len() > BODY_MAX_BYTES {
            return Err(TOO_LARGE);
        }
        if body.is_empty() {
            body = chunk;
        } else {
            let mut both = BytesMut::from(&body[..]);
            both.extend_from_slice(&chunk);
            body = both.freeze();
        }
    }
    Ok(body)
}

/// The fields of a body. Each is taken by its name; what is wrong is gathered, so that one answer tells it all.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Takes the field called `name`, which must be there exactly once and be `what`. Anything else is noted, and `None`.
    pub(super) fn required<T: Deserialize<'a>>(&mut self, name: &'static str, what: impl fmt::Display) -> Option<T> {
        let mut values = self.members.extract_if(.., |(key, _)| key == name).map(|(_, value)| value);
        let (value, repeated) = (values.next(), values.next().is_some());
        values.for_each(drop);
        let message = match value {
            None => "is required".to_owned(),
            Some(_) if repeated => "must be given once".to_owned(),
            Some(value) => match serde_json::from_str(value.get()) {
                Ok(value) => return Some(value),
                Err(why) if why.is_data() => format!("must be {what}, not {}", kind(value)),
                // Half a surrogate pair, or a number beyond all bounds: of the right shape, but without a meaning.
                Err(why) => format!("must be {what}: {why}"),
            },
        };
        self.errors.push(FieldError { field: name.into(), message });
        None
    }

    /// Ends the reading: fails with everything that was noted, with every field that was not taken, and with every rule
    /// that the taken ones break.
    pub(super) fn finish(mut self, rules: Result<(), ValidationErrors>) -> Result<(), Problem> {
        for (name, _) in self.members {
            let field = name.chars().take(FIELD_NAME_MAX_CHARS).collect::<String>().into();
            self.errors.push(FieldError { field, message: "is not a field of this request".to_owned() });
        }
        if let Err(broken) = rules {
            self.errors.extend(of_rules(broken));
        }
        if self.errors.is_empty() {
            return Ok(());
        }
        self.errors.sort_by(|one, other| one.field.cmp(&other.field));
        self.errors.dedup();
        self.errors.truncate(ERRORS_MAX);
        Err(Problem::InvalidRequest(self.errors))
    }
}

/// What the validator found, in the partner's spelling of the fields.
fn of_rules(broken: ValidationErrors) -> impl Iterator<Item = FieldError> {
    broken.into_errors().into_iter().flat_map(|(field, found)| {
        let errors = match found {
            ValidationErrorsKind::Field(errors) => errors,
            ValidationErrorsKind::Struct(_) | ValidationErrorsKind::List(_) => Vec::new(),
        };
        let field: Cow<'static, str> = camel_case(&field).into();
        errors.into_iter().map(move |error| FieldError {
            field: field.clone(),
            message: error.message.unwrap_or(error.code).into_owned(),
        })
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
        number if number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => "a decimal number",
        _ => "this number",
    }
}

/// The members of a JSON object in the order they came, repeated names included, values unparsed.
///
/// Hand-written because what is derived for a struct takes an array for one, and stops at the first mistake.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A member's name, borrowed where it holds no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

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
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
