//! The purity probe on stored entries: a chain that is to be used is asked twice about entries that its configuration
//! has, and a plugin that answers differently is used no more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use provisor_model::{DraftValue, Entry, TargetPath};

use crate::chain::{Chain, Link, handles};
use crate::evaluate::Evaluator;
use crate::evaluation::{ChainStopped, Decision, Evaluation, Step};
use crate::fault::legible;
use crate::hash::Hash;
use crate::host::RulesHost;
use crate::load::Configured;

/// The entries of a call in the second round: other batches than those of the first.
const OTHER_BATCH: usize = 37;
/// The generations that are remembered as refused.
const MAX_REFUSED: usize = 256;

/// What was found out about generations, in this process.
#[derive(Default)]
pub(crate) struct Proofs(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Why a generation is not used.
    refused: BTreeMap<Hash, String>,
}

impl Proofs {
    /// Why this generation is not used; none where nothing speaks against it.
    pub(crate) fn refusal(&self, configured: &Configured) -> Option<String> {
        self.known().refused.get(&generation(configured)).cloned()
    }

    fn refuse(&self, configured: &Configured, reason: String) {
        let mut known = self.known();
        if known.refused.len() >= MAX_REFUSED {
            // Whoever is forgotten is asked again.
            known.refused.pop_first();
        }
        known.refused.insert(generation(configured), reason);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn generation(configured: &Configured) -> Hash {
    Hash::of_parts([&configured.loaded.hash.octets()[..], configured.document.as_bytes()])
}

impl RulesHost {
    /// Asks a chain about entries of its configuration: all of them, again, and in other instances in the opposite order
    /// and in other batches. A plugin that answers differently is refused from now on, which the log and the status tell,
    /// and the next [`Self::bind`] takes the one that ran well before it. `cycle_time` is in seconds since 1970.
    pub fn prove(&self, configuration: &str, chain: &Arc<Chain>, entries: &[Entry], cycle_time: i64) -> Proof {
        let Ok((found, failed)) = difference(chain, entries, cycle_time) else { return Proof::Open };
        let at_fault = found.and_then(|(place, reason)| Some((chain.links.get(place)?, reason)));
        let Some((link, reason)) = at_fault else { return if failed { Proof::Open } else { Proof::Pure } };
        tracing::error!(configuration, plugin = %link.name, version = %link.version, "the plugin is not used: {reason}");
        self.0.proofs.refuse(&link.configured, reason);
        Proof::Impure
    }
}

/// What came of asking a chain twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It answered alike.
    Pure,
    /// A plugin answered differently, and is refused.
    Impure,
    /// A plugin failed, so it is to be asked again another time; a cycle deals with the fault.
    Open,
}

impl Chain {
    /// What answers of this chain to these entries depend on beside the entries, in words; none where that is nothing.
    /// For a chain that is only looked at.
    ///
    /// # Errors
    /// When a plugin with `on-fault = "stop"` fails.
    pub fn impurity(self: &Arc<Self>, entries: &[Entry], cycle_time: i64) -> Result<Option<String>, ChainStopped> {
        let (found, _) = difference(self, entries, cycle_time)?;
        let named =
            |(place, reason): (usize, String)| self.links.get(place).map(|link| format!("{}: {reason}", link.name));
        Ok(found.and_then(named))
    }
}

/// The first plugin of the chain that answers differently, by its place, and how; and whether one failed.
fn difference(
    chain: &Arc<Chain>,
    entries: &[Entry],
    cycle_time: i64,
) -> Result<(Option<(usize, String)>, bool), ChainStopped> {
    let forwards: Vec<&Entry> = entries.iter().collect();
    let backwards: Vec<&Entry> = entries.iter().rev().collect();
    let mut first = Evaluator::silent(Arc::clone(chain), cycle_time);
    let once = first.evaluate(&forwards)?;
    let again = first.evaluate(&forwards)?;
    first.let_go();
    let mut other = Evaluator::silent(Arc::clone(chain), cycle_time);
    let mut otherwise = Vec::with_capacity(entries.len());
    for batch in backwards.chunks(OTHER_BATCH) {
        otherwise.extend(other.evaluate(batch)?);
    }
    otherwise.reverse();
    let differing = |answers: &[Evaluation]| {
        let all = entries.iter().zip(once.iter().zip(answers));
        // The plugin that comes first in the chain: those behind it may differ because of it.
        let found = all.filter_map(|(entry, (one, other))| {
            let (number, how) = differing_step(&one.steps, &other.steps)?;
            let step = one.steps.get(number).or_else(|| other.steps.get(number))?;
            Some((place_of(chain, entry, one, number, step)?, entry, how))
        });
        found.min_by_key(|(place, ..)| *place)
    };
    let (found, asked) = match differing(&again) {
        Some(found) => (Some(found), "twice about the same stored entries"),
        None => (differing(&otherwise), "about the same stored entries in another order"),
    };
    let has_failed = |evaluation: &Evaluation| evaluation.steps.iter().any(|step| is_fault(&step.decision));
    let failed = [&once, &again, &otherwise].into_iter().flatten().any(has_failed);
    let told = found.map(|(place, entry, how)| {
        let dn = legible(&entry.dn.to_string());
        let advice = "an answer must depend on its entry alone, so keep nothing between entries but the settings";
        (place, format!("asked {asked}, it answered differently for {dn} ({how}): {advice}"))
    });
    Ok((told, failed))
}

/// The first step in which two ways of an entry differ, and how; none where they do not, or where a plugin failed.
fn differing_step(one: &[Step], other: &[Step]) -> Option<(usize, String)> {
    for (number, (one, other)) in one.iter().zip(other).enumerate() {
        if is_fault(&one.decision) || is_fault(&other.decision) {
            return None;
        }
        if let Some(how) = how_differ(&one.decision, &other.decision) {
            return Some((number, how));
        }
    }
    None
}

fn is_fault(decision: &Decision) -> bool {
    matches!(decision, Decision::Fault(_) | Decision::Skipped(_))
}

/// How two decisions differ, by attribute and without values: those are in no log.
fn how_differ(one: &Decision, other: &Decision) -> Option<String> {
    match (one, other) {
        (Decision::Edited(one), Decision::Edited(other)) => {
            let by_path =
                |edits: &[(TargetPath, Option<DraftValue>)]| edits.iter().cloned().collect::<BTreeMap<_, _>>();
            let (one, other) = (by_path(one), by_path(other));
            let path = one.keys().chain(other.keys()).find(|path| one.get(*path) != other.get(*path))?;
            Some(format!("in {path}"))
        }
        (one, other) if one == other => None,
        (one, other) => Some(format!("it {}, and then it {}", word(one), word(other))),
    }
}

fn word(decision: &Decision) -> String {
    let because = |word: &str, reason: &provisor_model::Reason| format!("{word} it as {}", legible(&reason.code));
    match decision {
        Decision::Kept => "kept it".to_owned(),
        Decision::Edited(_) => "mapped it".to_owned(),
        Decision::Dropped(reason) => because("dropped", reason),
        Decision::Excluded(reason) => because("excluded", reason),
        Decision::Failed(reason) => because("could not tell of", reason),
        Decision::Unfit(_) | Decision::Fault(_) | Decision::Skipped(_) => "was not asked".to_owned(),
    }
}

/// The place in the chain of a step of an entry's way: of a plugin that is there several times, the one that this is.
fn place_of(chain: &Chain, entry: &Entry, evaluation: &Evaluation, number: usize, step: &Step) -> Option<usize> {
    let same = |other: &&Step| other.plugin == step.plugin && other.kind == step.kind;
    let earlier = evaluation.steps.iter().take(number).filter(same).count();
    // Those that are not called for the entry's class leave no step.
    let is_called =
        |link: &Link| link.object_classes(step.kind).is_some_and(|classes| handles(classes, &entry.object_class));
    let asked = chain.links.iter().enumerate().filter(|(_, link)| *link.name == *step.plugin && is_called(link));
    asked.map(|(place, _)| place).nth(earlier)
}
