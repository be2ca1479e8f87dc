//! What differs between two states of a resource.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{TargetPath, TargetValue};

/// What happens to one attribute of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change<R: Ord> {
    /// It gets this value.
    Set(TargetValue<R>),
    /// It is taken away.
    Remove,
    /// References are added and taken away, the others stay as they are.
    References {
        /// What is added.
        add: BTreeSet<R>,
        /// What is taken away.
        remove: BTreeSet<R>,
    },
}

/// One attribute that changes, with what it was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeChange<R: Ord> {
    /// The attribute.
    pub path: TargetPath,
    /// What it was, where it had been set.
    pub old: Option<TargetValue<R>>,
    /// What happens to it.
    pub change: Change<R>,
}

/// The changes that make `desired` of `exported`, ordered by path. What is in neither is not touched; a list of
/// references is changed by what differs, never replaced.
pub fn attribute_changes<R: Ord + Clone>(
    exported: &BTreeMap<TargetPath, TargetValue<R>>,
    desired: &BTreeMap<TargetPath, TargetValue<R>>,
) -> Vec<AttributeChange<R>> {
    let paths: BTreeSet<&TargetPath> = exported.keys().chain(desired.keys()).collect();
    let mut changes = Vec::new();
    for path in paths {
        let (old, new) = (exported.get(path), desired.get(path));
        if old == new {
            continue;
        }
        let empty = BTreeSet::new();
        let change = match (old, new) {
            (Some(TargetValue::References(old)), Some(TargetValue::References(new))) => reference_changes(old, new),
            (None, Some(TargetValue::References(new))) => reference_changes(&empty, new),
            (Some(TargetValue::References(old)), None) => reference_changes(old, &empty),
            (_, Some(new)) => Change::Set(new.clone()),
            (_, None) => Change::Remove,
        };
        if matches!(&change, Change::References { add, remove } if add.is_empty() && remove.is_empty()) {
            continue;
        }
        changes.push(AttributeChange { path: path.clone(), old: old.cloned(), change });
    }
    changes
}

fn reference_changes<R: Ord + Clone>(old: &BTreeSet<R>, new: &BTreeSet<R>) -> Change<R> {
    Change::References { add: new.difference(old).cloned().collect(), remove: old.difference(new).cloned().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plain;

    fn text(value: &str) -> TargetValue<u32> {
        TargetValue::Plain(Plain::Text(value.into()))
    }

    fn state(pairs: &[(&str, TargetValue<u32>)]) -> BTreeMap<TargetPath, TargetValue<u32>> {
        pairs.iter().map(|(path, value)| (path.parse().unwrap(), value.clone())).collect()
    }

    #[test]
    fn equal_states_have_no_changes() {
        let one = state(&[("title", text("Engineer"))]);
        assert!(attribute_changes(&one, &one).is_empty());
    }

    #[test]
    fn another_unicode_form_or_order_is_no_change_and_another_letter_case_is() {
        let list = |values: &[&str]| {
            TargetValue::<u32>::List(values.iter().map(|value| Plain::Text((*value).to_owned())).collect())
        };
        let rows =
            |value: &str| TargetValue::Rows([[("value".to_owned(), Plain::Text(value.to_owned()))].into()].into());
        let old = state(&[
            ("title", text("Zo\u{eb}")),
            ("nickNames", list(&["b", "a\u{308}"])),
            ("emails", rows("\u{fc}@x")),
        ]);
        let new = state(&[
            ("title", text("Zoe\u{308}")),
            ("nickNames", list(&["\u{e4}", "b"])),
            ("emails", rows("u\u{308}@x")),
        ]);
        assert!(attribute_changes(&old, &new).is_empty());
        assert_eq!(attribute_changes(&state(&[("title", text("Zoë"))]), &state(&[("title", text("ZOË"))])).len(), 1);
    }

    #[test]
    fn what_is_no_longer_desired_is_removed_and_the_rest_set() {
        let old = state(&[("title", text("a")), ("locale", text("de"))]);
        let new = state(&[("title", text("b")), ("timezone", text("UTC"))]);
        let changes = attribute_changes(&old, &new);
        let found: Vec<_> = changes.iter().map(|change| (change.path.as_str(), &change.change)).collect();
        assert_eq!(
            found,
            [("locale", &Change::Remove), ("timezone", &Change::Set(text("UTC"))), ("title", &Change::Set(text("b"))),]
        );
    }

    #[test]
    fn members_change_by_what_differs() {
        let old = state(&[("members", TargetValue::References([1, 2, 3].into()))]);
        let new = state(&[("members", TargetValue::References([2, 3, 4].into()))]);
        let changes = attribute_changes(&old, &new);
        assert_eq!(changes[0].change, Change::References { add: [4].into(), remove: [1].into() });
    }
}
