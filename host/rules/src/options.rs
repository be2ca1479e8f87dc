//! What a plugin host is opened with, and what a configuration binds.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where plugins are found and how far they may go.
#[derive(Clone, Debug)]
pub struct RulesOptions {
    /// The folder that operators drop plugins into: `NAME.wasm` is the plugin `NAME`.
    pub plugins_folder: PathBuf,
    /// The folder for what the host keeps itself: grants, and the bytes of the components it last ran well.
    pub data_folder: PathBuf,
    /// How far a plugin may go.
    pub limits: Limits,
    /// Plugins that the binary carries, by name; a file of the same name in the folder wins.
    pub embedded: &'static [(&'static str, &'static [u8])],
}

/// How far a plugin may go before it is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance, in octets.
    pub memory: usize,
    /// What any call may take.
    pub call_time: Duration,
    /// What each entry of a batch adds to that.
    pub entry_time: Duration,
    /// What one call may give back, in octets.
    pub output_octets: usize,
    /// The size of a component's file, in octets.
    pub component_octets: u64,
    /// After so many faults in a cycle a plugin is called no more in it, and its entries are held.
    pub faults_per_cycle: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            call_time: Duration::from_secs(2),
            entry_time: Duration::from_millis(5),
            output_octets: 16 << 20,
            component_octets: 64 << 20,
            faults_per_cycle: 16,
        }
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
