//! Entries found by the value of an attribute, for references that rules make so (`reference-by`).

use provisor_model::{AttributeName, Attributes, SourceId};
use rusqlite::params;

use crate::{EntryKey, Space, SpaceError};

impl Space {
    /// The entry whose attribute has this value, letter case aside; the lowest source id where there are several. The
    /// first question about an attribute indexes it. The asking entry is evaluated again when the answer may change.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn reference_by_value(
        &mut self,
        referrer: EntryKey,
        attribute: &AttributeName,
        value: &str,
    ) -> Result<Option<SourceId>, SpaceError> {
        let (attribute, value) = (attribute.to_key(), value.to_lowercase());
        self.index_attribute(&attribute)?;
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO lookup (attribute, value, referrer) VALUES (?1, ?2, ?3)")?
            .execute(params![attribute, value, referrer.0])?;
        let mut statement = self.connection.prepare_cached(
            "SELECT e.source_id FROM lookup_value v JOIN entry e ON e.id = v.entry_id AND e.gone = 0 \
             WHERE v.attribute = ?1 AND v.value = ?2 ORDER BY e.source_id LIMIT 1",
        )?;
        let mut rows = statement.query(params![attribute, value])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(SourceId::from_storage(&row.get::<_, Vec<u8>>(0)?)?))
    }

    /// Forgets what an entry has looked up: it is being evaluated again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clear_lookups(&mut self, referrer: EntryKey) -> Result<(), SpaceError> {
        self.connection.prepare_cached("DELETE FROM lookup WHERE referrer = ?1")?.execute([referrer.0])?;
        Ok(())
    }

    fn index_attribute(&mut self, attribute: &str) -> Result<(), SpaceError> {
        let fresh = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO lookup_attribute (attribute) VALUES (?1)")?
            .execute([attribute])?;
        if fresh == 0 {
            return Ok(());
        }
        let name = AttributeName::new(attribute);
        let mut statement = self.connection.prepare("SELECT id, attributes FROM entry WHERE gone = 0")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let attributes: Attributes = postcard::from_bytes(&row.get::<_, Vec<u8>>(1)?)?;
            self.add_values(EntryKey(row.get(0)?), &name, &attributes)?;
        }
        Ok(())
    }

    fn add_values(&self, key: EntryKey, name: &AttributeName, attributes: &Attributes) -> Result<(), SpaceError> {
        for value in attributes.values(name).iter().filter_map(|value| value.as_text()) {
            let parameters = params![name.to_key(), value.to_lowercase(), key.0];
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO lookup_value (attribute, value, entry_id) VALUES (?1, ?2, ?3)")?
                .execute(parameters)?;
        }
        Ok(())
    }

    /// Keeps the indexed values of an entry that was added or changed.
    pub(crate) fn index_entry(&mut self, key: EntryKey, attributes: &Attributes) -> Result<(), SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT attribute FROM lookup_attribute")?;
        let names: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        drop(statement);
        if names.is_empty() {
            return Ok(());
        }
        self.unindex_entry(key)?;
        for name in names {
            self.add_values(key, &AttributeName::new(name), attributes)?;
        }
        self.wake_askers(key)
    }

    /// Drops the indexed values of an entry that is gone.
    pub(crate) fn unindex_entry(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        self.wake_askers(key)?;
        self.connection.prepare_cached("DELETE FROM lookup_value WHERE entry_id = ?1")?.execute([key.0])?;
        Ok(())
    }

    fn wake_askers(&self, key: EntryKey) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached(
                "INSERT OR IGNORE INTO dirty SELECT source_id, id FROM entry WHERE id IN (SELECT l.referrer FROM lookup_value v \
                 JOIN lookup l ON l.attribute = v.attribute AND l.value = v.value WHERE v.entry_id = ?1)",
            )?
            .execute([key.0])?;
        Ok(())
    }
}
