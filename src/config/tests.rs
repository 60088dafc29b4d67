use std::collections::BTreeMap;

use super::*;

/// Reads settings from flags, variables and the lines of a `.env`.
fn config(flags: &[&str], variables: &[(&str, &str)], dotenv: &[(&str, &str)]) -> Result<Config, String> {
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    let flags = ["ticketboss"].iter().chain(flags).map(OsString::from);
    let flags = match sources::flags(flags).map_err(|why| why.to_string())? {
        sources::Flags::Given(flags) => flags,
        sources::Flags::Tell(text) => return Err(text),
    };
    let dotenv = dotenv.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let variable = |name: &str| variables.get(name).map(OsString::from);
    Config::from_sources(&Sources { flags, variable: &variable, dotenv }).map_err(|why| why.to_string())
}

#[test]
fn without_settings_the_meetup_is_sold_from_an_embedded_store() {
    let config = config(&[], &[], &[]).expect("the defaults are good");
    let listen = Listen {
        host: "127.0.0.1".to_owned(),
        port: 5000,
        probe_port: None,
        connections_max: None,
        connections_per_address_max: None,
    };
    assert_eq!(config.listen, listen);
    assert_eq!(config.store, StoreSettings { mongo_uri: None, data_dir: "./data".into() });
    assert_eq!(config.event.id.as_str(), "node-meetup-2025");
    assert_eq!(config.event.name.as_str(), "Node.js Meet-up");
    assert_eq!((config.event.seats, config.event.seats_per_reservation_max), (500, 10));
    assert_eq!(config.event.hold_seconds_max, 900);
    let Limits { commit_batch_max, commit_attempts_max, inbox_max, request_timeout } = config.limits;
    assert_eq!((commit_batch_max, commit_attempts_max, inbox_max), (1_024, 100, 16_384));
    assert_eq!(request_timeout, Duration::from_secs(5));
    assert_eq!(config.logging, Logging { format: LogFormat::Text, filter: "info".to_owned() });
}

#[test]
fn hosts_are_listed_with_commas_or_are_all() {
    let hosts = |text| config(&[], &[("ALLOWED_HOSTS", text)], &[]).expect("good settings").allowed_hosts;
    let name = |text| HostName::parse(text).expect("a host");
    assert_eq!(hosts("*"), AllowedHosts::Any);
    assert_eq!(hosts(""), AllowedHosts::These(vec![]));
    let listed = vec![name("tickets.example"), name("api.example:8443"), name("[2001:db8::1]")];
    assert_eq!(hosts("tickets.example, API.example:8443,[2001:db8::1]"), AllowedHosts::These(listed));
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let flag = &["--port", "1"][..];
    let (variable, file) = (&[("PORT", "2")][..], &[("PORT", "3")][..]);
    let port = |flags, variables, dotenv| config(flags, variables, dotenv).expect("good settings").listen.port;
    assert_eq!(port(flag, variable, file), 1);
    assert_eq!(port(&[], variable, file), 2);
    assert_eq!(port(&[], &[], file), 3);
    assert_eq!(port(&[], &[("PORT", "")], file), 3);
    assert_eq!(port(&[], &[("PORT", "")], &[("PORT", "")]), 5000);
    assert_eq!(port(flag, &[("PORT", "not looked at")], &[]), 1);
}

#[test]
fn a_bad_value_is_named_in_one_line() {
    for (name, bad) in [
        ("PORT", "65536"),
        ("PORT", "http"),
        ("ALLOWED_HOSTS", "http://tickets.example"),
        ("ALLOWED_HOSTS", "tickets.example,,other.example"),
        ("ALLOWED_HOSTS", "*.example"),
        ("PROBE_PORT", "65536"),
        ("CONNECTIONS_MAX", "0"),
        ("CONNECTIONS_PER_ADDRESS_MAX", "0"),
        ("CONNECTIONS_PER_ADDRESS_MAX", "many"),
        ("MONGO_URI", "postgres://user:secret@host"),
        ("EVENT_ID", "Node Meetup"),
        ("EVENT_NAME", " "),
        ("EVENT_SEATS", "0"),
        ("EVENT_SEATS", "five\nhundred"),
        ("SEATS_PER_RESERVATION_MAX", "0"),
        ("HOLD_SECONDS_MAX", "0"),
        ("HOLD_SECONDS_MAX", "86401"),
        ("HOLD_SECONDS_MAX", "15m"),
        ("COMMIT_BATCH_MAX", "0"),
        ("COMMIT_BATCH_MAX", "1e3"),
        ("COMMIT_ATTEMPTS_MAX", "-1"),
        ("INBOX_MAX", "0"),
        ("REQUEST_TIMEOUT_MS", "9"),
        ("REQUEST_TIMEOUT_MS", "5s"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "ticketboss=loud"),
        ("RUST_LOG", "debgu"),
        ("PORT", "mongodb://user:secret@host"),
        ("HOST", "mongodb://user:secret@host/shop?authSource=secret"),
        ("HOST", "user:secret@host"),
        ("DATA_DIR", "mongodb://user:secret@host/shop"),
        ("DATA_DIR", "mongodb:/user:secret@host"),
        ("EVENT_ID", "mongodb+srv://user:secret@host"),
        ("RUST_LOG", "mongodb://user:secret@host"),
        ("LOG_FORMAT", "user:secret@host"),
        ("MONGO_URI", "mongodb:/user:secret@host"),
        ("MONGO_URI", "user:secret@host"),
        ("MONGO_URI", "mongodb://user:sec?ret@secret"),
    ] {
        let flag = format!("--{}={bad}", name.to_lowercase().replace('_', "-"));
        let lines = [config(&[&flag], &[], &[]), config(&[], &[(name, bad)], &[]), config(&[], &[], &[(name, bad)])];
        for (line, place) in lines.into_iter().zip(["its flag", "the environment", ".env"]) {
            let line = line.expect_err("a bad value");
            assert!(line.starts_with(&format!("{name}: ")) && line.contains(place), "{line}");
            assert!(!line.contains('\n') && !line.contains("secret"), "{line}");
        }
    }
}

