//! What an updated plugin would change: old and new rules over everything that is stored, without directory or network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use provisor_model::{Draft, DraftAttribute, DraftValue, Reason, SourceId};
use provisor_rules::{Chain, Outcome};
use provisor_space::{CycleNumber, Space};

use crate::context::Context;
use crate::evaluate::{evaluate_parallel, evaluators};
use crate::report::{EntryDifference, PluginPreview, ShownChange};
use crate::watch::{CycleWatch, Step};
use crate::{Pipeline, SyncError, clock, purity, scope};

/// How many entries are in memory at once.
const PAGE: usize = 2_048;

impl Pipeline {
    /// Evaluates every stored entry with the rules in force and with `octets` in place of the plugin of this name, and
    /// tells the differences, the first `first` of them in full. Nothing is changed anywhere.
    ///
    /// # Errors
    /// When the new component does not pass the load gate, or the space fails. That it asks for more than was granted is
    /// among the warnings of the report.
    pub async fn preview_plugin(
        &mut self,
        plugin: &str,
        octets: Vec<u8>,
        first: usize,
        watch: &CycleWatch,
    ) -> Result<PluginPreview, SyncError> {
        let old = self.bind().await?;
        let (rules, configuration, name) =
            (Arc::clone(&self.rules), Arc::clone(&self.configuration), plugin.to_owned());
        let new = tokio::task::spawn_blocking(move || {
            rules.chain_with(&configuration.name, &configuration.rules, (&name, octets))
        })
        .await
        .map_err(|error| SyncError::Internal(error.to_string()))?
        .map_err(|error| SyncError::Rules { file: self.configuration.file.clone(), error })?;
        self.refuse_external_id(&new)?;
        let (configuration, plugin, watch) = (Arc::clone(&self.configuration), plugin.to_owned(), watch.clone());
        let paths = self.paths.clone();
        self.store
            .with(move |space| {
                let standing = scope::standing(space, &configuration)?;
                scope::settle_groups(space, &configuration, &standing)?;
                let context = |chain: &Arc<Chain>| Context {
                    configuration: Arc::clone(&configuration),
                    chain: Arc::clone(chain),
                    units: standing.units.iter().map(provisor_model::Dn::key).collect(),
                    cycle: CycleNumber(0),
                    now: clock::milliseconds(),
                    watch: watch.clone(),
                    paths: paths.clone(),
                    shared_anchors: None,
                    asks_target: false,
                    preview: true,
                    answer_key: None,
                };
                let impurity =
                    new.impurity(&purity::sample(space, &configuration, &new)?, clock::milliseconds() / 1000);
                let mut report = compare(space, &context(&old), &context(&new), &plugin, first)?;
                // What stops the chain, comparing it has told already.
                report.warnings.extend(impurity.ok().flatten());
                Ok(report)
            })
            .await
    }
}

