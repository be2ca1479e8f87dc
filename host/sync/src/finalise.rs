//! From candidates to the plan: which changes remain once it is known who else is planned, and in which order they go.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{
    AttributeChange, Change, OperationKind, Plain, Reason, SourceId, TargetPath, TargetValue, attribute_changes,
    fold_case,
};
use provisor_space::{EntryKey, PlanPlace, PlanRow, PlanState, Planned, PlannedBody, Retry, Sent, Space, StoredEntry};

use provisor_target::RequestCosts;
use serde::{Deserialize, Serialize};

use crate::SyncError;
use crate::context::{Context, Tally};
use crate::decide::hold;
use crate::effective::{Reach, effective_of, references_in};
use crate::foresight::{Lowest, Prospects};
use crate::matching::resolve_references;
use crate::preview::changes_of;
use crate::watch::Step;

/// How many operations are in memory at once.
const PAGE: usize = 1_000;

/// Turns candidates into operations to be carried out, and drops those that come to nothing.
pub(crate) fn finalise(
    space: &mut Space,
    context: &Context,
    facts: &TargetFacts,
    mut foreseen: Option<Foreseen<'_>>,
    tally: &mut Tally,
) -> Result<(), SyncError> {
    let mut after: Option<PlanPlace> = None;
    let mut done = 0;
    loop {
        let page = space.plan_rows(PlanState::Candidate, after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.place.clone());
        done += page.len() as u64;
        context.watch.report(Step::Plan, done, None);
        space.atomically(|space| -> Result<(), SyncError> {
            for row in page {
                finalise_one(space, context, facts, foreseen.as_mut(), row, tally)?;
            }
            Ok(())
        })?;
    }
}

fn finalise_one(
    space: &mut Space,
    context: &Context,
    facts: &TargetFacts,
    foreseen: Option<&mut Foreseen<'_>>,
    row: PlanRow,
    tally: &mut Tally,
) -> Result<(), SyncError> {
    let PlanRow { mut planned, place, uncertain, disabled } = row;
    let key = planned.key;
    if planned.operation == OperationKind::Disable && !facts.can_be_disabled(&planned.body, &context.paths.active) {
        let stored = entry_of(space, key)?;
        let reason = cannot_be_disabled(
            &planned.body.kind,
            planned.body.reason.as_ref(),
            &stored.entry.object_class,
            stored.gone,
        );
        let decision = hold(space, context, &stored, &reason, Retry::NextCycle, tally)?;
        return match context.preview {
            true => Ok(space.note_decision(key, Some(&decision), None)?),
            false => Ok(space.evaluated(key, &place.source_id, Some(&decision), None)?),
        };
    }
    // The stored plan is written anew only where something in it changes here.
    let mut rewritten = !planned.body.remote_references.is_empty();
    let writes = matches!(planned.operation, OperationKind::Create | OperationKind::Join | OperationKind::Update);
    if writes {
        if rewritten {
            resolve_references(space, &entry_of(space, key)?, &mut planned.body)?;
        }
        rewritten |= facts.keep_spelling(&mut planned.body);
    }
    // A preview needs of a new resource only what it counts.
    let reach = foreseen.as_ref().map_or(Reach::Planned, |foreseen| Reach::Foreseen(foreseen.prospects));
    if writes && (foreseen.is_none() || planned.operation == OperationKind::Update) {
        let is_update = planned.operation == OperationKind::Update;
        // Of a resource that is made or joined, only the references that wait are of interest.
        let desired = if is_update { planned.body.desired.clone() } else { references_in(&planned.body.desired) };
        let effective = effective_of(space, desired, &planned.body.baseline, reach)?;
        if is_update {
            let changes = attribute_changes(&planned.body.baseline, &effective.attributes);
            if changes.is_empty() && !disabled && !uncertain {
                if foreseen.is_none() {
                    space.set_waiting(key, &effective.waiting)?;
                    space.clear_escrow(key)?;
                }
                return Ok(space.remove_plan(key)?);
            }
            tally.references_removed += removed_but_staying(space, reach, &changes)?;
            if turns_off(&changes, &context.paths.active) {
                *tally.disabled_by_rules.entry(planned.body.kind.clone()).or_default() += 1;
            }
        }
        if foreseen.is_none() {
            space.set_waiting(key, &effective.waiting)?;
        }
    }
    if let Some(foreseen) = foreseen {
        count(&changes_of(space, context, &planned, reach)?, &planned, foreseen.costs, tally);
        foreseen.first.offer(&place.source_id.to_storage(), key);
        // It stays a candidate: its entry is evaluated again by the next cycle.
        return if rewritten { Ok(space.put_plan(&planned, &place.source_id, PlanState::Candidate)?) } else { Ok(()) };
    }
    // What new resources take matters only where others free values; `order` looks at them then.
    if planned.operation != OperationKind::Create {
        note_unique_values(space, facts, &planned)?;
    }
    let phase = phase(planned.operation, &planned.body);
    if rewritten {
        space.put_plan(&planned, &place.source_id, PlanState::Candidate)?;
    }
    Ok(space.make_ready(key, phase)?)
}

