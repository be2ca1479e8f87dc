//! Edits of a plugin as values of a draft, checked against its contract.

use std::collections::BTreeSet;

use provisor_model::{AttributeName, DraftValue, EntryView, Plain, Reason, Row, ValueView};

use crate::bindings::types;
use crate::contract::Shape;
use crate::encode::ReadPlan;
use crate::fault::told;

/// The longest code of a reason, in octets.
const MAX_CODE: usize = 64;
/// The longest words of a reason, in octets.
const MAX_DETAIL: usize = 1024;

/// The most parts of a row that are compared with each other one by one.
const SMALL_ROW: usize = 16;

/// Whether an edit keeps to the interface and the contract, so that it can be taken over.
///
/// # Errors
/// How it breaks them: the plugin's fault.
pub(crate) fn check(value: &types::TargetValue, reads: &ReadPlan) -> Result<(), String> {
    match value {
        types::TargetValue::Plain(value) => check_plain(value),
        types::TargetValue::Values(values) => values.iter().try_for_each(check_plain),
        types::TargetValue::Rows(rows) => rows.iter().try_for_each(|row| check_row(row)),
        types::TargetValue::Same(place) if reads.shape(*place).is_none() => {
            Err(format!("same({place}) is beyond its reads"))
        }
        types::TargetValue::SameChanged(_) => Err("it answers same-changed, which is for write-back alone".to_owned()),
        types::TargetValue::Reference(dn) if dn.is_empty() => Err("it refers to an empty DN".to_owned()),
        types::TargetValue::ReferenceBy(named) if named.attribute.is_empty() => {
            Err("it refers to an object by an attribute without a name".to_owned())
        }
        types::TargetValue::ReferencesOf(place) if !reads.is_attribute(*place) => {
            Err(format!("references-of({place}) is no attribute of its reads"))
        }
        types::TargetValue::FirstUnique(candidates) if candidates.is_empty() => {
            Err("it answers first-unique without candidates".to_owned())
        }
        types::TargetValue::Same(_)
        | types::TargetValue::Reference(_)
        | types::TargetValue::ReferenceBy(_)
        | types::TargetValue::ReferencesOf(_)
        | types::TargetValue::FirstUnique(_)
        | types::TargetValue::Remove => Ok(()),
    }
}

fn check_plain(value: &types::Value) -> Result<(), String> {
    match value {
        types::Value::Decimal(number) if !number.is_finite() => {
            Err(format!("it sets a decimal to {number}, which no target can hold"))
        }
        _ => Ok(()),
    }
}

fn check_row(cells: &[types::Cell]) -> Result<(), String> {
    if cells.is_empty() {
        return Err("it sets a row without parts".to_owned());
    }
    for cell in cells {
        if cell.sub_attribute.is_empty() {
            return Err("it sets a row with a part that has no name".to_owned());
        }
        check_plain(&cell.value)?;
    }
    let twice = |name: &str| Err(format!("it sets {name} twice in one row"));
    if cells.len() <= SMALL_ROW {
        let rest = |number: usize| cells.get(number + 1..).unwrap_or_default();
        let same = |(number, cell): (usize, &types::Cell)| {
            rest(number).iter().find(|other| other.sub_attribute == cell.sub_attribute)
        };
        return cells.iter().enumerate().find_map(same).map_or(Ok(()), |cell| twice(&cell.sub_attribute));
    }
    let mut names = BTreeSet::new();
    let repeated = cells.iter().find(|cell| !names.insert(cell.sub_attribute.as_str()));
    repeated.map_or(Ok(()), |cell| twice(&cell.sub_attribute))
}

/// The value that a checked edit sets; none takes the attribute away. `found` is what was sent of the entry.
pub(crate) fn value(
    value: types::TargetValue,
    entry: &EntryView<'_>,
    reads: &ReadPlan,
    found: &[&[ValueView<'_>]],
) -> Option<DraftValue> {
    match value {
        types::TargetValue::Same(place) => same(entry, reads, found, place),
        types::TargetValue::Plain(value) => Some(DraftValue::Plain(plain(value))),
        types::TargetValue::Values(values) => {
            (!values.is_empty()).then(|| DraftValue::List(values.into_iter().map(plain).collect()))
        }
        types::TargetValue::Rows(rows) => {
            (!rows.is_empty()).then(|| DraftValue::Rows(rows.into_iter().map(row).collect()))
        }
        types::TargetValue::Reference(dn) => Some(DraftValue::Reference(dn)),
        types::TargetValue::ReferenceBy(named) => {
            Some(DraftValue::ReferenceBy { attribute: AttributeName::new(named.attribute), value: named.value })
        }
        // Also where the entry lists nobody: those whose primary group it is are told by themselves.
        types::TargetValue::ReferencesOf(place) => reads.attribute(place).map(DraftValue::ReferencesOf),
        types::TargetValue::FirstUnique(candidates) => Some(DraftValue::FirstUnique(candidates)),
        types::TargetValue::Remove | types::TargetValue::SameChanged(_) => None,
    }
}

/// All values of an attribute of the entry, typed by the shape that the contract reads it in.
fn same(entry: &EntryView<'_>, reads: &ReadPlan, found: &[&[ValueView<'_>]], place: u32) -> Option<DraftValue> {
    let shape = reads.shape(place)?;
    if shape.is_single() {
        return reads.first_typed(entry, found, place).map(DraftValue::Plain);
    }
    let mut values = reads.typed(entry, found, place);
    match shape {
        // What did not cross may be one or several.
        Shape::Unsent if values.len() == 1 => values.pop().map(DraftValue::Plain),
        _ => (!values.is_empty()).then_some(DraftValue::List(values)),
    }
}

