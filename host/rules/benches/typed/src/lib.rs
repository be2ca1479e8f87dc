//! The measured rule over records in place of flat values.
#![cfg(target_arch = "wasm32")]

#[path = "../../rule/src/shape.rs"]
#[allow(dead_code, reason = "the names are not needed here")]
mod shape;

#[allow(missing_docs, unsafe_code, clippy::all, unused_qualifications, reason = "generated code")]
mod world {
    wit_bindgen::generate!({ path: "wit", world: "typed" });
}

use std::cell::RefCell;

use world::exports::provisor::typed::mapping::{
    Answer, Attribute, Edit, Entry, Guest, Outcome, Reason, TargetValue, Value,
};

struct Plugin;

thread_local! {
    static EDITS: RefCell<Vec<shape::Edit>> = const { RefCell::new(Vec::new()) };
}

impl Guest for Plugin {
    fn configure(attributes: u32) {
        EDITS.set(shape::edits(attributes as usize));
    }

    fn transform(entries: Vec<Entry>) -> Result<Vec<Answer>, String> {
        EDITS.with_borrow(|edits| {
            let outcome = |entry: &Entry| map(edits, entry).map_or_else(Outcome::Exclude, Outcome::Edits);
            Ok(entries.iter().map(|entry| Answer { outcome: outcome(entry), valid_until: None }).collect())
        })
    }
}

fn map(edits: &[shape::Edit], entry: &Entry) -> Result<Vec<Edit>, Reason> {
    let mut made = Vec::with_capacity(edits.len());
    for (number, edit) in edits.iter().enumerate() {
        let value = match *edit {
            shape::Edit::Lower(place) => TargetValue::Text(text(entry, place)?.to_lowercase()),
            shape::Edit::Join(one, two) => TargetValue::Text(format!("{} {}", text(entry, one)?, text(entry, two)?)),
            shape::Edit::Same(place) if find(entry, place).is_some() => TargetValue::Same(place as u32),
            shape::Edit::Same(_) => continue,
        };
        made.push(Edit { attribute: number as u32, value });
    }
    Ok(made)
}

fn find(entry: &Entry, place: usize) -> Option<&Attribute> {
    let found = entry.attributes.binary_search_by_key(&(place as u32), |attribute| attribute.place).ok()?;
    entry.attributes.get(found)
}

fn text(entry: &Entry, place: usize) -> Result<&str, Reason> {
    match find(entry, place).map(|attribute| &attribute.value) {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(Reason { code: "no-text".to_owned(), detail: "the entry lacks a text".to_owned() }),
    }
}

#[allow(unsafe_code, missing_docs, reason = "the component's entry points are generated")]
const _: () = {
    world::export!(Plugin with_types_in world);
};