fn compare(
    space: &Space,
    old: &Context,
    new: &Context,
    plugin: &str,
    first: usize,
) -> Result<PluginPreview, SyncError> {
    let find = |chain: &Chain| chain.plugins().into_iter().find(|found| found.name == plugin);
    let (before, after) = (find(&old.chain), find(&new.chain));
    let mut report = PluginPreview {
        configuration: old.configuration.name.clone(),
        plugin: plugin.to_owned(),
        old_version: before.as_ref().map(|plugin| plugin.version.clone()),
        new_version: after.as_ref().map(|plugin| plugin.version.clone()).unwrap_or_default(),
        old_hash: before.map(|plugin| plugin.hash),
        new_hash: after.map(|plugin| plugin.hash).unwrap_or_default(),
        // What the rules in force are warned of too is no news.
        warnings: new.chain.warnings().iter().filter(|new| !old.chain.warnings().contains(new)).cloned().collect(),
        evaluated: 0,
        unchanged: 0,
        decisions: BTreeMap::new(),
        attributes: BTreeMap::new(),
        reasons: BTreeMap::new(),
        first: Vec::new(),
    };
    let (mut olds, mut news) = (evaluators(old), evaluators(new));
    let mut last: Option<SourceId> = None;
    loop {
        if old.watch.stopping() {
            return Err(SyncError::Interrupted);
        }
        let page = space.live_entries(last.as_ref(), PAGE)?;
        let Some(end) = page.last() else { return Ok(report) };
        last = Some(end.entry.source_id.clone());
        let mut entries = Vec::with_capacity(page.len());
        for stored in &page {
            if scope::has_within(space, old, stored)? {
                entries.push((&stored.entry, stored.answers.as_slice()));
            }
        }
        let before = evaluate_parallel(&mut olds, &entries)?;
        let after = evaluate_parallel(&mut news, &entries)?;
        for (((entry, _), before), after) in entries.iter().zip(before).zip(after) {
            report.evaluated += 1;
            let changes = differences(&before.outcome, &after.outcome);
            let (was, is) = (word(&before.outcome), word(&after.outcome));
            let same_reason = reason(&before.outcome) == reason(&after.outcome);
            if was == is && changes.is_empty() && same_reason {
                report.unchanged += 1;
                continue;
            }
            if was != is {
                *report.decisions.entry(format!("{was} to {is}")).or_default() += 1;
            }
            if let Some(reason) = reason(&after.outcome) {
                *report.reasons.entry(reason.code.clone()).or_default() += 1;
            }
            for change in &changes {
                *report.attributes.entry(change.path.clone()).or_default() += 1;
            }
            if report.first.len() < first {
                let (dn, id) = (entry.dn.to_string(), entry.source_id.to_string());
                let full = |outcome: &Outcome| match reason(outcome) {
                    Some(reason) => format!("{}: {}", word(outcome), reason.detail),
                    None => word(outcome).to_owned(),
                };
                let (before, after) = (full(&before.outcome), full(&after.outcome));
                report.first.push(EntryDifference { dn, id, before, after, changes });
            }
        }
        old.watch.report(Step::Evaluate, report.evaluated, None);
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Provision(_) => "provisioned",
        Outcome::OutOfScope { .. } => "out of scope",
        Outcome::Held { .. } => "held",
    }
}

fn reason(outcome: &Outcome) -> Option<&Reason> {
    match outcome {
        Outcome::Provision(_) => None,
        Outcome::OutOfScope { reason, .. } | Outcome::Held { reason, .. } => Some(reason),
    }
}

/// How the resources of two outcomes differ, where both have one.
fn differences(before: &Outcome, after: &Outcome) -> Vec<ShownChange> {
    let (Outcome::Provision(before), Outcome::Provision(after)) = (before, after) else { return Vec::new() };
    let mut changes = Vec::new();
    if before.kind != after.kind {
        changes.push(ShownChange {
            path: "resource type".into(),
            old: Some(before.kind.clone()),
            new: Some(after.kind.clone()),
            by: None,
        });
    }
    changes.extend(attribute_differences(before, after));
    changes
}

fn attribute_differences(before: &Draft, after: &Draft) -> Vec<ShownChange> {
    let paths: BTreeSet<_> = before.attributes.keys().chain(after.attributes.keys()).collect();
    paths
        .into_iter()
        .filter_map(|path| {
            let (old, new) = (before.attributes.get(path), after.attributes.get(path));
            let value = |attribute: Option<&DraftAttribute>| attribute.map(|attribute| normalised(&attribute.value));
            (value(old) != value(new)).then(|| ShownChange {
                path: path.to_string(),
                old: old.map(|old| text(&old.value)),
                new: new.map(|new| text(&new.value)),
                by: new.map(|new| new.contribution.winner.to_string()),
            })
        })
        .collect()
}

/// Values of a set in an order of their own, so that a new order is no difference.
fn normalised(value: &DraftValue) -> DraftValue {
    let mut value = value.clone();
    match &mut value {
        DraftValue::List(values) => values.sort(),
        DraftValue::Rows(rows) => rows.sort(),
        _ => {}
    }
    value
}

/// A draft's value, as it is shown.
pub(crate) fn text(value: &DraftValue) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value {
        DraftValue::Plain(plain) => plain.to_string(),
        DraftValue::List(values) => joined(values.iter().map(ToString::to_string).collect()),
        DraftValue::Rows(rows) => joined(
            rows.iter()
                .map(|row| {
                    format!("{{{}}}", joined(row.iter().map(|(name, value)| format!("{name}: {value}")).collect()))
                })
                .collect(),
        ),
        DraftValue::Reference(dn) => format!("reference to {dn}"),
        DraftValue::ReferenceBy { attribute, value } => format!("reference to whose {attribute} is {value}"),
        DraftValue::ReferencesOf(attribute) => format!("references that {attribute} names"),
        DraftValue::FirstUnique(candidates) => format!("first unique of {} (provisional)", candidates.join(", ")),
    }
}
