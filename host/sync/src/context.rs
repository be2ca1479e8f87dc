//! What all steps of one cycle share.

use std::collections::BTreeMap;
use std::sync::Arc;

use provisor_model::{DnKey, OperationKind, Reason, TargetPath};
use provisor_rules::Chain;
use provisor_space::CycleNumber;

use crate::report::ObjectFailure;
use crate::{Configuration, CycleWatch};

/// What a cycle decides by.
#[derive(Clone)]
pub(crate) struct Context {
    pub configuration: Arc<Configuration>,
    pub chain: Arc<Chain>,
    /// The organisational units of the scope, where they stand now.
    pub units: Arc<[DnKey]>,
    pub cycle: CycleNumber,
    /// Milliseconds since 1970.
    pub now: i64,
    pub watch: CycleWatch,
    pub paths: Paths,
    /// Whether the target is asked what it has; else what has no link is taken for new.
    pub asks_target: bool,
    /// Whether the plan is only looked at: then it is counted, and not put in order.
    pub preview: bool,
}

/// Paths that the pipeline itself knows.
#[derive(Clone)]
pub(crate) struct Paths {
    pub external_id: TargetPath,
    pub active: TargetPath,
}

impl Paths {
    /// The paths, parsed once.
    pub fn new() -> Result<Self, provisor_model::PathError> {
        Ok(Self { external_id: "externalId".parse()?, active: "active".parse()? })
    }
}

/// How many failures a report names.
const NAMED_FAILURES: usize = 20;

/// What has been counted so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub evaluated: u64,
    pub out_of_scope: BTreeMap<String, u64>,
    pub held: BTreeMap<String, u64>,
    pub failed: u64,
    pub operations: BTreeMap<String, u64>,
    /// Of a preview: operations that would be carried out, by kind.
    pub planned: BTreeMap<OperationKind, u64>,
    /// Of a preview: how many resources each attribute would change of.
    pub attributes: BTreeMap<TargetPath, u64>,
    /// Of a preview: requests that would write.
    pub writes: u64,
    pub failures: Vec<ObjectFailure>,
    /// References taken from resources although their target stays.
    pub references_removed: u64,
    /// Resources that rules switch off by `active`, though their entries stay.
    pub disabled_by_rules: u64,
}

impl Tally {
    pub fn hold(&mut self, dn: String, id: String, reason: &Reason) {
        *self.held.entry(reason.code.clone()).or_default() += 1;
        self.name(dn, id, &reason.detail);
    }

    pub fn fail(&mut self, dn: String, id: String, error: &str) {
        self.failed += 1;
        self.name(dn, id, error);
    }

    fn name(&mut self, dn: String, id: String, error: &str) {
        if self.failures.len() < NAMED_FAILURES {
            self.failures.push(ObjectFailure { dn, id, error: error.to_owned() });
        }
    }

    /// Counts an operation that was carried out.
    pub fn count(&mut self, operation: &str) {
        match self.operations.get_mut(operation) {
            Some(count) => *count += 1,
            None => drop(self.operations.insert(operation.to_owned(), 1)),
        }
    }

    pub fn held_count(&self) -> u64 {
        self.held.values().sum()
    }

    pub fn merge(&mut self, other: Self) {
        self.evaluated += other.evaluated;
        self.failed += other.failed;
        self.references_removed += other.references_removed;
        self.disabled_by_rules += other.disabled_by_rules;
        for (mine, theirs) in [
            (&mut self.out_of_scope, other.out_of_scope),
            (&mut self.held, other.held),
            (&mut self.operations, other.operations),
        ] {
            for (key, count) in theirs {
                *mine.entry(key).or_default() += count;
            }
        }
        self.writes += other.writes;
        for (operation, count) in other.planned {
            *self.planned.entry(operation).or_default() += count;
        }
        for (path, count) in other.attributes {
            *self.attributes.entry(path).or_default() += count;
        }
        let room = NAMED_FAILURES.saturating_sub(self.failures.len());
        self.failures.extend(other.failures.into_iter().take(room));
    }
}
