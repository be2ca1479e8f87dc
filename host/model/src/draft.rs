//! What a rule chain makes of one entry: a resource in which some values still wait for the host to resolve them.

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

/// Which plugin set an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// The plugin that had the last word.
    pub winner: Arc<str>,
    /// The plugins before it whose value was replaced, in chain order.
    pub overridden: Vec<Arc<str>>,
}

/// An attribute of a draft.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftAttribute {
    /// The value to be set.
    pub value: DraftValue,
    /// Whether it is set only when the resource is created.
    pub on_create: bool,
    /// Who set it.
    pub contribution: Contribution,
}

/// The resource under construction, as the last mapping of a chain left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The name of the resource type.
    pub kind: String,
    /// What is set, by path.
    pub attributes: DraftAttributes,
}

/// What is set, by path: in the order of paths, each once. A list, because a draft is made for every entry of every cycle and
/// mostly only walked along.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DraftAttributes(Vec<(TargetPath, DraftAttribute)>);

impl DraftAttributes {
    /// From attributes in the order of their paths, each path once, which the caller answers for.
    pub fn of_ordered(attributes: Vec<(TargetPath, DraftAttribute)>) -> Self {
        debug_assert!(attributes.is_sorted_by(|(one, _), (other, _)| one < other), "a path is out of order");
        Self(attributes)
    }

    /// What this path is set to.
    pub fn get(&self, path: &TargetPath) -> Option<&DraftAttribute> {
        let place = self.0.binary_search_by(|(known, _)| known.cmp(path)).ok()?;
        self.0.get(place).map(|(_, attribute)| attribute)
    }

    /// All of them, in the order of paths.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&TargetPath, &DraftAttribute)> {
        self.0.iter().map(|(path, attribute)| (path, attribute))
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&TargetPath, &mut DraftAttribute)> {
        self.0.iter_mut().map(|(path, attribute)| (&*path, attribute))
    }

    /// The paths.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &TargetPath> {
        self.0.iter().map(|(path, _)| path)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for DraftAttributes {
    type Item = (TargetPath, DraftAttribute);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
