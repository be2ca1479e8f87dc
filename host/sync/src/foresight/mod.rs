//! What a cycle would do, found out in a stream: threads read, evaluate and judge, each over a connection of its own, and
//! one counts. No plan is stored but for what the target has to be asked about, and no entry is marked as evaluated.

mod compare;
mod crew;
mod desire;
mod harvest;
mod judge;
mod prospects;

use std::collections::BTreeSet;
use std::sync::Arc;

use provisor_model::{AttributeName, DraftValue, OperationKind, Plain};
use provisor_rules::Chain;
use provisor_space::{EntryKey, EntryPage, NotIndexed, Retry, Space, SpaceError};
use provisor_target::RequestCosts;

pub(crate) use self::compare::Comparison;
use self::crew::Crew;
pub(crate) use self::harvest::Lowest;
use self::harvest::{Deed, Harvest};
use self::judge::Judge;
pub(crate) use self::prospects::Prospects;
use crate::context::{Context, Tally};
use crate::decide::{decide, hold};
use crate::effective::Reach;
use crate::evaluate::{evaluators, verdicts, within_scope};
use crate::finalise::{Foreseen, TargetFacts, finalise};
use crate::preview::{changes_of, show};
use crate::report::PlannedOperation;
use crate::resolve::{choose, no_unique_value};
use crate::watch::Step;
use crate::{SyncError, record};

/// How many operations that are shown are in memory at once.
const SHOWN_AT_ONCE: usize = 256;

/// Why judging ended early.
pub(crate) enum Halt {
    /// It failed.
    Error(SyncError),
    /// There are values that each may be had only once: entries have to come in order.
    InOrder,
    /// Entries are looked for by an attribute that is not indexed yet.
    Index(NotIndexed),
}

impl From<SyncError> for Halt {
    fn from(error: SyncError) -> Self {
        Self::Error(error)
    }
}

impl From<SpaceError> for Halt {
    fn from(error: SpaceError) -> Self {
        Self::Error(error.into())
    }
}

impl From<Halt> for SyncError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Error(error) => error,
            Halt::InOrder | Halt::Index(_) => {
                Self::Internal("what was missing to judge the entries was not made".into())
            }
        }
    }
}

/// What a cycle would do, as far as it was found out.
pub(crate) struct Foresight {
    context: Context,
    facts: TargetFacts,
    costs: RequestCosts,
    new_kinds: BTreeSet<String>,
    /// Whose turn it was, by number.
    judged: Vec<EntryKey>,
    in_order: bool,
    pub prospects: Prospects,
    harvest: Harvest,
    first: usize,
    /// The rules in force, where it is other rules that are judged: then all of it is tentative, and of every entry.
    rival: Option<Arc<Chain>>,
}

impl Foresight {
    /// Judges everything that waits for its evaluation. What the target has to be asked about is in the stored plan behind
    /// it, unmatched. Kinds in `new_kinds` are not asked about.
    ///
    /// # Errors
    /// When a rule stops the preview, the space fails, or the host is stopping.
    pub fn begin(
        space: &mut Space,
        context: &Context,
        facts: TargetFacts,
        new_kinds: BTreeSet<String>,
        first: usize,
    ) -> Result<Self, SyncError> {
        let judged = space.dirty_keys(false)?;
        Ok(Self::of(space, context, facts, first, judged)?.with_new_kinds(new_kinds).judge_first(space)?)
    }

    /// Judges everything there is by the rules of the context, and compares how each entry fares by `rival`. It is for a
    /// transaction of which nothing is kept; the target is not asked.
    ///
    /// # Errors
    /// As for [`Self::begin`]; and where an attribute has to be indexed first, for which the transaction must be left: those
    /// who read do not see what is not committed.
    pub fn begin_update(
        space: &mut Space,
        context: &Context,
        facts: TargetFacts,
        rival: Arc<Chain>,
        first: usize,
    ) -> Result<Self, Halt> {
        let judged = space.all_keys(false)?;
        let foresight = Self::of(space, context, facts, first, judged)?;
        Self { rival: Some(rival), ..foresight }.judge_first(space)
    }

    fn of(
        space: &Space,
        context: &Context,
        facts: TargetFacts,
        first: usize,
        judged: Vec<EntryKey>,
    ) -> Result<Self, SyncError> {
        Ok(Self {
            context: context.clone(),
            facts,
            costs: context.configuration.request_costs(),
            new_kinds: BTreeSet::new(),
            judged,
            in_order: false,
            prospects: Prospects::new(space)?,
            harvest: Harvest::default(),
            first,
            rival: None,
        })
    }

    fn with_new_kinds(self, new_kinds: BTreeSet<String>) -> Self {
        Self { new_kinds, ..self }
    }

