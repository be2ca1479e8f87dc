//! An entry on its way through a chain: what has been decided and set so far.

use std::sync::Arc;

use provisor_model::{Contribution, Draft, DraftAttribute, DraftAttributes, DraftValue, EntryView, Reason, TargetPath};

use crate::chain::{Chain, Link, MappingPlan};
use crate::evaluation::{Decision, Evaluation, Outcome, Step};
use crate::recall;
use crate::surface::PluginKind;

/// An entry on its way through the chain.
pub(crate) struct Work<'e> {
    pub(crate) entry: EntryView<'e>,
    /// What is set so far, at the chain's places.
    pub(crate) built: Vec<Option<DraftAttribute>>,
    pub(crate) decided: Option<Outcome>,
    pub(crate) valid_until: Option<i64>,
    pub(crate) steps: Vec<Step>,
    /// What plugins answered about it before.
    pub(crate) known: &'e [u8],
    /// What they answered now.
    pub(crate) fresh: Vec<u8>,
}

impl<'e> Work<'e> {
    /// `built` is empty but for its room.
    pub(crate) fn new(
        chain: &Chain,
        entry: EntryView<'e>,
        known: &'e [u8],
        mut built: Vec<Option<DraftAttribute>>,
    ) -> Self {
        let unclaimed = chain.kind_of(entry.object_class).is_none().then(|| {
            let class = if entry.object_class.is_empty() { "without an object class" } else { entry.object_class };
            let reason = Reason::new("no-mapping", format!("no mapping claims entries of the object class {class}"));
            Outcome::OutOfScope { plugin: None, reason }
        });
        built.resize_with(chain.places.len(), || None);
        Self { entry, built, decided: unclaimed, valid_until: None, steps: Vec::new(), known, fresh: Vec::new() }
    }

    pub(crate) fn hold(&mut self, link: &Link, kind: PluginKind, reason: Reason, traced: Option<Decision>) {
        if let Some(decision) = traced {
            self.steps.push(link.step(kind, decision));
        }
        self.decided = Some(Outcome::Held { plugin: link.name.to_string(), version: link.version.to_string(), reason });
    }

    /// Sets what a mapping edits; the last edit of an attribute wins.
    pub(crate) fn apply(&mut self, by: &Arc<str>, plan: &MappingPlan, edits: Vec<(usize, Option<DraftValue>)>) {
        for (write, value) in edits {
            let Some((place, on_create)) = plan.writes.get(write) else { continue };
            let Some(built) = self.built.get_mut(*place) else { continue };
            let overridden = built.take().map_or_else(Vec::new, |earlier| {
                let Contribution { winner, mut overridden } = earlier.contribution;
                overridden.push(winner);
                overridden
            });
            *built = value.map(|value| DraftAttribute {
                value,
                on_create: *on_create,
                contribution: Contribution { winner: Arc::clone(by), overridden },
            });
        }
    }

    pub(crate) fn finish(
        mut self,
        chain: &Chain,
        places: &[TargetPath],
        spare: &mut Vec<Vec<Option<DraftAttribute>>>,
    ) -> Evaluation {
        let answers = recall::kept(chain, self.known, self.fresh);
        let outcome = self.decided.unwrap_or_else(|| {
            let mut set = Vec::with_capacity(self.built.len());
            // The chain's places are in the order of paths, each once.
            set.extend(
                places.iter().zip(&mut self.built).filter_map(|(path, built)| Some((path.clone(), built.take()?))),
            );
            let kind = chain.kind_of(self.entry.object_class).unwrap_or_default().to_owned();
            Outcome::Provision(Draft { kind, attributes: DraftAttributes::of_ordered(set) })
        });
        self.built.clear();
        spare.push(self.built);
        Evaluation { outcome, valid_until: self.valid_until, steps: self.steps, answers }
    }
}

impl Link {
    /// The object classes it is called for as this kind; none where it is not of the kind.
    pub(crate) fn object_classes(&self, kind: PluginKind) -> Option<&[String]> {
        match kind {
            PluginKind::Filter => self.filter.as_ref().map(|filter| filter.object_classes.as_slice()),
            PluginKind::Mapping => self.mapping.as_ref().map(|mapping| mapping.object_classes.as_slice()),
        }
    }

    pub(crate) fn reads(&self, kind: PluginKind) -> usize {
        match kind {
            PluginKind::Filter => self.filter.as_ref().map_or(0, |filter| filter.reads.len()),
            PluginKind::Mapping => self.mapping.as_ref().map_or(0, |mapping| mapping.reads.len()),
        }
    }

    pub(crate) fn step(&self, kind: PluginKind, decision: Decision) -> Step {
        Step { plugin: self.name.to_string(), version: self.version.to_string(), kind, decision }
    }

    /// Edits by path.
    pub(crate) fn told(
        &self,
        places: &[TargetPath],
        edits: &[(usize, Option<DraftValue>)],
    ) -> Vec<(TargetPath, Option<DraftValue>)> {
        let Some(plan) = &self.mapping else { return Vec::new() };
        let path = |write: usize| plan.writes.get(write).and_then(|(place, _)| places.get(*place)).cloned();
        edits.iter().filter_map(|(write, value)| Some((path(*write)?, value.clone()))).collect()
    }
}
