//! From objects as they came to entries and changes of entries: values by their kind, views, links by GUID.

use std::collections::{BTreeSet, HashSet};

use provisor_model::{
    AttributeName, AttributeSyntax, Attributes, Entry, EntryChange, ImportItem, Schema, Value, ValueChange,
};

use super::names::link;
use super::objects::{Extent, Object, Part};
use super::views::{WantedViews, is_view};
use super::{names, skipped};
use crate::error::DirectoryError;
use crate::options::SourceOptions;
use crate::reading::{NotText, RawAttribute, RawEntry, ReadError, Reader};
use crate::search::schema::ServerSchema;

/// What is asked for of every object, whatever the rules read: who it is, where it stands, whether it is there, whether it
/// came whole, and whether it is left out.
const ALWAYS: &[&str] = &["objectGUID", "name", "parentGUID", "isDeleted", "whenCreated"];

/// What an object comes to.
#[derive(Debug)]
pub(crate) enum Made {
    Item(ImportItem),
    /// What came does not tell what it has become: it has to be read whole.
    Unclear,
}

/// Makes entries of objects.
#[derive(Debug)]
pub(crate) struct Entries {
    reader: Reader,
    schema: Schema,
    /// The attributes with one value at most, in lower case.
    single: HashSet<String>,
    views: WantedViews,
    wire: Vec<String>,
}

impl Entries {
    /// For these attributes.
    ///
    /// # Errors
    /// When one of them may not be asked for.
    pub fn new(
        attributes: &BTreeSet<AttributeName>,
        server: ServerSchema,
        object: SourceOptions,
    ) -> Result<Self, DirectoryError> {
        let ServerSchema { schema, aliases, single } = server;
        let wire = wire(attributes, &object, &schema);
        let views = WantedViews::among(attributes);
        let reader = Reader::new(attributes, schema.clone(), aliases, object, NotText::Keep)?;
        Ok(Self { reader, schema, single, views, wire })
    }

    /// What to ask for.
    pub fn wire(&self) -> &[String] {
        &self.wire
    }

    /// The whole object in the form in which it is kept.
    pub fn whole(&mut self, object: &Object) -> Result<ImportItem, ReadError> {
        let raw = self.raw(object);
        let mut kept = self.reader.kept(&raw)?;
        if skipped::is_skipped(&object.dn, &raw) {
            kept.object_class.clear();
        }
        Ok(ImportItem::Kept(kept))
    }

    /// The whole object, taken apart.
    pub fn entry(&mut self, object: &Object) -> Result<Entry, ReadError> {
        let raw = self.raw(object);
        let mut entry = self.reader.entry(&raw, Some(object.id.clone()))?;
        if skipped::is_skipped(&object.dn, &raw) {
            entry.object_class.clear();
        }
        Ok(entry)
    }

    /// What an answer of DirSync says of an object.
    pub fn change(&mut self, object: &Object) -> Result<Made, ReadError> {
        if object.is_deleted() {
            return Ok(Made::Item(ImportItem::Delete(object.id.clone())));
        }
        // That never changes once an object is made: whoever tells it, tells all there is.
        if object.has("whenCreated") {
            return self.whole(object).map(Made::Item);
        }
        let decides = |name: &&&str| object.has(name);
        let undecided = skipped::DECIDING.iter().chain(&["isDeleted"]).find(decides).is_some();
        let told =
            |part: &&Part| !["objectGUID", "instanceType"].iter().any(|name| part.name.eq_ignore_ascii_case(name));
        if undecided || object.cut().next().is_some() || !object.parts.iter().any(|part| told(&part)) {
            return Ok(Made::Unclear);
        }
        self.edits(object).map(|change| Made::Item(ImportItem::Changed(change)))
    }

    fn edits(&mut self, object: &Object) -> Result<EntryChange, ReadError> {
        let all =
            self.reader.entry(&self.raw_of(object, |part| part.extent != Extent::Removed), Some(object.id.clone()))?;
        let gone =
            self.reader.entry(&self.raw_of(object, |part| part.extent == Extent::Removed), Some(object.id.clone()))?;
        let mut attributes: Vec<(AttributeName, ValueChange)> = Vec::new();
        let mut moves = false;
        for part in &object.parts {
            moves |= self.is_anchor(&part.name);
            let views: Vec<String> = self.views.of(&part.name).map(|(name, _)| name.to_owned()).collect();
            let own = std::iter::once(part.name.as_str()).chain(views.iter().map(String::as_str));
            let names: BTreeSet<AttributeName> = own.flat_map(|name| self.reader.names(name)).collect();
            for name in names {
                if attributes.iter().any(|(known, _)| *known == name) {
                    continue;
                }
                let values = |of: &Attributes| of.values(&name).to_vec();
                let change = match part.extent {
                    Extent::All | Extent::Until(_) => ValueChange::Replaced(values(&all.attributes)),
                    Extent::Added | Extent::Removed => {
                        self.edited(part, values(&all.attributes), values(&gone.attributes))
                    }
                };
                attributes.push((name, change));
            }
        }
        Ok(EntryChange {
            source_id: object.id.clone(),
            dn: Some(all.dn),
            anchor: moves.then_some(all.anchor),
            attributes,
        })
    }

