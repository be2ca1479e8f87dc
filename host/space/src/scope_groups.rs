//! Scope by groups: who is in them, found by the references that are stored anyway, and who has to be evaluated again when
//! one of them changes. What it costs grows with the members that came or went.

use std::collections::BTreeSet;

use provisor_model::AttributeName;
use rusqlite::params;

use crate::{EntryKey, MetaKey, Space, SpaceError};

/// Whether entry `?1` lists members.
const LISTS_MEMBERS: &str = "EXISTS (SELECT 1 FROM reference x JOIN scope_attribute b ON b.attribute = x.attribute \
                             WHERE x.referrer = ?1)";

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
        let attributes: BTreeSet<String> = attributes.iter().map(AttributeName::to_key).collect();
        let settled = serde_json::to_vec(&(&roots, nested, &attributes))?;
        if self.fact(MetaKey::ScopeGroups)?.as_deref() == Some(settled.as_slice()) {
            return Ok(());
        }
        self.atomically(|space| {
            let before = space.scope_groups()?;
            for group in &before {
                space.mark_members_dirty(*group)?;
            }
            space.connection.execute_batch("DELETE FROM scope_group; DELETE FROM scope_attribute;")?;
            for attribute in &attributes {
                space
                    .connection
                    .prepare_cached("INSERT INTO scope_attribute (attribute) VALUES (?1)")?
                    .execute([attribute])?;
            }
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
             CROSS JOIN scope_attribute a ON a.attribute = r.attribute WHERE r.target = ?1)",
        )?;
        Ok(statement.query_row([key.0], |row| row.get(0))?)
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
        let mut statement = self.connection.prepare_cached(
            "SELECT DISTINCT r.target FROM reference r JOIN scope_attribute a ON a.attribute = r.attribute \
             JOIN entry e ON e.id = r.target AND e.gone = 0 WHERE r.referrer = ?1 AND EXISTS (\
             SELECT 1 FROM reference x JOIN scope_attribute b ON b.attribute = x.attribute WHERE x.referrer = r.target)",
        )?;
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
        self.mark_dirty_among(
            "SELECT r.target FROM reference r JOIN scope_attribute a ON a.attribute = r.attribute WHERE r.referrer = ?1",
            [group],
        )
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
        if self.exists("SELECT 1 FROM scope_group WHERE entry_id = ?1", key.0)? {
            self.mark_members_dirty(key.0)?;
            return self.forget_scope_groups();
        }
        self.rescope_joining(key)
    }

    /// A group that lists members may be in one of the scope's groups.
    fn rescope_joining(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        let listed = "SELECT 1 FROM reference r INDEXED BY reference_target CROSS JOIN scope_group g ON g.entry_id = r.referrer \
                      WHERE r.target = ?1";
        if self.exists(listed, key.0)? {
            self.forget_scope_groups()?;
        }
        Ok(())
    }

    /// The references of an entry change: whom a group of the scope no longer names is evaluated again.
    pub(crate) fn rescope_references(
        &mut self,
        key: EntryKey,
        present: &BTreeSet<(String, Vec<u8>)>,
        wanted: &BTreeSet<(String, Vec<u8>)>,
    ) -> Result<(), SpaceError> {
        let attributes: BTreeSet<String> = self
            .connection
            .prepare_cached("SELECT attribute FROM scope_attribute")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if attributes.is_empty() {
            return Ok(());
        }
        if !self.exists("SELECT 1 FROM scope_group WHERE entry_id = ?1", key.0)? {
            let lists = |names: &BTreeSet<(String, Vec<u8>)>| names.iter().any(|(name, _)| attributes.contains(name));
            return if lists(present) == lists(wanted) { Ok(()) } else { self.rescope_joining(key) };
        }
        for (attribute, name) in present.difference(wanted).filter(|(name, _)| attributes.contains(name)) {
            let target: Option<i64> = self
                .connection
                .prepare_cached("SELECT target FROM reference WHERE referrer = ?1 AND attribute = ?2 AND dn_key = ?3")?
                .query_row(params![key.0, attribute, name], |row| row.get(0))?;
            let Some(target) = target else { continue };
            self.mark_entry_dirty(EntryKey(target))?;
            if self.exists(&format!("SELECT 1 WHERE {LISTS_MEMBERS}"), target)? {
                self.forget_scope_groups()?;
            }
        }
        Ok(())
    }

    /// The references that were just resolved: whom a group of the scope now means, or no longer means, is evaluated again.
    pub(crate) fn rescope_retargeted(&mut self) -> Result<(), SpaceError> {
        if !self.connection.prepare_cached("SELECT 1 FROM scope_group")?.exists([])? {
            return Ok(());
        }
        let concerned = "FROM temp.retargeted t JOIN scope_group g ON g.entry_id = t.referrer \
                         JOIN scope_attribute a ON a.attribute = t.attribute";
        self.mark_dirty_among(&format!("SELECT t.old {concerned} UNION SELECT t.new {concerned}"), [])?;
        let groups = format!(
            "SELECT 1 {concerned} WHERE EXISTS (SELECT 1 FROM reference x JOIN scope_attribute b ON b.attribute = x.attribute \
             WHERE x.referrer IN (t.old, t.new))"
        );
        if self.connection.prepare_cached(&groups)?.exists([])? {
            self.forget_scope_groups()?;
        }
        Ok(())
    }
}
