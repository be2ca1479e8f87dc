//! Resource documents from attribute paths and values, and single JSON values (RFC 7643, section 2).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provisor_model::{Plain, ResourceId, Row, TargetPath, TargetValue, ValueFilter};
use serde_json::{Map, Number, Value, json};

use crate::TargetError;
use crate::scim::abilities::{Abilities, ResourceType, Shape};
use crate::scim::json;

/// A single value in JSON. Numbers that JSON does not have (infinity) are an error.
pub(crate) fn plain(value: &Plain) -> Result<Value, TargetError> {
    Ok(match value {
        Plain::Text(text) => Value::from(text.as_str()),
        Plain::Boolean(flag) => Value::from(*flag),
        Plain::Integer(number) => Value::from(*number),
        Plain::Decimal(number) => Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(|| TargetError::Unsupported(format!("the number {number} cannot be written in JSON")))?,
        Plain::Binary(octets) => Value::from(STANDARD.encode(octets)),
    })
}

/// A row of a complex attribute.
pub(crate) fn row(row: &Row) -> Result<Value, TargetError> {
    let parts = row.iter().map(|(name, value)| Ok((name.clone(), plain(value)?)));
    parts.collect::<Result<Map<_, _>, TargetError>>().map(Value::Object)
}

/// References as the items of a multi-valued attribute.
pub(crate) fn references<'r>(ids: impl IntoIterator<Item = &'r ResourceId>, shape: Shape) -> Value {
    let item = |id: &ResourceId| if shape.complex { json!({ "value": id.as_str() }) } else { Value::from(id.as_str()) };
    ids.into_iter().map(item).collect()
}

/// The value of a whole attribute, or of the part that a path names (`part`).
pub(crate) fn value(value: &TargetValue<ResourceId>, shape: Shape, part: bool) -> Result<Value, TargetError> {
    let wrap = |single: Value| if shape.complex && !part { json!({ "value": single }) } else { single };
    let several = |single: Value| if shape.multi_valued && !part { Value::Array(vec![single]) } else { single };
    Ok(match value {
        TargetValue::Plain(single) => several(wrap(plain(single)?)),
        TargetValue::Reference(id) => several(wrap(Value::from(id.as_str()))),
        TargetValue::List(values) => {
            Value::Array(values.iter().map(|one| plain(one).map(wrap)).collect::<Result<_, _>>()?)
        }
        TargetValue::Rows(rows) => match rows.first() {
            // The only row of an attribute that has one value is that value.
            Some(only) if shape.complex && !shape.multi_valued && rows.len() == 1 => row(only)?,
            _ => Value::Array(rows.iter().map(row).collect::<Result<_, _>>()?),
        },
        TargetValue::References(ids) => references(ids, shape),
    })
}

/// The row that a filter chooses, holding only what the filter says.
pub(crate) fn filter_row(filter: &ValueFilter) -> Map<String, Value> {
    Map::from_iter([(filter.sub_attribute.clone(), Value::from(filter.value.as_str()))])
}

/// Puts the value of a chosen row into it: a part, the row's parts, or its `value`.
pub(crate) fn fill_row(
    into: &mut Map<String, Value>,
    path: &TargetPath,
    target: &TargetValue<ResourceId>,
) -> Result<(), TargetError> {
    match (path.sub_attribute(), target) {
        (Some(part), _) => {
            *json::slot(into, part) = value(target, Shape { complex: false, multi_valued: false }, true)?;
        }
        (None, TargetValue::Rows(rows)) if rows.len() == 1 => {
            for (name, single) in rows.iter().flatten() {
                *json::slot(into, name) = plain(single)?;
            }
        }
        (None, TargetValue::Plain(single)) => *json::slot(into, "value") = plain(single)?,
        (None, TargetValue::Reference(id)) => *json::slot(into, "value") = Value::from(id.as_str()),
        (None, _) => {
            return Err(TargetError::Unsupported(format!("\"{path}\" is one row and cannot hold several values")));
        }
    }
    Ok(())
}

/// Whether a row is the one that a filter chooses.
pub(crate) fn is_chosen(row: &Value, filter: &ValueFilter) -> bool {
    json::text(row, &filter.sub_attribute).is_some_and(|text| text.eq_ignore_ascii_case(&filter.value))
}

/// The object that holds the attribute of a path: the resource itself, or its extension.
pub(crate) fn holder<'d>(
    document: &'d mut Map<String, Value>,
    kind: &ResourceType,
    path: &TargetPath,
) -> Option<&'d mut Map<String, Value>> {
    match kind.extension(path) {
        Some(urn) => json::as_object(json::slot(document, urn)),
        None => Some(document),
    }
}

