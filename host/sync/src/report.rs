//! What cycles, previews and evaluations on demand report: documents with stable names, for people and scripts.

use std::collections::BTreeMap;

use provisor_model::Reason;
use provisor_target::{RequestCosts, RequestCounts};
use serde::{Deserialize, Serialize};

/// Whether a cycle read everything or only what had changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CycleKind {
    /// Everything.
    Initial,
    /// What had changed.
    Incremental,
}

/// How a cycle ended, where it was not by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CycleOutcome {
    /// Everything was done.
    Completed,
    /// Done, but some objects failed or are held; they are tried again.
    CompletedWithFailures,
    /// It was asked to pause; the next cycle goes on.
    Paused,
}

/// What an import found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportCounts {
    /// Objects that the source named.
    pub read: u64,
    /// New ones.
    pub added: u64,
    /// Changed ones.
    pub changed: u64,
    /// Those that are gone.
    pub deleted: u64,
    /// Those that were as before.
    pub unchanged: u64,
}

/// Requests sent to the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestTally {
    /// Requests that read.
    pub reads: u64,
    /// Requests that write.
    pub writes: u64,
    /// Those of both that were sent again: the service asked to slow down, or no answer came.
    #[serde(default, skip_serializing_if = "is_none")]
    pub repeated: u64,
    /// What they cost at most, in thousandths of a US dollar, where the target bills each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milli_dollars: Option<u64>,
}

impl RequestTally {
    /// So many requests, and what they cost.
    pub(crate) fn new(costs: &RequestCosts, reads: u64, writes: u64) -> Self {
        let milli_dollars = costs.milli_dollars().map(|each| each.saturating_mul(reads.saturating_add(writes)));
        Self { reads, writes, repeated: 0, milli_dollars }
    }

    /// Those that were sent between two counts.
    pub(crate) fn between(costs: &RequestCosts, before: RequestCounts, after: RequestCounts) -> Self {
        let (reads, writes) = (after.reads.saturating_sub(before.reads), after.writes.saturating_sub(before.writes));
        Self { repeated: after.repeated.saturating_sub(before.repeated), ..Self::new(costs, reads, writes) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// An object that failed or is held, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectFailure {
    /// The name of the entry.
    pub dn: String,
    /// Its source id.
    pub id: String,
    /// Why.
    pub error: String,
}

/// What a cycle did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleReport {
    /// The configuration.
    pub configuration: String,
    /// The number of the cycle.
    pub cycle: i64,
    /// Whether it read everything.
    pub kind: CycleKind,
    /// How it ended.
    pub outcome: CycleOutcome,
    /// When it began, in milliseconds since 1970.
    pub started: i64,
    /// When it ended, in milliseconds since 1970.
    pub ended: i64,
    /// What the import found.
    pub imported: ImportCounts,
    /// Entries that were evaluated.
    pub evaluated: u64,
    /// Operations carried out, by kind.
    pub operations: BTreeMap<String, u64>,
    /// Objects whose export failed.
    pub failed: u64,
    /// Objects that are held before their export.
    pub held: u64,
    /// Objects that failed or are held, of this cycle and of earlier ones; each is tried again after its pause.
    #[serde(default)]
    pub escrow: u64,
    /// Evaluated entries that are not in scope.
    pub out_of_scope: u64,
    /// References that wait for their target.
    pub waiting_references: u64,
    /// Requests sent to the target.
    pub requests: RequestTally,
    /// The first objects that failed or are held.
    pub failures: Vec<ObjectFailure>,
}

/// A change of one attribute, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownChange {
    /// The attribute of the resource.
    pub path: String,
    /// What it was.
    pub old: Option<String>,
    /// What it becomes; none where it is taken away.
    pub new: Option<String>,
    /// The plugin that set it.
    pub by: Option<String>,
}

/// An operation of the plan, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedOperation {
    /// What would be done.
    pub operation: String,
    /// The name of the entry.
    pub dn: String,
    /// Its source id.
    pub id: String,
    /// The resource kind.
    pub kind: String,
    /// The resource, where there is one.
    pub resource_id: Option<String>,
    /// Why, where it is not the entry's attributes alone.
    pub reason: Option<String>,
    /// What would change.
    pub changes: Vec<ShownChange>,
}

/// What a cycle would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewReport {
    /// The configuration.
    pub configuration: String,
    /// Entries that were evaluated.
    pub evaluated: u64,
    /// Evaluated entries for which nothing would be done.
    pub unchanged: u64,
    /// Operations, by kind.
    pub operations: BTreeMap<String, u64>,
    /// Changes, by attribute of the resource.
    pub attributes: BTreeMap<String, u64>,
    /// Evaluated entries that are not in scope, by reason.
    pub out_of_scope: BTreeMap<String, u64>,
    /// Objects that are held, by reason.
    pub held: BTreeMap<String, u64>,
    /// Why a cycle would stop before its first write.
    pub would_stop: Option<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The first operations, in full.
    pub first: Vec<PlannedOperation>,
    /// Whether the target was asked for what is already there.
    pub asked_target: bool,
    /// About how many requests a cycle would send: those that read as many as this preview did.
    #[serde(default)]
    pub requests: RequestTally,
}

/// How one entry fares under old and new rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryDifference {
    /// The name of the entry.
    pub dn: String,
    /// Its source id.
    pub id: String,
    /// What the rules in force decide.
    pub before: String,
    /// What the new rules decide.
    pub after: String,
    /// How the resource differs.
    pub changes: Vec<ShownChange>,
}

