//! Names by value: references that hold what another attribute of their object has, as memberUid holds user names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use provisor_model::{AttributeLanes, AttributeName, Attributes, AttributesView, MatchingRule};
use rusqlite::params;

use crate::{EntryKey, Space, SpaceError};

/// What a name by value begins with. No key of a DN does: it begins with the letters of an attribute.
pub(crate) const MARK: u8 = 0xFF;

/// How an attribute refers by value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueReference {
    /// The attribute of the other object that has the value.
    pub by: AttributeName,
    /// How its values are compared.
    pub rule: MatchingRule,
    /// The attribute of the other object that this is the other side of, as primaryGroupID is of member: who has this one
    /// is among those whom that one refers to, though it does not list them.
    pub reverse_of: Option<AttributeName>,
}

/// The same in lower case.
#[derive(Clone, Debug, PartialEq)]
struct By {
    attribute: String,
    rule: MatchingRule,
    reverse_of: Option<String>,
}

/// Attributes that refer by value, in lower case, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ByAttribute(BTreeMap<String, By>);

impl ByAttribute {
    /// The names by value that these attributes hold, with the attribute that holds each.
    pub fn names(&self, attributes: AttributesView<'_>) -> BTreeSet<(String, Vec<u8>)> {
        let mut names = BTreeSet::new();
        for (attribute, by) in &self.0 {
            let values = attributes.values(attribute).iter();
            names.extend(values.map(|value| (attribute.clone(), by.name(value.octets()))));
        }
        names
    }

    /// The name by value that a value of this attribute (its name in lower case) is, where it refers so.
    pub fn name(&self, attribute: &str, value: &[u8]) -> Option<Vec<u8>> {
        self.0.get(attribute).map(|by| by.name(value))
    }
}

impl By {
    fn name(&self, value: &[u8]) -> Vec<u8> {
        value_name(&self.attribute, self.rule, value)
    }
}

/// The name of whoever has this value of the attribute (its name in lower case).
fn value_name(by: &str, rule: MatchingRule, value: &[u8]) -> Vec<u8> {
    [&[MARK], by.as_bytes(), &[0], rule.key(value).as_slice()].concat()
}

/// What is kept in memory of references by value, so that an entry costs no question to the tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByValue {
    /// Attributes that refer by value, and the attribute of the other object that has it; in lower case.
    attributes: Arc<ByAttribute>,
    /// The attributes whose values are indexed, and perhaps some whose are not because a transaction was rolled back.
    indexed: BTreeMap<String, MatchingRule>,
}

impl ByValue {
    /// The attributes that refer by value.
    pub fn attributes(&self) -> Arc<ByAttribute> {
        Arc::clone(&self.attributes)
    }

    /// Whether any attribute is the other side of one of the other object.
    pub fn reverses(&self) -> bool {
        self.attributes.0.values().any(|by| by.reverse_of.is_some())
    }

    /// Whether this attribute (all names in lower case) is the other side of one of the other object.
    pub fn tells_group(&self, attribute: &str) -> bool {
        self.attributes.0.get(attribute).is_some_and(|by| by.reverse_of.is_some())
    }

    /// Whether there are attributes that are the other side of this one.
    pub fn is_reversed(&self, attribute: &str) -> bool {
        self.attributes.0.values().any(|by| by.reverse_of.as_deref() == Some(attribute))
    }

    /// The attributes that are the other side of one of these.
    pub fn reversing(&self, attributes: &BTreeSet<String>) -> BTreeSet<String> {
        let reverses = |by: &By| by.reverse_of.as_ref().is_some_and(|attribute| attributes.contains(attribute));
        self.attributes.0.iter().filter(|(_, by)| reverses(by)).map(|(attribute, _)| attribute.clone()).collect()
    }

    /// Whether the values of any attribute are indexed.
    pub fn is_indexed(&self) -> bool {
        !self.indexed.is_empty()
    }

    /// Whether the values of this attribute (its name in lower case) are indexed.
    pub fn indexes(&self, attribute: &str) -> bool {
        self.indexed.contains_key(attribute)
    }
}

