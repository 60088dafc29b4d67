//! What may be shown of a setting's text. Whatever prints one passes here: a credential may stand in any of them by mistake, and
//! in a message that repeats one.

use std::{borrow::Cow, ffi::OsStr};

/// Stands in the place of what is not shown.
const HIDDEN: &str = "***";

/// `text` as it may be shown: of a connection string no more than its scheme, its hosts and its path, and nothing of what
/// stands before an `@`.
pub(super) fn redacted(text: &str) -> Cow<'_, str> {
    if !may_hold_credentials(text) {
        return Cow::Borrowed(text);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        let shown = text.rsplit('@').next().unwrap_or_default();
        return Cow::Owned(format!("{HIDDEN}@{}", hosts(shown)));
    };
    let scheme = if scheme.bytes().all(is_of_scheme) { scheme } else { HIDDEN };
    let (address, options) = rest.split_once('?').unwrap_or((rest, ""));
    // With an '@' behind a '?' nobody can tell whether that is the end of a password or part of an option.
    if options.contains('@') {
        return Cow::Owned(format!("{scheme}://{HIDDEN}"));
    }
    // The last '@' counts, for one that is not escaped belongs to the password. Options may be credentials too.
    Cow::Owned(format!("{scheme}://{}", hosts(address.rsplit('@').next().unwrap_or_default())))
}

/// Whether `text` looks like a connection string, or like a name and a password in front of something.
pub(super) fn may_hold_credentials(text: &str) -> bool {
    text.contains("://") || text.split_once(':').is_some_and(|(_, rest)| rest.contains('@'))
}

/// `message`, in which each of `texts` is shown only as it may be, also where it follows a flag's `=`.
pub(super) fn redacted_in<'a>(message: String, texts: impl IntoIterator<Item = &'a OsStr>) -> String {
    texts.into_iter().fold(message, |message, text| {
        let text = text.to_string_lossy();
        let value = text.strip_prefix("--").and_then(|flag| flag.split_once('=')).map_or(&*text, |(_, value)| value);
        if may_hold_credentials(value) { message.replace(value, &redacted(value)) } else { message }
    })
}

