//! Carrying the plan out: intents before requests, results and links behind them, both in groups.

mod circles;
mod flow;
mod keeping;
mod leaving;
mod resolve;

use provisor_space::CarriedOut;
use provisor_target::ScimTarget;

pub(crate) use self::circles::open_circles;
pub(crate) use self::keeping::retry_after;

use crate::context::{Context, Tally};
use crate::finalise::REMOVALS;
use crate::store::Store;
use crate::{SyncError, settle};

/// How far the plan is carried out.
#[derive(Default)]
struct Course {
    /// How many operations there are.
    total: u64,
    /// How many have been carried out or have failed.
    done: u64,
    /// Which part of the plan that is.
    carried: CarriedOut,
}

/// Carries the plan out. Where the target as a whole is away, no object waits longer for it.
pub(crate) async fn export(store: &Store, target: &ScimTarget, context: &Context) -> Result<Tally, SyncError> {
    let mut course = Course::default();
    let outcome = stages(store, target, context, &mut course).await;
    // What is done leaves the plan in one go, so that the next cycle looks at the rest alone. Where a crash comes first,
    // it looks at all of it, and what is done comes to nothing.
    if matches!(outcome, Ok(_) | Err(SyncError::Target(_))) {
        store.with(move |space| Ok(space.drop_carried_out(&course.carried)?)).await?;
    }
    if matches!(outcome, Err(SyncError::Target(_))) {
        let now = context.now;
        store.with(move |space| Ok(space.excuse_escrow(now)?)).await?;
    }
    outcome
}

/// Goes through the plan stage by stage, with the waiting references between what adds and what takes away.
async fn stages(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    course: &mut Course,
) -> Result<Tally, SyncError> {
    let mut tally = Tally::default();
    course.total = store.with(|space| Ok(space.plan_counts()?.values().sum::<u64>())).await?;
    let mut settled = false;
    for stage in store.with(|space| Ok(space.plan_stages()?)).await? {
        if stage.0 >= REMOVALS && !settled {
            tally.merge(settle::settle_references(store, target, context).await?);
            settled = true;
        }
        tally.merge(flow::stage(store, target, context, stage, course).await?);
        if context.watch.stopping() {
            return Ok(tally);
        }
    }
    if !settled {
        tally.merge(settle::settle_references(store, target, context).await?);
    }
    course.carried = CarriedOut::Everything;
    Ok(tally)
}
