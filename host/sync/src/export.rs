//! Carrying the plan out: intents before requests, results and links behind them, both in small groups.

use std::collections::VecDeque;
use std::time::Duration;

use provisor_model::{AttributeChange, Change, OperationKind, Plain, Reason, ResourceId, TargetPath, TargetValue};
use provisor_space::{EntryKey, Link, LinkState, Planned, PlannedBody, Retry, Space};
use provisor_target::{RemoteResource, ScimTarget, TargetError, Update};
use tokio::task::JoinSet;

use crate::context::{Context, Tally};
use crate::finalise::{REMOVALS, TargetFacts};
use crate::matching::{baseline, resolve_references};
use crate::record::{self, Record, shown};
use crate::request::{Prepared, Reply, Request, keep_done, prepare, present_in, send, sent_by};
use crate::store::Store;
use crate::watch::Step;
use crate::{SyncError, clock, settle};

/// How many intents or results are stored in one transaction.
const GROUP: usize = 64;

/// How long a result may wait for others to be stored with.
const GATHERING: Duration = Duration::from_millis(20);

/// How often a creation tries another candidate of `first-unique`.
const MOST_ALTERNATIVES: usize = 20;

/// Carries the plan out. Where the target as a whole is away, no object waits longer for it.
pub(crate) async fn export(store: &Store, target: &ScimTarget, context: &Context) -> Result<Tally, SyncError> {
    let outcome = stages(store, target, context).await;
    if matches!(outcome, Err(SyncError::Target(_))) {
        let now = context.now;
        store.with(move |space| Ok(space.excuse_escrow(now)?)).await?;
    }
    outcome
}

/// Goes through the plan stage by stage, with the waiting references between what adds and what takes away.
async fn stages(store: &Store, target: &ScimTarget, context: &Context) -> Result<Tally, SyncError> {
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
    // What was taken in hand and not sent has no request whose outcome could be unknown, unless an earlier one's still is.
    let unsent: Vec<EntryKey> = never_sent(&ready);
    store
        .with(move |space| {
            space.atomically(|space| -> Result<(), SyncError> {
                unsent.iter().try_for_each(|key| Ok(space.clear_intent(*key)?))
            })
        })
        .await?;
    fatal.map_or(Ok(tally), |error| Err(error.into()))
}

/// What has no request whose outcome could be unknown: neither this one nor an earlier one went out.
fn never_sent(unsent: &VecDeque<Prepared>) -> Vec<EntryKey> {
    unsent.iter().filter(|prepared| !prepared.stored.uncertain).map(|prepared| prepared.planned.key).collect()
}

/// Takes the next operations in hand and prepares their requests.
async fn take(store: &Store, context: &Context, phase: u32, wave: u32) -> Result<Vec<Prepared>, SyncError> {
    let context = context.clone();
    store
        .with(move |space| {
            space.atomically(|space| -> Result<_, SyncError> {
                let taken = space.take_planned(phase, wave, GROUP, clock::milliseconds())?;
                taken
                    .into_iter()
                    .map(|(planned, stored)| {
                        let prepared = prepare(space, &context, planned, stored)?;
                        space.note_sent(prepared.planned.key, sent_by(&prepared))?;
                        Ok(prepared)
                    })
                    .collect()
            })
        })
        .await
}

