//! Links between entries and resources, with what was last exported.

use std::collections::BTreeMap;

use provisor_model::{Anchor, ResourceId, SourceId, TargetPath, TargetValue};
use rusqlite::{OptionalExtension as _, Row, params};

use crate::{EntryKey, Space, SpaceError, rows};

/// Whether a linked resource is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It is kept in step with its entry.
    Active,
    /// It was disabled because its entry left.
    Disabled,
}

/// The resource of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The name of its resource type.
    pub kind: String,
    /// What the target calls it.
    pub resource_id: ResourceId,
    /// The anchor that it was created or joined with.
    pub anchor: Anchor,
    /// Whether it is in use.
    pub state: LinkState,
    /// What was last exported, by path.
    pub exported: BTreeMap<TargetPath, TargetValue<SourceId>>,
}

impl Link {
    /// How many references it has in lists.
    pub(crate) fn reference_count(&self) -> i64 {
        let count = |value: &TargetValue<SourceId>| match value {
            TargetValue::References(references) => references.len(),
            _ => 0,
        };
        i64::try_from(self.exported.values().map(count).sum::<usize>()).unwrap_or(i64::MAX)
    }
}

pub(crate) const LINK_COLUMNS: &str = "l.kind, l.resource_id, l.anchor, l.disabled, l.exported";

/// Reads [`LINK_COLUMNS`] from `first` on, where the row has a link.
pub(crate) fn optional_link(row: &Row<'_>, first: usize) -> Result<Option<Link>, SpaceError> {
    let Some(kind) = row.get::<_, Option<String>>(first)? else { return Ok(None) };
    let resource_id: String = row.get(first + 1)?;
    let disabled: bool = row.get(first + 3)?;
    Ok(Some(Link {
        kind,
        resource_id: ResourceId::new(resource_id),
        anchor: Anchor::from_storage(&row.get::<_, Vec<u8>>(first + 2)?)?,
        state: if disabled { LinkState::Disabled } else { LinkState::Active },
        exported: postcard::from_bytes(row.get_ref(first + 4)?.as_blob().map_err(rusqlite::Error::from)?)?,
    }))
}

impl Space {
    /// Keeps the link of an entry.
    ///
    /// # Errors
    /// When the database fails, or another entry has this resource.
    pub fn set_link(&mut self, key: EntryKey, link: &Link) -> Result<(), SpaceError> {
        self.write_link(
            "INSERT INTO link (entry_id, kind, resource_id, anchor, disabled, exported, reference_count) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (entry_id) DO UPDATE SET \
             kind = ?2, resource_id = ?3, anchor = ?4, disabled = ?5, exported = ?6, reference_count = ?7",
            key,
            link,
        )?;
        Ok(())
    }

