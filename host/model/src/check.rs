//! What a check of a directory or a target found: one line for each thing looked at.

use serde::{Deserialize, Serialize};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckLine {
    /// What was looked at, in a word or two, such as `certificate`.
    pub what: String,
    /// What was found.
    #[serde(flatten)]
    pub outcome: CheckOutcome,
}

/// What a check found. The texts are for a person; those of warnings and failures say what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "detail", rename_all = "lowercase")]
pub enum CheckOutcome {
    /// It is as it should be.
    Ok(String),
    /// It works, but not in every case or not as well as it might.
    Warning(String),
    /// It does not work.
    Failed(String),
}

impl CheckLine {
    /// A line that says that all is well.
    pub fn ok(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), outcome: CheckOutcome::Ok(detail.into()) }
    }

    /// A line that warns.
    pub fn warning(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), outcome: CheckOutcome::Warning(detail.into()) }
    }

    /// Whether what was looked at does not work.
    pub fn is_failure(&self) -> bool {
        matches!(self.outcome, CheckOutcome::Failed(_))
    }

    /// A line that says what failed.
    pub fn failed(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), outcome: CheckOutcome::Failed(detail.into()) }
    }
}
