//! The documents: what they have people type does what they say, links lead somewhere, and no setting is forgotten.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{server::Launch, store::Store};

#[tokio::test]
async fn the_first_five_minutes_go_as_the_readme_says() {
    let server = Launch::on(&Store::embedded()).start().await;
    follow("README.md", server.client().address());
}

#[tokio::test]
async fn a_sale_goes_as_the_api_document_says() {
    let server = Launch::on(&Store::embedded()).start().await;
    follow("docs/api.md", server.client().address());
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = read(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked =
                if file.is_empty() { document.clone() } else { document.parent().expect("a folder").join(file) };
            let leads = linked.exists() && (anchor.is_empty() || anchors(&read(&linked)).contains(&anchor.to_owned()));
            if !leads {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

#[test]
fn every_setting_is_in_the_operators_document() {
    let operations = read(&root().join("docs/operations.md"));
    let example = read(&root().join(".env.example"));
    let settings: Vec<&str> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once('=').map(|(name, _)| name))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .collect();
    assert!(settings.len() > 10, "the example names its settings: {settings:?}");
    let missing: Vec<_> = settings.iter().filter(|name| !operations.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/operations.md does not tell of {missing:?}");
}

/// Types every command of the document's `console` blocks, in order, into one shell after the other, and compares what
/// comes out with what the document shows. Ids and times differ from run to run, and so may the order of headers; an id
/// that the document shows stands for the one that really came.
#[track_caller]
fn follow(document: &str, address: &str) {
    let mut real_ids: BTreeMap<String, String> = BTreeMap::new();
    let mut variables = String::new();
    let mut followed = 0;
    for Step { command, shown } in steps(&read(&root().join(document))) {
        let command = real_ids.iter().fold(command, |text, (shown, real)| text.replace(shown, real));
        if !command.contains("curl ") {
            variables.push_str(&command);
            variables.push('\n');
            continue;
        }
        let script = format!("{variables}{}", command.replace("localhost:5000", address).replace("curl ", "curl -sS "));
        let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
        let came = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
        for (shown, real) in ids(&shown).into_iter().zip(ids(&came)) {
            real_ids.entry(shown).or_insert(real);
        }
        assert_eq!(
            comparable(&came),
            comparable(&shown),
            "{document}: {command}\n--- came:\n{came}\n--- shown:\n{shown}"
        );
        followed += 1;
    }
    assert!(followed > 4, "{document} has commands to follow");
}

/// A command of a document and what it shows as coming out.
#[derive(Default)]
struct Step {
    command: String,
    shown: String,
}

fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut in_console = false;
    for line in document.lines() {
        if let Some(language) = line.strip_prefix("```") {
            in_console = language == "console";
        } else if !in_console {
        } else if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), shown: String::new() });
        } else if let Some(step) = steps.last_mut() {
            // A command goes on over lines as a shell has it: after a backslash, and inside of quotes.
            let goes_on = step.command.ends_with('\\') || step.command.matches('\'').count() % 2 == 1;
            let text = if goes_on { &mut step.command } else { &mut step.shown };
            text.push('\n');
            text.push_str(line);
        }
    }
    steps
}

/// The ids of reservations and the like, in order of appearance: everything that ends in a UUID.
fn ids(text: &str) -> Vec<String> {
    words(text).filter(|word| has_uuid(word)).map(str::to_owned).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !(char.is_ascii_alphanumeric() || "-.".contains(char)))
}

fn has_uuid(word: &str) -> bool {
    let Some(uuid) = word.len().checked_sub(36).and_then(|start| word.get(start..)) else { return false };
    uuid.char_indices()
        .all(|(at, char)| if [8, 13, 18, 23].contains(&at) { char == '-' } else { char.is_ascii_hexdigit() })
}

/// What is the same in every run: lines without ids and times, headers in the order of their names.
fn comparable(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.trim().lines().map(without_chance).collect();
    let head = lines.iter().position(String::is_empty).unwrap_or(0);
    lines[..head].sort();
    lines
}

fn without_chance(line: &str) -> String {
    for header in ["x-request-id: ", "date: "] {
        if line.starts_with(header) {
            return header.to_owned();
        }
    }
    let chance = |word: &&str| has_uuid(word) || is_time(word);
    let line_of_words = line.to_owned();
    let found: Vec<&str> = line.split(['"', ' ', '/']).filter(chance).collect();
    found.iter().fold(line_of_words, |line, word| line.replace(word, if is_time(word) { "<time>" } else { "<id>" }))
}

fn is_time(word: &str) -> bool {
    word.len() == 24 && word.ends_with('Z') && word.as_bytes()[10] == b'T'
}

/// The places of a document that a link may lead to: its headings, spelled as a link has them.
fn anchors(document: &str) -> Vec<String> {
    let anchor = |heading: &str| {
        let kept = |char: &char| char.is_alphanumeric() || " -".contains(*char);
        heading.to_lowercase().chars().filter(kept).map(|char| if char == ' ' { '-' } else { char }).collect()
    };
    document
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches(['#', ' '])))
        .collect()
}

fn documents() -> Vec<PathBuf> {
    let in_docs = fs::read_dir(root().join("docs")).expect("the folder of documents");
    let in_docs = in_docs.map(|entry| entry.expect("an entry").path());
    let markdown = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    in_docs.filter(markdown).chain(["README.md", "CHANGELOG.md"].map(|name| root().join(name))).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
