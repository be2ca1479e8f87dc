//! What is to be done for one evaluated entry: its operation, or nothing.

use provisor_model::{
    Anchor, Change, LeavingAction, OperationKind, Plain, Reason, ResourceId, TargetValue, attribute_changes,
};
use provisor_rules::Outcome;
use provisor_space::{Link, LinkState, PlanState, Planned, PlannedBody, Retry, Space, StoredEntry};

use crate::context::{Context, Tally};
use crate::neighbours::Heir;
use crate::record;
use crate::resolve::{Desired, resolve};
use crate::{SyncError, scope};

/// The decision that needs no note.
const PROVISIONED: &str = "provision";

/// What scope and rules say of an entry.
pub(crate) enum Verdict {
    /// It is no longer in the source.
    Gone,
    /// The rules have decided.
    Decided(Outcome),
    /// It is outside the units and groups of the scope.
    OutsideScope,
    /// It is in the directory, but the source's filter does not let it through any more.
    Excluded,
}

/// Decides what is done for one entry, puts that into the plan, and notes that the entry was evaluated.
pub(crate) fn decide(
    space: &mut Space,
    context: &Context,
    stored: &StoredEntry,
    verdict: Verdict,
    valid_until: Option<i64>,
    tally: &mut Tally,
) -> Result<(), SyncError> {
    tally.evaluated += 1;
    let decision = match verdict {
        Verdict::Gone => {
            if gone(space, context, stored)? {
                return Ok(());
            }
            "gone".to_owned()
        }
        Verdict::OutsideScope => out_of_scope(space, context, stored, scope::outside(&context.configuration), tally)?,
        Verdict::Excluded => out_of_scope(space, context, stored, excluded(), tally)?,
        Verdict::Decided(Outcome::OutOfScope { plugin, reason }) => {
            out_of_scope(space, context, stored, left_out(plugin, reason), tally)?
        }
        Verdict::Decided(Outcome::Held { plugin, version, reason }) => {
            hold(space, context, stored, &held_by(&plugin, &version, reason), Retry::NextCycle, tally)?
        }
        Verdict::Decided(Outcome::Provision(draft)) => {
            if let Some(reason) = shared_anchor(space, context, stored)? {
                hold(space, context, stored, &reason, Retry::NextCycle, tally)?
            } else {
                let kind = draft.kind.clone();
                match resolve(space, stored.key, draft)? {
                    Ok(desired) => provision(space, context, stored, desired, obstacle(context, stored, &kind)?)?,
                    Err(reason) => hold(space, context, stored, &reason, Retry::NextCycle, tally)?,
                }
            }
        }
    };
    let told = (decision != PROVISIONED).then_some(decision.as_str());
    if context.preview {
        // Nothing was done about it: it is evaluated again by the next cycle.
        return Ok(space.note_decision(stored.key, told, valid_until)?);
    }
    Ok(space.evaluated(stored.key, &stored.entry.source_id, told, valid_until)?)
}

/// Why an entry is left out that a source's filter does not let through any more.
pub(crate) fn excluded() -> Reason {
    Reason::new("outside-filter", "The entry does not meet the filter of the source any more.")
}

/// Why rules leave an entry out; no plugin is named where none claims it.
pub(crate) fn left_out(plugin: Option<String>, reason: Reason) -> Reason {
    let detail = match plugin {
        Some(plugin) => format!("{plugin}: {}", reason.detail),
        None => reason.detail,
    };
    Reason::new(reason.code, detail)
}

/// Why a plugin holds an entry.
pub(crate) fn held_by(plugin: &str, version: &str, reason: Reason) -> Reason {
    Reason::new(reason.code, format!("{plugin} {version}: {}", reason.detail))
}

/// Why an entry is held that has its anchor in common with another, which is named.
pub(crate) fn anchor_is_shared(anchor: &Anchor, rival: &str) -> Reason {
    let detail = format!("The anchor {anchor} is also that of {rival}. Give each entry an anchor of its own.");
    Reason::new("anchor-shared", detail)
}

/// Holds an entry: nothing of it is exported, and it is evaluated again, in the next cycle or, where that costs
/// requests, after a pause that grows.
pub(crate) fn hold(
    space: &mut Space,
    context: &Context,
    stored: &StoredEntry,
    reason: &Reason,
    retry: Retry,
    tally: &mut Tally,
) -> Result<String, SyncError> {
    let decision = format!("held: {}: {}", reason.code, reason.detail);
    // The decision alone does not tell: an entry may be held after its evaluation came to something else.
    let known = space.escrow(stored.key)?.is_some_and(|escrow| escrow.error == reason.detail);
    space.remove_plan(stored.key)?;
    space.set_escrow(stored.key, &reason.detail, context.now, retry)?;
    tally.hold(stored.entry.dn.to_string(), stored.entry.source_id.to_string(), reason);
    if !known {
        record::decided(space, context, stored, "held", reason)?;
    }
    Ok(decision)
}

