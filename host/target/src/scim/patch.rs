//! Changes as PATCH operations (RFC 7644, section 3.5.2), in requests of bounded size.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeChange, Change, ResourceId, TargetPath, TargetValue};
use serde_json::{Map, Value, json};

use crate::TargetError;
use crate::scim::abilities::{Abilities, ResourceType};
use crate::scim::dialect::{ReferenceRules, Removal};
use crate::scim::document::{fill_row, filter_row, references, value};

#[cfg(test)]
mod tests;

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The changes of one resource, with what is needed to write them.
pub(crate) struct Patch<'a> {
    pub(crate) abilities: &'a Abilities,
    pub(crate) kind: &'a ResourceType,
    /// The paths that were set before the changes.
    pub(crate) present: &'a BTreeSet<TargetPath>,
    pub(crate) changes: &'a [AttributeChange<ResourceId>],
    pub(crate) rules: ReferenceRules,
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PatchRequest {
    operations: Vec<Value>,
    /// The references that it removes.
    pub(crate) removed: Vec<ResourceId>,
}

impl PatchRequest {
    /// Whether it does nothing but remove references.
    pub(crate) fn only_removes(&self) -> bool {
        !self.removed.is_empty() && self.operations.iter().all(|operation| operation["op"] == "remove")
    }

    /// The request's body.
    pub(crate) fn body(&self) -> Value {
        message(self.operations.clone())
    }
}

/// A reference that is added to or taken from the list at a path.
struct ReferenceChange<'a> {
    path: &'a TargetPath,
    id: &'a ResourceId,
    adds: bool,
}

/// What the changes of parts are grouped by: one attribute, or one row of it.
pub(crate) type GroupKey = (String, String, Option<(String, String)>);

