//! An entry on its way from a source to where it is kept: its attributes are put together where they lie, and written
//! in the form that is kept, without a piece of memory for each name and value.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::{Anchor, AttributeName, Attributes, DnKey, SourceId, Value, ValueView};

/// Room for the attributes of most entries, in octets.
const ROOM: usize = 1024;

/// An entry as a source brought it, in the form in which the connector space keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEntry {
    /// What the change feed calls it.
    pub source_id: SourceId,
    /// What the target knows it by.
    pub anchor: Anchor,
    /// Where it stands, as [`Dn`](crate::Dn) writes it.
    pub dn: String,
    /// The same for comparing.
    pub dn_key: DnKey,
    /// One word for rules and configuration; empty where the configuration names none.
    pub object_class: String,
    /// Its attributes.
    pub attributes: KeptAttributes,
}

/// The attributes of an entry in the form in which the connector space keeps them: [`Attributes`] in postcard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAttributes(Vec<u8>);

/// Why attributes have no form to be kept in, or cannot be read from it.
#[derive(Debug, thiserror::Error)]
#[error("the attributes of an entry: {0}")]
pub struct KeptError(#[from] postcard::Error);

impl KeptAttributes {
    /// These attributes.
    ///
    /// # Errors
    /// When they cannot be encoded.
    pub fn of(attributes: &Attributes) -> Result<Self, KeptError> {
        Ok(Self(postcard::to_extend(attributes, Vec::with_capacity(ROOM))?))
    }

    /// The octets that are kept.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The octets that are kept.
    pub fn into_octets(self) -> Vec<u8> {
        self.0
    }

    /// The attributes, taken apart.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn attributes(&self) -> Result<Attributes, KeptError> {
        Ok(postcard::from_bytes(&self.0)?)
    }
}

/// Attributes that are put together of values where they lie, in whatever order they come.
#[derive(Debug, Default)]
pub struct Gathered<'a> {
    /// Names, each with where its values begin and end.
    places: Vec<(AttributeName, usize, usize)>,
    values: Vec<ValueView<'a>>,
}

impl<'a> Gathered<'a> {
    /// Room for an entry of common size.
    pub fn new() -> Self {
        Self { places: Vec::with_capacity(32), values: Vec::with_capacity(48) }
    }

    /// Adds values to those that an attribute has, up to the first that is an error.
    ///
    /// # Errors
    /// That error; then nothing was added.
    pub fn add<E>(
        &mut self,
        name: &AttributeName,
        values: impl Iterator<Item = Result<ValueView<'a>, E>>,
    ) -> Result<(), E> {
        let first = self.values.len();
        for value in values {
            match value {
                Ok(value) => self.values.push(value),
                Err(error) => {
                    self.values.truncate(first);
                    return Err(error);
                }
            }
        }
        if self.values.len() > first {
            self.places.push((name.clone(), first, self.values.len()));
        }
        Ok(())
    }

    /// The attributes, each value apart.
    pub fn to_attributes(&self) -> Attributes {
        let mut attributes = Attributes::new();
        for (name, first, end) in &self.places {
            let values = self.values.get(*first..*end).unwrap_or_default();
            attributes.add(name.clone(), values.iter().map(Value::from).collect());
        }
        attributes
    }

    /// The attributes in the form that is kept; the same as [`KeptAttributes::of`] makes of [`Self::to_attributes`].
    ///
    /// # Errors
    /// When they cannot be encoded.
    pub fn to_kept(mut self) -> Result<KeptAttributes, KeptError> {
        self.put_in_order();
        Ok(KeptAttributes(postcard::to_extend(&self, Vec::with_capacity(ROOM))?))
    }

    /// Orders the names, and makes a set of the values of each.
    fn put_in_order(&mut self) {
        // Parts of one attribute stay in the order in which they came: the first gives it its spelling.
        self.places.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let places = std::mem::take(&mut self.places);
        for (name, first, end) in places {
            let (first, end) = match self.places.pop() {
                Some((known, from, to)) if known == name => {
                    // An attribute that came in parts.
                    let start = self.values.len();
                    self.values.extend_from_within(from..to);
                    self.values.extend_from_within(first..end);
                    let end = self.ordered(start, self.values.len());
                    self.places.push((known, start, end));
                    continue;
                }
                Some(other) => {
                    self.places.push(other);
                    (first, end)
                }
                None => (first, end),
            };
            let end = self.ordered(first, end);
            self.places.push((name, first, end));
        }
    }

    /// Sorts values and drops repetitions; returns where they end.
    fn ordered(&mut self, first: usize, end: usize) -> usize {
        let Some(values) = self.values.get_mut(first..end).filter(|values| values.len() > 1) else { return end };
        values.sort_unstable_by(|one, other| one.octets().cmp(other.octets()));
        let mut kept = 0;
        for place in 1..values.len() {
            if values.get(place) != values.get(kept) {
                kept += 1;
                values.swap(kept, place);
            }
        }
        first + kept + 1
    }
}

impl Serialize for Gathered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.places.len()))?;
        for (name, first, end) in &self.places {
            map.serialize_entry(name, self.values.get(*first..*end).unwrap_or_default())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(parts: &[(String, Vec<(bool, String)>)]) -> (KeptAttributes, Attributes) {
        let mut gathered = Gathered::new();
        for (name, values) in parts {
            let values = values.iter().map(|(binary, text)| match binary {
                true => Ok::<_, ()>(ValueView::Binary(text.as_bytes())),
                false => Ok(ValueView::Text(text)),
            });
            gathered.add(&name.as_str().into(), values).unwrap();
        }
        let attributes = gathered.to_attributes();
        (gathered.to_kept().unwrap(), attributes)
    }

    #[test]
    fn an_attribute_that_comes_in_parts_is_one_under_its_first_spelling() {
        let part = |name: &str, value: &str| (name.to_owned(), vec![(false, value.to_owned())]);
        let (kept, attributes) = kept(&[part("Mail", "b"), part("cn", "x"), part("mail", "a"), part("MAIL", "b")]);
        assert_eq!(kept.attributes().unwrap(), attributes);
        assert_eq!(attributes.values(&"mail".into()).len(), 2);
        assert!(kept.octets().windows(4).any(|name| name == b"Mail"));
    }

    #[test]
    fn an_error_among_the_values_adds_nothing() {
        let mut gathered = Gathered::new();
        let values = [Ok(ValueView::Text("a")), Err("no")];
        assert_eq!(gathered.add(&"cn".into(), values.into_iter()), Err("no"));
        assert!(gathered.to_attributes().is_empty());
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_the_attributes_are(
            parts in prop::collection::vec(("[abAB]{1,2}", prop::collection::vec(("[abc]{0,2}").prop_map(|text| (false, text)), 0..4)), 0..6),
            octets in prop::collection::vec("[xy]{0,3}", 0..3),
        ) {
            let mut parts = parts;
            parts.push(("photo".to_owned(), octets.into_iter().map(|text| (true, text)).collect()));
            let (kept, attributes) = kept(&parts);
            prop_assert_eq!(kept.attributes().unwrap(), attributes.clone());
            prop_assert_eq!(kept, KeptAttributes::of(&attributes).unwrap());
        }
    }
}
