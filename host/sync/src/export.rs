//! Carrying the plan out: intents before requests, results and links behind them, both in small groups.

use std::collections::VecDeque;
use std::time::Duration;

use provisor_model::{AttributeChange, Change, OperationKind, Plain, Reason, ResourceId, TargetValue};
use provisor_space::{EntryKey, Link, LinkState, Planned, Space};
use provisor_target::{RemoteResource, ScimTarget, TargetError, Update};
use tokio::task::JoinSet;

use crate::context::{Context, Tally};
use crate::finalise::{REMOVALS, TargetFacts};
use crate::matching::{baseline, resolve_references};
use crate::record::{self, Record, shown};
use crate::request::{Prepared, Reply, Request, keep_done, prepare, send};
use crate::store::Store;
use crate::watch::Step;
use crate::{SyncError, clock, settle};

/// How many intents or results are stored in one transaction.
const GROUP: usize = 64;

/// How long a result may wait for others to be stored with.
const GATHERING: Duration = Duration::from_millis(20);

/// How often a creation tries another candidate of `first-unique`.
const MOST_ALTERNATIVES: usize = 20;

/// Carries the plan out, stage by stage, with the waiting references between what adds and what takes away.
pub(crate) async fn export(store: &Store, target: &ScimTarget, context: &Context) -> Result<Tally, SyncError> {
    let mut tally = Tally::default();
    let total = store.with(|space| Ok(space.plan_counts()?.values().sum::<u64>())).await?;
    let mut settled = false;
    let mut done = 0;
    for (phase, wave) in store.with(|space| Ok(space.plan_stages()?)).await? {
        if phase >= REMOVALS && !settled {
            tally.merge(settle::settle_references(store, target, context).await?);
            settled = true;
        }
        tally.merge(stage(store, target, context, (phase, wave), &mut done, total).await?);
        if context.watch.stopping() {
            return Ok(tally);
        }
    }
    if !settled {
        tally.merge(settle::settle_references(store, target, context).await?);
    }
    Ok(tally)
}

/// Carries out the operations of one stage, with as many under way as the target takes at once.
async fn stage(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    (phase, wave): (u32, u32),
    done: &mut u64,
    total: u64,
) -> Result<Tally, SyncError> {
    let concurrency = target.in_flight().max(1);
    let mut tally = Tally::default();
    let mut ready: VecDeque<Prepared> = VecDeque::new();
    // Tasks of their own, so that requests go on while results are stored. Dropped with this call, they end.
    let mut under_way: JoinSet<Result<(Prepared, Reply), SyncError>> = JoinSet::new();
    let mut results: Vec<(Prepared, Reply)> = Vec::new();
    let mut exhausted = false;
    let mut fatal: Option<TargetError> = None;
    loop {
        let feeding = fatal.is_none() && !context.watch.stopping();
        // All at once, so that what is sent together comes together.
        while feeding && !exhausted && ready.len() < concurrency {
            let taken = take(store, context, phase, wave).await?;
            exhausted = taken.is_empty();
            ready.extend(taken);
        }
        while feeding && under_way.len() < concurrency {
            let Some(prepared) = ready.pop_front() else { break };
            under_way.spawn(carry_out(store.clone(), target.clone(), context.clone(), prepared));
        }
        if under_way.is_empty() {
            break;
        }
        let next = tokio::time::timeout(GATHERING, under_way.join_next()).await;
        let quiet = next.is_err();
        if let Ok(Some(outcome)) = next {
            let (prepared, reply) = outcome.map_err(|error| SyncError::Internal(error.to_string()))??;
            if let Reply::Failed(error) = &reply
                && error.concerns_whole_target()
            {
                fatal.get_or_insert_with(|| error.clone());
            }
            results.push((prepared, reply));
        }
        if results.len() >= GROUP || (quiet && !results.is_empty()) {
            *done += results.len() as u64;
            context.watch.report(Step::Export, *done, Some(total.max(*done)));
            tally.merge(keep(store, context, std::mem::take(&mut results)).await?);
        }
    }
    *done += results.len() as u64;
    context.watch.report(Step::Export, *done, Some(total.max(*done)));
    tally.merge(keep(store, context, results).await?);
    // What was taken in hand and not sent has no request whose outcome could be unknown.
    let unsent: Vec<EntryKey> = ready.iter().map(|prepared| prepared.planned.key).collect();
    store
        .with(move |space| {
            space.atomically(|space| -> Result<(), SyncError> {
                unsent.iter().try_for_each(|key| Ok(space.clear_intent(*key)?))
            })
        })
        .await?;
    fatal.map_or(Ok(tally), |error| Err(error.into()))
}

