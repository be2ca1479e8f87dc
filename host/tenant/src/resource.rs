//! Resources as clients send them: names and values are brought into the schema's form, or refused with the reason.
use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::clock;
use crate::error::{ErrorType, Refusal};
use crate::schema::{Attribute, Catalogue, Kind, Mutability, Named, ValueType};

/// What a client wants a resource to be: read-only attributes are gone, names are the schema's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Draft {
    /// All attributes but the members.
    pub(crate) body: Map<String, Value>,
    /// The ids of the members, for a group.
    pub(crate) members: Vec<String>,
}

/// Reads the body of a POST or PUT.
///
/// # Errors
/// 400: no object, the `schemas` do not name the kind, an attribute that no schema has, a value of another type, a
/// required attribute missing.
pub(crate) fn accept(catalogue: &'static Catalogue, kind: Kind, value: Value) -> Result<Draft, Refusal> {
    let Value::Object(input) = value else {
        return Err(Refusal::bad(ErrorType::InvalidSyntax, format!("A {} is a JSON object.", kind.name())));
    };
    check_schemas(field(&input, "schemas"), kind.schema())?;
    let mut draft = Draft::default();
    for (name, value) in input {
        match catalogue.resolve(kind, &name) {
            Some(Named::Extension(extension)) => {
                let Value::Object(input) = value else {
                    return Err(wrong_type(&name, "an object"));
                };
                let mut part = Map::new();
                // Clients that model an extension as a resource name its schema in it as well; its key says the same.
                for (name, value) in input.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("schemas")) {
                    let attributes = catalogue.attributes(extension);
                    let definition = attributes.iter().find(|one| one.name.eq_ignore_ascii_case(&name));
                    set(&mut part, definition.ok_or_else(|| unknown(&format!("{extension}:{name}")))?, value)?;
                }
                if !part.is_empty() {
                    draft.body.insert(extension.to_owned(), Value::Object(part));
                }
            }
            Some(Named::Attribute(at)) if at.sub.is_none() && at.extension.is_none() => {
                if at.is("members") {
                    draft.members = member_ids(at.attribute, value)?;
                } else {
                    set(&mut draft.body, at.attribute, value)?;
                }
            }
            _ => return Err(unknown(&name)),
        }
    }
    check(catalogue, kind, &draft.body)?;
    Ok(draft)
}

/// Refuses a message whose `schemas` do not list `expected`.
pub(crate) fn check_schemas(schemas: Option<&Value>, expected: &str) -> Result<(), Refusal> {
    let listed = schemas
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().filter_map(Value::as_str).any(|schema| schema.eq_ignore_ascii_case(expected)));
    if listed {
        Ok(())
    } else {
        Err(Refusal::bad(ErrorType::InvalidValue, format!("\"schemas\" does not list {expected:?}.")))
    }
}

/// What must hold of a whole resource: required attributes are there, and no list has two primary values.
pub(crate) fn check(catalogue: &'static Catalogue, kind: Kind, body: &Map<String, Value>) -> Result<(), Refusal> {
    for definition in catalogue.attributes(kind.schema()) {
        let value = body.get(&definition.name);
        let blank = value.is_none_or(|value| value.as_str().is_some_and(|text| text.trim().is_empty()));
        if definition.required && blank {
            let detail = format!("A {} needs a {}.", kind.name(), definition.name);
            return Err(Refusal::bad(ErrorType::InvalidValue, detail));
        }
        let primaries =
            value.and_then(Value::as_array).map_or(0, |list| list.iter().filter(|one| is_primary(one)).count());
        if primaries > 1 {
            let detail = format!("Only one of the {} can be primary.", definition.name);
            return Err(Refusal::bad(ErrorType::InvalidValue, detail));
        }
    }
    Ok(())
}

/// Whether this value of a list is marked as the primary one.
pub(crate) fn is_primary(value: &Value) -> bool {
    value.get("primary").and_then(Value::as_bool).unwrap_or(false)
}

/// A field of a protocol message by its name, in whatever case it is written.
pub(crate) fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn set(body: &mut Map<String, Value>, definition: &Attribute, value: Value) -> Result<(), Refusal> {
    // RFC 7644 section 3.3: what is read-only is ignored.
    if definition.mutability == Mutability::ReadOnly {
        return Ok(());
    }
    if let Some(value) = canonical(definition, value)? {
        body.insert(definition.name.clone(), value);
    }
    Ok(())
}