impl Patch<'_> {
    /// The requests: the first has all changes but those of references beyond the first chunk, unless references go
    /// apart.
    pub(crate) fn requests(&self) -> Result<Vec<PatchRequest>, TargetError> {
        let mut first = Some(PatchRequest { operations: self.value_operations()?, removed: Vec::new() });
        let mut requests = Vec::new();
        if self.rules.apart {
            requests.extend(first.take().filter(|request| !request.operations.is_empty()));
        }
        let changes = self.reference_changes();
        for chunk in chunks(&changes, self.rules) {
            let mut request = first.take().unwrap_or_default();
            request.operations.extend(self.reference_operations(chunk));
            request.removed.extend(chunk.iter().filter(|change| !change.adds).map(|change| change.id.clone()));
            requests.push(request);
        }
        requests.extend(first.filter(|request| !request.operations.is_empty()));
        Ok(requests)
    }

    /// Operations for all changes but those of lists of references.
    fn value_operations(&self) -> Result<Vec<Value>, TargetError> {
        let mut operations = Vec::new();
        for group in self.groups() {
            match group.first().and_then(|change| change.path.filter().map(|filter| (change, filter))) {
                Some((change, filter)) if !self.was_there(&change.path, &group) => {
                    let mut row = filter_row(filter);
                    for change in &group {
                        if let Change::Set(target) = &change.change {
                            fill_row(&mut row, &change.path, target)?;
                        }
                    }
                    // Only a filter's own part: nothing was set, and nothing is there to be removed.
                    if row.len() > 1 {
                        operations.push(json!({ "op": "add", "path": holder_path(&change.path), "value": [row] }));
                    }
                }
                _ => self.present_operations(&group, &mut operations)?,
            }
        }
        Ok(operations)
    }

    /// Operations for the parts of an attribute or row that is there already.
    fn present_operations(
        &self,
        group: &[&AttributeChange<ResourceId>],
        operations: &mut Vec<Value>,
    ) -> Result<(), TargetError> {
        if let Some(change) = group.first()
            && group.iter().all(|change| change.change == Change::Remove)
            && self.leaves_nothing(group)
        {
            let whole = match change.path.filter() {
                Some(filter) => format!(
                    "{}[{} eq {}]",
                    holder_path(&change.path),
                    filter.sub_attribute,
                    Value::from(filter.value.as_str())
                ),
                None => holder_path(&change.path),
            };
            operations.push(json!({ "op": "remove", "path": whole }));
            return Ok(());
        }
        for change in group {
            let shape = self.abilities.shape(&self.kind.name, &change.path);
            operations.push(match &change.change {
                Change::Remove => json!({ "op": "remove", "path": change.path.as_str() }),
                Change::Set(target) => {
                    let part = change.path.sub_attribute().is_some();
                    let mut written = value(target, shape, part)?;
                    if let (Some(filter), None) = (change.path.filter(), change.path.sub_attribute()) {
                        let mut row = filter_row(filter);
                        fill_row(&mut row, &change.path, target)?;
                        written = Value::Object(row);
                    }
                    // `add` would put the values of a list beside those that are there.
                    let is_new = change.old.is_none() && change.path.filter().is_none() && !written.is_array();
                    json!({ "op": if is_new { "add" } else { "replace" }, "path": change.path.as_str(), "value": written })
                }
                Change::References { .. } => continue,
            });
        }
        Ok(())
    }

    /// The changes by attribute or row, in the order of their first change; those of whole attributes are alone.
    fn groups(&self) -> Vec<Vec<&AttributeChange<ResourceId>>> {
        let mut groups: Vec<Vec<&AttributeChange<ResourceId>>> = Vec::new();
        let mut places: BTreeMap<GroupKey, usize> = BTreeMap::new();
        let changes = self.changes.iter().filter(|change| !matches!(change.change, Change::References { .. }));
        for change in changes {
            let place = *places.entry(group_key(&change.path)).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.push(change),
                None => groups.push(vec![change]),
            }
        }
        groups
    }

    /// Whether the row that a path chooses was there before the changes, as far as we set it.
    fn was_there(&self, path: &TargetPath, group: &[&AttributeChange<ResourceId>]) -> bool {
        let key = group_key(path);
        group.iter().any(|change| change.old.is_some()) || self.present.iter().any(|present| group_key(present) == key)
    }

    /// Whether nothing of ours is left of a row, or of a complex attribute whose `value` is removed. What else there is,
    /// such as a row's type, means nothing without.
    fn leaves_nothing(&self, group: &[&AttributeChange<ResourceId>]) -> bool {
        let Some(first) = group.first() else { return false };
        let names_value = group
            .iter()
            .any(|change| change.path.sub_attribute().is_some_and(|part| part.eq_ignore_ascii_case("value")));
        if first.path.filter().is_none() && !names_value {
            return false;
        }
        let key = group_key(&first.path);
        let removed = |path: &TargetPath| group.iter().any(|change| change.path == *path);
        self.present.iter().filter(|present| group_key(present) == key).all(removed)
    }

    fn reference_changes(&self) -> Vec<ReferenceChange<'_>> {
        let mut changes = Vec::new();
        for change in self.changes {
            if let Change::References { add, remove } = &change.change {
                changes.extend(add.iter().map(|id| ReferenceChange { path: &change.path, id, adds: true }));
                changes.extend(remove.iter().map(|id| ReferenceChange { path: &change.path, id, adds: false }));
            }
        }
        changes
    }

    /// One `add` for each list that grows, and a `remove` for each reference that goes; a `remove` with values, which
    /// some services read as "remove all", only where the service wants nothing else.
    fn reference_operations(&self, chunk: &[ReferenceChange<'_>]) -> Vec<Value> {
        let mut operations = Vec::new();
        for same_sort in chunk.chunk_by(|one, other| one.adds == other.adds && one.path == other.path) {
            let Some(first) = same_sort.first() else { continue };
            let list = holder_path(first.path);
            if first.adds || self.rules.removal == Removal::ByValue {
                let shape = self.abilities.shape(&self.kind.name, first.path);
                let values = references(same_sort.iter().map(|change| change.id), shape);
                let op = if first.adds { "add" } else { "remove" };
                operations.push(json!({ "op": op, "path": list, "value": values }));
            } else {
                let remove = |change: &ReferenceChange<'_>| {
                    let id = Value::from(change.id.as_str());
                    json!({ "op": "remove", "path": format!("{list}[value eq {id}]") })
                };
                operations.extend(same_sort.iter().map(remove));
            }
        }
        operations
    }
}

