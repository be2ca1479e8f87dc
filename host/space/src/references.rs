//! References between entries: what they resolve to, and which wait for their target.

use provisor_model::{AttributeName, DnKey, ResourceId, SourceId, TargetPath};
use rusqlite::{OptionalExtension as _, Row, params};

use crate::{EntryKey, Space, SpaceError};

/// The other end of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceTarget {
    /// Its number.
    pub key: EntryKey,
    /// Its resource, where it has one that is in use.
    pub resource_id: Option<ResourceId>,
    /// Whether it has a resource in use, or will have one when the plan is carried out.
    pub provisioned: bool,
}

/// What a reference to an entry comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceStanding {
    /// Whether the entry has a resource in use, or will have one when the plan is carried out.
    pub provisioned: bool,
    /// Whether the entry is in the source, and among what is read of it.
    pub in_source: bool,
}

/// A reference that is wanted, and whose target had no resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The attribute of the resource.
    pub path: TargetPath,
    /// The entry that is referred to.
    pub target: EntryKey,
    /// Whether the attribute holds one reference, as a manager does.
    pub single: bool,
}

/// The key of the DN in a value of DN syntax, or of the id that stands in place of one, without the unique id that may
/// follow it (RFC 4517, section 3.3.21).
pub(crate) fn name_of_reference(value: &str) -> Option<DnKey> {
    let name = match value.rsplit_once('#') {
        Some((name, id)) if id.starts_with('\'') && id.ends_with("'B") => name,
        _ => value,
    };
    DnKey::of(name).ok()
}

