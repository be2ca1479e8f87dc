//! One object, now, step by step: as a cycle would treat it, with every rule's contribution.

use provisor_directory::ObjectQuery;
use provisor_model::{AttributeName, Dn, Entry, IdSyntax, OperationKind, Reason, Schema, SourceId, Value};
use provisor_rules::{Chain, Decision, Outcome, Proof, Step as RuleStep};
use provisor_space::{EntryKey, MetaKey, PlanState, Space};

use crate::configuration::Source;
use crate::context::{Context, Tally};
use crate::decide::{Verdict, decide};
use crate::effective::Reach;
use crate::export::export;
use crate::finalise::TargetFacts;
use crate::matching::match_resources;
use crate::plugin_preview::text;
use crate::preview::changes_of;
use crate::reads::reads;
use crate::record::shown;
use crate::report::{ProvisionReport, ProvisionStep, ShownChange};
use crate::watch::CycleWatch;
use crate::{Mode, Pipeline, SyncError, clock, scope};

/// How many values of an attribute are shown.
const SHOWN_VALUES: usize = 5;

impl Pipeline {
    /// Reads one object (by DN, source id, or the value of `uid` or `mail`), decides about it and exports it, as a cycle
    /// would. The watermark stays where it is.
    ///
    /// # Errors
    /// When the object is not in the source, or the source or target as a whole cannot be used.
    pub async fn provision(&mut self, object: &str, watch: &CycleWatch) -> Result<ProvisionReport, SyncError> {
        let now = clock::milliseconds();
        let chain = self.bind().await?;
        self.adopt_target().await?;
        let (entry, schema) = self.read_one(object, &chain).await?;
        // Where nothing is stored yet, the rules have not been tried.
        if self.asked_twice(&chain, vec![entry.clone()]).await? == Proof::Impure {
            self.impure().await?;
        }
        let mut report = ProvisionReport {
            configuration: self.name().to_owned(),
            dn: entry.dn.to_string(),
            id: entry.source_id.to_string(),
            steps: vec![imported(&entry)],
            outcome: String::new(),
            succeeded: false,
        };
        let cycle = self.store.with(move |space| Ok(space.begin_cycle(now)?)).await?;
        let context = self.begin(chain, cycle, now, false, watch).await?;
        self.look_across(&context).await?;
        let (key, tally) = {
            let (given, one, known) = (context.clone(), entry.clone(), schema.clone());
            let mut evaluated = self.store.with(move |space| evaluate_one(space, &given, &one, &known)).await?;
            // What its rules referred to by a value that nobody has here.
            if self.look_up(&context).await? {
                let given = context.clone();
                evaluated = self.store.with(move |space| evaluate_one(space, &given, &entry, &schema)).await?;
            }
            let (steps, key, tally) = evaluated;
            report.steps.extend(steps);
            (key, tally)
        };
        self.carry_out(context, key, tally, &mut report).await?;
        Ok(report)
    }

    async fn carry_out(
        &mut self,
        context: Context,
        key: EntryKey,
        mut tally: Tally,
        report: &mut ProvisionReport,
    ) -> Result<(), SyncError> {
        let unmatched = self.store.with(|space| Ok(!space.plan_kinds(PlanState::Unmatched)?.is_empty())).await?;
        if unmatched {
            let target = self.target(&context.chain).await?;
            tally.merge(match_resources(&self.store, &target, &context).await?);
        }
        let facts = if self.has_plan().await? { self.facts(&context.chain).await? } else { TargetFacts::unknown() };
        let planning = self.complete_plan(context.clone(), tally, facts, Some(1)).await?;
        if let Some(words) = planning.objection {
            return Err(SyncError::Safety(words));
        }
        let mut tally = planning.tally;
        let described = {
            let context = context.clone();
            self.store.with(move |space| describe_plan(space, &context, key)).await?
        };
        let operation = described.as_ref().map(|(operation, _)| *operation);
        if unmatched {
            report.steps.push(matched(operation, &tally));
        }
        let why_held = tally.failures.iter().find(|failure| failure.id == report.id);
        let told = report.steps.iter().any(|step| step.status == "failed");
        report.steps.push(match (described, why_held) {
            (Some((_, step)), _) => step,
            (None, Some(_)) if told => {
                step("plan", "skipped", "Nothing of it is planned while it is held.", Vec::new())
            }
            (None, Some(failure)) => step("plan", "failed", &failure.error, Vec::new()),
            (None, None) => step("plan", "skipped", "There is nothing to do.", Vec::new()),
        });
        if operation.is_some() && self.configuration.mode == Mode::Staging {
            let words = "The configuration is in staging, where nothing is ever written.";
            report.steps.push(step("export", "skipped", words, Vec::new()));
        } else if operation.is_some() {
            let target = self.target(&context.chain).await?;
            let before = target.requests();
            tally.merge(export(&self.store, &target, &context).await?);
            let after = target.requests();
            let failure = tally.failures.first().map(|failure| failure.error.clone());
            let detail = vec![("requests that write".to_owned(), (after.writes - before.writes).to_string())];
            report.steps.push(match &failure {
                Some(error) => step("export", "failed", error, detail),
                None => step("export", "ok", "The target accepted it.", detail),
            });
        }
        let held = tally.held_count() > 0;
        let out = !tally.out_of_scope.is_empty();
        report.succeeded = tally.failed == 0 && !held;
        report.outcome = match operation {
            _ if tally.failed > 0 => "failed".to_owned(),
            _ if held => "held".to_owned(),
            Some(_) if self.configuration.mode == Mode::Staging => "not written: staging".to_owned(),
            Some(operation) => done_word(operation).to_owned(),
            None if out => "out of scope".to_owned(),
            None => "nothing to do".to_owned(),
        };
        Ok(())
    }

