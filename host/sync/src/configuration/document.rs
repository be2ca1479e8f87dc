//! A TOML document read key by key, where every value still knows its place.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigurationError, Place};
use super::{duration, suggestion};

/// The longest document that is read, in octets.
const MAX_OCTETS: u64 = 4 * 1024 * 1024;

/// The text of a document and where it came from.
pub(super) struct Document {
    file: PathBuf,
    text: String,
}

/// A table of a document. Its keys have been checked against those that are known.
pub(super) struct Section<'d> {
    document: &'d Document,
    /// Where it stands, such as `source`; empty for the document itself.
    path: String,
    table: &'d DeTable<'d>,
    octet: usize,
}

/// A value of a document.
#[derive(Clone)]
pub(super) struct Item<'d> {
    document: &'d Document,
    path: String,
    value: &'d Spanned<DeValue<'d>>,
}

impl Document {
    /// Reads the file.
    pub(super) fn read(file: &Path) -> Result<Self, ConfigurationError> {
        let wrong = |reason: String| Err(ConfigurationError::new(&Place::of_file(file), reason));
        let opened = match File::open(file) {
            Ok(opened) => opened,
            Err(error) => return wrong(format!("cannot be opened: {error}")),
        };
        let mut octets = Vec::new();
        if let Err(error) = opened.take(MAX_OCTETS + 1).read_to_end(&mut octets) {
            return wrong(format!("cannot be read: {error}"));
        }
        if octets.len() as u64 > MAX_OCTETS {
            return wrong("is longer than 4 MiB, which no configuration is".into());
        }
        match String::from_utf8(octets) {
            Ok(text) => Ok(Self { file: file.to_owned(), text }),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes());
                let place = Place::of_octet(file, &text, valid);
                Err(ConfigurationError::new(&place, "is not UTF-8 text, which TOML must be. Save it as UTF-8"))
            }
        }
    }

    /// The values of the document.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'_>>, ConfigurationError> {
        DeTable::parse(&self.text).map_err(|error| {
            let place = match error.span() {
                Some(span) => self.place(span.start),
                None => Place::of_file(&self.file),
            };
            ConfigurationError::new(&place, format!("is not TOML: {}", error.message().replace('\n', "; ")))
        })
    }

    /// The document's own table.
    pub(super) fn root<'d>(
        &'d self,
        table: &'d Spanned<DeTable<'d>>,
        known: &[&str],
    ) -> Result<Section<'d>, ConfigurationError> {
        Section::new(self, String::new(), table.get_ref(), 0, known)
    }

    fn place(&self, octet: usize) -> Place {
        Place::of_octet(&self.file, &self.text, octet)
    }
}

impl<'d> Section<'d> {
    fn new(
        document: &'d Document,
        path: String,
        table: &'d DeTable<'d>,
        octet: usize,
        known: &[&str],
    ) -> Result<Self, ConfigurationError> {
        let section = Self { document, path, table, octet };
        section.check_keys(known)?;
        Ok(section)
    }

