//! References to other objects of the directory: only the host knows which resources they are.

use provisor_sdk::prelude::*;

use crate::text::{clean, optional};

/// An attribute that names another object.
pub struct Reference {
    source: Text,
    target: Target,
}

impl Reference {
    /// Reads the attribute for a path of the resource; none where either is empty.
    pub fn read(contract: &mut MappingContract, name: &str, path: &str) -> Option<Self> {
        let source = if path.is_empty() { None } else { optional(contract, name) };
        source.map(|source| Self { source, target: contract.write(path) })
    }

    /// Refers to the object, where the entry names one.
    pub fn set(&self, entry: &Entry, resource: &mut Resource) {
        if let Some(name) = entry.text(self.source).and_then(clean) {
            resource.reference(self.target, name);
        }
    }
}
