//! Phone numbers by their type.

use provisor_sdk::prelude::*;

use crate::text::{distinct, set_rows};

/// The attributes that numbers of each type are read from, in this order; an empty list leaves the type out.
#[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct PhoneNames {
    /// Numbers of type `work`.
    pub work: Vec<String>,
    /// Numbers of type `mobile`.
    pub mobile: Vec<String>,
    /// Numbers of type `home`.
    pub home: Vec<String>,
    /// Numbers of type `fax`.
    pub fax: Vec<String>,
    /// Numbers of type `pager`.
    pub pager: Vec<String>,
    /// Numbers of type `other`.
    pub other: Vec<String>,
    /// Whether only the first number of each type is passed on, for targets that have room for one.
    pub one_each: bool,
}

impl Default for PhoneNames {
    fn default() -> Self {
        let named = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        Self {
            work: named(["telephoneNumber", "otherTelephone"]),
            mobile: named(["mobile", "otherMobile"]),
            home: named(["homePhone", "otherHomePhone"]),
            fax: named(["facsimileTelephoneNumber", "otherFacsimileTelephoneNumber"]),
            pager: named(["pager", "otherPager"]),
            other: Vec::new(),
            one_each: false,
        }
    }
}

/// The phone numbers of an entry.
pub struct Phones {
    types: Vec<(&'static str, Vec<Texts>)>,
    most: usize,
    target: Target,
}

impl Phones {
    /// Reads the attributes, and may write `phoneNumbers`; none where all are switched off.
    pub fn read(contract: &mut MappingContract, names: &PhoneNames) -> Option<Self> {
        let lists = [
            ("work", &names.work),
            ("mobile", &names.mobile),
            ("home", &names.home),
            ("fax", &names.fax),
            ("pager", &names.pager),
            ("other", &names.other),
        ];
        let mut types = Vec::new();
        for (sort, names) in lists {
            let sources: Vec<Texts> =
                names.iter().filter(|name| !name.is_empty()).map(|name| contract.texts(name)).collect();
            if !sources.is_empty() {
                types.push((sort, sources));
            }
        }
        let most = if names.one_each { 1 } else { usize::MAX };
        (!types.is_empty()).then(|| Self { types, most, target: contract.write("phoneNumbers") })
    }

    /// Sets the rows of `phoneNumbers`.
    pub fn set(&self, entry: &Entry, resource: &mut Resource) {
        let rows = self.types.iter().flat_map(|(sort, sources)| {
            let numbers = distinct(sources.iter().flat_map(|source| entry.texts(*source)));
            numbers.into_iter().take(self.most).map(|number| Row::new().with("value", number).with("type", *sort))
        });
        set_rows(resource, self.target, rows);
    }
}
