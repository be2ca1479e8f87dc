//! Why a cycle, a preview or an evaluation on demand came to no good end.

use std::path::PathBuf;

use provisor_directory::DirectoryError;
use provisor_rules::{ChainStopped, RulesError};
use provisor_space::SpaceError;
use provisor_target::TargetError;

use crate::ConfigurationError;

/// Why the pipeline stopped. What had been done until then is kept, and the next cycle goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The configuration is wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The settings and the rules do not go together.
    #[error("{0}")]
    Settings(String),
    /// An organisational unit of the scope is not in the source as it was last read.
    #[error("{0}")]
    Scope(String),
    /// The source directory cannot be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The rules cannot be loaded.
    #[error("{}: {error}", file.display())]
    Rules {
        /// The configuration that binds them.
        file: PathBuf,
        /// Why.
        error: RulesError,
    },
    /// A rule with `on-fault = "stop"` failed.
    #[error(transparent)]
    Stopped(#[from] ChainStopped),
    /// The connector space failed.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// The target as a whole cannot be used.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A safety threshold stopped the cycle before its first write.
    #[error("{0}")]
    Safety(String),
    /// An object that was asked for is not there, or not one.
    #[error("{0}")]
    Object(String),
    /// The host is stopping.
    #[error("the host is stopping; what was done is kept, and the next cycle goes on from there")]
    Interrupted,
    /// A thread of the pipeline ended without an answer.
    #[error(
        "an internal task failed: {0}; nothing is lost, and the next cycle goes on. Please report this with the log"
    )]
    Internal(String),
}

/// What kind of exit status an error leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitClass {
    /// It failed.
    Failed,
    /// The configuration, or the use of the command, is wrong.
    Configuration,
    /// A safety threshold stopped it.
    SafetyStop,
}

impl SyncError {
    /// Whether what was read may have been less than there is, so that the next cycle must not go on from there but
    /// read everything: rights that were taken away and given back change no entry, and no increment tells.
    pub(crate) fn distrusts_what_was_read(&self) -> bool {
        matches!(self, Self::Safety(_) | Self::Scope(_))
    }

    /// What kind of exit status this leads to.
    pub fn exit_class(&self) -> ExitClass {
        match self {
            Self::Configuration(_)
            | Self::Settings(_)
            | Self::Rules { .. }
            | Self::Target(TargetError::Configuration(_)) => ExitClass::Configuration,
            Self::Safety(_) => ExitClass::SafetyStop,
            _ => ExitClass::Failed,
        }
    }
}
