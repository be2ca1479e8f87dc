//! What a plugin host is opened with, and what a configuration binds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where plugins are found and how far they may go.
#[derive(Clone, Debug)]
pub struct RulesOptions {
    /// The folder that operators drop plugins into: `NAME.wasm` is the plugin `NAME`.
    pub plugins_folder: PathBuf,
    /// The folder for what the host keeps itself: grants, the bytes of the components it last ran well, and what was
    /// compiled of them.
    pub data_folder: PathBuf,
    /// How far plugins may go.
    pub limits: PluginLimits,
    /// When another version of a bound plugin is taken.
    pub updates: Updates,
    /// Plugins that the binary carries, by name; a file of the same name in the folder wins.
    pub embedded: &'static [(&'static str, &'static [u8])],
}

/// When another version of a bound plugin is taken into use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Updates {
    /// By itself, where it asks for no more than was granted.
    #[default]
    Granted,
    /// Once somebody has approved the very file.
    Approved,
    /// What stands in this lock file, and nothing else; it is where approvals go.
    Locked(PathBuf),
}

/// How far each plugin may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLimits {
    /// The stack of a call, in octets; it is the engine's, and the same for all.
    pub stack: usize,
    /// Those that have no limits of their own.
    pub usual: Limits,
    /// Limits of their own, by the plugin's name.
    pub own: BTreeMap<String, Limits>,
}

impl PluginLimits {
    /// How far the plugin of this name may go.
    pub fn of(&self, plugin: &str) -> &Limits {
        self.own.get(plugin).unwrap_or(&self.usual)
    }

    /// The most memory that any plugin may have, in octets.
    pub(crate) fn most_memory(&self) -> usize {
        self.own.values().map(|limits| limits.memory).fold(self.usual.memory, usize::max)
    }

    /// The most table elements that any plugin may have.
    pub(crate) fn most_elements(&self) -> usize {
        self.own.values().map(|limits| limits.table_elements).fold(self.usual.table_elements, usize::max)
    }
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self::from(Limits::default())
    }
}

impl From<Limits> for PluginLimits {
    fn from(usual: Limits) -> Self {
        Self { stack: 512 << 10, usual, own: BTreeMap::new() }
    }
}

/// How far a plugin may go before it is refused or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// All memories of one instance together, in octets.
    pub memory: usize,
    /// All tables of one instance together, in elements.
    pub table_elements: usize,
    /// The core instances that one instance of the component is made of.
    pub instances: usize,
    /// Handles of resources that one instance holds at a time.
    pub handles: usize,
    /// What any call may take.
    #[serde(with = "milliseconds")]
    pub call_time: Duration,
    /// What each entry of a batch adds to that.
    #[serde(with = "milliseconds")]
    pub entry_time: Duration,
    /// What one call may give back, in octets.
    pub output_octets: usize,
    /// The log lines of one call that are kept: the last ones.
    pub log_lines: usize,
    /// The octets of these lines.
    pub log_octets: usize,
    /// The log lines of a cycle, on all threads; those that come later are left out.
    pub log_lines_per_cycle: usize,
    /// The octets of these lines.
    pub log_octets_per_cycle: usize,
    /// The size of a component's file, in octets.
    pub component_octets: u64,
    /// The functions of a component.
    pub functions: u32,
    /// What compiling the component may take.
    #[serde(with = "milliseconds")]
    pub compile_time: Duration,
    /// After so many faults in a cycle a plugin is called no more in it, and its entries are held.
    pub faults_per_cycle: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            table_elements: 100_000,
            instances: 64,
            handles: 10_000,
            call_time: Duration::from_secs(2),
            entry_time: Duration::from_millis(5),
            output_octets: 16 << 20,
            log_lines: 32,
            log_octets: 16 << 10,
            log_lines_per_cycle: 1000,
            log_octets_per_cycle: 256 << 10,
            component_octets: 64 << 20,
            functions: 100_000,
            compile_time: Duration::from_secs(120),
            faults_per_cycle: 16,
        }
    }
}

/// A length of time as a number.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// One plugin of a configuration's rule chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The plugin's name: the file name without `.wasm`.
    pub plugin: String,
    /// Its configuration; null is an empty one.
    pub config: serde_json::Value,
    /// What becomes of an entry at which the plugin fails.
    pub on_fault: OnFault,
}

/// What becomes of an entry at which a plugin fails. There is no policy that lets it pass unseen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFault {
    /// The entry is held: nothing of it is exported until the plugin answers.
    #[default]
    Hold,
    /// The cycle stops.
    Stop,
    /// The entry goes on without the plugin: only for mappings that add to what others make.
    Skip,
}