/// What an updated plugin would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginPreview {
    /// The configuration.
    pub configuration: String,
    /// The plugin.
    pub plugin: String,
    /// The version in force.
    pub old_version: Option<String>,
    /// The version that was tried.
    pub new_version: String,
    /// The content hash of the version in force.
    pub old_hash: Option<String>,
    /// The content hash of the version that was tried.
    pub new_hash: String,
    /// What a person should know, such as that it asks for more than it was granted.
    pub warnings: Vec<String>,
    /// What it asks for beyond what was granted, as words.
    #[serde(default)]
    pub more: Vec<String>,
    /// Why it would not be taken into use by itself, and what to do.
    #[serde(default)]
    pub waits: Option<String>,
    /// Attributes that it reads and that were never read from the directory: here they are absent.
    #[serde(default)]
    pub unread: Vec<String>,
    /// Entries that were evaluated under both.
    pub evaluated: u64,
    /// Entries that come out the same.
    pub unchanged: u64,
    /// How many decisions turn from what into what.
    pub decisions: BTreeMap<String, u64>,
    /// Differences, by attribute of the resource.
    pub attributes: BTreeMap<String, u64>,
    /// Reasons of the new decisions, for entries that come out differently.
    pub reasons: BTreeMap<String, u64>,
    /// The first differences, in full.
    pub first: Vec<EntryDifference>,
    /// What a cycle under the new rules would carry out.
    #[serde(default)]
    pub follows: Follows,
}

/// The operations that would follow from other rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follows {
    /// Operations, by kind.
    pub operations: BTreeMap<String, u64>,
    /// Changes, by attribute of the resource.
    pub attributes: BTreeMap<String, u64>,
    /// Entries that are not in scope, by reason.
    pub out_of_scope: BTreeMap<String, u64>,
    /// Objects that are held, by reason.
    pub held: BTreeMap<String, u64>,
    /// Why a cycle would stop before its first write.
    pub would_stop: Option<String>,
    /// About how many requests would write.
    pub writes: u64,
    /// The first operations, in full.
    pub first: Vec<PlannedOperation>,
}

/// A step of an evaluation on demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionStep {
    /// import, scope, match, map, plan or export.
    pub step: String,
    /// ok, skipped or failed.
    pub status: String,
    /// What happened.
    pub description: String,
    /// What belongs to it: attributes read, what each rule did, what changed.
    pub details: Vec<(String, String)>,
}

/// What an evaluation on demand did, step by step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionReport {
    /// The configuration.
    pub configuration: String,
    /// The name of the entry.
    pub dn: String,
    /// Its source id.
    pub id: String,
    /// What was done, in order.
    pub steps: Vec<ProvisionStep>,
    /// How it ended, in a few words.
    pub outcome: String,
    /// Whether the object is as it should be.
    pub succeeded: bool,
}

/// A rule in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStatus {
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// Its content hash.
    pub hash: String,
}

/// An object that is put aside, and when it is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscrowedObject {
    /// The name of the entry.
    pub dn: String,
    /// Its source id.
    pub id: String,
    /// Why.
    pub error: String,
    /// Since when, in milliseconds since 1970.
    pub since: i64,
    /// How often it was tried.
    pub attempts: u64,
    /// From when on it is tried again, in milliseconds since 1970.
    pub next: i64,
}

/// How a configuration stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationStatus {
    /// The configuration.
    pub configuration: String,
    /// enabled, staging or disabled.
    pub mode: String,
    /// Entries of the source.
    pub entries: u64,
    /// Linked resources, by kind.
    pub links: BTreeMap<String, u64>,
    /// Objects that failed or are held; each is tried again after a pause, and when its entry or the rules change.
    pub escrow: u64,
    /// The first of them, by when they are tried again.
    #[serde(default)]
    pub escrowed: Vec<EscrowedObject>,
    /// Entries that wait for their evaluation.
    pub pending: u64,
    /// References that wait for their target.
    pub waiting_references: u64,
    /// Whether an import has completed.
    pub imported: bool,
    /// The last cycle that came to its end.
    pub last_cycle: Option<CycleReport>,
    /// Why the last cycle came to none.
    pub last_error: Option<String>,
    /// The size of the connector space in octets.
    pub store_octets: u64,
    /// The rules in force.
    pub rules: Vec<RuleStatus>,
}

/// A step in a record of the provisioning log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStep {
    /// import, scope, match, map, plan or export.
    pub step: String,
    /// What happened.
    pub detail: String,
}

/// A record of the provisioning log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Its number.
    pub id: i64,
    /// The cycle.
    pub cycle: i64,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// What was done or decided.
    pub operation: String,
    /// success, failure, held or skipped.
    pub status: String,
    /// The name of the entry.
    pub dn: String,
    /// Its source id.
    pub source_id: String,
    /// What the target knows it by.
    pub anchor: String,
    /// The resource kind.
    pub kind: Option<String>,
    /// The resource.
    pub resource_id: Option<String>,
    /// The steps it went through.
    pub steps: Vec<LogStep>,
    /// What changed.
    pub changes: Vec<ShownChange>,
    /// Why.
    pub reason: Option<Reason>,
    /// What went wrong.
    pub error: Option<String>,
}
