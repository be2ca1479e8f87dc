//! Desired states as far as their references can be had now: a reference to what has no resource waits.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeChange, Change, ResourceId, SourceId, TargetPath, TargetValue};
use provisor_space::{ReferenceTarget, Space, Waiting};

use crate::SyncError;

/// Which references count as there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those whose target has a resource in use.
    Linked,
    /// Also those whose target will have one by the plan, and none whose target is planned to leave.
    Planned,
}

/// What is desired, without the references that cannot be had, and those that therefore wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effective {
    pub attributes: BTreeMap<TargetPath, TargetValue<SourceId>>,
    pub waiting: Vec<Waiting>,
    /// The resources of the references.
    pub resources: BTreeMap<SourceId, ResourceId>,
}

/// Leaves out of `desired` the references that cannot be had.
pub(crate) fn effective(
    space: &Space,
    desired: &BTreeMap<TargetPath, TargetValue<SourceId>>,
    reach: Reach,
) -> Result<Effective, SyncError> {
    let mut result = Effective::default();
    for (path, value) in desired {
        match value {
            TargetValue::Reference(id) => {
                if reachable(space, path, id, true, reach, &mut result)? {
                    result.attributes.insert(path.clone(), value.clone());
                }
            }
            TargetValue::References(ids) => {
                let mut there = BTreeSet::new();
                for id in ids {
                    if reachable(space, path, id, false, reach, &mut result)? {
                        there.insert(id.clone());
                    }
                }
                result.attributes.insert(path.clone(), TargetValue::References(there));
            }
            _ => {
                result.attributes.insert(path.clone(), value.clone());
            }
        }
    }
    Ok(result)
}

fn reachable(
    space: &Space,
    path: &TargetPath,
    id: &SourceId,
    single: bool,
    reach: Reach,
    result: &mut Effective,
) -> Result<bool, SyncError> {
    let Some(ReferenceTarget { key, resource_id, provisioned }) = space.reference_target(id)? else { return Ok(false) };
    let linked = resource_id.is_some();
    if let Some(resource) = resource_id {
        result.resources.insert(id.clone(), resource);
    } else {
        result.waiting.push(Waiting { path: path.clone(), target: key, single });
    }
    Ok(match reach {
        Reach::Linked => linked,
        Reach::Planned => provisioned,
    })
}

/// The changes with the target's own ids in place of source ids. References to be taken away whose resource is not
/// known any more are left out: the resource is gone.
pub(crate) fn to_target(
    space: &Space,
    changes: &[AttributeChange<SourceId>],
    resources: &BTreeMap<SourceId, ResourceId>,
) -> Result<Vec<AttributeChange<ResourceId>>, SyncError> {
    let mut converted = Vec::with_capacity(changes.len());
    for change in changes {
        let new = match &change.change {
            Change::Set(value) => match value_to_target(value, resources) {
                Some(value) => Change::Set(value),
                None => continue,
            },
            Change::Remove => Change::Remove,
            Change::References { add, remove } => {
                let add: BTreeSet<ResourceId> = add.iter().filter_map(|id| resources.get(id).cloned()).collect();
                let mut gone = BTreeSet::new();
                for id in remove {
                    gone.extend(space.resource_of(id)?);
                }
                if add.is_empty() && gone.is_empty() {
                    continue;
                }
                Change::References { add, remove: gone }
            }
        };
        // What it was matters only for whether it was there, so references of old need no translation.
        let old = match &change.old {
            None => None,
            Some(TargetValue::Reference(id)) => space.resource_of(id)?.map(TargetValue::Reference),
            Some(TargetValue::References(_)) => Some(TargetValue::References(BTreeSet::new())),
            Some(value) => value_to_target(value, resources),
        };
        converted.push(AttributeChange { path: change.path.clone(), old, change: new });
    }
    Ok(converted)
}

/// A value with the target's own ids in place of source ids; none where a single reference has no resource.
pub(crate) fn value_to_target(
    value: &TargetValue<SourceId>,
    resources: &BTreeMap<SourceId, ResourceId>,
) -> Option<TargetValue<ResourceId>> {
    Some(match value {
        TargetValue::Plain(plain) => TargetValue::Plain(plain.clone()),
        TargetValue::List(values) => TargetValue::List(values.clone()),
        TargetValue::Rows(rows) => TargetValue::Rows(rows.clone()),
        TargetValue::Reference(id) => TargetValue::Reference(resources.get(id)?.clone()),
        TargetValue::References(ids) => {
            TargetValue::References(ids.iter().filter_map(|id| resources.get(id).cloned()).collect())
        }
    })
}

/// A value of the target with source ids in place of its own; references to what is not ours are left out.
pub(crate) fn value_to_source(
    space: &Space,
    value: TargetValue<ResourceId>,
) -> Result<Option<TargetValue<SourceId>>, SyncError> {
    Ok(Some(match value {
        TargetValue::Plain(plain) => TargetValue::Plain(plain),
        TargetValue::List(values) => TargetValue::List(values),
        TargetValue::Rows(rows) => TargetValue::Rows(rows),
        TargetValue::Reference(id) => match space.source_of(&id)? {
            Some(id) => TargetValue::Reference(id),
            None => return Ok(None),
        },
        TargetValue::References(ids) => {
            let mut known = BTreeSet::new();
            for id in &ids {
                known.extend(space.source_of(id)?);
            }
            TargetValue::References(known)
        }
    }))
}
