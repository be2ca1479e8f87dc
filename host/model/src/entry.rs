//! Entries of the source directory, and the word that rules and configuration use for their object class.

use serde::{Deserialize, Serialize};

use crate::{Anchor, Attributes, Dn, SourceId};

/// An object of the source directory, as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What the change feed calls it.
    pub source_id: SourceId,
    /// What the target knows it by.
    pub anchor: Anchor,
    /// Where it stands.
    pub dn: Dn,
    /// One word for rules and configuration, such as `user` or `group`; empty where the configuration names none.
    pub object_class: String,
    /// The attributes that were asked for.
    pub attributes: Attributes,
}

/// Which `objectClass` values make an entry a `user`, a `group` or another class: the first that meets an entry's
/// values wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectClasses(Vec<(String, String)>);

impl ObjectClasses {
    /// A list of (`objectClass` value, word) in order of precedence.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The word for an entry with these `objectClass` values; empty where none of the list is among them.
    pub fn classify<'a>(&self, values: impl IntoIterator<Item = &'a str> + Clone) -> String {
        self.0
            .iter()
            .find(|(class, _)| values.clone().into_iter().any(|value| value.eq_ignore_ascii_case(class)))
            .map_or_else(String::new, |(_, word)| word.clone())
    }

    /// The `objectClass` values, in order of precedence.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(class, _)| class.as_str())
    }

    /// The words, each once, in order of precedence.
    pub fn words(&self) -> Vec<&str> {
        let mut words: Vec<&str> = Vec::new();
        for (_, word) in &self.0 {
            if !words.contains(&word.as_str()) {
                words.push(word);
            }
        }
        words
    }
}

impl Default for ObjectClasses {
    /// `inetOrgPerson` is a user; `groupOfNames`, `groupOfUniqueNames` and `posixGroup` are groups; organisational
    /// units are kept for scoping.
    fn default() -> Self {
        let pairs = [
            ("inetOrgPerson", "user"),
            ("groupOfNames", "group"),
            ("groupOfUniqueNames", "group"),
            ("posixGroup", "group"),
            ("organizationalUnit", "organizational-unit"),
        ];
        Self::new(pairs.map(|(class, word)| (class.to_owned(), word.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_class_of_the_list_wins() {
        let classes = ObjectClasses::default();
        assert_eq!(classes.classify(["top", "person", "INETORGPERSON"]), "user");
        assert_eq!(classes.classify(["top", "posixGroup"]), "group");
        assert_eq!(classes.classify(["top", "device"]), "");
    }
}
