//! What the host tells of its plugins: their state, and what an inspection finds.

use std::path::PathBuf;

use serde::Serialize;

use crate::contract::Contracts;
use crate::options::Limits;
use crate::surface::PluginKind;
use crate::usage::PluginUsage;

/// The state of one plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PluginStatus {
    /// Its name.
    pub name: String,
    /// Its file, where it has one.
    pub file: Option<PathBuf>,
    /// Whether the binary carries it and no file of its name is there.
    pub embedded: bool,
    /// The SHA-256 of the file as it is, in hexadecimal.
    pub hash: Option<String>,
    /// The version that its manifest names.
    pub version: Option<String>,
    /// What it is.
    pub kinds: Vec<PluginKind>,
    /// How it stands.
    #[serde(flatten)]
    pub state: PluginState,
    /// Since when it stands so, in seconds since 1970.
    pub since: u64,
    /// The entries it failed at since the host started.
    pub faults: u64,
    /// How much it was called since then.
    pub usage: PluginUsage,
    /// The configurations that use it.
    pub bound_by: Vec<String>,
    /// What it says that it does in them, where it says so; several times where a configuration uses it so often.
    pub summaries: Vec<PluginSummary>,
    /// How far it may go: octets, milliseconds and numbers.
    pub limits: Limits,
    /// The stack of a call, in octets: the same for all.
    pub stack: usize,
}

/// What a plugin says that it does, in plain words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PluginSummary {
    /// The configuration that uses it.
    pub configuration: String,
    /// What it does there: one line of at most 2 KiB.
    pub summary: String,
}

/// How a plugin stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum PluginState {
    /// The file as it is, is used.
    Active,
    /// The file as it is cannot be used, and why; where one ran well before it, that runs on.
    Rejected {
        /// What is wrong, and what to do.
        reason: String,
        /// The SHA-256 of the component that runs instead.
        active: Option<String>,
    },
    /// It is being compiled and tried, which takes long; where one ran well before, that runs on.
    Loading {
        /// The SHA-256 of the component that runs meanwhile.
        active: Option<String>,
    },
    /// The file is gone; where one ran well before, that runs on.
    Missing {
        /// The SHA-256 of the component that runs.
        active: Option<String>,
    },
    /// It could be used, but no configuration does.
    Discovered,
}

/// What is found out of a component without running it in a cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspection {
    /// Its name.
    pub name: String,
    /// The version that its manifest names.
    pub version: String,
    /// The SHA-256 of the component, in hexadecimal.
    pub hash: String,
    /// Its size, in octets.
    pub octets: usize,
    /// What it is.
    pub kinds: Vec<PluginKind>,
    /// The interfaces it imports.
    pub imports: Vec<String>,
    /// The notes of its manifest.
    pub annotations: Vec<(String, String)>,
    /// The JSON Schema of its configuration.
    pub schema: serde_json::Value,
    /// How many test cases of its own it carries; it passed them all.
    pub cases: usize,
    /// What it asks for under the configuration that was given.
    pub contracts: Option<Contracts>,
    /// What it says that it does under that configuration, in plain words, where it says so.
    pub summary: Option<String>,
}
