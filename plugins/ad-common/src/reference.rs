//! References to other objects of the directory: only the host knows which resources they are.

use provisor_sdk::prelude::*;

use crate::text::{clean, optional};

/// Attributes that say which other object is meant.
pub struct Reference {
    /// The one that names it.
    source: Option<Text>,
    /// The one that has the other's value of an attribute, and that attribute.
    value: Option<(Text, String)>,
    target: Target,
}

impl Reference {
    /// Reads the attribute that names the object for a path of the resource; none where either is empty.
    pub fn read(contract: &mut MappingContract, name: &str, path: &str) -> Option<Self> {
        Self::read_either(contract, name, ("", ""), path)
    }

    /// The same, or, where no object is named, an attribute with the value that the object has in another attribute; none
    /// where there is nothing to read.
    pub fn read_either(
        contract: &mut MappingContract,
        name: &str,
        (attribute, of_other): (&str, &str),
        path: &str,
    ) -> Option<Self> {
        if path.is_empty() || (name.is_empty() && attribute.is_empty()) {
            return None;
        }
        let source = optional(contract, name);
        let value = optional(contract, attribute).map(|value| {
            // The host finds others only by what some rule reads.
            contract.text(of_other);
            (value, of_other.to_owned())
        });
        Some(Self { source, value, target: contract.write(path) })
    }

    /// Refers to the object, where the entry says which.
    pub fn set(&self, entry: &Entry, resource: &mut Resource) {
        if let Some(name) = self.source.and_then(|source| entry.text(source)).and_then(clean) {
            resource.reference(self.target, name);
        } else if let Some((source, of_other)) = &self.value
            && let Some(value) = entry.text(*source).and_then(clean)
        {
            resource.reference_by(self.target, of_other, value);
        }
    }
}
