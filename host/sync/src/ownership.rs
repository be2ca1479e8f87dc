//! Whose a resource is: told by the externalId that it carries, where the target keeps those as they were sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use provisor_model::Anchor;
use provisor_space::{EntryKey, Space};
use provisor_target::{RemoteResource, ScimTarget};

use crate::SyncError;
use crate::context::Context;
use crate::store::Store;

/// How many resources are looked at to find out whether the target keeps anchors.
const WITNESSES: usize = 3;

/// Whether the target keeps the anchors of a kind as they are sent, found out once in a cycle.
#[derive(Default)]
pub(crate) struct AnchorsKept(Mutex<BTreeMap<String, bool>>);

/// The externalId of a resource, where it is none of these anchors.
pub(crate) fn others_anchor<'a>(
    resource: &RemoteResource,
    mut anchors: impl Iterator<Item = &'a Anchor>,
) -> Option<String> {
    let other = resource.external_id.as_deref().filter(|other| !other.is_empty())?;
    anchors.all(|anchor| anchor.to_string() != other).then(|| other.to_owned())
}

/// The externalId of a resource that was this entry's, where it is another object's by now.
///
/// # Errors
/// When the target as a whole or a connector space cannot be used.
pub(crate) async fn given_away(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    (key, kind): (EntryKey, &str),
    anchors: &[&Anchor],
    resource: &RemoteResource,
) -> Result<Option<String>, SyncError> {
    let Some(other) = others_anchor(resource, anchors.iter().copied()) else { return Ok(None) };
    let (neighbours, id) = (Arc::clone(&context.neighbours), resource.id.clone());
    let (asked, anchor) = (kind.to_owned(), other.clone());
    // What another configuration of this host had, and has no more, is this one's.
    let inherited = move |space: &mut Space| {
        Ok(space.was_released(&asked, &id, &anchor)? || neighbours.was_left_behind(&asked, &id, &anchor)?)
    };
    if store.with(inherited).await? || !keeps_anchors(store, target, context, (key, kind)).await? {
        return Ok(None);
    }
    Ok(Some(other))
}

/// Whether the target shows the externalId of other resources as it was sent. Where nothing tells, it is believed.
async fn keeps_anchors(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    (key, kind): (EntryKey, &str),
) -> Result<bool, SyncError> {
    let known = &context.anchors_kept.0;
    if let Some(keeps) = known.lock().unwrap_or_else(PoisonError::into_inner).get(kind) {
        return Ok(*keeps);
    }
    let asked = kind.to_owned();
    let witnesses = store.with(move |space| Ok(space.links_beside(key, &asked, WITNESSES)?)).await?;
    let mut keeps = true;
    for (id, anchor) in witnesses {
        match target.read(kind, &id).await {
            Ok(Some(witness)) => {
                if let Some(shown) = witness.external_id {
                    keeps = shown == anchor.to_string();
                    break;
                }
            }
            Ok(None) => {}
            Err(error) if error.concerns_whole_target() => return Err(error.into()),
            Err(_) => {}
        }
    }
    known.lock().unwrap_or_else(PoisonError::into_inner).insert(kind.to_owned(), keeps);
    Ok(keeps)
}
