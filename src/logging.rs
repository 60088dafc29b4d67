//! How the log looks: lines for people, or one JSON object a line for machines.

use std::{
    borrow::Cow,
    io::{self, Write},
    sync::OnceLock,
    time::Duration,
};

use env_logger::{Builder, Target};
use jiff::Timestamp;
use log::{
    Level, LevelFilter, Record,
    kv::{self, Key, Value, VisitSource, VisitValue},
};
use serde::{
    Serialize,
    ser::{SerializeMap, Serializer as _},
};

use crate::{
    clock::{Clock, SystemClock},
    config::{LogFormat, Logging},
};

mod panics;
mod queue;

pub use panics::log_panics;

use queue::Queue;

/// How long the end of the process waits for somebody to read the last lines.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// The lines of this process. A process has one standard error, and so one queue in front of it.
static LINES: OnceLock<Queue> = OnceLock::new();

/// Starts logging on standard error. A logger that is there already, as in a test's process, is left in place.
///
/// Lines are written by a thread of their own; whoever ends the process must [`flush`].
pub fn start(logging: &Logging) {
    let format = logging.format;
    let write = move |out: &mut env_logger::fmt::Formatter, record: &Record<'_>| write_line(out, format, record);
    let mut builder = Builder::new();
    // The one tells at "info" what our own first line tells better, the other calls whatever is no HTTP an error, so that
    // anybody could fill the log. A filter that names them has its way.
    builder.filter_module("actix_server", LevelFilter::Warn).filter_module("actix_http", LevelFilter::Off);
    builder.parse_filters(&logging.filter).format(write);
    // Without a thread the lines are written where they are made.
    if let Ok(lines) = Queue::start(io::stderr(), move |count| dropped_line(format, count)) {
        let lines = LINES.get_or_init(|| lines);
        builder.target(Target::Pipe(Box::new(lines.clone())));
    }
    let _ = builder.try_init();
}

/// Waits until all lines are written; if nobody reads them, for a second.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(FLUSH_PATIENCE);
    }
}

fn write_line(out: &mut impl Write, format: LogFormat, record: &Record<'_>) -> io::Result<()> {
    match format {
        LogFormat::Text => write_text(out, SystemClock.now(), record),
        LogFormat::Json => write_json(out, SystemClock.now(), record),
    }
}

/// What is told in the place of lines that found no room.
fn dropped_line(format: LogFormat, count: u64) -> Vec<u8> {
    let pairs = [("dropped", Value::from(count))];
    let mut record = Record::builder();
    let mut line = Vec::new();
    // Writing to memory cannot fail.
    let _ = write_line(
        &mut line,
        format,
        &record
            .level(Level::Warn)
            .target(module_path!())
            .args(format_args!("lines of the log were dropped: it was read too slowly"))
            .key_values(&pairs)
            .build(),
    );
    line
}

/// `2025-06-01T12:00:00.000Z INFO  target: message key=value …`
fn write_text(out: &mut impl Write, at: Timestamp, record: &Record<'_>) -> io::Result<()> {
    struct Pairs<'a, W>(&'a mut W);

    impl<'kvs, W: Write> VisitSource<'kvs> for Pairs<'_, W> {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
            let text = value.to_string();
            let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=');
            let written = if text.is_empty() || !text.chars().all(plain) {
                write!(self.0, " {key}={text:?}")
            } else {
                write!(self.0, " {key}={text}")
            };
            written.map_err(kv::Error::from)
        }
    }

    let message = one_line(record);
    write!(out, "{at:.3} {level:<5} {target}: {message}", level = record.level(), target = record.target())?;
    record.key_values().visit(&mut Pairs(out)).map_err(io::Error::other)?;
    writeln!(out)
}

/// The message, with line breaks and other control characters escaped: whoever gets one into a message must not be able to
/// forge a line.
fn one_line<'a>(record: &'a Record<'_>) -> Cow<'a, str> {
    let message = record.args().as_str().map_or_else(|| record.args().to_string().into(), Cow::Borrowed);
    if message.contains(char::is_control) { message.escape_debug().to_string().into() } else { message }
}

