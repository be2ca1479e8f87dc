//! What all steps of one cycle share.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use provisor_model::{Anchor, DnKey, OperationKind, Reason, TargetPath};
use provisor_rules::Chain;
use provisor_space::{CycleNumber, MetaKey, Space};

use crate::neighbours::Neighbours;
use crate::ownership::AnchorsKept;
use crate::report::ObjectFailure;
use crate::{Configuration, CycleWatch, SyncError};

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
    /// The other configurations of the host that lead to the same target.
    pub neighbours: Arc<Neighbours>,
    /// Whether the target keeps anchors as they are sent.
    pub anchors_kept: Arc<AnchorsKept>,
    /// Anchors that several entries have, as they are stored; none where they are to be asked for one by one.
    pub shared_anchors: Option<Arc<HashSet<Vec<u8>>>>,
    /// Whether the target is asked what it has; else what has no link is taken for new.
    pub asks_target: bool,
    /// Whether the plan is only looked at: then it is counted, and not put in order.
    pub preview: bool,
    /// The secret by which rules' answers are recognised; a preview takes them and keeps none.
    pub answer_key: Option<[u8; 16]>,
    /// Whether it is known that something changes for whoever is decided about, though it may lie in who else leaves: all
    /// that is wanted is what.
    pub changes: bool,
}

impl Context {
    /// Whether resources of entries of this object class may be others' too.
    pub fn shares(&self, object_class: &str) -> bool {
        self.configuration.shared.contains(object_class)
    }

    /// Whether several entries may have this anchor: then it is to be asked who.
    pub fn may_be_shared(&self, anchor: &Anchor) -> bool {
        self.shared_anchors.as_ref().is_none_or(|shared| shared.contains(&anchor.to_storage()))
    }
}

/// More shared anchors than this are asked for one by one.
const SHARED_ANCHORS: usize = 10_000;

/// Fewer entries than this are asked for one by one who shares their anchor.
const WORTH_A_SCAN: u64 = 1_000;

/// The anchors that several entries have, where many entries are to be evaluated.
pub(crate) fn shared_anchors(space: &Space) -> Result<Option<Arc<HashSet<Vec<u8>>>>, SyncError> {
    if space.dirty_count()? < WORTH_A_SCAN { Ok(None) } else { all_shared_anchors(space) }
}

/// The same, however few are to be evaluated.
pub(crate) fn all_shared_anchors(space: &Space) -> Result<Option<Arc<HashSet<Vec<u8>>>>, SyncError> {
    Ok(space.shared_anchors(SHARED_ANCHORS)?.map(|shared| Arc::new(shared.into_iter().collect())))
}

/// The secret by which rules' answers are recognised in this space.
pub(crate) fn answer_key(space: &Space) -> Result<Option<[u8; 16]>, SyncError> {
    Ok(space.fact(MetaKey::AnswerKey)?.and_then(|key| key.try_into().ok()))
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
    /// Of a preview: resources that would be deleted or disabled, by kind.
    pub leaving: BTreeMap<String, u64>,
    /// Of a preview: how many resources each attribute would change of.
    pub attributes: BTreeMap<TargetPath, u64>,
    /// Of a preview: requests that would write.
    pub writes: u64,
    pub failures: Vec<ObjectFailure>,
    /// References taken from resources although their target stays.
    pub references_removed: u64,
    /// Resources that rules switch off by `active`, though their entries stay, by kind.
    pub disabled_by_rules: BTreeMap<String, u64>,
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
        for (mine, theirs) in [
            (&mut self.out_of_scope, other.out_of_scope),
            (&mut self.held, other.held),
            (&mut self.operations, other.operations),
            (&mut self.leaving, other.leaving),
            (&mut self.disabled_by_rules, other.disabled_by_rules),
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
