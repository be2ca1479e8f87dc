//! The last look before access is taken away: whether anybody else keeps the resource by now.

use std::sync::Arc;

use provisor_model::OperationKind;
use provisor_target::ScimTarget;

use crate::context::Context;
use crate::ownership::given_away;
use crate::request::{Prepared, Reply, Request, prepare};
use crate::store::Store;
use crate::{SyncError, clock};

/// What is to be done after the look.
pub(super) enum Look {
    /// The request is sent.
    Send(Prepared),
    /// It is known without one how it ends.
    Ended(Prepared, Reply),
}

/// Looks whether an operation that ends a link may do so. What another configuration of this host keeps, or is to have,
/// is left to that; what has been given to another object is let go of.
pub(super) async fn look(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    mut prepared: Prepared,
) -> Result<Look, SyncError> {
    let operation = prepared.planned.operation;
    let ends = operation.takes_access_away() || operation == OperationKind::Release;
    let (Some(id), true) = (prepared.planned.body.resource_id.clone(), ends) else { return Ok(Look::Send(prepared)) };
    if context.neighbours.is_empty() && operation == OperationKind::Release {
        return Ok(Look::Send(prepared));
    }
    let (key, kind) = (prepared.planned.key, prepared.planned.body.kind.clone());
    let linked = store.with(move |space| Ok(space.link(key)?)).await?;
    let anchor = linked.map_or_else(|| prepared.head.anchor.clone(), |link| link.anchor);
    if !context.neighbours.is_empty() {
        let (neighbours, kind, id, anchor) =
            (Arc::clone(&context.neighbours), kind.clone(), id.clone(), anchor.clone());
        let heir = store.with(move |_| neighbours.leave_to(&kind, &id, &anchor, clock::milliseconds())).await?;
        let intended = prepared.planned.body.instead.take();
        prepared = match (heir, intended) {
            (Some(heir), intended) => {
                // Where the plan has it already, it is noted.
                let note = (intended.is_none() && operation != OperationKind::Release).then(|| heir.note());
                prepared.planned.body.notes.extend(note);
                return Ok(released(prepared));
            }
            // Whom it was to be left to does not want it any more.
            (None, Some(intended)) => planned_anew(store, context, prepared, intended).await?,
            (None, None) => prepared,
        };
    }
    if !prepared.planned.operation.takes_access_away() {
        return Ok(Look::Send(prepared));
    }
    let resource = match target.read(&kind, &id).await {
        Ok(Some(resource)) => resource,
        Ok(None) => return Ok(Look::Send(prepared)),
        Err(error) => return Ok(Look::Ended(prepared, Reply::Failed(error))),
    };
    let anchors = [&anchor, &prepared.head.anchor];
    let Some(other) = given_away(store, target, context, (key, &kind), &anchors, &resource).await? else {
        return Ok(Look::Send(prepared));
    };
    tracing::warn!(
        configuration = context.configuration.name,
        "The resource {id} of {} has been given to another object (externalId {other}): it is left as it is.",
        prepared.head.dn
    );
    prepared.planned.body.notes.push(format!(
        "The resource is another object's by now (externalId {other}), so it is let go of and stays as it is."
    ));
    Ok(released(prepared))
}

/// The link ends, and nothing is sent.
fn released(mut prepared: Prepared) -> Look {
    let resource_id = prepared.planned.body.resource_id.clone();
    prepared.planned.operation = OperationKind::Release;
    (prepared.request, prepared.changes) = (Request::None, Vec::new());
    Look::Ended(prepared, Reply::Done { resource_id })
}

/// The operation that was intended at first.
async fn planned_anew(
    store: &Store,
    context: &Context,
    prepared: Prepared,
    intended: OperationKind,
) -> Result<Prepared, SyncError> {
    let Prepared { mut planned, head, .. } = prepared;
    planned.operation = intended;
    planned.body.notes.clear();
    let context = context.clone();
    store.with(move |space| prepare(space, &context, planned, head)).await
}
