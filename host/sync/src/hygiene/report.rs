//! What is asked of an inspection, and what it answers: documents with stable names, for people and scripts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::finding::{Finding, FindingCount};

/// Whose rules the values are looked at by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleSet {
    /// Those of a service that many customers share.
    #[default]
    MultiTenant,
    /// Those of a service that one customer has for itself: objects with mail alone are looked at.
    Dedicated,
}

/// What is asked of an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HygieneRequest {
    /// The rules.
    pub rules: RuleSet,
    /// People sign in by another attribute than the user principal name, which is not looked at then.
    pub alternate_id: bool,
    /// How many members a group may have.
    pub member_limit: u64,
    /// Whether the users of the target are listed and compared.
    pub target: bool,
}

/// What an inspection found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HygieneReport {
    /// The configuration.
    pub configuration: String,
    /// The rules.
    pub rules: RuleSet,
    /// Objects that were read.
    pub read: u64,
    /// Objects whose values were looked at.
    pub inspected: u64,
    /// Objects that were passed over, by the reason.
    pub skipped: BTreeMap<String, u64>,
    /// Users of the target that were compared; none where it was not listed.
    pub target_users: Option<u64>,
    /// Why the target was not listed although it was to be.
    pub target_error: Option<String>,
    /// What was not looked at, in words.
    pub notes: Vec<String>,
    /// How many findings there are.
    pub found: u64,
    /// The same by what is wrong with which attribute.
    pub counts: Vec<FindingCount>,
    /// The findings, object by object; the first 10,000 of each sort and 50,000 in all.
    pub findings: Vec<Finding>,
}
