//! Safety looks at the whole plan before the first write.

use std::collections::BTreeMap;

use provisor_model::OperationKind;
use provisor_space::Space;

use crate::configuration::Threshold;
use crate::context::Tally;
use crate::{Configuration, SyncError};

/// The fewest objects for which a share means anything.
const LEAST_OBJECTS: u64 = 10;

/// The fewest memberships for which a share means anything.
const LEAST_MEMBERSHIPS: u64 = 50;

/// Whether the plan, of so many operations of each kind, takes away more than may be taken without asking; the words for the operator, where it does.
///
/// # Errors
/// When the space fails.
pub(crate) fn objection(
    space: &Space,
    configuration: &Configuration,
    allow_deletes: Option<u64>,
    counts: &BTreeMap<OperationKind, u64>,
    tally: &Tally,
) -> Result<Option<String>, SyncError> {
    let count = |kind| counts.get(&kind).copied().unwrap_or(0);
    let references_removed = tally.references_removed;
    let (deletes, disables) = (count(OperationKind::Delete), count(OperationKind::Disable) + tally.disabled_by_rules);
    let taken = deletes + disables;
    // Counting the links is for plans that take something away; a cycle without changes costs the same at any size.
    let least_members = configuration.safety.member_threshold.count.clamp(1, LEAST_MEMBERSHIPS);
    if taken == 0 && references_removed < least_members {
        return Ok(None);
    }
    let linked = space.link_count()?;
    let limit = limit(configuration.safety.delete_threshold, linked, LEAST_OBJECTS);
    let name = &configuration.name;
    if taken > 0 && taken >= limit && allow_deletes.is_none_or(|allowed| taken > allowed) {
        return Ok(Some(format!(
            "{name} would delete {deletes} and disable {disables} of its {linked} linked objects; from {limit} on a cycle stops \
             before its first write. Nothing was changed at the target. The next cycle reads everything anew, in case less could be read than there is. See what it would do with \
             \"provisor preview {name}\"; if it is meant, go on once with \"provisor sync {name} --allow-deletes {taken}\""
        )));
    }
    if references_removed >= least_members {
        let exported = space.exported_reference_count()?;
        let limit = self::limit(configuration.safety.member_threshold, exported, LEAST_MEMBERSHIPS);
        if references_removed >= limit && allow_deletes.is_none_or(|allowed| references_removed > allowed) {
            return Ok(Some(format!(
                "{name} would take {references_removed} of {exported} members out of their groups; from {limit} on a cycle stops \
                 before its first write. Nothing was changed at the target. See what it would do with \"provisor preview {name}\"; \
                 if it is meant, go on once with \"provisor sync {name} --allow-deletes {references_removed}\""
            )));
        }
    }
    Ok(None)
}

/// From how many on a cycle stops: the lower of the number and the share, the share not below `least`.
fn limit(threshold: Threshold, of: u64, least: u64) -> u64 {
    let share = (of.saturating_mul(threshold.percent)).div_ceil(100).max(least);
    threshold.count.min(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_of_number_and_share_holds_but_no_share_below_ten() {
        let usual = Threshold { count: 500, percent: 20 };
        assert_eq!(limit(usual, 0, 10), 10);
        assert_eq!(limit(usual, 49, 10), 10);
        assert_eq!(limit(usual, 1_000, 10), 200);
        assert_eq!(limit(usual, 100_000, 10), 500);
        assert_eq!(limit(Threshold { count: 3, percent: 100 }, 1_000, 10), 3);
    }
}
