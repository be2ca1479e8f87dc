//! Finding the resources that are already there: by anchor, then by the attributes that the configuration lists.

mod baseline;
mod listing;
mod search;
mod values;

use provisor_model::{OperationKind, Plain, Reason, SourceId, TargetPath, TargetValue};
use provisor_space::{PlanState, Planned, PlannedBody, Retry, Sent, Space, StoredEntry};
use provisor_target::{RemoteResource, ScimTarget};

pub(crate) use self::baseline::{baseline, resolve_references};

use self::listing::list;
use self::search::{Found, find_all};
pub(crate) use self::values::may_give;
use crate::SyncError;
use crate::context::{Context, Tally};
use crate::decide::hold;
use crate::store::Store;
use crate::watch::Step;

/// How many objects are matched at once.
const PAGE: usize = 500;

/// Up to so many objects, a listing of the target is never cheaper than a query for each.
pub(crate) const ALWAYS_QUERIED: u64 = 25;

/// Finds the resources of everything in the plan that is unmatched, and makes candidates of it.
pub(crate) async fn match_resources(store: &Store, target: &ScimTarget, context: &Context) -> Result<Tally, SyncError> {
    let mut tally = Tally::default();
    let kinds = store.with(|space| Ok(space.plan_kinds(PlanState::Unmatched)?)).await?;
    // What refers to others comes behind them, so that its references can be told.
    let mut kinds: Vec<(String, u64)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(kind, _)| kind.eq_ignore_ascii_case("Group"));
    let mut done = 0;
    for (kind, count) in kinds {
        let must_list = match target.can_find(&kind, &context.paths.external_id).await {
            Ok(can_find) => !can_find,
            // What each object comes to is then told with the object.
            Err(error) if !error.concerns_whole_target() => false,
            Err(error) => return Err(error.into()),
        };
        let listed =
            (must_list || count > ALWAYS_QUERIED) && list(store, target, context, &kind, count, must_list).await?;
        if listed {
            let kind = kind.clone();
            let nobody = move |space: &mut Space| match space.has_remote(&kind)? {
                true => Ok(0),
                // No need to look each of them up.
                false => Ok(space.make_candidates(&kind)?),
            };
            done += store.with(nobody).await?;
        }
        let mut after: Option<SourceId> = None;
        loop {
            if context.watch.stopping() {
                return Err(SyncError::Interrupted);
            }
            let page = page_of(store, &kind, after.take()).await?;
            let Some((_, last)) = page.last() else { break };
            after = Some(last.entry.source_id.clone());
            done += page.len() as u64;
            context.watch.report(Step::Match, done, None);
            let found = find_all(store, target, context, page, listed).await?;
            let (context, target) = (context.clone(), target.clone());
            tally.merge(store.with(move |space| settle(space, &target, &context, found)).await?);
        }
        store.with(|space| Ok(space.clear_remote()?)).await?;
    }
    Ok(tally)
}

