//! The threads that read, evaluate and judge, each over a connection of its own; what they find comes in the order of the
//! entries.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use provisor_model::{AttributeLanes, Dn, DnKey, EntryView};
use provisor_rules::{Chain, Evaluator};
use provisor_space::{EntryKey, EntryPage, Reader, Space, SpaceError, StoredView};

use super::Halt;
use super::harvest::Harvest;
use super::judge::Judge;
use crate::context::Context;
use crate::decide::Verdict;
use crate::evaluate::{evaluators, knowing};
use crate::{SyncError, scope};

/// How many entries a thread judges at once.
const PORTION: usize = 1_024;

/// How many entries go through the rules before they are judged: what they come to is dropped at once.
const BATCH: usize = 64;

/// Fewer entries than this are not worth a second thread.
const WORTH_A_THREAD: usize = 256;

/// How many portions of a thread may wait for being counted.
const AHEAD: usize = 4;

/// One thread's tools.
struct Worker {
    reader: Reader,
    evaluator: Evaluator,
    /// Of the rules that are compared with.
    rival: Option<Evaluator>,
    page: EntryPage,
}

/// All threads' tools.
pub(super) struct Crew(Vec<Worker>);

impl Crew {
    /// Tools for judging so many entries of the space as it stands now, and for comparing how they fare by other rules.
    pub fn new(
        space: &Space,
        context: &Context,
        entries: usize,
        rival: Option<&Arc<Chain>>,
    ) -> Result<Self, SyncError> {
        let mut evaluators = evaluators(context);
        if entries < WORTH_A_THREAD {
            evaluators.truncate(1);
        }
        let crew = evaluators.len();
        // As those of a cycle, they have in common what they may say and how often they may fail.
        let rival = rival.map(|rival| rival.start_cycle(context.now / 1000, false));
        let workers = evaluators.into_iter().map(|evaluator| {
            let rival = rival.as_ref().map(|rival| knowing(context, rival.beside()));
            Ok(Worker { reader: space.reader(crew)?, evaluator, rival, page: EntryPage::new(crew) })
        });
        Ok(Self(workers.collect::<Result<_, SyncError>>()?))
    }

    /// Judges entries; `count` is given what portions of them came to, in their order, and how many are done.
    pub fn judge_all(
        mut self,
        judge: &Judge<'_>,
        keys: &[EntryKey],
        first: usize,
        mut count: impl FnMut(Harvest, u64) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let crew = self.0.len();
        if let [worker] = self.0.as_mut_slice() {
            for (number, portion) in keys.chunks(PORTION).enumerate() {
                let done = (number * PORTION + portion.len()) as u64;
                count(worker.judge(judge, portion, first)?, done)?;
            }
            return Ok(());
        }
        thread::scope(|scope| {
            let mut receivers: Vec<Receiver<Result<Harvest, Halt>>> = Vec::with_capacity(crew);
            for (number, worker) in self.0.iter_mut().enumerate() {
                let (sender, receiver) = sync_channel(AHEAD);
                receivers.push(receiver);
                let portions = keys.chunks(PORTION).skip(number).step_by(crew);
                scope.spawn(move || work(worker, judge, portions, first, &sender));
            }
            for (number, (portion, receiver)) in keys.chunks(PORTION).zip(receivers.iter().cycle()).enumerate() {
                // A thread that ends without an answer has panicked.
                let panicked = |_| SyncError::Internal("an evaluating thread panicked".into());
                let harvest = receiver.recv().map_err(panicked)??;
                count(harvest, (number * PORTION + portion.len()) as u64)?;
            }
            Ok(())
        })
    }
}

/// Judges portions until there are no more, or nobody wants them any longer.
fn work<'k>(
    worker: &mut Worker,
    judge: &Judge<'_>,
    portions: impl Iterator<Item = &'k [EntryKey]>,
    first: usize,
    sender: &SyncSender<Result<Harvest, Halt>>,
) {
    for portion in portions {
        let found = worker.judge(judge, portion, first);
        let failed = found.is_err();
        if sender.send(found).is_err() || failed {
            return;
        }
    }
}

