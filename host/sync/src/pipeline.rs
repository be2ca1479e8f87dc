//! One configuration at work: its connector space, its rules, its target, and the cycles over them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use provisor_directory::Known;
use provisor_model::Dn;
use provisor_rules::{Chain, RulesHost};
use provisor_space::{CycleNumber, MetaKey, Space};
use provisor_target::RequestCounts;
use sha2::{Digest as _, Sha256};

use crate::context::{Context, Paths, Tally, answer_key, shared_anchors};
use crate::destination::Connected;
use crate::evaluate::evaluate_dirty;
use crate::finalise::{TargetFacts, finalise, order};
use crate::import::{Imported, import};
use crate::matching::match_resources;
use crate::neighbours::Neighbours;
use crate::report::{CycleOutcome, CycleReport, RequestTally};
use crate::safety::Taking;
use crate::scope::{self, Standing};
use crate::store::Store;
use crate::watch::CycleWatch;
use crate::{Configuration, Mode, SyncError, clock, export, safety};

/// How far the clock may go back, in milliseconds, before everything is evaluated anew.
const CLOCK_SLACK: i64 = 60_000;

/// How long a cycle that was asked to pause may take to do so.
const PAUSE: Duration = Duration::from_secs(6);

/// What a pipeline needs besides its configuration.
#[derive(Clone)]
pub struct PipelineOptions {
    /// The host's data folder; the connector space is a file in it.
    pub data_folder: PathBuf,
    /// The plugin host.
    pub rules: Arc<RulesHost>,
}

/// One configuration, ready to run.
pub struct Pipeline {
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) rules: Arc<RulesHost>,
    pub(crate) store: Store,
    pub(crate) data_folder: PathBuf,
    pub(crate) paths: Paths,
    pub(crate) target: Option<Connected>,
}

/// What is asked of a cycle.
#[derive(Clone, Copy, Debug, Default)]
pub struct CycleRequest {
    /// Read everything, whatever the watermark says.
    pub initial: bool,
    /// Go on although up to so many objects are deleted or disabled.
    pub allow_deletes: Option<u64>,
}

/// A plan, as far as it was made.
pub(crate) struct Planning {
    pub context: Context,
    pub tally: Tally,
    pub objection: Option<String>,
    pub circles: Vec<provisor_space::EntryKey>,
    pub facts: TargetFacts,
}

impl Pipeline {
    /// Opens the connector space of a configuration.
    ///
    /// # Errors
    /// When the space cannot be opened.
    pub async fn open(configuration: Configuration, options: PipelineOptions) -> Result<Self, SyncError> {
        let file = options.data_folder.join(format!("{}.space", configuration.name));
        let space = tokio::task::spawn_blocking(move || Space::open(&file))
            .await
            .map_err(|error| SyncError::Internal(error.to_string()))??;
        let paths = Paths::new().map_err(|error| SyncError::Internal(error.to_string()))?;
        let configuration = Arc::new(configuration);
        let PipelineOptions { data_folder, rules } = options;
        Ok(Self { configuration, rules, store: Store::new(space), data_folder, paths, target: None })
    }

    /// The name of the configuration.
    pub fn name(&self) -> &str {
        &self.configuration.name
    }

    /// The configuration as it is in force.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Takes up a changed configuration of the same name, between two cycles.
    pub fn reconfigure(&mut self, configuration: Configuration) {
        self.configuration = Arc::new(configuration);
        self.target = None;
    }

