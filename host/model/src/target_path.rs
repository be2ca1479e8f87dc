//! Paths of resource attributes in SCIM's notation (RFC 7644, section 3.5.2, figure 7; RFC 7643, section 2.1).

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The row of a complex multi-valued attribute: `[type eq "work"]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueFilter {
    /// The sub-attribute that is compared.
    pub sub_attribute: String,
    /// The text it equals.
    pub value: String,
}

/// A path such as `name.givenName`, `emails[type eq "work"].value` or
/// `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department`. Two paths are equal without regard to case
/// (RFC 7643, section 2.1). A clone shares the parts, because every attribute of every draft has one.
#[derive(Clone)]
pub struct TargetPath(Arc<Parts>);

/// A path as written, in lower case to be compared, and taken apart.
struct Parts {
    text: String,
    folded: String,
    schema: Option<String>,
    attribute: String,
    filter: Option<ValueFilter>,
    sub_attribute: Option<String>,
}

/// Why a text is no path of a resource attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not an attribute path in SCIM's notation: {reason}")]
pub struct PathError {
    text: String,
    reason: &'static str,
}

impl TargetPath {
    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The URN of the extension schema, where the path names one.
    pub fn schema(&self) -> Option<&str> {
        self.0.schema.as_deref()
    }

    /// The attribute itself.
    pub fn attribute(&self) -> &str {
        &self.0.attribute
    }

    /// The row of a multi-valued attribute that is meant.
    pub fn filter(&self) -> Option<&ValueFilter> {
        self.0.filter.as_ref()
    }

    /// The part of a complex attribute that is meant.
    pub fn sub_attribute(&self) -> Option<&str> {
        self.0.sub_attribute.as_deref()
    }

    /// Whether one of the two holds the other, as `name` holds `name.givenName`; equal paths do not.
    pub fn overlaps(&self, other: &Self) -> bool {
        let same_attribute = self.attribute().eq_ignore_ascii_case(other.attribute())
            && match (self.schema(), other.schema()) {
                (Some(one), Some(two)) => one.eq_ignore_ascii_case(two),
                (None, None) => true,
                _ => false,
            };
        let whole = |path: &Self| path.filter().is_none() && path.sub_attribute().is_none();
        let row = |path: &Self| path.filter().is_some() && path.sub_attribute().is_none();
        same_attribute
            && self != other
            && (whole(self) || whole(other) || ((row(self) || row(other)) && self.filter() == other.filter()))
    }
}

impl FromStr for TargetPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let wrong = |reason| PathError { text: text.chars().take(200).collect(), reason };
        let is_name = |name: &str| {
            name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '$')
                && name
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '$'))
        };
        if text.len() > 1024 {
            return Err(wrong("it is longer than 1,024 octets"));
        }
        let bracket = text.find('[').unwrap_or(text.len());
        let (schema, rest) = if text.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("urn:")) {
            let colon = text.get(..bracket).and_then(|head| head.rfind(':')).unwrap_or(0);
            match (text.get(..colon), text.get(colon + 1..)) {
                (Some(schema), Some(rest)) if schema.matches(':').count() >= 2 => (Some(schema.to_owned()), rest),
                _ => return Err(wrong("no attribute stands behind the schema's URN")),
            }
        } else {
            (None, text)
        };
        let (attribute, filter, tail) = match rest.split_once('[') {
            None => {
                let (attribute, tail) = rest.split_once('.').map_or((rest, None), |(head, tail)| (head, Some(tail)));
                (attribute, None, tail)
            }
            Some((attribute, bracketed)) => {
                let (filter, tail) =
                    split_filter(bracketed).ok_or_else(|| wrong("the filter must read [name eq \"value\"]"))?;
                let tail = match tail {
                    "" => None,
                    _ => Some(tail.strip_prefix('.').ok_or_else(|| wrong("a dot was expected behind the filter"))?),
                };
                (attribute, Some(filter), tail)
            }
        };
        if !is_name(attribute) || !tail.is_none_or(is_name) {
            return Err(wrong("an attribute name was expected"));
        }
        Ok(Self(Arc::new(Parts {
            text: text.to_owned(),
            folded: text.to_ascii_lowercase(),
            schema,
            attribute: attribute.to_owned(),
            filter,
            sub_attribute: tail.map(str::to_owned),
        })))
    }
}

/// Reads `type eq "work"]` and gives what follows; the value is a JSON string.
fn split_filter(bracketed: &str) -> Option<(ValueFilter, &str)> {
    let (sub_attribute, rest) = bracketed.trim_start().split_once(' ')?;
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("eq ").or_else(|| rest.strip_prefix("EQ ")).or_else(|| rest.strip_prefix("Eq "))?;
    let rest = rest.trim_start();
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let value = values.next()?.ok()?;
    let tail = rest.get(values.byte_offset()..)?.trim_start().strip_prefix(']')?;
    let valid = sub_attribute.chars().all(|character| character.is_ascii_alphanumeric() || character == '$');
    valid.then(|| (ValueFilter { sub_attribute: sub_attribute.to_owned(), value }, tail))
}

/// The most paths that a thread keeps to share them: more than the rules of any configuration name.
const MOST_SHARED: usize = 4_096;

thread_local! {
    /// Paths that were read on this thread. Every stored row names the same few, and taking one apart costs more than
    /// all else that is read of an attribute.
    static SHARED: RefCell<HashMap<Box<str>, TargetPath>> = RefCell::default();
}

/// A path that is read from a store, shared with those of the same spelling that were read before.
fn shared(text: &str) -> Result<TargetPath, PathError> {
    SHARED.with_borrow_mut(|known| {
        if let Some(path) = known.get(text) {
            return Ok(path.clone());
        }
        let path: TargetPath = text.parse()?;
        if known.len() < MOST_SHARED {
            known.insert(text.into(), path.clone());
        }
        Ok(path)
    })
}

impl Serialize for TargetPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.text)
    }
}

impl<'de> Deserialize<'de> for TargetPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PathVisitor)
    }
}

struct PathVisitor;

impl Visitor<'_> for PathVisitor {
    type Value = TargetPath;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an attribute path in SCIM's notation")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<TargetPath, E> {
        shared(text).map_err(E::custom)
    }
}

impl PartialEq for TargetPath {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.folded == other.0.folded
    }
}

impl Eq for TargetPath {}

impl Ord for TargetPath {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.folded.cmp(&other.0.folded) }
    }
}

impl PartialOrd for TargetPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for TargetPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.folded.hash(state);
    }
}

impl fmt::Display for TargetPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.text)
    }
}

impl fmt::Debug for TargetPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.text, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TargetPath {
        text.parse().unwrap()
    }

    #[test]
    fn the_three_kinds_of_path_are_read() {
        let plain = path("name.givenName");
        assert_eq!((plain.attribute(), plain.sub_attribute()), ("name", Some("givenName")));
        let row = path(r#"emails[type eq "work"].value"#);
        assert_eq!(row.filter().unwrap().value, "work");
        assert_eq!((row.attribute(), row.sub_attribute()), ("emails", Some("value")));
        let extension = path("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value");
        assert_eq!(extension.schema(), Some("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"));
        assert_eq!((extension.attribute(), extension.sub_attribute()), ("manager", Some("value")));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in
            ["", "name.", ".x", "emails[", "emails[type]", "emails[type eq work]", "urn:x", "a b", r#"e[t eq "w"]x"#]
        {
            assert!(text.parse::<TargetPath>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_complex_attribute_overlaps_its_parts() {
        assert!(path("name").overlaps(&path("NAME.givenName")));
        assert!(!path("name.givenName").overlaps(&path("name.familyName")));
        assert!(path("emails").overlaps(&path(r#"emails[type eq "work"].value"#)));
        assert!(!path("name").overlaps(&path("Name")));
    }
}
