//! Where a setting's text comes from: its flag, else its variable, else `.env`, else its default.
//!
//! clap reads the flags and writes the help. It is not asked to read the variables, because it takes an empty one for
//! a value, and knows no third place.

use std::{ffi::OsString, fmt, path::Path};

use clap::{Arg, ArgMatches, Command, error::ErrorKind, parser::ValueSource};

use super::{
    redacted::{redacted, redacted_in},
    settings::{self, Setting},
};

const ABOUT: &str = "Sells the seats of an event over HTTP: exactly, and faster the more people want them.";

const PLACES: &str = "\
Every setting is also read from the environment variable that its <> names, and
under that name from a file .env in the working directory. A flag wins over the
environment, the environment over .env; an empty variable counts as unset.";

/// All that a setting may come from.
pub(super) struct Sources<'a> {
    pub(super) flags: ArgMatches,
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    pub(super) dotenv: Vec<(String, String)>,
}

/// What the flags ask for.
pub(super) enum Flags {
    Given(ArgMatches),
    Tell(String),
}

/// Why the program does not start: one line that names the setting and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSetting(String);

impl InvalidSetting {
    /// A file cannot be used; `why` reads on from its name.
    pub(super) fn of_file(path: &Path, why: &str) -> Self {
        Self(format!("{}: {why}", path.display()))
    }

    pub(super) fn nothing_to_serve() -> Self {
        Self("these flags ask for help, not for a server".to_owned())
    }
}

/// The place that a text was found in.
#[derive(Clone, Copy)]
enum Place {
    Flag,
    Environment,
    DotEnv,
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "from its flag",
            Self::Environment => "from the environment",
            Self::DotEnv => "from .env",
            Self::Default => "by default",
        })
    }
}

impl Sources<'_> {
    /// The value of a setting that has a default.
    pub(super) fn required<T>(
        &self,
        setting: &Setting,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, InvalidSetting> {
        let (text, place) = self.find(setting)?;
        let refused = || {
            let shown = redacted(&text);
            InvalidSetting(format!("{}: the value {shown:?} {place} cannot be used; give {what}", setting.name))
        };
        parse(&text).ok_or_else(refused)
    }

    /// The value of a setting that may be unset. It may be a credential, so no message repeats it.
    pub(super) fn optional<T>(
        &self,
        setting: &Setting,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, InvalidSetting> {
        match self.find(setting)? {
            (_, Place::Default) => Ok(None),
            (text, place) => match parse(&text) {
                Some(value) => Ok(Some(value)),
                None => Err(InvalidSetting(format!("{}: the value {place} cannot be used; give {what}", setting.name))),
            },
        }
    }

    fn find(&self, setting: &Setting) -> Result<(String, Place), InvalidSetting> {
        if self.flags.value_source(setting.name) == Some(ValueSource::CommandLine)
            && let Some(text) = self.flags.get_one::<String>(setting.name)
        {
            return Ok((text.clone(), Place::Flag));
        }
        if let Some(text) = (self.variable)(setting.name).filter(|text| !text.is_empty()) {
            let not_text = |_| InvalidSetting(format!("{}: the value in the environment is not UTF-8", setting.name));
            return Ok((text.into_string().map_err(not_text)?, Place::Environment));
        }
        let in_file = self.dotenv.iter().find(|(name, text)| name == setting.name && !text.is_empty());
        Ok(match in_file {
            Some((_, text)) => (text.clone(), Place::DotEnv),
            None => (setting.default.to_owned(), Place::Default),
        })
    }
}

/// Reads the flags; the first of `args` is the program's name.
pub(super) fn flags(args: impl IntoIterator<Item = OsString>) -> Result<Flags, InvalidSetting> {
    let args: Vec<_> = args.into_iter().collect();
    match command().try_get_matches_from(&args) {
        Ok(matches) => Ok(Flags::Given(matches)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Flags::Tell(error.render().to_string()))
        }
        Err(error) => {
            let text = redacted_in(error.render().to_string(), args.iter().map(|arg| &**arg));
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(InvalidSetting(format!("{first}; see ticketboss --help")))
        }
    }
}

fn command() -> Command {
    let command = Command::new("ticketboss")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(PLACES)
        .next_line_help(true);
    settings::ALL.iter().fold(command, |command, setting| {
        let flag = Arg::new(setting.name).long(setting.flag()).value_name(setting.name);
        let flag = flag.help(setting.help).help_heading(setting.group);
        command.arg(if setting.default.is_empty() { flag } else { flag.default_value(setting.default) })
    })
}
