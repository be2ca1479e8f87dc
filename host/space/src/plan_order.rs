//! The order of the plan: what goes before what.

use provisor_model::fold_case;
use rusqlite::params;

use crate::{EntryKey, Space, SpaceError};

impl Space {
    /// Notes a unique value that an operation frees or takes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn plan_unique(&mut self, key: EntryKey, path: &str, value: &str, frees: bool) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO plan_unique (entry_id, path, value, frees) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![key.0, path.to_ascii_lowercase(), fold_case(value), frees])?;
        Ok(())
    }

    /// Pairs of operations of which the first frees a unique value that the second takes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn unique_conflicts(&self) -> Result<Vec<(EntryKey, EntryKey)>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT DISTINCT a.entry_id, b.entry_id FROM plan_unique a JOIN plan_unique b \
             ON b.path = a.path AND b.value = a.value AND b.frees = 0 AND b.entry_id <> a.entry_id WHERE a.frees = 1",
        )?;
        let rows = statement.query_map([], |row| Ok((EntryKey(row.get(0)?), EntryKey(row.get(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Makes a candidate of an operation whose resource is not at the target.
    ///
    /// # Errors
    /// When the database fails.
    pub fn make_candidate(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        self.connection.prepare_cached("UPDATE plan SET state = 1, wave = 1 WHERE entry_id = ?1")?.execute([key.0])?;
        Ok(())
    }

    /// Makes candidates of all creations of a kind whose resource is sought: the target has none of this kind.
    ///
    /// # Errors
    /// When the database fails.
    pub fn make_candidates(&mut self, kind: &str) -> Result<u64, SpaceError> {
        let sql = "UPDATE plan SET state = 1, wave = 1 \
                   WHERE state = 0 AND kind = ?1 AND operation = 'create' AND resource_id IS NULL";
        Ok(self.connection.prepare_cached(sql)?.execute([kind])? as u64)
    }

    /// Whether an operation frees a unique value.
    ///
    /// # Errors
    /// When the database fails.
    pub fn frees_values(&self) -> Result<bool, SpaceError> {
        Ok(self.connection.prepare_cached("SELECT 1 FROM plan_unique WHERE frees = 1")?.exists([])?)
    }

    /// Makes an operation ready to be carried out in this phase.
    ///
    /// # Errors
    /// When the database fails.
    pub fn make_ready(&mut self, key: EntryKey, phase: u32) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("UPDATE plan SET state = 2, phase = ?2, wave = 0 WHERE entry_id = ?1")?
            .execute(params![key.0, phase])?;
        Ok(())
    }

    /// Puts one operation elsewhere in the order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_order(&mut self, key: EntryKey, phase: u32, wave: u32) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("UPDATE plan SET phase = ?2, wave = ?3 WHERE entry_id = ?1")?
            .execute(params![key.0, phase, wave])?;
        Ok(())
    }

    /// Puts creations of this phase that refer to others of it into later waves, so that what they refer to is there
    /// before them, as far as `most` waves go. Only which of them refer to which is in memory, and each is written once.
    ///
    /// # Errors
    /// When the database fails.
    pub fn order_creations(&mut self, phase: u32, most: u32) -> Result<(), SpaceError> {
        let mut references: Vec<(i64, i64)> = self
            .connection
            .prepare_cached(
                "SELECT w.entry_id, w.target FROM waiting w CROSS JOIN plan p ON p.entry_id = w.entry_id \
                 CROSS JOIN plan t ON t.entry_id = w.target WHERE w.entry_id <> w.target \
                 AND p.phase = ?1 AND p.operation = 'create' AND t.phase = ?1 AND t.operation = 'create' \
                 ORDER BY w.entry_id",
            )?
            .query_map([phase], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for wave in 1..=most {
            let raised = referrers(&references);
            // Whoever refers to one that is raised goes behind that one as well.
            references.retain(|(_, target)| raised.binary_search(target).is_ok());
            let further = if wave < most { referrers(&references) } else { Vec::new() };
            for key in raised.into_iter().filter(|key| further.binary_search(key).is_err()) {
                self.set_order(EntryKey(key), phase, wave)?;
            }
        }
        Ok(())
    }

    /// The phases and waves that have operations to carry out, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn plan_stages(&self) -> Result<Vec<(u32, u32)>, SpaceError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT DISTINCT phase, wave FROM plan WHERE state = 2 ORDER BY phase, wave")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Who refers, each once; the references come in the order of who does.
fn referrers(references: &[(i64, i64)]) -> Vec<i64> {
    let mut referrers: Vec<i64> = references.iter().map(|(referrer, _)| *referrer).collect();
    referrers.dedup();
    referrers
}
