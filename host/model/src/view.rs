//! Entries looked at where they lie, without a copy of each name and value: most of them are only passed on.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::{Anchor, Attributes, Dn, Entry, KeptAttributes, KeptError, Value};

/// One value of a source attribute, where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueView<'a> {
    /// UTF-8 text.
    Text(&'a str),
    /// Octets.
    Binary(&'a [u8]),
}

impl<'a> ValueView<'a> {
    /// The octets of the value, of either sort.
    pub fn octets(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(octets) => octets,
        }
    }

    /// The text, where the value is text.
    pub fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }
}

impl<'a> From<&'a Value> for ValueView<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::Binary(octets) => Self::Binary(octets),
        }
    }
}

/// An attribute, and where its values end among those of all entries; they begin where those before it end.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    name: &'a str,
    first: usize,
    end: usize,
}

/// The attributes of many entries, one behind the other.
#[derive(Debug, Default)]
pub struct AttributeLanes<'a> {
    places: Vec<Place<'a>>,
    values: Vec<ValueView<'a>>,
    /// Where the attributes of each entry end.
    ends: Vec<usize>,
}

impl<'a> AttributeLanes<'a> {
    /// Lanes without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the attributes of an entry.
    pub fn push(&mut self, attributes: &'a Attributes) {
        for (name, values) in attributes.iter() {
            let first = self.values.len();
            self.values.extend(values.iter().map(ValueView::from));
            self.places.push(Place { name: name.as_str(), first, end: self.values.len() });
        }
        self.ends.push(self.places.len());
    }

    /// Appends the attributes of an entry as they were stored: what [`Attributes`] is serialised to, in a format that lets
    /// text and octets be borrowed.
    ///
    /// # Errors
    /// When they are damaged. The lanes must not be used on then.
    pub fn push_stored<D: Deserializer<'a>>(&mut self, stored: D) -> Result<(), D::Error> {
        Into(self).deserialize(stored)?;
        self.ends.push(self.places.len());
        Ok(())
    }

    /// The same of attributes that are on their way to be stored.
    ///
    /// # Errors
    /// When they are damaged. The lanes must not be used on then.
    pub fn push_kept(&mut self, kept: &'a KeptAttributes) -> Result<(), KeptError> {
        Ok(self.push_stored(&mut postcard::Deserializer::from_bytes(kept.octets()))?)
    }

    /// The attributes of the entry that was pushed at this place; none where there is no such place.
    pub fn get(&self, place: usize) -> AttributesView<'_> {
        let first = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        let end = self.ends.get(place).copied().unwrap_or(first);
        AttributesView { places: self.places.get(first..end).unwrap_or_default(), values: &self.values }
    }
}

/// The attributes of one entry, ordered by name.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttributesView<'a> {
    places: &'a [Place<'a>],
    values: &'a [ValueView<'a>],
}

impl<'a> AttributesView<'a> {
    /// All attributes with their values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [ValueView<'a>])> + use<'a> {
        let values = self.values;
        self.places.iter().map(move |place| (place.name, values.get(place.first..place.end).unwrap_or_default()))
    }

    /// The values of an attribute, lowest first; empty where it is absent.
    pub fn values(&self, name: &str) -> &'a [ValueView<'a>] {
        self.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map_or(&[], |(_, values)| values)
    }
}

/// The name of an entry, as it was read or as it is stored.
#[derive(Clone, Copy, Debug)]
pub enum DnView<'a> {
    /// Taken apart.
    Parsed(&'a Dn),
    /// As text.
    Text(&'a str),
}

impl fmt::Display for DnView<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parsed(dn) => dn.fmt(formatter),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

/// An object of the source directory, as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct EntryView<'a> {
    /// What the target knows it by.
    pub anchor: &'a Anchor,
    /// Where it stands.
    pub dn: DnView<'a>,
    /// One word for rules and configuration; empty where the configuration names none.
    pub object_class: &'a str,
    /// The attributes that were asked for.
    pub attributes: AttributesView<'a>,
}

impl<'a> EntryView<'a> {
    /// An entry with its attributes, as they stand in the lanes.
    pub fn of(entry: &'a Entry, attributes: AttributesView<'a>) -> Self {
        Self { anchor: &entry.anchor, dn: DnView::Parsed(&entry.dn), object_class: &entry.object_class, attributes }
    }
}

/// Reads attributes into lanes.
struct Into<'l, 'a>(&'l mut AttributeLanes<'a>);

impl<'a> DeserializeSeed<'a> for Into<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        // What is stored is a newtype, of which formats without names show nothing.
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Into<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("attributes by name")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<&'a str>()? {
            let first = self.0.values.len();
            map.next_value_seed(Values(&mut self.0.values))?;
            self.0.places.push(Place { name, first, end: self.0.values.len() });
        }
        Ok(())
    }
}

/// Reads the values of one attribute.
struct Values<'l, 'a>(&'l mut Vec<ValueView<'a>>);

impl<'a> DeserializeSeed<'a> for Values<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Values<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the values of an attribute")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut values: A) -> Result<(), A::Error> {
        while let Some(value) = values.next_element()? {
            self.0.push(value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_hold_the_attributes_of_each_entry_in_their_order() {
        let text = |value: &str| Value::Text(value.to_owned());
        let ada: Attributes =
            [("sn", vec![text("Lovelace")]), ("Mail", vec![text("b"), text("a")])].into_iter().collect();
        let none = Attributes::new();
        let photo: Attributes = [("photo", vec![Value::Binary(vec![0xff, 0])])].into_iter().collect();
        let mut lanes = AttributeLanes::new();
        for attributes in [&ada, &none, &photo] {
            lanes.push(attributes);
        }
        let names = |place: usize| lanes.get(place).iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(0), ["Mail", "sn"]);
        assert!(names(1).is_empty());
        assert_eq!(lanes.get(0).iter().next().unwrap().1, [ValueView::Text("a"), ValueView::Text("b")]);
        assert_eq!(lanes.get(2).iter().next().unwrap().1, [ValueView::Binary(&[0xff, 0])]);
        assert!(names(3).is_empty());
    }
}