/// `{"timestamp":…,"level":…,"target":…,"message":…,"key":value,…}`, numbers and booleans as such.
fn write_json(out: &mut impl Write, at: Timestamp, record: &Record<'_>) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::new(&mut *out);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("timestamp", &format_args!("{at:.3}"))?;
    map.serialize_entry("level", record.level().as_str())?;
    map.serialize_entry("target", record.target())?;
    map.serialize_entry("message", record.args())?;
    record.key_values().visit(&mut Members(&mut map)).map_err(io::Error::other)?;
    map.end()?;
    writeln!(out)
}

/// Writes key-values as members of a map.
struct Members<'a, M>(&'a mut M);

impl<'kvs, M: SerializeMap> VisitSource<'kvs> for Members<'_, M> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        value.visit(Member { map: self.0, key: key.as_str() })
    }
}

/// Writes one value under its key, as the JSON type that it has.
struct Member<'a, M> {
    map: &'a mut M,
    key: &'a str,
}

impl<M: SerializeMap> Member<'_, M> {
    fn write(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), kv::Error> {
        self.map.serialize_entry(self.key, value).map_err(|_| kv::Error::msg("the log cannot be written"))
    }
}

impl<M: SerializeMap> VisitValue<'_> for Member<'_, M> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        self.write(&format_args!("{value}"))
    }
    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.write(&())
    }
    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.write(&value)
    }
    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.write(&value)
    }
    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.write(&value)
    }
    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.write(&value)
    }
    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.write(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Writes one record in both formats.
    fn lines(message: std::fmt::Arguments<'_>, pairs: &[(&str, Value<'_>)]) -> (String, String) {
        let at = Timestamp::from_millisecond(1_748_779_200_007).expect("a time");
        let mut record = Record::builder();
        let record = record.level(Level::Info).target("ticketboss").args(message).key_values(&pairs).build();
        let (mut text, mut json) = (Vec::new(), Vec::new());
        write_text(&mut text, at, &record).expect("written");
        write_json(&mut json, at, &record).expect("written");
        (String::from_utf8(text).expect("UTF-8"), String::from_utf8(json).expect("UTF-8"))
    }

    #[test]
    fn a_record_is_one_line_either_way() {
        let pairs = [
            ("event_id", Value::from("show")),
            ("seats", Value::from(500_u32)),
            ("offset", Value::from(-3_i64)),
            ("duration_ms", Value::from(1.5)),
            ("replayed", Value::from(true)),
            ("why", Value::from_display(&"no \"good\"\nreason")),
            ("empty", Value::from("")),
        ];
        let (text, json) = lines(format_args!("the event is open"), &pairs);
        assert_eq!(
            text,
            "2025-06-01T12:00:00.007Z INFO  ticketboss: the event is open event_id=show seats=500 offset=-3 \
             duration_ms=1.5 replayed=true why=\"no \\\"good\\\"\\nreason\" empty=\"\"\n"
        );
        assert_eq!(json.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(
            object,
            json!({
                "timestamp": "2025-06-01T12:00:00.007Z", "level": "INFO", "target": "ticketboss",
                "message": "the event is open", "event_id": "show", "seats": 500, "offset": -3, "duration_ms": 1.5,
                "replayed": true, "why": "no \"good\"\nreason", "empty": "",
            })
        );
    }

    #[test]
    fn dropped_lines_are_told_in_the_form_of_the_log() {
        let text = String::from_utf8(dropped_line(LogFormat::Text, 7)).expect("UTF-8");
        assert!(text.contains("WARN  ticketboss::logging: lines") && text.ends_with(" dropped=7\n"), "{text}");
        let json: serde_json::Value = serde_json::from_slice(&dropped_line(LogFormat::Json, 7)).expect("JSON");
        assert_eq!((&json["level"], &json["dropped"]), (&json!("WARN"), &json!(7)));
    }

    #[test]
    fn nobody_forges_a_line() {
        let hostile = "x\n2025-06-01T12:00:00.000Z ERROR forged\x1b[2J";
        let (text, json) = lines(format_args!("{hostile}"), &[("path", Value::from(hostile))]);
        for line in [text, json] {
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(!line.contains('\x1b'), "{line}");
        }
    }
}
