//! Entries found by the value of an attribute or by a name, for references that rules make so (`reference-by`,
//! `reference`), and who has to be asked again when the answer may change.

use std::collections::BTreeSet;

use provisor_model::{AttributeName, Attributes, DnKey, SourceId, fold_case};
use rusqlite::params;

use crate::{EntryKey, Space, SpaceError};

/// An attribute by whose values no entry can be found yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotIndexed(AttributeName);

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
        let (attribute, value) = (attribute.to_key(), fold_case(value));
        self.index_attribute(&attribute)?;
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO lookup (attribute, value, referrer) VALUES (?1, ?2, ?3)")?
            .execute(params![attribute, value, referrer.0])?;
        Ok(self.first_with(&attribute, &value)?.map(|(id, _)| id))
    }

    /// The entry whose attribute has this value, with its number, where the attribute is indexed; `Err` in place of it
    /// where it is not yet.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn meant_by_value(
        &self,
        attribute: &AttributeName,
        value: &str,
    ) -> Result<Result<Option<(SourceId, EntryKey)>, NotIndexed>, SpaceError> {
        let key = attribute.to_key();
        let indexed = self
            .connection
            .prepare_cached("SELECT 1 FROM lookup_attribute WHERE attribute = ?1")?
            .exists([key.as_str()])?;
        if !indexed {
            return Ok(Err(NotIndexed(attribute.clone())));
        }
        self.first_with(&key, &fold_case(value)).map(Ok)
    }

    /// Indexes an attribute, so that entries can be found by its values.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn index_by(&mut self, attribute: &NotIndexed) -> Result<(), SpaceError> {
        self.atomically(|space| space.index_attribute(&attribute.0.to_key()))
    }

    /// The lowest source id among the entries whose attribute has this value, both given in lower case.
    fn first_with(&self, attribute: &str, value: &str) -> Result<Option<(SourceId, EntryKey)>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT e.source_id, e.id FROM lookup_value v JOIN entry e ON e.id = v.entry_id AND e.gone = 0 \
             WHERE v.attribute = ?1 AND v.value = ?2 ORDER BY e.source_id LIMIT 1",
        )?;
        let mut rows = statement.query(params![attribute, value])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let id = SourceId::from_storage(&row.get::<_, Vec<u8>>(0)?)?;
        self.stood_for(id, EntryKey(row.get(1)?)).map(Some)
    }

    /// Forgets what an entry has looked up: it is being evaluated again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clear_lookups(&mut self, referrer: EntryKey) -> Result<(), SpaceError> {
        for table in ["lookup", "name_lookup"] {
            self.connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE referrer = ?1"))?
                .execute([referrer.0])?;
        }
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
            let parameters = params![name.to_key(), fold_case(value), key.0];
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO lookup_value (attribute, value, entry_id) VALUES (?1, ?2, ?3)")?
                .execute(parameters)?;
        }
        Ok(())
    }

    /// Keeps the indexed values of an entry that was added or changed, as its attributes are stored; nothing where no
    /// values are indexed.
    pub(crate) fn index_row(&mut self, key: EntryKey, attributes: &[u8]) -> Result<(), SpaceError> {
        let looked_up = self.connection.prepare_cached("SELECT 1 FROM lookup_attribute LIMIT 1")?.exists([])?;
        if looked_up || self.by_value.is_indexed() {
            self.index_entry(key, &postcard::from_bytes(attributes)?)?;
        }
        Ok(())
    }

    /// Whether entries are found by the values of this attribute (its name in lower case).
    pub(crate) fn has_index(&self, attribute: &str) -> Result<bool, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT 1 FROM lookup_attribute WHERE attribute = ?1")?;
        Ok(self.by_value.indexes(attribute) || statement.exists([attribute])?)
    }

    /// Keeps the indexed values of an entry that was added or changed. Who asked for a value that came or went is evaluated
    /// again; who asked for one that stays is not.
    fn index_entry(&mut self, key: EntryKey, attributes: &Attributes) -> Result<(), SpaceError> {
        self.keep_value_names(key, attributes)?;
        let mut statement = self.connection.prepare_cached("SELECT attribute FROM lookup_attribute")?;
        let names: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        drop(statement);
        if names.is_empty() {
            return Ok(());
        }
        let present: BTreeSet<(String, String)> = self
            .connection
            .prepare_cached("SELECT attribute, value FROM lookup_value WHERE entry_id = ?1")?
            .query_map([key.0], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut wanted = BTreeSet::new();
        for name in names {
            let values = attributes.values(&AttributeName::new(name.as_str()));
            let texts = values.iter().filter_map(|value| value.as_text());
            wanted.extend(texts.map(|text| (name.clone(), fold_case(text))));
        }
        for (attribute, value) in present.difference(&wanted) {
            self.wake_value_askers(attribute, value)?;
            self.connection
                .prepare_cached("DELETE FROM lookup_value WHERE attribute = ?1 AND value = ?2 AND entry_id = ?3")?
                .execute(params![attribute, value, key.0])?;
        }
        for (attribute, value) in wanted.difference(&present) {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO lookup_value (attribute, value, entry_id) VALUES (?1, ?2, ?3)")?
                .execute(params![attribute, value, key.0])?;
            self.wake_value_askers(attribute, value)?;
        }
        Ok(())
    }

    /// Drops the indexed values of an entry that is gone.
    pub(crate) fn unindex_entry(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        self.wake_askers(key)?;
        self.connection.prepare_cached("DELETE FROM lookup_value WHERE entry_id = ?1")?.execute([key.0])?;
        self.keep_value_names(key, &Attributes::new())
    }

    /// Asks for the evaluation of who has looked up a value of this entry, or its name.
    pub(crate) fn wake_askers(&self, key: EntryKey) -> Result<(), SpaceError> {
        self.mark_dirty_among(
            "SELECT l.referrer FROM lookup_value v JOIN lookup l ON l.attribute = v.attribute AND l.value = v.value \
             WHERE v.entry_id = ?1",
            [key.0],
        )?;
        self.mark_dirty_among(
            "SELECT l.referrer FROM entry e JOIN name_lookup l ON l.dn_key = e.dn_key WHERE e.id = ?1",
            [key.0],
        )?;
        self.name_by_id(key)?.map_or(Ok(()), |name| self.wake_name_askers(name.octets()))
    }

    /// The name that means an entry by its id, where there are such names.
    pub(crate) fn name_by_id(&self, key: EntryKey) -> Result<Option<DnKey>, SpaceError> {
        let id = self.source_id(key)?.map(|id| SourceId::from_storage(&id)).transpose()?;
        Ok(id.as_ref().and_then(DnKey::of_id))
    }

    fn wake_value_askers(&self, attribute: &str, value: &str) -> Result<(), SpaceError> {
        self.mark_dirty_among("SELECT referrer FROM lookup WHERE attribute = ?1 AND value = ?2", [attribute, value])
    }

    /// Asks for the evaluation of who has looked up this name.
    pub(crate) fn wake_name_askers(&self, dn_key: &[u8]) -> Result<(), SpaceError> {
        self.mark_dirty_among("SELECT referrer FROM name_lookup WHERE dn_key = ?1", [dn_key])
    }

    /// Notes that an entry has looked up a name.
    pub(crate) fn note_name_lookup(&self, referrer: EntryKey, dn_key: &[u8]) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO name_lookup (dn_key, referrer) VALUES (?1, ?2)")?
            .execute(params![dn_key, referrer.0])?;
        Ok(())
    }
}
