//! What a rule chain makes of one entry: a resource in which some values still wait for the host to resolve them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AttributeName, Plain, Row, TargetPath};

/// Why something was decided: a stable code to count, and words for a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reason {
    /// A short stable word, such as `no-user-name`.
    pub code: String,
    /// A sentence for a person.
    pub detail: String,
}

impl Reason {
    /// A reason of this code and these words.
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into() }
    }
}

/// A value as a mapping set it. References and unique values are resolved by the pipeline, so that rules stay pure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DraftValue {
    /// One value.
    Plain(Plain),
    /// The values of a multi-valued attribute; never none.
    List(Vec<Plain>),
    /// The rows of a complex multi-valued attribute; never none.
    Rows(Vec<Row>),
    /// The source object of this DN.
    Reference(String),
    /// The source object whose attribute has this value.
    ReferenceBy {
        /// The attribute that is looked up.
        attribute: AttributeName,
        /// Its value.
        value: String,
    },
    /// The source objects that this attribute of the entry names by DN.
    ReferencesOf(AttributeName),
    /// The first of these that no other resource has.
    FirstUnique(Vec<String>),
}

/// What the drafts of one chain have in common: the places of the resource, and the plugins that set them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftNames {
    /// The places, in the order of paths, each once.
    pub paths: Vec<TargetPath>,
    /// The plugins, in the order of the chain.
    pub plugins: Vec<Arc<str>>,
}

/// An attribute of a draft.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftAttribute {
    /// The value to be set.
    pub value: DraftValue,
    /// Whether it is set only when the resource is created.
    pub on_create: bool,
    /// The plugin that had the last word, by its number in the chain.
    pub by: u32,
    /// The plugins before it whose value was replaced, in chain order.
    pub overridden: Vec<u32>,
}

/// The resource under construction, as the last mapping of a chain left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The name of the resource type.
    pub kind: String,
    /// What is set.
    pub attributes: DraftAttributes,
}

/// What is set, by place. A draft is made for every entry of every cycle and mostly only walked along: it names its paths
/// and plugins by number, because a count that is shared costs as much as the value beside it.
#[derive(Clone)]
pub struct DraftAttributes {
    names: Arc<DraftNames>,
    places: Vec<Option<DraftAttribute>>,
}

impl DraftAttributes {
    /// Nothing is set yet.
    pub fn new(names: Arc<DraftNames>) -> Self {
        let places = names.paths.iter().map(|_| None).collect();
        Self { names, places }
    }

    /// The place of this number, as it is now; none where there is no such place.
    pub fn place_mut(&mut self, place: usize) -> Option<&mut Option<DraftAttribute>> {
        self.places.get_mut(place)
    }

    /// What the place of this number is set to.
    pub fn place(&self, place: usize) -> Option<&DraftAttribute> {
        self.places.get(place)?.as_ref()
    }

    /// What this path is set to.
    pub fn get(&self, path: &TargetPath) -> Option<&DraftAttribute> {
        self.place(self.names.paths.binary_search(path).ok()?)
    }

    /// All that is set, in the order of paths.
    pub fn iter(&self) -> impl Iterator<Item = (&TargetPath, &DraftAttribute)> {
        self.names.paths.iter().zip(&self.places).filter_map(|(path, set)| Some((path, set.as_ref()?)))
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&TargetPath, &mut DraftAttribute)> {
        self.names.paths.iter().zip(&mut self.places).filter_map(|(path, set)| Some((path, set.as_mut()?)))
    }

    /// The same, with their paths, to keep.
    pub fn into_set(self) -> impl Iterator<Item = (TargetPath, DraftAttribute)> {
        let Self { names, places } = self;
        places.into_iter().enumerate().filter_map(move |(place, set)| Some((names.paths.get(place)?.clone(), set?)))
    }

    /// What places and plugins are called.
    pub fn names(&self) -> &Arc<DraftNames> {
        &self.names
    }

    /// The plugin that had the last word.
    pub fn winner(&self, attribute: &DraftAttribute) -> &str {
        self.names.plugin(attribute.by)
    }

    /// How many attributes are set at most.
    pub fn most(&self) -> usize {
        self.places.len()
    }
}

impl DraftNames {
    /// The name of a plugin; empty where there is none of this number.
    pub fn plugin(&self, number: u32) -> &str {
        self.plugins.get(number as usize).map_or("", |name| name)
    }
}

impl PartialEq for DraftAttributes {
    /// Whether the same is set by the same plugins, whatever the numbers.
    fn eq(&self, other: &Self) -> bool {
        let overridden = |attributes: &Self, one: &DraftAttribute, two: &DraftAttribute| {
            let (these, those) = (&attributes.names, &other.names);
            let these = one.overridden.iter().map(|by| these.plugin(*by));
            these.eq(two.overridden.iter().map(|by| those.plugin(*by)))
        };
        let mut others = other.iter();
        let same = |(path, one): (&TargetPath, &DraftAttribute)| {
            others.next().is_some_and(|(other_path, two)| {
                path == other_path
                    && one.value == two.value
                    && one.on_create == two.on_create
                    && self.winner(one) == other.winner(two)
                    && overridden(self, one, two)
            })
        };
        self.iter().all(same) && others.next().is_none()
    }
}

impl fmt::Debug for DraftAttributes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plain;

    /// A draft of a chain with these places and plugins, in which the last plugin sets this path.
    fn draft(paths: &[&str], plugins: &[&str], set: &str) -> DraftAttributes {
        let paths: Vec<TargetPath> = paths.iter().map(|path| path.parse().unwrap()).collect();
        let place = paths.iter().position(|path| path.as_str() == set).unwrap();
        let names = DraftNames { paths, plugins: plugins.iter().map(|name| Arc::from(*name)).collect() };
        let mut attributes = DraftAttributes::new(Arc::new(names));
        let (value, by) = (DraftValue::Plain(Plain::Boolean(true)), u32::try_from(plugins.len() - 1).unwrap());
        *attributes.place_mut(place).unwrap() =
            Some(DraftAttribute { value, on_create: false, by, overridden: Vec::new() });
        attributes
    }

    #[test]
    fn what_is_set_is_found_by_its_path_and_tells_who_set_it() {
        let attributes = draft(&["active", "title"], &["first", "people"], "title");
        let set = attributes.get(&"TITLE".parse().unwrap()).unwrap();
        assert_eq!(attributes.winner(set), "people");
        assert_eq!(attributes.get(&"active".parse().unwrap()), None);
        assert_eq!(attributes.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["title"]);
        assert_eq!(attributes.into_set().map(|(path, _)| path.to_string()).collect::<Vec<_>>(), ["title"]);
    }

    #[test]
    fn drafts_of_two_chains_are_the_same_where_they_set_the_same() {
        let one = draft(&["active", "title"], &["people"], "title");
        assert_eq!(
            one,
            draft(&["name.formatted", "title"], &["first", "people"], "title"),
            "numbers differ, names do not"
        );
        assert_ne!(one, draft(&["active", "title"], &["groups"], "title"));
        assert_ne!(one, draft(&["active", "title"], &["people"], "active"));
        assert_ne!(one, DraftAttributes::new(Arc::clone(one.names())));
    }
}