impl Worker {
    fn judge(&mut self, judge: &Judge<'_>, mut keys: &[EntryKey], first: usize) -> Result<Harvest, Halt> {
        let mut harvest = Harvest::of(first);
        while !keys.is_empty() {
            let passed = self.reader.read_entries(keys, &mut self.page).map_err(SyncError::from)?;
            keys = keys.get(passed..).unwrap_or_default();
            let stored: Vec<StoredView<'_>> = self.page.entries().collect();
            for batch in stored.chunks(BATCH) {
                let evaluators = (&mut self.evaluator, self.rival.as_mut());
                judge_batch(&self.reader, evaluators, judge, batch, &mut harvest)?;
            }
        }
        Ok(harvest)
    }
}

fn judge_batch(
    reader: &Reader,
    (evaluator, rival): (&mut Evaluator, Option<&mut Evaluator>),
    judge: &Judge<'_>,
    batch: &[StoredView<'_>],
    harvest: &mut Harvest,
) -> Result<(), Halt> {
    let mut lanes = AttributeLanes::new();
    let mut asked = Vec::with_capacity(batch.len());
    for stored in batch {
        let within = stored.gone() || stored.excluded() || is_within(reader, judge.context, stored)?;
        let asks = within && !stored.gone() && !stored.excluded();
        if asks {
            stored.push_attributes(&mut lanes).map_err(SyncError::from)?;
        }
        asked.push(asks);
    }
    let views = batch.iter().zip(&asked).filter(|(_, asks)| **asks).enumerate();
    let views: Vec<EntryView<'_>> = views
        .map(|(place, (stored, _))| stored.view(lanes.get(place)))
        .collect::<Result<_, SpaceError>>()
        .map_err(SyncError::from)?;
    // To ask most rules takes less than to look up what they answered before.
    let mut kept = Vec::new();
    if evaluator.is_slow() || rival.as_ref().is_some_and(|rival| rival.is_slow()) {
        for (stored, _) in batch.iter().zip(&asked).filter(|(_, asks)| **asks) {
            kept.push(reader.answers(stored.key()).map_err(SyncError::from)?.unwrap_or_default());
        }
    }
    let known: Vec<&[u8]> = kept.iter().map(Vec::as_slice).collect();
    let before = rival.map(|rival| rival.evaluate_known(&views, &known)).transpose().map_err(SyncError::from)?;
    let evaluations = evaluator.evaluate_known(&views, &known).map_err(SyncError::from)?;
    if let Some(before) = before {
        let asking = batch.iter().zip(&asked).filter(|(_, asks)| **asks).map(|(stored, _)| stored);
        for ((stored, before), after) in asking.zip(&before).zip(&evaluations) {
            harvest.compared.note(stored, &before.outcome, &after.outcome)?;
        }
    }
    let mut evaluations = evaluations.into_iter();
    for (stored, asks) in batch.iter().zip(asked) {
        let verdict = match asks {
            false if stored.gone() => Verdict::Gone,
            false if stored.excluded() => Verdict::Excluded,
            false => Verdict::OutsideScope,
            true => {
                let evaluation =
                    evaluations.next().ok_or_else(|| SyncError::Internal("an entry was not evaluated".into()))?;
                Verdict::Decided(evaluation.outcome)
            }
        };
        judge.judge(reader, stored, verdict, harvest)?;
    }
    Ok(())
}

fn is_within(space: &Space, context: &Context, stored: &StoredView<'_>) -> Result<bool, SyncError> {
    let name = || -> Result<DnKey, SyncError> {
        let dn: Result<Dn, _> = stored.dn()?.parse();
        Ok(dn.map_err(|error| SpaceError::Damaged(error.to_string()))?.key())
    };
    scope::is_within(space, context, stored.key(), name)
}
