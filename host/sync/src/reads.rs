//! Which attributes are asked of the source: those that rules read, and those that the host itself needs.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeName, Schema};
use provisor_rules::Chain;
use provisor_space::{MEMBER_OF, Memberships, NESTED_MEMBER_OF, ValueReference};

use crate::Configuration;
use crate::configuration::{NestedGroups, Source};

/// The attributes by which groups of every directory list their members by name.
const MEMBERS: [&str; 2] = ["member", "uniqueMember"];

/// What an import asks for.
pub(crate) struct Reads {
    /// The attributes.
    pub attributes: BTreeSet<AttributeName>,
    /// What entries have once they are imported: those, and what is worked out of memberships.
    pub held: BTreeSet<AttributeName>,
    /// Which of them refer by value, and how.
    pub references_by: BTreeMap<AttributeName, ValueReference>,
    /// What is made of memberships.
    pub memberships: Memberships,
}

/// By which Active Directory's accounts tell their primary group, and the attribute of the group that has the same value:
/// the group does not list them.
const PRIMARY_GROUP: (&str, &str) = ("primaryGroupID", "primaryGroupToken");

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
    let mut attributes = imported(chain);
    let asked = chain.reads();
    let reads = |name: &str| asked.contains(&AttributeName::from(name));
    let (member_of, nested_member_of) = (reads(MEMBER_OF), reads(NESTED_MEMBER_OF));
    if !configuration.scope.groups.is_empty() || member_of || nested_member_of {
        attributes.extend(member_attributes(configuration).into_iter().filter(known));
    }
    attributes.extend(configuration.cross_references.iter().map(|rule| rule.attribute.clone()).filter(known));
    let (flat, domain) = match &configuration.source {
        Source::ActiveDirectory(domain) => (domain.nested_groups == NestedGroups::Flat, true),
        Source::OpenLdap(_) | Source::Ldif(_) => (false, false),
    };
    let mut references_by = BTreeMap::new();
    for (attribute, by) in &configuration.references_by {
        if attributes.contains(attribute) && known(attribute) && known(by) {
            let reference = ValueReference { by: by.clone(), rule: schema.rule(by), reverse_of: None };
            references_by.insert(attribute.clone(), reference);
        }
    }
    let member = AttributeName::from(MEMBERS[0]);
    if domain && attributes.contains(&member) {
        let (own, of_group) = PRIMARY_GROUP;
        let (own, by) = (AttributeName::from(own), AttributeName::from(of_group));
        let rule = schema.rule(&by);
        attributes.insert(own.clone());
        references_by.insert(own, ValueReference { by, rule, reverse_of: Some(member) });
    }
    attributes.extend(references_by.values().map(|reference| reference.by.clone()));
    let listing = member_attributes(configuration).into_iter().filter(|name| attributes.contains(name)).collect();
    let memberships = Memberships { attributes: listing, flat, member_of, nested_member_of };
    let held = attributes.union(&asked).cloned().collect();
    Reads { attributes, held, references_by, memberships }
}

/// The attributes that rules read of entries as they are imported: not those that the space works out.
pub(crate) fn imported(chain: &Chain) -> BTreeSet<AttributeName> {
    let made =
        |name: &AttributeName| [MEMBER_OF, NESTED_MEMBER_OF].iter().any(|own| *name == AttributeName::from(*own));
    chain.reads().into_iter().filter(|name| !made(name)).collect()
}

/// The attributes that rules and the configuration read and the directory does not have. A file has no schema of its own: any attribute may be in
/// it. References by value that nobody has are no mistake: the rules for groups read those of every kind.
pub(crate) fn unknown(configuration: &Configuration, chain: &Chain, schema: &Schema) -> Vec<AttributeName> {
    let by_value = |name: &AttributeName| configuration.references_by.contains_key(name);
    let across = configuration.cross_references.iter().map(|rule| rule.attribute.clone());
    let read: BTreeSet<AttributeName> = imported(chain).into_iter().chain(across).collect();
    read.into_iter().filter(|name| !schema.knows(name) && !by_value(name)).collect()
}
