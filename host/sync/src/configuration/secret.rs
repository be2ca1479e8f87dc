//! Passwords, tokens and keys: named by a document, kept in a file or the environment, read only when they are needed.

use std::env;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use provisor_model::Secret;
use provisor_target::SecretSupply;

use super::document::Item;
use super::error::{ConfigurationError, Place};

/// The keys of a secret's table.
pub(super) const KEYS: &[&str] = &["file", "env"];

/// The longest secret that is read, in octets.
const MAX_OCTETS: u64 = 64 * 1024;

/// Where a secret is kept, and which setting names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSource {
    place: Place,
    setting: String,
    kept: Kept,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    File(PathBuf),
    Environment(String),
}

impl SecretSource {
    /// Reads `{ file = "..." }` or `{ env = "..." }`; `setting` is the key's full name, for messages.
    pub(super) fn of(item: &Item<'_>, setting: &str) -> Result<Self, ConfigurationError> {
        if item.is_text() {
            return Err(item.error(
                "stands in the document itself, where everybody who may see the configuration sees it. Put it into a file of \
                 its own with mode 0600 and write { file = \"NAME\" }, or write { env = \"VARIABLE\" }",
            ));
        }
        let section = item.section(KEYS)?;
        let kept = match (section.get("file"), section.get("env")) {
            (Some(file), None) => Kept::File(file.path()?),
            (None, Some(variable)) => Kept::Environment(variable.filled_text()?.to_owned()),
            _ => return Err(item.error("must be either { file = \"NAME\" } or { env = \"VARIABLE\" }")),
        };
        Ok(Self { place: item.place(), setting: setting.to_owned(), kept })
    }

    /// The secret as it is kept now. It is read each time, so that a changed one is taken up.
    pub fn read(&self) -> Result<Secret, ConfigurationError> {
        let wrong = |message: String| ConfigurationError::new(&self.place, format!("{}: {message}", self.setting));
        let text = match &self.kept {
            Kept::File(file) => {
                read_file(file).map_err(|reason| wrong(format!("the file {} {reason}", file.display())))?
            }
            Kept::Environment(variable) => env::var(variable).map_err(|error| match error {
                env::VarError::NotPresent => wrong(format!("the environment variable {variable} is not set. Set it")),
                env::VarError::NotUnicode(_) => wrong(format!("the environment variable {variable} is not UTF-8")),
            })?,
        };
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        match line {
            "" => Err(wrong(format!("{} is empty. Put the secret there", self.kept))),
            _ if line.contains(['\n', '\0']) => {
                Err(wrong(format!("{} holds more than one line. It must hold the secret alone", self.kept)))
            }
            _ => Ok(Secret::new(line)),
        }
    }
}

impl From<&SecretSource> for SecretSupply {
    /// The secret for the target, which reads it again where it is refused.
    fn from(source: &SecretSource) -> Self {
        let source = source.clone();
        Self::new(move || source.read().map_err(|error| error.to_string()))
    }
}

impl std::fmt::Display for Kept {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(file) => write!(formatter, "the file {}", file.display()),
            Self::Environment(variable) => write!(formatter, "the environment variable {variable}"),
        }
    }
}

/// A file of keys that somebody else reads by its path, and which setting names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    place: Place,
    setting: String,
    file: PathBuf,
}

impl KeyFile {
    /// Reads the path; `setting` is the key's full name, for messages.
    pub(super) fn of(item: &Item<'_>, setting: &str) -> Result<Self, ConfigurationError> {
        Ok(Self { place: item.place(), setting: setting.to_owned(), file: item.path()? })
    }

    /// The path, once it is found that only we may read the file. It is looked at each time, as secrets are; whoever reads it
    /// opens it again.
    ///
    /// # Errors
    /// Where it cannot be opened, or others may read or change it.
    pub fn path(&self) -> Result<PathBuf, ConfigurationError> {
        let Self { place, setting, file } = self;
        match open_private(file) {
            Ok(_) => Ok(file.clone()),
            Err(reason) => {
                Err(ConfigurationError::new(place, format!("{setting}: the file {} {reason}", file.display())))
            }
        }
    }
}

/// Opens a file that only we may read. The checks are made on the opened file, so that it cannot be swapped between.
fn open_private(file: &Path) -> Result<File, String> {
    let opened = File::open(file).map_err(|error| format!("cannot be opened: {error}"))?;
    let metadata = opened.metadata().map_err(|error| format!("cannot be looked at: {error}"))?;
    if !metadata.is_file() {
        return Err("is not a regular file".into());
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!("may be read by others (mode {mode:04o}). Run: chmod 600 {}", file.display()));
    }
    if metadata.uid() != 0 && metadata.uid() != geteuid().as_raw() {
        return Err(format!(
            "belongs to user {}, who could change it. Make it ours: chown {} {}",
            metadata.uid(),
            geteuid(),
            file.display()
        ));
    }
    Ok(opened)
}

/// Reads a file that only we may read.
fn read_file(file: &Path) -> Result<String, String> {
    let opened = open_private(file)?;
    let mut text = String::new();
    opened
        .take(MAX_OCTETS + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read as text: {error}"))?;
    if text.len() as u64 > MAX_OCTETS {
        return Err("is longer than 64 KiB, which no secret is".into());
    }
    Ok(text)
}