/// Parts of a connection string that no message may repeat: what stands before the last `@`, piece by piece, for a driver
/// that reads it otherwise may repeat any piece; ports that are none; and options that are secrets.
pub(super) fn secrets(uri: &str) -> Vec<String> {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let (address, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (before, hosts) =
        if options.contains('@') { (rest, "") } else { address.rsplit_once('@').unwrap_or(("", address)) };
    let ports = hosts.split('/').next().unwrap_or_default().split(',').filter_map(|host| host.rsplit_once(':'));
    let ports = ports
        .map(|(_, port)| port)
        .filter(|port| !port.ends_with(']') && !port.bytes().all(|byte| byte.is_ascii_digit()));
    let is_secret = |name: &str| ["pass", "secret", "token", "properties"].iter().any(|word| name.contains(word));
    let options = options.split('&').filter_map(|option| option.split_once('='));
    let options = options.filter(|(name, _)| is_secret(&name.to_ascii_lowercase())).map(|(_, value)| value);
    let pieces = [before].into_iter().chain(ports).chain(options).flat_map(|text| {
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pieces = |text: &str| -> Vec<_> {
            text.split([':', '/', '?', '@', '&', '=', '#', ',']).map(str::to_owned).collect()
        };
        [vec![text.to_owned(), decoded.clone()], pieces(text), pieces(&decoded)].concat()
    });
    let mut pieces: Vec<_> = pieces.filter(|piece| !piece.is_empty()).collect();
    // The longest first, or what is left of it would be shown.
    pieces.sort_unstable_by_key(|piece| std::cmp::Reverse(piece.len()));
    pieces.dedup();
    pieces
}

/// `message` without what is secret in it.
pub(super) fn without(message: &str, secrets: &[String]) -> String {
    secrets.iter().fold(message.to_owned(), |message, secret| message.replace(secret.as_str(), HIDDEN))
}

/// `address` without what is neither a host, a port nor a path.
fn hosts(address: &str) -> String {
    let (hosts, path) = address.split_once('/').map_or((address, ""), |(hosts, _)| (hosts, &address[hosts.len()..]));
    let hosts: Vec<_> = hosts.split(',').map(|host| if is_host(host) { host } else { HIDDEN }).collect();
    format!("{}{path}", hosts.join(","))
}

/// Whether `text` is a host, perhaps with a port. A password without a host behind it would stand where the port does.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, ""),
    };
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_name = |name: &str| name.chars().all(|char| char.is_alphanumeric() || matches!(char, '.' | '-' | '_' | '%'));
    let is_named = inside.map_or_else(|| is_name(host), |inside| inside.split(':').all(is_name));
    is_named && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_of_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_credentials_is_shown_as_it_is() {
        for text in [
            "",
            "127.0.0.1",
            "::1",
            "./data",
            "/srv/tickets@home",
            "a@b",
            "five\nhundred",
            "C:\\data",
            "info,ticketboss=debug",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn nothing_before_an_at_and_no_option_is_shown() {
        for (text, shown) in [
            ("mongodb://user:secret@a:1,b:2/shop?replicaSet=rs0", "mongodb://a:1,b:2/shop"),
            ("mongodb://user:se@cr/et@host/", "mongodb://host/"),
            ("mongodb://user:sec ret@host", "mongodb://host"),
            ("mongodb://user:sec?ret@host", "mongodb://***"),
            ("mongodb://host/?tlsCertificateKeyFilePassword=sec@ret", "mongodb://***"),
            ("mongodb://user:secret", "mongodb://***"),
            ("mongodb://:secret/shop", "mongodb://***/shop"),
            ("mongodb://[::1]:27017/", "mongodb://[::1]:27017/"),
            ("user:secret@host", "***@host"),
            ("mongodb:/user:secret@host/shop", "***@host/shop"),
            ("mongodb:user:secret@host", "***@host"),
            ("secret secret://x", "***://x"),
            ("https://example.net/a?token=secret", "https://example.net/a"),
        ] {
            assert_eq!(redacted(text), shown, "{text}");
            assert!(!redacted(text).contains("secret") && !redacted(text).contains("ret@"), "{text}");
        }
    }

    #[test]
    fn a_message_does_not_repeat_what_it_is_about() {
        let texts = ["ticketboss", "mongodb://user:secret@host", "--mongo-url=mongodb://user:hidden\n2@host", "--port"];
        let message =
            "unexpected 'mongodb://user:secret@host' and mongodb://user:hidden\n2@host near --port".to_owned();
        let shown = redacted_in(message, texts.map(OsStr::new));
        assert_eq!(shown, "unexpected 'mongodb://host' and mongodb://host near --port");

        for (uri, message) in [
            (
                "mongodb://user:sec%2Fret@host/?tls=maybe",
                "bad sec/ret or sec%2Fret or sec or ret for user in tls=maybe",
            ),
            ("mongodb://user:sec/ret@host", "no port in user:sec"),
            ("mongodb://host:sec,b:ret/shop", "bad ports sec and ret"),
            (
                "mongodb://host/?tlsCertificateKeyFilePassword=secret&authMechanismProperties=AWS_SESSION_TOKEN:secret",
                "it is secret",
            ),
            ("mongodb://u:sec?ret@host", "options ret@host"),
        ] {
            let shown = without(message, &secrets(uri));
            assert!(!shown.contains("sec") && !shown.contains("ret") && shown.contains(HIDDEN), "{shown}");
        }
        assert_eq!(
            without("tls=maybe is wrong", &secrets("mongodb://a:1,[::1]:2/shop?tls=maybe")),
            "tls=maybe is wrong"
        );
    }
}