    /// Writes a link by a statement with these seven parameters; how many rows that changed.
    pub(crate) fn write_link(&self, sql: &str, key: EntryKey, link: &Link) -> Result<usize, SpaceError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params![
            key.0,
            link.kind,
            link.resource_id.as_str(),
            link.anchor.to_storage(),
            link.state == LinkState::Disabled,
            rows::encoded(&link.exported)?,
            link.reference_count(),
        ])?)
    }

    /// Forgets the link of an entry, and the values that were allotted with it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove_link(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        for table in ["link", "unique_value", "waiting"] {
            self.connection.prepare_cached(&format!("DELETE FROM {table} WHERE entry_id = ?1"))?.execute([key.0])?;
        }
        Ok(())
    }

    /// Forgets the link of an entry whose resource is no longer at the target. Who refers to it no longer has that
    /// reference there either, and is evaluated again.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn forget_resource(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        let Some(id) = self.entry(key)?.map(|stored| stored.entry.source_id) else { return Ok(()) };
        let referrers: Vec<i64> = self
            .connection
            .prepare_cached("SELECT DISTINCT referrer FROM reference WHERE target = ?1")?
            .query_map([key.0], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for referrer in referrers.into_iter().map(EntryKey) {
            let Some(mut link) = self.link(referrer)? else { continue };
            for value in link.exported.values_mut() {
                if let TargetValue::References(ids) = value {
                    ids.remove(&id);
                }
            }
            link.exported.retain(|_, value| !matches!(value, TargetValue::Reference(there) if *there == id));
            self.set_link(referrer, &link)?;
            self.mark_entry_dirty(referrer)?;
        }
        self.remove_link(key)
    }

    /// Gives the resource of an entry that is gone to the one that has its anchor now: to the target they are the same.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn pass_links_on(&mut self) -> Result<(), SpaceError> {
        let heirs: Vec<(i64, i64)> = self
            .connection
            .prepare_cached(
                "SELECT g.id, n.id FROM entry g JOIN link l ON l.entry_id = g.id AND l.anchor = g.anchor \
                 JOIN entry n ON n.anchor = g.anchor AND n.gone = 0 LEFT JOIN link own ON own.entry_id = n.id \
                 WHERE g.gone = 1 AND own.entry_id IS NULL",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (gone, heir) in heirs {
            for table in ["link", "unique_value", "intent"] {
                self.connection.execute(
                    &format!("UPDATE OR IGNORE {table} SET entry_id = ?2 WHERE entry_id = ?1"),
                    [gone, heir],
                )?;
            }
            self.mark_entry_dirty(EntryKey(heir))?;
            self.forget_entry(EntryKey(gone))?;
        }
        Ok(())
    }

    /// The link of an entry.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub fn link(&self, key: EntryKey) -> Result<Option<Link>, SpaceError> {
        let sql = format!("SELECT {LINK_COLUMNS} FROM link l WHERE l.entry_id = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([key.0])?;
        rows.next()?.map_or(Ok(None), |row| optional_link(row, 0))
    }

    /// Which entry a resource belongs to, with the name of that entry.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub fn owner_of(
        &self,
        kind: &str,
        resource: &ResourceId,
    ) -> Result<Option<(EntryKey, SourceId, String)>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT e.id, e.source_id, e.dn FROM link l JOIN entry e ON e.id = l.entry_id WHERE l.kind = ?1 AND l.resource_id = ?2",
        )?;
        let found: Option<(i64, Vec<u8>, String)> = statement
            .query_row(params![kind, resource.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        found.map(|(key, id, dn)| Ok((EntryKey(key), SourceId::from_storage(&id)?, dn))).transpose()
    }

    /// Which entry a resource belongs to, or will by the plan: what a reference at the target means here. Ids may be
    /// numbers that each kind counts for itself; where the kind is not known, people come before groups.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub fn source_of(&self, kind: Option<&str>, resource: &ResourceId) -> Result<Option<SourceId>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT source_id FROM (\
             SELECT e.source_id, l.kind FROM link l JOIN entry e ON e.id = l.entry_id WHERE l.resource_id = ?1 \
             UNION ALL SELECT source_id, kind FROM plan WHERE resource_id = ?1 \
             UNION ALL SELECT e.source_id, f.kind FROM foreign_resource f JOIN entry e ON e.id = f.entry_id \
             WHERE f.resource_id = ?1) \
             WHERE ?2 IS NULL OR kind = ?2 COLLATE NOCASE ORDER BY kind = 'Group' LIMIT 1",
        )?;
        let found: Option<Vec<u8>> =
            statement.query_row(params![resource.as_str(), kind], |row| row.get(0)).optional()?;
        Ok(found.map(|id| SourceId::from_storage(&id)).transpose()?)
    }

    /// The resources of an entry, by its link and by the plan, with their kinds.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resources_of(&self, id: &SourceId) -> Result<Vec<(String, ResourceId)>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT l.kind, l.resource_id FROM entry e JOIN link l ON l.entry_id = e.id WHERE e.source_id = ?1 \
             UNION SELECT p.kind, p.resource_id FROM entry e JOIN plan p ON p.entry_id = e.id \
             WHERE e.source_id = ?1 AND p.resource_id IS NOT NULL \
             UNION SELECT f.kind, f.resource_id FROM entry e JOIN foreign_resource f ON f.entry_id = e.id \
             WHERE e.source_id = ?1",
        )?;
        let rows = statement
            .query_map([id.to_storage()], |row| Ok((row.get(0)?, ResourceId::new(row.get::<_, String>(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets every link: they lead to another target. Resources are found again by matching.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_links(&mut self) -> Result<(), SpaceError> {
        self.connection
            .execute_batch("DELETE FROM link; DELETE FROM waiting; DELETE FROM intent; DELETE FROM unique_value;")?;
        self.forget_foreigners()
    }

    /// Some resources in use of a kind beside that of this entry, with their anchors.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn links_beside(
        &self,
        key: EntryKey,
        kind: &str,
        limit: usize,
    ) -> Result<Vec<(ResourceId, Anchor)>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT resource_id, anchor FROM link WHERE kind = ?1 AND entry_id <> ?2 AND disabled = 0 LIMIT ?3",
        )?;
        let mut rows = statement.query(params![kind, key.0, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let anchor = Anchor::from_storage(&row.get::<_, Vec<u8>>(1)?)?;
            found.push((ResourceId::new(row.get::<_, String>(0)?), anchor));
        }
        Ok(found)
    }

    /// How many links there are, by the kind of their resource.
    ///
    /// # Errors
    /// When the database fails.
    pub fn link_counts(&self) -> Result<BTreeMap<String, u64>, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT kind, count(*) FROM link GROUP BY kind")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many references have been exported over all links.
    ///
    /// # Errors
    /// When the database fails.
    pub fn exported_reference_count(&self) -> Result<u64, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT coalesce(sum(reference_count), 0) FROM link")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }
}