/// Brings a value into the form of its attribute. Null, an empty list and an empty object are no value (RFC 7643
/// section 2.5).
///
/// # Errors
/// `invalidValue`: the value is not of the attribute's type.
pub(crate) fn canonical(definition: &Attribute, value: Value) -> Result<Option<Value>, Refusal> {
    if !definition.multi_valued {
        return canonical_one(definition, value);
    }
    match value {
        Value::Null => Ok(None),
        Value::Array(values) => {
            let (mut list, mut seen) = (Vec::with_capacity(values.len()), HashSet::with_capacity(values.len()));
            for value in values {
                if let Some(value) = canonical_one(definition, value)?
                    && seen.insert(value.clone())
                {
                    list.push(value);
                }
            }
            Ok((!list.is_empty()).then_some(Value::Array(list)))
        }
        _ => Err(wrong_type(&definition.name, "a list")),
    }
}

/// As [`canonical`], for one value of an attribute that may have several.
pub(crate) fn canonical_one(definition: &Attribute, value: Value) -> Result<Option<Value>, Refusal> {
    let name = &definition.name;
    match (definition.value_type, value) {
        (_, Value::Null) => Ok(None),
        (ValueType::Complex, Value::Object(input)) => {
            let mut object = parts(definition, input)?;
            object.retain(|_, part| !part.is_null());
            Ok((!object.is_empty()).then_some(Value::Object(object)))
        }
        (ValueType::Complex, _) => Err(wrong_type(name, "an object")),
        (ValueType::Boolean, value @ Value::Bool(_)) => Ok(Some(value)),
        (ValueType::Boolean, _) => Err(wrong_type(name, "true or false")),
        (ValueType::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.into())),
        (ValueType::Integer, _) => Err(wrong_type(name, "a whole number")),
        (ValueType::DateTime, Value::String(text)) if clock::parse(&text).is_some() => Ok(Some(text.into())),
        (ValueType::DateTime, _) => Err(wrong_type(name, "a date and time such as 2008-01-23T04:56:22Z")),
        (ValueType::Binary, Value::String(text)) if is_base64(&text) => Ok(Some(text.into())),
        (ValueType::Binary, _) => Err(wrong_type(name, "base64 text")),
        (ValueType::String | ValueType::Reference, value @ Value::String(_)) => Ok(Some(value)),
        (ValueType::String | ValueType::Reference, _) => Err(wrong_type(name, "text")),
    }
}

/// The parts of a complex value that a client may write; those that are sent without a value are null.
///
/// # Errors
/// As for [`canonical`], and where a resource is named by its address alone, which would be lost.
pub(crate) fn parts(definition: &Attribute, input: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let (mut object, mut refers) = (Map::new(), false);
    for (key, value) in input {
        let name = &definition.name;
        let sub = definition.sub(&key).ok_or_else(|| unknown(&format!("{name}.{key}")))?;
        if sub.name == "$ref" {
            // Where references point is computed when they are read: stored, it would outlive a change of address.
            refers |= !value.is_null();
        } else if sub.mutability != Mutability::ReadOnly {
            object.insert(sub.name.clone(), canonical(sub, value)?.unwrap_or_default());
        }
    }
    if refers && object.get("value").is_none_or(Value::is_null) {
        return Err(reference_alone(&definition.name));
    }
    Ok(object)
}

/// The ids in a list of members; one member alone is taken as a list of one, as many clients send it.
pub(crate) fn member_ids(definition: &Attribute, value: Value) -> Result<Vec<String>, Refusal> {
    let members = match value {
        Value::Null => Vec::new(),
        Value::Array(members) => members,
        member @ Value::Object(_) => vec![member],
        _ => return Err(wrong_type(&definition.name, "a list")),
    };
    let (mut ids, mut seen) = (Vec::with_capacity(members.len()), HashSet::with_capacity(members.len()));
    for member in members.into_iter().filter(|member| !member.is_null()) {
        match canonical_one(definition, member)?.and_then(|mut member| member.get_mut("value").map(Value::take)) {
            Some(Value::String(id)) if seen.contains(&id) => {}
            Some(Value::String(id)) => {
                seen.insert(id.clone());
                ids.push(id);
            }
            _ => {
                let detail = "A member needs a \"value\": the id of a user or a group.";
                return Err(Refusal::bad(ErrorType::InvalidValue, detail));
            }
        }
    }
    Ok(ids)
}

