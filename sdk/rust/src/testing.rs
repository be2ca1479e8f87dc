//! Rules under `cargo test`, natively: build an entry by names, run the rule, look at what it sets by path.
//!
//! ```
//! use provisor_sdk::prelude::*;
//! use provisor_sdk::testing;
//! use serde_json::json;
//! # struct Title(Text, Target);
//! # impl Mapping for Title {
//! #     type Config = NoConfig;
//! #     fn configure(_: NoConfig, contract: &mut MappingContract) -> Result<Self, String> {
//! #         Ok(Self(contract.text("title"), contract.write("title")))
//! #     }
//! #     fn map(&self, entry: &Entry, resource: &mut Resource) -> Result<(), Refusal> {
//! #         if let Some(title) = entry.text(self.0) { resource.set(self.1, title.to_uppercase()) }
//! #         Ok(())
//! #     }
//! # }
//!
//! let rule = testing::mapping::<Title>(&json!({})).unwrap();
//! let answer = rule.map(&testing::Entry::new("user").with("title", "Engineer"));
//! assert_eq!(answer.set("title"), Some(&json!("ENGINEER")));
//! ```

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::bindings::{Edit, Read, Shape, TargetValue, Value, Values};
use crate::runtime::{ConfiguredFilter, ConfiguredMapping};
use crate::{Filter, Mapping, Refusal, Verdict};

/// An entry, by names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// An entry of this object class, such as `user`.
    pub fn new(object_class: &str) -> Self {
        Self::default().with("object-class", object_class)
    }

    /// The entry with its distinguished name.
    #[must_use]
    pub fn dn(self, dn: &str) -> Self {
        self.with("dn", dn)
    }

    /// The entry with one value of an attribute; octets and text alike.
    #[must_use]
    pub fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.with_all(name, [value])
    }

    /// The entry with these values of an attribute.
    #[must_use]
    pub fn with_all<V: AsRef<[u8]>>(mut self, name: &str, values: impl IntoIterator<Item = V>) -> Self {
        let mut values: Vec<Vec<u8>> = values.into_iter().map(|value| value.as_ref().to_vec()).collect();
        values.sort();
        self.attributes.push((name.to_owned(), values));
        self
    }

    /// The names with their values, as they were given; `dn`, `anchor` and `object-class` among them.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &[Vec<u8>])> {
        self.attributes.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// The values of an attribute, lowest by octets first; empty where it is absent.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(&[], |(_, values)| values.as_slice())
    }

    /// The flat form that the host would send under these reads.
    #[expect(clippy::cast_possible_truncation, reason = "the entries of tests are small")]
    fn flat(&self, reads: &[Read]) -> Values {
        let mut flat = Values { count: 1, spans: Vec::new(), octets: Vec::new() };
        for (place, read) in reads.iter().enumerate() {
            let single = !matches!(read.shape, Shape::Texts | Shape::Binaries | Shape::Integers);
            for value in self.values(&read.name).iter().take(if single { 1 } else { usize::MAX }) {
                let octets = if read.shape == Shape::Unsent { &[][..] } else { value };
                flat.spans.extend([0, place as u32, flat.octets.len() as u32, octets.len() as u32]);
                flat.octets.extend_from_slice(octets);
            }
        }
        flat
    }
}

/// A configured mapping under test.
pub struct MappingTest<M> {
    rule: ConfiguredMapping<M>,
    cycle_time: i64,
}

/// A configured filter under test.
pub struct FilterTest<F> {
    rule: ConfiguredFilter<F>,
    cycle_time: i64,
}

/// Configures a mapping.
///
/// # Errors
/// What the operator would read of a configuration that does not fit.
pub fn mapping<M: Mapping>(config: &Json) -> Result<MappingTest<M>, String> {
    Ok(MappingTest { rule: ConfiguredMapping::new(&config.to_string())?, cycle_time: 0 })
}

/// Configures a filter.
///
/// # Errors
/// What the operator would read of a configuration that does not fit.
pub fn filter<F: Filter>(config: &Json) -> Result<FilterTest<F>, String> {
    Ok(FilterTest { rule: ConfiguredFilter::new(&config.to_string())?, cycle_time: 0 })
}

/// What a mapping answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What is set by path, as JSON (`null`: taken away), or why nothing is. A reference reads `{"reference": DN}`,
    /// references `{"references": [DN]}`, candidates `{"first-unique": [..]}`.
    pub outcome: Result<BTreeMap<String, Json>, Refusal>,
    /// When the answer may change by time alone.
    pub valid_until: Option<i64>,
}

impl Answer {
    /// What the path is set to, where it is.
    pub fn set(&self, path: &str) -> Option<&Json> {
        self.outcome.as_ref().ok()?.get(path)
    }

    /// The code of the refusal, where there is one.
    pub fn refused(&self) -> Option<&str> {
        match self.outcome.as_ref().err()? {
            Refusal::Exclude(reason) | Refusal::Fail(reason) => Some(&reason.code),
        }
    }
}