/// Whether another entry of the source has the same anchor.
fn shared_anchor(space: &Space, context: &Context, stored: &StoredEntry) -> Result<Option<Reason>, SyncError> {
    let entry = &stored.entry;
    if !context.may_be_shared(&entry.anchor) {
        return Ok(None);
    }
    Ok(space.anchor_rival(stored.key, &entry.anchor)?.map(|rival| anchor_is_shared(&entry.anchor, &rival)))
}

/// Who else on this host has a resource that was disabled here, and has come to have it since.
pub(crate) fn taken_over(
    context: &Context,
    class: &str,
    kind: &str,
    resource: &ResourceId,
    disabled: bool,
) -> Result<Option<Heir>, SyncError> {
    if disabled && !context.shares(class) { context.neighbours.holder(kind, resource) } else { Ok(None) }
}

/// Why the resource that is linked cannot be this entry's any more. The entry is held while the resource is there.
fn obstacle(context: &Context, stored: &StoredEntry, kind: &str) -> Result<Option<Reason>, SyncError> {
    let Some(link) = &stored.link else { return Ok(None) };
    let (class, disabled) = (&stored.entry.object_class, link.state == LinkState::Disabled);
    let taken = taken_over(context, class, &link.kind, &link.resource_id, disabled)?;
    Ok(misfit(context, stored, link, kind).or_else(|| taken.map(|heir| heir.refusal(link.resource_id.as_str(), class))))
}

/// Why an entry and its link do not go together any more.
fn misfit(context: &Context, stored: &StoredEntry, link: &Link, kind: &str) -> Option<Reason> {
    let entry = &stored.entry;
    if link.anchor != entry.anchor {
        let detail = format!(
            "The anchor was {} when the resource {} was linked and is {} now. Restore the old value, or delete the \
             resource to have it made anew.",
            link.anchor, link.resource_id, entry.anchor
        );
        return Some(Reason::new("anchor-changed", detail));
    }
    if link.kind != kind {
        let detail = format!(
            "The rules of {} now make a {kind} of it, but its resource {} is a {}. Delete that resource to have it made \
             anew, or change the rules.",
            context.configuration.name, link.resource_id, link.kind
        );
        return Some(Reason::new("kind-changed", detail));
    }
    None
}

fn provision(
    space: &mut Space,
    context: &Context,
    stored: &StoredEntry,
    mut desired: Desired,
    obstacle: Option<Reason>,
) -> Result<String, SyncError> {
    let decision = PROVISIONED.to_owned();
    let key = stored.key;
    let Some(link) = &stored.link else {
        let body = body_of(desired, None);
        let planned = Planned { key, operation: OperationKind::Create, body };
        put(space, context, stored, planned, PlanState::Unmatched)?;
        return Ok(decision);
    };
    if link.state == LinkState::Disabled {
        let on = TargetValue::Plain(Plain::Boolean(true));
        desired.attributes.entry(context.paths.active.clone()).or_insert(on);
    }
    let changes = attribute_changes(&link.exported, &desired.attributes);
    let references = context.changes || has_reference_changes(link, &desired) || refers_to_leaver(space, link)?;
    let mut body = body_of(desired, Some(link));
    // What a joined or created resource got once is not looked at again.
    body.on_create.clear();
    body.obstacle = obstacle;
    let asked = stored.uncertain || body.obstacle.is_some();
    if !asked && !references && changes.is_empty() && link.state == LinkState::Active {
        space.remove_plan(key)?;
        space.set_waiting(key, &[])?;
        space.clear_escrow(key)?;
        return Ok(decision);
    }
    let state = if asked { PlanState::Unmatched } else { PlanState::Candidate };
    put(space, context, stored, Planned { key, operation: OperationKind::Update, body }, state)?;
    Ok(decision)
}

/// Whether the references differ from those that were exported; what that comes to depends on who else is planned.
fn has_reference_changes(link: &Link, desired: &Desired) -> bool {
    attribute_changes(&link.exported, &desired.attributes).iter().any(|change| {
        matches!(change.change, Change::References { .. } | Change::Set(TargetValue::Reference(_)))
            || matches!(change.old, Some(TargetValue::Reference(_) | TargetValue::References(_)))
    })
}