/// The refusal of a reference that gives an address and no id.
pub(crate) fn reference_alone(name: &str) -> Refusal {
    let detail = format!("{name} needs a \"value\", the id of what it refers to: a \"$ref\" alone is not taken.");
    Refusal::bad(ErrorType::InvalidValue, detail)
}

fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    text.len() - data.len() <= 2
        && data.len() % 4 != 1
        && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'))
}

/// The refusal of an attribute that no schema has: a client that sends it believes it stored, so it is told.
pub(crate) fn unknown(name: &str) -> Refusal {
    Refusal::bad(ErrorType::InvalidSyntax, format!("No schema here has the attribute {name:?}."))
}

fn wrong_type(name: &str, expected: &str) -> Refusal {
    Refusal::bad(ErrorType::InvalidValue, format!("{name} must be {expected}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ENTERPRISE;
    use serde_json::json;

    fn user(value: Value) -> Result<Draft, Refusal> {
        let mut value = value;
        value["schemas"] = json!([Kind::User.schema()]);
        accept(Catalogue::get().unwrap(), Kind::User, value)
    }

    #[test]
    fn names_get_the_case_of_the_schema_and_read_only_attributes_go() {
        let draft = user(json!({
            "USERNAME": "a", "id": "mine", "meta": {"created": "x"}, "groups": [{"value": "g"}],
            "name": {"GivenName": "A", "familyName": null}, "emails": [], "nickName": null,
            ENTERPRISE.to_lowercase(): {"Department": "d", "manager": {"value": "m", "$ref": "../Users/m"}},
        }));
        let expected = json!({
            "userName": "a", "name": {"givenName": "A"}, ENTERPRISE: {"department": "d", "manager": {"value": "m"}},
        });
        assert_eq!(Value::Object(draft.unwrap().body), expected);
    }

    #[test]
    fn what_the_schema_does_not_allow_is_refused() {
        for value in [
            json!({}),
            json!({"userName": " "}),
            json!({"userName": 1}),
            json!({"userName": "a", "active": "True"}),
            json!({"userName": "a", "password": "x"}),
            json!({"userName": "a", "emails": {"value": "x"}}),
            json!({"userName": "a", "emails": ["x"]}),
            json!({"userName": "a", "emails": [{"value": "x", "nonsense": 1}]}),
            json!({"userName": "a", "emails": [{"value": "x", "primary": true}, {"value": "y", "primary": true}]}),
            json!({"userName": "a", "x509Certificates": [{"value": "not base64!"}]}),
            json!({"userName": "a", ENTERPRISE: {"nonsense": 1}}),
            json!({"userName": "a", "urn:example:other:User": {"x": 1}}),
            json!({"userName": "a", "name.givenName": "x"}),
        ] {
            assert!(user(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn who_is_named_by_an_address_alone_is_refused_and_not_lost() {
        let address = json!({"$ref": "https://tenant.example/scim/v2/Users/m"});
        let manager = user(json!({"userName": "a", ENTERPRISE: {"manager": address}}));
        assert_eq!(manager.unwrap_err().kind, Some(ErrorType::InvalidValue));
        for member in [address, json!({"value": null}), json!({}), json!({"display": "A"})] {
            let group = json!({"schemas": [Kind::Group.schema()], "displayName": "g", "members": [member]});
            let refused = accept(Catalogue::get().unwrap(), Kind::Group, group).unwrap_err();
            assert_eq!(refused.kind, Some(ErrorType::InvalidValue), "{member}");
        }
    }

    #[test]
    fn a_list_as_long_as_a_body_allows_is_read_whole() {
        let members: Vec<Value> =
            (0..100_000).map(|number| json!({"value": format!("{:?}", number % 90_000)})).collect();
        let group = json!({"schemas": [Kind::Group.schema()], "displayName": "g", "members": members});
        let mails: Vec<Value> = (0..100_000).map(|number| json!({"value": format!("{number}@x.test")})).collect();
        let draft = accept(Catalogue::get().unwrap(), Kind::Group, group).unwrap();
        assert_eq!(draft.members.len(), 90_000);
        let draft = user(json!({"userName": "a", "emails": mails})).unwrap();
        assert_eq!(draft.body["emails"].as_array().unwrap().len(), 100_000);
    }

    #[test]
    fn the_schemas_must_name_the_kind() {
        let catalogue = Catalogue::get().unwrap();
        assert!(accept(catalogue, Kind::Group, json!({"displayName": "g", "schemas": [Kind::User.schema()]})).is_err());
        assert!(accept(catalogue, Kind::Group, json!({"displayName": "g"})).is_err());
    }
}
