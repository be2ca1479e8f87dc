//! Makes entries of what a server or a file says: which attributes are kept, what is text, and who the entry is.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use provisor_model::{
    Anchor, AttributeName, AttributeSyntax, Dn, DnError, DnKey, Entry, Gathered, IdError, KeptEntry, KeptError, Schema,
    SourceId, ValueView,
};

use crate::error::{DirectoryError, server_words};
use crate::identity;
use crate::options::SourceOptions;
use crate::selection::{Aliases, Selection};

/// An attribute as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawAttribute {
    /// Its description, with options.
    pub name: String,
    /// Its values.
    pub values: Vec<Vec<u8>>,
}

/// An entry as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawEntry {
    /// Its name.
    pub dn: String,
    /// What it has.
    pub attributes: Vec<RawAttribute>,
}

/// An entry as it came, of whatever form.
pub(crate) trait Raw {
    /// Its name.
    fn dn(&self) -> &str;

    /// The descriptions of its attributes, with options, and their values.
    fn attributes(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &[u8]> + Clone)>;
}

impl Raw for RawEntry {
    fn dn(&self) -> &str {
        &self.dn
    }

    fn attributes(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &[u8]> + Clone)> {
        self.attributes.iter().map(|RawAttribute { name, values }| (name.as_str(), values.iter().map(Vec::as_slice)))
    }
}

/// What to do with a value that should be text and is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotText {
    /// Refuse the entry: a file has no schema, so the configuration may be what is wrong.
    Refuse,
    /// Keep the octets: whoever needs text of this entry finds out, and the other entries go on.
    Keep,
}

/// Why no entry could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Dn(#[from] DnError),
    #[error(transparent)]
    Kept(#[from] KeptError),
    #[error("the entry has no {0}")]
    NoSourceId(AttributeName),
    #[error("the entry has {count} values of {attribute}, where one is needed")]
    ManySourceIds { attribute: AttributeName, count: usize },
    #[error("{attribute}: {reason}")]
    BadSourceId { attribute: AttributeName, reason: IdError },
    #[error("{name}: the value is not UTF-8 text")]
    NotText {
        name: String,
        /// Which of the raw entry's attributes, and which of its values.
        at: (usize, usize),
    },
}

/// What is known of an attribute that came, so that it is worked out once and not for each entry.
#[derive(Debug)]
struct Known {
    names: Vec<AttributeName>,
    binary: bool,
    is_object_class: bool,
    is_source_id: bool,
    is_anchor: bool,
}

/// How many attribute descriptions are remembered, at most: a server may make up ever new options.
const REMEMBERED: usize = 4096;

/// Makes entries.
#[derive(Debug)]
pub(crate) struct Reader {
    selection: Selection,
    schema: Schema,
    object: SourceOptions,
    not_text: NotText,
    /// What is known of attributes, in the order in which they first came.
    known: Vec<(String, Known)>,
    /// Where each stands.
    places: HashMap<String, usize>,
    /// Behind the last one that was looked up.
    place: usize,
}

/// An entry but for its name.
struct Parts<'r> {
    source_id: SourceId,
    anchor: Anchor,
    object_class: String,
    attributes: Gathered<'r>,
}

impl Reader {
    /// A reader that keeps these attributes.
    ///
    /// # Errors
    /// When the attributes may not be asked for.
    pub fn new(
        attributes: &BTreeSet<AttributeName>,
        schema: Schema,
        aliases: Aliases,
        object: SourceOptions,
        not_text: NotText,
    ) -> Result<Self, DirectoryError> {
        let selection = Selection::new(attributes, &object, aliases)?;
        Ok(Self { selection, schema, object, not_text, known: Vec::new(), places: HashMap::new(), place: 0 })
    }

    /// What to ask a server for.
    pub fn wire(&self) -> &[String] {
        self.selection.wire()
    }

