//! Entries through a chain: filters first, then mappings in their order, in batches, each fault isolated to its entry.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use provisor_model::{AttributeLanes, DraftNames, Entry, EntryView, Reason, TargetPath, ValueView};

use crate::answer::{Answer, RawAnswer};
use crate::chain::{Chain, Link, handles};
use crate::circuit::Circuits;
use crate::cycle_log::CycleLog;
use crate::evaluation::{ChainStopped, Decision, Evaluation, Outcome};
use crate::fault::{Fault, FaultKind, legible};
use crate::instance::Instance;
use crate::options::OnFault;
use crate::recall::{Memory, Recall};
use crate::request::{Request, no_batch};
use crate::running::Running;
use crate::surface::PluginKind;
use crate::work::Work;

/// The most entries of one call: so few that what they come to still is in the processor's cache when it is looked at.
const BATCH: usize = 64;
/// A batch of so many octets is sent though it has fewer entries.
const BATCH_OCTETS: usize = 4 << 20;
/// Calls that a store serves before it is thrown away.
const CALLS_PER_STORE: u32 = 256;

/// Runs one chain over entries in one cycle. It owns live instances: one for each worker thread, gone with the cycle.
pub struct Evaluator {
    chain: Arc<Chain>,
    cycle_time: i64,
    trace: bool,
    /// What plugins say in this cycle, on all threads.
    log: Arc<CycleLog>,
    /// How they fail in it, on all threads.
    circuits: Arc<Circuits>,
    /// How long this thread waited for room, which is nobody's fault.
    waited: Duration,
    memory: Option<Memory>,
    running: Vec<Running>,
    /// The chain's places and plugins once more: every draft counts who shares them, and so does who takes a path out of
    /// one, and counters that threads have in common are slow.
    names: Arc<DraftNames>,
}

impl Evaluator {
    pub(crate) fn new(chain: Arc<Chain>, cycle_time: i64, trace: bool) -> Self {
        let (log, circuits) = (CycleLog::new(&chain, false), Circuits::new(&chain, false));
        Self::with(chain, cycle_time, trace, log, circuits.into())
    }

    /// One that traces and of which the log tells nothing, for a trial.
    pub(crate) fn silent(chain: Arc<Chain>, cycle_time: i64) -> Self {
        let (log, circuits) = (CycleLog::new(&chain, true), Circuits::new(&chain, true));
        Self::with(chain, cycle_time, true, log, circuits.into())
    }

    /// Another evaluator of the same cycle, for another thread: what plugins may log, and how often they may fail, they
    /// have in common.
    #[must_use]
    pub fn beside(&self) -> Self {
        let (log, circuits) = (Arc::clone(&self.log), Arc::clone(&self.circuits));
        Self::with(Arc::clone(&self.chain), self.cycle_time, self.trace, log, circuits)
    }

    fn with(chain: Arc<Chain>, cycle_time: i64, trace: bool, log: Arc<CycleLog>, circuits: Arc<Circuits>) -> Self {
        let running = chain.links.iter().map(|_| Running::new()).collect();
        let own = |path: &TargetPath| path.as_str().parse().unwrap_or_else(|_| path.clone());
        let names = DraftNames {
            paths: chain.places.iter().map(own).collect(),
            plugins: chain.links.iter().map(|link| Arc::clone(&link.name)).collect(),
        };
        Self {
            chain,
            cycle_time,
            trace,
            log,
            circuits,
            waited: Duration::ZERO,
            memory: None,
            running,
            names: names.into(),
        }
    }

    /// Has what plugins answer kept and used again: [`Evaluation::answers`] is to be handed back the next time. `key` is
    /// a secret of where it is kept; with another one nothing is recognised.
    #[must_use]
    pub fn remembering(mut self, key: &[u8; 16]) -> Self {
        self.memory = Some(Memory::new(key, true));
        self
    }

    /// Has what plugins answered before used again, and nothing kept.
    #[must_use]
    pub fn recalling(mut self, key: &[u8; 16]) -> Self {
        self.memory = Some(Memory::new(key, false));
        self
    }

    /// Whether a plugin takes so long over an entry that it is better to look up what it answered before.
    pub fn is_slow(&self) -> bool {
        self.chain.links.iter().any(|link| link.configured.loaded.usage.is_slow())
    }