    /// The first round, over everything that is judged.
    fn judge_first(mut self, space: &mut Space) -> Result<Self, Halt> {
        loop {
            let keys = match (self.in_order, &self.rival) {
                (false, _) => self.judged.clone(),
                (true, None) => space.dirty_keys(true)?,
                (true, Some(_)) => space.all_keys(true)?,
            };
            match self.run(space, &keys, false) {
                Ok(harvest) => {
                    self.harvest = harvest;
                    return Ok(self);
                }
                Err(Halt::InOrder) => self.in_order = true,
                Err(Halt::Index(attribute)) if self.rival.is_none() => space.index_by(&attribute)?,
                Err(halt) => return Err(halt),
            }
            // Little was done, and all of it is done anew.
            self.prospects = Prospects::new(space)?;
        }
    }

    /// Judges who refers to those that leave, and whatever hung on others; what the target was asked about has been found
    /// out by now. Gives what was counted.
    ///
    /// # Errors
    /// As for [`Self::begin`].
    pub fn complete(&mut self, space: &mut Space) -> Result<Tally, Halt> {
        let Self { prospects, harvest, costs, .. } = self;
        let foreseen = Foreseen { prospects, costs, first: &mut harvest.first };
        finalise(space, &self.context, &self.facts, Some(foreseen), &mut harvest.tally)?;
        loop {
            let leavers = std::mem::take(&mut self.harvest.leavers);
            let mut referrers = BTreeSet::new();
            for leaver in leavers {
                referrers.extend(space.referrers_of(leaver)?);
            }
            referrers.retain(|key| self.judged.binary_search(key).is_err());
            if referrers.is_empty() {
                break;
            }
            let round: Vec<EntryKey> = referrers.into_iter().collect();
            self.judged.extend(&round);
            self.judged.sort_unstable();
            self.go_on(space, &round, false)?;
        }
        let again = std::mem::take(&mut self.harvest.again);
        self.go_on(space, &again, true)?;
        for pending in std::mem::take(&mut self.harvest.pending) {
            let mut settled = self.empty();
            self.judge(true).settle(space, pending, &mut settled)?;
            self.harvest.absorb(settled);
        }
        Ok(std::mem::take(&mut self.harvest.tally))
    }

    /// The values by which rules refer to others, that nobody has here and the target was never asked for.
    pub fn take_questions(&mut self) -> BTreeSet<(AttributeName, String)> {
        std::mem::take(&mut self.harvest.questions)
    }

    /// How the entries fare under these rules and under those before.
    pub fn comparison(&mut self) -> Comparison {
        std::mem::take(&mut self.harvest.compared)
    }

    /// The first operations, in source-id order, in full.
    ///
    /// # Errors
    /// As for [`Self::begin`].
    pub fn show(&self, space: &mut Space) -> Result<Vec<PlannedOperation>, SyncError> {
        // They are evaluated once more, for what was counted of them did not stay in memory.
        let context = Context { asks_target: false, changes: true, ..self.context.clone() };
        let mut evaluators = evaluators(&context);
        let keys: Vec<EntryKey> = self.harvest.first.keys().collect();
        let mut shown = Vec::with_capacity(keys.len());
        for keys in keys.chunks(SHOWN_AT_ONCE) {
            let page = keys.iter().map(|key| stored_entry(space, *key)).collect::<Result<Vec<_>, _>>()?;
            let said = verdicts(&mut evaluators, &page, &within_scope(space, &context, &page)?)?;
            let operations = space.tentatively(|space| -> Result<Vec<PlannedOperation>, SyncError> {
                let mut operations = Vec::with_capacity(page.len());
                for (stored, said) in page.iter().zip(said) {
                    if space.planned_operation(stored.key)?.is_none() {
                        decide(space, &context, stored, said.verdict, said.valid_until, &mut Tally::default())?;
                    }
                    let Some(mut planned) = space.planned(stored.key)? else { continue };
                    if matches!(planned.operation, OperationKind::Update | OperationKind::Join) {
                        self.facts.keep_spelling(&mut planned.body);
                    }
                    let changes = changes_of(space, &context, &planned, Reach::Foreseen(&self.prospects))?;
                    operations.push(show(&planned, stored, &changes));
                }
                Ok(operations)
            })?;
            shown.extend(operations);
        }
        Ok(shown)
    }

    /// One round behind the first, in which nothing new can be found to be missing but an index.
    fn go_on(&mut self, space: &mut Space, keys: &[EntryKey], complete: bool) -> Result<(), Halt> {
        loop {
            match self.run(space, keys, complete) {
                Ok(harvest) => {
                    self.harvest.absorb(harvest);
                    return Ok(());
                }
                Err(Halt::Index(attribute)) if self.rival.is_none() => space.index_by(&attribute)?,
                Err(Halt::InOrder) => self.in_order = true,
                Err(halt) => return Err(halt),
            }
        }
    }