    /// Runs one cycle.
    ///
    /// # Errors
    /// When the source or the target as a whole cannot be used, a rule or a safety threshold stops the cycle, or the
    /// space fails. What was done is kept; the next cycle goes on from there.
    pub async fn sync(&mut self, request: CycleRequest, watch: &CycleWatch) -> Result<CycleReport, SyncError> {
        if self.configuration.mode == Mode::Staging {
            // No cycle has failed: none was begun.
            let name = self.name();
            return Err(SyncError::Settings(format!(
                "{name} is in staging, where nothing is ever written. See what it would do with \"provisor preview {name}\"; to \
                 let it write, set enabled = true in {}",
                self.configuration.file.display()
            )));
        }
        // A cycle pauses by itself between two objects. Where a server keeps it waiting for longer, it is left where it
        // is: what was under way has its intents stored, so the next cycle finds out how it ended.
        let outcome = tokio::select! {
            outcome = self.cycle(request, watch) => outcome,
            () = watch.stopped_for(PAUSE) => Err(SyncError::Interrupted),
        };
        if matches!(outcome, Err(SyncError::Interrupted)) {
            // An import that was left where it was must not stay open until the next cycle.
            self.store
                .with(|space| {
                    space.abandon_import();
                    Ok(())
                })
                .await?;
        }
        let words = outcome.as_ref().err().map(ToString::to_string);
        if outcome.as_ref().is_err_and(SyncError::distrusts_what_was_read) {
            self.read_everything_next().await?;
        }
        if matches!(outcome, Err(SyncError::Target(_))) {
            // The next cycle finds out anew what the target can do.
            self.target = None;
        }
        if !matches!(outcome, Err(SyncError::Interrupted)) {
            let kept = self
                .store
                .with(move |space| Ok(space.set_fact(MetaKey::LastError, words.as_deref().map(str::as_bytes))?))
                .await;
            // Where the disk is full, that is what the cycle ended with already.
            if outcome.is_ok() {
                kept?;
            }
        }
        outcome
    }

    /// What the last import found out about the source.
    pub(crate) async fn known(&self) -> Result<Option<Known>, SyncError> {
        Ok(self.store.with(|space| Ok(space.fact(MetaKey::Known)?)).await?.map(Known::from_octets))
    }

    /// Lets the next cycle read everything.
    pub(crate) async fn read_everything_next(&self) -> Result<(), SyncError> {
        self.store.with(|space| Ok(space.set_fact(MetaKey::Watermark, None)?)).await
    }

    async fn cycle(&mut self, request: CycleRequest, watch: &CycleWatch) -> Result<CycleReport, SyncError> {
        let started = clock::milliseconds();
        let before = self.requests();
        // A secret that cannot be had is told at once, not only when there is something to write.
        self.configuration.target_options()?;
        let chain = self.bind().await?;
        self.adopt_target().await?;
        let cycle = self.store.with(move |space| Ok(space.begin_cycle(started)?)).await?;
        let timer = StepTimer::new(&self.configuration.name);
        let imported = import(&self.store, &self.configuration, &chain, request.initial, watch).await?;
        timer.ended("import");
        self.prove(&chain).await?;
        let mut planning = self.plan(chain, cycle, started, &request, watch).await?;
        if let Some(words) = planning.objection.take() {
            return Err(SyncError::Safety(words));
        }
        if self.has_work().await? {
            let Planning { context, circles, facts, .. } = &planning;
            let target = self.target(&context.chain).await?;
            export::open_circles(&self.store, &target, context, circles.clone(), facts).await?;
            let timer = StepTimer::new(&self.configuration.name);
            planning.tally.merge(export::export(&self.store, &target, context).await?);
            timer.ended("export");
        }
        let report = self.report(cycle, started, imported, planning, before).await?;
        let text = serde_json::to_string(&report).map_err(provisor_space::SpaceError::from)?;
        let retention = self.configuration.log_retention;
        self.store
            .with(move |space| {
                let retention = provisor_space::Retention {
                    milliseconds: i64::from(retention.days) * 86_400_000,
                    rows: i64::try_from(retention.records).unwrap_or(i64::MAX),
                };
                let now = clock::milliseconds();
                space.end_cycle(cycle, now, &text)?;
                Ok(space.trim_log(retention, now)?)
            })
            .await?;
        Ok(report)
    }

    async fn report(
        &self,
        cycle: CycleNumber,
        started: i64,
        imported: Imported,
        planning: Planning,
        before: RequestCounts,
    ) -> Result<CycleReport, SyncError> {
        let Planning { context, tally, .. } = planning;
        let (waiting, escrow) = self.store.with(|space| Ok((space.waiting_count()?, space.escrow_count()?))).await?;
        let after = self.requests();
        let held = tally.held_count();
        let outcome = if context.watch.stopping() {
            CycleOutcome::Paused
        } else if tally.failed + held + escrow > 0 {
            CycleOutcome::CompletedWithFailures
        } else {
            CycleOutcome::Completed
        };
        Ok(CycleReport {
            configuration: self.name().to_owned(),
            cycle: cycle.0,
            kind: imported.kind,
            outcome,
            started,
            ended: clock::milliseconds(),
            imported: imported.counts,
            evaluated: tally.evaluated,
            operations: tally.operations,
            failed: tally.failed,
            held,
            escrow,
            out_of_scope: tally.out_of_scope.values().sum(),
            waiting_references: waiting,
            requests: RequestTally::between(&self.configuration.request_costs(), before, after),
            failures: tally.failures,
        })
    }

