//! Objects of other directories that entries here refer to: who stands for whom, and whose resource that is at the target.

use std::collections::BTreeSet;

use provisor_model::{AttributeName, Attributes, IdSyntax, ResourceId, SourceId, TargetPath, fold_case};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use crate::rows::Standing;
use crate::{EntryKey, MetaKey, Space, SpaceError};

/// By what an object of another directory is found at the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossReference {
    /// The attribute that says here who is meant.
    pub attribute: AttributeName,
    /// The object classes whose entries stand for somebody else by their own value of it; none where only rules give
    /// values.
    pub object_classes: BTreeSet<String>,
    /// The kind of the resource.
    pub kind: String,
    /// The attribute of the resource that has the same value.
    pub path: TargetPath,
}

/// How many entries are looked through at once.
const PAGE: i64 = 1_000;

/// The longest name of a resource in an identifier, in octets; what is longer is told apart by a number.
const LONGEST: usize = 64;

impl Space {
    /// Reads by what objects of other directories are found.
    pub(crate) fn load_cross_references(&mut self) -> Result<(), SpaceError> {
        let kept = self.fact(MetaKey::CrossReferences)?;
        self.cross_references = kept.map(|kept| serde_json::from_slice(&kept)).transpose()?.unwrap_or_default();
        Ok(())
    }

