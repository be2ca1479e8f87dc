//! Texts that are passed on one to one, and texts that are the same for everybody.

use std::collections::BTreeMap;

use provisor_sdk::prelude::*;

use crate::text::{clean, cut, optional};

/// How many characters a long text may have at the most, as in Entra.
const MOST: usize = 448;
/// The attributes whose texts are cut.
const LONG: [&str; 4] = ["description", "info", "postOfficeBox", "url"];

/// How many characters of an attribute's text are passed on.
pub(crate) fn most(attribute: &str) -> usize {
    if LONG.iter().any(|long| long.eq_ignore_ascii_case(attribute)) { MOST } else { usize::MAX }
}

/// Texts that are passed on, without the white space around them.
pub struct Copies(Vec<(Text, usize, Target)>);

impl Copies {
    /// Each path of the resource with the attribute that it is made from; an empty name leaves the path out.
    pub fn read<'c>(contract: &mut MappingContract, paths: impl IntoIterator<Item = (&'c str, &'c str)>) -> Self {
        let one = |(path, name): (&str, &str)| {
            let source = optional(contract, name)?;
            Some((source, most(name), contract.write(path)))
        };
        Self(paths.into_iter().filter_map(one).collect())
    }

    /// Sets what the entry has.
    pub fn set(&self, entry: &Entry, resource: &mut Resource) {
        for (source, most, target) in &self.0 {
            if let Some(text) = entry.text(*source).and_then(clean) {
                resource.set(*target, cut(text, *most));
            }
        }
    }
}

/// Texts that are the same for everybody.
pub struct Fixed(Vec<(String, Target)>);

impl Fixed {
    /// Each path of the resource with its text.
    pub fn read(contract: &mut MappingContract, texts: BTreeMap<String, String>) -> Self {
        Self(texts.into_iter().map(|(path, text)| (text, contract.write(&path))).collect())
    }

    /// Sets them.
    pub fn set(&self, resource: &mut Resource) {
        for (text, target) in &self.0 {
            resource.set(*target, text.as_str());
        }
    }
}
