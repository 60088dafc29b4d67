//! A connection string that does not tell its credentials.

use std::fmt;

use super::redacted::{redacted, secrets, without};

/// A MongoDB connection string. Printed, it shows its hosts and its database, and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct MongoUri(String);

impl MongoUri {
    /// What a text must be to be one.
    pub(super) const WHAT: &str = "a connection string that begins with mongodb:// or mongodb+srv://, its user, password and options percent-encoded";

    /// Takes `text` as a connection string, if it begins like one; the driver reads the rest.
    ///
    /// An '@' behind a '?' is refused here already: where the '?' belongs to an unescaped password, the driver takes what
    /// stands before it for an address, and repeats it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("mongodb://").or_else(|| text.strip_prefix("mongodb+srv://"))?;
        let options = rest.split_once('?').map_or("", |(_, options)| options);
        (!rest.is_empty() && !options.contains('@')).then(|| Self(text.to_owned()))
    }

    /// The whole string, credentials included, for the driver.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What somebody who was given the whole string says of it, without the credentials.
    #[must_use]
    pub fn redact(&self, message: &str) -> String {
        without(message, &secrets(&self.0))
    }
}

impl fmt::Display for MongoUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.0))
    }
}

impl fmt::Debug for MongoUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        for (text, shown) in [
            ("mongodb://localhost", "mongodb://localhost"),
            ("mongodb://localhost:27017/shop", "mongodb://localhost:27017/shop"),
            ("mongodb://user:secret@localhost/shop", "mongodb://localhost/shop"),
            ("mongodb://user:secret@a:1,b:2/?replicaSet=rs0", "mongodb://a:1,b:2/"),
            ("mongodb+srv://user:secret@cluster.example.net/shop?w=1", "mongodb+srv://cluster.example.net/shop"),
            ("mongodb://localhost/?tlsCertificateKeyFilePassword=secret", "mongodb://localhost/"),
            ("mongodb://user:sec@ret@localhost/", "mongodb://localhost/"),
            ("mongodb://user:sec/ret@localhost/", "mongodb://localhost/"),
        ] {
            let uri = MongoUri::parse(text).expect("begins like one");
            assert_eq!(uri.to_string(), shown);
            assert_eq!(format!("{uri:?}"), shown);
            assert_eq!(uri.expose(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "localhost",
            "postgres://localhost",
            "mongodb://",
            "MONGODB://localhost",
            " mongodb://a",
            "mongodb://user:sec?ret@localhost/",
            "mongodb://localhost/?tlsCertificateKeyFilePassword=sec@ret",
        ] {
            assert_eq!(MongoUri::parse(text), None, "{text:?}");
        }
    }
}