/// Sets the value at a path of a resource document, leaving all else as it is.
pub(crate) fn set(
    document: &mut Map<String, Value>,
    abilities: &Abilities,
    kind: &ResourceType,
    path: &TargetPath,
    target: &TargetValue<ResourceId>,
) -> Result<(), TargetError> {
    let shape = abilities.shape(&kind.name, path);
    let name = abilities.attribute(&kind.name, path).map_or(path.attribute(), |definition| &definition.name);
    let Some(holder) = holder(document, kind, path) else { return Ok(()) };
    let slot = json::slot(holder, name);
    let several = matches!(target, TargetValue::References(_) | TargetValue::List(_) | TargetValue::Rows(_));
    match (path.filter(), path.sub_attribute()) {
        (None, None) => *slot = value(target, shape, false)?,
        // members.value is a way to write members.
        (None, Some(_)) if shape.multi_valued && several => *slot = value(target, shape, false)?,
        (None, Some(part)) if shape.multi_valued => *slot = json!([{ part: value(target, shape, true)? }]),
        (None, Some(part)) => {
            if let Some(object) = json::as_object(slot) {
                *json::slot(object, part) = value(target, shape, true)?;
            }
        }
        (Some(filter), _) => {
            if let Some(rows) = json::as_array(slot) {
                let chosen = match rows.iter().position(|row| is_chosen(row, filter)) {
                    Some(position) => rows.get_mut(position),
                    None => {
                        rows.push(Value::Object(filter_row(filter)));
                        rows.last_mut()
                    }
                };
                if let Some(row) = chosen.and_then(json::as_object) {
                    fill_row(row, path, target)?;
                }
            }
        }
    }
    Ok(())
}

/// Takes the value at a path out of a resource document.
pub(crate) fn unset(document: &mut Map<String, Value>, kind: &ResourceType, path: &TargetPath) {
    let Some(holder) = holder(document, kind, path) else { return };
    let name = path.attribute();
    match (path.filter(), path.sub_attribute()) {
        (None, None) => drop(json::remove(holder, name)),
        (None, Some(part)) => {
            if let Value::Object(object) = json::slot(holder, name) {
                json::remove(object, part);
            }
        }
        (Some(filter), part) => {
            if let Value::Array(rows) = json::slot(holder, name) {
                for row in rows.iter_mut().filter(|row| is_chosen(row, filter)).filter_map(Value::as_object_mut) {
                    match part {
                        Some(part) => drop(json::remove(row, part)),
                        None => row.clear(),
                    }
                }
                // A row that holds no more than what chose it says nothing.
                rows.retain(|row| {
                    !row.as_object().is_some_and(|row| {
                        row.len() <= 1 && row.keys().all(|key| key.eq_ignore_ascii_case(&filter.sub_attribute))
                    })
                });
            }
        }
    }
    if holder.get(name).is_some_and(Value::is_null) {
        json::remove(holder, name);
    }
}

/// Adds references to and takes them from the items at a path of a resource document.
pub(crate) fn change_references(
    document: &mut Map<String, Value>,
    abilities: &Abilities,
    kind: &ResourceType,
    path: &TargetPath,
    add: &BTreeSet<ResourceId>,
    remove: &BTreeSet<ResourceId>,
) {
    let shape = abilities.shape(&kind.name, path);
    let Some(items) =
        holder(document, kind, path).and_then(|holder| json::as_array(json::slot(holder, path.attribute())))
    else {
        return;
    };
    let id = |item: &Value| item.as_str().or_else(|| json::text(item, "value")).map(ResourceId::new);
    items.retain(|item| !id(item).is_some_and(|id| remove.contains(&id)));
    let present: BTreeSet<ResourceId> = items.iter().filter_map(id).collect();
    if let Value::Array(new) = references(add.difference(&present), shape) {
        items.extend(new);
    }
}

/// The document of a new resource.
pub(crate) fn build(
    abilities: &Abilities,
    kind: &ResourceType,
    external_id: &str,
    attributes: &BTreeMap<TargetPath, TargetValue<ResourceId>>,
) -> Result<Value, TargetError> {
    let mut document = Map::new();
    for (path, target) in attributes {
        set(&mut document, abilities, kind, path, target)?;
    }
    *json::slot(&mut document, "externalId") = Value::from(external_id);
    list_schemas(&mut document, kind);
    Ok(Value::Object(document))
}