impl Space {
    /// Reads what the tables say of references by value.
    pub(crate) fn load_by_value(&mut self) -> Result<(), SpaceError> {
        let (mut attributes, mut known) = (BTreeMap::new(), BTreeMap::new());
        let mut statement =
            self.connection.prepare("SELECT attribute, by_attribute, rule, indexed, reverse_of FROM reference_by")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let rule: MatchingRule = serde_json::from_str(&row.get::<_, String>(2)?)?;
            let by = By { attribute: row.get(1)?, rule, reverse_of: row.get(4)? };
            if row.get(3)? {
                known.insert(by.attribute.clone(), rule);
            }
            attributes.insert(row.get(0)?, by);
        }
        drop(rows);
        drop(statement);
        self.by_value = ByValue { attributes: Arc::new(ByAttribute(attributes)), indexed: known };
        Ok(())
    }

    /// Takes up which attributes refer by value, and to the values of which other attribute. Where that has changed, the
    /// references of what is stored are made anew; the import that follows resolves them.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn adopt_references_by(
        &mut self,
        references_by: &BTreeMap<AttributeName, ValueReference>,
    ) -> Result<(), SpaceError> {
        let by = |(attribute, reference): (&AttributeName, &ValueReference)| {
            let reverse_of = reference.reverse_of.as_ref().map(AttributeName::to_key);
            (attribute.to_key(), By { attribute: reference.by.to_key(), rule: reference.rule, reverse_of })
        };
        let wanted = ByAttribute(references_by.iter().map(by).collect());
        if *self.by_value.attributes == wanted {
            return Ok(());
        }
        let adopted = self.make_references_anew(wanted);
        self.load_by_value()?;
        adopted
    }

    fn make_references_anew(&mut self, wanted: ByAttribute) -> Result<(), SpaceError> {
        let reversed = self.by_value.reverses();
        self.by_value = ByValue { attributes: Arc::new(wanted.clone()), indexed: BTreeMap::new() };
        self.atomically(|space| {
            space.mark_dirty_among("SELECT referrer FROM reference WHERE dn_key >= x'FF'", [])?;
            for sql in
                ["DELETE FROM reference WHERE dn_key >= x'FF'", "DELETE FROM reference_by", "DELETE FROM value_name"]
            {
                space.connection.execute(sql, [])?;
            }
            for (attribute, by) in &wanted.0 {
                space
                    .connection
                    .prepare_cached(
                        "INSERT INTO reference_by (attribute, by_attribute, rule, reverse_of) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![attribute, by.attribute, serde_json::to_string(&by.rule)?, by.reverse_of])?;
            }
            if reversed || space.by_value.reverses() {
                // Groups that list nobody may have members, and others no longer.
                space.mark_all_dirty()?;
            }
            let (mut after, mut used) = (0, BTreeSet::new());
            while let Some((key, attributes)) = space.next_attributes(after)? {
                after = key.0;
                let mut lanes = AttributeLanes::new();
                lanes.push(&attributes);
                for (attribute, name) in wanted.names(lanes.get(0)) {
                    space.add_reference(key, &attribute, &name)?;
                    space.mark_entry_dirty(key)?;
                    used.insert(attribute);
                }
            }
            used.iter().try_for_each(|attribute| space.index_value_names(attribute))
        })
    }

    /// Whether any attribute refers by value.
    pub(crate) fn refers_by_value(&self) -> bool {
        !self.by_value.attributes.0.is_empty()
    }

    fn next_attributes(&self, after: i64) -> Result<Option<(EntryKey, Attributes)>, SpaceError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, attributes FROM entry WHERE id > ?1 AND gone = 0 ORDER BY id LIMIT 1")?;
        let mut rows = statement.query([after])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let attributes = postcard::from_bytes(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
        Ok(Some((EntryKey(row.get(0)?), attributes)))
    }

    /// Makes sure that the values of an attribute can be found: its first use indexes them.
    pub(crate) fn index_value_names(&mut self, attribute: &str) -> Result<(), SpaceError> {
        let Some(by) = self.by_value.attributes.0.get(attribute).cloned() else { return Ok(()) };
        self.by_value.indexed.insert(by.attribute.clone(), by.rule);
        let fresh = self
            .connection
            .prepare_cached("UPDATE reference_by SET indexed = 1 WHERE attribute = ?1 AND indexed = 0")?
            .execute([attribute])?;
        if fresh == 0 {
            return Ok(());
        }
        let name = AttributeName::new(by.attribute.as_str());
        let mut statement = self.connection.prepare("SELECT id, attributes FROM entry WHERE gone = 0")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = EntryKey(row.get(0)?);
            let attributes: Attributes =
                postcard::from_bytes(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
            for value in attributes.values(&name) {
                self.add_value_name(key, &by.name(value.octets()))?;
            }
        }
        Ok(())
    }

    fn add_value_name(&self, key: EntryKey, name: &[u8]) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO value_name (name, entry_id) VALUES (?1, ?2)")?
            .execute(params![name, key.0])?;
        Ok(())
    }

    /// Keeps the names by value of an entry that was added or changed; whose name came or went is settled when the import
    /// completes.
    pub(crate) fn keep_value_names(&mut self, key: EntryKey, attributes: &Attributes) -> Result<(), SpaceError> {
        if self.by_value.indexed.is_empty() {
            return Ok(());
        }
        let present: BTreeSet<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT name FROM value_name WHERE entry_id = ?1")?
            .query_map([key.0], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut wanted = BTreeSet::new();
        for (by, rule) in &self.by_value.indexed {
            let values = attributes.values(&AttributeName::new(by.as_str()));
            wanted.extend(values.iter().map(|value| value_name(by, *rule, value.octets())));
        }
        for name in present.difference(&wanted) {
            self.connection
                .prepare_cached("DELETE FROM value_name WHERE name = ?1 AND entry_id = ?2")?
                .execute(params![name, key.0])?;
            self.unsettle(name)?;
        }
        for name in wanted.difference(&present) {
            self.add_value_name(key, name)?;
            self.unsettle(name)?;
        }
        Ok(())
    }

    /// The names by value that this attribute of the entry holds, and that several entries have: nobody is meant by them.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ambiguous_references(&self, key: EntryKey, attribute: &AttributeName) -> Result<Vec<String>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT dn_key FROM reference r WHERE referrer = ?1 AND attribute = ?2 AND dn_key >= x'FF' AND target IS NULL \
             AND (SELECT count(*) FROM value_name v WHERE v.name = r.dn_key) > 1",
        )?;
        let rows = statement.query_map(params![key.0, attribute.to_key()], |row| row.get::<_, Vec<u8>>(0))?;
        let mut names = Vec::new();
        for name in rows {
            let name = name?;
            let value = name.iter().position(|octet| *octet == 0).map_or(&[][..], |end| &name[end + 1..]);
            names.push(String::from_utf8_lossy(value).into_owned());
        }
        Ok(names)
    }

    /// Lets the names by value that mean an entry be resolved again: one that comes back may have other values.
    pub(crate) fn unsettle_values(&self, key: EntryKey) -> Result<(), SpaceError> {
        if self.refers_by_value() {
            let sql = "INSERT OR IGNORE INTO unsettled_name (dn_key) SELECT dn_key FROM reference \
                       WHERE target = ?1 AND dn_key >= x'FF'";
            self.connection.prepare_cached(sql)?.execute([key.0])?;
        }
        Ok(())
    }

    /// Resolves the names by value that came or went: a name means the one entry that has it, and nobody where several
    /// have it. Who is gone keeps being meant until somebody else has the name, in case they come back.
    pub(crate) fn settle_value_names(&mut self) -> Result<(), SpaceError> {
        let meant = "(SELECT CASE count(*) WHEN 1 THEN max(v.entry_id) \
                     WHEN 0 THEN (SELECT g.id FROM entry g WHERE g.id = r.target AND g.gone = 1) END \
                     FROM value_name v WHERE v.name = r.dn_key)";
        self.connection.execute_batch(&format!(
            "INSERT INTO temp.retargeted (referrer, attribute, dn_key, old, new) \
                 SELECT r.referrer, r.attribute, r.dn_key, r.target, {meant} FROM unsettled_name u \
                 CROSS JOIN reference r ON r.dn_key = u.dn_key WHERE u.dn_key >= x'FF' AND r.target IS NOT {meant};"
        ))?;
        Ok(())
    }
}
