//! Changes as PATCH operations (RFC 7644, section 3.5.2), in requests of bounded size.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeChange, Change, ResourceId, TargetPath, TargetValue};
use serde_json::{Map, Value, json};

use crate::TargetError;
use crate::scim::abilities::{Abilities, ResourceType};
use crate::scim::document::{fill_row, filter_row, references, value};

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The changes of one resource, with what is needed to write them.
pub(crate) struct Patch<'a> {
    pub(crate) abilities: &'a Abilities,
    pub(crate) kind: &'a ResourceType,
    /// The paths that were set before the changes.
    pub(crate) present: &'a BTreeSet<TargetPath>,
    pub(crate) changes: &'a [AttributeChange<ResourceId>],
    /// How many references one request changes at most.
    pub(crate) chunk: usize,
}

/// A reference that is added to or taken from the list at a path.
struct ReferenceChange<'a> {
    path: &'a TargetPath,
    id: &'a ResourceId,
    adds: bool,
}

/// What the changes of parts are grouped by: one attribute, or one row of it.
type GroupKey = (String, String, Option<(String, String)>);

impl Patch<'_> {
    /// The bodies of the requests: the first has all changes but those of references beyond the first chunk.
    pub(crate) fn requests(&self) -> Result<Vec<Value>, TargetError> {
        let mut operations = self.value_operations()?;
        let changes = self.reference_changes();
        let mut requests = Vec::new();
        for chunk in changes.chunks(self.chunk.max(1)) {
            operations.extend(self.reference_operations(chunk));
            requests.push(message(std::mem::take(&mut operations)));
        }
        if !operations.is_empty() {
            requests.push(message(operations));
        }
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

    /// One `add` for each list that grows, and a `remove` for each reference that goes: never a `remove` with a value,
    /// which some services read as "remove all".
    fn reference_operations(&self, chunk: &[ReferenceChange<'_>]) -> Vec<Value> {
        let mut operations = Vec::new();
        for same_sort in chunk.chunk_by(|one, other| one.adds == other.adds && one.path == other.path) {
            let Some(first) = same_sort.first() else { continue };
            let list = holder_path(first.path);
            if first.adds {
                let shape = self.abilities.shape(&self.kind.name, first.path);
                let values = references(same_sort.iter().map(|change| change.id), shape);
                operations.push(json!({ "op": "add", "path": list, "value": values }));
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

fn message(operations: Vec<Value>) -> Value {
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

fn group_key(path: &TargetPath) -> GroupKey {
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
            (Change::Remove, None) | (Change::References { .. }, _) => return Some(change.clone()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use provisor_model::Plain;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn text(value: &str) -> TargetValue<ResourceId> {
        TargetValue::Plain(Plain::Text(value.into()))
    }

    fn ids(range: std::ops::Range<u32>) -> BTreeSet<ResourceId> {
        range.map(|number| ResourceId::new(format!("m{number}"))).collect()
    }

    fn set(path: &str, old: Option<&str>, new: &str) -> AttributeChange<ResourceId> {
        AttributeChange { path: path.parse().unwrap(), old: old.map(text), change: Change::Set(text(new)) }
    }

    fn remove(path: &str, old: &str) -> AttributeChange<ResourceId> {
        AttributeChange { path: path.parse().unwrap(), old: Some(text(old)), change: Change::Remove }
    }

    fn requests(present: &[&str], changes: &[AttributeChange<ResourceId>], chunk: usize) -> Vec<Value> {
        let abilities = Abilities::parse(&json!({"patch": {"supported": true}}), None, None);
        let present = present.iter().map(|path| path.parse().unwrap()).collect();
        let kind = abilities.resource_type("User").unwrap();
        Patch { abilities: &abilities, kind, present: &present, changes, chunk }.requests().unwrap()
    }

    fn operations(present: &[&str], changes: &[AttributeChange<ResourceId>]) -> Value {
        let requests = requests(present, changes, 100);
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert_eq!(requests[0]["schemas"], json!([PATCH_OP]));
        requests[0]["Operations"].clone()
    }

    #[test]
    fn single_values_are_added_replaced_and_removed() {
        let boolean = AttributeChange {
            path: "active".parse().unwrap(),
            old: Some(TargetValue::Plain(Plain::Boolean(true))),
            change: Change::Set(TargetValue::Plain(Plain::Boolean(false))),
        };
        let department = format!("{ENTERPRISE}:department");
        let changes = [
            set("title", None, "Dr"),
            set("name.givenName", Some("A"), "Ada"),
            remove("locale", "en"),
            boolean,
            set(&department, None, "X"),
        ];
        assert_eq!(
            operations(&["name.givenName", "locale"], &changes),
            json!([
                {"op": "add", "path": "title", "value": "Dr"},
                {"op": "replace", "path": "name.givenName", "value": "Ada"},
                {"op": "remove", "path": "locale"},
                {"op": "replace", "path": "active", "value": false},
                {"op": "add", "path": department, "value": "X"},
            ])
        );
    }

    #[test]
    fn a_new_row_is_added_whole_by_one_operation() {
        let changes =
            [set(r#"emails[type eq "work"].value"#, None, "a@x"), set(r#"emails[type eq "Work"].display"#, None, "A")];
        assert_eq!(
            operations(&[], &changes),
            json!([
                {"op": "add", "path": "emails", "value": [{"type": "work", "value": "a@x", "display": "A"}]},
            ])
        );
    }

    #[test]
    fn a_new_part_of_a_row_that_is_there_makes_no_second_row() {
        let street = r#"addresses[type eq "work"].streetAddress"#;
        let locality = r#"addresses[type eq "work"].locality"#;
        assert_eq!(
            operations(&[street], &[set(locality, None, "London")]),
            json!([
                {"op": "replace", "path": locality, "value": "London"},
            ])
        );
    }

    #[test]
    fn the_last_part_of_ours_takes_the_row_with_it() {
        let (value, display) = (r#"emails[type eq "work"].value"#, r#"emails[type eq "work"].display"#);
        let whole = json!([{"op": "remove", "path": r#"emails[type eq "work"]"#}]);
        assert_eq!(operations(&[value], &[remove(value, "a@x")]), whole);
        assert_eq!(operations(&[value, display], &[remove(value, "a@x"), remove(display, "A")]), whole);
        assert_eq!(operations(&[value, display], &[remove(display, "A")]), json!([{"op": "remove", "path": display}]));
    }

    #[test]
    fn a_manager_goes_whole() {
        let path = format!("{ENTERPRISE}:manager.value");
        let manager = Some(TargetValue::Reference(ResourceId::new("7")));
        let change = AttributeChange { path: path.parse().unwrap(), old: manager, change: Change::Remove };
        assert_eq!(operations(&[&path], &[change]), json!([{"op": "remove", "path": format!("{ENTERPRISE}:manager")}]));
        let path = format!("{ENTERPRISE}:manager");
        let set = Change::Set(TargetValue::Reference(ResourceId::new("8")));
        let change = AttributeChange { path: path.parse().unwrap(), old: None, change: set };
        assert_eq!(operations(&[], &[change]), json!([{"op": "add", "path": path, "value": {"value": "8"}}]));
    }

    #[test]
    fn a_list_is_replaced_as_a_whole() {
        let list = TargetValue::List([Plain::Text("a".into())].into());
        let change = AttributeChange { path: "roles".parse().unwrap(), old: None, change: Change::Set(list) };
        assert_eq!(operations(&[], &[change]), json!([{"op": "replace", "path": "roles", "value": [{"value": "a"}]}]));
    }

    #[test]
    fn members_go_one_by_one_and_never_by_value() {
        let remove = [ResourceId::new("a"), ResourceId::new(r#"b"]"#)].into();
        let change = Change::References { add: ids(0..2), remove };
        let change = AttributeChange { path: "members".parse().unwrap(), old: None, change };
        assert_eq!(
            operations(&["members"], &[change]),
            json!([
                {"op": "add", "path": "members", "value": [{"value": "m0"}, {"value": "m1"}]},
                {"op": "remove", "path": r#"members[value eq "a"]"#},
                {"op": "remove", "path": r#"members[value eq "b\"]"]"#},
            ])
        );
    }

    #[test]
    fn many_members_take_several_requests_and_the_rest_comes_with_the_first() {
        let change = Change::References { add: ids(0..7), remove: ids(7..9) };
        let members = AttributeChange { path: "members".parse().unwrap(), old: None, change };
        let requests = requests(&["members"], &[set("displayName", Some("a"), "b"), members], 4);
        let operations: Vec<usize> =
            requests.iter().map(|request| request["Operations"].as_array().unwrap().len()).collect();
        assert_eq!(operations, [2, 2, 1], "name and 4 members; 3 members and a removal; the last removal");
        assert_eq!(requests[0]["Operations"][0]["path"], "displayName");
        assert_eq!(requests[1]["Operations"][0]["value"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn nothing_to_change_is_nothing_to_send() {
        assert!(requests(&["title"], &[], 4).is_empty());
    }

    #[test]
    fn what_is_as_wanted_already_is_not_written_again() {
        let changes = [set("title", Some("a"), "b"), remove("locale", "en"), set("nickName", Some("x"), "y")];
        let shown = |path: &TargetPath, _: &TargetValue<ResourceId>| match path.as_str() {
            "title" => Some(text("b")),
            "nickName" => Some(text("z")),
            _ => None,
        };
        assert_eq!(refreshed(&changes, shown), [set("nickName", Some("z"), "y")]);
    }
}
