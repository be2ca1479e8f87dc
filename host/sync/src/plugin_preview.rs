//! What an updated plugin would change: old and new rules over everything that is stored, and the operations that a cycle
//! under the new ones would carry out, without directory or network.

use std::collections::BTreeSet;
use std::sync::Arc;

use provisor_model::{AttributeName, Dn, DraftValue};
use provisor_rules::{Candidate, Chain};
use provisor_space::{CycleNumber, MetaKey, Space, SpaceError};

use crate::context::{Context, all_shared_anchors, answer_key};
use crate::finalise::TargetFacts;
use crate::foresight::{Comparison, Foresight, Halt};
use crate::neighbours::Neighbours;
use crate::report::{Follows, PluginPreview};
use crate::safety::Taking;
use crate::watch::CycleWatch;
use crate::{Pipeline, SyncError, clock, purity, safety, scope};

impl Pipeline {
    /// Evaluates every stored entry with the rules in force and with `octets` in place of the plugin of this name. Tells
    /// the differences, and the operations that would follow, the first `first` of each in full. Nothing is changed
    /// anywhere, and nobody is asked: what has no link is taken for new.
    ///
    /// # Errors
    /// When the new component does not pass the load gate or does not go with the configuration, or the space fails. That
    /// it asks for more than was granted is told in the report.
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
        let candidate = tokio::task::spawn_blocking(move || {
            rules.chain_with(&configuration.name, &configuration.rules, (&name, octets))
        })
        .await
        .map_err(|error| SyncError::Internal(error.to_string()))?
        .map_err(|error| SyncError::Rules { file: self.configuration.file.clone(), error })?;
        self.refuse_misfits(&candidate.chain)?;
        let facts = self.known_facts().await?.unwrap_or_else(TargetFacts::unknown);
        let (configuration, plugin, watch) = (Arc::clone(&self.configuration), plugin.to_owned(), watch.clone());
        let (paths, now) = (self.paths.clone(), clock::milliseconds());
        let neighbours = Arc::new(Neighbours::of(&configuration, &self.data_folder));
        self.store
            .with(move |space| {
                let standing = scope::standing(space, &configuration)?;
                scope::settle_groups(space, &configuration, &standing)?;
                let units = standing.units.iter().map(Dn::key).collect();
                let shared_anchors = all_shared_anchors(space)?;
                let context = Context {
                    configuration,
                    chain: Arc::clone(&candidate.chain),
                    units,
                    cycle: CycleNumber(0),
                    now,
                    watch,
                    paths,
                    neighbours,
                    anchors_kept: Arc::default(),
                    shared_anchors,
                    asks_target: false,
                    preview: true,
                    changes: false,
                    answer_key: answer_key(space)?,
                };
                let sample = purity::sample(space, &context.configuration, &context.chain)?;
                let impurity = context.chain.impurity(&sample, now / 1000);
                let (compared, follows) = foretell(space, &context, &facts, &old, first)?;
                let mut report = report(space, &context, (&plugin, &old), candidate, compared, follows)?;
                // What stops the chain, comparing it has told already.
                report.warnings.extend(impurity.ok().flatten());
                Ok(report)
            })
            .await
    }
}
/// How every entry fares under the rules of the context and under the old ones, and what a cycle would carry out.
fn foretell(
    space: &mut Space,
    context: &Context,
    facts: &TargetFacts,
    old: &Arc<Chain>,
    first: usize,
) -> Result<(Comparison, Follows), SyncError> {
    loop {
        let found = space.tentatively(|space| -> Result<(Comparison, Follows), Halt> {
            // What an interrupted cycle had planned is planned anew.
            space.mark_due(context.now)?;
            let context = Context { cycle: space.begin_cycle(context.now)?, ..context.clone() };
            let mut foresight = Foresight::begin_update(space, &context, facts.clone(), Arc::clone(old), first)?;
            let compared = foresight.comparison();
            let tally = foresight.complete(space)?;
            let objection = safety::objection(space, &context.configuration, None, &Taking::foreseen(&tally))?;
            let would_stop = objection.map(|objection| objection.of_update());
            let first = foresight.show(space)?;
            let follows = Follows {
                operations: tally.planned.iter().map(|(operation, count)| (operation.to_string(), *count)).collect(),
                attributes: tally.attributes.iter().map(|(path, count)| (path.to_string(), *count)).collect(),
                out_of_scope: tally.out_of_scope,
                held: tally.held,
                would_stop,
                writes: tally.writes,
                first,
            };
            Ok((compared, follows))
        });
        match found {
            Ok(found) => return Ok(found),
            // An index changes nothing but how fast something is found, so that one is kept.
            Err(Halt::Index(attribute)) => space.index_by(&attribute)?,
            Err(halt) => return Err(halt.into()),
        }
    }
}

fn report(
    space: &Space,
    context: &Context,
    (plugin, old): (&str, &Chain),
    candidate: Candidate,
    compared: Comparison,
    follows: Follows,
) -> Result<PluginPreview, SyncError> {
    let Candidate { chain: new, more, waits } = candidate;
    let find = |chain: &Chain| chain.plugins().into_iter().find(|found| found.name == plugin);
    let (before, after) = (find(old), find(&new));
    let read: BTreeSet<AttributeName> = match space.fact(MetaKey::Reads)? {
        Some(read) => serde_json::from_slice(&read).map_err(SpaceError::from)?,
        None => BTreeSet::new(),
    };
    Ok(PluginPreview {
        configuration: context.configuration.name.clone(),
        plugin: plugin.to_owned(),
        old_version: before.as_ref().map(|plugin| plugin.version.clone()),
        new_version: after.as_ref().map(|plugin| plugin.version.clone()).unwrap_or_default(),
        old_hash: before.map(|plugin| plugin.hash),
        new_hash: after.map(|plugin| plugin.hash).unwrap_or_default(),
        // What the rules in force are warned of too is no news.
        warnings: new.warnings().iter().filter(|new| !old.warnings().contains(new)).cloned().collect(),
        more,
        waits,
        unread: new.reads().difference(&read).map(ToString::to_string).collect(),
        evaluated: compared.evaluated,
        unchanged: compared.unchanged,
        decisions: compared.decisions.iter().map(|((was, is), count)| (format!("{was} to {is}"), *count)).collect(),
        attributes: compared.attributes,
        reasons: compared.reasons,
        first: compared.first.into_values().collect(),
        follows,
    })
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