/// What a preview knows besides the stored plan, which holds only what the target had to be asked about.
pub(crate) struct Foreseen<'a> {
    pub prospects: &'a Prospects,
    pub costs: &'a RequestCosts,
    pub first: &'a mut Lowest,
}

/// Counts what a preview tells of an operation.
fn count(changes: &[AttributeChange<SourceId>], planned: &Planned, costs: &RequestCosts, tally: &mut Tally) {
    *tally.planned.entry(planned.operation).or_default() += 1;
    if planned.operation.takes_access_away() {
        *tally.leaving.entry(planned.body.kind.clone()).or_default() += 1;
    }
    tally.writes += costs.requests(planned.operation, changes);
    for change in changes {
        *tally.attributes.entry(change.path.clone()).or_default() += 1;
    }
}

fn entry_of(space: &Space, key: EntryKey) -> Result<StoredEntry, SyncError> {
    space.entry(key)?.ok_or_else(|| SyncError::Internal("the plan names an entry that is not there".into()))
}

/// Why an entry is held whose resource of this kind is to be disabled, for this reason.
pub(crate) fn cannot_be_disabled(kind: &str, reason: Option<&Reason>, class: &str, gone: bool) -> Reason {
    let setting = if gone { "deleted" } else { "out-of-scope" };
    let why = reason.map_or("The entry is no longer in the source.", |reason| reason.detail.as_str());
    let detail = format!(
        "{why} Its resource is a {kind}, which has no \"active\" and cannot be disabled. Choose in the configuration: \
         [leaving.{class}] {setting} = \"delete\" or \"keep\"."
    );
    Reason::new("cannot-be-disabled", detail)
}

/// Whether a rule sets `active` to false that was true.
pub(crate) fn turns_off(changes: &[AttributeChange<SourceId>], active: &TargetPath) -> bool {
    let flag = |on| TargetValue::Plain(Plain::Boolean(on));
    changes.iter().any(|change| {
        change.path == *active && change.old == Some(flag(true)) && change.change == Change::Set(flag(false))
    })
}

/// How many references are taken away whose own resource stays in use: a membership that somebody loses.
fn removed_but_staying(
    space: &Space,
    reach: Reach<'_>,
    changes: &[AttributeChange<SourceId>],
) -> Result<u64, SyncError> {
    let mut count = 0;
    for change in changes {
        if let Change::References { add, remove } = &change.change {
            for id in remove {
                let Some(target) = space.reference_target(id)? else { continue };
                if is_meant_anew(space, &target, add)? {
                    continue;
                }
                count += u64::from(match reach {
                    Reach::Foreseen(prospects) => prospects.ask(space, target.key)?,
                    Reach::Now | Reach::Planned => target.provisioned,
                });
            }
        }
    }
    Ok(count)
}

