//! A cycle without its export: what would be done, counted and shown.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeChange, Change, OperationKind, Plain, SourceId, TargetValue, attribute_changes};
use provisor_space::{PlanState, Planned, Space, StoredEntry};

use crate::context::{Context, Tally, shared_anchors};
use crate::effective::{Reach, effective};
use crate::finalise::TargetFacts;
use crate::foresight::Foresight;
use crate::import::import;
use crate::matching::{ALWAYS_QUERIED, has_none, match_resources};
use crate::pipeline::StepTimer;
use crate::record::shown;
use crate::report::{PlannedOperation, PreviewReport, RequestTally};
use crate::safety::Taking;
use crate::watch::CycleWatch;
use crate::{Pipeline, SyncError, clock, safety};

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
            self.prove(&chain).await?;
        }
        let cycle = self.store.with(move |space| Ok(space.begin_cycle(now)?)).await?;
        let context = self.begin(chain, cycle, now, request.initial, watch).await?;
        let context = Context { asks_target: !request.stored, preview: true, ..context };
        if request.initial {
            self.store.with(|space| Ok(space.ask_anew()?)).await?;
        }
        self.look_across(&context).await?;
        let shared_anchors = self.store.with(|space| shared_anchors(space)).await?;
        let context = Context { shared_anchors, ..context };
        let Foreseen { tally, objection, first } = self.foresee(context, request).await?;
        if objection.is_some() && !request.stored {
            self.read_everything_next().await?;
        }
        let reads = self.requests().reads.saturating_sub(before.reads);
        let costs = self.configuration.request_costs();
        let planned: u64 = tally.planned.values().sum();
        let aside: u64 = tally.out_of_scope.values().chain(tally.held.values()).sum();
        Ok(PreviewReport {
            configuration: self.name().to_owned(),
            evaluated: tally.evaluated,
            unchanged: tally.evaluated.saturating_sub(planned + aside),
            operations: tally.planned.iter().map(|(operation, count)| (operation.to_string(), *count)).collect(),
            attributes: tally.attributes.iter().map(|(path, count)| (path.to_string(), *count)).collect(),
            out_of_scope: tally.out_of_scope,
            held: tally.held,
            would_stop: objection,
            warnings,
            first,
            asked_target: !request.stored,
            requests: RequestTally::new(&costs, reads, tally.writes),
        })
    }

    /// Judges what waits for its evaluation, and counts what would be done.
    async fn foresee(&mut self, context: Context, request: PreviewRequest) -> Result<Foreseen, SyncError> {
        let (facts, new_kinds) = self.facts_beforehand(&context).await?;
        let timer = StepTimer::new(self.name());
        let given = context.clone();
        let begun = move |space: &mut Space| Foresight::begin(space, &given, facts, new_kinds, request.first);
        let mut foresight = self.store.with(begun).await?;
        timer.ended("scope and map");
        let asked = foresight.take_questions();
        if !asked.is_empty() {
            let ask = move |space: &mut Space| {
                space.atomically(|space| Ok(asked.iter().try_for_each(|(by, value)| space.ask_by_value(by, value))?))
            };
            self.store.with(ask).await?;
            self.look_up(&context).await?;
        }
        let unmatched = self.store.with(|space| Ok(!space.plan_kinds(PlanState::Unmatched)?.is_empty())).await?;
        let mut tally = Tally::default();
        if unmatched {
            let target = self.target(&context.chain).await?;
            let timer = StepTimer::new(self.name());
            tally = match_resources(&self.store, &target, &context).await?;
            timer.ended("match");
        }
        let timer = StepTimer::new(self.name());
        let completed = move |space: &mut Space| {
            tally.merge(foresight.complete(space)?);
            let objection = safety::objection(space, &context.configuration, None, &Taking::foreseen(&tally))?;
            let objection = objection.map(|objection| objection.of_cycle());
            let first = foresight.show(space)?;
            Ok(Foreseen { tally, objection, first })
        };
        let foreseen = self.store.with(completed).await?;
        timer.ended("plan");
        Ok(foreseen)
    }

    /// What is known of the target's kinds before anything is judged, and of which of them it has no resource.
    async fn facts_beforehand(&mut self, context: &Context) -> Result<(TargetFacts, BTreeSet<String>), SyncError> {
        let known = self.known_facts().await?;
        if !context.asks_target {
            return Ok((known.unwrap_or_else(TargetFacts::unknown), BTreeSet::new()));
        }
        let unlinked = self.store.with(|space| Ok(space.unlinked_dirty(WORTH_A_LISTING)?)).await?;
        let facts = match known {
            Some(facts) => facts,
            None if unlinked == 0 => TargetFacts::unknown(),
            None => self.facts(&context.chain).await?,
        };
        let mut new_kinds = BTreeSet::new();
        if unlinked == WORTH_A_LISTING {
            let target = self.target(&context.chain).await?;
            let classes = self.configuration.object_classes.words();
            let kinds: BTreeSet<&str> = classes.into_iter().filter_map(|class| context.chain.kind_of(class)).collect();
            for kind in kinds {
                if has_none(&target, kind).await? {
                    new_kinds.insert(kind.to_owned());
                }
            }
        }
        Ok((facts, new_kinds))
    }
}

/// So many objects without a link are worth a listing of the target.
const WORTH_A_LISTING: u64 = ALWAYS_QUERIED + 1;

/// What a preview found out.
struct Foreseen {
    tally: Tally,
    objection: Option<String>,
    first: Vec<PlannedOperation>,
}

/// What an operation of the plan would change, references by what is planned for their targets.
pub(crate) fn changes_of(
    space: &Space,
    context: &Context,
    planned: &Planned,
    reach: Reach<'_>,
) -> Result<Vec<AttributeChange<SourceId>>, SyncError> {
    let body = &planned.body;
    Ok(match planned.operation {
        OperationKind::Create => {
            let mut wanted = effective(space, &body.desired, &body.baseline, reach)?.attributes;
            wanted.extend(effective(space, &body.on_create, &body.baseline, reach)?.attributes);
            attribute_changes(&BTreeMap::new(), &wanted)
        }
        OperationKind::Join | OperationKind::Update => {
            attribute_changes(&body.baseline, &effective(space, &body.desired, &body.baseline, reach)?.attributes)
        }
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
        changes: shown(changes, &planned.body.contributions).into_iter().map(Into::into).collect(),
    }
}