    /// An error unless every key is one of these.
    pub(super) fn check_keys(&self, known: &[&str]) -> Result<(), ConfigurationError> {
        let mut unknown: Vec<_> = self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).collect();
        unknown.sort_by_key(|key| key.span().start);
        let Some(key) = unknown.first() else { return Ok(()) };
        let name = self.path_of(key.get_ref());
        let advice = suggestion::among(key.get_ref(), known);
        Err(ConfigurationError::new(
            &self.document.place(key.span().start),
            format!("{name} is not a known setting. {advice}"),
        ))
    }

    /// The keys in the order of the document, with their values.
    pub(super) fn entries(&self) -> Vec<(&'d str, Item<'d>)> {
        let mut keys: Vec<_> = self.table.iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);
        keys.into_iter().map(|(key, value)| (key.get_ref().as_ref(), self.item(key.get_ref(), value))).collect()
    }

    /// The value of a key, where it is there.
    pub(super) fn get(&self, key: &str) -> Option<Item<'d>> {
        let (_, value) = self.table.iter().find(|(present, _)| present.get_ref() == key)?;
        Some(self.item(key, value))
    }

    /// The value of a key that must be there; `example` shows how it would be written.
    pub(super) fn require(&self, key: &str, example: &str) -> Result<Item<'d>, ConfigurationError> {
        let missing = || self.error(format!("{} is missing. Add a line such as: {key} = {example}", self.path_of(key)));
        self.get(key).ok_or_else(missing)
    }

    /// The table of a key, where it is there.
    pub(super) fn section(&self, key: &str, known: &[&str]) -> Result<Option<Self>, ConfigurationError> {
        self.get(key).map(|item| item.section(known)).transpose()
    }

    /// The table of a key that must be there.
    pub(super) fn required_section(&self, key: &str, known: &[&str]) -> Result<Self, ConfigurationError> {
        let missing = || self.error(format!("the section [{}] is missing. Add it", self.path_of(key)));
        self.section(key, known)?.ok_or_else(missing)
    }

    /// An error about the section as a whole.
    pub(super) fn error(&self, message: impl Into<String>) -> ConfigurationError {
        ConfigurationError::new(&self.document.place(self.octet), message)
    }

    fn item(&self, key: &str, value: &'d Spanned<DeValue<'d>>) -> Item<'d> {
        Item { document: self.document, path: self.path_of(key), value }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl<'d> Item<'d> {
    /// Where it stands in the document.
    pub(super) fn place(&self) -> Place {
        self.document.place(self.value.span().start)
    }

    /// An error about this value: `source.url` and then the message.
    pub(super) fn error(&self, message: impl std::fmt::Display) -> ConfigurationError {
        ConfigurationError::new(&self.place(), format!("{} {message}", self.path))
    }

    fn wrong_type(&self, wanted: &str) -> ConfigurationError {
        let article = |word: &'static str| match word {
            "integer" | "array" => format!("an {word}"),
            _ => format!("a {word}"),
        };
        self.error(format!("must be {wanted}; it is {}", article(self.value.get_ref().type_str())))
    }

    /// Whether it is a text.
    pub(super) fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// Whether it is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.get_ref().as_table().is_some()
    }

    /// A text.
    pub(super) fn text(&self) -> Result<&'d str, ConfigurationError> {
        self.value.get_ref().as_str().ok_or_else(|| self.wrong_type("a text in quotes"))
    }

    /// A text that is not empty.
    pub(super) fn filled_text(&self) -> Result<&'d str, ConfigurationError> {
        let text = self.text()?.trim();
        if text.is_empty() { Err(self.error("is empty. Fill it in or take the line out")) } else { Ok(text) }
    }

    /// True or false; none where it is neither.
    pub(super) fn as_boolean(&self) -> Option<bool> {
        self.value.get_ref().as_bool()
    }

    /// True or false.
    pub(super) fn boolean(&self) -> Result<bool, ConfigurationError> {
        self.as_boolean().ok_or_else(|| self.wrong_type("true or false"))
    }

    /// A whole number in a range.
    pub(super) fn integer(&self, least: u64, most: u64) -> Result<u64, ConfigurationError> {
        let integer = self.value.get_ref().as_integer().ok_or_else(|| self.wrong_type("a whole number"))?;
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let fits = number.filter(|number| (least..=most).contains(number));
        fits.ok_or_else(|| self.error(format!("is {}; it must be {least} to {most}", integer.as_str())))
    }

    /// A length of time such as `"2m"`, in a range.
    pub(super) fn duration(&self, least: Duration, most: Duration) -> Result<Duration, ConfigurationError> {
        let wanted = "a length of time in quotes, such as \"30s\", \"2m\" or \"1h\"";
        let text = self.value.get_ref().as_str().ok_or_else(|| self.wrong_type(wanted))?;
        let length = duration::parse(text).ok_or_else(|| self.error(format!("is \"{text}\"; it must be {wanted}")))?;
        if (least..=most).contains(&length) {
            return Ok(length);
        }
        let (least, most) = (duration::display(least), duration::display(most));
        Err(self.error(format!("is {text}; it must be {least} to {most}")))
    }

    /// One of some words, and what it stands for.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, ConfigurationError> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.error(format!("is \"{text}\". {}", suggestion::among(text, &known)))
        })
    }

    /// What a text is parsed into.
    pub(super) fn parsed<T>(&self) -> Result<T, ConfigurationError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        self.filled_text()?.parse().map_err(|error| self.error(format!("is wrong: {error}")))
    }

    /// A file or folder; what is not absolute is taken from the document's folder.
    pub(super) fn path(&self) -> Result<PathBuf, ConfigurationError> {
        let path = Path::new(self.filled_text()?);
        Ok(self.document.file.parent().unwrap_or(Path::new("")).join(path))
    }

    /// A list.
    pub(super) fn list(&self) -> Result<Vec<Self>, ConfigurationError> {
        let array = self.value.get_ref().as_array().ok_or_else(|| self.wrong_type("a list in brackets"))?;
        let item = |(index, value)| Item { document: self.document, path: format!("{}[{index}]", self.path), value };
        Ok(array.iter().enumerate().map(item).collect())
    }

    /// A table with these keys.
    pub(super) fn section(&self, known: &[&str]) -> Result<Section<'d>, ConfigurationError> {
        let section = self.any_section()?;
        section.check_keys(known)?;
        Ok(section)
    }

    /// A table of any keys.
    pub(super) fn any_section(&self) -> Result<Section<'d>, ConfigurationError> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type("a table"))?;
        Ok(Section { document: self.document, path: self.path.clone(), table, octet: self.value.span().start })
    }

    /// The value as JSON, for a plugin; a date is given as text.
    pub(super) fn json(&self) -> Result<Json, ConfigurationError> {
        Ok(match self.value.get_ref() {
            DeValue::String(text) => Json::from(text.as_ref()),
            DeValue::Boolean(value) => Json::from(*value),
            DeValue::Datetime(date) => Json::from(date.to_string()),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix());
                Json::from(number.map_err(|_| self.error("does not fit into 64 bits. Write it as a text in quotes"))?)
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                Json::from(number.ok_or_else(|| self.error("is no number that JSON has. Write a finite one"))?)
            }
            DeValue::Array(_) => Json::Array(self.list()?.iter().map(Self::json).collect::<Result<_, _>>()?),
            DeValue::Table(_) => {
                let entries = self.any_section()?.entries();
                let pairs = entries.into_iter().map(|(key, item)| Ok((key.to_owned(), item.json()?)));
                Json::Object(pairs.collect::<Result<_, ConfigurationError>>()?)
            }
        })
    }
}
