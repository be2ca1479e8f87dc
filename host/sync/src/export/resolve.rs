//! Sending one operation to its end: what may exist already is looked for, and a contested value gives way to the next.

use provisor_model::{OperationKind, Plain, TargetPath, TargetValue};
use provisor_space::{Planned, PlannedBody, StoredEntry};
use provisor_target::{RemoteResource, ScimTarget, TargetError};

use super::leaving::{Look, look};
use crate::SyncError;
use crate::context::Context;
use crate::matching::{baseline, resolve_references};
use crate::request::{Prepared, Reply, prepare, send, sent_by};
use crate::store::Store;

/// How often a creation tries another candidate of `first-unique`.
const MOST_ALTERNATIVES: usize = 20;

/// Sends one request to its end. A creation that met a conflict, or whose reply was lost, is matched first; an update that
/// met a conflict over a value that was one of several tries the next.
pub(super) async fn carry_out(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    prepared: Prepared,
) -> Result<(Prepared, Reply), SyncError> {
    let prepared = match look(store, target, context, prepared).await? {
        Look::Send(prepared) => prepared,
        Look::Ended(prepared, reply) => return Ok((prepared, reply)),
    };
    match send(target, &prepared).await {
        Reply::Failed(error) if may_exist(&prepared, &error) || may_give_way(&prepared, &error) => {
            resolve(store, target, context, prepared, error).await
        }
        reply => Ok((prepared, reply)),
    }
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
    let anchor = prepared.head.anchor.to_string();
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
        let (context, head) = (context.clone(), prepared.head.clone());
        prepared = store
            .with(move |space| {
                let prepared = prepare(space, &context, next, head)?;
                space.note_sent(prepared.planned.key, sent_by(&prepared).into_owned())?;
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
            let Prepared { mut planned, head, .. } = prepared;
            let stored = space.entry(head.key)?.ok_or_else(|| SyncError::Internal("an entry has gone".into()))?;
            // What is desired went into the request that met it.
            if planned.body.alternatives.is_empty()
                && let Some(again) = space.planned(head.key)?
            {
                planned.body = again.body;
            }
            // Not this attempt's intent, whose request is the one that is looked into.
            let stored = StoredEntry { uncertain: head.uncertain, ..stored };
            (planned.body.baseline, planned.body.remote_references) =
                baseline(&asked, &planned.body.kind, &planned.body.desired, &planned.body.baseline, &resource);
            resolve_references(space, &stored, &mut planned.body)?;
            planned.body.resource_id = Some(id);
            planned.operation = OperationKind::Join;
            planned.body.notes.push("The resource was there already and was found again by its externalId.".into());
            prepare(space, &context, planned, head)
        })
        .await?;
    let reply = send(target, &prepared).await;
    Ok((prepared, reply))
}
