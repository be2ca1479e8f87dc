//! A cycle without its export: what would be done, counted and shown.

use std::collections::BTreeMap;

use provisor_model::{AttributeChange, Change, OperationKind, Plain, SourceId, TargetValue, attribute_changes};
use provisor_space::{PlanRow, PlanState, Planned, Space, StoredEntry};

use crate::context::{Context, Tally};
use crate::effective::{Reach, effective};
use crate::evaluate::evaluate_dirty;
use crate::finalise::TargetFacts;
use crate::import::import;
use crate::pipeline::{CycleRequest, Planning};
use crate::record::shown;
use crate::report::{PlannedOperation, PreviewReport, RequestTally};
use crate::watch::CycleWatch;
use crate::{Pipeline, SyncError, clock};

/// What is asked of a preview.
#[derive(Clone, Copy, Debug, Default)]
pub struct PreviewRequest {
    /// Ask neither the source nor the target: evaluate what is stored.
    pub stored: bool,
    /// Read everything, whatever the watermark says, and evaluate everything.
    pub initial: bool,
    /// How many operations are shown in full.
    pub first: usize,
}

impl Pipeline {
    /// Finds out what a cycle would do. Nothing is written to the target.
    ///
    /// # Errors
    /// As for a cycle, but that a safety threshold is reported and stops nothing.
    pub async fn preview(&mut self, request: PreviewRequest, watch: &CycleWatch) -> Result<PreviewReport, SyncError> {
        let now = clock::milliseconds();
        let before = self.requests();
        let chain = self.bind().await?;
        let warnings = chain.warnings().to_vec();
        if !request.stored {
            self.adopt_target().await?;
            import(&self.store, &self.configuration, &chain, request.initial, watch).await?;
        }
        let cycle = self.store.with(move |space| Ok(space.begin_cycle(now)?)).await?;
        let planning = if request.stored {
            let context = self.begin(chain, cycle, now, request.initial, watch).await?;
            let context = Context { asks_target: false, preview: true, ..context };
            let given = context.clone();
            let tally = self.store.with(move |space| evaluate_dirty(space, &given)).await?;
            let facts = self.known_facts().await?.unwrap_or_else(TargetFacts::unknown);
            self.complete_plan(context, tally, facts, None).await?
        } else {
            let cycle_request = CycleRequest { initial: request.initial, allow_deletes: None };
            self.plan(chain, cycle, now, &cycle_request, true, watch).await?
        };
        let Planning { context, tally, objection, .. } = planning;
        if objection.is_some() && !request.stored {
            self.read_everything_next().await?;
        }
        let reads = self.requests().reads.saturating_sub(before.reads);
        self.store.with(move |space| describe(space, &context, tally, objection, warnings, request, reads)).await
    }
}

fn describe(
    space: &mut Space,
    context: &Context,
    tally: Tally,
    objection: Option<String>,
    warnings: Vec<String>,
    request: PreviewRequest,
    reads: u64,
) -> Result<PreviewReport, SyncError> {
    // The rows that are shown; all are counted while the plan is made.
    let mut first = Vec::new();
    for PlanRow { planned, .. } in space.plan_rows(PlanState::Candidate, None, request.first)? {
        let changes = changes_of(space, context, &planned)?;
        first.extend(space.entry(planned.key)?.map(|stored| show(&planned, &stored, &changes)));
    }
    let costs = context.configuration.request_costs();
    let (operations, writes) = (tally.planned, tally.writes);
    let attributes = tally.attributes.into_iter().map(|(path, count)| (path.to_string(), count)).collect();
    let planned: u64 = operations.values().sum();
    let aside: u64 = tally.out_of_scope.values().chain(tally.held.values()).sum();
    Ok(PreviewReport {
        configuration: context.configuration.name.clone(),
        evaluated: tally.evaluated,
        unchanged: tally.evaluated.saturating_sub(planned + aside),
        operations,
        attributes,
        out_of_scope: tally.out_of_scope,
        held: tally.held,
        would_stop: objection,
        warnings,
        first,
        asked_target: !request.stored,
        requests: RequestTally::new(&costs, reads, writes),
    })
}

/// What an operation of the plan would change, references by what is planned for their targets.
pub(crate) fn changes_of(
    space: &Space,
    context: &Context,
    planned: &Planned,
) -> Result<Vec<AttributeChange<SourceId>>, SyncError> {
    let body = &planned.body;
    Ok(match planned.operation {
        OperationKind::Create => {
            let mut wanted = effective(space, &body.desired, &body.baseline, Reach::Planned)?.attributes;
            wanted.extend(effective(space, &body.on_create, &body.baseline, Reach::Planned)?.attributes);
            attribute_changes(&BTreeMap::new(), &wanted)
        }
        OperationKind::Join | OperationKind::Update => attribute_changes(
            &body.baseline,
            &effective(space, &body.desired, &body.baseline, Reach::Planned)?.attributes,
        ),
        OperationKind::Disable => {
            let path = context.paths.active.clone();
            let old = body.baseline.get(&path).cloned();
            vec![AttributeChange { path, old, change: Change::Set(TargetValue::Plain(Plain::Boolean(false))) }]
        }
        OperationKind::Delete | OperationKind::Release => Vec::new(),
    })
}

/// An operation of the plan, as it is shown.
pub(crate) fn show(planned: &Planned, stored: &StoredEntry, changes: &[AttributeChange<SourceId>]) -> PlannedOperation {
    PlannedOperation {
        operation: planned.operation.to_string(),
        dn: stored.entry.dn.to_string(),
        id: stored.entry.source_id.to_string(),
        kind: planned.body.kind.clone(),
        resource_id: planned.body.resource_id.as_ref().map(ToString::to_string),
        reason: planned.body.reason.as_ref().map(|reason| reason.detail.clone()),
        changes: shown(changes, &planned.body.contributions),
    }
}
