//! Who has to be evaluated again because of a membership, where more than a group's own list depends on one.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, params};

use crate::changes::Reference;
use crate::{EntryKey, Space, SpaceError};

/// The attributes of groups that list members.
const OWN: &str = "(SELECT attribute FROM member_attribute WHERE reversed = 0)";

/// The attributes of members that tell their group.
const REVERSED: &str = "(SELECT attribute FROM member_attribute WHERE reversed = 1)";

/// The attributes of members that tell their group, whether or not anything else is made of memberships.
const TOLD: &str = "(SELECT attribute FROM reference_by WHERE reverse_of IS NOT NULL)";

/// The members of those whose numbers (`id`) are in `from`, by both kinds of attributes. They may have left since: who is
/// evaluated once too often comes to the same.
fn members(from: &str) -> String {
    format!(
        "SELECT r.target FROM {from} f CROSS JOIN reference r ON r.referrer = f.id AND r.attribute IN {OWN} \
         WHERE r.target IS NOT NULL UNION \
         SELECT r.referrer FROM {from} f CROSS JOIN reference r INDEXED BY reference_target ON r.target = f.id \
         AND r.attribute IN {REVERSED}"
    )
}

/// Those (numbers) and all that is below them: members, their members, and so on.
fn below(those: &str) -> String {
    let members = members("below");
    format!("WITH RECURSIVE below (id) AS ({those} UNION {members}) SELECT id FROM below")
}

/// Those (numbers) and all that they are in, at any depth.
fn above(those: &str) -> String {
    format!(
        "WITH RECURSIVE above (id) AS ({those} UNION \
         SELECT r.referrer FROM above a CROSS JOIN reference r INDEXED BY reference_target ON r.target = a.id \
         AND r.attribute IN {OWN} UNION \
         SELECT r.target FROM above a CROSS JOIN reference r ON r.referrer = a.id AND r.attribute IN {REVERSED} \
         WHERE r.target IS NOT NULL) SELECT id FROM above"
    )
}

/// The ways by which memberships are followed.
#[cfg(test)]
pub(crate) fn walks() -> [String; 3] {
    [members("(SELECT ?1 AS id)"), below("SELECT ?1"), above("SELECT ?1")]
}

impl Space {
    /// What gives the groups that entry `?1` is in, as far as they do not name it themselves.
    fn groups_besides(&self) -> Vec<String> {
        let told =
            format!("SELECT target FROM reference WHERE referrer = ?1 AND attribute IN {TOLD} AND target IS NOT NULL");
        let told = self.by_value.reverses().then_some(told);
        told.into_iter().chain(self.memberships.flat.then(|| above("SELECT ?1"))).collect()
    }

    /// An entry came, left or is a group now or no longer: asks for the evaluation of the groups that it is in.
    pub(crate) fn wake_groups(&self, key: EntryKey) -> Result<(), SpaceError> {
        self.groups_besides().iter().try_for_each(|groups| self.mark_dirty_among(groups, [key.0]))
    }

    /// Adds the groups that an entry is in, but for those that are there already.
    pub(crate) fn add_groups_of(&self, key: EntryKey, found: &mut Vec<EntryKey>) -> Result<(), SpaceError> {
        for groups in self.groups_besides() {
            let mut statement = self.connection.prepare_cached(&groups)?;
            let groups = statement.query_map([key.0], |row| row.get(0).map(EntryKey))?;
            found.extend(groups.collect::<Result<Vec<_>, _>>()?.into_iter().filter(|group| *group != key));
            found.sort_unstable();
            found.dedup();
        }
        Ok(())
    }

    /// Who is in a group that has another name, came or left: asks for the evaluation of all whose attributes name it.
    pub(crate) fn wake_members(&self, group: EntryKey) -> Result<(), SpaceError> {
        if self.memberships.nested {
            self.mark_dirty_among(&below("SELECT ?1"), [group.0])
        } else if self.memberships.names_groups() {
            self.mark_dirty_among(&members("(SELECT ?1 AS id)"), [group.0])
        } else {
            Ok(())
        }
    }

    /// Memberships of this entry came or went: asks for its evaluation, and of all who are in other groups by it.
    fn wake_member(&self, member: i64) -> Result<(), SpaceError> {
        if self.memberships.nested {
            self.mark_dirty_among(&below("SELECT ?1"), [member])
        } else if self.memberships.names_groups() {
            self.mark_dirty_among("SELECT ?1", [member])
        } else {
            Ok(())
        }
    }

    /// Who depends on references of this entry that are about to go.
    pub(crate) fn wake_parted(&mut self, key: EntryKey, went: &BTreeSet<Reference>) -> Result<(), SpaceError> {
        if !self.by_value.reverses() && self.memberships.attributes.is_empty() {
            return Ok(());
        }
        let mut is_parted = false;
        for (attribute, name) in went {
            let (own, told) =
                (self.memberships.attributes.contains(&**attribute), self.by_value.tells_group(attribute));
            if !own && !told {
                continue;
            }
            is_parted |= own;
            let Some(target) = self.meant_by(key, attribute, name)? else { continue };
            if told {
                self.mark_entry_dirty(EntryKey(target))?;
                self.wake_groups(EntryKey(target))?;
                self.wake_member(key.0)?;
            } else {
                self.wake_member(target)?;
            }
        }
        if is_parted { self.wake_groups(key) } else { Ok(()) }
    }

    /// Whom a reference was resolved to.
    pub(crate) fn meant_by(&self, key: EntryKey, attribute: &str, name: &[u8]) -> Result<Option<i64>, SpaceError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT target FROM reference WHERE referrer = ?1 AND attribute = ?2 AND dn_key = ?3")?;
        let target = statement.query_row(params![key.0, attribute, name], |row| row.get::<_, Option<i64>>(0));
        Ok(target.optional()?.flatten())
    }

    /// Who depends on the references that were just resolved.
    pub(crate) fn wake_retargeted(&mut self) -> Result<(), SpaceError> {
        let both = |condition: &str| {
            format!(
                "SELECT old FROM temp.retargeted WHERE old IS NOT NULL AND {condition} UNION \
                     SELECT new FROM temp.retargeted WHERE new IS NOT NULL AND {condition}"
            )
        };
        if self.by_value.reverses() {
            self.mark_dirty_among(&both(&format!("attribute IN {TOLD}")), [])?;
        }
        let (own, reversed) = (format!("attribute IN {OWN}"), format!("attribute IN {REVERSED}"));
        let referrers = |condition: &str| format!("SELECT referrer AS id FROM temp.retargeted WHERE {condition}");
        if self.memberships.flat {
            let groups = format!("{} UNION {}", referrers(&own), both(&reversed));
            self.mark_dirty_among(&above(&groups), [])?;
        }
        if self.memberships.names_groups() {
            let members = format!("{} UNION {}", both(&own), referrers(&reversed));
            let concerned = if self.memberships.nested { below(&members) } else { members };
            self.mark_dirty_among(&concerned, [])?;
        }
        Ok(())
    }
}
