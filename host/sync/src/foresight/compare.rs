//! How entries fare under two chains of rules, counted while what follows from the new one is judged.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{Draft, DraftAttribute, DraftValue, Reason, TargetPath};
use provisor_rules::Outcome;
use provisor_space::StoredView;

use crate::SyncError;
use crate::plugin_preview::text;
use crate::report::{EntryDifference, ShownChange};

/// What stands for the resource type among the attributes that differ.
const KIND: &str = "resource type";

/// How entries fare under other rules than before.
#[derive(Default)]
pub(crate) struct Comparison {
    pub evaluated: u64,
    pub unchanged: u64,
    /// How often what was decided turned into what.
    pub decisions: BTreeMap<(&'static str, &'static str), u64>,
    /// How many resources an attribute differs of.
    pub attributes: BTreeMap<String, u64>,
    /// Why it is decided so now, where something differs.
    pub reasons: BTreeMap<String, u64>,
    /// Those with the lowest source ids, in full.
    pub first: BTreeMap<Vec<u8>, EntryDifference>,
    most: usize,
}

impl Comparison {
    /// One that keeps so many differences in full.
    pub fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Compares what becomes of one entry.
    pub fn note(&mut self, stored: &StoredView<'_>, before: &Outcome, after: &Outcome) -> Result<(), SyncError> {
        self.evaluated += 1;
        let (kind, paths) = differing(before, after);
        let (was, is) = (word(before), word(after));
        if was == is && !kind && paths.is_empty() && reason(before) == reason(after) {
            self.unchanged += 1;
            return Ok(());
        }
        if was != is {
            *self.decisions.entry((was, is)).or_default() += 1;
        }
        if let Some(reason) = reason(after) {
            count(&mut self.reasons, &reason.code, 1);
        }
        if kind {
            count(&mut self.attributes, KIND, 1);
        }
        paths.iter().for_each(|path| count(&mut self.attributes, path.as_str(), 1));
        if self.takes(stored.stored_id()) {
            let changes = shown(before, after, kind, &paths);
            let (dn, id) = (stored.dn()?.to_owned(), stored.source_id()?.to_string());
            let (before, after) = (in_words(before), in_words(after));
            self.keep(stored.stored_id().to_vec(), EntryDifference { dn, id, before, after, changes });
        }
        Ok(())
    }

    /// Takes over what another thread has found.
    pub fn merge(&mut self, other: Self) {
        self.evaluated += other.evaluated;
        self.unchanged += other.unchanged;
        for (turn, number) in other.decisions {
            *self.decisions.entry(turn).or_default() += number;
        }
        other.attributes.iter().for_each(|(path, number)| count(&mut self.attributes, path, *number));
        other.reasons.iter().for_each(|(code, number)| count(&mut self.reasons, code, *number));
        for (id, difference) in other.first {
            if self.takes(&id) {
                self.keep(id, difference);
            }
        }
    }

    fn takes(&self, id: &[u8]) -> bool {
        self.most > 0
            && (self.first.len() < self.most
                || self.first.last_key_value().is_some_and(|(last, _)| id < last.as_slice()))
    }

    fn keep(&mut self, id: Vec<u8>, difference: EntryDifference) {
        self.first.insert(id, difference);
        if self.first.len() > self.most {
            self.first.pop_last();
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, what: &str, number: u64) {
    match counts.get_mut(what) {
        Some(count) => *count += number,
        None => drop(counts.insert(what.to_owned(), number)),
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

fn in_words(outcome: &Outcome) -> String {
    match reason(outcome) {
        Some(reason) => format!("{}: {}", word(outcome), reason.detail),
        None => word(outcome).to_owned(),
    }
}

/// Whether the resource types of two outcomes differ, where both have one, and in which attributes they do.
fn differing<'a>(before: &'a Outcome, after: &'a Outcome) -> (bool, Vec<&'a TargetPath>) {
    let (Outcome::Provision(before), Outcome::Provision(after)) = (before, after) else { return (false, Vec::new()) };
    if before == after {
        return (false, Vec::new());
    }
    let paths: BTreeSet<&TargetPath> =
        before.attributes.iter().chain(after.attributes.iter()).map(|(path, _)| path).collect();
    let differs = |path: &&TargetPath| !same(before.attributes.get(path), after.attributes.get(path));
    (before.kind != after.kind, paths.into_iter().filter(differs).collect())
}

/// Whether two values mean the same: a new order of a set is no difference.
fn same(before: Option<&DraftAttribute>, after: Option<&DraftAttribute>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            before.on_create == after.on_create
                && (before.value == after.value || normalised(&before.value) == normalised(&after.value))
        }
        (before, after) => before.is_none() && after.is_none(),
    }
}

fn normalised(value: &DraftValue) -> DraftValue {
    let mut value = value.clone();
    match &mut value {
        DraftValue::List(values) => values.sort(),
        DraftValue::Rows(rows) => rows.sort(),
        _ => {}
    }
    value
}

/// The differences as they are shown.
fn shown(before: &Outcome, after: &Outcome, kind: bool, paths: &[&TargetPath]) -> Vec<ShownChange> {
    let (Outcome::Provision(before), Outcome::Provision(after)) = (before, after) else { return Vec::new() };
    let (old, new) = (Some(before.kind.clone()), Some(after.kind.clone()));
    let kind = kind.then(|| ShownChange { path: KIND.into(), old, new, by: None });
    let value = |draft: &Draft, path: &TargetPath| draft.attributes.get(path).map(value_text);
    let change = |path: &&TargetPath| ShownChange {
        path: path.to_string(),
        old: value(before, path),
        new: value(after, path),
        by: after.attributes.get(path).map(|new| after.attributes.winner(new).to_owned()),
    };
    kind.into_iter().chain(paths.iter().map(change)).collect()
}

fn value_text(attribute: &DraftAttribute) -> String {
    let value = text(&attribute.value);
    if attribute.on_create { format!("{value} (on creation)") } else { value }
}
