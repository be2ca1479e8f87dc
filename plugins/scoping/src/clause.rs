//! A clause, ready to test entries with.

use provisor_sdk::prelude::*;
use regex::{Regex, RegexBuilder};

use crate::config::{Absent, Clause, Each, Operand, Operator};
use crate::words;

/// How large a compiled regular expression may be, in octets. Matching takes time linear in the value whatever the pattern.
const REGEX_SIZE: usize = 256 << 10;

/// A test of one attribute.
pub struct Test {
    reading: Reading,
    kind: Kind,
    /// Whether the outcome for the values is turned round.
    negated: bool,
    each: Each,
    absent: Absent,
    /// The clause in words.
    pub words: String,
}

/// How the attribute is read: who only asks whether it is there is not sent its values, which may be large or no text.
enum Reading {
    Presence(Unsent),
    Values(Texts),
}

/// What is asked of a value.
enum Kind {
    Presence,
    Texts { relation: Relation, operands: Vec<String>, ignore_case: bool },
    Regex(Regex),
    Number { relation: NumberRelation, operand: i64 },
    Truth(bool),
}

#[derive(Clone, Copy)]
enum Relation {
    Equal,
    Includes,
    Starts,
    Ends,
}

#[derive(Clone, Copy)]
enum NumberRelation {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    AllBits,
    AnyBit,
}

/// Why a clause cannot be decided for an entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Undecidable {
    /// A stable code.
    pub code: &'static str,
    /// What is wrong.
    pub detail: String,
}

impl Test {
    /// Makes a clause ready, and declares what it reads.
    ///
    /// # Errors
    /// When the clause makes no sense: what is wrong with it, for the operator.
    pub fn new(clause: &Clause, contract: &mut FilterContract) -> Result<Self, String> {
        let wrong = |what: &str| format!("{} {}: {what}", clause.attribute, words::operator(clause.operator));
        if clause.attribute.trim().is_empty() {
            return Err("a clause names no attribute".to_owned());
        }
        let (kind, negated) = kind(clause).map_err(|what| wrong(&what))?;
        let presence = matches!(kind, Kind::Presence);
        if presence && clause.absent == Absent::Met {
            return Err(wrong("absent has no meaning for an operator that asks for presence"));
        }
        if (presence || negated) && clause.each == Each::All {
            return Err(wrong("each has no meaning here: leave it out"));
        }
        Ok(Self {
            reading: if presence {
                Reading::Presence(contract.unsent(&clause.attribute))
            } else {
                Reading::Values(contract.texts(&clause.attribute))
            },
            kind,
            negated,
            each: clause.each,
            absent: clause.absent,
            words: words::clause(clause),
        })
    }

    /// Whether the entry meets the clause.
    ///
    /// # Errors
    /// When a value is not of the sort that the operator compares.
    pub fn met(&self, entry: &Entry<'_>) -> Result<bool, Undecidable> {
        let mut values = match self.reading {
            Reading::Presence(attribute) => return Ok(entry.has(attribute) != self.negated),
            Reading::Values(attribute) => entry.texts(attribute),
        };
        if values.len() == 0 {
            return Ok(self.absent == Absent::Met);
        }
        // Every value is looked at, so that one which cannot be compared is noticed whatever their order.
        let passed = values.try_fold((false, true), |(any, all), value| {
            self.passes(value).map(|passes| (any || passes, all && passes))
        })?;
        Ok(match self.each {
            Each::Any => passed.0 != self.negated,
            Each::All => passed.1,
        })
    }

    fn passes(&self, value: &str) -> Result<bool, Undecidable> {
        Ok(match &self.kind {
            Kind::Presence => true,
            Kind::Texts { relation, operands, ignore_case } => {
                let folded = ignore_case.then(|| value.to_lowercase());
                let value = folded.as_deref().unwrap_or(value);
                operands.iter().any(|operand| match relation {
                    Relation::Equal => value == operand,
                    Relation::Includes => value.contains(operand.as_str()),
                    Relation::Starts => value.starts_with(operand.as_str()),
                    Relation::Ends => value.ends_with(operand.as_str()),
                })
            }
            Kind::Regex(pattern) => pattern.is_match(value),
            Kind::Number { relation, operand } => {
                let number: i64 =
                    value.trim().parse().map_err(|_| self.undecidable("not-a-number", "a whole number"))?;
                match relation {
                    NumberRelation::Greater => number > *operand,
                    NumberRelation::GreaterOrEqual => number >= *operand,
                    NumberRelation::Less => number < *operand,
                    NumberRelation::LessOrEqual => number <= *operand,
                    NumberRelation::AllBits => number & operand == *operand,
                    NumberRelation::AnyBit => number & operand != 0,
                }
            }
            Kind::Truth(wanted) => {
                let truth = match value.trim() {
                    value if value.eq_ignore_ascii_case("true") => true,
                    value if value.eq_ignore_ascii_case("false") => false,
                    _ => return Err(self.undecidable("not-a-truth-value", "TRUE or FALSE")),
                };
                truth == *wanted
            }
        })
    }

