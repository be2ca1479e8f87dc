//! Applying one step of a PATCH to a resource in memory.
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Action, Body, Edit, Place};
use crate::error::{ErrorType, Refusal};
use crate::expression::Expression;
use crate::resource::is_primary;
use crate::schema::{At, Attribute};

/// Applies an edit. Objects and lists that become empty are removed: to SCIM they are no value.
///
/// # Errors
/// `noTarget`: a replace selects elements and none match.
pub(crate) fn apply(edit: Edit, body: &mut Body) -> Result<(), Refusal> {
    let (at, select) = match edit.place {
        Place::Extension(uri) => {
            body.remove(uri);
            return Ok(());
        }
        Place::Attribute { at, select } => (at, select),
    };
    match at.extension {
        None => attribute(body, at, select.as_ref(), edit.action),
        Some(uri) => {
            let mut part = body.get_mut(uri).map(Value::take).unwrap_or_default();
            let done = attribute(as_object(&mut part), at, select.as_ref(), edit.action);
            store(body, uri, part);
            done
        }
    }
}

fn attribute(
    object: &mut Map<String, Value>,
    at: At,
    select: Option<&Expression>,
    action: Action,
) -> Result<(), Refusal> {
    let name = &at.attribute.name;
    let mut value = object.get_mut(name).map(Value::take).unwrap_or_default();
    let done = if at.attribute.multi_valued {
        list(as_list(&mut value), at, select, action)
    } else {
        single(&mut value, at.sub, action);
        Ok(())
    };
    store(object, name, value);
    done
}

/// An attribute with one value; a complex one keeps the sub-attributes that are not named.
fn single(value: &mut Value, sub: Option<&Attribute>, action: Action) {
    match (sub, action) {
        (None, Action::Remove(_)) => *value = Value::Null,
        (None, Action::Add(Value::Null)) => {}
        (None, Action::Add(Value::Object(parts))) => {
            as_object(value).extend(parts.into_iter().filter(|(_, part)| !part.is_null()))
        }
        (None, Action::Replace(Value::Object(parts))) => {
            let object = as_object(value);
            for (name, part) in parts {
                store(object, &name, part);
            }
        }
        (None, Action::Add(new) | Action::Replace(new)) => *value = new,
        (Some(sub), action) => part(value, sub, action),
    }
}

/// One sub-attribute of a complex value.
fn part(value: &mut Value, sub: &Attribute, action: Action) {
    let object = as_object(value);
    match action {
        Action::Add(Value::Null) => {}
        Action::Add(new) | Action::Replace(new) => {
            object.insert(sub.name.clone(), new);
        }
        Action::Remove(_) => {
            object.remove(&sub.name);
        }
    }
}

fn list(values: &mut Vec<Value>, at: At, select: Option<&Expression>, action: Action) -> Result<(), Refusal> {
    let former: Vec<Value> = values.iter().filter(|value| is_primary(value)).cloned().collect();
    match (select, at.sub) {
        (None, None) => whole_list(values, action),
        _ => elements(values, at, select, action)?,
    }
    values.retain(|value| !is_empty(value));
    // RFC 7644 section 3.5.2: a new primary value takes the mark from the one that had it.
    if values.iter().filter(|value| is_primary(value)).count() > 1 {
        for value in values.iter_mut().filter(|value| former.contains(value)) {
            if let Value::Object(value) = value {
                value.insert("primary".to_owned(), false.into());
            }
        }
    }
    Ok(())
}

fn whole_list(values: &mut Vec<Value>, action: Action) {
    match action {
        Action::Add(Value::Array(new)) => {
            let mut seen: HashSet<Value> = values.iter().cloned().collect();
            values.extend(new.into_iter().filter(|value| seen.insert(value.clone())));
        }
        Action::Replace(Value::Array(new)) => *values = new,
        Action::Remove(None) => values.clear(),
        Action::Remove(Some(Value::Array(gone))) => {
            let gone: HashSet<Value> = gone.into_iter().collect();
            values.retain(|value| !gone.contains(value));
        }
        // Parsing leaves a list for a list; a null adds nothing.
        Action::Add(_) | Action::Replace(_) | Action::Remove(Some(_)) => {}
    }
}

/// The elements that a filter selects, or all of them, or one sub-attribute of each.
fn elements(values: &mut Vec<Value>, at: At, select: Option<&Expression>, action: Action) -> Result<(), Refusal> {
    let selected = |value: &Value| match (select, value.as_object()) {
        (Some(select), Some(element)) => select.matches(element),
        (select, _) => select.is_none(),
    };
    if !values.iter().any(selected) {
        return match action {
            Action::Add(Value::Null) => Ok(()),
            Action::Add(new) => {
                values.push(new_element(at, select, new));
                Ok(())
            }
            Action::Replace(_) => {
                let detail = format!("No value of {} meets the path.", at.attribute.name);
                Err(Refusal::bad(ErrorType::NoTarget, detail))
            }
            // What is to go is gone already: a client that repeats a request whose answer was lost must get through.
            Action::Remove(_) => Ok(()),
        };
    }
    for value in values.iter_mut().filter(|value| selected(value)) {
        match (at.sub, &action) {
            (Some(sub), Action::Add(new)) => part(value, sub, Action::Add(new.clone())),
            (Some(sub), Action::Replace(new)) => part(value, sub, Action::Replace(new.clone())),
            (Some(sub), Action::Remove(_)) => part(value, sub, Action::Remove(None)),
            (None, Action::Add(Value::Object(parts))) => as_object(value).extend(parts.clone()),
            (None, Action::Add(_)) => {}
            (None, Action::Replace(new)) => *value = new.clone(),
            (None, Action::Remove(_)) => *value = Value::Null,
        }
    }
    Ok(())
}

/// What an add to `emails[type eq "work"].value` makes when there is no such element yet: one that the path selects.
fn new_element(at: At, select: Option<&Expression>, new: Value) -> Value {
    let mut element = Map::new();
    for (name, value) in select.map(Expression::fixed).unwrap_or_default() {
        element.insert(name.to_owned(), value);
    }
    match (at.sub, new) {
        (Some(sub), new) => {
            element.insert(sub.name.clone(), new);
        }
        (None, Value::Object(parts)) => element.extend(parts),
        (None, _) => {}
    }
    Value::Object(element)
}

fn store(object: &mut Map<String, Value>, name: &str, value: Value) {
    if is_empty(&value) {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

/// The object in a value; anything else becomes an empty one first.
fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(object) => object,
        _ => unreachable!("made an object above"),
    }
}

/// The list in a value; anything else becomes an empty one first.
fn as_list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    match value {
        Value::Array(list) => list,
        _ => unreachable!("made a list above"),
    }
}
