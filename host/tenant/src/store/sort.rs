//! Sorted lists (RFC 7644 section 3.4.2.3).
use std::cmp::Ordering;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{Record, Selection, Store};
use crate::clock;
use crate::error::Refusal;
use crate::render;
use crate::resource::is_primary;
use crate::schema::{At, Attribute, ValueType};

/// What a resource is sorted by.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Key {
    Boolean(bool),
    Number(f64),
    Time(OffsetDateTime),
    Text(String),
}

impl Store {
    /// The resources of some kinds in one order: how many there are in all, and `take` of them after the first `skip`.
    /// Resources without the attribute come last, or first where the order is descending.
    pub(crate) fn sorted(
        &self,
        selections: &[Selection],
        descending: bool,
        skip: usize,
        take: usize,
        with_links: bool,
    ) -> Result<(usize, Vec<Record>), Refusal> {
        let mut all = Vec::new();
        for Selection { kind, filter, key: at } in selections {
            let (_, records) = self.list(*kind, filter.as_ref(), 0, usize::MAX, false)?;
            all.extend(records.into_iter().map(|record| {
                let key = at.as_ref().and_then(|at| key(&render::whole(record.clone(), &self.base), at));
                (key, record)
            }));
        }
        all.sort_by(|(one, _), (other, _)| {
            let order = match (one, other) {
                (Some(one), Some(other)) => one.partial_cmp(other).unwrap_or(Ordering::Equal),
                (one, other) => one.is_none().cmp(&other.is_none()),
            };
            if descending { order.reverse() } else { order }
        });
        let total = all.len();
        let mut page: Vec<Record> = all.into_iter().skip(skip).take(take).map(|(_, record)| record).collect();
        if with_links {
            page.iter_mut().try_for_each(|record| self.load_links(record))?;
        }
        Ok((total, page))
    }
}

/// Of several values the primary one counts, or the first; of a complex value its `value`.
fn key(resource: &Map<String, Value>, at: &At) -> Option<Key> {
    let container = match at.extension {
        Some(uri) => resource.get(uri)?.as_object()?,
        None => resource,
    };
    let value = match container.get(&at.attribute.name)? {
        Value::Array(list) => list.iter().find(|one| is_primary(one)).or_else(|| list.first())?,
        value => value,
    };
    match (at.sub, at.attribute.is_complex()) {
        (Some(sub), _) => plain(value.get(&sub.name)?, sub),
        (None, true) => plain(value.get("value")?, at.attribute.sub("value")?),
        (None, false) => plain(value, at.attribute),
    }
}

fn plain(value: &Value, definition: &Attribute) -> Option<Key> {
    match value {
        Value::Bool(truth) => Some(Key::Boolean(*truth)),
        Value::Number(number) => number.as_f64().map(Key::Number),
        Value::String(text) if definition.value_type == ValueType::DateTime => clock::parse(text).map(Key::Time),
        Value::String(text) if definition.case_exact => Some(Key::Text(text.clone())),
        Value::String(text) => Some(Key::Text(text.to_lowercase())),
        _ => None,
    }
}