    fn undecidable(&self, code: &'static str, wanted: &str) -> Undecidable {
        Undecidable { code, detail: format!("{}: the entry has a value that is not {wanted}", self.words) }
    }
}

/// What an operator asks of a value, and whether the outcome is turned round.
fn kind(clause: &Clause) -> Result<(Kind, bool), String> {
    use Operator as O;
    let text = |relation, negated| Ok((texts(clause, relation, vec![one(clause)?.to_text()])?, negated));
    let number = |relation, negated| Ok((Kind::Number { relation, operand: one_number(clause)? }, negated));
    match clause.operator {
        O::Equals => text(Relation::Equal, false),
        O::NotEquals => text(Relation::Equal, true),
        O::Includes => text(Relation::Includes, false),
        O::NotIncludes => text(Relation::Includes, true),
        O::StartsWith => text(Relation::Starts, false),
        O::NotStartsWith => text(Relation::Starts, true),
        O::EndsWith => text(Relation::Ends, false),
        O::NotEndsWith => text(Relation::Ends, true),
        O::In | O::NotIn => {
            if clause.value.is_some() || clause.values.is_empty() {
                return Err("give the texts as values = [...]".to_owned());
            }
            let operands = clause.values.iter().map(Operand::to_text).collect();
            Ok((texts(clause, Relation::Equal, operands)?, clause.operator == O::NotIn))
        }
        O::RegexMatch | O::NotRegexMatch => {
            let pattern = one(clause)?.to_text();
            if pattern.is_empty() {
                return Err("an empty pattern is found in everything: ask with is-null or is-not-null".to_owned());
            }
            let pattern = RegexBuilder::new(&pattern)
                .case_insensitive(clause.ignore_case)
                .size_limit(REGEX_SIZE)
                .build()
                .map_err(|error| format!("the regular expression cannot be used: {error}"))?;
            Ok((Kind::Regex(pattern), clause.operator == O::NotRegexMatch))
        }
        O::GreaterThan => number(NumberRelation::Greater, false),
        O::GreaterThanOrEquals => number(NumberRelation::GreaterOrEqual, false),
        O::LessThan => number(NumberRelation::Less, false),
        O::LessThanOrEquals => number(NumberRelation::LessOrEqual, false),
        O::HasBits => number(NumberRelation::AllBits, false),
        O::LacksBits => number(NumberRelation::AnyBit, true),
        O::IsTrue => none(clause, Kind::Truth(true), false),
        O::IsFalse => none(clause, Kind::Truth(false), false),
        O::IsNotNull => none(clause, Kind::Presence, false),
        O::IsNull => none(clause, Kind::Presence, true),
    }
}

fn texts(clause: &Clause, relation: Relation, operands: Vec<String>) -> Result<Kind, String> {
    if operands.iter().any(String::is_empty) {
        return Err("an empty text compares with nothing: ask with is-null or is-not-null".to_owned());
    }
    let folded = |operand: String| if clause.ignore_case { operand.to_lowercase() } else { operand };
    let operands = operands.into_iter().map(folded).collect();
    Ok(Kind::Texts { relation, operands, ignore_case: clause.ignore_case })
}

/// The one value that the operator compares with.
fn one(clause: &Clause) -> Result<&Operand, String> {
    match &clause.value {
        Some(value) if clause.values.is_empty() => Ok(value),
        _ => Err("give one value = \"...\"".to_owned()),
    }
}

fn one_number(clause: &Clause) -> Result<i64, String> {
    if clause.ignore_case {
        return Err("ignore-case has no meaning for numbers: leave it out".to_owned());
    }
    let number = one(clause)?.to_integer().ok_or("the value has to be a whole number")?;
    if matches!(clause.operator, Operator::HasBits | Operator::LacksBits) && number == 0 {
        return Err("0 has no bits".to_owned());
    }
    Ok(number)
}

/// An operator that compares with nothing.
fn none(clause: &Clause, kind: Kind, negated: bool) -> Result<(Kind, bool), String> {
    if clause.value.is_some() || !clause.values.is_empty() || clause.ignore_case {
        return Err("this operator compares with nothing: leave value, values and ignore-case out".to_owned());
    }
    Ok((kind, negated))
}
