//! JSON objects whose names compare without regard to case, as SCIM's do (RFC 7643, section 2.1).

use serde_json::{Map, Value};

/// The member of an object by name; nothing where the value is no object or the member is null.
pub(crate) fn get<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    let found = object
        .get(name)
        .or_else(|| object.iter().find(|(present, _)| present.eq_ignore_ascii_case(name)).map(|(_, value)| value))?;
    (!found.is_null()).then_some(found)
}

/// The text member of an object by name.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    get(value, name).and_then(Value::as_str)
}

/// The boolean member of an object by name; some services write it as text.
pub(crate) fn flag(value: &Value, name: &str) -> Option<bool> {
    get(value, name).and_then(as_flag)
}

/// A boolean, also where it is written as text.
pub(crate) fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The items of an array, or the value itself as the only one; a null has none.
pub(crate) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Null => &[],
        single => std::slice::from_ref(single),
    }
}

/// The member of an object that has this name in any case, made if there is none.
pub(crate) fn slot<'m>(object: &'m mut Map<String, Value>, name: &str) -> &'m mut Value {
    let present = object.keys().find(|present| present.eq_ignore_ascii_case(name)).cloned();
    object.entry(present.unwrap_or_else(|| name.to_owned())).or_insert(Value::Null)
}

/// Takes the member of this name in any case out of an object.
pub(crate) fn remove(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let present = object.keys().find(|present| present.eq_ignore_ascii_case(name)).cloned()?;
    object.remove(&present)
}

/// The value as an object, replaced by an empty one where it is none. Always there.
pub(crate) fn as_object(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// The value as an array; what is no array becomes its only item, null an empty one. Always there.
pub(crate) fn as_array(value: &mut Value) -> Option<&mut Vec<Value>> {
    if !value.is_array() {
        let single = value.take();
        *value = Value::Array(if single.is_null() { Vec::new() } else { vec![single] });
    }
    value.as_array_mut()
}