/// Makes `schemas` name the core schema and each extension that the document uses (RFC 7643, section 3).
pub(crate) fn list_schemas(document: &mut Map<String, Value>, kind: &ResourceType) {
    let used = document.iter().filter(|(name, value)| {
        name.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("urn:")) && !value.is_null()
    });
    let urns: Vec<Value> =
        [kind.schema.as_str()].into_iter().chain(used.map(|(urn, _)| urn.as_str())).map(Value::from).collect();
    *json::slot(document, "schemas") = Value::Array(urns);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn abilities() -> Abilities {
        Abilities::parse(&json!({"patch": {"supported": true}}), None, None)
    }

    fn text(value: &str) -> TargetValue<ResourceId> {
        TargetValue::Plain(Plain::Text(value.into()))
    }

    fn built(pairs: &[(&str, TargetValue<ResourceId>)]) -> Value {
        let attributes = pairs.iter().map(|(path, value)| (path.parse().unwrap(), value.clone())).collect();
        let abilities = abilities();
        build(&abilities, abilities.resource_type("User").unwrap(), "anchor", &attributes).unwrap()
    }

    #[test]
    fn a_new_resource_is_nested_as_its_paths_say() {
        let mut row = Row::new();
        row.insert("value".into(), Plain::Text("+1".into()));
        row.insert("primary".into(), Plain::Boolean(true));
        let document = built(&[
            ("userName", text("ada")),
            ("NAME.givenName", text("Ada")),
            ("name.familyName", text("Lovelace")),
            ("active", TargetValue::Plain(Plain::Boolean(true))),
            (r#"emails[type eq "work"].value"#, text("ada@work")),
            (r#"emails[type eq "work"].primary"#, TargetValue::Plain(Plain::Boolean(true))),
            (r#"emails[type eq "home"].value"#, text("ada@home")),
            ("phoneNumbers", TargetValue::Rows([row].into())),
            ("roles", TargetValue::List([Plain::Text("b".into()), Plain::Text("a".into())].into())),
            ("tags", TargetValue::List([Plain::Text("x".into())].into())),
            ("photo", TargetValue::Plain(Plain::Binary(vec![0xff, 0xfe]))),
            (&format!("{ENTERPRISE}:department"), text("Engines")),
            (&format!("{ENTERPRISE}:manager"), TargetValue::Reference(ResourceId::new("7"))),
        ]);
        assert_eq!(
            document,
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
                "externalId": "anchor",
                "userName": "ada",
                "name": {"givenName": "Ada", "familyName": "Lovelace"},
                "active": true,
                "emails": [{"type": "home", "value": "ada@home"}, {"type": "work", "value": "ada@work", "primary": true}],
                "phoneNumbers": [{"value": "+1", "primary": true}],
                "roles": [{"value": "a"}, {"value": "b"}],
                "tags": ["x"],
                "photo": "//4=",
                ENTERPRISE: {"department": "Engines", "manager": {"value": "7"}},
            })
        );
    }

    #[test]
    fn a_reference_may_be_named_by_the_part_that_holds_it() {
        let document = built(&[
            (&format!("{ENTERPRISE}:manager.value"), TargetValue::Reference(ResourceId::new("7"))),
            ("members.value", TargetValue::References([ResourceId::new("1")].into())),
        ]);
        assert_eq!(document[ENTERPRISE]["manager"], json!({"value": "7"}));
        assert_eq!(document["members"], json!([{"value": "1"}]));
    }

    #[test]
    fn the_core_schema_by_name_is_the_resource_itself() {
        let document = built(&[("urn:ietf:params:scim:schemas:core:2.0:User:title", text("Countess"))]);
        assert_eq!(document["title"], "Countess");
        assert_eq!(document["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:User"]));
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        let attributes = [("score".parse().unwrap(), TargetValue::Plain(Plain::Decimal(f64::INFINITY)))].into();
        let abilities = abilities();
        let built = build(&abilities, abilities.resource_type("User").unwrap(), "a", &attributes);
        assert!(matches!(built, Err(TargetError::Unsupported(_))), "{built:?}");
    }

    #[test]
    fn changes_are_laid_over_a_resource_without_touching_the_rest() {
        let abilities = abilities();
        let kind = abilities.resource_type("Group").unwrap();
        let shown = json!({
            "id": "1", "displayName": "Old", "custom": {"kept": true},
            "emails": [{"type": "work", "value": "w"}, {"type": "home", "value": "h", "display": "H"}],
            "members": [{"value": "a", "display": "A"}, {"value": "b"}],
        });
        let mut document = shown.as_object().unwrap().clone();
        set(&mut document, &abilities, kind, &"displayname".parse().unwrap(), &text("New")).unwrap();
        unset(&mut document, kind, &r#"emails[type eq "work"].value"#.parse().unwrap());
        unset(&mut document, kind, &"nowhere.part".parse().unwrap());
        let (add, remove) = ([ResourceId::new("a"), ResourceId::new("c")].into(), [ResourceId::new("b")].into());
        change_references(&mut document, &abilities, kind, &"members".parse().unwrap(), &add, &remove);
        assert_eq!(
            Value::Object(document),
            json!({
                "id": "1", "displayName": "New", "custom": {"kept": true},
                "emails": [{"type": "home", "value": "h", "display": "H"}],
                "members": [{"value": "a", "display": "A"}, {"value": "c"}],
            })
        );
    }
}
