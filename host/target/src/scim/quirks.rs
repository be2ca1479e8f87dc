//! Quirks: what a service does otherwise than it announces or than the RFC has it, named by the configuration.

use std::fmt;

/// A way in which a service differs. Each is documented in `docs/targets/quirks.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quirk {
    /// Changes in part do not work, although they are announced: resources are read and written whole (PUT).
    NoPatch,
    /// Filters do not work, although they are announced: matching reads the whole listing.
    NoFilter,
    /// Versions do not work, although they are announced: no `If-Match` is sent.
    NoEtag,
    /// Operations of a PATCH must be named `Add`, `Replace` and `Remove`.
    PatchOpCapitalized,
    /// Truth values must be written as the texts `True` and `False`.
    StringBooleans,
    /// References are removed by a list of values, not by a filter in the path.
    RemoveMembersByValue,
    /// References can be changed only by replacing the whole list.
    ReplaceMembers,
    /// One PATCH of a resource may change references or other attributes, and may add or remove, never both.
    GroupChangesApart,
    /// The references of a resource (members) are never shown.
    MembersHidden,
    /// `totalResults` is not to be relied on: a listing ends with an empty page.
    TotalUnreliable,
    /// Deleting leaves the resource there, with `active` set to false.
    SoftDelete,
}

impl Quirk {
    /// All quirks with their names.
    pub const ALL: [(&'static str, Self); 11] = [
        ("no-patch", Self::NoPatch),
        ("no-filter", Self::NoFilter),
        ("no-etag", Self::NoEtag),
        ("patch-op-capitalized", Self::PatchOpCapitalized),
        ("string-booleans", Self::StringBooleans),
        ("remove-members-by-value", Self::RemoveMembersByValue),
        ("replace-members", Self::ReplaceMembers),
        ("group-changes-apart", Self::GroupChangesApart),
        ("members-hidden", Self::MembersHidden),
        ("total-unreliable", Self::TotalUnreliable),
        ("soft-delete", Self::SoftDelete),
    ];

    /// The name by which configurations call it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, quirk)| *quirk == self).map_or("", |(name, _)| *name)
    }

    /// A second quirk that makes no sense together with this one.
    pub fn excludes(self) -> Option<Self> {
        match self {
            Self::RemoveMembersByValue => Some(Self::ReplaceMembers),
            Self::ReplaceMembers => Some(Self::MembersHidden),
            Self::MembersHidden => Some(Self::RemoveMembersByValue),
            _ => None,
        }
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_quirk_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Quirk::ALL.iter().map(|(_, quirk)| quirk.name()).collect();
        assert_eq!(names.len(), Quirk::ALL.len());
        assert!(Quirk::ALL.iter().all(|(name, quirk)| quirk.name() == *name && quirk.to_string() == *name));
    }
}
