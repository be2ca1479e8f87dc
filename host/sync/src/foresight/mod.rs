//! What a cycle would do, found out in a stream: threads read, evaluate and judge, each over a connection of its own, and
//! one counts. No plan is stored but for what the target has to be asked about, and no entry is marked as evaluated.

mod crew;
mod desire;
mod harvest;
mod judge;
mod prospects;

use std::collections::BTreeSet;

use provisor_model::{DraftValue, OperationKind, Plain};
use provisor_space::{EntryKey, EntryPage, NotIndexed, Retry, Space};
use provisor_target::RequestCosts;

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
pub(super) enum Halt {
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
        let mut foresight = Self {
            context: context.clone(),
            facts,
            costs: context.configuration.request_costs(),
            new_kinds,
            judged,
            in_order: false,
            prospects: Prospects::new(space)?,
            harvest: Harvest::default(),
            first,
        };
        loop {
            let keys = if foresight.in_order { space.dirty_keys(true)? } else { foresight.judged.clone() };
            match foresight.run(space, &keys, false) {
                Ok(harvest) => {
                    foresight.harvest = harvest;
                    return Ok(foresight);
                }
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::InOrder) => foresight.in_order = true,
                Err(Halt::Index(attribute)) => space.index_by(&attribute)?,
            }
            // Little was done, and all of it is done anew.
            foresight.prospects = Prospects::new(space)?;
        }
    }

    /// Judges who refers to those that leave, and whatever hung on others; what the target was asked about has been found
    /// out by now. Gives what was counted.
    ///
    /// # Errors
    /// As for [`Self::begin`].
    pub fn complete(&mut self, space: &mut Space) -> Result<Tally, SyncError> {
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

    /// The first operations, in source-id order, in full.
    ///
    /// # Errors
    /// As for [`Self::begin`].
    pub fn show(&self, space: &mut Space) -> Result<Vec<PlannedOperation>, SyncError> {
        // They are evaluated once more, for what was counted of them did not stay in memory.
        let context = Context { asks_target: false, ..self.context.clone() };
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
    fn go_on(&mut self, space: &mut Space, keys: &[EntryKey], complete: bool) -> Result<(), SyncError> {
        loop {
            match self.run(space, keys, complete) {
                Ok(harvest) => {
                    self.harvest.absorb(harvest);
                    return Ok(());
                }
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Index(attribute)) => space.index_by(&attribute)?,
                Err(Halt::InOrder) => self.in_order = true,
            }
        }
    }

    fn empty(&self) -> Harvest {
        Harvest { first: Lowest::new(self.first), ..Harvest::default() }
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
        }
    }

    /// Has entries judged, and writes what there is to be written about them.
    fn run(&self, space: &mut Space, keys: &[EntryKey], complete: bool) -> Result<Harvest, Halt> {
        let mut whole = self.empty();
        let crew = Crew::new(space, &self.context, keys.len())?;
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
            for (path, attribute) in &mut draft.attributes {
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
            let mut judged = Harvest { first: Lowest::new(harvest.first.most()), ..Harvest::default() };
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