fn plain(value: types::Value) -> Plain {
    match value {
        types::Value::Text(text) => Plain::Text(text),
        types::Value::Binary(octets) => Plain::Binary(octets),
        types::Value::Boolean(flag) => Plain::Boolean(flag),
        types::Value::Integer(number) => Plain::Integer(number),
        types::Value::Decimal(number) => Plain::Decimal(number),
    }
}

fn row(cells: Vec<types::Cell>) -> Row {
    cells.into_iter().map(|cell| (cell.sub_attribute, plain(cell.value))).collect()
}

/// A reason as a plugin gave it, cut to size, and such that a person can be shown it.
pub(crate) fn reason(reason: types::Reason) -> Reason {
    let code = if reason.code.is_empty() { "unspecified".to_owned() } else { told(reason.code, MAX_CODE) };
    Reason { code, detail: told(reason.detail, MAX_DETAIL) }
}

#[cfg(test)]
mod tests {
    use provisor_model::{AttributeLanes, Attributes, IdSyntax, SourceId, Value};

    use super::*;
    use crate::contract::ContractRead;
    use crate::encode::no_values;

    /// What becomes of an edit, where it is allowed.
    fn decoded(edit: types::TargetValue) -> Result<Option<DraftValue>, String> {
        let source_id = SourceId::new(IdSyntax::Text, b"ada").unwrap();
        let text = |value: &str| Value::Text(value.to_owned());
        let attributes: Attributes =
            [("mail", vec![text("b"), text("a")]), ("age", vec![text("36")])].into_iter().collect();
        let entry = provisor_model::Entry {
            anchor: source_id.clone().into(),
            source_id,
            dn: "uid=ada".parse().unwrap(),
            object_class: "user".to_owned(),
            attributes,
        };
        let read = |name: &str, shape| ContractRead { name: name.to_owned(), shape };
        let reads = ReadPlan::new(&[
            read("mail", Shape::Texts),
            read("MAIL", Shape::Text),
            read("age", Shape::Integer),
            read("dn", Shape::Text),
            read("absent", Shape::Unsent),
            read("mail", Shape::Unsent),
        ]);
        let (mut found, mut values) = (Vec::new(), no_values());
        let mut lanes = AttributeLanes::new();
        lanes.push(&entry.attributes);
        let entry = EntryView::of(&entry, lanes.get(0));
        reads.push(&entry, &mut found, &mut values).unwrap();
        check(&edit, &reads)?;
        Ok(value(edit, &entry, &reads, &found))
    }

    fn text(value: &str) -> Plain {
        Plain::Text(value.to_owned())
    }

    #[test]
    fn the_same_is_typed_by_its_shape() {
        let same = |place| decoded(types::TargetValue::Same(place)).unwrap();
        assert_eq!(same(0), Some(DraftValue::List(vec![text("a"), text("b")])));
        assert_eq!(same(1), Some(DraftValue::Plain(text("a"))), "the lowest by octets");
        assert_eq!(same(2), Some(DraftValue::Plain(Plain::Integer(36))));
        assert_eq!(same(3), Some(DraftValue::Plain(text("uid=ada"))));
        assert_eq!(same(4), None, "the same as remove");
    }

    #[test]
    fn references_are_made_of_an_attribute_whether_it_has_values_or_not() {
        let references = |place| decoded(types::TargetValue::ReferencesOf(place));
        assert_eq!(references(5), Ok(Some(DraftValue::ReferencesOf("mail".into()))));
        assert!(matches!(references(4), Ok(Some(DraftValue::ReferencesOf(_)))));
        assert!(references(3).is_err(), "the name of the entry itself is no attribute");
    }

    #[test]
    fn what_breaks_the_interface_is_refused() {
        let cell = |name: &str| types::Cell { sub_attribute: name.to_owned(), value: types::Value::Boolean(true) };
        for broken in [
            types::TargetValue::Same(6),
            types::TargetValue::ReferencesOf(6),
            types::TargetValue::SameChanged(0),
            types::TargetValue::Reference(String::new()),
            types::TargetValue::FirstUnique(Vec::new()),
            types::TargetValue::Plain(types::Value::Decimal(f64::INFINITY)),
            types::TargetValue::Rows(vec![Vec::new()]),
            types::TargetValue::Rows(vec![vec![cell("type"), cell("type")]]),
            types::TargetValue::Rows(vec![vec![cell("")]]),
            types::TargetValue::Rows(vec![(0..40).map(|number| cell(&format!("part{}", number % 39))).collect()]),
        ] {
            assert!(decoded(broken.clone()).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn no_values_and_no_rows_are_the_same_as_remove() {
        assert_eq!(decoded(types::TargetValue::Values(Vec::new())), Ok(None));
        assert_eq!(decoded(types::TargetValue::Rows(Vec::new())), Ok(None));
    }

    #[test]
    fn a_reason_is_cut_to_size_and_has_a_code() {
        let long = reason(types::Reason { code: String::new(), detail: "x".repeat(5000) });
        assert_eq!(long.code, "unspecified");
        assert!(long.detail.len() <= MAX_DETAIL + 4);
    }
}
