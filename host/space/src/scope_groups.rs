//! Scope by groups: who is in them, found by the references that are stored anyway, and who has to be evaluated again when
//! one of them changes. What it costs grows with the members that came or went.

use std::collections::BTreeSet;
use std::sync::Arc;

use provisor_model::AttributeName;
use rusqlite::params;

use crate::changes::Reference;
use crate::{EntryKey, MetaKey, Space, SpaceError};

/// Whether entry `?1` is a group of the scope.
const SCOPE_GROUP: &str = "SELECT 1 FROM scope_group WHERE entry_id = ?1";

/// The attributes of groups that list members.
const OWN: &str = "(SELECT attribute FROM scope_attribute WHERE reversed = 0)";

/// The attributes by which members tell their group.
const REVERSED: &str = "(SELECT attribute FROM scope_attribute WHERE reversed = 1)";

/// Whether an entry has members, by either kind of attributes.
fn has_members(entry: &str) -> String {
    format!(
        "(EXISTS (SELECT 1 FROM reference x WHERE x.referrer = {entry} AND x.attribute IN {OWN}) OR EXISTS (\
         SELECT 1 FROM reference x INDEXED BY reference_target WHERE x.target = {entry} AND x.attribute IN {REVERSED}))"
    )
}

impl Space {
    /// Takes up which groups make the scope, by the attributes that list members; nested ones too where `nested` says so.
    /// Where that is another set of groups than before, the members of those that came or went are to be evaluated again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn settle_scope_groups(
        &mut self,
        groups: &[EntryKey],
        nested: bool,
        attributes: &BTreeSet<AttributeName>,
    ) -> Result<(), SpaceError> {
        let roots: BTreeSet<i64> = groups.iter().map(|key| key.0).collect();
        let attributes = self.listing(attributes);
        let reversed = self.by_value.reversing(&attributes);
        // As it was written before members could tell their group, where none does.
        let settled = match reversed.is_empty() {
            true => serde_json::to_vec(&(&roots, nested, &attributes))?,
            false => serde_json::to_vec(&(&roots, nested, &attributes, &reversed))?,
        };
        if self.fact(MetaKey::ScopeGroups)?.as_deref() == Some(settled.as_slice()) {
            return Ok(());
        }
        self.atomically(|space| {
            let before = space.scope_groups()?;
            for group in &before {
                space.mark_members_dirty(*group)?;
            }
            space.connection.execute_batch("DELETE FROM scope_group; DELETE FROM scope_attribute;")?;
            space.keep_member_attributes("scope_attribute", &attributes, &reversed)?;
            let groups = space.closure(&roots, nested)?;
            for group in &groups {
                space
                    .connection
                    .prepare_cached("INSERT INTO scope_group (entry_id, root) VALUES (?1, ?2)")?
                    .execute(params![group, roots.contains(group)])?;
            }
            for group in &groups {
                space.mark_members_dirty(*group)?;
            }
            space.set_fact(MetaKey::ScopeGroups, Some(&settled))
        })
    }

    /// Whether an entry is one of the scope's groups, or a member of one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn in_scope_groups(&self, key: EntryKey) -> Result<bool, SpaceError> {
        // The order of the tables is fixed: an entry is in few groups, and a group has many members.
        let mut statement = self.connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM scope_group WHERE entry_id = ?1) OR EXISTS (\
             SELECT 1 FROM reference r INDEXED BY reference_target CROSS JOIN scope_group g ON g.entry_id = r.referrer \
             WHERE r.target = ?1 AND r.attribute IN (SELECT attribute FROM scope_attribute WHERE reversed = 0))",
        )?;
        Ok(statement.query_row([key.0], |row| row.get(0))? || self.tells_scope_group(key)?)
    }

    /// Whether an entry tells by an attribute of its own that it is in a group of the scope.
    fn tells_scope_group(&self, key: EntryKey) -> Result<bool, SpaceError> {
        let sql = "SELECT 1 FROM reference r CROSS JOIN scope_group g ON g.entry_id = r.target WHERE r.referrer = ?1 \
                   AND r.attribute IN (SELECT attribute FROM scope_attribute WHERE reversed = 1)";
        Ok(self.by_value.reverses() && self.exists(sql, key.0)?)
    }

    fn scope_groups(&self) -> Result<BTreeSet<i64>, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT entry_id FROM scope_group")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// These groups, and where nested ones count also those that are in them, at any depth.
    fn closure(&self, roots: &BTreeSet<i64>, nested: bool) -> Result<BTreeSet<i64>, SpaceError> {
        let mut found = roots.clone();
        let mut unseen: Vec<i64> = if nested { roots.iter().copied().collect() } else { Vec::new() };
        let mut inner = format!(
            "SELECT r.target FROM reference r JOIN entry e ON e.id = r.target AND e.gone = 0 \
             WHERE r.referrer = ?1 AND r.attribute IN {OWN} AND {}",
            has_members("r.target")
        );
        if self.by_value.reverses() {
            inner += &format!(
                " UNION SELECT r.referrer FROM reference r INDEXED BY reference_target JOIN entry e ON e.id = r.referrer \
                 AND e.gone = 0 WHERE r.target = ?1 AND r.attribute IN {REVERSED} AND {}",
                has_members("r.referrer")
            );
        }
        let mut statement = self.connection.prepare_cached(&inner)?;
        while let Some(group) = unseen.pop() {
            let inner: Vec<i64> = statement.query_map([group], |row| row.get(0))?.collect::<Result<_, _>>()?;
            // A group that was met before is not gone into again, so circles end.
            unseen.extend(inner.into_iter().filter(|inner| found.insert(*inner)));
        }
        Ok(found)
    }

    /// Asks for the evaluation of a group and of everybody in it.
    fn mark_members_dirty(&mut self, group: i64) -> Result<(), SpaceError> {
        self.mark_entry_dirty(EntryKey(group))?;
        let listed = format!("SELECT target FROM reference WHERE referrer = ?1 AND attribute IN {OWN}");
        self.mark_dirty_among(&listed, [group])?;
        if self.by_value.reverses() {
            let telling = "SELECT referrer FROM reference INDEXED BY reference_target WHERE target = ?1";
            self.mark_dirty_among(&format!("{telling} AND attribute IN {REVERSED}"), [group])?;
        }
        Ok(())
    }

    fn exists(&self, sql: &str, key: i64) -> Result<bool, SpaceError> {
        Ok(self.connection.prepare_cached(sql)?.exists([key])?)
    }

    /// Lets the next evaluation find out anew which groups are in which.
    fn forget_scope_groups(&mut self) -> Result<(), SpaceError> {
        self.set_fact(MetaKey::ScopeGroups, None)
    }

    /// A group came back or is gone: its members may be in scope, or no longer.
    pub(crate) fn rescope_group(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        if self.exists(SCOPE_GROUP, key.0)? {
            self.mark_members_dirty(key.0)?;
            return self.forget_scope_groups();
        }
        self.rescope_joining(key)
    }

    /// A group that lists members may be in one of the scope's groups.
    fn rescope_joining(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        let listed = "SELECT 1 FROM reference r INDEXED BY reference_target CROSS JOIN scope_group g ON g.entry_id = r.referrer \
                      WHERE r.target = ?1 AND r.attribute IN (SELECT attribute FROM scope_attribute WHERE reversed = 0)";
        if self.exists(listed, key.0)? || self.tells_scope_group(key)? {
            self.forget_scope_groups()?;
        }
        Ok(())
    }

    /// References of an entry go: whom a group of the scope no longer names is evaluated again. Returns whether the entry
    /// lists members before its references change, where that matters.
    pub(crate) fn rescope_unnamed(
        &mut self,
        key: EntryKey,
        went: &BTreeSet<Reference>,
    ) -> Result<Option<bool>, SpaceError> {
        let own = self.scope_attributes(false)?;
        if own.is_empty() {
            return Ok(None);
        }
        let reversed = self.scope_attributes(true)?;
        for (attribute, name) in went.iter().filter(|(name, _)| reversed.contains(name)) {
            // Who told it is evaluated again anyway.
            let Some(group) = self.meant_by(key, attribute, name)? else { continue };
            if self.exists(SCOPE_GROUP, group)? && self.exists(SCOPE_GROUP, key.0)? {
                self.forget_scope_groups()?;
            }
        }
        if !self.exists(SCOPE_GROUP, key.0)? {
            return self.lists_members(key.0).map(Some);
        }
        for (attribute, name) in went.iter().filter(|(name, _)| own.contains(name)) {
            let Some(target) = self.meant_by(key, attribute, name)? else { continue };
            self.mark_entry_dirty(EntryKey(target))?;
            if self.exists(SCOPE_GROUP, target)? {
                self.forget_scope_groups()?;
            }
        }
        Ok(None)
    }

    /// The attributes of groups that list members, or those by which members tell their group; none where no groups make
    /// the scope.
    fn scope_attributes(&self, reversed: bool) -> Result<BTreeSet<Arc<str>>, SpaceError> {
        let mut statement =
            self.connection.prepare_cached("SELECT attribute FROM scope_attribute WHERE reversed = ?1")?;
        let attributes = statement.query_map([reversed], |row| row.get(0))?;
        Ok(attributes.collect::<Result<_, _>>()?)
    }

    /// The references of an entry have changed: one that lists members now, or no longer, may be in a group of the scope.
    pub(crate) fn rescope_listing(&mut self, key: EntryKey, listed: Option<bool>) -> Result<(), SpaceError> {
        match listed {
            Some(listed) if self.lists_members(key.0)? != listed => self.rescope_joining(key),
            _ => Ok(()),
        }
    }

    fn lists_members(&self, key: i64) -> Result<bool, SpaceError> {
        self.exists(&format!("SELECT 1 WHERE {}", has_members("?1")), key)
    }

    /// The references that were just resolved: whom a group of the scope now means, or no longer means, is evaluated again.
    pub(crate) fn rescope_retargeted(&mut self) -> Result<(), SpaceError> {
        if !self.connection.prepare_cached("SELECT 1 FROM scope_group")?.exists([])? {
            return Ok(());
        }
        let concerned = "FROM temp.retargeted t JOIN scope_group g ON g.entry_id = t.referrer \
                         JOIN scope_attribute a ON a.attribute = t.attribute AND a.reversed = 0";
        self.mark_dirty_among(&format!("SELECT t.old {concerned} UNION SELECT t.new {concerned}"), [])?;
        let groups = format!(
            "SELECT 1 {concerned} WHERE t.old IN (SELECT entry_id FROM scope_group) OR {}",
            has_members("t.new")
        );
        if self.connection.prepare_cached(&groups)?.exists([])? {
            self.forget_scope_groups()?;
        }
        if self.by_value.reverses() { self.rescope_told() } else { Ok(()) }
    }

    /// The same where it is the member that tells its group. The member itself is evaluated again anyway.
    fn rescope_told(&mut self) -> Result<(), SpaceError> {
        let told = format!("FROM temp.retargeted t WHERE t.attribute IN {REVERSED}");
        let groups = format!(
            "SELECT 1 {told} AND ((t.old IN (SELECT entry_id FROM scope_group) AND t.referrer IN (SELECT entry_id FROM scope_group)) \
             OR (t.new IN (SELECT entry_id FROM scope_group) AND {}))",
            has_members("t.referrer")
        );
        if self.connection.prepare_cached(&groups)?.exists([])? {
            self.forget_scope_groups()?;
        }
        // A group that had no member before may be in one of the scope's groups.
        let others = format!("SELECT DISTINCT t.new {told} AND t.new NOT IN (SELECT entry_id FROM scope_group)");
        let mut statement = self.connection.prepare_cached(&others)?;
        let others: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        drop(statement);
        if others.is_empty() || !self.goes_into_groups()? {
            return Ok(());
        }
        others.into_iter().try_for_each(|group| self.rescope_joining(EntryKey(group)))
    }

    /// Whether groups in the scope's groups count, as far as it is known which those are.
    fn goes_into_groups(&self) -> Result<bool, SpaceError> {
        let Some(settled) = self.fact(MetaKey::ScopeGroups)? else { return Ok(false) };
        let settled: serde_json::Value = serde_json::from_slice(&settled)?;
        Ok(settled.get(1).and_then(serde_json::Value::as_bool).unwrap_or_default())
    }
}