/// Takes the next operations in hand and prepares their requests.
async fn take(store: &Store, context: &Context, phase: u32, wave: u32) -> Result<Vec<Prepared>, SyncError> {
    let context = context.clone();
    store
        .with(move |space| {
            space.atomically(|space| -> Result<_, SyncError> {
                let taken = space.take_planned(phase, wave, GROUP, clock::milliseconds())?;
                taken.into_iter().map(|(planned, stored)| prepare(space, &context, planned, stored)).collect()
            })
        })
        .await
}

/// Sends one request to its end. A creation that met a conflict, or whose reply was lost, is matched first.
async fn carry_out(
    store: Store,
    target: ScimTarget,
    context: Context,
    prepared: Prepared,
) -> Result<(Prepared, Reply), SyncError> {
    match send(&target, &prepared).await {
        Reply::Failed(error) if may_exist(&prepared, &error) => {
            resolve(&store, &target, &context, prepared, error).await
        }
        reply => Ok((prepared, reply)),
    }
}

/// Keeps what a group of requests came to.
async fn keep(store: &Store, context: &Context, results: Vec<(Prepared, Reply)>) -> Result<Tally, SyncError> {
    if results.is_empty() {
        return Ok(Tally::default());
    }
    let context = context.clone();
    store
        .with(move |space| {
            space.atomically(|space| {
                let mut tally = Tally::default();
                for (prepared, reply) in results {
                    keep_one(space, &context, prepared, reply, &mut tally)?;
                }
                Ok(tally)
            })
        })
        .await
}

fn may_exist(prepared: &Prepared, error: &TargetError) -> bool {
    prepared.planned.operation == OperationKind::Create
        && (matches!(error, TargetError::Conflict { .. }) || error.outcome_unknown())
}

/// Looks whether a resource exists after all that could not be created, or whose creation was not confirmed; else
/// tries the next unique value, where there is one.
async fn resolve(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    mut prepared: Prepared,
    mut error: TargetError,
) -> Result<(Prepared, Reply), SyncError> {
    let kind = prepared.planned.body.kind.clone();
    let anchor = prepared.stored.entry.anchor.to_string();
    for _ in 0..MOST_ALTERNATIVES {
        match target.find(&kind, &context.paths.external_id, &anchor).await {
            Ok(hits) if hits.len() == 1 => {
                let Some(resource) = hits.into_iter().next() else { break };
                return adopt(store, target, context, prepared, resource).await;
            }
            Ok(hits) if hits.is_empty() && matches!(error, TargetError::Conflict { .. }) => {}
            _ => break,
        }
        let Some(next) = next_alternative(store, prepared.planned.clone()).await? else { break };
        let (context, stored) = (context.clone(), prepared.stored.clone());
        prepared = store.with(move |space| prepare(space, &context, next, stored)).await?;
        match send(target, &prepared).await {
            Reply::Failed(again) if may_exist(&prepared, &again) => error = again,
            reply => return Ok((prepared, reply)),
        }
    }
    Ok((prepared, Reply::Failed(error)))
}

/// The same creation with the next candidate of a `first-unique` attribute that nobody here has.
async fn next_alternative(store: &Store, mut planned: Planned) -> Result<Option<Planned>, SyncError> {
    store
        .with(move |space| {
            let key = planned.key;
            let body = &mut planned.body;
            for (path, candidates) in &body.alternatives {
                let place = if body.on_create.contains_key(path) { &mut body.on_create } else { &mut body.desired };
                let is_present =
                    |candidate: &String| place.get(path) == Some(&TargetValue::Plain(Plain::Text(candidate.clone())));
                let Some(present) = candidates.iter().position(is_present) else { continue };
                for candidate in candidates.iter().skip(present + 1) {
                    if space.unique_holder(path, candidate)?.is_some_and(|holder| holder != key) {
                        continue;
                    }
                    space.allot_unique(key, path, candidate)?;
                    place.insert(path.clone(), TargetValue::Plain(Plain::Text(candidate.clone())));
                    return Ok(Some(planned));
                }
            }
            Ok(None)
        })
        .await
}

