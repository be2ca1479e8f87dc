//! Finding the resources that are already there: by anchor, then by the attributes that the configuration lists.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};
use provisor_model::{OperationKind, Plain, Reason, ResourceId, SourceId, TargetPath, TargetValue};
use provisor_space::{PlanState, Planned, PlannedBody, RemoteRow, Space, StoredEntry};
use provisor_target::{RemoteResource, ScimTarget, TargetError};

use crate::SyncError;
use crate::context::{Context, Tally};
use crate::decide::hold;
use crate::effective::plain_to_source;
use crate::store::Store;
use crate::watch::Step;

/// How many objects are matched at once.
const PAGE: usize = 500;

/// Up to so many objects, a listing of the target is never cheaper than a query for each.
const ALWAYS_QUERIED: u64 = 25;

/// What was found for one planned object.
struct Found {
    planned: Planned,
    stored: StoredEntry,
    outcome: Result<Option<RemoteResource>, Reason>,
}

/// Finds the resources of everything in the plan that is unmatched, and makes candidates of it.
pub(crate) async fn match_resources(store: &Store, target: &ScimTarget, context: &Context) -> Result<Tally, SyncError> {
    let mut tally = Tally::default();
    let kinds = store.with(|space| Ok(space.plan_kinds(PlanState::Unmatched)?)).await?;
    // What refers to others comes behind them, so that its references can be told.
    let mut kinds: Vec<(String, u64)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(kind, _)| kind.eq_ignore_ascii_case("Group"));
    let mut done = 0;
    for (kind, count) in kinds {
        let listed = count > ALWAYS_QUERIED && list(store, target, context, &kind, count).await?;
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
            let context = context.clone();
            tally.merge(store.with(move |space| settle(space, &context, found)).await?);
        }
        store.with(|space| Ok(space.clear_remote()?)).await?;
    }
    Ok(tally)
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

