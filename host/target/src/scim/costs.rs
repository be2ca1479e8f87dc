//! How many requests operations take, told beforehand: some services bill each of them.

use provisor_model::{AttributeChange, Change, OperationKind, TargetValue};

use crate::scim::dialect::{Profile, ReferenceRules, Removal};
use crate::scim::entra;
use crate::scim::options::ScimOptions;
use crate::scim::quirks::Quirk;

/// What operations cost at a service, without asking it.
#[derive(Clone, Copy, Debug)]
pub struct RequestCosts {
    references: ReferenceRules,
    patches: bool,
    entra: bool,
}

impl RequestCosts {
    /// The costs by the settings alone.
    pub fn new(options: &ScimOptions) -> Self {
        Self {
            references: ReferenceRules::new(options),
            patches: !options.dialect.quirks.contains(&Quirk::NoPatch),
            entra: options.dialect.profile == Profile::Entra,
        }
    }

    /// What one request costs, in thousandths of a US dollar, where requests are billed.
    pub fn milli_dollars(&self) -> Option<u64> {
        self.entra.then_some(entra::ENTRA_MILLI_DOLLARS)
    }

    /// How many requests an operation takes, where nothing goes wrong and the resource has been found.
    pub fn requests<R: Ord>(&self, operation: OperationKind, changes: &[AttributeChange<R>]) -> u64 {
        match operation {
            OperationKind::Release => 0,
            OperationKind::Delete => 1,
            OperationKind::Create => 1 + self.after_creation(changes),
            OperationKind::Join | OperationKind::Update | OperationKind::Disable => self.update(changes),
        }
    }

    fn after_creation<R: Ord>(&self, changes: &[AttributeChange<R>]) -> u64 {
        if !self.patches {
            return 0;
        }
        let references: usize = changes
            .iter()
            .map(|change| match &change.change {
                Change::References { add, .. } => add.len(),
                Change::Set(TargetValue::References(ids)) => ids.len(),
                _ => 0,
            })
            .sum();
        count(references.saturating_sub(self.references.at_creation()).div_ceil(self.references.chunk))
    }

    fn update<R: Ord>(&self, changes: &[AttributeChange<R>]) -> u64 {
        if changes.is_empty() {
            return 0;
        }
        if !self.patches {
            // Read, and written whole.
            return 2;
        }
        let ReferenceRules { chunk, removals, apart, removal } = self.references;
        let (mut adds, mut removes, mut values) = (0, 0, false);
        let mut by_list = 0;
        for change in changes {
            match &change.change {
                Change::References { add, remove } => {
                    adds += add.len();
                    removes += remove.len();
                    by_list += add.len().div_ceil(chunk) + remove.len().div_ceil(removals);
                }
                _ => values = true,
            }
        }
        if removal == Removal::WholeList && adds + removes > 0 {
            return 2 + u64::from(values);
        }
        if apart {
            return u64::from(values) + count(by_list);
        }
        count((adds + removes).div_ceil(chunk).max(removes.div_ceil(removals))).max(u64::from(values))
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisor_model::Plain;
    use std::collections::BTreeSet;

    fn costs(profile: Profile) -> RequestCosts {
        let mut options = ScimOptions::new("https://x/");
        options.dialect.profile = profile;
        RequestCosts::new(&options)
    }

    fn changes(values: bool, add: u32, remove: u32) -> Vec<AttributeChange<u32>> {
        let mut changes = Vec::new();
        if values {
            let change = Change::Set(TargetValue::Plain(Plain::Text("x".into())));
            changes.push(AttributeChange { path: "displayName".parse().unwrap(), old: None, change });
        }
        if add + remove > 0 {
            let change =
                Change::References { add: (0..add).collect(), remove: (add..add + remove).collect::<BTreeSet<_>>() };
            changes.push(AttributeChange { path: "members".parse().unwrap(), old: None, change });
        }
        changes
    }

    #[test]
    fn at_entra_members_come_by_twenties_and_go_one_by_one() {
        let costs = costs(Profile::Entra);
        assert_eq!(costs.requests(OperationKind::Create, &changes(true, 41, 0)), 1 + 3);
        assert_eq!(costs.requests(OperationKind::Update, &changes(true, 21, 5)), 1 + 2 + 5);
        assert_eq!(costs.requests(OperationKind::Delete, &changes(false, 0, 0)), 1);
        assert_eq!(costs.requests(OperationKind::Release, &changes(false, 0, 0)), 0);
        assert_eq!(costs.milli_dollars(), Some(2));
    }

    #[test]
    fn elsewhere_what_fits_goes_together() {
        let costs = costs(Profile::Standard);
        assert_eq!(costs.requests(OperationKind::Update, &changes(true, 300, 300)), 2);
        assert_eq!(costs.requests(OperationKind::Update, &changes(true, 0, 0)), 1);
        assert_eq!(costs.requests(OperationKind::Create, &changes(true, 500, 0)), 1);
        assert_eq!(costs.milli_dollars(), None);
    }
}
