//! Making rows of what a change feed brings: all that can be worked out without the tables, on whatever thread.

use std::cmp::Ordering;
use std::sync::Arc;

use provisor_model::{
    AttributeLanes, AttributeName, AttributeSyntax, AttributesView, DnKey, Entry, EntryChange, ImportItem,
    KeptAttributes, KeptEntry, Schema, SourceId,
};

use crate::changes::{AttributeChange, ChangeRow};
use crate::references::name_of_reference;
use crate::value_names::ByAttribute;
use crate::{Space, SpaceError};

/// Makes rows for one connector space.
#[derive(Clone, Debug)]
pub struct Preparation {
    schema: Arc<Schema>,
    by_value: Arc<ByAttribute>,
}

/// A page of a change feed, ready to be stored with [`Space::store_page`].
#[derive(Debug)]
pub struct Page {
    pub(crate) items: Vec<Item>,
}

/// What a page says of one object; source ids as they are stored.
#[derive(Debug)]
pub(crate) enum Item {
    Upsert(EntryRow),
    Changed(ChangeRow),
    Delete(Vec<u8>),
    Present(Vec<u8>),
    Listed(Vec<u8>, DnKey),
    Excluded(Vec<u8>),
}

impl Item {
    /// The entry, where it is one.
    pub fn row(&self) -> Option<&EntryRow> {
        match self {
            Self::Upsert(row) => Some(row),
            _ => None,
        }
    }
}

/// An entry as it is stored.
#[derive(Debug)]
pub(crate) struct EntryRow {
    pub source_id: Vec<u8>,
    pub anchor: Vec<u8>,
    pub dn: String,
    pub dn_key: DnKey,
    pub object_class: String,
    pub attributes: Vec<u8>,
    /// Which attribute names whom, each once.
    pub references: Vec<(Arc<str>, Vec<u8>)>,
}

impl Space {
    /// What makes rows for this space, of entries of a source with this schema. It stays right until the references by
    /// value change.
    pub fn preparation(&self, schema: Arc<Schema>) -> Preparation {
        Preparation { schema, by_value: self.by_value.attributes() }
    }
}

impl Preparation {
    /// Makes rows of a page.
    ///
    /// # Errors
    /// When an entry cannot be encoded.
    pub fn page(&self, items: Vec<ImportItem>) -> Result<Page, SpaceError> {
        let mut attributes = Referring::default();
        let id = |id: SourceId| id.to_storage();
        let item = |item| {
            Ok(match item {
                ImportItem::Upsert(entry) => Item::Upsert(self.row(kept(&entry)?, &mut attributes)?),
                ImportItem::Kept(entry) => Item::Upsert(self.row(entry, &mut attributes)?),
                ImportItem::Changed(change) => Item::Changed(self.change(change)),
                ImportItem::Delete(gone) => Item::Delete(id(gone)),
                ImportItem::Present(there) => Item::Present(id(there)),
                ImportItem::Listed(there, dn) => Item::Listed(id(there), dn.key()),
                ImportItem::Excluded(other) => Item::Excluded(id(other)),
            })
        };
        Ok(Page { items: items.into_iter().map(item).collect::<Result<_, SpaceError>>()? })
    }

    fn row(&self, entry: KeptEntry, attributes: &mut Referring) -> Result<EntryRow, SpaceError> {
        let mut lanes = AttributeLanes::new();
        lanes.push_kept(&entry.attributes)?;
        let references = self.references(lanes.get(0), attributes);
        Ok(EntryRow {
            source_id: entry.source_id.to_storage(),
            anchor: entry.anchor.to_storage(),
            dn: entry.dn,
            dn_key: entry.dn_key,
            object_class: entry.object_class,
            references,
            attributes: entry.attributes.into_octets(),
        })
    }

    fn change(&self, change: EntryChange) -> ChangeRow {
        let attribute = |(name, values): (AttributeName, _)| AttributeChange {
            key: name.to_key().into(),
            refers: self.schema.syntax(&name) == AttributeSyntax::Dn,
            name,
            values,
        };
        ChangeRow {
            source_id: change.source_id.to_storage(),
            dn: change.dn.map(|dn| (dn.to_string(), dn.key())),
            anchor: change.anchor.map(|anchor| anchor.to_storage()),
            object_class: change.object_class,
            attributes: change.attributes.into_iter().map(attribute).collect(),
        }
    }

    fn references(&self, of: AttributesView<'_>, attributes: &mut Referring) -> Vec<(Arc<str>, Vec<u8>)> {
        let mut references = Vec::new();
        attributes.place = 0;
        for (name, values) in of.iter() {
            let Some(attribute) = attributes.key(name, &self.schema) else { continue };
            for name in values.iter().filter_map(|value| value.as_text().and_then(name_of_reference)) {
                references.push((Arc::clone(&attribute), name.into_octets()));
            }
        }
        for (attribute, name) in self.by_value.names(of) {
            references.push((attribute.into(), name));
        }
        references.sort_unstable();
        references.dedup();
        references
    }
}

/// An entry in the form in which it is kept.
fn kept(entry: &Entry) -> Result<KeptEntry, SpaceError> {
    let dn = entry.dn.to_string();
    Ok(KeptEntry {
        source_id: entry.source_id.clone(),
        anchor: entry.anchor.clone(),
        dn_key: DnKey::of(&dn).unwrap_or_else(|_| entry.dn.key()),
        dn,
        object_class: entry.object_class.clone(),
        attributes: KeptAttributes::of(&entry.attributes)?,
    })
}

/// Which attributes hold names of entries, as far as was asked: the keys of those that do. Entries have much the same
/// attributes in one order, so each is mostly found where the last one ended.
#[derive(Default)]
struct Referring {
    known: Vec<(AttributeName, Option<Arc<str>>)>,
    place: usize,
}

/// How many attributes are remembered, at most.
const REMEMBERED: usize = 4096;

impl Referring {
    fn key(&mut self, name: &str, schema: &Schema) -> Option<Arc<str>> {
        let same = |known: &AttributeName| known.compare(name) == Ordering::Equal;
        let ahead = self.known.iter().skip(self.place).take(8).position(|(known, _)| same(known));
        let place = ahead.map(|ahead| self.place + ahead).unwrap_or_else(|| {
            self.known.binary_search_by(|(known, _)| known.compare(name)).unwrap_or_else(|place| {
                if self.known.len() >= REMEMBERED {
                    self.known.clear();
                }
                let place = place.min(self.known.len());
                let name = AttributeName::new(name);
                let key = (schema.syntax(&name) == AttributeSyntax::Dn).then(|| name.to_key().into());
                self.known.insert(place, (name, key));
                place
            })
        });
        self.place = place + 1;
        self.known.get(place).and_then(|(_, key)| key.clone())
    }
}
