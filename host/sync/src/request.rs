//! From a planned operation to the request that carries it out, and from its reply to what is kept.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{
    AttributeChange, Change, OperationKind, Plain, ResourceId, SourceId, TargetPath, TargetValue, attribute_changes,
};
use provisor_space::{EntryHead, Leftovers, Link, LinkState, Planned, Sent, Space, Waiting};
use provisor_target::{NewResource, ScimTarget, TargetError, Update};

use crate::SyncError;
use crate::context::Context;
use crate::effective::{Effective, Reach, effective_of, to_target, value_to_target};
use crate::record::{Shown, shown, shown_as_new};

/// What is sent for one planned operation.
pub(crate) enum Request {
    /// Nothing: only the link changes.
    None,
    /// A new resource.
    Create { external_id: String, resources: BTreeMap<SourceId, ResourceId> },
    /// Changes of one that is there.
    Update { id: ResourceId, present: BTreeSet<TargetPath>, changes: Vec<AttributeChange<ResourceId>> },
    /// The end of one.
    Delete { id: ResourceId },
}

/// A planned operation with its request, ready to go out.
pub(crate) struct Prepared {
    pub planned: Planned,
    pub head: EntryHead,
    pub request: Request,
    /// What will have been exported when it succeeds.
    pub exported: BTreeMap<TargetPath, TargetValue<SourceId>>,
    /// References that still wait after it.
    pub waiting: Vec<Waiting>,
    /// What is set besides when it is created.
    pub on_create: Sent,
    /// The changes of a resource that is there.
    pub changes: Vec<AttributeChange<SourceId>>,
}

impl Prepared {
    /// The changes as the log shows them; those of a new resource are all that it gets.
    pub fn shown(&self) -> Vec<Shown<'_>> {
        let contributions = &self.planned.body.contributions;
        match self.planned.operation {
            OperationKind::Create => shown_as_new(self.exported.iter().chain(&self.on_create), contributions),
            _ => shown(&self.changes, contributions),
        }
    }
}

/// How a request ended.
pub(crate) enum Reply {
    /// As it should.
    Done { resource_id: Option<ResourceId> },
    /// The resource is there, but not all references have arrived: it is read again before the next attempt.
    Unfinished { resource_id: ResourceId, error: TargetError },
    /// It failed.
    Failed(TargetError),
}

/// Makes the request for a planned operation. What is desired moves out of the plan's body, but where a candidate of
/// `first-unique` may have to give way.
pub(crate) fn prepare(
    space: &Space,
    context: &Context,
    mut planned: Planned,
    head: EntryHead,
) -> Result<Prepared, SyncError> {
    let body = &mut planned.body;
    let no_resource = || SyncError::Internal(format!("the plan for {} names no resource", head.dn));
    let (desired, for_creation) = match body.alternatives.is_empty() {
        true => (std::mem::take(&mut body.desired), std::mem::take(&mut body.on_create)),
        false => (body.desired.clone(), body.on_create.clone()),
    };
    let (mut exported, mut waiting, mut changes, mut on_create) = (Sent::new(), Vec::new(), Vec::new(), Sent::new());
    let request = match planned.operation {
        OperationKind::Create => {
            let wanted = effective_of(space, desired, &body.baseline, Reach::Now)?;
            let besides = effective_of(space, for_creation, &body.baseline, Reach::Now)?;
            let mut resources = wanted.resources;
            resources.extend(besides.resources);
            (exported, waiting, on_create) = (wanted.attributes, wanted.waiting, besides.attributes);
            Request::Create { external_id: head.anchor.to_string(), resources }
        }
        OperationKind::Join | OperationKind::Update => {
            let id = body.resource_id.clone().ok_or_else(no_resource)?;
            let wanted = effective_of(space, desired, &body.baseline, Reach::Now)?;
            changes = attribute_changes(&body.baseline, &wanted.attributes);
            let mut sent = to_target(space, &changes, &wanted)?;
            if body.set_external_id {
                let anchor = TargetValue::Plain(Plain::Text(head.anchor.to_string()));
                sent.push(AttributeChange {
                    path: context.paths.external_id.clone(),
                    old: None,
                    change: Change::Set(anchor),
                });
            }
            (exported, waiting) = (wanted.attributes, wanted.waiting);
            // What only the host set, to enable it again, is no rule's: the next update must not take it away.
            if !body.contributions.contains_key(&context.paths.active) {
                exported.remove(&context.paths.active);
            }
            let present = present_in(&body.baseline);
            if sent.is_empty() { Request::None } else { Request::Update { id, present, changes: sent } }
        }
        OperationKind::Disable => {
            let id = body.resource_id.clone().ok_or_else(no_resource)?;
            exported.clone_from(&body.baseline);
            let path = context.paths.active.clone();
            let off = TargetValue::Plain(Plain::Boolean(false));
            let old = body.baseline.get(&path).cloned();
            exported.insert(path.clone(), off.clone());
            changes = vec![AttributeChange { path: path.clone(), old: old.clone(), change: Change::Set(off) }];
            let sent = to_target(space, &changes, &Effective::default())?;
            Request::Update { id, present: present_in(&body.baseline), changes: sent }
        }
        OperationKind::Delete => Request::Delete { id: body.resource_id.clone().ok_or_else(no_resource)? },
        OperationKind::Release => Request::None,
    };
    Ok(Prepared { planned, head, request, exported, waiting, on_create, changes })
}

