//! Which attributes are asked of the source: those that rules read, and those that the host itself needs.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeName, Schema};
use provisor_rules::Chain;
use provisor_space::ValueReference;

use crate::Configuration;
use crate::configuration::Source;

/// The attributes by which groups of every directory list their members by name.
const MEMBERS: [&str; 2] = ["member", "uniqueMember"];

/// What an import asks for.
pub(crate) struct Reads {
    /// The attributes.
    pub attributes: BTreeSet<AttributeName>,
    /// Which of them refer by value, and how.
    pub references_by: BTreeMap<AttributeName, ValueReference>,
}

/// The attributes that list the members of groups.
pub(crate) fn member_attributes(configuration: &Configuration) -> BTreeSet<AttributeName> {
    let by_name = MEMBERS.into_iter().map(AttributeName::from);
    by_name.chain(configuration.references_by.keys().cloned()).collect()
}

/// What is asked of a source with this schema. What only the host needs is left out where the directory does not have it:
/// a directory without posixGroup has no memberUid.
pub(crate) fn reads(configuration: &Configuration, chain: &Chain, schema: &Schema) -> Reads {
    let any = matches!(configuration.source, Source::Ldif(_));
    let known = |name: &AttributeName| any || schema.knows(name);
    let mut attributes = chain.reads();
    if !configuration.scope.groups.is_empty() {
        attributes.extend(member_attributes(configuration).into_iter().filter(known));
    }
    let mut references_by = BTreeMap::new();
    for (attribute, by) in &configuration.references_by {
        if attributes.contains(attribute) && known(attribute) && known(by) {
            let reference = ValueReference { by: by.clone(), rule: schema.rule(by) };
            references_by.insert(attribute.clone(), reference);
        }
    }
    attributes.extend(references_by.values().map(|reference| reference.by.clone()));
    Reads { attributes, references_by }
}

/// The attributes that rules read and the directory does not have. A file has no schema of its own: any attribute may be in
/// it. References by value that nobody has are no mistake: the rules for groups read those of every kind.
pub(crate) fn unknown(configuration: &Configuration, chain: &Chain, schema: &Schema) -> Vec<AttributeName> {
    let by_value = |name: &AttributeName| configuration.references_by.contains_key(name);
    chain.reads().into_iter().filter(|name| !schema.knows(name) && !by_value(name)).collect()
}