/// Lists the target where that is cheaper than a query for each of `count` objects, or the only way. Returns whether
/// it was listed.
async fn list(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    kind: &str,
    count: u64,
) -> Result<bool, SyncError> {
    let mut listing = target.list(kind).without_members();
    let paths: Vec<TargetPath> = match_paths(context, kind);
    let mut listed = 0;
    let mut pages: u64 = 0;
    loop {
        let page = match listing.next_page().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(true),
            // Somebody else wrote in the meantime: what was listed is not to be relied on, so each object is queried.
            Err(TargetError::ListingIncomplete { .. }) if target.abilities().filter => {
                store.with(|space| Ok(space.clear_remote()?)).await?;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        pages += 1;
        listed += page.len() as u64;
        if pages == 1 && target.abilities().filter && !page.is_empty() {
            let total = listing.total().unwrap_or(page.len()) as u64;
            if total.div_ceil(page.len() as u64) > count {
                return Ok(false);
            }
        }
        if context.watch.stopping() {
            return Err(SyncError::Interrupted);
        }
        context.watch.report(Step::Match, listed, listing.total().map(|total| total as u64));
        let (kind, paths, external_id) = (kind.to_owned(), paths.clone(), context.paths.external_id.clone());
        store.with(move |space| keep_listed(space, &kind, &paths, &external_id, page)).await?;
    }
}

fn keep_listed(
    space: &mut Space,
    kind: &str,
    paths: &[TargetPath],
    external_id: &TargetPath,
    page: Vec<RemoteResource>,
) -> Result<(), SyncError> {
    space.atomically(|space| {
        for resource in page {
            let like = TargetValue::Plain(Plain::Text(String::new()));
            let values: Vec<(String, String)> = paths
                .iter()
                .filter_map(|path| {
                    let text = match resource.attribute(path, &like)? {
                        TargetValue::Plain(Plain::Text(text)) => text,
                        _ => return None,
                    };
                    Some((path.as_str().to_ascii_lowercase(), comparable(path, external_id, &text)))
                })
                .collect();
            let row = RemoteRow {
                resource_id: resource.id.clone(),
                external_id: resource.external_id.clone(),
                document: resource.document.to_string(),
            };
            space.add_remote(kind, &row, &values)?;
        }
        Ok(())
    })
}

/// Anchors are compared exactly, names without regard to case.
fn comparable(path: &TargetPath, external_id: &TargetPath, text: &str) -> String {
    if path == external_id { text.to_owned() } else { text.to_lowercase() }
}

/// The attributes by which resources of this kind may be matched.
fn match_paths(context: &Context, kind: &str) -> Vec<TargetPath> {
    let mut paths = vec![context.paths.external_id.clone()];
    for (class, listed) in &context.configuration.matching {
        if context.chain.kind_of(class) == Some(kind) {
            paths.extend(listed.iter().filter(|path| **path != context.paths.external_id).cloned());
        }
    }
    paths
}

async fn find_all(
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

/// The attributes by which this object's resource is looked for, in order, with the values it would have.
fn values_to_match(context: &Context, planned: &Planned, stored: &StoredEntry) -> Vec<(TargetPath, String)> {
    let usual = vec![context.paths.external_id.clone()];
    let paths = context.configuration.matching.get(&stored.entry.object_class).unwrap_or(&usual);
    let value = |path: &TargetPath| match planned.body.desired.get(path) {
        _ if *path == context.paths.external_id => Some(stored.entry.anchor.to_string()),
        Some(TargetValue::Plain(Plain::Text(text))) => Some(text.clone()),
        _ => None,
    };
    paths.iter().filter_map(|path| Some((path.clone(), value(path)?))).collect()
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
        return Ok(Ok(Some(resource)));
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
    let claimed = claim(store, stored, kind, &path, path == context.paths.external_id, resources).await?;
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

/// Whether the one resource that was found may be taken.
async fn claim(
    store: &Store,
    stored: &StoredEntry,
    kind: &str,
    path: &TargetPath,
    is_anchor: bool,
    mut hits: Vec<RemoteResource>,
) -> Result<Result<Option<RemoteResource>, Reason>, SyncError> {
    let Some(resource) = hits.pop() else { return Ok(Ok(None)) };
    let anchor = stored.entry.anchor.to_string();
    if !is_anchor
        && let Some(other) = resource.external_id.as_deref().filter(|other| !other.is_empty() && **other != *anchor)
    {
        let detail = format!(
            "The resource {} has the same {path}, and belongs to another object already (externalId {other}). Nothing was \
             written. If both are the same person, clear its externalId at the target; else change one of the two values.",
            resource.id
        );
        return Ok(Err(Reason::new("belongs-to-another", detail)));
    }
    let (kind, id) = (kind.to_owned(), resource.id.clone());
    let owner = store.with(move |space| Ok(space.owner_of(&kind, &id)?)).await?;
    Ok(match owner {
        Some((key, _, dn)) if key != stored.key => {
            let detail = format!("The resource {} is linked to {dn} already. Nothing was written.", resource.id);
            Err(Reason::new("belongs-to-another", detail))
        }
        _ => Ok(Some(resource)),
    })
}

/// Writes what was found into the plan.
fn settle(space: &mut Space, context: &Context, found: Vec<Found>) -> Result<Tally, SyncError> {
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
                    let decision = hold(space, context, &stored, &reason, &mut tally)?;
                    space.evaluated(stored.key, &decision, None)?;
                    continue;
                }
                Ok(Some(resource)) => {
                    take(&stored, &mut planned, &resource);
                    keep_unique_values(space, &mut planned)?;
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
fn take(stored: &StoredEntry, planned: &mut Planned, resource: &RemoteResource) {
    let body = &mut planned.body;
    if planned.operation == OperationKind::Create {
        planned.operation = OperationKind::Join;
        body.on_create.clear();
    }
    body.resource_id = Some(resource.id.clone());
    body.set_external_id = resource.external_id.as_deref() != Some(stored.entry.anchor.to_string().as_str());
    (body.baseline, body.remote_references) = baseline(&body.desired, &body.baseline, resource);
    if stored.uncertain {
        body.notes.push("The outcome of an earlier request was unknown, so the resource was read again.".into());
    }
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

type Attributes = BTreeMap<TargetPath, TargetValue<SourceId>>;

/// What the target has of what we set, read so that it compares with ours; its references by its own ids, because
/// whose they are may be known only when everything is matched.
pub(crate) fn baseline(
    desired: &Attributes,
    exported: &Attributes,
    resource: &RemoteResource,
) -> (Attributes, BTreeMap<TargetPath, BTreeSet<ResourceId>>) {
    let (mut values, mut references) = (BTreeMap::new(), BTreeMap::new());
    let only_exported = exported.iter().filter(|(path, _)| !desired.contains_key(*path));
    for (path, ours) in desired.iter().chain(only_exported) {
        match resource.attribute(path, &like(ours)) {
            Some(TargetValue::Reference(id)) => {
                references.insert(path.clone(), BTreeSet::from([id]));
            }
            Some(TargetValue::References(ids)) => {
                references.insert(path.clone(), ids);
            }
            Some(value) => values.extend(plain_to_source(value).map(|value| (path.clone(), value))),
            None => {}
        }
    }
    (values, references)
}

/// Adds the references that the target has to the baseline. Members that are not desired are left out: who put them
/// there is not known, so they stay; but for those that an earlier cycle exported.
pub(crate) fn resolve_references(space: &Space, stored: &StoredEntry, body: &mut PlannedBody) -> Result<(), SyncError> {
    for (path, ids) in std::mem::take(&mut body.remote_references) {
        let mut known = BTreeSet::new();
        for id in &ids {
            known.extend(space.source_of(id)?);
        }
        let exported = stored.link.as_ref().and_then(|link| link.exported.get(&path));
        match body.desired.get(&path).or(exported) {
            Some(TargetValue::Reference(_)) => {
                body.baseline.extend(known.into_iter().next().map(|id| (path, TargetValue::Reference(id))));
            }
            Some(TargetValue::References(_)) => {
                let ours = |id: &SourceId| {
                    [body.desired.get(&path), exported]
                        .into_iter()
                        .flatten()
                        .any(|value| matches!(value, TargetValue::References(ids) if ids.contains(id)))
                };
                known.retain(ours);
                body.baseline.insert(path, TargetValue::References(known));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A value of the same sort, for reading the target's.
fn like(value: &TargetValue<SourceId>) -> TargetValue<ResourceId> {
    match value {
        TargetValue::Plain(plain) => TargetValue::Plain(plain.clone()),
        TargetValue::List(values) => TargetValue::List(values.clone()),
        TargetValue::Rows(rows) => TargetValue::Rows(rows.clone()),
        TargetValue::Reference(_) => TargetValue::Reference(ResourceId::new("")),
        TargetValue::References(_) => TargetValue::References(BTreeSet::new()),
    }
}