    /// Finds the object and reads it from the source.
    async fn read_one(&self, object: &str, chain: &Chain) -> Result<(Entry, Schema), SyncError> {
        let directory = self.configuration.directory()?;
        let schema = directory.schema().await?;
        let reads = reads(&self.configuration, chain, &schema).attributes;
        let known = self.known().await?;
        for query in self.queries(object).await? {
            let mut found = directory.read_object(query, &reads, known.as_ref()).await?;
            match (found.pop(), found.len()) {
                (None, _) => {}
                (Some(entry), 0) => return Ok((entry, schema)),
                (Some(entry), others) => {
                    let dns: Vec<String> =
                        found.iter().chain(std::iter::once(&entry)).map(|entry| entry.dn.to_string()).take(5).collect();
                    return Err(SyncError::Object(format!(
                        "\"{object}\" names {} objects: {}. Give the DN of the one that is meant",
                        others + 1,
                        dns.join("; ")
                    )));
                }
            }
        }
        Err(SyncError::Object(format!(
            "the source of {} has no object \"{object}\". Give its DN, its {}, its user name or its mail address",
            self.name(),
            self.configuration.source.identity().source_id
        )))
    }

    /// What the text may mean, the most exact first.
    async fn queries(&self, object: &str) -> Result<Vec<ObjectQuery>, SyncError> {
        let mut queries = Vec::new();
        if object.contains('=')
            && let Ok(dn) = object.parse::<Dn>()
        {
            queries.push(ObjectQuery::Dn(dn));
            return Ok(queries);
        }
        let syntax = self
            .store
            .with(|space| Ok(space.live_entries(None, 1)?.pop().map(|stored| stored.entry.source_id.syntax())))
            .await?;
        let domain = matches!(self.configuration.source, Source::ActiveDirectory(_));
        let (usual, names): (_, &[&str]) = if domain {
            (IdSyntax::Guid, &["sAMAccountName", "userPrincipalName", "mail", "cn"])
        } else {
            (IdSyntax::Uuid, &["uid", "mail", "cn"])
        };
        let syntax = syntax.unwrap_or(usual);
        if let Ok(id) = SourceId::parse(syntax, object) {
            queries.push(ObjectQuery::SourceId(id));
        }
        for name in names {
            queries.push(ObjectQuery::Attribute {
                name: AttributeName::from(*name),
                value: Value::Text(object.to_owned()),
            });
        }
        Ok(queries)
    }
}

fn step(name: &str, status: &str, description: &str, details: Vec<(String, String)>) -> ProvisionStep {
    ProvisionStep { step: name.to_owned(), status: status.to_owned(), description: description.to_owned(), details }
}

fn imported(entry: &Entry) -> ProvisionStep {
    let details = entry.attributes.iter().map(|(name, values)| {
        let shown: Vec<String> = values
            .iter()
            .take(SHOWN_VALUES)
            .map(|value| match value {
                Value::Text(text) => text.chars().take(200).collect(),
                Value::Binary(octets) => format!("{} octets", octets.len()),
            })
            .collect();
        let more = values.len().saturating_sub(SHOWN_VALUES);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        (name.to_string(), format!("{}{more}", shown.join(", ")))
    });
    let class =
        if entry.object_class.is_empty() { "of no object class that is configured" } else { &entry.object_class };
    step("import", "ok", &format!("The source has it: {} ({class}).", entry.dn), details.collect())
}

