//! The measured rule as one would write it in the host: over entries, without an interface between.

use provisor_bench_rule::shape::{self, Edit, Kind};
use provisor_model::{AttributeName, DraftValue, Entry, Plain, Value};

/// The rule with the names it reads.
pub struct NativeRule {
    edits: Vec<Edit>,
    names: Vec<AttributeName>,
}

impl NativeRule {
    pub fn new(attributes: usize) -> Self {
        let names = (0..attributes).map(|place| shape::name(place).as_str().into()).collect();
        Self { edits: shape::edits(attributes), names }
    }

    /// What each entry has set; none where it lacks what is needed.
    pub fn map(&self, entries: &[Entry]) -> Vec<Option<Vec<(usize, DraftValue)>>> {
        entries.iter().map(|entry| self.map_one(entry)).collect()
    }

    fn map_one(&self, entry: &Entry) -> Option<Vec<(usize, DraftValue)>> {
        let values = |place: usize| self.names.get(place).map_or(&[][..], |name| entry.attributes.values(name));
        let text = |place: usize| values(place).first().and_then(Value::as_text);
        let mut set = Vec::with_capacity(self.edits.len());
        for (number, edit) in self.edits.iter().enumerate() {
            let value = match *edit {
                Edit::Lower(place) => DraftValue::Plain(Plain::Text(text(place)?.to_lowercase())),
                Edit::Join(one, two) => DraftValue::Plain(Plain::Text(format!("{} {}", text(one)?, text(two)?))),
                Edit::Same(place) => match (shape::kind(place), values(place)) {
                    (_, []) => continue,
                    (Kind::Texts, values) => DraftValue::List(values.iter().map(plain).collect()),
                    (Kind::Boolean, [value, ..]) => DraftValue::Plain(Plain::Boolean(value.octets() == b"TRUE")),
                    (Kind::Integer, [value, ..]) => DraftValue::Plain(Plain::Integer(value.as_text()?.parse().ok()?)),
                    (_, [value, ..]) => DraftValue::Plain(plain(value)),
                },
            };
            set.push((number, value));
        }
        Some(set)
    }
}

fn plain(value: &Value) -> Plain {
    match value {
        Value::Text(text) => Plain::Text(text.clone()),
        Value::Binary(octets) => Plain::Binary(octets.clone()),
    }
}