    /// Scope, match, map and plan over what the connector space holds.
    pub(crate) async fn plan(
        &mut self,
        chain: Arc<Chain>,
        cycle: CycleNumber,
        now: i64,
        request: &CycleRequest,
        watch: &CycleWatch,
    ) -> Result<Planning, SyncError> {
        if request.initial {
            // Rules are asked anew: it is what helps where one did not keep to its promises.
            self.store.with(|space| Ok(space.forget_answers()?)).await?;
            self.store.with(|space| Ok(space.ask_anew()?)).await?;
        }
        let context = self.begin(chain, cycle, now, request.initial, watch).await?;
        self.look_across(&context).await?;
        let shared_anchors = self.store.with(|space| shared_anchors(space)).await?;
        let context = Context { shared_anchors, ..context };
        let timer = StepTimer::new(&self.configuration.name);
        let mut tally = self.evaluate(&context).await?;
        timer.ended("scope and map");
        // What rules referred to by a value that nobody has here.
        if self.look_up(&context).await? {
            tally.merge(self.evaluate(&context).await?);
        }
        let unmatched =
            self.store.with(|space| Ok(!space.plan_kinds(provisor_space::PlanState::Unmatched)?.is_empty())).await?;
        if unmatched {
            let target = self.target(&context.chain).await?;
            let timer = StepTimer::new(&self.configuration.name);
            tally.merge(match_resources(&self.store, &target, &context).await?);
            timer.ended("match");
        }
        let facts = if self.has_plan().await? { self.facts(&context.chain).await? } else { TargetFacts::unknown() };
        self.complete_plan(context, tally, facts, request.allow_deletes).await
    }

    async fn evaluate(&self, context: &Context) -> Result<Tally, SyncError> {
        let context = context.clone();
        self.store.with(move |space| evaluate_dirty(space, &context)).await
    }

    /// What all plans begin with: who is due, where the scope's units and groups are, and whether everything is to be evaluated.
    pub(crate) async fn begin(
        &self,
        chain: Arc<Chain>,
        cycle: CycleNumber,
        now: i64,
        everything: bool,
        watch: &CycleWatch,
    ) -> Result<Context, SyncError> {
        let configuration = Arc::clone(&self.configuration);
        let (paths, watch) = (self.paths.clone(), watch.clone());
        let neighbours = Arc::new(Neighbours::of(&configuration, &self.data_folder));
        self.store
            .with(move |space| {
                space.atomically(|space| -> Result<Context, SyncError> {
                    space.mark_due(now)?;
                    space.adopt_cross_references(&configuration.cross_references)?;
                    let standing = scope::standing(space, &configuration)?;
                    scope::settle_groups(space, &configuration, &standing)?;
                    let under = evaluated_under(&configuration, &chain, &standing);
                    // Under a clock that was set back, what was decided by time does not hold.
                    let set_back = space.previous_start(cycle)?.is_some_and(|before| before > now + CLOCK_SLACK);
                    if everything
                        || set_back
                        || space.fact(MetaKey::EvaluatedUnder)?.as_deref() != Some(under.as_slice())
                    {
                        space.mark_all_dirty()?;
                        space.set_fact(MetaKey::EvaluatedUnder, Some(&under))?;
                    }
                    let units = standing.units.iter().map(Dn::key).collect();
                    let answer_key = answer_key(space)?;
                    Ok(Context {
                        configuration,
                        chain,
                        units,
                        cycle,
                        now,
                        watch,
                        paths,
                        neighbours,
                        anchors_kept: Arc::default(),
                        shared_anchors: None,
                        asks_target: true,
                        preview: false,
                        answer_key,
                        changes: false,
                    })
                })
            })
            .await
    }

    /// Makes the plan of the candidates, puts it in order, and lets safety look at it.
    pub(crate) async fn complete_plan(
        &self,
        context: Context,
        mut tally: Tally,
        facts: TargetFacts,
        allow_deletes: Option<u64>,
    ) -> Result<Planning, SyncError> {
        let given = (context.clone(), facts.clone());
        let timer = StepTimer::new(&self.configuration.name);
        let (tally, circles, objection) = self
            .store
            .with(move |space| {
                let (context, facts) = given;
                finalise(space, &context, &facts, None, &mut tally)?;
                let circles = order(space, &facts)?;
                let (counts, leaving) = (space.plan_counts()?, space.plan_leaving()?);
                let taking = Taking::new(&counts, &leaving, &tally);
                let objection = safety::objection(space, &context.configuration, allow_deletes, &taking)?;
                let objection = objection.map(|objection| objection.of_cycle());
                Ok((tally, circles, objection))
            })
            .await?;
        timer.ended("plan");
        Ok(Planning { context, tally, objection, circles, facts })
    }