fn evaluate_one(
    space: &mut Space,
    context: &Context,
    entry: &Entry,
    schema: &Schema,
) -> Result<(Vec<ProvisionStep>, EntryKey, Tally), SyncError> {
    space.atomically(|space| {
        if space.fact(MetaKey::Watermark)?.is_none() {
            tracing::info!(
                "No cycle has run yet: references to objects that were not imported wait for the first one."
            );
        }
        space.import_one(entry, schema)?;
        let stored = space
            .entry_by_source_id(&entry.source_id)?
            .ok_or_else(|| SyncError::Internal("the entry that was just stored is not there".into()))?;
        let mut steps = Vec::new();
        let mut tally = Tally::default();
        let (verdict, valid_until) = if scope::has_within(space, context, &stored)? {
            steps.push(step("scope", "ok", "It is within the units and groups of the scope.", Vec::new()));
            // Who asks for one object wants to see what the rules say: they are asked, and what they answer is kept.
            let mut evaluator = context.chain.start_cycle(context.now / 1000, true);
            if let Some(key) = &context.answer_key {
                evaluator = evaluator.remembering(key);
            }
            let evaluation = evaluator
                .evaluate(&[&stored.entry])?
                .pop()
                .ok_or_else(|| SyncError::Internal("the entry was not evaluated".into()))?;
            steps.extend(evaluation.steps.iter().map(rule_step));
            if let Outcome::OutOfScope { plugin: None, reason } = &evaluation.outcome {
                steps.push(step("map", "skipped", &reason.detail, Vec::new()));
            }
            if let Some(answers) = &evaluation.answers {
                space.keep_answers(stored.key, answers)?;
            }
            (Verdict::Decided(evaluation.outcome), evaluation.valid_until)
        } else {
            let words = scope::outside(&context.configuration).detail;
            steps.push(step("scope", "skipped", &words, Vec::new()));
            (Verdict::OutsideScope, None)
        };
        decide(space, context, &stored, verdict, valid_until, &mut tally)?;
        Ok((steps, stored.key, tally))
    })
}

/// What one rule did.
fn rule_step(rule: &RuleStep) -> ProvisionStep {
    let who = format!("{} {}", rule.plugin, rule.version);
    let with = |status: &str, words: &str, reason: &Reason| {
        step(
            "map",
            status,
            &format!("{who} {words}: {}", reason.detail),
            vec![("reason".to_owned(), reason.code.clone())],
        )
    };
    match &rule.decision {
        Decision::Kept => step("scope", "ok", &format!("{who} keeps it."), Vec::new()),
        Decision::Dropped(reason) => ProvisionStep { step: "scope".into(), ..with("skipped", "drops it", reason) },
        Decision::Edited(edits) => {
            let details = edits.iter().map(|(path, value)| {
                (path.to_string(), value.as_ref().map_or_else(|| "(taken away)".to_owned(), text))
            });
            step("map", "ok", &format!("{who} sets {} attributes.", edits.len()), details.collect())
        }
        Decision::Excluded(reason) => with("skipped", "excludes it", reason),
        Decision::Failed(reason) => with("failed", "cannot map it", reason),
        Decision::Unfit(reason) => with("failed", "cannot be given its values", reason),
        Decision::Fault(reason) => with("failed", "failed", reason),
        Decision::Skipped(reason) => with("skipped", "was passed over", reason),
    }
}

fn matched(operation: Option<OperationKind>, tally: &Tally) -> ProvisionStep {
    match operation {
        Some(OperationKind::Create) => step("match", "ok", "The target has no such resource yet.", Vec::new()),
        Some(_) => step("match", "ok", "The target has the resource.", Vec::new()),
        None => {
            let words = tally
                .failures
                .first()
                .map_or("There is nothing at the target to be changed.", |failure| &failure.error);
            step("match", if tally.failures.is_empty() { "ok" } else { "failed" }, words, Vec::new())
        }
    }
}

fn describe_plan(
    space: &mut Space,
    context: &Context,
    key: EntryKey,
) -> Result<Option<(OperationKind, ProvisionStep)>, SyncError> {
    for (planned, _) in space.plan_page(PlanState::Ready, None, 10)? {
        if planned.key != key {
            continue;
        }
        let changes = changes_of(space, context, &planned, Reach::Planned)?;
        let details = shown(&changes, &planned.body.contributions)
            .into_iter()
            .map(|change| {
                let change = ShownChange::from(change);
                let value = |value: Option<String>| value.unwrap_or_else(|| "(nothing)".to_owned());
                let by = change.by.map_or_else(String::new, |by| format!(" by {by}"));
                (change.path, format!("{} to {}{by}", value(change.old), value(change.new)))
            })
            .collect();
        let why = planned.body.reason.as_ref().map_or_else(String::new, |reason| format!(" {}", reason.detail));
        let words = format!("{} the {}.{why}", planned.operation, planned.body.kind);
        return Ok(Some((planned.operation, step("plan", "ok", &words, details))));
    }
    Ok(None)
}

fn done_word(operation: OperationKind) -> &'static str {
    match operation {
        OperationKind::Create => "created",
        OperationKind::Join => "joined",
        OperationKind::Update => "updated",
        OperationKind::Disable => "disabled",
        OperationKind::Delete => "deleted",
        OperationKind::Release => "released",
    }
}
