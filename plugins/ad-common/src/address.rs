//! The work address.

use provisor_sdk::prelude::*;

use crate::text::{clean, optional, set_rows};

/// The attributes of the work address; an empty name leaves the part out.
#[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct AddressNames {
    /// The attribute of `streetAddress`.
    pub street: String,
    /// The attribute of `locality`.
    pub locality: String,
    /// The attribute of `region`.
    pub region: String,
    /// The attribute of `postalCode`.
    pub postal_code: String,
    /// The attribute of `country`: two letters, as ISO 3166 has them.
    pub country: String,
}

impl Default for AddressNames {
    fn default() -> Self {
        let named = str::to_owned;
        Self {
            street: named("streetAddress"),
            locality: named("l"),
            region: named("st"),
            postal_code: named("postalCode"),
            country: named("c"),
        }
    }
}

/// The work address of an entry.
pub struct Address {
    parts: Vec<(&'static str, Text)>,
    target: Target,
}

impl Address {
    /// Reads the attributes, and may write `addresses`; none where all are switched off.
    pub fn read(contract: &mut MappingContract, names: &AddressNames) -> Option<Self> {
        let names = [
            ("streetAddress", &names.street),
            ("locality", &names.locality),
            ("region", &names.region),
            ("postalCode", &names.postal_code),
            ("country", &names.country),
        ];
        let parts: Vec<(&str, Text)> =
            names.into_iter().filter_map(|(part, name)| Some((part, optional(contract, name)?))).collect();
        (!parts.is_empty()).then(|| Self { parts, target: contract.write("addresses") })
    }

    /// Sets the one row of `addresses`, where the entry has any part of it.
    pub fn set(&self, entry: &Entry, resource: &mut Resource) {
        let parts = self.parts.iter().filter_map(|(part, source)| Some((*part, entry.text(*source).and_then(clean)?)));
        let row = parts.fold(None, |row: Option<Row>, (part, value)| {
            Some(row.unwrap_or_else(|| Row::new().with("type", "work")).with(part, value))
        });
        set_rows(resource, self.target, row);
    }
}