/// Whether a resource is only referred to in another way: an object of another directory that is an entry here by now.
pub(crate) fn is_meant_anew(
    space: &Space,
    target: &provisor_space::ReferenceTarget,
    added: &BTreeSet<SourceId>,
) -> Result<bool, SyncError> {
    if !space.is_foreign(target.key)? {
        return Ok(false);
    }
    for id in added {
        if space.resource_of(id)? == target.resource_id {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The order of the plan: what frees a unique value (phase 1, by waves), then people before groups, references between
/// the two kinds of phase, and what takes away last.
fn phase(operation: OperationKind, body: &PlannedBody) -> u32 {
    let group = body.kind.eq_ignore_ascii_case("Group")
        || body.desired.values().chain(body.baseline.values()).any(|value| matches!(value, TargetValue::References(_)));
    match operation {
        OperationKind::Create | OperationKind::Join if !group => 20,
        OperationKind::Update if !group => 30,
        OperationKind::Create | OperationKind::Join => 40,
        OperationKind::Update => 50,
        OperationKind::Disable | OperationKind::Release => REMOVALS,
        OperationKind::Delete if group => 80,
        OperationKind::Delete => 90,
    }
}

/// The phase of what frees a unique value that another operation takes.
const FREEING: u32 = 10;

/// Phases from this one on take resources away; waiting references are settled before it.
pub(crate) const REMOVALS: u32 = 70;

/// The most waves of creations that wait for one another; what is left refers in a circle and is settled at the end.
const MOST_WAVES: u32 = 32;

/// What planning must know of a resource kind of the target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KindFacts {
    /// Attributes whose values no two resources may share.
    pub unique: Vec<TargetPath>,
    /// Those of them in whose values letter case does not matter.
    #[serde(default)]
    pub case_ignored: Vec<TargetPath>,
    /// Whether it has `active`, so that it can be disabled.
    pub can_be_disabled: bool,
    /// Whether the target says so itself.
    #[serde(default)]
    pub announced: bool,
}

/// What planning must know of the target's resource kinds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TargetFacts {
    pub kinds: BTreeMap<String, KindFacts>,
}

impl TargetFacts {
    /// Before the target was ever asked: users have names of their own and can be disabled, as RFC 7643 has it.
    pub fn unknown() -> Self {
        let unique = "userName".parse().into_iter().collect();
        let user = KindFacts { unique, case_ignored: Vec::new(), can_be_disabled: true, announced: false };
        Self { kinds: BTreeMap::from([("User".to_owned(), user)]) }
    }

    fn unique(&self, kind: &str) -> &[TargetPath] {
        self.kinds.get(kind).map_or(&[], |facts| &facts.unique)
    }

    /// Leaves the names of a resource as they are spelt, where only their letter case would change and the target takes
    /// both for the same: it may refuse its own name as taken. Says whether there was one.
    pub fn keep_spelling(&self, body: &mut PlannedBody) -> bool {
        self.keep_spelling_of(&body.kind, &body.baseline, &mut body.desired)
    }

    /// The same for a resource of this kind by what it has and what is desired.
    pub fn keep_spelling_of(&self, kind: &str, baseline: &Sent, desired: &mut Sent) -> bool {
        let mut kept = false;
        for path in self.kinds.get(kind).map_or(&[][..], |facts| &facts.case_ignored) {
            let (old, new) = (unique_text(baseline, path), unique_text(desired, path));
            let respelt = old.zip(new).filter(|(old, new)| old != new && fold_case(old) == fold_case(new));
            if let Some((old, _)) = respelt {
                let value = TargetValue::Plain(Plain::Text(old.to_owned()));
                desired.insert(path.clone(), value);
                kept = true;
            }
        }
        kept
    }

    fn can_be_disabled(&self, body: &PlannedBody, active: &TargetPath) -> bool {
        self.kind_can_be_disabled(&body.kind).unwrap_or_else(|| body.baseline.contains_key(active))
    }

    /// Whether resources of this kind can be disabled; none where only those can whose `active` was exported. What was
    /// exported once may have been dropped in silence, so what the target says itself counts for more.
    pub fn kind_can_be_disabled(&self, kind: &str) -> Option<bool> {
        self.kinds.get(kind).filter(|facts| facts.announced || facts.can_be_disabled).map(|facts| facts.can_be_disabled)
    }
}

fn unique_text<'a>(attributes: &'a BTreeMap<TargetPath, TargetValue<SourceId>>, path: &TargetPath) -> Option<&'a str> {
    match attributes.get(path) {
        Some(TargetValue::Plain(Plain::Text(text))) => Some(text),
        _ => None,
    }
}

