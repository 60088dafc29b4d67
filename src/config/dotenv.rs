//! Reading `.env`: `NAME=value` lines as shells write them, except that nothing is expanded. A `$` is a `$`.
//!
//! A value ends at a space; `'…'` keeps everything as it is, `"…"` and no quotes take `\n`, `\\`, `\'`, `\"`, `\$` and `\ ` for what
//! they stand for; `#` behind a space begins a comment.

use std::{fs::File, io::Read as _, iter::Peekable, path::Path, str::Chars};

use super::{settings, sources::InvalidSetting};

/// The largest file that is read; the longest with good sense has a few kilobytes.
const BYTES_MAX: u64 = 64 * 1024;

/// A line of the file: which it is, and what it says.
struct Entry {
    line: usize,
    name: String,
    value: String,
}

/// Reads `.env`; none is as good as an empty one. Its lines are never repeated in a message: one of them may hold
/// a credential.
pub(super) fn read(path: &Path) -> Result<Vec<(String, String)>, InvalidSetting> {
    let refused = |why: String| InvalidSetting::of_file(path, &why);
    let Some(bytes) = bytes(path).map_err(refused)? else { return Ok(Vec::new()) };
    let text = str::from_utf8(&bytes).map_err(|why| {
        let line = bytes[..why.valid_up_to()].split(|byte| *byte == b'\n').count();
        refused(format!("line {line} is not UTF-8; save the file as UTF-8"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut entries: Vec<Entry> = Vec::new();
    let mut reader = Reader { rest: text.chars().peekable(), line: 1 };
    while let Some(entry) = reader.next_entry().map_err(refused)? {
        let Entry { line, name, .. } = &entry;
        let is_ours = settings::ALL.iter().any(|setting| setting.name == *name);
        if let Some(first) = entries.iter().find(|other| is_ours && other.name == *name) {
            return Err(refused(format!("line {line} sets {name}, as line {} does; keep one of them", first.line)));
        }
        entries.push(entry);
    }
    Ok(entries.into_iter().map(|entry| (entry.name, entry.value)).collect())
}

/// What is in the file; `None` when there is none. It must be a file: a pipe or a device may never end.
fn bytes(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let unreadable = |why: std::io::Error| format!("cannot be read: {why}");
    let found = match path.metadata() {
        Ok(found) => found,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(unreadable(why)),
    };
    if !found.is_file() {
        let what = if found.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(format!("cannot be read: it is {what}, not a file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(format!("cannot be read: it has more than {BYTES_MAX} bytes"));
    }
    Ok(Some(bytes))
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    /// The line that the next character is on.
    line: usize,
}

impl Reader<'_> {
    fn next_entry(&mut self) -> Result<Option<Entry>, String> {
        loop {
            self.skip(char::is_whitespace);
            match self.rest.peek() {
                None => return Ok(None),
                Some('#') => self.skip(|char| char != '\n'),
                Some(_) => break,
            }
        }
        let line = self.line;
        let malformed = || format!("line {line} is not NAME=value; quote a value that holds spaces or #");
        let mut name = self.name();
        self.skip(is_blank);
        if name == "export" && self.rest.peek() != Some(&'=') {
            name = self.name();
            self.skip(is_blank);
        }
        if name.is_empty()
            || name.starts_with(|first: char| first.is_ascii_digit() || first == '.')
            || self.next() != Some('=')
        {
            return Err(malformed());
        }
        self.skip(is_blank);
        let value = self.value(line)?.ok_or_else(malformed)?;
        Ok(Some(Entry { line, name, value }))
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(char) = self.rest.next_if(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.')) {
            name.push(char);
        }
        name
    }

    /// The value, and the end of its line; `None` when something else than a comment stands between them.
    fn value(&mut self, line: usize) -> Result<Option<String>, String> {
        let mut value = String::new();
        if self.rest.peek() == Some(&'#') {
            self.skip(|char| char != '\n');
            return Ok(Some(value));
        }
        let mut quote = None;
        while let Some(char) = self.next() {
            match (char, quote) {
                (end, Some(begin)) if end == begin => quote = None,
                (literal, Some('\'')) => value.push(literal),
                ('\\', _) => match self.next() {
                    Some('n') => value.push('\n'),
                    Some(escaped @ ('\\' | '\'' | '"' | '$' | ' ')) => value.push(escaped),
                    _ => return Ok(None),
                },
                (begin @ ('\'' | '"'), None) => quote = Some(begin),
                ('\n', None) => return Ok(Some(value)),
                (' ' | '\t', None) => {
                    self.skip(is_blank);
                    if self.rest.peek() == Some(&'#') {
                        self.skip(|char| char != '\n');
                    }
                    return Ok(matches!(self.next(), None | Some('\n')).then_some(value));
                }
                (other, _) => value.push(other),
            }
        }
        if quote.is_some() {
            return Err(format!("line {line} has a quote that is never closed"));
        }
        Ok(Some(value))
    }

    fn next(&mut self) -> Option<char> {
        let char = self.rest.next();
        self.line += usize::from(char == Some('\n'));
        char
    }

    fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        while self.rest.peek().is_some_and(|char| skipped(*char)) {
            self.next();
        }
    }
}

fn is_blank(char: char) -> bool {
    char.is_whitespace() && char != '\n'
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::FileTypeExt as _, process::Command};

    use super::*;

    /// Reads `text` as a file.
    fn of(text: impl AsRef<[u8]>) -> Result<Vec<(String, String)>, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(".env");
        std::fs::write(&path, text).expect("written");
        read(&path).map_err(|why| why.to_string())
    }

    fn value(text: &str) -> String {
        of(format!("NAME={text}\n")).unwrap_or_else(|why| panic!("{text}: {why}"))[0].1.clone()
    }

    #[test]
    fn nothing_is_expanded() {
        for text in ["Win$100", "$HOME", "${HOME}", "a$$b", "$", "mongodb://u:p$w$d@host/?a=b"] {
            for quoted in [text.to_owned(), format!("'{text}'"), format!("\"{text}\"")] {
                assert_eq!(value(&quoted), text, "{quoted}");
            }
        }
    }

    #[test]
    fn a_value_is_written_as_in_a_shell() {
        for (text, wanted) in [
            ("", ""),
            ("plain", "plain"),
            ("  plain  ", "plain"),
            ("a#b", "a#b"),
            ("a #b", "a"),
            ("#b", ""),
            ("''", ""),
            ("'a b # c \\n \" $x'", "a b # c \\n \" $x"),
            ("\"a b # c \\n \\\" \\$x ' \"  # more", "a b # c \n \" $x ' "),
            ("a'b c'\"d e\"f", "ab cd ef"),
            ("a\\ b", "a b"),
            ("a=b=c", "a=b=c"),
            ("é🎫", "é🎫"),
        ] {
            assert_eq!(value(text), wanted, "{text}");
        }
    }

    #[test]
    fn lines_are_read_whatever_wrote_the_file() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let wanted = Ok(vec![
            pair("PORT", "1"),
            pair("EVENT_NAME", "A show"),
            pair("OTHER.x", "two\nlines"),
            pair("OTHER.x", "3"),
        ]);
        let text = "# settings\n\n  export PORT = 1\nEVENT_NAME='A show' # name\nOTHER.x=\"two\nlines\"\nOTHER.x=3";
        assert_eq!(of(text), wanted);
        assert_eq!(of(format!("{text}\n")), wanted);
        assert_eq!(of(format!("\u{feff}{}", text.replace('\n', "\r\n"))), wanted, "with a mark and other line ends");
        assert_eq!(of("export=1\n"), Ok(vec![pair("export", "1")]));
        assert_eq!(of(""), Ok(vec![]));
    }

    #[test]
    fn a_broken_line_is_named_and_not_repeated() {
        for (text, wanted) in [
            (&b"PORT=1\n\nEVENT_NAME=secret show\n"[..], "line 3 is not NAME=value"),
            (b"secret\n", "line 1 is not NAME=value"),
            (b"1SECRET=secret\n", "line 1 is not NAME=value"),
            (b"A=\"x\ny\"\nexport secret\n", "line 3 is not NAME=value"),
            (b"A='secret'secret secret\n", "line 1 is not NAME=value"),
            (b"A=secret\\x\n", "line 1 is not NAME=value"),
            (b"A=1\nB='secret\nC=2\n", "line 2 has a quote that is never closed"),
            (b"A=1\nB=2\nHOST=\xffsecret\n", "line 3 is not UTF-8"),
            (b"\xff\xfeP\0O\0R\0T\0=\0", "line 1 is not UTF-8"),
            (b"PORT=1\nHOST=h\nPORT=2\n", "line 3 sets PORT, as line 1 does"),
        ] {
            let why = of(text).expect_err("broken");
            assert!(why.contains(wanted) && why.contains(".env: ") && !why.contains('\n'), "{why}");
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn what_is_no_file_or_too_large_is_refused_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let fifo = directory.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo is there").success());
        assert!(fifo.metadata().expect("it is there").file_type().is_fifo());
        let large = directory.path().join("large");
        std::fs::write(&large, "#".repeat(64 * 1024 + 1)).expect("written");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("a link");
        for (path, wanted) in [
            (&*fifo, "a pipe or a device"),
            (&link, "a pipe or a device"),
            (Path::new("/dev/zero"), "a pipe or a device"),
            (directory.path(), "a directory"),
            (&large, "more than 65536 bytes"),
        ] {
            let why = read(path).expect_err("refused").to_string();
            assert!(why.contains("cannot be read: it ") && why.contains(wanted), "{why}");
        }
        assert_eq!(read(&directory.path().join("absent")), Ok(Vec::new()));
        std::fs::write(&large, "#".repeat(64 * 1024)).expect("written");
        assert_eq!(read(&large), Ok(Vec::new()));
    }
}