    /// Takes up by what objects of other directories are found. Where that is something else than before, everything is
    /// evaluated again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn adopt_cross_references(&mut self, wanted: &[CrossReference]) -> Result<(), SpaceError> {
        if self.cross_references == wanted {
            return Ok(());
        }
        // The resources stay: references to them were exported, and may have to be taken away. So do the answers, as
        // far as they are still asked for.
        let asked: Vec<[String; 3]> = wanted
            .iter()
            .map(|rule| [rule.attribute.to_key(), rule.kind.clone(), rule.path.as_str().to_owned()])
            .collect();
        let asked = serde_json::to_string(&asked)?;
        self.atomically(|space| -> Result<(), SpaceError> {
            space.connection.execute(
                "DELETE FROM question WHERE NOT EXISTS (SELECT 1 FROM json_each(?1) w WHERE w.value ->> 0 = attribute \
                 AND w.value ->> 1 = kind AND w.value ->> 2 = path)",
                [asked],
            )?;
            space.connection.execute_batch("DELETE FROM stand_in WHERE question NOT IN (SELECT id FROM question)")?;
            space.set_fact(MetaKey::CrossReferences, Some(&serde_json::to_vec(wanted)?))?;
            space.mark_all_dirty()?;
            Ok(())
        })?;
        self.cross_references = wanted.to_vec();
        Ok(())
    }

    /// Notes, of those that wait for their evaluation, who stands for whom.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn note_stand_ins(&mut self) -> Result<(), SpaceError> {
        if !self.has_stand_ins() {
            return Ok(self.connection.execute_batch("DELETE FROM stand_in")?);
        }
        let mut after = Vec::new();
        while let Some(last) = self.note_page(&after)? {
            after = last;
        }
        Ok(())
    }

    fn note_page(&mut self, after: &[u8]) -> Result<Option<Vec<u8>>, SpaceError> {
        let classes: Vec<&str> = self.stand_in_classes().collect();
        let classes = serde_json::to_string(&classes)?;
        let mut statement = self.connection.prepare_cached(
            "SELECT t.source_id, e.id, e.object_class, e.attributes, e.gone FROM dirty t CROSS JOIN entry e ON e.id = t.entry_id \
             WHERE t.source_id > ?1 AND (e.object_class IN (SELECT value FROM json_each(?2)) \
             OR EXISTS (SELECT 1 FROM stand_in s WHERE s.entry_id = e.id)) ORDER BY t.source_id LIMIT ?3",
        )?;
        let mut rows = statement.query(params![after, classes, PAGE])?;
        let (mut found, mut last) = (Vec::new(), None);
        while let Some(row) = rows.next()? {
            last = Some(row.get(0)?);
            let present = Standing::from_column(row.get(4)?) == Standing::Present;
            let asked = if present { self.asked_by(row)? } else { None };
            found.push((EntryKey(row.get(1)?), asked));
        }
        drop(rows);
        drop(statement);
        self.atomically(|space| {
            for (key, asked) in found {
                let question = asked.map(|(rule, value)| space.ask(&rule, &value)).transpose()?;
                space.stand_in(key, question)?;
            }
            Ok(last)
        })
    }

    /// By what an entry stands for somebody else, and the value.
    fn asked_by(&self, row: &Row<'_>) -> Result<Option<(CrossReference, String)>, SpaceError> {
        let class: String = row.get(2)?;
        let attributes: Attributes = postcard::from_bytes(row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?)?;
        let rules = self.cross_references.iter().filter(|rule| rule.object_classes.contains(&class));
        let mut asked = rules.filter_map(|rule| {
            let value = attributes.values(&rule.attribute).iter().find_map(|value| value.as_text())?;
            (!value.is_empty()).then(|| (rule.clone(), value.to_owned()))
        });
        Ok(asked.next())
    }

    /// Keeps by which question an entry stands for somebody, if at all.
    fn stand_in(&mut self, key: EntryKey, question: Option<i64>) -> Result<(), SpaceError> {
        let known: Option<i64> = self
            .connection
            .prepare_cached("SELECT question FROM stand_in WHERE entry_id = ?1")?
            .query_row([key.0], |row| row.get(0))
            .optional()?;
        if known == question {
            return Ok(());
        }
        match question {
            Some(question) => self
                .connection
                .prepare_cached("INSERT OR REPLACE INTO stand_in (entry_id, question) VALUES (?1, ?2)")?
                .execute([key.0, question])?,
            None => self.connection.prepare_cached("DELETE FROM stand_in WHERE entry_id = ?1")?.execute([key.0])?,
        };
        self.mark_referrers_dirty(key)
    }

    /// Forgets a resource that is no longer at the target, and that no entry here has: no reference to it is left
    /// there.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_foreign(&mut self, kind: &str, resource: &ResourceId) -> Result<(), SpaceError> {
        let Some(key) = self.foreign_key(kind, resource)? else { return Ok(()) };
        self.atomically(|space| {
            space.lose_answer(key)?;
            for sql in ["DELETE FROM foreign_resource WHERE entry_id = ?1", "DELETE FROM entry WHERE id = ?1"] {
                space.connection.prepare_cached(sql)?.execute([key.0])?;
            }
            Ok(())
        })
    }

    /// Forgets all resources that no entry here has: they are another target's.
    pub(crate) fn forget_foreigners(&self) -> Result<(), SpaceError> {
        Ok(self.connection.execute_batch(
            "UPDATE question SET found = NULL, attempts = 0, next = 0; \
             DELETE FROM entry WHERE id IN (SELECT entry_id FROM foreign_resource); DELETE FROM foreign_resource;",
        )?)
    }

    /// The entry that has a resource, else the one that stands for it.
    pub(crate) fn holder_of(&self, kind: &str, resource: &ResourceId) -> Result<EntryKey, SpaceError> {
        if let Some((key, ..)) = self.owner_of(kind, resource)? {
            return Ok(key);
        }
        match self.foreign_key(kind, resource)? {
            Some(key) => Ok(key),
            None => self.add_foreign(kind, resource),
        }
    }

    fn foreign_key(&self, kind: &str, resource: &ResourceId) -> Result<Option<EntryKey>, SpaceError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT entry_id FROM foreign_resource WHERE resource_id = ?1 AND kind = ?2")?;
        Ok(statement.query_row([resource.as_str(), kind], |row| row.get(0).map(EntryKey)).optional()?)
    }

    fn add_foreign(&self, kind: &str, resource: &ResourceId) -> Result<EntryKey, SpaceError> {
        let number = self.last_key()?.number() + 1;
        let id = foreign_id(kind, resource, number)?.to_storage();
        let (nothing, none) = (postcard::to_allocvec(&Attributes::new())?, Vec::<u8>::new());
        self.connection
            .prepare_cached(
                "INSERT INTO entry (id, source_id, anchor, dn, dn_key, object_class, attributes, gone) \
                 VALUES (?1, ?2, ?2, '', ?3, '', ?4, ?5)",
            )?
            .execute(params![number, id, none, nothing, Standing::Foreign.to_column()])?;
        self.connection
            .prepare_cached("INSERT INTO foreign_resource (entry_id, kind, resource_id) VALUES (?1, ?2, ?3)")?
            .execute(params![number, kind, resource.as_str()])?;
        Ok(EntryKey(number))
    }

    /// Whether this number stands for a resource that no entry here has.
    ///
    /// # Errors
    /// When the database fails.
    pub fn is_foreign(&self, key: EntryKey) -> Result<bool, SpaceError> {
        Ok(self.connection.prepare_cached("SELECT 1 FROM foreign_resource WHERE entry_id = ?1")?.exists([key.0])?)
    }

    /// Whether entries of some class stand for objects of other directories.
    pub(crate) fn has_stand_ins(&self) -> bool {
        self.stand_in_classes().next().is_some()
    }

    fn stand_in_classes(&self) -> impl Iterator<Item = &str> {
        self.cross_references.iter().flat_map(|rule| &rule.object_classes).map(String::as_str)
    }

    /// Whom a reference to this entry means: the one it stands for, where it stands for somebody.
    pub(crate) fn stood_for(&self, id: SourceId, key: EntryKey) -> Result<(SourceId, EntryKey), SpaceError> {
        let meant = self.number_stood_for(key)?;
        if meant == key {
            return Ok((id, key));
        }
        let meant_id = self.source_id(meant)?.map(|id| SourceId::from_storage(&id)).transpose()?;
        Ok(meant_id.map_or((id, key), |meant_id| (meant_id, meant)))
    }

    /// The same by numbers.
    pub(crate) fn number_stood_for(&self, key: EntryKey) -> Result<EntryKey, SpaceError> {
        if !self.has_stand_ins() {
            return Ok(key);
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT q.found FROM stand_in s JOIN question q ON q.id = s.question AND q.found IS NOT NULL \
             WHERE s.entry_id = ?1",
        )?;
        Ok(statement.query_row([key.0], |row| row.get(0).map(EntryKey)).optional()?.unwrap_or(key))
    }

    /// Whom a value of this attribute means that nobody has here; none inside where nobody was found, and none at all
    /// where the target was never asked. Where objects of other directories are not found by this attribute, nobody is
    /// meant.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn foreign_by_value(
        &self,
        attribute: &AttributeName,
        value: &str,
    ) -> Result<Option<Option<(SourceId, EntryKey)>>, SpaceError> {
        let Some(rule) = self.rule_for(attribute) else { return Ok(Some(None)) };
        let mut statement = self.connection.prepare_cached(
            "SELECT e.source_id, e.id FROM question q LEFT JOIN entry e ON e.id = q.found AND e.gone IN (0, 3) \
             WHERE q.attribute = ?1 AND q.folded = ?2 AND q.kind = ?3 AND q.path = ?4 \
             AND (q.found IS NOT NULL OR q.attempts > 0)",
        )?;
        let mut rows = statement.query(params![attribute.to_key(), fold_case(value), rule.kind, rule.path.as_str()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let Some(id) = row.get::<_, Option<Vec<u8>>>(0)? else { return Ok(Some(None)) };
        Ok(Some(Some((SourceId::from_storage(&id)?, EntryKey(row.get(1)?)))))
    }

    /// Has the target asked whom a value of this attribute means, in the name of who looked it up.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ask_by_value(&mut self, attribute: &AttributeName, value: &str) -> Result<(), SpaceError> {
        match self.rule_for(attribute) {
            Some(rule) if !value.is_empty() => self.ask(rule, value).map(drop),
            _ => Ok(()),
        }
    }

    fn rule_for(&self, attribute: &AttributeName) -> Option<&CrossReference> {
        self.cross_references.iter().find(|rule| rule.attribute == *attribute)
    }
}

/// What names a resource in references: its kind and its id, cut to what an identifier holds.
fn foreign_id(kind: &str, resource: &ResourceId, number: i64) -> Result<SourceId, SpaceError> {
    let whole = format!("{kind} {resource}");
    if whole.len() <= LONGEST {
        return Ok(SourceId::new(IdSyntax::Resource, whole.as_bytes())?);
    }
    let mark = format!("... ({number})");
    let mut cut = LONGEST - mark.len();
    while !whole.is_char_boundary(cut) {
        cut -= 1;
    }
    let begin = whole.get(..cut).unwrap_or_default();
    Ok(SourceId::new(IdSyntax::Resource, format!("{begin}{mark}").as_bytes())?)
}