fn note_unique_values(space: &mut Space, facts: &TargetFacts, planned: &Planned) -> Result<(), SyncError> {
    let body = &planned.body;
    for path in facts.unique(&body.kind) {
        let old = unique_text(&body.baseline, path);
        let new = match planned.operation {
            OperationKind::Delete => None,
            OperationKind::Disable | OperationKind::Release => continue,
            _ => unique_text(&body.desired, path).or_else(|| unique_text(&body.on_create, path)),
        };
        let same = old.zip(new).is_some_and(|(old, new)| fold_case(old) == fold_case(new));
        if same {
            continue;
        }
        // Kinds have name spaces of their own.
        let scoped = format!("{}.{}", body.kind, path.as_str());
        if let Some(old) = old {
            space.plan_unique(planned.key, &scoped, old, true)?;
        }
        if let Some(new) = new {
            space.plan_unique(planned.key, &scoped, new, false)?;
        }
    }
    Ok(())
}

/// Puts the plan in order. Returns the entries whose unique values go round in a circle, one of each circle: it takes
/// a temporary value first.
pub(crate) fn order(space: &mut Space, facts: &TargetFacts) -> Result<Vec<EntryKey>, SyncError> {
    space.atomically(|space| {
        if space.frees_values()? {
            note_values_of_new(space, facts)?;
        }
        for phase in [20, 40] {
            space.order_creations(phase, MOST_WAVES)?;
        }
        let (waves, circles) = freeing_order(&space.unique_conflicts()?);
        for (key, wave) in waves {
            space.set_order(key, FREEING, wave)?;
        }
        Ok(circles)
    })
}

/// Notes the unique values that new resources take.
fn note_values_of_new(space: &mut Space, facts: &TargetFacts) -> Result<(), SyncError> {
    let mut after: Option<PlanPlace> = None;
    loop {
        let page = space.plan_rows(PlanState::Ready, after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.place.clone());
        for row in page.iter().filter(|row| row.planned.operation == OperationKind::Create) {
            note_unique_values(space, facts, &row.planned)?;
        }
    }
}

/// In which wave each holder frees its value, and who must take a temporary value so that a circle opens.
fn freeing_order(conflicts: &[(EntryKey, EntryKey)]) -> (BTreeMap<EntryKey, u32>, Vec<EntryKey>) {
    // A holder that takes a value itself goes after the holder of that value.
    let holders: BTreeSet<EntryKey> = conflicts.iter().map(|(holder, _)| *holder).collect();
    let mut before: BTreeMap<EntryKey, BTreeSet<EntryKey>> =
        holders.iter().map(|key| (*key, BTreeSet::new())).collect();
    for (holder, claimant) in conflicts {
        if let Some(others) = before.get_mut(claimant) {
            others.insert(*holder);
        }
    }
    let (mut waves, mut circles) = (BTreeMap::new(), Vec::new());
    let mut wave = 0;
    while !before.is_empty() {
        let ready: Vec<EntryKey> = before.iter().filter(|(_, others)| others.is_empty()).map(|(key, _)| *key).collect();
        // Where nobody can go first, one takes a temporary value and so frees its own; it still waits for its turn.
        let freed: Vec<EntryKey> = if ready.is_empty() {
            let opener = before.keys().find(|key| !circles.contains(*key)).copied();
            circles.extend(opener);
            opener.into_iter().collect()
        } else {
            before.retain(|key, _| !ready.contains(key));
            waves.extend(ready.iter().map(|key| (*key, wave)));
            wave += 1;
            ready
        };
        if freed.is_empty() {
            break;
        }
        for others in before.values_mut() {
            others.retain(|other| !freed.contains(other));
        }
    }
    (waves, circles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_target_says_of_active_counts_for_more_than_what_was_exported_once() {
        let active: TargetPath = "active".parse().unwrap();
        let exported = |kind: &str| PlannedBody {
            kind: kind.to_owned(),
            baseline: [(active.clone(), TargetValue::Plain(Plain::Boolean(true)))].into(),
            ..PlannedBody::default()
        };
        let device = |announced, can_be_disabled| {
            let facts = KindFacts { unique: Vec::new(), case_ignored: Vec::new(), can_be_disabled, announced };
            TargetFacts { kinds: [("Device".to_owned(), facts)].into() }
        };
        assert!(!device(true, false).can_be_disabled(&exported("Device"), &active), "its schema has no such attribute");
        assert!(device(true, true).can_be_disabled(&exported("Device"), &active));
        assert!(device(false, false).can_be_disabled(&exported("Device"), &active), "it took the attribute before");
        assert!(!device(false, false).can_be_disabled(&PlannedBody::default(), &active));
        assert!(TargetFacts::unknown().can_be_disabled(&exported("User"), &active));
    }
}
