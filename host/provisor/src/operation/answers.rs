//! What the commands get: the documents that `--json` prints. docs/commands.md describes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use provisor_model::{CheckLine, CheckOutcome};
use provisor_rules::{Limits, PluginState, PluginUsage, RulesHost};
use provisor_sync::{
    Configuration, ConfigurationError, ConfigurationStatus, CycleReport, HygieneReport, LogRecord, PluginPreview,
    PreviewReport, Progress, ProvisionReport,
};
use serde::{Deserialize, Serialize};

/// The answer to a request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Cycle(CycleReport),
    Preview(PreviewReport),
    PluginPreview(Box<PluginPreview>),
    Provision(ProvisionReport),
    Inspect(Box<HygieneReport>),
    Log(LogReport),
    Check(CheckReport),
    Status(StatusReport),
    Plugins(PluginReport),
    Approved(ApprovalReport),
}

/// Records of the provisioning log, the newest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct LogReport {
    pub configuration: String,
    pub records: Vec<LogRecord>,
}

/// What a check found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CheckReport {
    pub sections: Vec<CheckSection>,
}

/// What a check found about one thing: the host, or a configuration.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckSection {
    /// `host`, or the name of the configuration.
    pub name: String,
    /// Whether a document itself is wrong.
    pub invalid: bool,
    pub lines: Vec<CheckLine>,
}

/// How all stands.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatusReport {
    /// The running host; none where the command looked for itself.
    pub host: Option<HostState>,
    pub configurations: Vec<ConfigurationState>,
    pub plugins: Vec<PluginLine>,
}

/// A running host.
#[derive(Debug, Serialize, Deserialize)]
pub struct HostState {
    pub process: u32,
    pub version: String,
    /// Since when, in milliseconds since 1970.
    pub started: i64,
}

/// What a configuration is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// A cycle runs.
    Running,
    /// It waits for its next cycle.
    Waiting,
    /// Its last cycle failed; it waits longer and longer before it tries again.
    BackingOff,
    /// It does not run by itself.
    Idle,
    /// Its document is wrong, and there is no last good one.
    Broken,
}

/// How a configuration stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfigurationState {
    pub name: String,
    pub file: PathBuf,
    pub activity: Activity,
    /// Of the running cycle.
    pub progress: Option<Progress>,
    /// When the next cycle is due, in milliseconds since 1970.
    pub next_cycle: Option<i64>,
    /// How many cycles have failed in a row.
    pub failures: u32,
    /// What is wrong with the document, while the last good one is in force.
    pub document_error: Option<String>,
    /// Why the configuration cannot run, or its last cycle failed.
    pub error: Option<String>,
    /// How its connector space stands.
    pub status: Option<ConfigurationStatus>,
    /// In staging, the operations that the last cycle would have carried out.
    pub would_do: Option<BTreeMap<String, u64>>,
}

/// What was approved.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApprovalReport {
    pub approvals: Vec<ApprovalLine>,
    /// Configurations that cannot be run with their rules yet, for another reason.
    #[serde(default)]
    pub unbound: Vec<Unbound>,
}

/// A configuration that cannot be run with its rules.
#[derive(Debug, Serialize, Deserialize)]
pub struct Unbound {
    pub configuration: String,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// What was granted to a plugin in one rule.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApprovalLine {
    pub configuration: String,
    pub plugin: String,
    pub version: String,
    pub hash: String,
    /// What it may do that it could not before, as words.
    pub more: Vec<String>,
    /// What it may do no more, as words.
    #[serde(default)]
    pub less: Vec<String>,
}

/// The plugins.
#[derive(Debug, Serialize, Deserialize)]
pub struct PluginReport {
    pub plugins: Vec<PluginLine>,
}

/// How a plugin stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PluginLine {
    pub name: String,
    /// Its file; none where the program carries it, or the file is gone.
    pub file: Option<PathBuf>,
    /// Whether the program carries it.
    pub embedded: bool,
    pub version: Option<String>,
    pub hash: Option<String>,
    /// filter, mapping.
    pub kinds: Vec<String>,
    /// active, rejected, missing or discovered.
    pub state: String,
    /// Why it is rejected.
    pub reason: Option<String>,
    /// The content hash of the last good one, where that is in force instead.
    pub active: Option<String>,
    /// Since when, in seconds since 1970.
    pub since: u64,
    pub faults: u64,
    /// How much it was called since the host started.
    pub usage: PluginUsage,
    /// The configurations that use it.
    pub bound_by: Vec<String>,
    /// What it says that it does in them.
    pub summaries: Vec<PluginSummary>,
    /// How far it may go: octets, milliseconds and numbers.
    pub limits: Limits,
    /// The stack of a call, in octets: the same for all.
    pub stack: usize,
}

/// What a plugin says that it does in a configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PluginSummary {
    pub configuration: String,
    pub summary: String,
}

impl CheckReport {
    /// Whether anything failed.
    pub fn failed(&self) -> bool {
        let failed = |line: &CheckLine| matches!(line.outcome, CheckOutcome::Failed(_));
        self.sections.iter().any(|section| section.lines.iter().any(failed))
    }

    /// Whether a document is wrong.
    pub fn invalid(&self) -> bool {
        self.sections.iter().any(|section| section.invalid)
    }
}

impl ConfigurationState {
    /// A configuration of which nothing is known yet.
    pub fn new(configuration: &Configuration) -> Self {
        Self::named(configuration.name.clone(), &configuration.file)
    }

    /// A configuration without a document that could be read.
    pub fn broken(file: &Path, error: &ConfigurationError) -> Self {
        let state = Self::named(crate::configurations::name(file), file);
        Self { activity: Activity::Broken, document_error: Some(error.to_string()), ..state }
    }

    fn named(name: String, file: &Path) -> Self {
        Self {
            name,
            file: file.to_owned(),
            activity: Activity::Idle,
            progress: None,
            next_cycle: None,
            failures: 0,
            document_error: None,
            error: None,
            status: None,
            would_do: None,
        }
    }
}

/// The section of a check for a document that is wrong.
pub fn wrong_document(file: &Path, error: &ConfigurationError) -> CheckSection {
    let lines = vec![CheckLine::failed("configuration", error.to_string())];
    CheckSection { name: crate::configurations::name(file), invalid: true, lines }
}

/// The plugins that the rules host knows.
pub fn plugin_lines(rules: &RulesHost) -> Vec<PluginLine> {
    let summary = |told: provisor_rules::PluginSummary| PluginSummary {
        configuration: told.configuration,
        summary: told.summary,
    };
    let line = |plugin: provisor_rules::PluginStatus| {
        let (state, reason, active) = match plugin.state {
            PluginState::Active => ("active", None, None),
            PluginState::Rejected { reason, active } => ("rejected", Some(reason), active),
            PluginState::Loading { active } => ("loading", None, active),
            PluginState::Missing { active } => ("missing", None, active),
            PluginState::Discovered => ("discovered", None, None),
        };
        PluginLine {
            name: plugin.name,
            file: plugin.file,
            embedded: plugin.embedded,
            version: plugin.version,
            hash: plugin.hash,
            kinds: plugin.kinds.iter().map(ToString::to_string).collect(),
            state: state.to_owned(),
            reason,
            active,
            since: plugin.since,
            faults: plugin.faults,
            usage: plugin.usage,
            bound_by: plugin.bound_by,
            summaries: plugin.summaries.into_iter().map(summary).collect(),
            limits: plugin.limits,
            stack: plugin.stack,
        }
    };
    rules.status().into_iter().map(line).collect()
}
