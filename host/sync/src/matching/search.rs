//! Looking one object's resource up: by its id, in the listing, or by a query.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use provisor_model::{Anchor, OperationKind, Reason, ResourceId, TargetPath, TargetValue};
use provisor_space::{Planned, RemoteRow, Space, StoredEntry};
use provisor_target::{RemoteResource, ScimTarget};

use super::listing::comparable;
use super::values::values_to_match;
use crate::SyncError;
use crate::context::Context;
use crate::ownership::{given_away, others_anchor};
use crate::store::Store;

/// What was found for one planned object.
pub(super) struct Found {
    pub planned: Planned,
    pub stored: StoredEntry,
    pub outcome: Result<Option<RemoteResource>, Reason>,
}

pub(super) async fn find_all(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    page: Vec<(Planned, StoredEntry)>,
    listed: bool,
) -> Result<Vec<Found>, SyncError> {
    let concurrency = context.configuration.target.concurrency.max(1);
    let candidates = candidates(store, context, page, listed).await?;
    let found: Vec<Result<Found, SyncError>> = stream::iter(candidates)
        .map(|(planned, stored, hits)| find(store, target, context, planned, stored, hits))
        .buffered(concurrency)
        .collect()
        .await;
    found.into_iter().collect()
}

/// What was found by one attribute.
struct Hits {
    path: TargetPath,
    value: String,
    resources: Vec<RemoteResource>,
}

/// Where the target was listed, the first attribute of each object that has hits in the listing, for a page at once;
/// `None` in place of the hits where it was not listed.
async fn candidates(
    store: &Store,
    context: &Context,
    page: Vec<(Planned, StoredEntry)>,
    listed: bool,
) -> Result<Vec<(Planned, StoredEntry, Option<Option<Hits>>)>, SyncError> {
    if !listed {
        return Ok(page.into_iter().map(|(planned, stored)| (planned, stored, None)).collect());
    }
    let context = context.clone();
    store
        .with(move |space| {
            page.into_iter()
                .map(|(planned, stored)| {
                    let hits = listed_hits(space, &context, &planned, &stored)?;
                    Ok((planned, stored, Some(hits)))
                })
                .collect()
        })
        .await
}

fn listed_hits(
    space: &Space,
    context: &Context,
    planned: &Planned,
    stored: &StoredEntry,
) -> Result<Option<Hits>, SyncError> {
    for (path, value) in values_to_match(context, planned, stored) {
        let key = comparable(&path, &context.paths.external_id, &value);
        let rows = space.find_remote(&planned.body.kind, &path.as_str().to_ascii_lowercase(), &key)?;
        if !rows.is_empty() {
            let resources = rows.into_iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
            return Ok(Some(Hits { path, value, resources }));
        }
    }
    Ok(None)
}

async fn find(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    planned: Planned,
    stored: StoredEntry,
    listed: Option<Option<Hits>>,
) -> Result<Found, SyncError> {
    let outcome = match ask(store, target, context, &planned, &stored, listed).await {
        Ok(outcome) => outcome,
        // What concerns this object alone holds this object alone.
        Err(SyncError::Target(error)) if !error.concerns_whole_target() => {
            Err(Reason::new("match-failed", format!("Whether the target has it could not be found out: {error}")))
        }
        Err(error) => return Err(error),
    };
    Ok(Found { planned, stored, outcome })
}

async fn ask(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    planned: &Planned,
    stored: &StoredEntry,
    listed: Option<Option<Hits>>,
) -> Result<Result<Option<RemoteResource>, Reason>, SyncError> {
    let kind = &planned.body.kind;
    if let Some(id) = &planned.body.resource_id
        && let Some(resource) = target.read(kind, id).await?
    {
        return own(store, target, context, (planned, stored), resource).await;
    }
    let was_listed = listed.is_some();
    let hits = match listed {
        Some(hits) => hits,
        None => query(target, context, planned, stored).await?,
    };
    let Some(Hits { path, value, resources }) = hits else { return Ok(Ok(None)) };
    if resources.len() > 1 {
        return Ok(Err(several(&path, &value, resources.len(), &resources)));
    }
    let claimed = claim(store, context, stored, kind, &path, resources).await?;
    match claimed {
        // A listing leaves members out.
        Ok(Some(resource)) if was_listed && has_references(planned) => Ok(Ok(target.read(kind, &resource.id).await?)),
        claimed => Ok(claimed),
    }
}

async fn query(
    target: &ScimTarget,
    context: &Context,
    planned: &Planned,
    stored: &StoredEntry,
) -> Result<Option<Hits>, SyncError> {
    for (path, value) in values_to_match(context, planned, stored) {
        let resources = target.find(&planned.body.kind, &path, &value).await?;
        if !resources.is_empty() {
            return Ok(Some(Hits { path, value, resources }));
        }
    }
    Ok(None)
}

