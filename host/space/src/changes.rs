//! Entries of which a change feed tells only what changed: merged into what is stored, and remembered where nothing is.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use provisor_model::{
    AttributeLanes, AttributeName, AttributesView, DnKey, Gathered, KeptAttributes, SourceId, Value, ValueChange,
    ValueView,
};
use rusqlite::params;

use crate::imports::Known;
use crate::references::name_of_reference;
use crate::value_names::ByAttribute;
use crate::{PageCounts, Space, SpaceError};

/// What changed of an entry, ready to be merged.
#[derive(Debug)]
pub(crate) struct ChangeRow {
    pub source_id: Vec<u8>,
    pub dn: Option<(String, DnKey)>,
    pub anchor: Option<Vec<u8>>,
    pub object_class: Option<String>,
    pub attributes: Vec<AttributeChange>,
}

/// What became of one attribute.
#[derive(Debug)]
pub(crate) struct AttributeChange {
    pub name: AttributeName,
    /// The name in lower case.
    pub key: Arc<str>,
    /// Whether its values are names of entries.
    pub refers: bool,
    pub values: ValueChange,
}

/// An attribute and a name that it refers to.
pub(crate) type Reference = (Arc<str>, Vec<u8>);

/// Attributes as they are once a change is merged into them.
struct Merged {
    attributes: KeptAttributes,
    /// The attributes that are others than before, in lower case.
    touched: Vec<Arc<str>>,
    /// References that came.
    came: BTreeSet<Reference>,
    /// References that went.
    went: BTreeSet<Reference>,
}

impl Space {
    /// Takes in what changed of an entry. What of it was so already is no change.
    pub(crate) fn change(&mut self, row: &ChangeRow, counts: &mut PageCounts) -> Result<(), SpaceError> {
        let known = match self.known(&row.source_id)? {
            Some(known) if known.present() => known,
            known => {
                if let Some(excluded) = known.filter(Known::excluded) {
                    self.mark_seen(excluded.key)?;
                }
                counts.incomplete += 1;
                return self.note_incomplete(&row.source_id);
            }
        };
        self.mark_seen(known.key)?;
        let merged = merged(&known.attributes, &row.attributes, &self.by_value.attributes())?;
        let dn = row.dn.as_ref().filter(|(dn, _)| *dn != known.dn);
        let anchor = row.anchor.as_ref().filter(|anchor| **anchor != known.anchor);
        let class = row.object_class.as_ref().filter(|class| **class != known.object_class);
        if merged.touched.is_empty() && dn.is_none() && anchor.is_none() && class.is_none() {
            counts.unchanged += 1;
            return Ok(());
        }
        self.mark_dirty(known.key, &row.source_id)?;
        if let Some(anchor) = anchor {
            self.connection
                .prepare_cached("UPDATE entry SET anchor = ?2 WHERE id = ?1")?
                .execute(params![known.key.0, anchor])?;
        }
        if let Some(class) = class {
            self.connection
                .prepare_cached("UPDATE entry SET object_class = ?2 WHERE id = ?1")?
                .execute(params![known.key.0, class])?;
            self.wake_groups(known.key)?;
            self.wake_members(known.key)?;
        }
        if let Some((dn, dn_key)) = dn {
            self.connection.prepare_cached("UPDATE entry SET dn = ?2, dn_key = ?3 WHERE id = ?1")?.execute(params![
                known.key.0,
                dn,
                dn_key.octets()
            ])?;
            self.rename(&known, dn, dn_key)?;
        }
        if !merged.touched.is_empty() {
            self.keep_merged(&known, &merged)?;
        }
        counts.changed += 1;
        Ok(())
    }

    fn keep_merged(&mut self, known: &Known, merged: &Merged) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("UPDATE entry SET attributes = ?2 WHERE id = ?1")?
            .execute(params![known.key.0, merged.attributes.octets()])?;
        self.exchange_references(known.key, &merged.came, &merged.went)?;
        // To take a large group apart for its indexes is not for nothing.
        for attribute in &merged.touched {
            if self.has_index(attribute)? {
                return self.index_row(known.key, merged.attributes.octets());
            }
        }
        Ok(())
    }

    fn note_incomplete(&self, id: &[u8]) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO temp.incomplete (source_id) VALUES (?1)")?
            .execute([id])?;
        Ok(())
    }

    /// Which entries this import told only the changes of, though nothing is known of them, in source-id order; those that
    /// came whole since are not among them. What is given is forgotten: the source is to be asked for these, whole.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn take_incomplete(&mut self, limit: usize) -> Result<Vec<SourceId>, SpaceError> {
        self.connection
            .prepare_cached(
                "DELETE FROM temp.incomplete WHERE EXISTS (SELECT 1 FROM entry e \
                 WHERE e.source_id = incomplete.source_id AND e.gone = 0)",
            )?
            .execute([])?;
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM temp.incomplete WHERE source_id IN (SELECT source_id FROM temp.incomplete ORDER BY source_id LIMIT ?1) \
             RETURNING source_id",
        )?;
        let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let mut taken = Vec::new();
        while let Some(row) = rows.next()? {
            taken.push(SourceId::from_storage(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?);
        }
        taken.sort_unstable();
        Ok(taken)
    }
}

