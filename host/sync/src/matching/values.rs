//! The values by which an object's resource is looked for: its anchor, and what rules make of it.

use provisor_model::{Plain, Row, TargetPath, TargetValue};
use provisor_space::{Planned, Sent, StoredEntry};

use crate::context::Context;

/// The attributes by which this object's resource is looked for, in order, with the values it would have: of several
/// values, such as addresses, only the primary one, or the first: a further one may be somebody else's.
pub(super) fn values_to_match(context: &Context, planned: &Planned, stored: &StoredEntry) -> Vec<(TargetPath, String)> {
    let external_id = &context.paths.external_id;
    let usual = vec![external_id.clone()];
    let paths = context.configuration.matching.get(&stored.entry.object_class).unwrap_or(&usual);
    let values = |path: &TargetPath| match path == external_id {
        true => vec![stored.entry.anchor.to_string()],
        false => texts(&planned.body.desired, path),
    };
    paths.iter().filter_map(|path| Some((path.clone(), values(path).into_iter().next()?))).collect()
}

/// Whether what rules set at `place` may give a value for `path`.
pub(crate) fn may_give(place: &TargetPath, path: &TargetPath) -> bool {
    same_attribute(place, path) && (place.sub_attribute().is_none() || is_at(place, path))
}

/// Whether two paths are about the same attribute, or parts of it.
fn same_attribute(one: &TargetPath, other: &TargetPath) -> bool {
    let whole = |path: &TargetPath| (path.schema().map(str::to_lowercase), path.attribute().to_lowercase());
    one == other || whole(one) == whole(other)
}

/// The texts that stand at a path, or in the rows that it chooses.
fn texts(desired: &Sent, path: &TargetPath) -> Vec<String> {
    let mut found: Vec<(bool, &str)> = Vec::new();
    for (place, value) in desired.iter().filter(|(place, _)| same_attribute(place, path)) {
        match value {
            TargetValue::Plain(Plain::Text(text)) if is_at(place, path) => found.push((false, text)),
            TargetValue::List(values) if place.filter().is_none() => {
                found.extend(values.iter().filter_map(|value| Some((false, text_of(value)?))));
            }
            TargetValue::Rows(rows) => found.extend(rows.iter().filter_map(|row| in_row(row, path))),
            _ => {}
        }
    }
    found.sort_by_key(|(primary, _)| !primary);
    found.into_iter().map(|(_, text)| text.to_owned()).filter(|text| !text.is_empty()).collect()
}

/// Whether what stands at `place` is what `path` means: the same part, of the same row or of any.
fn is_at(place: &TargetPath, path: &TargetPath) -> bool {
    let row = path.filter().is_none() || path.filter() == place.filter();
    let part = place.sub_attribute() == path.sub_attribute()
        || (place.filter().is_some() && path.sub_attribute().is_none() && part(place).eq_ignore_ascii_case("value"));
    place == path || (row && part)
}

fn in_row<'r>(row: &'r Row, path: &TargetPath) -> Option<(bool, &'r str)> {
    let named = |name: &str| row.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let chosen = |filter: &provisor_model::ValueFilter| {
        named(&filter.sub_attribute).and_then(text_of).is_some_and(|text| text.eq_ignore_ascii_case(&filter.value))
    };
    if !path.filter().is_none_or(chosen) {
        return None;
    }
    let primary = matches!(named("primary"), Some(Plain::Boolean(true)));
    Some((primary, named(part(path)).and_then(text_of)?))
}

fn part(path: &TargetPath) -> &str {
    path.sub_attribute().unwrap_or("value")
}

fn text_of(value: &Plain) -> Option<&str> {
    match value {
        Plain::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn row(parts: &[(&str, &str)], primary: bool) -> Row {
        let texts = parts.iter().map(|(name, text)| ((*name).to_owned(), Plain::Text((*text).to_owned())));
        texts.chain(primary.then(|| ("primary".to_owned(), Plain::Boolean(true)))).collect()
    }

    fn found(place: &str, value: TargetValue<provisor_model::SourceId>, path: &str) -> Vec<String> {
        texts(&Sent::from([(place.parse().unwrap(), value)]), &path.parse().unwrap())
    }

    #[test]
    fn addresses_are_found_in_the_rows_that_a_path_chooses_the_primary_one_first() {
        let rows = || {
            TargetValue::Rows(BTreeSet::from([
                row(&[("value", "a@x"), ("type", "other")], false),
                row(&[("value", "b@x"), ("type", "work")], true),
                row(&[("value", "c@x"), ("type", "Work")], false),
            ]))
        };
        assert_eq!(found("emails", rows(), "emails.value"), ["b@x", "c@x", "a@x"]);
        assert_eq!(found("emails", rows(), "emails"), ["b@x", "c@x", "a@x"]);
        assert_eq!(found("emails", rows(), "emails[type eq \"work\"].value"), ["b@x", "c@x"]);
        assert_eq!(found("emails", rows(), "phoneNumbers.value"), Vec::<String>::new());
    }

    #[test]
    fn a_text_is_found_at_its_own_path_and_as_a_part_of_any_row() {
        let text = || TargetValue::Plain(Plain::Text("ada".into()));
        assert_eq!(found("userName", text(), "userName"), ["ada"]);
        assert_eq!(found("name.givenName", text(), "name.familyName"), Vec::<String>::new());
        assert_eq!(found("emails[type eq \"work\"].value", text(), "emails.value"), ["ada"]);
        assert_eq!(
            found("emails[type eq \"work\"].value", text(), "emails[type eq \"home\"].value"),
            Vec::<String>::new()
        );
        assert_eq!(found("urn:a:b:c:employeeNumber", text(), "employeeNumber"), Vec::<String>::new());
    }
}
