//! An entry on its way through a chain: what has been decided and set so far.

use std::sync::Arc;

use provisor_model::{
    Draft, DraftAttribute, DraftAttributes, DraftNames, DraftValue, EntryView, Reason, TargetPath, ValueView,
};

use crate::bindings::types;
use crate::chain::{Chain, Link, MappingPlan};
use crate::decode;
use crate::evaluation::{Decision, Evaluation, Outcome, Step};
use crate::recall;
use crate::surface::PluginKind;

/// An entry on its way through the chain.
pub(crate) struct Work<'e> {
    pub(crate) entry: EntryView<'e>,
    /// What is set so far, at the chain's places.
    pub(crate) built: DraftAttributes,
    pub(crate) decided: Option<Outcome>,
    pub(crate) valid_until: Option<i64>,
    pub(crate) steps: Vec<Step>,
    /// What plugins answered about it before.
    pub(crate) known: &'e [u8],
    /// What they answered now.
    pub(crate) fresh: Vec<u8>,
}

/// Why no mapping claims an entry. One without an object class may be of none that is told apart, or set aside by the source.
fn unclaimed(entry: &EntryView<'_>) -> Reason {
    let class = entry.object_class;
    if !class.is_empty() {
        return Reason::new("no-mapping", format!("no mapping claims entries of the object class {class}"));
    }
    let dn = entry.dn.to_string();
    if dn.contains("\nCNF:") || dn.contains("\\0ACNF:") {
        let detail = "The directory sets this object aside: it lost a name conflict between two controllers (CNF in its name). \
                      Rename it, or delete it, in the directory.";
        return Reason::new("set-aside", detail);
    }
    let detail =
        "It has none of the classes in object-classes, or the directory sets it aside as an object of the system.";
    Reason::new("no-mapping", detail)
}

impl<'e> Work<'e> {
    pub(crate) fn new(chain: &Chain, entry: EntryView<'e>, known: &'e [u8], names: Arc<DraftNames>) -> Self {
        let left_out = || Outcome::OutOfScope { plugin: None, reason: unclaimed(&entry) };
        let decided = chain.kind_of(entry.object_class).is_none().then(left_out);
        Self {
            entry,
            built: DraftAttributes::new(names),
            decided,
            valid_until: None,
            steps: Vec::new(),
            known,
            fresh: Vec::new(),
        }
    }

    pub(crate) fn hold(&mut self, link: &Link, kind: PluginKind, reason: Reason, traced: Option<Decision>) {
        if let Some(decision) = traced {
            self.steps.push(link.step(kind, decision));
        }
        self.decided = Some(Outcome::Held { plugin: link.name.to_string(), version: link.version.to_string(), reason });
    }

    /// What checked edits come to, by path.
    pub(crate) fn told(
        &self,
        plan: &MappingPlan,
        edits: &[types::Edit],
        found: &[&[ValueView<'_>]],
    ) -> Vec<(TargetPath, Option<DraftValue>)> {
        let path = |write: u32| {
            let (place, _) = plan.writes.get(write as usize)?;
            self.built.names().paths.get(*place).cloned()
        };
        let value = |edit: &types::Edit| decode::value(edit.value.clone(), &self.entry, &plan.reads, found);
        edits.iter().filter_map(|edit| Some((path(edit.attribute)?, value(edit)))).collect()
    }

    /// Sets what a mapping's checked edits come to; the last plugin's edit of an attribute wins.
    pub(crate) fn apply(&mut self, by: u32, plan: &MappingPlan, edits: Vec<types::Edit>, found: &[&[ValueView<'_>]]) {
        for edit in edits {
            let Some((place, on_create)) = plan.writes.get(edit.attribute as usize) else { continue };
            let Some(built) = self.built.place_mut(*place) else { continue };
            let overridden = built.take().map_or_else(Vec::new, |mut earlier| {
                earlier.overridden.push(earlier.by);
                earlier.overridden
            });
            if let Some(value) = decode::value(edit.value, &self.entry, &plan.reads, found) {
                *built = Some(DraftAttribute { value, on_create: *on_create, by, overridden });
            }
        }
    }

    pub(crate) fn finish(self, chain: &Chain) -> Evaluation {
        let answers = recall::kept(chain, self.known, self.fresh);
        let outcome = self.decided.unwrap_or_else(|| {
            let kind = chain.kind_of(self.entry.object_class).unwrap_or_default().to_owned();
            Outcome::Provision(Draft { kind, attributes: self.built })
        });
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
}
