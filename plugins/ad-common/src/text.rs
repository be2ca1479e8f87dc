//! Texts as they are passed on: without the white space around them, and absent where nothing is left.

use provisor_sdk::prelude::*;

/// The text without white space around it; none where nothing is left.
pub fn clean(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The first so many characters.
pub fn cut(text: &str, most: usize) -> &str {
    match text.char_indices().nth(most) {
        Some((end, _)) => text.get(..end).unwrap_or(text).trim_end(),
        None => text,
    }
}

/// The clean texts, each once: of those that differ in letter case alone, the first.
pub fn distinct<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let (mut seen, mut kept) = (Vec::new(), Vec::new());
    for text in texts.into_iter().filter_map(clean) {
        let folded = text.to_lowercase();
        if let Err(place) = seen.binary_search(&folded) {
            seen.insert(place, folded);
            kept.push(text);
        }
    }
    kept
}

/// Reads an attribute as text, unless its name is empty.
pub fn optional(contract: &mut MappingContract, name: &str) -> Option<Text> {
    (!name.is_empty()).then(|| contract.text(name))
}

/// Sets the rows of an attribute, where there are any: otherwise it stays as the plugins before made it.
pub(crate) fn set_rows(resource: &mut Resource, target: Target, rows: impl IntoIterator<Item = Row>) {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_some() {
        resource.set_rows(target, rows);
    }
}

/// The first of several attributes that has a text.
pub struct First {
    sources: Vec<Text>,
    target: Target,
}

impl First {
    /// Reads these attributes for a path of the resource; none where there is no name.
    pub fn read(contract: &mut MappingContract, names: &[String], path: &str) -> Option<Self> {
        let sources: Vec<Text> = names.iter().filter_map(|name| optional(contract, name)).collect();
        (!sources.is_empty()).then(|| Self { sources, target: contract.write(path) })
    }

    /// Sets the text. False: no attribute has one.
    pub fn set(&self, entry: &Entry, resource: &mut Resource) -> bool {
        let text = self.sources.iter().find_map(|source| entry.text(*source).and_then(clean));
        if let Some(text) = text {
            resource.set(self.target, text);
        }
        text.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_alone_is_no_text() {
        assert_eq!((clean(" a b\t"), clean(" \n"), clean("")), (Some("a b"), None, None));
    }

    #[test]
    fn a_text_is_cut_between_characters_and_ends_in_none_that_is_blank() {
        assert_eq!((cut("äöü", 2), cut("äöü", 3), cut("a bc", 2)), ("äö", "äöü", "a"));
    }

    #[test]
    fn texts_that_differ_in_letter_case_alone_are_one() {
        assert_eq!(distinct(["b@x", " B@X", "", "Ä", "ä", "a"]), ["b@x", "Ä", "a"]);
    }
}
