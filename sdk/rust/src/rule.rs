//! The traits that rules implement, and how a rule says no.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bindings::Reason;
use crate::{Entry, FilterContract, MappingContract, Resource};

/// What the target is told of an entry.
pub trait Mapping: Sized {
    /// The settings of the rule. Their JSON Schema is made from the type; doc comments become descriptions.
    type Config: DeserializeOwned + JsonSchema;

    /// Declares what the rule reads and writes, and keeps the handles.
    ///
    /// # Errors
    /// When the settings make no sense: the text reaches the operator.
    fn configure(config: Self::Config, contract: &mut MappingContract) -> Result<Self, String>;

    /// Maps one entry. The answer must depend on the arguments alone.
    ///
    /// # Errors
    /// When the entry is not to be provisioned ([`exclude`]) or cannot be mapped ([`fail`]).
    fn map(&self, entry: &Entry<'_>, resource: &mut Resource<'_>) -> Result<(), Refusal>;

    /// What the rule does as configured, in plain words for the operator; none where its settings say enough.
    fn summary(&self) -> Option<String> {
        None
    }
}

/// Who is in scope.
pub trait Filter: Sized {
    /// The settings of the rule. Their JSON Schema is made from the type; doc comments become descriptions.
    type Config: DeserializeOwned + JsonSchema;

    /// Declares what the rule reads, and keeps the handles.
    ///
    /// # Errors
    /// When the settings make no sense: the text reaches the operator.
    fn configure(config: Self::Config, contract: &mut FilterContract) -> Result<Self, String>;

    /// Keeps or drops one entry. The answer must depend on the arguments alone.
    fn decide(&self, entry: &Entry<'_>) -> Verdict;

    /// What the rule does as configured, in plain words for the operator; none where its settings say enough.
    fn summary(&self) -> Option<String> {
        None
    }
}

/// The settings of a rule that has none.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Why a mapping makes no resource of an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The entry is not to be provisioned.
    Exclude(Reason),
    /// The entry cannot be mapped as it is: it is held until it or the rule changes.
    Fail(Reason),
}

/// The entry is not to be provisioned: a stable code to count, and words for a person.
pub fn exclude(code: &str, detail: impl Into<String>) -> Refusal {
    Refusal::Exclude(Reason { code: code.to_owned(), detail: detail.into() })
}

/// The entry cannot be mapped as it is: a stable code to count, and words for a person.
pub fn fail(code: &str, detail: impl Into<String>) -> Refusal {
    Refusal::Fail(Reason { code: code.to_owned(), detail: detail.into() })
}

/// What a filter says of an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is in scope, as far as this filter goes.
    Keep,
    /// It is not.
    Drop(Reason),
    /// It cannot be told: the entry is held until it or the rule changes.
    Fail(Reason),
}

impl Verdict {
    /// Out of scope: a stable code to count, and words for a person.
    pub fn drop(code: &str, detail: impl Into<String>) -> Self {
        Self::Drop(Reason { code: code.to_owned(), detail: detail.into() })
    }

    /// Cannot be told: a stable code to count, and words for a person.
    pub fn fail(code: &str, detail: impl Into<String>) -> Self {
        Self::Fail(Reason { code: code.to_owned(), detail: detail.into() })
    }
}
