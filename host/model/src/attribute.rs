//! Attribute names, values, and the attributes of an entry.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

use crate::ValueView;

/// The name of a source attribute, with its options; compared without regard to case (RFC 4512, section 2.5).
///
/// A copy costs nothing but a count: the same few names stand in every entry.
#[derive(Clone, Serialize)]
pub struct AttributeName(Arc<str>);

impl<'de> Deserialize<'de> for AttributeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Takes the text over in one step.
        struct Text;

        impl Visitor<'_> for Text {
            type Value = AttributeName;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of an attribute")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AttributeName, E> {
                Ok(AttributeName::new(text))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl AttributeName {
    /// A name, spelt as given.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as it was spelt.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in lower case, for keys that are compared as octets.
    pub fn to_key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The order of this name and another that is given as text.
    pub fn compare(&self, other: &str) -> Ordering {
        let (one, two) = (self.0.as_bytes(), other.as_bytes());
        for (one, two) in one.iter().zip(two) {
            // Most octets are the same without folding.
            if one != two {
                match one.to_ascii_lowercase().cmp(&two.to_ascii_lowercase()) {
                    Ordering::Equal => {}
                    order => return order,
                }
            }
        }
        one.len().cmp(&two.len())
    }
}

impl From<&str> for AttributeName {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl PartialEq for AttributeName {
    fn eq(&self, other: &Self) -> bool {
        // Mostly a copy of the very name.
        Arc::ptr_eq(&self.0, &other.0) || self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for AttributeName {}

impl Ord for AttributeName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(&other.0)
    }
}

impl PartialOrd for AttributeName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for AttributeName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for octet in self.0.bytes() {
            state.write_u8(octet.to_ascii_lowercase());
        }
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for AttributeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// One value of a source attribute: text or octets by the schema's syntax, never by what the octets happen to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// UTF-8 text.
    Text(String),
    /// Octets.
    Binary(Vec<u8>),
}

impl Value {
    /// The octets of the value, of either sort.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(octets) => octets,
        }
    }

    /// The text, where the value is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }
}

impl From<&ValueView<'_>> for Value {
    fn from(value: &ValueView<'_>) -> Self {
        match value {
            ValueView::Text(text) => Self::Text((*text).to_owned()),
            ValueView::Binary(octets) => Self::Binary(octets.to_vec()),
        }
    }
}

/// The attributes of an entry, each with at least one value. The values of an attribute are a set: they are kept
/// sorted by octets and without repetition, so that a new order is no change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes(BTreeMap<AttributeName, Vec<Value>>);

impl Attributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the values of an attribute; none takes it away.
    pub fn set(&mut self, name: AttributeName, mut values: Vec<Value>) {
        order(&mut values);
        if values.is_empty() {
            self.0.remove(&name);
        } else {
            self.0.insert(name, values);
        }
    }

    /// Adds values to those that an attribute has.
    pub fn add(&mut self, name: AttributeName, mut values: Vec<Value>) {
        if values.is_empty() {
            return;
        }
        match self.0.entry(name) {
            Entry::Vacant(vacant) => {
                order(&mut values);
                vacant.insert(values);
            }
            Entry::Occupied(mut present) => {
                present.get_mut().append(&mut values);
                order(present.get_mut());
            }
        }
    }

    /// The values of an attribute, lowest first; empty where it is absent.
    pub fn values(&self, name: &AttributeName) -> &[Value] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The lowest value by octets, where it is text.
    pub fn first_text(&self, name: &str) -> Option<&str> {
        self.values(&AttributeName::new(name)).first().and_then(Value::as_text)
    }

    /// Whether the attribute has a value.
    pub fn contains(&self, name: &AttributeName) -> bool {
        self.0.contains_key(name)
    }

    /// All attributes with their values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&AttributeName, &[Value])> {
        self.0.iter().map(|(name, values)| (name, values.as_slice()))
    }

    /// How many attributes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Makes a set of values: sorted by octets, each once.
fn order(values: &mut Vec<Value>) {
    if values.len() > 1 {
        values.sort_unstable_by(|one, other| one.octets().cmp(other.octets()));
        values.dedup();
    }
}

impl<N: Into<AttributeName>> FromIterator<(N, Vec<Value>)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, Vec<Value>)>>(pairs: I) -> Self {
        let mut attributes = Self::new();
        for (name, values) in pairs {
            attributes.set(name.into(), values);
        }
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_regard_to_case() {
        let attributes: Attributes = [("givenName", vec![Value::Text("Ada".into())])].into_iter().collect();
        assert_eq!(attributes.first_text("GIVENNAME"), Some("Ada"));
    }

    #[test]
    fn a_new_order_of_values_is_no_change() {
        let text = |value: &str| Value::Text(value.into());
        let one: Attributes = [("mail", vec![text("b"), text("a")])].into_iter().collect();
        let other: Attributes = [("mail", vec![text("a"), text("b"), text("b")])].into_iter().collect();
        assert_eq!(one, other);
    }
}