    fn empty(&self) -> Harvest {
        Harvest::of(self.first)
    }

    fn judge(&self, complete: bool) -> Judge<'_> {
        Judge {
            context: &self.context,
            facts: &self.facts,
            costs: &self.costs,
            prospects: &self.prospects,
            new_kinds: &self.new_kinds,
            judged: &self.judged,
            complete,
            in_order: self.in_order,
            tentative: self.rival.is_some(),
        }
    }

    /// Has entries judged, and writes what there is to be written about them.
    fn run(&self, space: &mut Space, keys: &[EntryKey], complete: bool) -> Result<Harvest, Halt> {
        let mut whole = self.empty();
        // What is judged again was compared the first time.
        let rival = self.rival.as_ref().filter(|_| !complete);
        let crew = Crew::new(space, &self.context, keys.len(), rival)?;
        let judge = self.judge(complete);
        crew.judge_all(&judge, keys, self.first, |harvest, done| {
            if self.context.watch.stopping() {
                return Err(SyncError::Interrupted.into());
            }
            self.context.watch.report(Step::Evaluate, done, Some(keys.len() as u64));
            let deeds = whole.absorb(harvest);
            if deeds.is_empty() {
                return Ok(());
            }
            let mut halt = None;
            space.atomically(|space| -> Result<(), SyncError> {
                for (key, deed) in deeds {
                    match carry_out(space, &judge, key, deed, &mut whole) {
                        Ok(()) => {}
                        Err(Halt::Error(error)) => return Err(error),
                        Err(other) => {
                            halt = Some(other);
                            return Ok(());
                        }
                    }
                }
                Ok(())
            })?;
            halt.map_or(Ok(()), Err)
        })?;
        Ok(whole)
    }
}

/// Writes what is to be written about one entry.
fn carry_out(
    space: &mut Space,
    judge: &Judge<'_>,
    key: EntryKey,
    deed: Deed,
    harvest: &mut Harvest,
) -> Result<(), Halt> {
    let context = judge.context;
    match deed {
        // Nothing of it is kept: it is counted, and not written down first.
        Deed::Hold(reason) if judge.tentative => *harvest.tally.held.entry(reason.code).or_default() += 1,
        Deed::LeaveOut(..) if judge.tentative => {}
        Deed::Forget => space.forget_entry(key).map_err(SyncError::from)?,
        Deed::GiveBack => space.remove_link(key).map_err(SyncError::from)?,
        Deed::Hold(reason) => {
            let stored = stored_entry(space, key)?;
            hold(space, context, &stored, &reason, Retry::NextCycle, &mut harvest.tally)?;
        }
        Deed::LeaveOut(reason, decision) => {
            let stored = stored_entry(space, key)?;
            record::decided(space, context, &stored, "skipped", &reason)?;
            space.note_decision(key, Some(&decision), None).map_err(SyncError::from)?;
        }
        Deed::Match(verdict) => {
            let stored = stored_entry(space, key)?;
            let mut tally = Tally::default();
            decide(space, context, &stored, verdict, None, &mut tally)?;
            // The rest was counted when it was judged.
            harvest.tally.merge(Tally { evaluated: 0, out_of_scope: Default::default(), ..tally });
        }
        Deed::Choose(mut draft) => {
            let mut page = EntryPage::new(1);
            space.read_entries(&[key], &mut page).map_err(SyncError::from)?;
            let Some(stored) = page.entries().next() else { return Ok(()) };
            let link = stored.link().map_err(SyncError::from)?;
            for (path, attribute) in draft.attributes.iter_mut() {
                let DraftValue::FirstUnique(candidates) = &attribute.value else { continue };
                match choose(space, key, path, candidates)? {
                    Some(chosen) => attribute.value = DraftValue::Plain(Plain::Text(chosen)),
                    None => {
                        let reason = no_unique_value(path);
                        judge.prospects.set(key, link.is_some_and(|link| !link.disabled));
                        return carry_out(space, judge, key, Deed::Hold(reason), harvest);
                    }
                }
            }
            let mut judged = Harvest::of(harvest.first.most());
            judge.desire(space, &stored, link, draft, &mut judged)?;
            for (key, deed) in harvest.absorb(judged) {
                carry_out(space, judge, key, deed, harvest)?;
            }
        }
    }
    Ok(())
}

fn stored_entry(space: &Space, key: EntryKey) -> Result<provisor_space::StoredEntry, SyncError> {
    space.entry(key)?.ok_or_else(|| SyncError::Internal("an entry that was judged is not there".into()))
}
