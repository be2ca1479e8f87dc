//! What judging some entries came to: counts, and what is left to be looked at or written.

use std::collections::BTreeSet;

use provisor_model::{AttributeName, Draft, OperationKind, Reason, TargetPath};
use provisor_space::EntryKey;

use super::compare::Comparison;
use crate::context::Tally;
use crate::decide::Verdict;

/// What judging some entries came to.
#[derive(Default)]
pub(crate) struct Harvest {
    pub tally: Tally,
    /// Whose resources are about to leave: who refers to them is judged too.
    pub leavers: Vec<EntryKey>,
    /// Who refers to others of which too little was known.
    pub again: Vec<EntryKey>,
    /// Values by which rules refer to others, that nobody has here and the target was never asked for.
    pub questions: BTreeSet<(AttributeName, String)>,
    /// References of which it is not known whether their objects will be there.
    pub pending: Vec<Pending>,
    pub first: Lowest,
    /// How the entries fare under these rules and under those before.
    pub compared: Comparison,
    /// What the one who writes does about entries, in order.
    pub deeds: Vec<(EntryKey, Deed)>,
}

/// One reference that is all that is not known of an entry.
pub(crate) struct Pending {
    pub key: EntryKey,
    pub path: TargetPath,
    pub target: EntryKey,
    /// Whether it is a change where its object will be there.
    pub if_there: bool,
    /// Whether it is a change where not.
    pub if_not: bool,
    /// Whether nothing else of the entry changes, so that the change makes an update.
    pub alone: bool,
}

/// What is to be written about an entry.
pub(crate) enum Deed {
    /// It is gone, and nothing hangs on it.
    Forget,
    /// It is held.
    Hold(Reason),
    /// It was left out, for another reason than before.
    LeaveOut(Reason, String),
    /// What was allotted to it is free for others.
    GiveBack,
    /// It is to have values of which each may be had only once.
    Choose(Draft),
    /// The target has to be asked: what follows from the verdict goes into the stored plan.
    Match(Verdict),
}

impl Harvest {
    /// One that keeps so many operations, and so many differences, in full.
    pub fn of(most: usize) -> Self {
        Self { first: Lowest::new(most), compared: Comparison::new(most), ..Self::default() }
    }

    /// Takes over the counts and what is left to be looked at, and gives back what is to be written.
    pub fn absorb(&mut self, other: Self) -> Vec<(EntryKey, Deed)> {
        self.tally.merge(other.tally);
        self.leavers.extend(other.leavers);
        self.again.extend(other.again);
        self.pending.extend(other.pending);
        self.questions.extend(other.questions);
        self.first.merge(other.first);
        self.compared.merge(other.compared);
        other.deeds
    }

    /// Counts an operation that would be carried out.
    pub fn operation(&mut self, operation: OperationKind, writes: u64) {
        *self.tally.planned.entry(operation).or_default() += 1;
        self.tally.writes += writes;
    }

    /// Counts an attribute that would change.
    pub fn attribute(&mut self, path: &TargetPath) {
        match self.tally.attributes.get_mut(path) {
            Some(count) => *count += 1,
            None => {
                self.tally.attributes.insert(path.clone(), 1);
            }
        }
    }
}

/// The lowest source ids of those that were offered, as many as are wanted, with the numbers of their entries.
#[derive(Default)]
pub(crate) struct Lowest {
    most: usize,
    found: BTreeSet<(Vec<u8>, EntryKey)>,
}

impl Lowest {
    pub fn new(most: usize) -> Self {
        Self { most, found: BTreeSet::new() }
    }

    /// As many as are wanted.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Offers a source id, in the form it is stored in.
    pub fn offer(&mut self, id: &[u8], key: EntryKey) {
        let room = self.found.len() < self.most;
        if self.most > 0 && (room || self.found.last().is_some_and(|(last, _)| id < last.as_slice())) {
            self.found.insert((id.to_vec(), key));
            if self.found.len() > self.most {
                self.found.pop_last();
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (id, key) in other.found {
            self.offer(&id, key);
        }
    }

    /// The entries, in the order of their source ids.
    pub fn keys(&self) -> impl Iterator<Item = EntryKey> {
        self.found.iter().map(|(_, key)| *key)
    }
}
