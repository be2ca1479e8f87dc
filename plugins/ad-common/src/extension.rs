//! Attributes of a schema of the target's own: the facts of a directory that the standard's schemas have no place for.

use std::collections::BTreeMap;

use provisor_sdk::Value;
use provisor_sdk::prelude::*;

use crate::copies::most;
use crate::text::{clean, cut, distinct};

/// What stands behind a source whose values are all passed on.
const ALL: &str = "[]";

/// Which attributes of an extension schema are wanted.
pub struct Wanted<'a> {
    /// The schema's URN; empty: none is wanted.
    pub schema: &'a str,
    /// Names of attributes, each with its source, that hold where the settings say nothing else.
    pub defaults: Vec<(String, String)>,
    /// What the settings say: names with their sources; an empty source takes a default away.
    pub attributes: &'a BTreeMap<String, String>,
    /// Sources that are no attribute of the entry: the plugin knows what they stand for.
    pub facts: &'a [&'static str],
}

/// The attributes that Exchange adds to a directory's schema, each under its own name.
pub fn exchange_attributes() -> impl Iterator<Item = (String, String)> {
    let names = std::iter::once("mailNickname".to_owned()).chain((1..=15).map(|n| format!("extensionAttribute{n}")));
    names.map(|name| (name.clone(), name))
}

/// Where the value of an attribute comes from.
enum Source {
    One { text: Text, most: usize },
    All(Texts),
    Fact(&'static str),
}

/// The attributes of an extension schema.
pub struct Extension(Vec<(Source, Target)>);

impl Extension {
    /// Reads the sources, and may write the attributes.
    ///
    /// # Errors
    /// The schema is no URN, or there are attributes but no schema.
    pub fn read(contract: &mut MappingContract, wanted: Wanted<'_>) -> Result<Self, String> {
        let schema = wanted.schema.trim().trim_end_matches(':');
        if schema.is_empty() {
            return match wanted.attributes.keys().next() {
                None => Ok(Self(Vec::new())),
                Some(name) => {
                    Err(format!("extension-attributes names {name}, but extension does not say which schema has it"))
                }
            };
        }
        if !schema.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("urn:")) {
            return Err(format!(
                "extension is \"{schema:.80}\", which is no URN: it is the id of the target's schema, urn:..."
            ));
        }
        let mut sources: BTreeMap<String, String> = wanted.defaults.into_iter().collect();
        for (name, source) in wanted.attributes {
            // The target compares names without regard to letter case.
            sources.retain(|known, _| !known.eq_ignore_ascii_case(name));
            sources.insert(name.clone(), source.clone());
        }
        sources.retain(|_, source| !source.is_empty());
        let one = |(name, source): (&String, &String)| {
            (Source::read(contract, source, wanted.facts), contract.write(&format!("{schema}:{name}")))
        };
        Ok(Self(sources.iter().map(one).collect()))
    }

    /// Whether a source is wanted that the plugin stands for.
    pub fn wants(&self, fact: &str) -> bool {
        self.0.iter().any(|(source, _)| matches!(source, Source::Fact(known) if *known == fact))
    }

    /// Sets what the entry has; `fact` tells what is no attribute of it.
    pub fn set(&self, entry: &Entry, resource: &mut Resource, fact: impl Fn(&str) -> Option<Value>) {
        for (source, target) in &self.0 {
            match source {
                Source::One { text, most } => {
                    if let Some(text) = entry.text(*text).and_then(clean) {
                        resource.set(*target, cut(text, *most));
                    }
                }
                Source::All(texts) if entry.has(*texts) => resource.set_all(*target, distinct(entry.texts(*texts))),
                Source::All(_) => {}
                Source::Fact(name) => {
                    if let Some(value) = fact(name) {
                        resource.set(*target, value);
                    }
                }
            }
        }
    }
}

impl Source {
    fn read(contract: &mut MappingContract, source: &str, facts: &[&'static str]) -> Self {
        if let Some(fact) = facts.iter().find(|fact| **fact == source) {
            return Self::Fact(fact);
        }
        match source.strip_suffix(ALL) {
            Some(name) => Self::All(contract.texts(name)),
            None => Self::One { text: contract.text(source), most: most(source) },
        }
    }
}
