//! Opening circles of unique values, before the plan is carried out.

use provisor_model::{AttributeChange, Change, OperationKind, Plain, TargetValue};
use provisor_space::EntryKey;
use provisor_target::{ScimTarget, Update};

use crate::context::Context;
use crate::finalise::TargetFacts;
use crate::request::present_in;
use crate::store::Store;
use crate::{SyncError, clock};

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
