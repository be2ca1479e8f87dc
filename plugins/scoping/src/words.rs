//! Clauses and groups in plain words.

use crate::config::{Absent, Clause, Config, Each, Group, Operand, Operator};

/// The whole scope in one sentence.
pub fn scope(config: &Config) -> String {
    let who = match config.object_classes.as_slice() {
        [] => "An entry".to_owned(),
        [class] => format!("An entry of the class {class}"),
        classes => format!("An entry of the classes {}", classes.join(", ")),
    };
    let groups: Vec<String> = config.any.iter().map(group).collect();
    let joined = match groups.as_slice() {
        [only] => only.clone(),
        several => several.iter().map(|group| format!("({group})")).collect::<Vec<_>>().join(" or "),
    };
    format!("{who} is in scope if {joined}.")
}

/// A group: its clauses, joined.
pub fn group(group: &Group) -> String {
    group.all.iter().map(clause).collect::<Vec<_>>().join(" and ")
}

/// A clause, such as `employeeType is "staff"`.
pub fn clause(clause: &Clause) -> String {
    let mut words = match clause.each {
        Each::Any => clause.attribute.clone(),
        Each::All => format!("every value of {}", clause.attribute),
    };
    words.push(' ');
    words.push_str(operator(clause.operator));
    let operands: Vec<String> = clause.value.iter().chain(&clause.values).map(quoted).collect();
    if !operands.is_empty() {
        words.push(' ');
        words.push_str(&operands.join(", "));
    }
    if clause.ignore_case {
        words.push_str(" in any letter case");
    }
    if clause.absent == Absent::Met {
        words.push_str(" or is absent");
    }
    words
}

/// What an operator says between attribute and value.
pub fn operator(operator: Operator) -> &'static str {
    match operator {
        Operator::Equals => "is",
        Operator::NotEquals => "is not",
        Operator::In => "is one of",
        Operator::NotIn => "is none of",
        Operator::Includes => "includes",
        Operator::NotIncludes => "does not include",
        Operator::StartsWith => "starts with",
        Operator::NotStartsWith => "does not start with",
        Operator::EndsWith => "ends with",
        Operator::NotEndsWith => "does not end with",
        Operator::RegexMatch => "matches the pattern",
        Operator::NotRegexMatch => "does not match the pattern",
        Operator::GreaterThan => "is greater than",
        Operator::GreaterThanOrEquals => "is at least",
        Operator::LessThan => "is less than",
        Operator::LessThanOrEquals => "is at most",
        Operator::HasBits => "has the bits",
        Operator::LacksBits => "lacks the bits",
        Operator::IsTrue => "is true",
        Operator::IsFalse => "is false",
        Operator::IsNotNull => "is present",
        Operator::IsNull => "is absent",
    }
}

fn quoted(operand: &Operand) -> String {
    match operand {
        Operand::Integer(number) => number.to_string(),
        Operand::Text(text) => format!("\"{text}\""),
    }
}
