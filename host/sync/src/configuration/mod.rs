//! Configuration documents: `provisor.toml` for the host and one `configurations/NAME.toml` for each configuration.

mod active_directory;
mod address;
mod connection;
mod cross_reference;
mod dialect;
mod document;
mod duration;
mod error;
mod host;
mod open;
mod plugin_limits;
mod policy;
mod secret;
mod signing;
mod source;
mod suggestion;
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use provisor_model::{AttributeName, ObjectClasses, TargetPath};
use provisor_rules::Binding;
use provisor_space::CrossReference;

pub use active_directory::{ActiveDirectorySource, NestedGroups};
pub use connection::LdapConnection;
pub use error::ConfigurationError;
pub use host::{HostSettings, LogFormat, LogLevel, Logging};
pub use policy::{Leaving, Retention, Safety, Scope, Threshold};
pub use secret::SecretSource;
pub use signing::{HeaderSetting, HeaderText, Signing};
pub use source::{Identity, LdifSource, OpenLdapSource, Source};
pub use target::TargetSettings;

use document::{Document, Section};
use error::Place;

/// The keys of a configuration.
const KEYS: &[&str] = &[
    "enabled",
    "interval",
    "source",
    "scope",
    "target",
    "rules",
    "match",
    "shared",
    "cross-reference",
    "leaving",
    "safety",
    "log",
];

/// The longest name of a configuration, in octets: it is part of file names.
const MAX_NAME: usize = 64;

/// One source directory to one target, with its scope, rules and safety: a `configurations/NAME.toml`, validated.
/// Secrets are not in it; it knows where they are kept.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The document's file name without `.toml`: lower-case letters, digits and hyphens.
    pub name: String,
    /// The document.
    pub file: PathBuf,
    /// Whether it runs.
    pub mode: Mode,
    /// From the end of one cycle to the start of the next.
    pub interval: Duration,
    /// The directory that is read.
    pub source: Source,
    /// Which entries are users, groups and so on.
    pub object_classes: ObjectClasses,
    /// Attributes that refer to entries by a value, each with the attribute that has the value there.
    pub references_by: BTreeMap<AttributeName, AttributeName>,
    /// Which entries are provisioned.
    pub scope: Scope,
    /// The service that is kept in step.
    pub target: TargetSettings,
    /// The plugins, in the order in which they decide.
    pub rules: Vec<Binding>,
    /// For each object class the attributes by which a resource without a link is found, `externalId` first.
    pub matching: BTreeMap<String, Vec<TargetPath>>,
    /// The object classes of which a resource may be another configuration's too.
    pub shared: BTreeSet<String>,
    /// By what objects of other directories are found at the target.
    pub cross_references: Vec<CrossReference>,
    /// What happens to a resource whose entry leaves.
    pub leaving: Leaving,
    /// How much a cycle may take away before it stops and asks.
    pub safety: Safety,
    /// How much of the provisioning log is kept.
    pub log_retention: Retention,
}

/// Whether a configuration runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// On its interval.
    Enabled,
    /// On its interval, but it stops before the export, always.
    Staging,
    /// Not by itself.
    Disabled,
}

impl Mode {
    /// The word for tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Staging => "staging",
            Self::Disabled => "disabled",
        }
    }
}

impl Configuration {
    /// Reads and validates a configuration. The servers, plugins and secrets that it names are not touched.
    ///
    /// # Errors
    /// Where the file cannot be read or something in it is wrong; the first such thing.
    pub fn read(file: &Path) -> Result<Self, ConfigurationError> {
        let name = name_of(file)?;
        let document = Document::read(file)?;
        let table = document.parse()?;
        let root = document.root(&table, KEYS)?;
        let (source, object_classes, references_by) = source::read(&root)?;
        let (second, day) = (Duration::from_secs(1), Duration::from_secs(86_400));
        let interval = root.get("interval").map_or(Ok(Duration::from_secs(120)), |item| item.duration(second, day))?;
        Ok(Self {
            name,
            file: file.to_owned(),
            mode: mode(&root)?,
            interval,
            scope: policy::scope(&root, &source)?,
            target: target::read(&root)?,
            rules: policy::rules(&root)?,
            matching: policy::matching(&root, &object_classes)?,
            shared: policy::shared(&root, &object_classes)?,
            cross_references: cross_reference::read(&root, &object_classes)?,
            leaving: policy::leaving(&root, &object_classes)?,
            safety: policy::safety(&root)?,
            log_retention: policy::log_retention(&root)?,
            source,
            object_classes,
            references_by,
        })
    }

    /// Whether a file of the configurations folder is meant to be one: it ends in `.toml` and is not hidden.
    pub fn is_document(file: &Path) -> bool {
        let hidden = file.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && file.extension().is_some_and(|extension| extension == "toml")
    }
}

/// The name of the configuration in this file.
fn name_of(file: &Path) -> Result<String, ConfigurationError> {
    let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_letter = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let valid = name.starts_with(is_letter) && name.chars().all(|character| is_letter(character) || character == '-');
    if valid && name.len() <= MAX_NAME {
        return Ok(name.to_owned());
    }
    Err(ConfigurationError::new(
        &Place::of_file(file),
        "the file's name is the configuration's, which is made of lower-case letters, digits and hyphens, 64 at most. Rename the file",
    ))
}

/// `enabled = true`, `false` or `"staging"`.
fn mode(root: &Section<'_>) -> Result<Mode, ConfigurationError> {
    let Some(item) = root.get("enabled") else { return Ok(Mode::Enabled) };
    match item.as_boolean() {
        Some(true) => Ok(Mode::Enabled),
        Some(false) => Ok(Mode::Disabled),
        None if item.is_text() && item.text()? == "staging" => Ok(Mode::Staging),
        None => Err(item.error("must be true, false or \"staging\"")),
    }
}