/// Cuts changes of references into what one request may hold.
fn chunks<'c, 'a>(changes: &'c [ReferenceChange<'a>], rules: ReferenceRules) -> Vec<&'c [ReferenceChange<'a>]> {
    let (mut chunks, mut begin, mut removed) = (Vec::new(), 0, 0);
    for (place, change) in changes.iter().enumerate() {
        let is_full = place - begin >= rules.chunk || (!change.adds && removed >= rules.removals);
        let before = place.checked_sub(1).filter(|before| *before >= begin).and_then(|before| changes.get(before));
        let differs = before.is_some_and(|before| before.adds != change.adds || before.path != change.path);
        if is_full || (rules.apart && differs) {
            chunks.extend(changes.get(begin..place));
            (begin, removed) = (place, 0);
        }
        removed += usize::from(!change.adds);
    }
    chunks.extend(changes.get(begin..).filter(|rest| !rest.is_empty()));
    chunks
}

pub(crate) fn message(operations: Vec<Value>) -> Value {
    Value::Object(Map::from_iter([
        ("schemas".to_owned(), json!([PATCH_OP])),
        ("Operations".to_owned(), Value::Array(operations)),
    ]))
}

/// The path of the whole attribute that a path is about.
fn holder_path(path: &TargetPath) -> String {
    match path.schema() {
        Some(schema) => format!("{schema}:{}", path.attribute()),
        None => path.attribute().to_owned(),
    }
}

/// What the changes of parts of one attribute, or of one row of it, have in common.
pub(crate) fn group_key(path: &TargetPath) -> GroupKey {
    let filter = path.filter().map(|filter| (filter.sub_attribute.to_ascii_lowercase(), filter.value.to_lowercase()));
    (path.schema().unwrap_or_default().to_ascii_lowercase(), path.attribute().to_ascii_lowercase(), filter)
}

/// The same changes with `old` as a resource shows it now; what is as wanted already falls out.
pub(crate) fn refreshed(
    changes: &[AttributeChange<ResourceId>],
    present: impl Fn(&TargetPath, &TargetValue<ResourceId>) -> Option<TargetValue<ResourceId>>,
) -> Vec<AttributeChange<ResourceId>> {
    let refresh = |change: &AttributeChange<ResourceId>| {
        let like = match (&change.change, &change.old) {
            (Change::Set(like), _) | (Change::Remove, Some(like)) => like,
            (Change::Remove, None) => return Some(change.clone()),
            (Change::References { add, remove }, _) => {
                let there = match present(&change.path, &TargetValue::References(BTreeSet::new())) {
                    Some(TargetValue::References(there)) => there,
                    _ => BTreeSet::new(),
                };
                let (add, remove): (BTreeSet<_>, BTreeSet<_>) =
                    (add.difference(&there).cloned().collect(), remove.intersection(&there).cloned().collect());
                let left = !(add.is_empty() && remove.is_empty());
                return left.then(|| AttributeChange { change: Change::References { add, remove }, ..change.clone() });
            }
        };
        let old = present(&change.path, like);
        let done = match &change.change {
            Change::Set(wanted) => old.as_ref() == Some(wanted),
            _ => old.is_none(),
        };
        (!done).then(|| AttributeChange { path: change.path.clone(), old, change: change.change.clone() })
    };
    changes.iter().filter_map(refresh).collect()
}