    /// The entry. Where the source id is known from elsewhere, it is not looked for among the attributes.
    pub fn entry(&mut self, raw: &impl Raw, source_id: Option<SourceId>) -> Result<Entry, ReadError> {
        let dn: Dn = raw.dn().parse()?;
        let Parts { source_id, anchor, object_class, attributes } = self.parts(raw, source_id)?;
        Ok(Entry { source_id, anchor, dn, object_class, attributes: attributes.to_attributes() })
    }

    /// The same in the form in which it is kept.
    pub fn kept(&mut self, raw: &impl Raw) -> Result<KeptEntry, ReadError> {
        let (dn_key, dn) = DnKey::with_spelling(raw.dn())?;
        let Parts { source_id, anchor, object_class, attributes } = self.parts(raw, None)?;
        Ok(KeptEntry { source_id, anchor, dn, dn_key, object_class, attributes: attributes.to_kept()? })
    }

    fn parts<'r>(&mut self, raw: &'r impl Raw, source_id: Option<SourceId>) -> Result<Parts<'r>, ReadError> {
        let mut attributes = Gathered::new();
        let mut object_classes: Vec<Cow<'_, str>> = Vec::new();
        let (mut ids, mut anchors) = (Vec::new(), Vec::new());
        self.place = 0;
        for (index, (name, values)) in raw.attributes().enumerate() {
            let place = self.look_up(name);
            let Some((_, known)) = self.known.get(place) else { continue };
            if known.is_object_class {
                object_classes.extend(values.clone().map(String::from_utf8_lossy));
            }
            if known.is_source_id {
                ids.extend(values.clone());
            }
            if known.is_anchor {
                anchors.extend(values.clone().map(|value| (value, known.binary)));
            }
            for kept in &known.names {
                let typed = values.clone().enumerate().map(|(position, value)| {
                    typed(value, known.binary, self.not_text)
                        .ok_or_else(|| ReadError::NotText { name: name.to_owned(), at: (index, position) })
                });
                attributes.add(kept, typed)?;
            }
        }
        let source_id = match source_id {
            Some(id) => id,
            None => self.source_id(&ids)?,
        };
        Ok(Parts {
            anchor: self.anchor(anchors, &source_id, raw.dn()),
            source_id,
            object_class: self.object.object_classes.classify(object_classes.iter().map(AsRef::as_ref)),
            attributes,
        })
    }

    /// Who an entry is and where it stands, of what a search for these alone brought.
    pub fn identify(&self, raw: &impl Raw) -> Result<(SourceId, Dn), ReadError> {
        let own = |name: &str| identity::is(&self.object.source_id_attribute, name);
        let ids: Vec<&[u8]> = raw.attributes().filter(|(name, _)| own(name)).flat_map(|(_, values)| values).collect();
        Ok((self.source_id(&ids)?, raw.dn().parse()?))
    }

    /// The names under which an attribute that came is kept.
    pub fn names(&self, description: &str) -> Vec<AttributeName> {
        self.selection.names(description)
    }

    /// How entries are identified and classified.
    pub fn object(&self) -> &SourceOptions {
        &self.object
    }

    /// Where it stands what is known of an attribute. Entries have much the same attributes in one order, so each is
    /// mostly found where the last one ended.
    fn look_up(&mut self, description: &str) -> usize {
        let ahead = self.known.iter().skip(self.place).take(8).position(|(known, _)| known == description);
        let place = match ahead {
            Some(ahead) => self.place + ahead,
            None => match self.places.get(description) {
                Some(place) => *place,
                None => self.meet(description),
            },
        };
        self.place = place + 1;
        place
    }

    /// Remembers an attribute that has not come before.
    fn meet(&mut self, description: &str) -> usize {
        if self.known.len() >= REMEMBERED {
            self.known.clear();
            self.places.clear();
        }
        let name = AttributeName::new(description);
        let known = Known {
            names: self.selection.names(description),
            binary: self.schema.syntax(&name) == AttributeSyntax::Binary,
            is_object_class: description.eq_ignore_ascii_case("objectClass"),
            is_source_id: self.selection.is(description, &self.object.source_id_attribute),
            is_anchor: self.object.anchor_attribute.as_ref().is_some_and(|own| self.selection.is(description, own)),
        };
        let place = self.known.len();
        self.known.push((description.to_owned(), known));
        self.places.insert(description.to_owned(), place);
        place
    }

    fn source_id(&self, values: &[&[u8]]) -> Result<SourceId, ReadError> {
        let attribute = &self.object.source_id_attribute;
        let value = match values {
            [] => return Err(ReadError::NoSourceId(attribute.clone())),
            [value] => value,
            _ => return Err(ReadError::ManySourceIds { attribute: attribute.clone(), count: values.len() }),
        };
        let binary = self.schema.syntax(attribute) == AttributeSyntax::Binary;
        identity::read(attribute, value, binary, SourceId::new, SourceId::parse)
            .map_err(|reason| ReadError::BadSourceId { attribute: attribute.clone(), reason })
    }

    /// The anchor: the lowest value of its attribute, else the source id.
    fn anchor(&self, mut values: Vec<(&[u8], bool)>, source_id: &SourceId, dn: &str) -> Anchor {
        values.sort_unstable();
        let (Some(attribute), Some((value, binary))) = (&self.object.anchor_attribute, values.first()) else {
            return Anchor::from(source_id.clone());
        };
        identity::read(attribute, value, *binary, Anchor::new, Anchor::parse).unwrap_or_else(|reason| {
            tracing::warn!(dn = server_words(dn), %attribute, %reason, "The anchor cannot be used; the source id stands in for it.");
            Anchor::from(source_id.clone())
        })
    }
}