fn has_references(planned: &Planned) -> bool {
    planned.body.desired.values().any(|value| matches!(value, TargetValue::References(_)))
}

fn from_row(row: RemoteRow) -> Result<RemoteResource, SyncError> {
    let document = serde_json::from_str(&row.document).map_err(provisor_space::SpaceError::from)?;
    Ok(RemoteResource { id: row.resource_id, external_id: row.external_id, document })
}

fn several(path: &TargetPath, value: &str, count: usize, hits: &[RemoteResource]) -> Reason {
    let ids: Vec<&str> = hits.iter().take(5).map(|hit| hit.id.as_str()).collect();
    let detail = format!(
        "{count} resources of the target have {path} \"{value}\": {}. Nothing was written. Remove or correct all but one of them.",
        ids.join(", ")
    );
    Reason::new("several-matches", detail)
}

/// Whether a resource that is linked is still this entry's: somebody may have given it to another object. Of those who
/// leave, that is looked at when it comes to it.
async fn own(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    (planned, stored): (&Planned, &StoredEntry),
    resource: RemoteResource,
) -> Result<Result<Option<RemoteResource>, Reason>, SyncError> {
    let stays = matches!(planned.operation, OperationKind::Create | OperationKind::Join | OperationKind::Update);
    if !stays || context.shares(&stored.entry.object_class) {
        return Ok(Ok(Some(resource)));
    }
    let anchors: Vec<&Anchor> =
        std::iter::once(&stored.entry.anchor).chain(stored.link.as_ref().map(|link| &link.anchor)).collect();
    let place = (stored.key, planned.body.kind.as_str());
    match given_away(store, target, context, place, &anchors, &resource).await? {
        Some(other) => {
            let detail = format!(
                "The resource {} has been given to another object (externalId {other}). Nothing was written. Put its externalId \
                 right at the target, or take one of the two objects out of scope.",
                resource.id
            );
            Ok(Err(Reason::new("belongs-to-another", detail)))
        }
        None => Ok(Ok(Some(resource))),
    }
}

/// Whether the one resource that was found may be taken.
async fn claim(
    store: &Store,
    context: &Context,
    stored: &StoredEntry,
    kind: &str,
    path: &TargetPath,
    mut hits: Vec<RemoteResource>,
) -> Result<Result<Option<RemoteResource>, Reason>, SyncError> {
    let Some(resource) = hits.pop() else { return Ok(Ok(None)) };
    let class = stored.entry.object_class.clone();
    let id = resource.id.clone();
    let (asked, resource_kind) = (id.clone(), kind.to_owned());
    let owner = store.with(move |space| Ok(space.owner_of(&resource_kind, &asked)?)).await?;
    if let Some((key, _, dn)) = owner.filter(|(key, ..)| *key != stored.key) {
        let leaves = store.with(move |space| Ok(space.entry(key)?.is_some_and(|owner| owner.gone))).await?;
        let detail = match leaves {
            true => format!(
                "The resource {id} is that of {dn}, which is no longer in the source. Nothing has to be done: when that resource \
                 has gone, the next cycle tries this object again."
            ),
            false => format!("The resource {id} is linked to {dn} already. Nothing was written."),
        };
        return Ok(Err(Reason::new("belongs-to-another", detail)));
    }
    if context.shares(&class) {
        return Ok(Ok(Some(resource)));
    }
    let (neighbours, asked) = (Arc::clone(&context.neighbours), kind.to_owned());
    let kept = store.with(move |_| neighbours.holder(&asked, &id)).await?;
    let anchor = &stored.entry.anchor;
    let other = others_anchor(&resource, std::iter::once(anchor));
    // One that has our anchor, and that another configuration shares under its own, is ours.
    let is_ours = resource.external_id.is_some() && other.is_none();
    if let Some(heir) = kept.filter(|heir| !is_ours || heir.anchor() == anchor) {
        return Ok(Err(heir.refusal(resource.id.as_str(), &class)));
    }
    let Some(other) = other else { return Ok(Ok(Some(resource))) };
    if released(store, kind, &resource.id, &other).await? {
        return Ok(Ok(Some(resource)));
    }
    let detail = format!(
        "The resource {} has the same {path}, and belongs to another object already (externalId {other}). Nothing was \
         written. Take one of the two out of scope, or change one of the two values. If both are the same and what keeps \
         the resource now may share it, add shared = [\"{class}\"] to this configuration.",
        resource.id
    );
    Ok(Err(Reason::new("belongs-to-another", detail)))
}

/// Whether another configuration of this host kept the resource too, under this anchor, and let go of it for this one.
async fn released(store: &Store, kind: &str, resource: &ResourceId, anchor: &str) -> Result<bool, SyncError> {
    let (kind, resource, anchor) = (kind.to_owned(), resource.clone(), anchor.to_owned());
    store.with(move |space| Ok(space.was_released(&kind, &resource, &anchor)?)).await
}
