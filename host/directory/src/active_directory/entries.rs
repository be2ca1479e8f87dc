//! From objects as they came to entries and changes of entries: values by their kind, views, links by GUID.

use std::collections::{BTreeSet, HashSet};

use provisor_model::{
    AttributeName, AttributeSyntax, Attributes, Entry, EntryChange, ImportItem, Schema, Value, ValueChange,
};

use super::names::link;
use super::objects::{Extent, Object, Part};
use super::views::{View, WantedViews, is_view};
use super::{names, skipped};
use crate::error::DirectoryError;
use crate::options::SourceOptions;
use crate::reading::{NotText, RawAttribute, RawEntry, ReadError, Reader};
use crate::search::schema::ServerSchema;

/// What is asked for of every object, whatever the rules read: who it is, where it stands, whether it is there, whether it
/// came whole, and whether it is left out.
const ALWAYS: &[&str] = &["objectGUID", "name", "parentGUID", "isDeleted", "whenCreated"];

/// By which a group's accounts call it as their primary one. Controllers work it out when they are asked, and DirSync leaves
/// it out: it is the last part of the group's security identifier.
const PRIMARY_GROUP_TOKEN: &str = "primaryGroupToken";
const OBJECT_SID: &str = "objectSid";

/// What an object comes to.
#[derive(Debug)]
pub(crate) enum Made {
    Item(ImportItem),
    /// What decides about it has changed: that has to be read.
    Undecided,
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
    /// Whether the tokens of groups are asked for.
    tokens: bool,
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
        let tokens = attributes.contains(&AttributeName::from(PRIMARY_GROUP_TOKEN));
        Ok(Self { reader, schema, single, views, tokens, wire })
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

    /// The whole object as a change of one that is known: these attributes are as they are now.
    pub fn replaced(&mut self, object: &Object, attributes: &BTreeSet<AttributeName>) -> Result<ImportItem, ReadError> {
        let Entry { source_id, anchor, dn, object_class, attributes: values } = self.entry(object)?;
        let replaced = |name: &AttributeName| (name.clone(), ValueChange::Replaced(values.values(name).to_vec()));
        Ok(ImportItem::Changed(EntryChange {
            source_id,
            dn: Some(dn),
            anchor: Some(anchor),
            object_class: Some(object_class),
            attributes: attributes.iter().map(replaced).collect(),
        }))
    }

    /// What an answer of DirSync says of an object.
    pub fn change(&mut self, object: &Object) -> Result<Made, ReadError> {
        if object.is_deleted() {
            return Ok(Made::Item(ImportItem::Delete(object.id.clone())));
        }
        if object.cut().next().is_some() {
            return Ok(Made::Unclear);
        }
        // That never changes once an object is made: whoever tells it, tells all there is.
        if object.has("whenCreated") {
            return self.whole(object).map(Made::Item);
        }
        let told =
            |part: &&Part| !["objectGUID", "instanceType"].iter().any(|name| part.name.eq_ignore_ascii_case(name));
        if !object.parts.iter().any(|part| told(&part)) {
            return Ok(Made::Unclear);
        }
        if skipped::DECIDING.iter().chain(&["isDeleted"]).any(|name| object.has(name)) {
            return Ok(Made::Undecided);
        }
        self.edits(object).map(|change| Made::Item(ImportItem::Changed(change)))
    }

    /// What an answer of DirSync says of an object about which this decides.
    pub fn decided(&mut self, object: &Object, deciding: &Object) -> Result<ImportItem, ReadError> {
        let raw = self.raw(deciding);
        let classes = deciding.texts("objectClass");
        let skipped = skipped::is_skipped(&deciding.dn, &raw);
        let class = self.reader.object().object_classes.classify(classes.iter().copied());
        let object_class = Some(if skipped { String::new() } else { class });
        Ok(ImportItem::Changed(EntryChange { object_class, ..self.edits(object)? }))
    }

    /// What to ask for to decide about an object.
    pub fn deciding(&self) -> Vec<String> {
        let known = skipped::DECIDING.iter().filter(|name| self.schema.knows(&AttributeName::from(**name)));
        known.map(|name| (*name).to_owned()).chain(["objectGUID".to_owned()]).collect()
    }