/// A value by the syntax of its attribute; none where it is to be text and is not.
fn typed(value: &[u8], binary: bool, not_text: NotText) -> Option<ValueView<'_>> {
    match std::str::from_utf8(value) {
        _ if binary => Some(ValueView::Binary(value)),
        Ok(text) => Some(ValueView::Text(text)),
        Err(_) if not_text == NotText::Refuse => None,
        Err(_) => Some(ValueView::Binary(value)),
    }
}

#[cfg(test)]
mod tests {
    use provisor_model::Value;

    use super::*;

    const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

    fn reader(attributes: &[&str], object: SourceOptions, not_text: NotText) -> Reader {
        let attributes = attributes.iter().map(|name| AttributeName::from(*name)).collect();
        let schema = Schema::new([
            (AttributeName::from("jpegPhoto"), AttributeSyntax::Binary),
            (AttributeName::from("guid"), AttributeSyntax::Binary),
        ]);
        Reader::new(&attributes, schema, Aliases::new(), object, not_text).unwrap()
    }

    fn raw(attributes: &[(&str, &[&[u8]])]) -> RawEntry {
        let attribute = |(name, values): &(&str, &[&[u8]])| RawAttribute {
            name: (*name).to_owned(),
            values: values.iter().map(|value| value.to_vec()).collect(),
        };
        RawEntry { dn: "cn=Ada,dc=example".into(), attributes: attributes.iter().map(attribute).collect() }
    }

    #[test]
    fn values_are_typed_by_their_syntax_and_never_by_their_octets() {
        let mut reader = reader(&["cn", "jpegPhoto"], SourceOptions::default(), NotText::Refuse);
        let raw = raw(&[("entryUUID", &[UUID.as_bytes()]), ("cn", &[b"Ada"]), ("jpegPhoto", &[b"text"])]);
        let entry = reader.entry(&raw, None).unwrap();
        assert_eq!(entry.attributes.first_text("cn"), Some("Ada"));
        assert_eq!(entry.attributes.values(&"jpegPhoto".into()), [Value::Binary(b"text".to_vec())]);
        assert_eq!(entry.attributes.len(), 2, "what was not asked for is not kept");
        assert_eq!(entry.source_id.to_string(), UUID);
    }

