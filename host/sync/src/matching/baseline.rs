//! What the target has of what we set, in the host's own terms.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{ResourceId, SourceId, TargetPath, TargetValue};
use provisor_space::{PlannedBody, Sent, Space, StoredEntry};
use provisor_target::{RemoteResource, ScimTarget};
use serde_json::Value;

use crate::SyncError;
use crate::effective::plain_to_source;

type Attributes = BTreeMap<TargetPath, TargetValue<SourceId>>;

/// References as the target has them: its own ids, with the kind where it tells one.
type Remote = BTreeSet<(ResourceId, Option<String>)>;

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
) -> (Attributes, BTreeMap<TargetPath, Remote>) {
    let (mut values, mut references) = (BTreeMap::new(), BTreeMap::new());
    let only_exported = exported.iter().filter(|(path, _)| !desired.contains_key(*path));
    for (path, ours) in desired.iter().chain(only_exported) {
        if !target.shows(kind, path) {
            values.extend(exported.get(path).map(|value| (path.clone(), value.clone())));
            continue;
        }
        match resource.attribute(path, &like(ours)) {
            Some(TargetValue::Reference(id)) => {
                references.insert(path.clone(), with_kinds(resource, path, BTreeSet::from([id])));
            }
            Some(TargetValue::References(ids)) => {
                references.insert(path.clone(), with_kinds(resource, path, ids));
            }
            Some(value) => values.extend(plain_to_source(value).map(|value| (path.clone(), value))),
            None => {}
        }
    }
    (values, references)
}

/// The kind of each reference, where the target tells it: by `type`, or by the address in `$ref` (RFC 7643, section
/// 2.4).
fn with_kinds(resource: &RemoteResource, path: &TargetPath, ids: BTreeSet<ResourceId>) -> Remote {
    let mut kinds: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
    let holder = path.schema().and_then(|urn| member(&resource.document, urn)).unwrap_or(&resource.document);
    let items = match member(holder, path.attribute()) {
        Some(Value::Array(items)) => items.as_slice(),
        Some(item) => std::slice::from_ref(item),
        None => &[],
    };
    for item in items {
        if let Some(id) = member(item, "value").and_then(Value::as_str) {
            kinds.entry(id).or_default().push(kind_of(item));
        }
    }
    ids.into_iter()
        .flat_map(|id| {
            let told = kinds.remove(id.as_str()).unwrap_or_else(|| vec![None]);
            told.into_iter().map(move |kind| (id.clone(), kind))
        })
        .collect()
}

fn kind_of(item: &Value) -> Option<String> {
    let by_type = member(item, "type").and_then(Value::as_str).map(str::to_owned);
    let by_address = || {
        let address = member(item, "$ref").and_then(Value::as_str)?;
        let endpoint = address.trim_end_matches('/').rsplit('/').nth(1)?;
        Some(endpoint.strip_suffix('s').unwrap_or(endpoint).to_owned())
    };
    // The canonical words alone: some services say here how somebody became a member.
    [by_type, by_address()]
        .into_iter()
        .flatten()
        .find(|kind| ["User", "Group"].iter().any(|known| known.eq_ignore_ascii_case(kind)))
}

/// A part of an object; names compare without regard to case (RFC 7643, section 2.1).
fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Adds the references that the target has to the baseline. Members that are not desired are left out: who put them
/// there is not known, so they stay; but for those that an earlier cycle exported, or may have.
pub(crate) fn resolve_references(space: &Space, stored: &StoredEntry, body: &mut PlannedBody) -> Result<(), SyncError> {
    if body.remote_references.is_empty() {
        return Ok(());
    }
    let sent = if stored.uncertain { space.sent(stored.key)? } else { Sent::new() };
    for (path, remote) in std::mem::take(&mut body.remote_references) {
        let exported = stored.link.as_ref().and_then(|link| link.exported.get(&path));
        let ours: Vec<&TargetValue<SourceId>> =
            [body.desired.get(&path), exported, sent.get(&path)].into_iter().flatten().collect();
        let single = matches!(ours.first(), Some(TargetValue::Reference(_)));
        let mut known = BTreeSet::new();
        for value in ours {
            let ids: &mut dyn Iterator<Item = &SourceId> = match value {
                TargetValue::Reference(id) => &mut std::iter::once(id),
                TargetValue::References(ids) => &mut ids.iter(),
                _ => continue,
            };
            for id in ids {
                if !known.contains(id) && is_among(space, id, &remote)? {
                    known.insert(id.clone());
                }
            }
        }
        if !single {
            body.baseline.insert(path, TargetValue::References(known));
            continue;
        }
        let mut found = known.into_iter().next();
        if let (None, Some((id, kind))) = (&found, remote.first()) {
            found = space.source_of(kind.as_deref(), id)?;
        }
        body.baseline.extend(found.map(|id| (path, TargetValue::Reference(id))));
    }
    Ok(())
}

/// Whether a resource of this entry is among these. Two kinds may count their ids for themselves: where the target
/// tells another kind, and somebody else of ours is that one, it is not this entry's.
fn is_among(space: &Space, id: &SourceId, remote: &Remote) -> Result<bool, SyncError> {
    for (own, resource) in space.resources_of(id)? {
        let same_id = remote.range((resource.clone(), None)..).take_while(|(other, _)| *other == resource);
        for (_, told) in same_id {
            let other = match told {
                Some(kind) if !kind.eq_ignore_ascii_case(&own) => space.source_of(Some(kind), &resource)?,
                _ => None,
            };
            if other.is_none() {
                return Ok(true);
            }
        }
    }
    Ok(false)
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
