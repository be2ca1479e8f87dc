//! What is wrong with a configuration document, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// Something in a configuration document, or in a file that it names, that must be put right first. Its text reads
/// `file:line:column: what is wrong. What to do`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigurationError {
    place: Place,
    message: String,
}

/// A place in a document: the file, and the line and column, from one, where they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    file: PathBuf,
    line_and_column: Option<(usize, usize)>,
}

impl ConfigurationError {
    pub(super) fn new(place: &Place, message: impl Into<String>) -> Self {
        Self { place: place.clone(), message: message.into() }
    }

    /// The document.
    pub fn file(&self) -> &Path {
        &self.place.file
    }

    /// The line and column, from one; none where the whole file is meant.
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        self.place.line_and_column
    }

    /// What is wrong and what to do, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Place {
    /// The file as a whole.
    pub(super) fn of_file(file: &Path) -> Self {
        Self { file: file.to_owned(), line_and_column: None }
    }

    /// The place of an octet of the file's text.
    pub(super) fn of_octet(file: &Path, text: &str, octet: usize) -> Self {
        let mut end = octet.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = text.get(..end).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { file: file.to_owned(), line_and_column: Some((line, column)) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        match self.line_and_column {
            Some((line, column)) => write!(formatter, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}