/// Whether the resource refers to one that is not in use, or is planned to leave.
fn refers_to_leaver(space: &Space, link: &Link) -> Result<bool, SyncError> {
    for value in link.exported.values() {
        let (one, several) = match value {
            TargetValue::Reference(id) => (Some(id), None),
            TargetValue::References(ids) => (None, Some(ids)),
            _ => continue,
        };
        for id in one.into_iter().chain(several.into_iter().flatten()) {
            if space.reference_target(id)?.is_none_or(|target| !target.provisioned) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn body_of(desired: Desired, link: Option<&Link>) -> PlannedBody {
    PlannedBody {
        kind: desired.kind,
        resource_id: link.map(|link| link.resource_id.clone()),
        baseline: link.map(|link| link.exported.clone()).unwrap_or_default(),
        desired: desired.attributes,
        on_create: desired.on_create,
        contributions: desired.contributions,
        alternatives: desired.alternatives,
        notes: desired.notes,
        ..PlannedBody::default()
    }
}

/// Plans what follows for an entry that is gone; true where nothing does and it was forgotten.
fn gone(space: &mut Space, context: &Context, stored: &StoredEntry) -> Result<bool, SyncError> {
    if stored.link.is_none() && !stored.uncertain {
        space.forget_entry(stored.key)?;
        return Ok(true);
    }
    let reason = Reason::new("deleted", "The entry is no longer in the source.");
    let action = context.configuration.leaving.action(&stored.entry.object_class, true);
    leave(space, context, stored, action, reason)?;
    Ok(false)
}

fn out_of_scope(
    space: &mut Space,
    context: &Context,
    stored: &StoredEntry,
    reason: Reason,
    tally: &mut Tally,
) -> Result<String, SyncError> {
    *tally.out_of_scope.entry(reason.code.clone()).or_default() += 1;
    let decision = format!("out of scope: {}: {}", reason.code, reason.detail);
    let action = context.configuration.leaving.action(&stored.entry.object_class, false);
    if stored.link.is_some() || stored.uncertain {
        leave(space, context, stored, action, reason)?;
    } else {
        space.remove_plan(stored.key)?;
        space.clear_escrow(stored.key)?;
        // What was allotted to it, and never exported, is free for others.
        space.remove_link(stored.key)?;
        if stored.decision.as_deref() != Some(decision.as_str()) {
            record::decided(space, context, stored, "skipped", &reason)?;
        }
    }
    Ok(decision)
}

/// Plans what happens to the resource of an entry that left.
fn leave(
    space: &mut Space,
    context: &Context,
    stored: &StoredEntry,
    action: LeavingAction,
    reason: Reason,
) -> Result<(), SyncError> {
    let key = stored.key;
    let Some(link) = &stored.link else {
        // Its creation was under way when the host stopped: only a search at the target can tell whether it exists.
        let kind = context.chain.kind_of(&stored.entry.object_class).unwrap_or_default().to_owned();
        let body = PlannedBody { kind, reason: Some(reason), ..PlannedBody::default() };
        let planned = Planned { key, operation: leaving_operation(action), body };
        return put(space, context, stored, planned, PlanState::Unmatched);
    };
    let disabled = link.state == LinkState::Disabled;
    let operation = match action {
        // Unless a request that enabled it again may have been carried out.
        LeavingAction::Disable if disabled && !stored.gone && !stored.uncertain => {
            space.remove_plan(key)?;
            return Ok(space.clear_escrow(key)?);
        }
        // It is disabled already; all that is left is to forget it.
        LeavingAction::Disable if disabled && !stored.uncertain => OperationKind::Release,
        action => leaving_operation(action),
    };
    // Whether it is so is looked at once more before anything is sent.
    let heir = heir(context, operation, &link.kind, &link.resource_id, &link.anchor)?;
    let instead = heir.is_some().then_some(operation);
    let operation = if heir.is_some() { OperationKind::Release } else { operation };
    if !disabled && space.planned_operation(key)? != Some(operation) {
        space.mark_referrers_dirty(key)?;
    }
    let body = PlannedBody {
        kind: link.kind.clone(),
        resource_id: Some(link.resource_id.clone()),
        baseline: link.exported.clone(),
        reason: Some(reason),
        notes: heir.iter().map(Heir::note).collect(),
        instead,
        ..PlannedBody::default()
    };
    let state = if stored.uncertain { PlanState::Unmatched } else { PlanState::Candidate };
    put(space, context, stored, Planned { key, operation, body }, state)
}

/// Who else on this host has a resource that is about to be deleted or disabled, or waits for it.
pub(crate) fn heir(
    context: &Context,
    operation: OperationKind,
    kind: &str,
    resource: &ResourceId,
    anchor: &Anchor,
) -> Result<Option<Heir>, SyncError> {
    if operation.takes_access_away() { context.neighbours.heir(kind, resource, anchor) } else { Ok(None) }
}

/// Puts an operation into the plan. Where the target is not asked, what has no link is taken for new.
fn put(
    space: &mut Space,
    context: &Context,
    stored: &StoredEntry,
    mut planned: Planned,
    mut state: PlanState,
) -> Result<(), SyncError> {
    if state == PlanState::Unmatched && !context.asks_target {
        if planned.operation != OperationKind::Create && planned.body.resource_id.is_none() {
            return Ok(space.remove_plan(planned.key)?);
        }
        planned.body.notes.push("The target was not asked whether it has the resource already.".into());
        state = PlanState::Candidate;
    }
    Ok(space.put_plan(&planned, &stored.entry.source_id, state)?)
}

/// What is done to a resource whose entry left.
pub(crate) fn leaving_operation(action: LeavingAction) -> OperationKind {
    match action {
        LeavingAction::Delete => OperationKind::Delete,
        LeavingAction::Disable => OperationKind::Disable,
        LeavingAction::Keep => OperationKind::Release,
    }
}
