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

/// What a plan takes away.
pub(crate) struct Taking {
    deletes: u64,
    disables: u64,
    /// Of these, resources of each kind.
    by_kind: BTreeMap<String, u64>,
    /// References taken from resources although their target stays.
    references: u64,
}

impl Taking {
    /// What a plan of so many operations takes away, and who leaves by it, by kind.
    pub fn new(counts: &BTreeMap<OperationKind, u64>, leaving: &BTreeMap<String, u64>, tally: &Tally) -> Self {
        let count = |kind| counts.get(&kind).copied().unwrap_or(0);
        let mut by_kind = leaving.clone();
        for (kind, count) in &tally.disabled_by_rules {
            *by_kind.entry(kind.clone()).or_default() += count;
        }
        Self {
            deletes: count(OperationKind::Delete),
            disables: count(OperationKind::Disable) + tally.disabled_by_rules.values().sum::<u64>(),
            by_kind,
            references: tally.references_removed,
        }
    }

    /// What a preview found.
    pub fn foreseen(tally: &Tally) -> Self {
        Self::new(&tally.planned, &tally.leaving, tally)
    }
}

/// Why a cycle stops before its first write.
pub(crate) struct Objection<'a> {
    configuration: &'a str,
    /// What is wrong with the plan, as sentences.
    found: String,
    /// How much has to be allowed for it to be carried out.
    allow: u64,
}

impl Objection<'_> {
    /// The words for who runs or previews a cycle.
    pub fn of_cycle(&self) -> String {
        let Self { configuration, found, allow } = self;
        format!(
            "{found} See what it would do with \"provisor preview {configuration}\"; if it is meant, go on once with \
             \"provisor sync {configuration} --allow-deletes {allow}\""
        )
    }

    /// The words for who previews an updated plugin: the preview of a cycle would go by the one in force.
    pub fn of_update(&self) -> String {
        let Self { configuration, found, allow } = self;
        format!(
            "{found} If it is meant, put the plugin in place, and go on once with \
             \"provisor sync {configuration} --allow-deletes {allow}\""
        )
    }
}

/// Whether a plan takes away more than may be taken without asking.
///
/// # Errors
/// When the space fails.
pub(crate) fn objection<'a>(
    space: &Space,
    configuration: &'a Configuration,
    allow_deletes: Option<u64>,
    taking: &Taking,
) -> Result<Option<Objection<'a>>, SyncError> {
    let Taking { deletes, disables, by_kind, references } = taking;
    let taken = deletes + disables;
    let name = &configuration.name;
    // Counting the links is for plans that take something away; a cycle without changes costs the same at any size.
    if taken > 0 && allow_deletes.is_none_or(|allowed| taken > allowed) {
        let linked = space.link_counts()?;
        if let Some((of, limit)) = too_many(configuration.safety.delete_threshold, by_kind, &linked) {
            let found = format!(
                "{name} would delete {deletes} and disable {disables} of its {} linked objects{of}; from {limit} on a cycle stops \
                 before its first write. Nothing was changed at the target. The next cycle reads everything anew, in case less \
                 could be read than there is.",
                linked.values().sum::<u64>(),
            );
            return Ok(Some(Objection { configuration: name, found, allow: taken }));
        }
    }
    let least = configuration.safety.member_threshold.count.clamp(1, LEAST_MEMBERSHIPS);
    if *references >= least && allow_deletes.is_none_or(|allowed| *references > allowed) {
        let exported = space.exported_reference_count()?;
        let limit = limit(configuration.safety.member_threshold, exported, LEAST_MEMBERSHIPS);
        if *references >= limit {
            let found = format!(
                "{name} would take {references} of {exported} members out of their groups; from {limit} on a cycle stops \
                 before its first write. Nothing was changed at the target."
            );
            return Ok(Some(Objection { configuration: name, found, allow: *references }));
        }
    }
    Ok(None)
}

/// Whether too many resources are taken away, of all or of one kind: a few groups are a small share of all people, and
/// still all groups. Of which there are too many, in words, and from how many on that is so.
fn too_many(
    threshold: Threshold,
    taken: &BTreeMap<String, u64>,
    linked: &BTreeMap<String, u64>,
) -> Option<(String, u64)> {
    let all = limit(threshold, linked.values().sum(), LEAST_OBJECTS);
    if taken.values().sum::<u64>() >= all {
        return Some((String::new(), all));
    }
    taken.iter().find_map(|(kind, taken)| {
        let linked = linked.get(kind).copied().unwrap_or(0);
        let limit = limit(threshold, linked, LEAST_OBJECTS);
        (*taken >= limit).then(|| (format!(", and {taken} of its {linked} of the kind {kind}"), limit))
    })
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

    #[test]
    fn a_small_share_of_all_may_be_too_much_of_a_kind() {
        let of = |users, groups| BTreeMap::from([("User".to_owned(), users), ("Group".to_owned(), groups)]);
        let (usual, linked) = (Threshold { count: 500, percent: 20 }, of(1_000, 60));
        assert_eq!(too_many(usual, &of(199, 11), &linked), None);
        assert_eq!(too_many(usual, &of(200, 12), &linked), Some((String::new(), 212)));
        let found = too_many(usual, &of(0, 12), &linked);
        assert_eq!(found, Some((", and 12 of its 60 of the kind Group".to_owned(), 12)));
        assert_eq!(too_many(usual, &of(10, 9), &of(1_000, 9)), None, "few are no share");
    }
}