/// Takes the resource that turned out to exist, and changes what differs.
async fn adopt(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    prepared: Prepared,
    resource: RemoteResource,
) -> Result<(Prepared, Reply), SyncError> {
    let (context, id, asked) = (context.clone(), resource.id.clone(), target.clone());
    let prepared = store
        .with(move |space| {
            let Prepared { mut planned, stored, .. } = prepared;
            (planned.body.baseline, planned.body.remote_references) =
                baseline(&asked, &planned.body.kind, &planned.body.desired, &planned.body.baseline, &resource);
            resolve_references(space, &stored, &mut planned.body)?;
            planned.body.resource_id = Some(id);
            planned.operation = OperationKind::Join;
            planned.body.notes.push("The resource was there already and was found again by its externalId.".into());
            prepare(space, &context, planned, stored)
        })
        .await?;
    let reply = send(target, &prepared).await;
    Ok((prepared, reply))
}

fn keep_one(
    space: &mut Space,
    context: &Context,
    prepared: Prepared,
    reply: Reply,
    tally: &mut Tally,
) -> Result<(), SyncError> {
    match reply {
        Reply::Done { resource_id } => {
            // Somebody may have linked the resource since it was matched; then nothing of ours is overwritten.
            if let Some(other) = taken_meanwhile(space, &prepared, resource_id.as_ref())? {
                return fail(space, context, &prepared, &other, false, tally);
            }
            log_success(space, context, &prepared, resource_id.as_ref().map(|id| id.as_str()))?;
            keep_done(space, &prepared, resource_id)?;
            *tally.operations.entry(prepared.planned.operation.to_string()).or_default() += 1;
            Ok(())
        }
        Reply::Unfinished { resource_id, error } => {
            if let Some(other) = taken_meanwhile(space, &prepared, Some(&resource_id))? {
                return fail(space, context, &prepared, &other, false, tally);
            }
            if prepared.planned.operation == OperationKind::Create {
                // What is known to be there; the rest is found out by reading it before the next attempt.
                let mut exported = prepared.exported.clone();
                exported.retain(|_, value| !matches!(value, TargetValue::References(_)));
                let link = Link {
                    kind: prepared.planned.body.kind.clone(),
                    resource_id,
                    anchor: prepared.stored.entry.anchor.clone(),
                    state: LinkState::Active,
                    exported,
                };
                space.set_link(prepared.planned.key, &link)?;
            }
            fail(space, context, &prepared, &error.to_string(), true, tally)
        }
        Reply::Failed(error) => {
            if matches!(error, TargetError::NotFound { .. }) && prepared.planned.operation != OperationKind::Create {
                space.forget_resource(prepared.planned.key)?;
            }
            fail(space, context, &prepared, &error.to_string(), error.outcome_unknown(), tally)
        }
    }
}

fn taken_meanwhile(
    space: &Space,
    prepared: &Prepared,
    resource_id: Option<&ResourceId>,
) -> Result<Option<String>, SyncError> {
    let Some(id) = resource_id else { return Ok(None) };
    let owner = space.owner_of(&prepared.planned.body.kind, id)?;
    Ok(owner
        .filter(|(key, _, _)| *key != prepared.planned.key)
        .map(|(_, _, dn)| format!("The target answered with the resource {id}, which is linked to {dn} already.")))
}

/// Puts an object aside whose request failed; it is evaluated and tried again in the next cycle.
pub(crate) fn fail(
    space: &mut Space,
    context: &Context,
    prepared: &Prepared,
    error: &str,
    unknown: bool,
    tally: &mut Tally,
) -> Result<(), SyncError> {
    let Prepared { planned, stored, .. } = prepared;
    let key = planned.key;
    space.remove_plan(key)?;
    space.mark_dirty(key, &stored.entry.source_id)?;
    space.set_escrow(key, error, context.now)?;
    // What an earlier request of unknown outcome did was read for this attempt alone, so it is read again.
    if !unknown && !stored.uncertain {
        space.clear_intent(key)?;
    }
    tally.fail(stored.entry.dn.to_string(), stored.entry.source_id.to_string(), error);
    log(space, context, prepared, "failure", None, Some(error.to_owned()))
}