/// Sends one request to its end. A creation that met a conflict, or whose reply was lost, is matched first; an update that
/// met a conflict over a value that was one of several tries the next.
async fn carry_out(
    store: Store,
    target: ScimTarget,
    context: Context,
    prepared: Prepared,
) -> Result<(Prepared, Reply), SyncError> {
    match send(&target, &prepared).await {
        Reply::Failed(error) if may_exist(&prepared, &error) || may_give_way(&prepared, &error) => {
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

/// Whether another candidate of `first-unique` may do where this update met a conflict.
fn may_give_way(prepared: &Prepared, error: &TargetError) -> bool {
    let body = &prepared.planned.body;
    matches!(prepared.planned.operation, OperationKind::Join | OperationKind::Update)
        && matches!(error, TargetError::Conflict { .. })
        && body.alternatives.keys().any(|path| body.desired.get(path) != body.baseline.get(path))
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
        if prepared.planned.operation == OperationKind::Create {
            match target.find(&kind, &context.paths.external_id, &anchor).await {
                Ok(hits) if hits.len() == 1 => {
                    let Some(resource) = hits.into_iter().next() else { break };
                    return adopt(store, target, context, prepared, resource).await;
                }
                Ok(hits) if hits.is_empty() && matches!(error, TargetError::Conflict { .. }) => {}
                _ => break,
            }
        }
        let Some(path) = contested(target, &prepared.planned.body, &error).await else { break };
        let Some(next) = next_alternative(store, prepared.planned.clone(), path).await? else { break };
        let (context, stored) = (context.clone(), prepared.stored.clone());
        prepared = store
            .with(move |space| {
                let prepared = prepare(space, &context, next, stored)?;
                space.note_sent(prepared.planned.key, sent_by(&prepared))?;
                Ok(prepared)
            })
            .await?;
        match send(target, &prepared).await {
            Reply::Failed(again) if may_exist(&prepared, &again) || may_give_way(&prepared, &again) => error = again,
            reply => return Ok((prepared, reply)),
        }
    }
    Ok((prepared, Reply::Failed(error)))
}

/// Which value with alternatives a conflict is about; none where it is about something else, so that no candidate is given
/// up for nothing.
async fn contested(target: &ScimTarget, body: &PlannedBody, error: &TargetError) -> Option<TargetPath> {
    let TargetError::Conflict { detail, .. } = error else { return None };
    let said = detail.to_lowercase();
    let only_one = target.unique_paths(&body.kind).len() <= 1;
    for path in body.alternatives.keys() {
        let placed = body.on_create.get(path).or_else(|| body.desired.get(path));
        let Some(value @ TargetValue::Plain(Plain::Text(text))) = placed else { continue };
        if body.baseline.get(path) == Some(value) {
            continue;
        }
        if said.contains(&text.to_lowercase()) || said.contains(&path.as_str().to_lowercase()) {
            return Some(path.clone());
        }
        // A service may keep names that it does not show, those of deleted accounts for example: where it does not say what
        // the conflict is about, and announces nothing else as unique, it is about this.
        let silent = said.is_empty() && only_one;
        let taken = match target.abilities().filter {
            true => target.find(&body.kind, path, text).await.map_or(silent, |hits| silent || !hits.is_empty()),
            false => silent,
        };
        if taken {
            return Some(path.clone());
        }
    }
    None
}

/// The same operation with the next candidate of this `first-unique` attribute that nobody here has.
async fn next_alternative(store: &Store, mut planned: Planned, path: TargetPath) -> Result<Option<Planned>, SyncError> {
    store
        .with(move |space| {
            let key = planned.key;
            let body = &mut planned.body;
            let Some(candidates) = body.alternatives.get(&path) else { return Ok(None) };
            let place = if body.on_create.contains_key(&path) { &mut body.on_create } else { &mut body.desired };
            let text = |candidate: &String| TargetValue::Plain(Plain::Text(candidate.clone()));
            let Some(present) = candidates.iter().position(|candidate| place.get(&path) == Some(&text(candidate)))
            else {
                return Ok(None);
            };
            for candidate in candidates.iter().skip(present + 1) {
                if space.unique_holder(&path, candidate)?.is_some_and(|holder| holder != key) {
                    continue;
                }
                space.allot_unique(key, &path, candidate)?;
                place.insert(path, text(candidate));
                return Ok(Some(planned));
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
                return fail(space, context, &prepared, Failure::of_this(other), tally);
            }
            log_success(space, context, &prepared, resource_id.as_ref().map(|id| id.as_str()))?;
            keep_done(space, &prepared, resource_id)?;
            *tally.operations.entry(prepared.planned.operation.to_string()).or_default() += 1;
            Ok(())
        }
        Reply::Unfinished { resource_id, error } => {
            if let Some(other) = taken_meanwhile(space, &prepared, Some(&resource_id))? {
                return fail(space, context, &prepared, Failure::of_this(other), tally);
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
            fail(space, context, &prepared, Failure { unknown: true, ..Failure::from(&error) }, tally)
        }
        Reply::Failed(error) => {
            if matches!(error, TargetError::NotFound { .. }) && prepared.planned.operation != OperationKind::Create {
                space.forget_resource(prepared.planned.key)?;
            }
            fail(space, context, &prepared, Failure::from(&error), tally)
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

/// When an object is tried again whose request failed so. What is not the object's own fault, or needs another operation
/// now, does not make it wait.
pub(crate) fn retry_after(error: &TargetError) -> Retry {
    if error.concerns_whole_target() || matches!(error, TargetError::NotFound { .. }) {
        Retry::NextCycle
    } else {
        Retry::Paused
    }
}

/// How a request failed.
struct Failure {
    words: String,
    /// Whether it may have been carried out.
    unknown: bool,
    retry: Retry,
}

impl Failure {
    /// A failure of this object alone, that changed nothing.
    fn of_this(words: String) -> Self {
        Self { words, unknown: false, retry: Retry::Paused }
    }
}

impl From<&TargetError> for Failure {
    fn from(error: &TargetError) -> Self {
        Self { words: error.to_string(), unknown: error.outcome_unknown(), retry: retry_after(error) }
    }
}

/// Puts an object aside whose request failed; it is evaluated and tried again after its pause.
fn fail(
    space: &mut Space,
    context: &Context,
    prepared: &Prepared,
    failure: Failure,
    tally: &mut Tally,
) -> Result<(), SyncError> {
    let Prepared { planned, stored, .. } = prepared;
    let Failure { words, unknown, retry } = failure;
    let key = planned.key;
    space.remove_plan(key)?;
    let next = space.set_escrow(key, &words, context.now, retry)?;
    // What an earlier request of unknown outcome did was read for this attempt alone, so it is read again.
    if !unknown && !stored.uncertain {
        space.clear_intent(key)?;
        give_back(space, prepared)?;
    }
    tally.fail(stored.entry.dn.to_string(), stored.entry.source_id.to_string(), &words);
    log(space, context, prepared, "failure", None, Some((words, record::retry_words(next, context.now))))
}

/// Gives back the values of `first-unique` that did not come to the target, so that others may have them.
fn give_back(space: &mut Space, prepared: &Prepared) -> Result<(), SyncError> {
    let body = &prepared.planned.body;
    let creates = prepared.planned.operation == OperationKind::Create;
    for path in body.alternatives.keys().filter(|path| creates || body.desired.contains_key(*path)) {
        let kept = match body.baseline.get(path) {
            Some(TargetValue::Plain(Plain::Text(text))) => Some(text.as_str()),
            _ => None,
        };
        space.give_back_unique(prepared.planned.key, path, kept)?;
    }
    Ok(())
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
    failure: Option<(String, String)>,
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
    let (error, retry) = failure.unzip();
    steps.push(("export", error.clone().unwrap_or_else(|| done.to_owned())));
    let sets_password = context.configuration.target.dialect.initial_password && body.kind.eq_ignore_ascii_case("User");
    if planned.operation == OperationKind::Create && error.is_none() && sets_password {
        steps.push(("export", "An initial password was set, at random; it was kept nowhere.".to_owned()));
    }
    steps.extend(retry.map(|words| ("retry", words)));
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
            let present = present_in(&link.exported);
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