/// Whether the target has no resource of a kind at all, for which it is asked for the first of them.
pub(crate) async fn has_none(target: &ScimTarget, kind: &str) -> Result<bool, SyncError> {
    let mut listing = target.list(kind).without_members();
    loop {
        match listing.next_page().await {
            Ok(Some(page)) if page.is_empty() => {}
            Ok(Some(_)) => return Ok(false),
            Ok(None) => return Ok(true),
            // Each is asked for by itself then, and told with the object.
            Err(error) if !error.concerns_whole_target() => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

async fn page_of(store: &Store, kind: &str, after: Option<SourceId>) -> Result<Vec<(Planned, StoredEntry)>, SyncError> {
    let kind = kind.to_owned();
    store
        .with(move |space| {
            let mut page = space.plan_page(PlanState::Unmatched, after.as_ref(), PAGE)?;
            // Pages are read without regard to kind; the last row decides where the next begins, so it stays.
            let mut after = page.last().map(|(_, stored)| stored.entry.source_id.clone());
            page.retain(|(planned, _)| planned.body.kind == kind);
            while page.is_empty() && after.is_some() {
                let next = space.plan_page(PlanState::Unmatched, after.as_ref(), PAGE)?;
                after = next.last().map(|(_, stored)| stored.entry.source_id.clone());
                page = next.into_iter().filter(|(planned, _)| planned.body.kind == kind).collect();
            }
            Ok(page)
        })
        .await
}

/// Writes what was found into the plan.
fn settle(space: &mut Space, target: &ScimTarget, context: &Context, found: Vec<Found>) -> Result<Tally, SyncError> {
    let mut tally = Tally::default();
    space.atomically(|space| -> Result<(), SyncError> {
        for Found { mut planned, stored, outcome } in found {
            let outcome = match outcome {
                Ok(Some(found)) if space.planned_for_another(stored.key, &planned.body.kind, &found.id)? => {
                    let detail = format!("Another entry of this cycle takes the resource {} already.", found.id);
                    Err(Reason::new("belongs-to-another", detail))
                }
                Ok(Some(_)) if planned.body.obstacle.is_some() => planned.body.obstacle.take().map_or(Ok(None), Err),
                outcome => outcome,
            };
            match outcome {
                Err(reason) => {
                    // However often someone only looks, the next cycle tries it.
                    let retry = if context.preview { Retry::NextCycle } else { Retry::Paused };
                    let decision = hold(space, context, &stored, &reason, retry, &mut tally)?;
                    if context.preview {
                        space.note_decision(stored.key, Some(&decision), None)?;
                    } else {
                        space.evaluated(stored.key, &stored.entry.source_id, Some(&decision), None)?;
                    }
                    continue;
                }
                Ok(Some(resource)) => {
                    take(space, target, context, &stored, &mut planned, &resource)?;
                    keep_unique_values(space, &mut planned)?;
                }
                // Nothing has been found out that the stored plan does not say.
                Ok(None) if planned.operation == OperationKind::Create => {
                    space.make_candidate(stored.key)?;
                    continue;
                }
                Ok(None) => {
                    if !leave_unfound(space, &stored, &mut planned)? {
                        continue;
                    }
                }
            }
            space.put_plan(&planned, &stored.entry.source_id, PlanState::Candidate)?;
        }
        Ok(())
    })?;
    Ok(tally)
}

/// Plans with the resource as it was just read.
fn take(
    space: &Space,
    target: &ScimTarget,
    context: &Context,
    stored: &StoredEntry,
    planned: &mut Planned,
    resource: &RemoteResource,
) -> Result<(), SyncError> {
    let body = &mut planned.body;
    let anchor = stored.entry.anchor.to_string();
    let joins = planned.operation == OperationKind::Create;
    if joins {
        planned.operation = OperationKind::Join;
        body.on_create.clear();
        // One that was deleted softly comes back.
        if target.deletes_softly() {
            let (path, on) = (context.paths.active.clone(), TargetValue::Plain(Plain::Boolean(true)));
            body.desired.entry(path).or_insert(on);
        }
    }
    body.resource_id = Some(resource.id.clone());
    let is_ours = resource.external_id.as_deref() == Some(anchor.as_str());
    // What keeps a shared resource goes on to find it by its own anchor, until it lets go of it.
    let shared = context.shares(&stored.entry.object_class) && !is_ours;
    let stays = shared && keeps_anchor(space, context, &body.kind, resource)?;
    body.set_external_id = !is_ours && !stays;
    // What a request of unknown outcome may have set is ours too, so that it goes where it is no longer desired.
    let sent = if stored.uncertain { space.sent(stored.key)? } else { Sent::new() };
    let active = &context.paths.active;
    let by_rule = stored.link.as_ref().is_some_and(|link| link.exported.contains_key(active));
    // A request that was to enable it, and may not have gone out, takes the place of the one that disabled it.
    let disabled_by_us = sent.contains_key(active) || (joins && is_ours);
    let hidden = |path: &TargetPath| !target.shows(&body.kind, path);
    let exported = with_sent(std::mem::take(&mut body.baseline), sent, &body.desired, hidden);
    (body.baseline, body.remote_references) = baseline(target, &body.kind, &body.desired, &exported, resource);
    if stored.uncertain {
        body.notes.push("The outcome of an earlier request was unknown, so the resource was read again.".into());
    }
    if matches!(planned.operation, OperationKind::Join | OperationKind::Update) && !body.desired.contains_key(active) {
        let present = resource.attribute(active, &TargetValue::Plain(Plain::Boolean(true)));
        match present {
            Some(TargetValue::Plain(Plain::Boolean(false))) if disabled_by_us => {
                body.baseline.insert(active.clone(), flag(false));
                body.desired.insert(active.clone(), flag(true));
                body.notes.push("The resource was disabled when its entry left, and is enabled again.".into());
            }
            Some(TargetValue::Plain(Plain::Boolean(false))) if joins => {
                let words = "The resource is not active, and no rule sets \"active\": it is left so.";
                body.notes.push(words.into());
            }
            // Only the host ever set it.
            _ if !by_rule => drop(body.baseline.remove(active)),
            _ => {}
        }
    }
    Ok(())
}

/// What was exported, and what a request of unknown outcome may have set besides. What the target does not show, and is
/// still desired, counts as not set: it is sent once more rather than never.
fn with_sent(mut exported: Sent, sent: Sent, desired: &Sent, hidden: impl Fn(&TargetPath) -> bool) -> Sent {
    for (path, mut value) in sent {
        if hidden(&path) {
            match (&mut value, desired.get(&path)) {
                (TargetValue::References(ids), Some(TargetValue::References(wanted))) => {
                    ids.retain(|id| !wanted.contains(id));
                }
                (_, Some(_)) => continue,
                _ => {}
            }
        }
        match (exported.get_mut(&path), value) {
            (Some(TargetValue::References(known)), TargetValue::References(more)) => known.extend(more),
            (Some(_), _) => {}
            (None, value) => {
                exported.insert(path, value);
            }
        }
    }
    exported
}

/// Whether the externalId of a resource that may be shared is left as it is: it is that of whoever had it first.
fn keeps_anchor(space: &Space, context: &Context, kind: &str, resource: &RemoteResource) -> Result<bool, SyncError> {
    match resource.external_id.as_deref().filter(|other| !other.is_empty()) {
        Some(other) => Ok(!space.was_released(kind, &resource.id, other)?
            && !context.neighbours.was_left_behind(kind, &resource.id, other)?),
        // It may only not be shown.
        None => Ok(context.neighbours.holder(kind, &resource.id)?.is_some()),
    }
}

fn flag(on: bool) -> TargetValue<SourceId> {
    TargetValue::Plain(Plain::Boolean(on))
}

/// A resource keeps the unique value that it has, while that is among the candidates.
fn keep_unique_values(space: &mut Space, planned: &mut Planned) -> Result<(), SyncError> {
    let PlannedBody { baseline, desired, alternatives, .. } = &mut planned.body;
    for (path, candidates) in alternatives.iter() {
        if let Some(TargetValue::Plain(Plain::Text(present))) = baseline.get(path)
            && candidates.contains(present)
        {
            space.allot_unique(planned.key, path, present)?;
            desired.insert(path.clone(), TargetValue::Plain(Plain::Text(present.clone())));
        }
    }
    Ok(())
}

/// The operation for an object whose resource was not found; false where nothing is left to do.
fn leave_unfound(space: &mut Space, stored: &StoredEntry, planned: &mut Planned) -> Result<bool, SyncError> {
    match planned.operation {
        OperationKind::Create | OperationKind::Join => Ok(true),
        // The resource was linked and is no longer there: it is made anew.
        OperationKind::Update => {
            space.forget_resource(stored.key)?;
            planned.body.obstacle = None;
            planned.operation = OperationKind::Create;
            planned.body.resource_id = None;
            planned.body.baseline.clear();
            Ok(true)
        }
        OperationKind::Delete | OperationKind::Disable | OperationKind::Release => {
            space.clear_intent(stored.key)?;
            space.remove_plan(stored.key)?;
            space.remove_link(stored.key)?;
            if stored.gone {
                space.forget_entry(stored.key)?;
            }
            Ok(false)
        }
    }
}
