//! Makes entries of what a server or a file says: which attributes are kept, what is text, and who the entry is.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use provisor_model::{
    Anchor, AttributeName, AttributeSyntax, Attributes, Dn, DnError, Entry, IdError, Schema, SourceId, Value,
};

use crate::error::DirectoryError;
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
    known: HashMap<String, Known>,
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
        Ok(Self { selection, schema, object, not_text, known: HashMap::new() })
    }

    /// What to ask a server for.
    pub fn wire(&self) -> &[String] {
        self.selection.wire()
    }

    /// The entry. Where the source id is known from elsewhere, it is not looked for among the attributes.
    pub fn entry(&mut self, raw: &impl Raw, source_id: Option<SourceId>) -> Result<Entry, ReadError> {
        let dn: Dn = raw.dn().parse()?;
        let mut attributes = Attributes::new();
        let mut object_classes: Vec<Cow<'_, str>> = Vec::new();
        let (mut ids, mut anchors) = (Vec::new(), Vec::new());
        for (index, (name, values)) in raw.attributes().enumerate() {
            if self.known.len() >= REMEMBERED {
                self.known.clear();
            }
            let known = match self.known.get(name) {
                Some(known) => known,
                None => {
                    let known = self.look_up(name);
                    self.known.entry(name.to_owned()).or_insert(known)
                }
            };
            if known.is_object_class {
                object_classes.extend(values.clone().map(String::from_utf8_lossy));
            }
            if known.is_source_id {
                ids.extend(values.clone());
            }
            if known.is_anchor {
                anchors.extend(values.clone().map(|value| (value, known.binary)));
            }
            if let Some((last, others)) = known.names.split_last() {
                let values = typed(values, known.binary, self.not_text)
                    .map_err(|position| ReadError::NotText { name: name.to_owned(), at: (index, position) })?;
                for name in others {
                    attributes.add(name.clone(), values.clone());
                }
                attributes.add(last.clone(), values);
            }
        }
        let source_id = match source_id {
            Some(id) => id,
            None => self.source_id(&ids)?,
        };
        Ok(Entry {
            anchor: self.anchor(anchors, &source_id, &dn),
            source_id,
            dn,
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

    /// How entries are identified and classified.
    pub fn object(&self) -> &SourceOptions {
        &self.object
    }

    fn look_up(&self, description: &str) -> Known {
        let name = AttributeName::new(description);
        Known {
            names: self.selection.names(description),
            binary: self.schema.syntax(&name) == AttributeSyntax::Binary,
            is_object_class: description.eq_ignore_ascii_case("objectClass"),
            is_source_id: self.selection.is(description, &self.object.source_id_attribute),
            is_anchor: self.object.anchor_attribute.as_ref().is_some_and(|own| self.selection.is(description, own)),
        }
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
    fn anchor(&self, mut values: Vec<(&[u8], bool)>, source_id: &SourceId, dn: &Dn) -> Anchor {
        values.sort_unstable();
        let (Some(attribute), Some((value, binary))) = (&self.object.anchor_attribute, values.first()) else {
            return Anchor::from(source_id.clone());
        };
        identity::read(attribute, value, *binary, Anchor::new, Anchor::parse).unwrap_or_else(|reason| {
            tracing::warn!(%dn, %attribute, %reason, "The anchor cannot be used; the source id stands in for it.");
            Anchor::from(source_id.clone())
        })
    }
}

/// The values by the syntax of their attribute, or the position of one that is not text.
fn typed<'a>(values: impl Iterator<Item = &'a [u8]>, binary: bool, not_text: NotText) -> Result<Vec<Value>, usize> {
    // Most attributes have one value, and room for it is enough.
    let mut typed = Vec::with_capacity(1);
    for (position, value) in values.enumerate() {
        typed.push(match std::str::from_utf8(value) {
            _ if binary => Value::Binary(value.to_vec()),
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) if not_text == NotText::Refuse => return Err(position),
            Err(_) => Value::Binary(value.to_vec()),
        });
    }
    Ok(typed)
}

#[cfg(test)]
mod tests {
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
