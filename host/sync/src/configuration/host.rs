//! `provisor.toml`: the host itself.

use std::path::{Path, PathBuf};

use provisor_rules::{PluginLimits, Updates};

use super::document::{Document, Item};
use super::error::ConfigurationError;
use super::plugin_limits;

pub(super) const KEYS: &[&str] = &[
    "data-folder",
    "plugins-folder",
    "configurations-folder",
    "logging",
    "plugin-limits",
    "plugin-updates",
    "plugins-lock",
];
pub(super) const LOGGING_KEYS: &[&str] = &["format", "level"];

/// What the host needs to know before any configuration. Relative paths are taken from the document's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// Where the connector spaces, the last-good plugins, the lock and the socket live.
    pub data_folder: PathBuf,
    /// Where the plugins are.
    pub plugins_folder: PathBuf,
    /// Where the configurations are, one file each.
    pub configurations_folder: PathBuf,
    /// What is logged, and how.
    pub logging: Logging,
    /// How far plugins may go.
    pub plugin_limits: PluginLimits,
    /// When another version of a bound plugin is taken.
    pub plugin_updates: Updates,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// How a line looks.
    pub format: LogFormat,
    /// Which lines there are.
    pub level: LogLevel,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object to a line.
    Json,
}

/// The least grave lines that are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may fail soon.
    Warn,
    /// What was done.
    #[default]
    Info,
    /// How it was done.
    Debug,
    /// Every step of it.
    Trace,
}

impl LogLevel {
    /// The words of the configuration and the command line, the gravest first.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

impl HostSettings {
    /// Reads `provisor.toml`.
    ///
    /// # Errors
    /// Where the file cannot be read or something in it is wrong.
    pub fn read(file: &Path) -> Result<Self, ConfigurationError> {
        let document = Document::read(file)?;
        let table = document.parse()?;
        let root = document.root(&table, KEYS)?;
        let here = file.parent().unwrap_or(Path::new(""));
        let folder =
            |key: &str, usual: &str| root.get(key).map_or_else(|| Ok(here.join(usual)), |item: Item<'_>| item.path());
        let logging = root.section("logging", LOGGING_KEYS)?;
        let get = |key: &str| logging.as_ref().and_then(|section| section.get(key));
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        Ok(Self {
            data_folder: folder("data-folder", "data")?,
            plugins_folder: folder("plugins-folder", "plugins")?,
            configurations_folder: folder("configurations-folder", "configurations")?,
            plugin_limits: plugin_limits::read(&root)?,
            plugin_updates: updates(root.get("plugin-updates"), root.get("plugins-lock"))?,
            logging: Logging {
                format: get("format").map_or(Ok(LogFormat::default()), |item| item.word(&formats))?,
                level: get("level").map_or(Ok(LogLevel::default()), |item| item.word(&LogLevel::WORDS))?,
            },
        })
    }

    /// The socket on which a running host answers the other commands.
    pub fn socket(&self) -> PathBuf {
        self.data_folder.join("provisor.sock")
    }
}

/// When another version of a bound plugin is taken: by `plugin-updates`, or by what stands in the file of `plugins-lock`.
fn updates(mode: Option<Item<'_>>, lock: Option<Item<'_>>) -> Result<Updates, ConfigurationError> {
    let by_hand = mode.as_ref().map(|item| item.word(&[("granted", false), ("approved", true)])).transpose()?;
    match (lock, mode) {
        (None, _) if by_hand == Some(true) => Ok(Updates::Approved),
        (None, _) => Ok(Updates::Granted),
        (Some(_), Some(mode)) => {
            Err(mode.error("with plugins-lock only what that file lists is taken. Leave this out, or plugins-lock"))
        }
        (Some(lock), None) => Ok(Updates::Locked(lock.path()?)),
    }
}
