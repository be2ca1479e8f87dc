//! What the target has of what we set, in the host's own terms.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{ResourceId, SourceId, TargetPath, TargetValue};
use provisor_space::{PlannedBody, Space, StoredEntry};
use provisor_target::{RemoteResource, ScimTarget};

use crate::SyncError;
use crate::effective::plain_to_source;

type Attributes = BTreeMap<TargetPath, TargetValue<SourceId>>;

/// What the target has of what we set, read so that it compares with ours; its references by its own ids, because
/// whose they are may be known only when everything is matched.
///
/// What the target does not show is taken to be as it was exported.
pub(crate) fn baseline(
    target: &ScimTarget,
    kind: &str,
    desired: &Attributes,
    exported: &Attributes,
    resource: &RemoteResource,
) -> (Attributes, BTreeMap<TargetPath, BTreeSet<ResourceId>>) {
    let (mut values, mut references) = (BTreeMap::new(), BTreeMap::new());
    let only_exported = exported.iter().filter(|(path, _)| !desired.contains_key(*path));
    for (path, ours) in desired.iter().chain(only_exported) {
        if !target.shows(kind, path) {
            values.extend(exported.get(path).map(|value| (path.clone(), value.clone())));
            continue;
        }
        match resource.attribute(path, &like(ours)) {
            Some(TargetValue::Reference(id)) => {
                references.insert(path.clone(), BTreeSet::from([id]));
            }
            Some(TargetValue::References(ids)) => {
                references.insert(path.clone(), ids);
            }
            Some(value) => values.extend(plain_to_source(value).map(|value| (path.clone(), value))),
            None => {}
        }
    }
    (values, references)
}

/// Adds the references that the target has to the baseline. Members that are not desired are left out: who put them
/// there is not known, so they stay; but for those that an earlier cycle exported.
pub(crate) fn resolve_references(space: &Space, stored: &StoredEntry, body: &mut PlannedBody) -> Result<(), SyncError> {
    for (path, ids) in std::mem::take(&mut body.remote_references) {
        let mut known = BTreeSet::new();
        for id in &ids {
            known.extend(space.source_of(id)?);
        }
        let exported = stored.link.as_ref().and_then(|link| link.exported.get(&path));
        match body.desired.get(&path).or(exported) {
            Some(TargetValue::Reference(_)) => {
                body.baseline.extend(known.into_iter().next().map(|id| (path, TargetValue::Reference(id))));
            }
            Some(TargetValue::References(_)) => {
                let ours = |id: &SourceId| {
                    [body.desired.get(&path), exported]
                        .into_iter()
                        .flatten()
                        .any(|value| matches!(value, TargetValue::References(ids) if ids.contains(id)))
                };
                known.retain(ours);
                body.baseline.insert(path, TargetValue::References(known));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A value of the same sort, for reading the target's.
fn like(value: &TargetValue<SourceId>) -> TargetValue<ResourceId> {
    match value {
        TargetValue::Plain(plain) => TargetValue::Plain(plain.clone()),
        TargetValue::List(values) => TargetValue::List(values.clone()),
        TargetValue::Rows(rows) => TargetValue::Rows(rows.clone()),
        TargetValue::Reference(_) => TargetValue::Reference(ResourceId::new("")),
        TargetValue::References(_) => TargetValue::References(BTreeSet::new()),
    }
}
