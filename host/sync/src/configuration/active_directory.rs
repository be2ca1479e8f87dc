//! `[source]` of kind "active-directory": a domain, its controllers, and how they are read.

use std::time::Duration;

use provisor_directory::{ActiveDirectoryOptions, DomainChanges};
use provisor_model::Dn;

use super::connection::{self, LdapConnection};
use super::document::Section;
use super::error::ConfigurationError;
use super::source::{Identity, attribute_name, page_size};

/// The keys of an Active Directory domain.
pub(super) const KEYS: &[&str] = &[
    "kind",
    "base",
    "anchor",
    "object-classes",
    "references-by",
    "url",
    "start-tls",
    "ca",
    "client-certificate",
    "client-key",
    "bind",
    "bind-dn",
    "password",
    "keytab",
    "principal",
    "page-size",
    "timeout",
    "changes",
    "listing",
    "nested-groups",
];

/// What `source.changes` may be.
const CHANGES: &[(&str, DomainChanges)] = &[
    ("auto", DomainChanges::Auto),
    ("dirsync", DomainChanges::DirSync),
    ("change-numbers", DomainChanges::ChangeNumbers),
];

/// What `source.nested-groups` may be.
const NESTED: &[(&str, NestedGroups)] = &[("as-is", NestedGroups::AsIs), ("flat", NestedGroups::Flat)];

/// What becomes of groups within groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NestedGroups {
    /// A group within a group is a member of it.
    #[default]
    AsIs,
    /// The members of a group within a group are members of the outer one, which has no groups as members.
    Flat,
}

/// An Active Directory domain.
#[derive(Clone, Debug)]
pub struct ActiveDirectorySource {
    /// Where its controllers are, in the order of preference, and as whom they are asked.
    pub connection: LdapConnection,
    /// The domain's name; none for the one that the controllers keep.
    pub base: Option<Dn>,
    /// Entries asked for at once.
    pub page_size: u32,
    /// What identifies an entry.
    pub identity: Identity,
    /// How changes are read.
    pub changes: DomainChanges,
    /// How often all that is there is listed where the controllers do not tell of deletions.
    pub listing: Duration,
    /// What becomes of groups within groups.
    pub nested_groups: NestedGroups,
}

/// Reads the section.
pub(super) fn read(section: &Section<'_>) -> Result<ActiveDirectorySource, ConfigurationError> {
    let usual = ActiveDirectoryOptions::object();
    let anchor = section.get("anchor").map(|item| attribute_name(&item)).transpose()?;
    let (second, day) = (Duration::from_secs(1), Duration::from_secs(86_400));
    let listing = section.get("listing").map(|item| item.duration(second, day)).transpose()?;
    Ok(ActiveDirectorySource {
        connection: connection::read(section, connection::DOMAIN_METHODS)?,
        base: section.get("base").map(|item| item.parsed()).transpose()?,
        page_size: page_size(section, 1_000)?,
        identity: Identity { source_id: usual.source_id_attribute, anchor: anchor.or(usual.anchor_attribute) },
        changes: section.get("changes").map_or(Ok(DomainChanges::Auto), |item| item.word(CHANGES))?,
        listing: listing.unwrap_or(ActiveDirectoryOptions::LISTING),
        nested_groups: section.get("nested-groups").map_or(Ok(NestedGroups::AsIs), |item| item.word(NESTED))?,
    })
}