impl<M: Mapping> MappingTest<M> {
    /// The same at this time, in seconds since 1970.
    #[must_use]
    pub fn at(mut self, cycle_time: i64) -> Self {
        self.cycle_time = cycle_time;
        self
    }

    /// What the rule says that it does.
    pub fn summary(&self) -> Option<String> {
        self.rule.summary()
    }

    /// Maps an entry.
    ///
    /// # Panics
    /// When the rule is not used under this configuration.
    pub fn map(&self, entry: &Entry) -> Answer {
        self.map_built(entry, &Entry::default())
    }

    /// Maps an entry on top of what plugins before this one built, by path.
    ///
    /// # Panics
    /// When the rule is not used under this configuration.
    #[expect(clippy::expect_used, reason = "a test that asks an unused rule is wrong")]
    pub fn map_built(&self, entry: &Entry, built: &Entry) -> Answer {
        let contract = self.rule.contract().expect("the rule is used under this configuration");
        let (entries, built) = (entry.flat(&contract.reads), built.flat(&contract.resource_reads));
        let time = contract.cycle_time.then_some(self.cycle_time);
        let answers = self.rule.run(time, &entries, &built).expect("a batch built here is well formed");
        let answer = answers.into_iter().next().expect("one entry has one answer");
        let path = |edit: &Edit| {
            contract.writes.get(edit.attribute as usize).map(|write| write.name.clone()).unwrap_or_default()
        };
        let outcome = answer
            .outcome
            .map(|edits| edits.iter().map(|edit| (path(edit), shown(&edit.value, entry, &contract.reads))).collect());
        Answer { outcome, valid_until: answer.valid_until }
    }
}

impl<F: Filter> FilterTest<F> {
    /// The same at this time, in seconds since 1970.
    #[must_use]
    pub fn at(mut self, cycle_time: i64) -> Self {
        self.cycle_time = cycle_time;
        self
    }

    /// What the rule says that it does.
    pub fn summary(&self) -> Option<String> {
        self.rule.summary()
    }

    /// Decides an entry.
    ///
    /// # Panics
    /// When the rule is not used under this configuration.
    #[expect(clippy::expect_used, reason = "a test that asks an unused rule is wrong")]
    pub fn decide(&self, entry: &Entry) -> Verdict {
        let contract = self.rule.contract().expect("the rule is used under this configuration");
        let time = contract.cycle_time.then_some(self.cycle_time);
        let answers = self.rule.run(time, &entry.flat(&contract.reads)).expect("a batch built here is well formed");
        answers.into_iter().next().expect("one entry has one answer").verdict
    }
}

fn shown(value: &TargetValue, entry: &Entry, reads: &[Read]) -> Json {
    let read = |place: &u32| reads.get(*place as usize);
    let values = |place: &u32| read(place).map_or(&[][..], |read| entry.values(&read.name));
    let list = |json: Vec<Json>| if json.is_empty() { Json::Null } else { Json::Array(json) };
    match value {
        TargetValue::Plain(value) => plain(value),
        TargetValue::Values(values) => list(values.iter().map(plain).collect()),
        TargetValue::Rows(rows) => list(
            rows.iter()
                .map(|row| row.iter().map(|cell| (cell.sub_attribute.clone(), plain(&cell.value))).collect())
                .collect(),
        ),
        TargetValue::Same(place) => {
            let shape = read(place).map_or(Shape::Texts, |read| read.shape);
            let mut all = values(place).iter().map(|value| sourced(value, shape));
            match shape {
                Shape::Texts | Shape::Binaries | Shape::Integers => list(all.collect()),
                // What did not cross may be one or several.
                Shape::Unsent if all.len() > 1 => list(all.collect()),
                _ => all.next().unwrap_or(Json::Null),
            }
        }
        TargetValue::SameChanged(place) => json!({ "same-changed": place }),
        TargetValue::Reference(dn) => json!({ "reference": dn }),
        TargetValue::ReferenceBy(named) => json!({ "reference-by": { &named.attribute: &named.value } }),
        TargetValue::ReferencesOf(place) => {
            let names: Vec<Json> = values(place).iter().map(|value| sourced(value, Shape::Text)).collect();
            json!({ "references": names })
        }
        TargetValue::FirstUnique(candidates) => json!({ "first-unique": candidates }),
        TargetValue::Remove => Json::Null,
    }
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Binary(octets) => json!(octets),
        Value::Boolean(flag) => json!(flag),
        Value::Integer(number) => json!(number),
        Value::Decimal(number) => json!(number),
    }
}

fn sourced(octets: &[u8], shape: Shape) -> Json {
    let text = String::from_utf8_lossy(octets);
    match shape {
        Shape::Binary | Shape::Binaries => json!(octets),
        Shape::Unsent if std::str::from_utf8(octets).is_err() => json!(octets),
        Shape::Boolean => json!(text == "TRUE"),
        Shape::Integer | Shape::Integers => text.parse::<i64>().map_or(Json::Null, |number| json!(number)),
        Shape::Decimal => text.parse::<f64>().map_or(Json::Null, |number| json!(number)),
        Shape::Text | Shape::Texts | Shape::Unsent => json!(text),
    }
}