    #[test]
    fn the_parts_of_an_attribute_that_comes_twice_are_put_together() {
        let mut reader = reader(&["mail"], SourceOptions::default(), NotText::Refuse);
        let raw = raw(&[("entryUUID", &[UUID.as_bytes()]), ("mail", &[b"b"]), ("MAIL", &[b"a"])]);
        let entry = reader.entry(&raw, None).unwrap();
        assert_eq!(entry.attributes.values(&"mail".into()), [Value::Text("a".into()), Value::Text("b".into())]);
    }

    #[test]
    fn text_that_is_none_is_refused_or_kept_as_asked() {
        let broken = || raw(&[("entryUUID", &[UUID.as_bytes()]), ("cn", &[b"ok", b"\xff"])]);
        let error = reader(&["cn"], SourceOptions::default(), NotText::Refuse).entry(&broken(), None).unwrap_err();
        assert!(matches!(error, ReadError::NotText { at: (1, 1), .. }), "{error}");
        let entry = reader(&["cn"], SourceOptions::default(), NotText::Keep).entry(&broken(), None).unwrap();
        assert_eq!(entry.attributes.values(&"cn".into())[1], Value::Binary(vec![0xff]));
    }

    #[test]
    fn an_entry_is_the_same_in_the_form_in_which_it_is_kept() {
        let mut reader = reader(&["sn", "surname", "cn", "jpegPhoto"], SourceOptions::default(), NotText::Keep);
        let values: &[&[u8]] = &[b"b", b"a", b"b"];
        let mut raw = raw(&[
            ("entryUUID", &[UUID.as_bytes()]),
            ("objectClass", &[b"top", b"inetOrgPerson"]),
            ("sn", values),
            ("SN", &[b"c"]),
            ("jpegPhoto", &[&[0xff, 0]]),
            ("cn", &[&[0xfe]]),
        ]);
        raw.dn = " CN = Ada ,dc=example".into();
        let (entry, kept) = (reader.entry(&raw, None).unwrap(), reader.kept(&raw).unwrap());
        assert_eq!(kept.attributes.attributes().unwrap(), entry.attributes);
        assert_eq!((kept.dn, kept.dn_key), (entry.dn.to_string(), entry.dn.key()));
        assert_eq!(kept.object_class, "user");
        assert_eq!(
            (kept.source_id, kept.anchor, kept.object_class),
            (entry.source_id, entry.anchor, entry.object_class)
        );
    }

    #[test]
    fn an_entry_needs_one_valid_source_id() {
        let mut reader = reader(&[], SourceOptions::default(), NotText::Refuse);
        assert!(matches!(reader.entry(&raw(&[]), None), Err(ReadError::NoSourceId(_))));
        let two: &[&[u8]] = &[UUID.as_bytes(), b"x"];
        assert!(matches!(reader.entry(&raw(&[("entryUUID", two)]), None), Err(ReadError::ManySourceIds { .. })));
        assert!(matches!(reader.entry(&raw(&[("entryUUID", &[b"17"])]), None), Err(ReadError::BadSourceId { .. })));
    }

    #[test]
    fn the_anchor_is_its_attribute_else_the_source_id() {
        let object = SourceOptions { anchor_attribute: Some("guid".into()), ..SourceOptions::default() };
        let mut reader = reader(&[], object, NotText::Refuse);
        let with = reader.entry(&raw(&[("entryUUID", &[UUID.as_bytes()]), ("guid", &[&[1, 2]])]), None).unwrap();
        assert_eq!(with.anchor.octets(), [1, 2]);
        let without = reader.entry(&raw(&[("entryUUID", &[UUID.as_bytes()])]), None).unwrap();
        assert_eq!(without.anchor, Anchor::from(without.source_id.clone()));
        let long = [7u8; 100];
        let unusable = reader.entry(&raw(&[("entryUUID", &[UUID.as_bytes()]), ("guid", &[&long])]), None).unwrap();
        assert_eq!(unusable.anchor, Anchor::from(unusable.source_id.clone()));
    }
}
