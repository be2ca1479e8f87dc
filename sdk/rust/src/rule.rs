//! The traits that rules implement, and how a rule says no.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bindings::Reason;
use crate::{Entry, FilterContract, MappingContract, Resource};

/// What settings have to be: read from a configuration, and described by a schema. Every type is that derives both.
///
/// ```
/// /// The settings of the rule.
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// #[serde(deny_unknown_fields, rename_all = "kebab-case")]
/// pub struct Config {
///     /// What stands behind each name.
///     suffix: String,
///     /// Whether guests have it too.
///     #[serde(default)]
///     also_guests: bool,
/// }
/// # fn settings<S: provisor_sdk::Settings>() {}
/// # settings::<Config>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the settings of a rule",
    label = "cannot be read from a configuration, or has no schema",
    note = "derive both: #[derive(serde::Deserialize, schemars::JsonSchema)]"
)]
pub trait Settings: Sized {
    /// Reads a configuration document, which is JSON.
    ///
    /// # Errors
    /// When the document does not fit: where, and what it should be.
    fn from_document(document: &str) -> Result<Self, String>;

    /// The JSON Schema of the document; doc comments are its descriptions.
    fn schema() -> String;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema> Settings for T {
    fn from_document(document: &str) -> Result<Self, String> {
        crate::runtime::settings(document)
    }

    fn schema() -> String {
        schemars::schema_for!(T).to_value().to_string()
    }
}

/// What the target is told of an entry.
///
/// ```
/// use provisor_sdk::prelude::*;
///
/// /// The title in capitals.
/// struct Title(Text, Target);
///
/// impl Mapping for Title {
///     type Config = NoConfig;
///
///     fn configure(_: NoConfig, contract: &mut MappingContract) -> Result<Self, String> {
///         contract.object_class("user");
///         Ok(Self(contract.text("title"), contract.write("title")))
///     }
///
///     fn map(&self, entry: &Entry, user: &mut Resource) -> Result<(), Refusal> {
///         if let Some(title) = entry.text(self.0) {
///             user.set(self.1, title.to_uppercase());
///         }
///         Ok(())
///     }
/// }
///
/// let rule = provisor_sdk::testing::mapping::<Title>(&serde_json::json!({})).unwrap();
/// let answer = rule.map(&provisor_sdk::testing::Entry::new("user").with("title", "Engineer"));
/// assert_eq!(answer.set("title"), Some(&serde_json::json!("ENGINEER")));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no mapping",
    label = "does not say what the target is told",
    note = "implement `provisor_sdk::Mapping` for it; a filter is exported by `export_filter!`"
)]
pub trait Mapping: Sized {
    /// The settings of the rule. Their JSON Schema is made from the type; doc comments become descriptions.
    type Config: Settings;

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
///
/// ```
/// use provisor_sdk::prelude::*;
///
/// /// Leaves out who has no employee number.
/// struct Employees(Unsent);
///
/// impl Filter for Employees {
///     type Config = NoConfig;
///
///     fn configure(_: NoConfig, contract: &mut FilterContract) -> Result<Self, String> {
///         contract.object_class("user");
///         Ok(Self(contract.unsent("employeeNumber")))
///     }
///
///     fn decide(&self, entry: &Entry) -> Verdict {
///         match entry.has(self.0) {
///             true => Verdict::Keep,
///             false => Verdict::drop("no-employee", "the entry has no employee number"),
///         }
///     }
///
///     fn summary(&self) -> Option<String> {
///         Some("Whoever has an employee number is in scope.".to_owned())
///     }
/// }
///
/// let rule = provisor_sdk::testing::filter::<Employees>(&serde_json::json!({})).unwrap();
/// let entry = provisor_sdk::testing::Entry::new("user");
/// assert_eq!(rule.decide(&entry.clone().with("employeeNumber", "7")), Verdict::Keep);
/// assert!(matches!(rule.decide(&entry), Verdict::Drop(reason) if reason.code == "no-employee"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no filter",
    label = "does not say who is in scope",
    note = "implement `provisor_sdk::Filter` for it; a mapping is exported by `export_mapping!`"
)]
pub trait Filter: Sized {
    /// The settings of the rule. Their JSON Schema is made from the type; doc comments become descriptions.
    type Config: Settings;

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
///
/// ```
/// # use provisor_sdk::prelude::*;
/// fn uid<'e>(entry: &Entry<'e>, uid: Text) -> Result<&'e str, Refusal> {
///     entry.text(uid).ok_or_else(|| exclude("no-uid", "the entry has no uid, which names the account"))
/// }
/// ```
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
