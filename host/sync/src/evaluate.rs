//! Scope and rules over the entries that are to be evaluated, on all cores.

use std::thread;

use provisor_model::Entry;
use provisor_rules::{Evaluation, Evaluator};
use provisor_space::{Space, StoredEntry};

use crate::context::{Context, Tally};
use crate::decide::{Verdict, decide};
use crate::watch::Step;
use crate::{SyncError, scope};

/// How many entries are in memory at once.
const PAGE: usize = 2_048;

/// Fewer entries than this are not worth a second thread.
const WORTH_A_THREAD: usize = 128;

/// What scope and rules say of an entry.
pub(crate) struct Said {
    pub verdict: Verdict,
    /// Until when that holds, in seconds since 1970.
    pub valid_until: Option<i64>,
    /// What is to be kept of the rules' answers, where that is more than was kept already.
    pub answers: Option<Vec<u8>>,
}

impl From<Verdict> for Said {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, valid_until: None, answers: None }
    }
}

/// Evaluators for all cores.
pub(crate) fn evaluators(context: &Context) -> Vec<Evaluator> {
    let cores = thread::available_parallelism().map_or(1, usize::from).min(16);
    let first = context.chain.start_cycle(context.now / 1000, false);
    let others: Vec<Evaluator> = (1..cores).map(|_| first.beside()).collect();
    std::iter::once(first).chain(others).map(|evaluator| knowing(context, evaluator)).collect()
}

/// An evaluator that takes what rules answered before, as far as it is handed that; a preview keeps nothing of what they
/// answer now.
pub(crate) fn knowing(context: &Context, evaluator: Evaluator) -> Evaluator {
    match &context.answer_key {
        Some(key) if context.preview => evaluator.recalling(key),
        Some(key) => evaluator.remembering(key),
        None => evaluator,
    }
}

/// Evaluates everything that is to be, and plans what follows.
///
/// # Errors
/// When a rule stops the cycle, the space fails, or the host is stopping.
pub(crate) fn evaluate_dirty(space: &mut Space, context: &Context) -> Result<Tally, SyncError> {
    let mut evaluators = evaluators(context);
    let mut tally = Tally::default();
    let total = space.dirty_count()?;
    let mut page = space.dirty_entries(None, PAGE)?;
    let mut said = verdicts(&mut evaluators, &page, &within_scope(space, context, &page)?)?;
    while let Some(last) = page.last() {
        if context.watch.stopping() {
            return Err(SyncError::Interrupted);
        }
        context.watch.report(Step::Evaluate, tally.evaluated, Some(total.max(tally.evaluated)));
        // The next entries go through the rules while these are decided: what an entry comes to depends on itself alone,
        // and deciding one changes no other, but for whether it is to be evaluated.
        let next = space.dirty_entries(Some(&last.entry.source_id), PAGE)?;
        let within = within_scope(space, context, &next)?;
        let evaluators = &mut evaluators;
        let upcoming = thread::scope(|scope| {
            let upcoming = (!next.is_empty()).then(|| scope.spawn(|| verdicts(evaluators, &next, &within)));
            let decided = space.atomically(|space| -> Result<(), SyncError> {
                for (stored, said) in page.iter().zip(said) {
                    decide(space, context, stored, said.verdict, said.valid_until, &mut tally)?;
                    if let Some(answers) = said.answers {
                        space.keep_answers(stored.key, &answers)?;
                    }
                }
                Ok(())
            });
            let upcoming = upcoming.map(thread::ScopedJoinHandle::join);
            decided.map(|()| upcoming)
        })?;
        (page, said) = match upcoming {
            Some(said) => (next, said.map_err(|_| SyncError::Internal("an evaluating thread panicked".into()))??),
            None => {
                // What was marked in the meantime stands anywhere.
                let page = space.dirty_entries(None, PAGE)?;
                let said = verdicts(evaluators, &page, &within_scope(space, context, &page)?)?;
                (page, said)
            }
        };
    }
    Ok(tally)
}

/// Which of these entries are within the scope, in order.
pub(crate) fn within_scope(space: &Space, context: &Context, page: &[StoredEntry]) -> Result<Vec<bool>, SyncError> {
    page.iter().map(|stored| Ok(stored.gone || stored.excluded || scope::has_within(space, context, stored)?)).collect()
}

/// What scope and rules say of these entries, in order.
pub(crate) fn verdicts(
    evaluators: &mut [Evaluator],
    page: &[StoredEntry],
    in_scope: &[bool],
) -> Result<Vec<Said>, SyncError> {
    let asked: Vec<(&Entry, &[u8])> = page
        .iter()
        .zip(in_scope)
        .filter(|(stored, in_scope)| **in_scope && !stored.gone && !stored.excluded)
        .map(|(stored, _)| (&stored.entry, stored.answers.as_slice()))
        .collect();
    let mut evaluations = evaluate_parallel(evaluators, &asked)?.into_iter();
    page.iter()
        .zip(in_scope)
        .map(|(stored, in_scope)| {
            if stored.gone {
                return Ok(Verdict::Gone.into());
            }
            if stored.excluded {
                return Ok(Verdict::Excluded.into());
            }
            if !in_scope {
                return Ok(Verdict::OutsideScope.into());
            }
            let evaluation =
                evaluations.next().ok_or_else(|| SyncError::Internal("an entry was not evaluated".into()))?;
            let Evaluation { outcome, valid_until, answers, .. } = evaluation;
            Ok(Said { verdict: Verdict::Decided(outcome), valid_until, answers })
        })
        .collect()
}

/// Evaluates entries, each with what is kept of rules' answers about it, on as many threads as there are evaluators; what
/// comes of them comes in their order.
pub(crate) fn evaluate_parallel(
    evaluators: &mut [Evaluator],
    entries: &[(&Entry, &[u8])],
) -> Result<Vec<Evaluation>, SyncError> {
    let [first, ..] = evaluators else { return Err(SyncError::Internal("there is no evaluator".into())) };
    if entries.len() < WORTH_A_THREAD {
        return Ok(first.evaluate_again(entries)?);
    }
    let share = entries.len().div_ceil(evaluators.len());
    let parts = thread::scope(|scope| {
        let threads: Vec<_> = evaluators
            .iter_mut()
            .zip(entries.chunks(share))
            .map(|(evaluator, part)| scope.spawn(move || evaluator.evaluate_again(part)))
            .collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut evaluations = Vec::with_capacity(entries.len());
    for part in parts {
        evaluations.extend(part.map_err(|_| SyncError::Internal("an evaluating thread panicked".into()))??);
    }
    Ok(evaluations)
}