#[test]
fn a_bad_flag_is_named_in_one_line() {
    for (flags, wanted) in [
        (&["--prot=1"][..], "'--prot'"),
        (&["--port"], "'--port <PORT>'"),
        (&["--port", "1", "--port", "2"], "'--port <PORT>'"),
        (&["serve"], "'serve'"),
        (&["mongodb://user:secret@host"], "mongodb://host"),
        (&["mongodb://user:sec\nret@host"], "mongodb://host"),
        (&["--mongo-url=mongodb://user:secret@host"], "'--mongo-url'"),
        (&["--mongo-uri", "mongodb://a", "--mongo-uri", "mongodb://user:secret@host"], "'--mongo-uri <MONGO_URI>'"),
    ] {
        let line = config(flags, &[], &[]).expect_err("a bad flag");
        assert!(!line.contains("sec"), "{line}");
        assert!(line.contains(wanted) && line.contains("--help") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn nothing_prints_the_credentials() {
    let config = config(&[], &[("MONGO_URI", "mongodb://user:secret@host/shop")], &[]).expect("good settings");
    let printed = format!("{config:?}");
    assert!(printed.contains("mongodb://host/shop") && !printed.contains("secret"), "{printed}");
}

#[test]
fn help_tells_every_setting_with_its_default() {
    let help = config(&["--help"], &[], &[]).expect_err("help is told, not served");
    for setting in settings::ALL {
        assert!(help.contains(&format!("--{} <{}>", setting.flag(), setting.name)), "{} is missing", setting.name);
        let shown = [format!("[default: {}]", setting.default), format!("[default: {:?}]", setting.default)];
        assert!(setting.default.is_empty() || shown.iter().any(|shown| help.contains(shown)), "{help}");
    }
    let version = config(&["--version"], &[], &[]).expect_err("told, not served");
    assert_eq!(version.trim(), concat!("ticketboss ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_example_file_lists_every_setting_with_its_default_and_nothing_else() {
    let example = include_str!("../../.env.example");
    let settings = example.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    let wanted = settings::ALL.iter().map(|setting| match setting.default {
        // The file is read by shells too.
        default if default.contains(' ') => format!("#{}=\"{default}\"", setting.name),
        default => format!("#{}={default}", setting.name),
    });
    assert_eq!(settings.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
}

#[test]
fn a_file_is_read_and_a_broken_one_is_refused_without_repeating_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(".env");
    let read = |text: &[u8]| {
        std::fs::write(&path, text).expect("written");
        dotenv::read(&path).map_err(|why| why.to_string())
    };
    assert_eq!(dotenv::read(&directory.path().join("absent")), Ok(Vec::new()));
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let good = b"# a comment\nPORT=6000\n\nexport HOST='::1'\nEVENT_NAME=\"A show\" # more\n";
    assert_eq!(read(good), Ok(vec![pair("PORT", "6000"), pair("HOST", "::1"), pair("EVENT_NAME", "A show")]));
    for broken in [&b"PORT=1\nEVENT_NAME=secret show\n"[..], b"PORT=1\nsecret\n", b"PORT=1\nHOST=\xff\xfe\n"] {
        let line = read(broken).expect_err("broken");
        assert!(line.contains(".env: ") && !line.contains("secret") && !line.contains('\n'), "{line}");
    }
    let unreadable = dotenv::read(directory.path()).expect_err("a directory is no file");
    assert!(unreadable.to_string().contains("cannot be read"), "{unreadable}");
}