    fn edits(&mut self, object: &Object) -> Result<EntryChange, ReadError> {
        let object = &named(object);
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
                    Extent::All | Extent::Until(_) | Extent::Last => ValueChange::Replaced(values(&all.attributes)),
                    Extent::Added | Extent::Removed => {
                        self.edited(part, values(&all.attributes), values(&gone.attributes))
                    }
                };
                attributes.push((name, change));
            }
        }
        Ok(EntryChange {
            object_class: None,
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
        // DirSync leaves out the attribute that names the object, which has the same value as `name`.
        self.raw_of(&named(object), |part| part.extent != Extent::Removed)
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
        if self.tokens && object.texts("objectClass").iter().any(|class| class.eq_ignore_ascii_case("group")) {
            let sid = object.parts.iter().filter(|part| part.name.eq_ignore_ascii_case(OBJECT_SID));
            let octets: Vec<&[u8]> = sid.flat_map(|part| part.values.iter().map(Vec::as_slice)).collect();
            let values = View::SidRid.of(&octets);
            attributes.push(RawAttribute { name: PRIMARY_GROUP_TOKEN.to_owned(), values });
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

/// An object with the attribute that names it, where its name came.
fn named(object: &Object) -> Object {
    let mut object = object.clone();
    let name = object.parts.iter().find(|part| part.name.eq_ignore_ascii_case("name")).cloned();
    if let (Some(naming), Some(name)) = (naming_attribute(&object.dn).map(str::to_owned), name)
        && !object.has(&naming)
    {
        object.parts.push(Part { name: naming, ..name });
    }
    object
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
    if all.remove(&AttributeName::from(PRIMARY_GROUP_TOKEN)) {
        all.insert(AttributeName::from(OBJECT_SID));
    }
    all.extend(ALWAYS.iter().map(|name| AttributeName::from(*name)));
    all.extend(skipped::DECIDING.iter().map(|name| AttributeName::from(*name)).filter(|name| schema.knows(name)));
    all.extend(object.anchor_attribute.iter().map(base));
    all.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use provisor_model::{AttributeSyntax, IdSyntax, SourceId};

    use super::*;
    use crate::active_directory::options::ActiveDirectoryOptions;
    use crate::active_directory::views;

    const ANN: &str = "<GUID=63374e0e-62be-40e3-8213-7d7abbc1afac>;CN=Ann,DC=lab";

    fn entries(attributes: &[&str]) -> Entries {
        let (text, octets, name) = (AttributeSyntax::Text, AttributeSyntax::Binary, AttributeSyntax::Dn);
        let kinds = [
            ("mail", text),
            ("cn", text),
            ("objectSid", octets),
            ("objectGUID", octets),
            ("mS-DS-ConsistencyGuid", octets),
            ("member", name),
            ("manager", name),
        ];
        let mut schema = Schema::new(kinds.map(|(name, syntax)| (AttributeName::from(name), syntax)));
        views::add_to(&mut schema);
        let single = ["manager".to_owned()].into();
        let server = ServerSchema { schema, single, ..ServerSchema::default() };
        let attributes = attributes.iter().map(|name| AttributeName::from(*name)).collect();
        Entries::new(&attributes, server, ActiveDirectoryOptions::object()).unwrap()
    }

    fn part(name: &str, extent: Extent, values: &[&str]) -> Part {
        Part { name: name.into(), extent, values: values.iter().map(|value| value.as_bytes().to_vec()).collect() }
    }

    fn object(parts: Vec<Part>) -> Object {
        let id = SourceId::parse(IdSyntax::Guid, "00112233-4455-6677-8899-aabbccddeeff").unwrap();
        Object { id, dn: "CN=Bob,DC=lab".into(), parts }
    }

    fn change(attributes: &[&str], parts: Vec<Part>) -> EntryChange {
        match entries(attributes).change(&object(parts)).unwrap() {
            Made::Item(ImportItem::Changed(change)) => change,
            made => panic!("{made:?}"),
        }
    }

    #[test]
    fn links_are_kept_by_guid_and_come_and_go_one_by_one() {
        let parts = vec![part("member", Extent::Added, &[ANN]), part("member", Extent::Removed, &[])];
        let link = Value::Text("<GUID=63374e0e-62be-40e3-8213-7d7abbc1afac>".into());
        let edited = ValueChange::Edited { added: vec![link.clone()], removed: Vec::new() };
        assert_eq!(change(&["member"], parts).attributes, [("member".into(), edited)]);
        let parts = vec![part("manager", Extent::Removed, &["<GUID=1>;CN=x"]), part("manager", Extent::Added, &[ANN])];
        let changed = change(&["manager"], parts).attributes;
        assert!(matches!(&changed[..], [(_, ValueChange::Edited { .. } | ValueChange::Replaced(_))]), "{changed:?}");
    }

    #[test]
    fn a_single_link_that_came_is_the_only_one() {
        let changed = change(&["manager"], vec![part("manager", Extent::Added, &[ANN])]).attributes;
        assert!(matches!(&changed[..], [(_, ValueChange::Replaced(values))] if values.len() == 1), "{changed:?}");
    }

    #[test]
    fn what_is_cleared_goes_and_what_nobody_asked_for_stays_out() {
        let changed = change(&["mail"], vec![part("mail", Extent::All, &[]), part("cn", Extent::All, &["x"])]);
        assert_eq!(changed.attributes, [("mail".into(), ValueChange::Replaced(Vec::new()))]);
        assert_eq!(changed.anchor, None);
    }

    #[test]
    fn what_decides_about_an_object_is_read_and_what_shows_nothing_is_read_whole() {
        for name in ["objectClass", "isCriticalSystemObject", "name", "isDeleted"] {
            let made = entries(&["mail"]).change(&object(vec![part(name, Extent::All, &[])])).unwrap();
            assert!(matches!(made, Made::Undecided), "{name}: {made:?}");
        }
        let cut = entries(&["member"]).change(&object(vec![
            part("whenCreated", Extent::All, &["20260101000000.0Z"]),
            part("member", Extent::Until(1500), &[ANN]),
        ]));
        assert!(matches!(cut.unwrap(), Made::Unclear), "some of its members are not all");
        let deciding = object(vec![part("objectClass", Extent::All, &["top", "user"])]);
        let renamed = object(vec![part("name", Extent::All, &["Bob"]), part("mail", Extent::All, &["b@lab.test"])]);
        let item = entries(&["mail", "cn"]).decided(&renamed, &deciding).unwrap();
        let ImportItem::Changed(change) = item else { panic!("{item:?}") };
        assert_eq!(change.object_class.as_deref(), Some("user"));
        let names: Vec<String> = change.attributes.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["mail", "cn"], "the name is that of the entry, too");
        let nothing = entries(&["mail"]).change(&object(vec![part("instanceType", Extent::All, &["4"])])).unwrap();
        assert!(matches!(nothing, Made::Unclear), "a change that is not shown: {nothing:?}");
        let whole = vec![part("whenCreated", Extent::All, &["20260101000000.0Z"]), part("name", Extent::All, &["Bob"])];
        let Made::Item(ImportItem::Kept(kept)) = entries(&["cn"]).change(&object(whole)).unwrap() else { panic!() };
        assert_eq!(kept.attributes.attributes().unwrap().first_text("cn"), Some("Bob"), "the name is the value");
    }

    #[test]
    fn a_groups_token_is_made_of_its_security_identifier() {
        let sid = vec![1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0x50, 4, 0, 0];
        let of = |class: &str| {
            let sid = Part { name: "objectSid".into(), extent: Extent::All, values: vec![sid.clone()] };
            let parts = vec![part("objectClass", Extent::All, &["top", class]), sid];
            entries(&["primaryGroupToken"]).entry(&object(parts)).unwrap().attributes
        };
        assert_eq!(of("group").first_text("primaryGroupToken"), Some("1104"));
        assert_eq!(of("user").first_text("primaryGroupToken"), None);
        assert!(entries(&["primaryGroupToken"]).wire().contains(&"objectSid".to_owned()));
    }

    proptest! {
        #[test]
        fn no_object_whatever_makes_it_panic(
            parts in prop::collection::vec(("(member|manager|mail|name|objectSid|isDeleted|[a-z;=-]{0,9})(;range=[01]-[01*])?",
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4)), 0..6),
            dn in "(<GUID=[0-9a-f-]{0,36}>;)?[CN=,a\\\\é]{0,12}",
        ) {
            let attributes = parts.into_iter().map(|(name, values)| RawAttribute { name, values }).collect();
            let raw = RawEntry { dn, attributes };
            let mut entries = entries(&["member", "manager", "mail", "cn", "objectSid;text"]);
            for changes in [true, false] {
                if let Ok(object) = Object::read(&raw, changes) {
                    let _ = (entries.change(&object), entries.whole(&object), entries.entry(&object));
                }
            }
        }
    }
}