    /// Evaluates entries, one answer for each, in order.
    ///
    /// # Errors
    /// When a plugin with `on-fault = "stop"` fails.
    pub fn evaluate(&mut self, entries: &[&Entry]) -> Result<Vec<Evaluation>, ChainStopped> {
        let entries: Vec<(&Entry, &[u8])> = entries.iter().map(|entry| (*entry, &[][..])).collect();
        self.evaluate_again(&entries)
    }

    /// The same for entries of which is known what plugins answered about them before.
    ///
    /// # Errors
    /// When a plugin with `on-fault = "stop"` fails.
    pub fn evaluate_again(&mut self, entries: &[(&Entry, &[u8])]) -> Result<Vec<Evaluation>, ChainStopped> {
        let mut lanes = AttributeLanes::new();
        entries.iter().for_each(|(entry, _)| lanes.push(&entry.attributes));
        let views: Vec<EntryView<'_>> =
            entries.iter().enumerate().map(|(place, (entry, _))| EntryView::of(entry, lanes.get(place))).collect();
        let known: Vec<&[u8]> = entries.iter().map(|(_, known)| *known).collect();
        self.evaluate_known(&views, &known)
    }

    /// The same for entries that are looked at where they lie.
    ///
    /// # Errors
    /// When a plugin with `on-fault = "stop"` fails.
    pub fn evaluate_views(&mut self, entries: &[EntryView<'_>]) -> Result<Vec<Evaluation>, ChainStopped> {
        self.evaluate_known(entries, &[])
    }

    /// The same, where there is one for each, with what was kept of the plugins' answers about them.
    ///
    /// # Errors
    /// When a plugin with `on-fault = "stop"` fails.
    pub fn evaluate_known(
        &mut self,
        entries: &[EntryView<'_>],
        known: &[&[u8]],
    ) -> Result<Vec<Evaluation>, ChainStopped> {
        let chain = Arc::clone(&self.chain);
        let mut evaluations = Vec::with_capacity(entries.len());
        let mut known = known.iter().copied().chain(std::iter::repeat(&[][..]));
        for entries in entries.chunks(BATCH) {
            let work = |(entry, known): (&_, _)| Work::new(&chain, *entry, known, Arc::clone(&self.names));
            let mut works: Vec<Work<'_>> = entries.iter().zip(&mut known).map(work).collect();
            for kind in [PluginKind::Filter, PluginKind::Mapping] {
                for (place, link) in chain.links.iter().enumerate() {
                    if let Some(object_classes) = link.object_classes(kind) {
                        let called = |work: &&mut Work<'_>| {
                            work.decided.is_none() && handles(object_classes, work.entry.object_class)
                        };
                        let mut batch: Vec<&mut Work<'_>> = works.iter_mut().filter(called).collect();
                        self.run(link, place, kind, &mut batch)?;
                    }
                }
            }
            evaluations.extend(works.into_iter().map(|work| work.finish(&chain)));
        }
        Ok(evaluations)
    }

    /// How many entries plugins failed at so far in this cycle, on all threads.
    pub fn faults(&self) -> u64 {
        self.circuits.faults()
    }

    /// Calls one plugin for a batch, in parts where it is too large for one call or a call fails.
    fn run(
        &mut self,
        link: &Link,
        place: usize,
        kind: PluginKind,
        batch: &mut [&mut Work<'_>],
    ) -> Result<(), ChainStopped> {
        let mut rest = batch;
        while !rest.is_empty() {
            let taken = self.call_some(link, place, kind, rest)?;
            rest = rest.get_mut(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Calls one plugin for as many entries of the batch as one call takes, and settles these; returns how many.
    fn call_some(
        &mut self,
        link: &Link,
        place: usize,
        kind: PluginKind,
        batch: &mut [&mut Work<'_>],
    ) -> Result<usize, ChainStopped> {
        let room = self.running.get_mut(place).map(|running| mem::replace(&mut running.sent, no_batch()));
        let mut request = Request::new(link, kind, room.unwrap_or_else(no_batch));
        let (mut sent, mut recalled) = (Vec::new(), 0);
        let mut taken = 0;
        for work in batch.iter_mut() {
            if request.octets() > BATCH_OCTETS {
                break;
            }
            match request.push(work) {
                Ok(()) => match self.memory.as_mut().map(|memory| memory.recall(link, work, &request, self.cycle_time))
                {
                    Some(Recall::Known(answer, valid_until)) => {
                        recalled += 1;
                        self.settle(link, place, kind, work, (answer, valid_until), request.last_found())?;
                        request.take_back();
                    }
                    Some(Recall::Unknown(digest)) => sent.push((taken, digest)),
                    None => sent.push((taken, None)),
                },
                Err(reason) => {
                    work.hold(link, kind, reason.clone(), self.trace.then_some(Decision::Unfit(reason)));
                }
            }
            taken += 1;
        }
        if recalled > 0 {
            link.configured.loaded.usage.count_recalled(recalled);
        }
        if let Some(reason) = self.circuits.given_up(place).cloned() {
            for (sent, _) in sent {
                if let Some(work) = batch.get_mut(sent) {
                    self.settle_fault(link, kind, work, reason.clone())?;
                }
            }
            return Ok(taken);
        }
        let (started, waited) = (Instant::now(), self.waited);
        let answers = self.call(link, place, &mut request);
        if let Some(running) = self.running.get_mut(place) {
            running.sent = mem::replace(&mut request.batch, no_batch());
        }
        let found = request.found;
        match answers {
            Ok(answers) => {
                let reads = link.reads(kind);
                let asked = request.cycle_time.then_some(self.cycle_time);
                for (number, ((sent, digest), answer)) in sent.into_iter().zip(answers).enumerate() {
                    let Some(work) = batch.get_mut(sent) else { continue };
                    let found = found.get(number * reads..(number + 1) * reads).unwrap_or_default();
                    let mut memory = self.memory.as_mut().zip(digest);
                    if let Some((memory, _)) = &mut memory {
                        memory.note(&answer);
                    }
                    let (answer, valid_until) = answer.check(link);
                    if let Some((memory, digest)) = memory
                        && !matches!(answer, Answer::Fault(_))
                    {
                        memory.keep(link, kind, digest, asked, valid_until, work);
                    }
                    self.settle(link, place, kind, work, (answer, valid_until), found)?;
                }
            }
            Err(fault) if fault.is_lack_of_room() => {
                // It says nothing of the plugin, nor of any entry: nothing is decided by it.
                let first = sent.first().and_then(|(sent, _)| batch.get(*sent)).map(|work| work.entry);
                return Err(stopped(link, first.as_ref(), fault.reason()));
            }
            Err(fault) => {
                let lost = started.elapsed().saturating_sub(self.waited.saturating_sub(waited));
                self.circuits.waste(link, place, lost, &fault);
                let was_sent = |place: &usize| sent.binary_search_by_key(place, |(sent, _)| *sent).is_ok();
                let mut sent: Vec<&mut Work<'_>> = batch
                    .iter_mut()
                    .enumerate()
                    .filter(|(place, _)| was_sent(place))
                    .map(|(_, work)| &mut **work)
                    .collect();
                if let [work] = sent.as_mut_slice() {
                    self.count_fault(link, place, &fault);
                    self.settle_fault(link, kind, work, fault.reason())?;
                } else {
                    let half = sent.len().div_ceil(2);
                    let (first, second) = sent.split_at_mut(half);
                    self.run(link, place, kind, first)?;
                    self.run(link, place, kind, second)?;
                }
            }
        }
        Ok(taken)
    }

    /// One call, in a store that is fresh after a fault and now and then.
    fn call(&mut self, link: &Link, place: usize, request: &mut Request<'_, '_>) -> Result<Vec<RawAnswer>, Fault> {
        if request.is_empty() {
            return Ok(Vec::new());
        }
        let mut instance = self.take_instance(link, place)?;
        let started = Instant::now();
        let time = request.cycle_time.then_some(self.cycle_time);
        let answers = match request.kind {
            PluginKind::Filter => instance
                .decide(time, &request.batch.entries)
                .map(|answers| answers.into_iter().map(RawAnswer::Filter).collect()),
            PluginKind::Mapping => instance
                .transform(time, &request.batch)
                .map(|answers| answers.into_iter().map(RawAnswer::Mapping).collect()),
        };
        if !self.log.is_silent() {
            link.configured.loaded.usage.count_call(request.batch.entries.count as usize, started.elapsed());
        }
        self.log.report(link, place, &mut instance, request);
        let answers = answers?;
        // Only an instance that answered is used again.
        if let Some(running) = self.running.get_mut(place) {
            running.instance = Some(instance);
        }
        if self.chain.ticking.is_crowded() {
            self.let_go();
        }
        Ok(answers)
    }

    /// The instance of a rule, or a fresh one.
    fn take_instance(&mut self, link: &Link, place: usize) -> Result<Instance, Fault> {
        let Some(running) = self.running.get_mut(place) else {
            return Err(Fault::new(FaultKind::Contract, "it is not in the chain"));
        };
        let used = running.instance.take().filter(|_| running.calls < CALLS_PER_STORE);
        if used.is_none() {
            running.calls = 0;
        }
        running.calls += 1;
        let made = used.map_or_else(|| link.configured.instance_now(&self.chain.ticking), Ok);
        if made.as_ref().is_err_and(Fault::is_lack_of_room) {
            // Nobody waits for others while others may wait for what they hold.
            self.let_go();
            let begun = Instant::now();
            let made = link.configured.instance(&self.chain.ticking);
            self.waited = self.waited.saturating_add(begun.elapsed());
            return made;
        }
        made
    }

    /// Lets go of all instances, for others to have room.
    pub(crate) fn let_go(&mut self) {
        self.running.iter_mut().for_each(|running| running.instance = None);
        self.chain.ticking.tell_of_room();
    }

    /// Takes an answer over into the work.
    fn settle(
        &mut self,
        link: &Link,
        place: usize,
        kind: PluginKind,
        work: &mut Work<'_>,
        (answer, valid_until): (Answer, Option<i64>),
        found: &[&[ValueView<'_>]],
    ) -> Result<(), ChainStopped> {
        if let Some(time) = valid_until {
            work.valid_until = Some(work.valid_until.map_or(time, |earlier| earlier.min(time)));
        }
        let plugin = || Some(link.name.to_string());
        let decision = match answer {
            Answer::Keep => Decision::Kept,
            Answer::Drop(reason) => {
                work.decided = Some(Outcome::OutOfScope { plugin: plugin(), reason: reason.clone() });
                Decision::Dropped(reason)
            }
            Answer::Exclude(reason) => {
                work.decided = Some(Outcome::OutOfScope { plugin: plugin(), reason: reason.clone() });
                Decision::Excluded(reason)
            }
            Answer::Failed(reason) => {
                work.hold(link, kind, reason.clone(), self.trace.then_some(Decision::Failed(reason)));
                return Ok(());
            }
            Answer::Fault(fault) => {
                // The instance answered against its contract: it is not trusted with the next batch.
                if let Some(running) = self.running.get_mut(place) {
                    running.instance = None;
                }
                self.count_fault(link, place, &fault);
                return self.settle_fault(link, kind, work, fault.reason());
            }
            Answer::Edits(edits) => {
                let Some(plan) = &link.mapping else { return Ok(()) };
                let told = if self.trace { work.told(plan, &edits, found) } else { Vec::new() };
                work.apply(u32::try_from(place).unwrap_or(u32::MAX), plan, edits, found);
                Decision::Edited(told)
            }
        };
        if self.trace {
            work.steps.push(link.step(kind, decision));
        }
        Ok(())
    }

    /// What the configuration says of an entry at which the plugin failed.
    fn settle_fault(
        &self,
        link: &Link,
        kind: PluginKind,
        work: &mut Work<'_>,
        reason: Reason,
    ) -> Result<(), ChainStopped> {
        match link.on_fault {
            OnFault::Hold => work.hold(link, kind, reason.clone(), self.trace.then_some(Decision::Fault(reason))),
            OnFault::Stop => {
                return Err(stopped(link, Some(&work.entry), reason));
            }
            OnFault::Skip if self.trace => work.steps.push(link.step(kind, Decision::Skipped(reason))),
            OnFault::Skip => {}
        }
        Ok(())
    }

    fn count_fault(&self, link: &Link, place: usize, fault: &Fault) {
        if !self.log.is_silent() {
            link.configured.loaded.count_fault();
        }
        self.circuits.count_fault(link, place, fault);
    }
}

fn stopped(link: &Link, entry: Option<&EntryView<'_>>, reason: Reason) -> ChainStopped {
    let dn = entry.map(|entry| legible(&entry.dn.to_string())).unwrap_or_default();
    ChainStopped { plugin: link.name.to_string(), version: link.version.to_string(), dn, reason }
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Evaluator")
            .field("chain", &self.chain)
            .field("faults", &self.faults())
            .finish_non_exhaustive()
    }
}
