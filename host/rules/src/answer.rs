//! Answers of plugins, checked against their contracts.

use provisor_model::Reason;

use crate::bindings::{filter, mapping, types};
use crate::chain::{Link, MappingPlan};
use crate::decode;
use crate::fault::{Fault, FaultKind};
use crate::surface::PluginKind;

/// An answer of either kind, checked.
pub(crate) enum Answer {
    Keep,
    Drop(Reason),
    /// Edits that keep to the contract.
    Edits(Vec<types::Edit>),
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
    pub(crate) fn check(self, link: &Link) -> (Answer, Option<i64>) {
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
                        match link.mapping.as_ref().map(|plan| check_edits(plan, &edits)) {
                            Some(Ok(())) => Answer::Edits(edits),
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

/// Whether edits keep to the contract: before any is taken over, so that a fault leaves nothing behind.
fn check_edits(plan: &MappingPlan, edits: &[types::Edit]) -> Result<(), String> {
    // A bit for each place to write.
    let mut set = vec![0_u64; plan.writes.len().div_ceil(64)];
    for edit in edits {
        let write = edit.attribute as usize;
        if write >= plan.writes.len() {
            return Err(format!("it set place {write}, but its contract has {} places to write", plan.writes.len()));
        }
        if let Some(bits) = set.get_mut(write / 64) {
            if *bits & (1 << (write % 64)) != 0 {
                return Err(format!("it set place {write} twice in one answer"));
            }
            *bits |= 1 << (write % 64);
        }
        decode::check(&edit.value, &plan.reads)?;
    }
    Ok(())
}
