//! What a chain says of entries: decisions, and the steps that led to them.

use provisor_model::{Draft, DraftValue, Reason, TargetPath};

use crate::surface::PluginKind;

/// What a chain says of one entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The decision.
    pub outcome: Outcome,
    /// When it may change by time alone, in seconds since 1970.
    pub valid_until: Option<i64>,
    /// What every plugin did, where the evaluator traces.
    pub steps: Vec<Step>,
    /// What is to be kept of the plugins' answers, for the next time that the entry is evaluated; none where that is what
    /// was known already.
    pub answers: Option<Vec<u8>>,
}

/// The decision about an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It becomes this resource.
    Provision(Draft),
    /// It is not to be provisioned.
    OutOfScope {
        /// The plugin that says so; none where no mapping claims the entry.
        plugin: Option<String>,
        /// Why.
        reason: Reason,
    },
    /// Nothing can be said of it now: nothing of it is exported.
    Held {
        /// The plugin that could not answer.
        plugin: String,
        /// Its version.
        version: String,
        /// Why.
        reason: Reason,
    },
}

/// What one plugin did with an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// As what it was called.
    pub kind: PluginKind,
    /// What it decided.
    pub decision: Decision,
}

/// What a plugin decided, or why it could not.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// A filter keeps the entry.
    Kept,
    /// A filter drops it.
    Dropped(Reason),
    /// A mapping sets these attributes; none of a value takes one away.
    Edited(Vec<(TargetPath, Option<DraftValue>)>),
    /// A mapping does not provision it.
    Excluded(Reason),
    /// The plugin says that it cannot tell.
    Failed(Reason),
    /// A value does not fit the shape that the plugin reads it in: it was not called.
    Unfit(Reason),
    /// The plugin failed.
    Fault(Reason),
    /// The plugin failed and the entry goes on without it.
    Skipped(Reason),
}

/// A plugin with `on-fault = "stop"` failed, or there was no room for one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin \"{plugin}\" {version} stopped the cycle at {dn}: {}", reason.detail)]
pub struct ChainStopped {
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// The name of the entry that it failed at.
    pub dn: String,
    /// How it failed.
    pub reason: Reason,
}