    pub(crate) async fn has_plan(&self) -> Result<bool, SyncError> {
        self.store.with(|space| Ok(!space.plan_counts()?.is_empty())).await
    }

    /// Whether there is anything to send: operations, or references that waited and whose target is there by now, such
    /// as those of a cycle that ended before it came to them.
    async fn has_work(&self) -> Result<bool, SyncError> {
        self.store.with(|space| Ok(!space.plan_counts()?.is_empty() || !space.settleable(None, 1)?.is_empty())).await
    }

    /// The rules in force, loaded off the asynchronous threads, and tried on what is stored where they are new.
    pub(crate) async fn bind(&self) -> Result<Arc<Chain>, SyncError> {
        let mut chain = self.bound().await?;
        // Each time another plugin is refused; where none is left to take its place, binding fails.
        for _ in 0..=self.configuration.rules.len() {
            if self.is_pure(&chain).await? {
                break;
            }
            chain = self.bound().await?;
        }
        self.refuse_misfits(&chain)?;
        Ok(chain)
    }

    async fn bound(&self) -> Result<Arc<Chain>, SyncError> {
        let (rules, configuration) = (Arc::clone(&self.rules), Arc::clone(&self.configuration));
        let bound = tokio::task::spawn_blocking(move || rules.bind(&configuration.name, &configuration.rules))
            .await
            .map_err(|error| SyncError::Internal(error.to_string()))?;
        bound.map_err(|error| SyncError::Rules { file: self.configuration.file.clone(), error })
    }

    /// The same rules, tried once there is something to try them on: after the first import.
    ///
    /// # Errors
    /// When a plugin is not pure: nothing may be decided by it.
    pub(crate) async fn prove(&self, chain: &Arc<Chain>) -> Result<(), SyncError> {
        if self.is_pure(chain).await? {
            return Ok(());
        }
        self.impure().await
    }

    /// Ends what was to be decided by a plugin that is not pure.
    pub(crate) async fn impure(&self) -> Result<(), SyncError> {
        // Where one ran well before it, the next cycle takes that; this one has read what other rules ask for.
        self.bound().await?;
        let words = "a plugin answered differently when it was asked twice about the same entries, and is used no more";
        Err(SyncError::Settings(format!("{}: {words}", self.configuration.file.display())))
    }

    /// Whether the next cycle would evaluate with other rules than the last one did.
    ///
    /// # Errors
    /// When the rules cannot be loaded or the space fails.
    pub async fn rules_changed(&mut self) -> Result<bool, SyncError> {
        let chain = self.bind().await?;
        let configuration = Arc::clone(&self.configuration);
        self.store
            .with(move |space| {
                let Some(known) = space.fact(MetaKey::EvaluatedUnder)? else { return Ok(true) };
                let standing = scope::standing(space, &configuration)?;
                Ok(known != evaluated_under(&configuration, &chain, &standing))
            })
            .await
    }
}

/// Tells the log how long a step of a cycle took.
pub(crate) struct StepTimer<'a> {
    configuration: &'a str,
    begin: Instant,
}

impl<'a> StepTimer<'a> {
    pub(crate) fn new(configuration: &'a str) -> Self {
        Self { configuration, begin: Instant::now() }
    }

    pub(crate) fn ended(self, step: &str) {
        let milliseconds = self.begin.elapsed().as_millis();
        tracing::debug!(configuration = self.configuration, step, %milliseconds, "A step of the cycle has ended.");
    }
}

/// What all evaluations depend on besides the entries.
fn evaluated_under(configuration: &Configuration, chain: &Chain, standing: &Standing) -> Vec<u8> {
    let mut digest = Sha256::new();
    digest.update(chain.hash());
    digest.update(configuration.fingerprint());
    for unit in &standing.units {
        digest.update(unit.key().octets());
    }
    for group in &standing.groups {
        // A group that is renamed stays the same.
        digest.update(group.number().to_be_bytes());
    }
    digest.finalize().to_vec()
}
