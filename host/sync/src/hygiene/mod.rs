//! Looking a whole directory over for what a cloud would refuse, or take for something else, before it is asked: what
//! IdFix did, and what it left out. Nothing is written anywhere.

mod address;
mod conflict;
mod dedicated;
mod finding;
mod inspector;
mod object;
mod references;
mod report;
mod roster;
mod rules;
mod run;
mod skip;
#[cfg(test)]
mod testing;
mod values;

pub use finding::{Finding, FindingCount, FindingKind};
pub use report::{HygieneReport, HygieneRequest, RuleSet};
