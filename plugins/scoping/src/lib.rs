//! Who is in scope, by clauses on attributes: all clauses of a group together, and any group is enough.

mod clause;
mod config;
#[cfg(test)]
mod tests;
mod words;

use clause::Test;
pub use config::{Absent, Clause, Config, Each, Group, Operand, Operator};
use provisor_sdk::prelude::*;

/// How many clauses a scope may have, so that an entry is decided in bounded time.
const MOST_CLAUSES: usize = 1000;

/// Keeps an entry that meets all clauses of at least one group.
pub struct Scoping {
    groups: Vec<ReadyGroup>,
    summary: String,
}

/// A group of clauses, ready to test entries with.
struct ReadyGroup {
    name: String,
    tests: Vec<Test>,
}

impl Filter for Scoping {
    type Config = Config;

    fn configure(config: Config, contract: &mut FilterContract) -> Result<Self, String> {
        if config.any.is_empty() {
            return Err("any has no groups of clauses: nothing could be in scope".to_owned());
        }
        if config.any.iter().map(|group| group.all.len()).sum::<usize>() > MOST_CLAUSES {
            return Err(format!("there are more than {MOST_CLAUSES} clauses: use in with a list of values"));
        }
        for class in &config.object_classes {
            contract.object_class(class);
        }
        let groups = config.any.iter().enumerate().map(|(number, group)| ReadyGroup::new(number + 1, group, contract));
        Ok(Self { groups: groups.collect::<Result<_, _>>()?, summary: words::scope(&config) })
    }

    fn decide(&self, entry: &Entry<'_>) -> Verdict {
        let mut unmet = Vec::new();
        let mut undecidable = None;
        for group in &self.groups {
            match group.first_unmet(entry) {
                Ok(None) => return Verdict::Keep,
                Ok(Some(test)) => unmet.push(format!("{}: not met: {}", group.name, test.words)),
                Err(why) => undecidable = undecidable.or(Some(why)),
            }
        }
        // A group that cannot be decided might have kept the entry, so it is not taken for out of scope.
        match undecidable {
            Some(why) => Verdict::fail(why.code, why.detail),
            None => Verdict::drop("not-in-scope", unmet.join("; ")),
        }
    }

    fn summary(&self) -> Option<String> {
        Some(self.summary.clone())
    }
}

impl ReadyGroup {
    fn new(number: usize, group: &Group, contract: &mut FilterContract) -> Result<Self, String> {
        let name = group.name.clone().unwrap_or_else(|| format!("group {number}"));
        if group.all.is_empty() {
            return Err(format!("{name} has no clauses: everything would be in scope"));
        }
        let test = |clause| Test::new(clause, contract).map_err(|error| format!("{name}: {error}"));
        Ok(Self { tests: group.all.iter().map(test).collect::<Result<_, _>>()?, name })
    }

    /// The first clause that is not met; a clause that cannot be decided matters only where the others are met.
    fn first_unmet(&self, entry: &Entry<'_>) -> Result<Option<&Test>, clause::Undecidable> {
        let mut undecidable = None;
        for test in &self.tests {
            match test.met(entry) {
                Ok(true) => {}
                Ok(false) => return Ok(Some(test)),
                Err(why) => undecidable = undecidable.or(Some(why)),
            }
        }
        undecidable.map_or(Ok(None), Err)
    }
}

provisor_sdk::export_filter!(Scoping);
