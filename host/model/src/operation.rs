//! What is done to a resource, and what a configuration wants done when an entry leaves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a cycle does to one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// Make a resource for an entry that has none.
    Create,
    /// Link an entry to a resource that is already there, and change what differs.
    Join,
    /// Change attributes of the linked resource.
    Update,
    /// Set `active` to false, because the entry left.
    Disable,
    /// Delete the resource, because the entry left.
    Delete,
    /// Forget the link and leave the resource as it is, because the entry left.
    Release,
}

impl OperationKind {
    /// The word for logs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Join => "join",
            Self::Update => "update",
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::Release => "release",
        }
    }

    /// Reads the word of [`Self::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Create, Self::Join, Self::Update, Self::Disable, Self::Delete, Self::Release]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }

    /// Whether somebody may lose access by it: what the deletion threshold counts.
    pub fn takes_access_away(self) -> bool {
        matches!(self, Self::Disable | Self::Delete)
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What happens to a resource whose entry is gone or out of scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeavingAction {
    /// Delete it.
    Delete,
    /// Set `active` to false.
    Disable,
    /// Leave it as it is and forget the link.
    Keep,
}