/// Lays changes over stored attributes, without taking apart what they do not touch.
fn merged(stored: &[u8], changes: &[AttributeChange], by_value: &ByAttribute) -> Result<Merged, SpaceError> {
    let mut lanes = AttributeLanes::new();
    lanes.push_stored(&mut postcard::Deserializer::from_bytes(stored))?;
    let before = lanes.get(0);
    let (mut gathered, mut touched) = (Gathered::new(), Vec::new());
    let (mut came, mut went) = (BTreeSet::new(), BTreeSet::new());
    for (name, values) in before.iter() {
        if !changes.iter().any(|change| change.name.as_str().eq_ignore_ascii_case(name)) {
            keep(&mut gathered, &name.into(), values);
        }
    }
    for change in changes {
        let (spelling, old) = spelt(before, &change.name);
        let new = change.applied(old);
        if new.as_slice() != old {
            let exchange = Exchange::of(old, &new);
            let names = |value: &ValueView<'_>| change.names(by_value, value);
            let (more, fewer) = exchange.references(&new, names);
            came.extend(more.into_iter().map(|name| (Arc::clone(&change.key), name)));
            went.extend(fewer.into_iter().map(|name| (Arc::clone(&change.key), name)));
            touched.push(Arc::clone(&change.key));
        }
        keep(&mut gathered, &spelling, &new);
    }
    Ok(Merged { attributes: gathered.to_kept()?, touched, came, went })
}

/// An attribute as the entry spells its name, where it has it, with its values.
fn spelt<'a>(attributes: AttributesView<'a>, name: &AttributeName) -> (AttributeName, &'a [ValueView<'a>]) {
    match attributes.iter().find(|(own, _)| own.eq_ignore_ascii_case(name.as_str())) {
        Some((own, values)) => (own.into(), values),
        None => (name.clone(), &[]),
    }
}

fn keep<'a>(gathered: &mut Gathered<'a>, name: &AttributeName, values: &[ValueView<'a>]) {
    let Ok(()) = gathered.add(name, values.iter().map(|value| Ok::<_, Infallible>(*value)));
}

impl AttributeChange {
    /// The values that the attribute has after the change: a set, sorted by octets.
    fn applied<'a>(&'a self, old: &[ValueView<'a>]) -> Vec<ValueView<'a>> {
        let mut new: Vec<ValueView<'a>> = match &self.values {
            ValueChange::Replaced(values) => values.iter().map(ValueView::from).collect(),
            ValueChange::Edited { added, removed } => self.edited(old, added, removed),
        };
        new.sort_unstable_by(|one, other| one.octets().cmp(other.octets()));
        new.dedup();
        new
    }

    fn edited<'a>(&self, old: &[ValueView<'a>], added: &'a [Value], removed: &'a [Value]) -> Vec<ValueView<'a>> {
        let keys = |values: &'a [Value]| values.iter().map(|value| self.compared(value.into())).collect();
        let wanted: BTreeSet<Cow<'a, [u8]>> = keys(added);
        let unwanted: BTreeSet<Cow<'a, [u8]>> = keys(removed);
        let mut there = BTreeSet::new();
        let stays = |value: &&ValueView<'a>| {
            let key = self.compared(**value);
            let stays = wanted.contains(&key) || !unwanted.contains(&key);
            if wanted.contains(&key) {
                there.insert(key);
            }
            stays
        };
        let mut new: Vec<ValueView<'a>> = old.iter().filter(stays).copied().collect();
        new.extend(added.iter().map(ValueView::from).filter(|value| !there.contains(&self.compared(*value))));
        new
    }

    /// What two values are the same by: names that mean the same are, however they are written.
    fn compared<'a>(&self, value: ValueView<'a>) -> Cow<'a, [u8]> {
        let name = value.as_text().filter(|_| self.refers).and_then(name_of_reference);
        name.map_or(Cow::Borrowed(value.octets()), |name| Cow::Owned(name.into_octets()))
    }

    /// The names of other entries that a value is.
    fn names(&self, by_value: &ByAttribute, value: &ValueView<'_>) -> Vec<Vec<u8>> {
        let by_name = value.as_text().filter(|_| self.refers).and_then(name_of_reference).map(DnKey::into_octets);
        by_name.into_iter().chain(by_value.name(&self.key, value.octets())).collect()
    }
}

/// Which values of an attribute came and which went; both lists are sorted by octets.
struct Exchange<'v, 'a> {
    came: Vec<&'v ValueView<'a>>,
    went: Vec<&'v ValueView<'a>>,
}

impl<'v, 'a> Exchange<'v, 'a> {
    fn of(old: &'v [ValueView<'a>], new: &'v [ValueView<'a>]) -> Self {
        let without = |one: &'v [ValueView<'a>], other: &[ValueView<'a>]| {
            one.iter().filter(|value| !holds(other, value)).collect()
        };
        Self { came: without(new, old), went: without(old, new) }
    }

    /// The references that came and went with the values. Another value may hold the same name.
    fn references(
        &self,
        new: &[ValueView<'a>],
        names: impl Fn(&ValueView<'a>) -> Vec<Vec<u8>>,
    ) -> (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>) {
        let came: BTreeSet<Vec<u8>> = self.came.iter().flat_map(|value| names(value)).collect();
        let mut went: BTreeSet<Vec<u8>> = self.went.iter().flat_map(|value| names(value)).collect();
        if !went.is_empty() {
            for name in new.iter().flat_map(&names) {
                went.remove(&name);
            }
        }
        (came, went)
    }
}

/// Whether a value is among others that are sorted by octets.
fn holds(values: &[ValueView<'_>], value: &ValueView<'_>) -> bool {
    let first = values.partition_point(|other| other.octets() < value.octets());
    values.iter().skip(first).take_while(|other| other.octets() == value.octets()).any(|other| other == value)
}
