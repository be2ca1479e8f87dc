//! The type of a group: what it is for, and where it holds.

use provisor_sdk::prelude::*;

use crate::config::{GroupKind, GroupScope};

/// A group's type, by Microsoft's names ([MS-ADTS], section 2.2.12).
pub struct GroupType {
    flags: Texts,
    kinds: Vec<GroupKind>,
    scopes: Vec<GroupScope>,
}

impl GroupType {
    /// Reads groupType; only groups of these kinds and scopes pass.
    pub fn read(contract: &mut MappingContract, kinds: Vec<GroupKind>, scopes: Vec<GroupScope>) -> Self {
        Self { flags: contract.texts("groupType;flags"), kinds, scopes }
    }

    /// Lets pass the groups that are wanted.
    ///
    /// # Errors
    /// The group is another one, or its type cannot be told.
    pub fn check(&self, entry: &Entry) -> Result<(), Refusal> {
        let scope = self.scope(entry);
        let Some(scope) = scope else {
            let text = "groupType cannot be read: give the account that Provisor binds with the right to read it";
            return Err(fail("no-group-type", text));
        };
        if !self.kinds.contains(&self.kind(entry)) {
            return Err(exclude("other-group-kind", format!("it is a {} group", word(self.kind(entry)))));
        }
        if !self.scopes.contains(&scope) {
            return Err(exclude("other-group-scope", format!("it is a {} group", scope_word(scope))));
        }
        Ok(())
    }

    /// Whether it can be given rights.
    pub fn is_security(&self, entry: &Entry) -> bool {
        self.kind(entry) == GroupKind::Security
    }

    fn kind(&self, entry: &Entry) -> GroupKind {
        if self.has(entry, "SECURITY_ENABLED") { GroupKind::Security } else { GroupKind::Distribution }
    }

    fn scope(&self, entry: &Entry) -> Option<GroupScope> {
        let scopes = [
            ("RESOURCE_GROUP", GroupScope::DomainLocal),
            ("ACCOUNT_GROUP", GroupScope::Global),
            ("UNIVERSAL_GROUP", GroupScope::Universal),
        ];
        scopes.into_iter().find(|(flag, _)| self.has(entry, flag)).map(|(_, scope)| scope)
    }

    fn has(&self, entry: &Entry, flag: &str) -> bool {
        entry.texts(self.flags).any(|set| set.eq_ignore_ascii_case(flag))
    }
}

fn word(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::Security => "security",
        GroupKind::Distribution => "distribution",
    }
}

fn scope_word(scope: GroupScope) -> &'static str {
    match scope {
        GroupScope::DomainLocal => "domain local",
        GroupScope::Global => "global",
        GroupScope::Universal => "universal",
    }
}