impl Space {
    /// The entries that an attribute of this entry names by DN, id or value, or that tell by an attribute of their own
    /// that they are among them; as far as they are in the source. Where memberships are [flat](crate::Memberships),
    /// those within groups in place of the groups.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn references_of(&self, key: EntryKey, attribute: &AttributeName) -> Result<Vec<SourceId>, SpaceError> {
        let attribute = attribute.to_key();
        let mut statement = self.connection.prepare_cached(&self.referred("e.source_id", &attribute))?;
        let mut rows = statement.query(params![key.0, attribute])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(SourceId::from_storage(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?);
        }
        Ok(found)
    }

    /// The same, with the numbers of the entries.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn numbered_references_of(
        &self,
        key: EntryKey,
        attribute: &AttributeName,
    ) -> Result<Vec<(SourceId, EntryKey)>, SpaceError> {
        let attribute = attribute.to_key();
        let mut statement = self.connection.prepare_cached(&self.referred("e.source_id, e.id", &attribute))?;
        let mut rows = statement.query(params![key.0, attribute])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id = SourceId::from_storage(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
            found.push((id, EntryKey(row.get(1)?)));
        }
        Ok(found)
    }

    /// The entry that this entry means by a DN: the one it was resolved to when it was first named, else the one that
    /// has the name now. Where no attribute of the entry holds the DN, the entry is evaluated again when the name comes
    /// or goes.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn reference_by_dn(&mut self, key: EntryKey, dn: &DnKey) -> Result<Option<SourceId>, SpaceError> {
        let (found, held) = self.meant_by_dn(key, dn)?;
        if !held {
            self.note_name_lookup(key, dn.octets())?;
        }
        Ok(found.map(|(id, _)| id))
    }

    /// The entry that this entry means by a DN, and whether an attribute of the entry holds the DN.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn meant_by_dn(&self, key: EntryKey, dn: &DnKey) -> Result<(Option<(SourceId, EntryKey)>, bool), SpaceError> {
        let numbered = |row: &Row<'_>| -> Result<(SourceId, EntryKey), SpaceError> {
            let id = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            Ok((SourceId::from_storage(id)?, EntryKey(row.get(1)?)))
        };
        let mut statement = self.connection.prepare_cached(
            "SELECT e.source_id, e.id FROM reference r CROSS JOIN entry e ON e.id = r.target AND e.gone = 0 \
             WHERE r.referrer = ?1 AND r.dn_key = ?2 LIMIT 1",
        )?;
        let mut rows = statement.query(params![key.0, dn.octets()])?;
        if let Some(row) = rows.next()? {
            let (id, target) = numbered(row)?;
            return Ok((Some(self.stood_for(id, target)?), true));
        }
        let held = self
            .connection
            .prepare_cached("SELECT 1 FROM reference WHERE referrer = ?1 AND dn_key = ?2")?
            .exists(params![key.0, dn.octets()])?;
        let (sql, name) = match dn.stored_id() {
            Some(id) => ("SELECT source_id, id FROM entry WHERE source_id = ?1 AND gone = 0", id),
            None => ("SELECT source_id, id FROM entry WHERE dn_key = ?1 AND gone = 0 LIMIT 1", dn.octets()),
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([name])?;
        let found = rows.next()?.map(numbered).transpose()?;
        Ok((found.map(|(id, target)| self.stood_for(id, target)).transpose()?, held))
    }

    /// What a reference to this entry would lead to.
    ///
    /// # Errors
    /// When the database fails.
    pub fn reference_target(&self, id: &SourceId) -> Result<Option<ReferenceTarget>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT e.id, coalesce(l.resource_id, f.resource_id), coalesce(l.disabled, f.entry_id IS NULL), p.operation FROM entry e \
             LEFT JOIN link l ON l.entry_id = e.id LEFT JOIN plan p ON p.entry_id = e.id \
             LEFT JOIN foreign_resource f ON f.entry_id = e.id WHERE e.source_id = ?1",
        )?;
        let found = statement.query_row([id.to_storage()], |row| {
            let resource_id: Option<String> = row.get(1)?;
            let in_use = resource_id.is_some() && !row.get::<_, bool>(2)?;
            let provisioned = match row.get::<_, Option<String>>(3)?.as_deref() {
                Some("create" | "join" | "update") => true,
                Some(_) => false,
                None => in_use,
            };
            Ok(ReferenceTarget {
                key: EntryKey(row.get(0)?),
                resource_id: resource_id.filter(|_| in_use).map(ResourceId::new),
                provisioned,
            })
        });
        Ok(found.optional()?)
    }

    /// What a reference to the entry of this number comes to.
    ///
    /// # Errors
    /// When the database fails.
    pub fn standing_of(&self, key: EntryKey) -> Result<ReferenceStanding, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT CASE WHEN p.operation IS NULL THEN coalesce(l.disabled, coalesce(e.gone, 1) <> 3) = 0 \
             ELSE p.operation IN ('create', 'join', 'update') END, coalesce(e.gone, 1) IN (0, 3) \
             FROM (SELECT ?1 AS id) k LEFT JOIN entry e ON e.id = k.id LEFT JOIN link l ON l.entry_id = k.id \
             LEFT JOIN plan p ON p.entry_id = k.id",
        )?;
        Ok(statement
            .query_row([key.0], |row| Ok(ReferenceStanding { provisioned: row.get(0)?, in_source: row.get(1)? }))?)
    }

    /// The numbers of the entries that an attribute of this entry was resolved to, each once; some may have left since.
    ///
    /// # Errors
    /// When the database fails.
    pub fn reference_keys_of(&self, key: EntryKey, attribute: &AttributeName) -> Result<Vec<EntryKey>, SpaceError> {
        let attribute = attribute.to_key();
        let mut statement = self.connection.prepare_cached(&self.referred_numbers(&attribute))?;
        let found = statement.query_map(params![key.0, attribute], |row| row.get(0).map(EntryKey))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// The number of the entry that the first attribute of this entry which holds a DN was resolved to; it may have
    /// left since.
    ///
    /// # Errors
    /// When the database fails.
    pub fn reference_key_by_dn(&self, key: EntryKey, dn: &DnKey) -> Result<Option<EntryKey>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT target FROM reference WHERE referrer = ?1 AND dn_key = ?2 AND target IS NOT NULL LIMIT 1",
        )?;
        let found = statement.query_row(params![key.0, dn.octets()], |row| row.get(0).map(EntryKey)).optional()?;
        found.map(|target| self.number_stood_for(target)).transpose()
    }

    /// Who refers to this entry, or has looked it up.
    ///
    /// # Errors
    /// When the database fails.
    pub fn referrers_of(&self, key: EntryKey) -> Result<Vec<EntryKey>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT referrer FROM reference WHERE target = ?1 UNION \
             SELECT l.referrer FROM lookup_value v JOIN lookup l ON l.attribute = v.attribute AND l.value = v.value \
             WHERE v.entry_id = ?1 UNION \
             SELECT l.referrer FROM entry e JOIN name_lookup l ON l.dn_key = e.dn_key WHERE e.id = ?1 UNION \
             SELECT referrer FROM name_lookup WHERE dn_key = ?2",
        )?;
        let by_id = self.name_by_id(key)?.map(DnKey::into_octets);
        let found = statement.query_map(params![key.0, by_id], |row| row.get(0).map(EntryKey))?;
        let mut found = found.collect::<Result<Vec<EntryKey>, _>>()?;
        self.add_groups_of(key, &mut found)?;
        Ok(found)
    }

    /// The resource of an entry, in use or not: to take a reference to it away.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resource_of(&self, id: &SourceId) -> Result<Option<ResourceId>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT coalesce(l.resource_id, f.resource_id) FROM entry e LEFT JOIN link l ON l.entry_id = e.id \
             LEFT JOIN foreign_resource f ON f.entry_id = e.id WHERE e.source_id = ?1",
        )?;
        let found: Option<Option<String>> = statement.query_row([id.to_storage()], |row| row.get(0)).optional()?;
        Ok(found.flatten().map(ResourceId::new))
    }

    /// Asks for the evaluation of who refers to this entry, or has looked it up.
    ///
    /// # Errors
    /// When the database fails.
    pub fn mark_referrers_dirty(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        self.mark_dirty_among("SELECT referrer FROM reference WHERE target = ?1", [key.0])?;
        self.wake_groups(key)?;
        self.wake_askers(key)
    }

    /// Keeps which references of an entry wait, in place of those that waited before.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_waiting(&mut self, key: EntryKey, waiting: &[Waiting]) -> Result<(), SpaceError> {
        self.connection.prepare_cached("DELETE FROM waiting WHERE entry_id = ?1")?.execute([key.0])?;
        for reference in waiting {
            self.connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO waiting (entry_id, path, target, single) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![key.0, reference.path.as_str(), reference.target.0, reference.single])?;
        }
        Ok(())
    }

    /// Entries in use that have references which can now be settled, those behind `after` first. Never those whose last
    /// request failed or has an unknown outcome, which are evaluated anew, nor those that are about to leave.
    ///
    /// # Errors
    /// When the database fails.
    pub fn settleable(&self, after: Option<EntryKey>, limit: usize) -> Result<Vec<EntryKey>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT DISTINCT w.entry_id FROM waiting w JOIN link t ON t.entry_id = w.target AND t.disabled = 0 \
             JOIN link l ON l.entry_id = w.entry_id AND l.disabled = 0 \
             WHERE w.entry_id > ?1 AND NOT EXISTS (SELECT 1 FROM intent i WHERE i.entry_id = w.entry_id) \
             AND NOT EXISTS (SELECT 1 FROM escrow x WHERE x.entry_id = w.entry_id) AND NOT EXISTS (SELECT 1 FROM plan p \
             WHERE p.entry_id IN (w.target, w.entry_id) AND p.operation IN ('delete', 'disable', 'release')) ORDER BY w.entry_id LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows =
            statement.query_map(params![after.map_or(i64::MIN, |key| key.0), limit], |row| row.get(0).map(EntryKey))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The waiting references of an entry whose targets have a resource in use by now, with that resource.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn settled_references(&self, key: EntryKey) -> Result<Vec<(Waiting, SourceId, ResourceId)>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT w.path, w.target, w.single, e.source_id, t.resource_id FROM waiting w \
             JOIN link t ON t.entry_id = w.target AND t.disabled = 0 JOIN entry e ON e.id = w.target WHERE w.entry_id = ?1 \
             AND NOT EXISTS (SELECT 1 FROM plan p WHERE p.entry_id = w.target \
             AND p.operation IN ('delete', 'disable', 'release'))",
        )?;
        let mut rows = statement.query([key.0])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let path: String = row.get(0)?;
            let path =
                path.parse().map_err(|error: provisor_model::PathError| SpaceError::Damaged(error.to_string()))?;
            let waiting = Waiting { path, target: EntryKey(row.get(1)?), single: row.get(2)? };
            let source = SourceId::from_storage(&row.get::<_, Vec<u8>>(3)?)?;
            found.push((waiting, source, ResourceId::new(row.get::<_, String>(4)?)));
        }
        Ok(found)
    }

    /// Notes that one reference no longer waits.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove_waiting(&mut self, key: EntryKey, waiting: &Waiting) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("DELETE FROM waiting WHERE entry_id = ?1 AND path = ?2 AND target = ?3")?
            .execute(params![key.0, waiting.path.as_str(), waiting.target.0])?;
        Ok(())
    }

    /// How many references wait.
    ///
    /// # Errors
    /// When the database fails.
    pub fn waiting_count(&self) -> Result<u64, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT count(*) FROM waiting")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }
}