fn log_success(
    space: &mut Space,
    context: &Context,
    prepared: &Prepared,
    resource_id: Option<&str>,
) -> Result<(), SyncError> {
    log(space, context, prepared, "success", resource_id, None)
}

fn log(
    space: &mut Space,
    context: &Context,
    prepared: &Prepared,
    status: &str,
    resource_id: Option<&str>,
    error: Option<String>,
) -> Result<(), SyncError> {
    let Prepared { planned, stored, changes, .. } = prepared;
    let body = &planned.body;
    let mut steps = vec![("scope", scope_words(body.reason.as_ref()))];
    steps.extend(body.notes.iter().map(|note| ("match", note.clone())));
    if planned.operation == OperationKind::Join {
        steps.push(("match", "An existing resource was found and linked.".to_owned()));
    }
    steps.push(("plan", format!("{} with {} changed attributes.", planned.operation, changes.len())));
    let done =
        if matches!(prepared.request, Request::None) { "Nothing had to be sent." } else { "The target accepted it." };
    steps.push(("export", error.clone().unwrap_or_else(|| done.to_owned())));
    let sets_password = context.configuration.target.dialect.initial_password && body.kind.eq_ignore_ascii_case("User");
    if planned.operation == OperationKind::Create && error.is_none() && sets_password {
        steps.push(("export", "An initial password was set, at random; it was kept nowhere.".to_owned()));
    }
    let operation = planned.operation.as_str();
    let resource_id = resource_id.or(body.resource_id.as_ref().map(|id| id.as_str()));
    let record = Record {
        operation,
        status,
        kind: Some(&body.kind),
        resource_id,
        steps,
        changes: shown(changes, &body.contributions),
        reason: body.reason.as_ref(),
        error,
    };
    record::put(space, context, stored, record)
}

fn scope_words(reason: Option<&Reason>) -> String {
    reason.map_or_else(|| "The entry is in scope.".to_owned(), |reason| reason.detail.clone())
}

/// Gives resources whose unique values go round in a circle a temporary one, so that the circle opens.
pub(crate) async fn open_circles(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    circles: Vec<EntryKey>,
    facts: &TargetFacts,
) -> Result<(), SyncError> {
    for key in circles {
        if context.watch.stopping() {
            return Ok(());
        }
        let found = store.with(move |space| Ok(space.link(key)?.zip(space.planned(key)?))).await?;
        let Some((mut link, planned)) = found else { continue };
        for path in facts.kinds.get(&link.kind).map(|facts| facts.unique.clone()).unwrap_or_default() {
            let Some(TargetValue::Plain(Plain::Text(old))) = link.exported.get(&path) else { continue };
            if planned.body.desired.get(&path) == link.exported.get(&path) {
                continue;
            }
            let temporary = Plain::Text(format!("swap-{}-{old}", key.number()));
            let change = Change::Set(TargetValue::Plain(temporary.clone()));
            let old = Some(TargetValue::Plain(Plain::Text(old.clone())));
            let changes = [AttributeChange { path: path.clone(), old, change }];
            let present = link.exported.keys().cloned().collect();
            // The intent stays until the final value has gone out, so that a temporary one is never left behind.
            store.with(move |space| Ok(space.set_intent(key, OperationKind::Update, clock::milliseconds())?)).await?;
            let update = Update { kind: &link.kind, id: &link.resource_id, present: &present, changes: &changes };
            match target.update(&update).await {
                Ok(_) => {}
                Err(error) if error.concerns_whole_target() => return Err(error.into()),
                Err(error) => {
                    // The final values then meet a conflict, each of which is reported with its object.
                    tracing::warn!(resource = %link.resource_id, %error, "A temporary unique value was refused.");
                    continue;
                }
            }
            link.exported.insert(path, TargetValue::Plain(temporary));
            let kept = link.clone();
            store.with(move |space| Ok(space.set_link(key, &kept)?)).await?;
        }
    }
    Ok(())
}
