//! Answers of plugins, checked against their contracts.

use provisor_model::{DraftValue, EntryView, Reason, ValueView};

use crate::bindings::{filter, mapping, types};
use crate::chain::{Link, MappingPlan};
use crate::decode;
use crate::fault::{Fault, FaultKind};
use crate::surface::PluginKind;

/// An answer of either kind, checked.
pub(crate) enum Answer {
    Keep,
    Drop(Reason),
    Edits(Vec<(usize, Option<DraftValue>)>),
    Exclude(Reason),
    Failed(Reason),
    Fault(Fault),
}

/// An answer as the plugin gave it.
pub(crate) enum RawAnswer {
    Filter(filter::Answer),
    Mapping(mapping::Answer),
}

impl RawAnswer {
    /// The answer in the form that it is kept in, behind what `room` holds; none where it has no such form.
    pub(crate) fn to_kept(&self, room: Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Self::Filter(answer) => postcard::to_extend(answer, room),
            Self::Mapping(answer) => postcard::to_extend(answer, room),
        }
        .ok()
    }

    /// An answer that was kept; none where it is damaged.
    pub(crate) fn from_kept(kind: PluginKind, kept: &[u8]) -> Option<Self> {
        match kind {
            PluginKind::Filter => postcard::from_bytes(kept).map(Self::Filter),
            PluginKind::Mapping => postcard::from_bytes(kept).map(Self::Mapping),
        }
        .ok()
    }

    /// Checks an answer against the contract, with when it may change by time alone.
    pub(crate) fn check(self, link: &Link, entry: &EntryView<'_>, found: &[&[ValueView<'_>]]) -> (Answer, Option<i64>) {
        match self {
            Self::Filter(answer) => {
                let verdict = match answer.verdict {
                    filter::Verdict::Keep => Answer::Keep,
                    filter::Verdict::Drop(reason) => Answer::Drop(decode::reason(reason)),
                    filter::Verdict::Failed(reason) => Answer::Failed(decode::reason(reason)),
                };
                (verdict, answer.valid_until)
            }
            Self::Mapping(answer) => {
                let outcome = match answer.outcome {
                    mapping::Outcome::Exclude(reason) => Answer::Exclude(decode::reason(reason)),
                    mapping::Outcome::Failed(reason) => Answer::Failed(decode::reason(reason)),
                    mapping::Outcome::Edits(edits) => {
                        match link.mapping.as_ref().map(|plan| check_edits(plan, edits, entry, found)) {
                            Some(Ok(edits)) => Answer::Edits(edits),
                            Some(Err(detail)) => Answer::Fault(Fault::new(FaultKind::Contract, detail)),
                            None => Answer::Fault(Fault::new(FaultKind::Contract, "it is no mapping")),
                        }
                    }
                };
                (outcome, answer.valid_until)
            }
        }
    }
}

/// Edits by place in the contract's writes, each place once.
fn check_edits(
    plan: &MappingPlan,
    edits: Vec<types::Edit>,
    entry: &EntryView<'_>,
    found: &[&[ValueView<'_>]],
) -> Result<Vec<(usize, Option<DraftValue>)>, String> {
    let mut checked: Vec<(usize, Option<DraftValue>)> = Vec::with_capacity(edits.len());
    for edit in edits {
        let write = edit.attribute as usize;
        if write >= plan.writes.len() {
            return Err(format!("it set place {write}, but its contract has {} places to write", plan.writes.len()));
        }
        if checked.iter().any(|(earlier, _)| *earlier == write) {
            return Err(format!("it set place {write} twice in one answer"));
        }
        checked.push((write, decode::value(edit.value, entry, &plan.reads, found)?));
    }
    Ok(checked)
}
