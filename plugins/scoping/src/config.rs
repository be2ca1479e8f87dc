//! The settings: groups of clauses on attributes.

/// Who is in scope: whoever meets all clauses of at least one group.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The object classes that are decided about, such as `user`. Entries of other classes are kept. None: all classes.
    #[serde(default)]
    pub object_classes: Vec<String>,
    /// The groups of clauses. It is enough to meet one of them.
    pub any: Vec<Group>,
}

/// Clauses that have to be met together.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    /// What the group is called where it is shown.
    pub name: Option<String>,
    /// The clauses.
    pub all: Vec<Clause>,
}

/// A test of one attribute.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Clause {
    /// The attribute of the source, or `dn`, `anchor` or `object-class`.
    pub attribute: String,
    /// How it is tested.
    pub operator: Operator,
    /// What it is compared with; for the operators that need one value.
    pub value: Option<Operand>,
    /// What it is compared with, for `in` and `not-in`.
    #[serde(default)]
    pub values: Vec<Operand>,
    /// Whether the case of letters does not matter.
    #[serde(default)]
    pub ignore_case: bool,
    /// Which of several values have to pass. Operators that begin with `not-` and `lacks-bits` are always about each value.
    #[serde(default)]
    pub each: Each,
    /// Whether an entry without the attribute meets the clause. Not for the operators that ask just that.
    #[serde(default)]
    pub absent: Absent,
}

/// A text or a whole number.
#[derive(Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Operand {
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl Operand {
    /// The same as text.
    pub fn to_text(&self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// The same as a number, where it is one.
    pub fn to_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

/// How an attribute is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// The value is this text.
    Equals,
    /// No value is this text.
    NotEquals,
    /// The value is one of these texts.
    In,
    /// No value is one of these texts.
    NotIn,
    /// The value has this text in it.
    Includes,
    /// No value has this text in it.
    NotIncludes,
    /// The value begins with this text.
    StartsWith,
    /// No value begins with this text.
    NotStartsWith,
    /// The value ends with this text.
    EndsWith,
    /// No value ends with this text.
    NotEndsWith,
    /// This regular expression is found in the value.
    RegexMatch,
    /// This regular expression is found in no value.
    NotRegexMatch,
    /// The value is a whole number above this one.
    GreaterThan,
    /// The value is this whole number or one above.
    GreaterThanOrEquals,
    /// The value is a whole number below this one.
    LessThan,
    /// The value is this whole number or one below.
    LessThanOrEquals,
    /// The whole number has all bits of this one.
    HasBits,
    /// The whole number has none of the bits of this one.
    LacksBits,
    /// The value is TRUE.
    IsTrue,
    /// The value is FALSE.
    IsFalse,
    /// The attribute has a value.
    IsNotNull,
    /// The attribute has no value.
    IsNull,
}

/// Which of several values have to pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Each {
    /// One is enough.
    #[default]
    Any,
    /// Every one.
    All,
}

/// What the absence of an attribute means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Absent {
    /// The clause is not met.
    #[default]
    Unmet,
    /// The clause is met.
    Met,
}