    /// What came and went. Who has one value at most has, once one came, that one.
    fn edited(&self, part: &Part, added: Vec<Value>, removed: Vec<Value>) -> ValueChange {
        if self.single.contains(&part.name.to_ascii_lowercase()) && !added.is_empty() {
            return ValueChange::Replaced(added);
        }
        ValueChange::Edited { added, removed }
    }

    fn is_anchor(&self, name: &str) -> bool {
        self.reader.object().anchor_attribute.as_ref().is_some_and(|anchor| anchor.as_str().eq_ignore_ascii_case(name))
    }

    /// All that came of an object, as a reader takes it.
    fn raw(&self, object: &Object) -> RawEntry {
        self.raw_of(object, |part| part.extent != Extent::Removed)
    }

    fn raw_of(&self, object: &Object, wanted: impl Fn(&Part) -> bool) -> RawEntry {
        let mut attributes: Vec<RawAttribute> = Vec::with_capacity(object.parts.len() + 4);
        for part in object.parts.iter().filter(|part| wanted(part)) {
            let octets: Vec<&[u8]> = part.values.iter().map(Vec::as_slice).collect();
            for (name, view) in self.views.of(&part.name) {
                attributes.push(RawAttribute { name: name.to_owned(), values: view.of(&octets) });
            }
            let values = match self.schema.syntax(&AttributeName::new(part.name.as_str())) {
                AttributeSyntax::Dn => part.values.iter().map(|value| self.link(&part.name, value)).collect(),
                _ => part.values.clone(),
            };
            attributes.push(RawAttribute { name: part.name.clone(), values });
        }
        // DirSync leaves out the attribute that names the object, which has the same value as `name`.
        if let Some(naming) = naming_attribute(&object.dn).filter(|naming| !object.has(naming))
            && let Some(name) = object.parts.iter().find(|part| part.name.eq_ignore_ascii_case("name"))
        {
            attributes.push(RawAttribute { name: naming.to_owned(), values: name.values.clone() });
        }
        if !object.has("objectGUID") {
            attributes.push(RawAttribute { name: "objectGUID".to_owned(), values: vec![object.id.octets().to_vec()] });
        }
        RawEntry { dn: object.dn.clone(), attributes }
    }

    /// A value that names an object. An object's own name is no link.
    fn link(&self, attribute: &str, value: &[u8]) -> Vec<u8> {
        match std::str::from_utf8(value) {
            Ok(text) if attribute.eq_ignore_ascii_case("distinguishedName") => {
                names::ExtendedName::read(text).dn.as_bytes().to_vec()
            }
            Ok(text) => link(text).into_bytes(),
            Err(_) => value.to_vec(),
        }
    }
}

/// The attribute that names an object in the one above it: `CN` of most.
fn naming_attribute(dn: &str) -> Option<&str> {
    dn.split_once('=')
        .map(|(naming, _)| naming)
        .filter(|naming| naming.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// What to ask a controller for: of views their attribute, and of what only some schemas have, what this one has.
fn wire(attributes: &BTreeSet<AttributeName>, object: &SourceOptions, schema: &Schema) -> Vec<String> {
    let base = |name: &AttributeName| AttributeName::new(name.as_str().split(';').next().unwrap_or_default());
    let own = |name: &AttributeName| if is_view(name) { base(name) } else { name.clone() };
    let mut all: BTreeSet<AttributeName> = attributes.iter().map(own).collect();
    all.extend(ALWAYS.iter().map(|name| AttributeName::from(*name)));
    all.extend(skipped::DECIDING.iter().map(|name| AttributeName::from(*name)).filter(|name| schema.knows(name)));
    all.extend(object.anchor_attribute.iter().map(base));
    all.iter().map(ToString::to_string).collect()
}
