//! Desired states as far as their references can be had now: a reference to what has no resource waits.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeChange, Change, ResourceId, SourceId, TargetPath, TargetValue};
use provisor_space::{ReferenceTarget, Space, Waiting};

use crate::SyncError;
use crate::foresight::Prospects;

/// Which references count as there. Never those whose target is planned to leave.
#[derive(Clone, Copy)]
pub(crate) enum Reach<'a> {
    /// Those that can be sent now: their target has a resource, or the resource refers to it already.
    Now,
    /// Also those whose target will have a resource by the plan.
    Planned,
    /// The same, in a preview, which stores no plan.
    Foreseen(&'a Prospects),
}

/// What is desired, without the references that cannot be had, and those that therefore wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effective {
    pub attributes: BTreeMap<TargetPath, TargetValue<SourceId>>,
    pub waiting: Vec<Waiting>,
    /// The resources of the references.
    pub resources: BTreeMap<SourceId, ResourceId>,
}

/// Leaves out of `desired` the references that cannot be had; `baseline` is what the resource has.
pub(crate) fn effective(
    space: &Space,
    desired: &BTreeMap<TargetPath, TargetValue<SourceId>>,
    baseline: &BTreeMap<TargetPath, TargetValue<SourceId>>,
    reach: Reach<'_>,
) -> Result<Effective, SyncError> {
    effective_of(space, desired.clone(), baseline, reach)
}

/// The same of a desired state that nobody needs any more, so that its values move.
pub(crate) fn effective_of(
    space: &Space,
    desired: BTreeMap<TargetPath, TargetValue<SourceId>>,
    baseline: &BTreeMap<TargetPath, TargetValue<SourceId>>,
    reach: Reach,
) -> Result<Effective, SyncError> {
    let referring: Vec<TargetPath> =
        desired.iter().filter(|(_, value)| is_reference(value)).map(|(path, _)| path.clone()).collect();
    let mut result = Effective { attributes: desired, ..Effective::default() };
    for path in &referring {
        let present = |id: &SourceId| match baseline.get(path) {
            Some(TargetValue::Reference(there)) => there == id,
            Some(TargetValue::References(there)) => there.contains(id),
            _ => false,
        };
        match result.attributes.remove(path) {
            Some(TargetValue::Reference(id)) => {
                let reference = Reference { path, id: &id, single: true, present: present(&id) };
                if reachable(space, &reference, reach, &mut result)? {
                    result.attributes.insert(path.clone(), TargetValue::Reference(id));
                }
            }
            Some(TargetValue::References(ids)) => {
                let mut there = BTreeSet::new();
                for id in ids {
                    let reference = Reference { path, id: &id, single: false, present: present(&id) };
                    if reachable(space, &reference, reach, &mut result)? {
                        there.insert(id);
                    }
                }
                result.attributes.insert(path.clone(), TargetValue::References(there));
            }
            _ => {}
        }
    }
    Ok(result)
}

fn is_reference(value: &TargetValue<SourceId>) -> bool {
    matches!(value, TargetValue::Reference(_) | TargetValue::References(_))
}

/// The references of a desired state alone.
pub(crate) fn references_in(
    desired: &BTreeMap<TargetPath, TargetValue<SourceId>>,
) -> BTreeMap<TargetPath, TargetValue<SourceId>> {
    let references = desired.iter().filter(|(_, value)| is_reference(value));
    references.map(|(path, value)| (path.clone(), value.clone())).collect()
}

/// A reference that is desired.
struct Reference<'a> {
    path: &'a TargetPath,
    id: &'a SourceId,
    single: bool,
    /// Whether the resource has it.
    present: bool,
}

fn reachable(
    space: &Space,
    reference: &Reference<'_>,
    reach: Reach<'_>,
    result: &mut Effective,
) -> Result<bool, SyncError> {
    let Some(ReferenceTarget { key, resource_id, provisioned }) = space.reference_target(reference.id)? else {
        return Ok(false);
    };
    let now = provisioned && (resource_id.is_some() || reference.present);
    if let Some(resource) = resource_id {
        result.resources.insert(reference.id.clone(), resource);
    }
    if !now {
        result.waiting.push(Waiting { path: reference.path.clone(), target: key, single: reference.single });
    }
    Ok(match reach {
        Reach::Now => now,
        Reach::Planned => provisioned,
        Reach::Foreseen(prospects) => prospects.ask(space, key)?,
    })
}

/// The changes with the target's own ids in place of source ids. References to be taken away whose resource is not
/// known any more are left out: the resource is gone.
pub(crate) fn to_target(
    space: &Space,
    changes: &[AttributeChange<SourceId>],
    wanted: &Effective,
) -> Result<Vec<AttributeChange<ResourceId>>, SyncError> {
    let resources = &wanted.resources;
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
                // Whoever is meant in another way now, as an entry of ours that was an object of another directory before.
                if let (false, Some(TargetValue::References(stay))) =
                    (gone.is_empty(), wanted.attributes.get(&change.path))
                {
                    for resource in stay.iter().filter_map(|id| resources.get(id)) {
                        gone.remove(resource);
                    }
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

/// A value of the target without references, with its own type for ours.
pub(crate) fn plain_to_source(value: TargetValue<ResourceId>) -> Option<TargetValue<SourceId>> {
    match value {
        TargetValue::Plain(plain) => Some(TargetValue::Plain(plain)),
        TargetValue::List(values) => Some(TargetValue::List(values)),
        TargetValue::Rows(rows) => Some(TargetValue::Rows(rows)),
        TargetValue::Reference(_) | TargetValue::References(_) => None,
    }
}
