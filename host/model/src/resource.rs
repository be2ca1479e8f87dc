//! Resources of the target: typed values under attribute paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{SourceId, TargetPath, text};

/// What the target calls a resource: SCIM's `id`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceId(Box<str>);

impl ResourceId {
    /// An id as the target gave it.
    pub fn new(id: impl Into<Box<str>>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// A single value of a resource attribute. Texts that differ by their Unicode form alone (NFC, NFD) are equal: a target
/// may store another form than it was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Plain {
    /// Text.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A decimal number.
    Decimal(f64),
    /// Octets; base64 where the target speaks JSON.
    Binary(Vec<u8>),
}

impl Plain {
    /// The order in which values of a set are kept, and by which they are compared.
    fn rank(&self) -> (u8, u64, &[u8]) {
        match self {
            Self::Text(text) => (0, 0, text.as_bytes()),
            Self::Boolean(flag) => (1, u64::from(*flag), &[]),
            Self::Integer(number) => (2, number.cast_unsigned(), &[]),
            Self::Decimal(number) => (3, number.to_bits(), &[]),
            Self::Binary(octets) => (4, 0, octets),
        }
    }
}

impl PartialEq for Plain {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Plain {}

impl Ord for Plain {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => text::compare(one, other),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Plain {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Boolean(flag) => write!(formatter, "{flag}"),
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Decimal(number) => write!(formatter, "{number}"),
            Self::Binary(octets) => write!(formatter, "{} octets", octets.len()),
        }
    }
}

/// A row of a complex multi-valued attribute: its sub-attributes.
pub type Row = BTreeMap<String, Plain>;

/// What stands under one path of a resource. `R` is what a reference is made of: a [`SourceId`] inside the host, a
/// [`ResourceId`] towards the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetValue<R: Ord> {
    /// One value.
    Plain(Plain),
    /// The values of a multi-valued attribute: a set.
    List(BTreeSet<Plain>),
    /// The rows of a complex multi-valued attribute: a set.
    Rows(BTreeSet<Row>),
    /// One other resource, such as a manager.
    Reference(R),
    /// Other resources, such as the members of a group.
    References(BTreeSet<R>),
}

impl<R: Ord + fmt::Display> fmt::Display for TargetValue<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn joined<T: fmt::Display>(items: impl Iterator<Item = T>) -> String {
            items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
        }
        match self {
            Self::Plain(value) => write!(formatter, "{value}"),
            Self::List(values) => formatter.write_str(&joined(values.iter())),
            Self::Rows(rows) => {
                let row =
                    |row: &Row| format!("{{{}}}", joined(row.iter().map(|(name, value)| format!("{name}: {value}"))));
                formatter.write_str(&joined(rows.iter().map(row)))
            }
            Self::Reference(reference) => write!(formatter, "{reference}"),
            Self::References(references) if references.len() > 20 => {
                write!(formatter, "{} references", references.len())
            }
            Self::References(references) => formatter.write_str(&joined(references.iter())),
        }
    }
}

/// An object of the target, as rules want it or as it was last exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource<R: Ord = SourceId> {
    /// The name of its resource type, such as `User`.
    pub kind: String,
    /// What is set, by path; what is absent is not ours.
    pub attributes: BTreeMap<TargetPath, TargetValue<R>>,
}

impl<R: Ord> Resource<R> {
    /// A resource without attributes.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), attributes: BTreeMap::new() }
    }
}
