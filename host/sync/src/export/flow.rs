//! How the operations of one stage flow: requests go out side by side all the time, while the store keeps the results of
//! those before and the intents of those that follow, in one transaction.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use provisor_model::SourceId;
use provisor_space::{CarriedOut, EntryKey};
use provisor_target::{ScimTarget, TargetError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Course;
use super::keeping::{Answered, keep};
use super::resolve::carry_out;
use crate::context::{Context, Tally};
use crate::request::{Prepared, Reply, prepare, sent_by};
use crate::store::Store;
use crate::watch::Step;
use crate::{SyncError, clock};

/// How many operations are taken in hand at least. After a crash each of them is looked for at the target.
const LEAST: usize = 128;

/// How many operations are in hand and wait at most, however quick the target is; and how many results.
const MOST: usize = 512;

/// How long a result may wait for others to be stored with: a service that takes some milliseconds for each is not worth a
/// sync of the disk for every few. After a crash, what waited is looked for at the target.
const GATHERING: Duration = Duration::from_millis(50);

/// What the store and those who send have in common.
struct Shared {
    state: Mutex<State>,
    /// There is something to be sent, or nothing will be any more.
    work: Notify,
    /// There is something for the store to do.
    news: Notify,
}

#[derive(Default)]
struct State {
    /// Their intents are stored.
    ready: VecDeque<Prepared>,
    under_way: usize,
    /// What has come back and is not stored.
    back: Vec<Answered>,
    /// Since when there is something among it.
    since: Option<Instant>,
    /// The store is told when no more than so many are ready.
    low: usize,
    /// Nothing more is sent.
    closed: bool,
    fatal: Option<TargetError>,
    broken: Option<SyncError>,
}

/// What is to be done next.
enum Turn {
    /// Results are stored, and so many operations taken in hand.
    Store(Vec<Answered>, usize),
    /// Nothing yet.
    Wait,
    /// All is done.
    End,
}

/// Carries out the operations of one stage, with as many under way as the target takes at once.
pub(super) async fn stage(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    (phase, wave): (u32, u32),
    course: &mut Course,
) -> Result<Tally, SyncError> {
    let concurrency = target.in_flight().max(1);
    let shared = Arc::new(Shared { state: Mutex::default(), work: Notify::new(), news: Notify::new() });
    // Tasks of their own, so that requests go on while results are stored. Dropped with this call, they end.
    let mut senders = JoinSet::new();
    for _ in 0..concurrency {
        senders.spawn(sender(Arc::clone(&shared), store.clone(), target.clone(), context.clone()));
    }
    let mut tally = Tally::default();
    let mut feed = Feed { concurrency, came_back: 0, exhausted: false, large: false };
    let mut after: Option<SourceId> = None;
    loop {
        let (back, wanted) = match shared.turn(&mut feed, context.watch.stopping()) {
            Turn::End => break,
            Turn::Wait => {
                // Whatever happens, it is looked again before long: somebody may have asked to stop.
                let _ = tokio::time::timeout(GATHERING / 2, shared.news.notified()).await;
                continue;
            }
            Turn::Store(back, wanted) => (back, wanted),
        };
        course.done += back.len() as u64;
        let (kept, taken) = store_turn(store, context, (phase, wave), after.clone(), back, wanted).await?;
        tally.merge(kept);
        feed.exhausted |= wanted > 0 && taken.is_empty();
        feed.large = wanted > 0 && taken.len() < wanted;
        after = taken.last().map(|prepared| prepared.head.source_id.clone()).or(after);
        context.watch.report(Step::Export, course.done, Some(course.total.max(course.done)));
        shared.state().ready.extend(taken);
        shared.work.notify_waiters();
    }
    let (unsent, fatal, broken) = {
        let mut state = shared.state();
        (std::mem::take(&mut state.ready), state.fatal.take(), state.broken.take())
    };
    course.carried = match (unsent.front(), after) {
        (Some(first), _) => CarriedOut::Before(phase, wave, first.head.source_id.clone()),
        (None, Some(last)) => CarriedOut::Through(phase, wave, last),
        (None, None) => std::mem::take(&mut course.carried),
    };
    forget_intents(store, &unsent).await?;
    match (broken, fatal) {
        (Some(error), _) => Err(error),
        (None, Some(error)) => Err(error.into()),
        (None, None) => Ok(tally),
    }
}

/// Stores the results, and then the intents of the operations that follow: by one transaction, so that one sync of the
/// disk serves both. Only when it is committed do their requests go out.
async fn store_turn(
    store: &Store,
    context: &Context,
    (phase, wave): (u32, u32),
    after: Option<SourceId>,
    back: Vec<Answered>,
    wanted: usize,
) -> Result<(Tally, Vec<Prepared>), SyncError> {
    let context = context.clone();
    store
        .with(move |space| {
            space.atomically(|space| {
                let tally = if back.is_empty() { Tally::default() } else { keep(space, &context, back)? };
                let mut taken = Vec::with_capacity(wanted);
                if wanted > 0 {
                    let now = clock::milliseconds();
                    for (planned, head) in space.next_planned(phase, wave, after.as_ref(), wanted)? {
                        let prepared = prepare(space, &context, planned, head)?;
                        space.intend(&prepared.head, prepared.planned.operation, &sent_by(&prepared), now)?;
                        taken.push(prepared);
                    }
                }
                Ok((tally, taken))
            })
        })
        .await
}

/// What was taken in hand and not sent has no request whose outcome could be unknown, unless an earlier one's still is.
async fn forget_intents(store: &Store, unsent: &VecDeque<Prepared>) -> Result<(), SyncError> {
    let keys: Vec<EntryKey> =
        unsent.iter().filter(|prepared| !prepared.head.uncertain).map(|prepared| prepared.planned.key).collect();
    if keys.is_empty() {
        return Ok(());
    }
    store
        .with(move |space| {
            space.atomically(|space| -> Result<(), SyncError> {
                keys.iter().try_for_each(|key| Ok(space.clear_intent(*key)?))
            })
        })
        .await
}

/// How much is taken in hand.
struct Feed {
    concurrency: usize,
    /// How many results came while the store last worked and waited: so much is used up until it comes round again.
    came_back: usize,
    /// Whether the stage has nothing more.
    exhausted: bool,
    /// Whether operations are so large that fewer than were wanted came at once.
    large: bool,
}

impl Feed {
    /// How many are to be in hand. What is sent together comes together, so never fewer than go out at once.
    fn depth(&self) -> usize {
        (self.came_back * 2).clamp(LEAST, MOST).max(self.concurrency)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store does now. Where much comes back a turn follows the other, each with what has come meanwhile; where
    /// little does, results wait a moment for one another.
    fn turn(&self, feed: &mut Feed, stopping: bool) -> Turn {
        let mut state = self.state();
        if stopping || state.fatal.is_some() || state.broken.is_some() {
            state.closed = true;
            self.work.notify_waiters();
        }
        let (depth, ready) = (feed.depth(), state.ready.len());
        // So that many large ones are not in memory at once, the next come when the last have all gone out.
        state.low = if feed.large { 0 } else { depth / 2 };
        let idle = state.under_way == 0 && (state.closed || ready == 0);
        let takes = !state.closed && !feed.exhausted && ready <= state.low;
        let gathered =
            state.back.len() >= MOST / 2 || idle || state.since.is_some_and(|since| since.elapsed() >= GATHERING);
        if takes || (gathered && !state.back.is_empty()) {
            let back = std::mem::take(&mut state.back);
            state.since = None;
            feed.came_back = back.len();
            // Whoever waits for the store's turn anyway takes along what will be needed before the next.
            let wanted = if state.closed || feed.exhausted { 0 } else { feed.depth().saturating_sub(ready) };
            return Turn::Store(back, wanted);
        }
        if idle && (state.closed || feed.exhausted) { Turn::End } else { Turn::Wait }
    }

    /// Waits for the next operation to be sent; none where nothing more is sent.
    async fn next(&self, context: &Context) -> Option<Prepared> {
        loop {
            if let Some(next) = self.try_next(context) {
                return next;
            }
            let mut work = std::pin::pin!(self.work.notified());
            work.as_mut().enable();
            // Something may have come before we listened.
            if let Some(next) = self.try_next(context) {
                return next;
            }
            work.await;
        }
    }

    /// The next operation, or that none follows; nothing where that is not known yet.
    fn try_next(&self, context: &Context) -> Option<Option<Prepared>> {
        let mut state = self.state();
        if state.closed || context.watch.stopping() {
            return Some(None);
        }
        let prepared = state.ready.pop_front()?;
        state.under_way += 1;
        if state.ready.len() == state.low {
            self.news.notify_one();
        }
        Some(Some(prepared))
    }

    /// Takes back what came of an operation.
    fn give_back(&self, outcome: Result<Answered, SyncError>) {
        let mut state = self.state();
        state.under_way -= 1;
        match outcome {
            Ok(answered) => {
                if let Reply::Failed(error) = &answered.reply
                    && error.concerns_whole_target()
                {
                    state.fatal.get_or_insert_with(|| error.clone());
                    state.closed = true;
                }
                state.back.push(answered);
                state.since.get_or_insert_with(Instant::now);
            }
            Err(error) => {
                state.broken.get_or_insert(error);
                state.closed = true;
            }
        }
        let idle = state.under_way == 0 && (state.closed || state.ready.is_empty());
        if idle || state.closed || state.back.len() == MOST / 2 {
            self.news.notify_one();
        }
    }
}

/// Sends one operation after the other.
async fn sender(shared: Arc<Shared>, store: Store, target: ScimTarget, context: Context) {
    while let Some(prepared) = shared.next(&context).await {
        let held = Held { shared: &shared, outcome: None };
        let outcome = carry_out(&store, &target, &context, prepared).await;
        let outcome = outcome.and_then(|(prepared, reply)| Answered::new(&context, prepared, reply));
        held.ended(outcome);
    }
}

/// An operation that is under way, which comes back even where whoever sends it panics.
struct Held<'s> {
    shared: &'s Shared,
    outcome: Option<Result<Answered, SyncError>>,
}

impl Held<'_> {
    fn ended(mut self, outcome: Result<Answered, SyncError>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let lost = || Err(SyncError::Internal("a request was given up in its middle".to_owned()));
        self.shared.give_back(self.outcome.take().unwrap_or_else(lost));
    }
}
