//! How a command ends: its exit status, and what is said when it failed.

use std::io;
use std::process::ExitCode;

use provisor_rules::RulesError;
use provisor_sync::{ConfigurationError, ExitClass, SyncError};
use serde::{Deserialize, Serialize};

/// The exit status of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All was done.
    Done,
    /// It failed.
    Failed,
    /// The command was used wrongly, or the configuration is wrong.
    Usage,
    /// It was done, but objects failed.
    ObjectsFailed,
    /// A safety threshold stopped it.
    SafetyStop,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Done => 0,
            Status::Failed => 1,
            Status::Usage => 2,
            Status::ObjectsFailed => 3,
            Status::SafetyStop => 4,
        })
    }
}

/// Why a command came to no good end: what, where and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    class: Class,
    message: String,
}

/// The kinds of failure, as `--json` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Class {
    Failed,
    Configuration,
    Safety,
}

impl Failure {
    /// Something outside failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { class: Class::Failed, message: message.into() }
    }

    /// The command was used wrongly, or the configuration is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { class: Class::Configuration, message: message.into() }
    }

    /// The exit status it leads to.
    pub fn status(&self) -> Status {
        match self.class {
            Class::Failed => Status::Failed,
            Class::Configuration => Status::Usage,
            Class::Safety => Status::SafetyStop,
        }
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        let class = match error.exit_class() {
            ExitClass::Failed => Class::Failed,
            ExitClass::Configuration => Class::Configuration,
            ExitClass::SafetyStop => Class::Safety,
        };
        Self { class, message: error.to_string() }
    }
}

impl From<ConfigurationError> for Failure {
    fn from(error: ConfigurationError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<RulesError> for Failure {
    fn from(error: RulesError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::failed(error.to_string())
    }
}