/// What a request sets, for the case that its outcome is never known.
pub(crate) fn sent_by(prepared: &Prepared) -> Cow<'_, Sent> {
    match prepared.request {
        Request::Create { .. } => Cow::Borrowed(&prepared.exported),
        Request::Update { .. } => Cow::Owned(sent_in(&prepared.changes)),
        Request::None | Request::Delete { .. } => Cow::Owned(Sent::new()),
    }
}

/// The paths at which a resource has something from us. An empty list is nothing: services leave it out of what they show.
pub(crate) fn present_in(exported: &Sent) -> BTreeSet<TargetPath> {
    let is_empty = |value: &TargetValue<SourceId>| matches!(value, TargetValue::References(ids) if ids.is_empty());
    exported.iter().filter(|(_, value)| !is_empty(value)).map(|(path, _)| path.clone()).collect()
}

/// What changes set.
pub(crate) fn sent_in(changes: &[AttributeChange<SourceId>]) -> Sent {
    let values = changes.iter().filter_map(|change| {
        let value = match &change.change {
            Change::Set(value) => value.clone(),
            Change::References { add, .. } if !add.is_empty() => TargetValue::References(add.clone()),
            Change::References { .. } | Change::Remove => return None,
        };
        Some((change.path.clone(), value))
    });
    values.collect()
}

/// Sends the request.
pub(crate) async fn send(target: &ScimTarget, prepared: &Prepared) -> Reply {
    let kind = prepared.planned.body.kind.as_str();
    let resource_id = prepared.planned.body.resource_id.clone();
    match &prepared.request {
        Request::None => Reply::Done { resource_id },
        Request::Create { external_id, resources } => {
            let attributes = prepared
                .on_create
                .iter()
                .chain(&prepared.exported)
                .filter(|(_, value)| !matches!(value, TargetValue::References(ids) if ids.is_empty()))
                .filter_map(|(path, value)| Some((path.clone(), value_to_target(value, resources)?)))
                .collect();
            match target.create(&NewResource { kind, external_id, attributes: &attributes }).await {
                Ok(created) => match created.unfinished {
                    None => Reply::Done { resource_id: Some(created.resource.id) },
                    Some(error) => Reply::Unfinished { resource_id: created.resource.id, error },
                },
                Err(error) => Reply::Failed(error),
            }
        }
        Request::Update { id, present, changes } => match target.update(&Update { kind, id, present, changes }).await {
            Ok(updated) => match updated.unfinished {
                None => Reply::Done { resource_id },
                Some(error) => Reply::Unfinished { resource_id: id.clone(), error },
            },
            Err(error) => Reply::Failed(error),
        },
        Request::Delete { id } => match target.delete(kind, id).await {
            Ok(()) => Reply::Done { resource_id },
            Err(error) => Reply::Failed(error),
        },
    }
}

/// Keeps what follows from a request that succeeded, but for the log and the plan's row, which goes with those around it.
/// Where another entry has the resource, nothing is kept, and false returned.
pub(crate) fn keep_done(
    space: &mut Space,
    prepared: &mut Prepared,
    resource_id: Option<&ResourceId>,
    leftovers: Leftovers,
) -> Result<bool, SyncError> {
    let Prepared { planned, head, exported, waiting, .. } = prepared;
    let key = planned.key;
    let ends = matches!(planned.operation, OperationKind::Delete | OperationKind::Release);
    if ends {
        space.remove_link(key)?;
    } else {
        let resource_id = resource_id.ok_or_else(|| SyncError::Internal("a reply names no resource".into()))?;
        let disabled = planned.operation == OperationKind::Disable;
        let link = Link {
            kind: planned.body.kind.clone(),
            resource_id: resource_id.clone(),
            anchor: head.anchor.clone(),
            state: if disabled { LinkState::Disabled } else { LinkState::Active },
            exported: std::mem::take(exported),
        };
        let is_new = matches!(planned.operation, OperationKind::Create | OperationKind::Join);
        if (is_new || !space.update_link(key, &link)?) && !space.link_unless_taken(key, &link)? {
            *exported = link.exported;
            return Ok(false);
        }
        if leftovers.waiting || !waiting.is_empty() {
            space.set_waiting(key, if disabled { &[] } else { waiting })?;
        }
    }
    space.clear_intent(key)?;
    if leftovers.escrow {
        space.clear_escrow(key)?;
    }
    if head.gone && (ends || planned.operation == OperationKind::Disable) {
        space.forget_entry(key)?;
    }
    Ok(true)
}
