//! A configured plugin, asked about entries in the chain that a host would put it into.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use provisor_model::Entry as HostEntry;
use provisor_rules::{
    Binding, Chain, Contracts, Decision, Evaluation, Evaluator, Inspection, OnFault, Outcome, PluginKind, Step,
};
use provisor_sdk::testing::{Answer, Entry};
use provisor_sdk::{Reason, Refusal, Verdict};
use serde_json::Value as Json;

use crate::before::before;
use crate::convert::{host_entry, shown};
use crate::{HarnessError, Plugin};

/// How many earlier questions are asked again with each new one.
const REPEATED: usize = 32;

/// A plugin under one configuration.
#[derive(Debug)]
pub struct Rule {
    plugin: Plugin,
    config: Json,
    inspection: Inspection,
    cycle_time: i64,
    /// The chains so far, each with what was asked of it.
    asked: Mutex<Vec<Asked>>,
}

/// A chain over what rules before it would have built, and what was asked of it.
#[derive(Debug)]
struct Asked {
    built: Entry,
    cycle_time: i64,
    chain: Arc<Chain>,
    cases: Vec<(HostEntry, Evaluation)>,
}

impl Rule {
    pub(crate) fn new(plugin: &Plugin, config: &Json) -> Result<Self, HarnessError> {
        let inspection = plugin.0.host.inspect(&plugin.0.name, Some(config))?;
        let rule =
            Self { plugin: plugin.clone(), config: config.clone(), inspection, cycle_time: 0, asked: Mutex::default() };
        // What binding refuses shows here rather than at the first entry.
        rule.asked().push(rule.chain(&Entry::default())?);
        Ok(rule)
    }

    /// The same at this time, in seconds since 1970.
    #[must_use]
    pub fn at(mut self, cycle_time: i64) -> Self {
        self.cycle_time = cycle_time;
        self
    }

    /// What the plugin says that it does.
    pub fn summary(&self) -> Option<&str> {
        self.inspection.summary.as_deref()
    }

    /// What it reads, sets and applies to: what an operator grants by binding it.
    pub fn contracts(&self) -> Option<&Contracts> {
        self.inspection.contracts.as_ref()
    }

    /// Has it map an entry.
    ///
    /// # Panics
    /// When the plugin fails, or is not called for such an entry; [`Self::try_map`] tells instead.
    pub fn map(&self, entry: &Entry) -> Answer {
        self.map_built(entry, &Entry::default())
    }

    /// Has it map an entry on top of what plugins before it built, by path.
    ///
    /// # Panics
    /// As [`Self::map`].
    #[expect(clippy::panic, reason = "ends the test with the reason")]
    pub fn map_built(&self, entry: &Entry, built: &Entry) -> Answer {
        self.try_map_built(entry, built).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Has it decide about an entry.
    ///
    /// # Panics
    /// When the plugin fails, or is not called for such an entry; [`Self::try_decide`] tells instead.
    #[expect(clippy::panic, reason = "ends the test with the reason")]
    pub fn decide(&self, entry: &Entry) -> Verdict {
        self.try_decide(entry).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Has it map an entry.
    ///
    /// # Errors
    /// When the plugin fails, is not pure, or is not called for such an entry.
    pub fn try_map(&self, entry: &Entry) -> Result<Answer, HarnessError> {
        self.try_map_built(entry, &Entry::default())
    }

    /// Has it map an entry on top of what plugins before it built, by path.
    ///
    /// # Errors
    /// As [`Self::try_map`], and when what was built does not go together with what it sets.
    pub fn try_map_built(&self, entry: &Entry, built: &Entry) -> Result<Answer, HarnessError> {
        let evaluation = self.evaluate(entry, built)?;
        let Some(decision) = self.decision(&evaluation, PluginKind::Mapping) else {
            let filtered = self.decision(&evaluation, PluginKind::Filter);
            return Err(self.not_called(PluginKind::Mapping, &evaluation, filtered));
        };
        let outcome = match decision {
            Decision::Edited(edits) => Ok(edits
                .iter()
                .map(|(path, value)| (path.to_string(), shown(value.as_ref(), entry)))
                .collect::<BTreeMap<_, _>>()),
            Decision::Excluded(reason) => Err(Refusal::Exclude(own(reason))),
            Decision::Failed(reason) => Err(Refusal::Fail(own(reason))),
            other => return Err(failed(other)),
        };
        Ok(Answer { outcome, valid_until: evaluation.valid_until })
    }

    /// Has it decide about an entry.
    ///
    /// # Errors
    /// When the plugin fails, is not pure, or is not called for such an entry.
    pub fn try_decide(&self, entry: &Entry) -> Result<Verdict, HarnessError> {
        let evaluation = self.evaluate(entry, &Entry::default())?;
        match self.decision(&evaluation, PluginKind::Filter) {
            Some(Decision::Kept) => Ok(Verdict::Keep),
            Some(Decision::Dropped(reason)) => Ok(Verdict::Drop(own(reason))),
            Some(Decision::Failed(reason)) => Ok(Verdict::Fail(own(reason))),
            Some(other) => Err(failed(other)),
            None => Err(self.not_called(PluginKind::Filter, &evaluation, None)),
        }
    }

    /// What the plugin decided as this kind; none where it was not called.
    fn decision<'e>(&self, evaluation: &'e Evaluation, kind: PluginKind) -> Option<&'e Decision> {
        let own = |step: &&Step| step.plugin == self.plugin.0.name && step.kind == kind;
        evaluation.steps.iter().find(own).map(|step| &step.decision)
    }

    fn not_called(&self, kind: PluginKind, evaluation: &Evaluation, filtered: Option<&Decision>) -> HarnessError {
        if let Some(decision @ (Decision::Fault(_) | Decision::Unfit(_))) = filtered {
            return failed(decision);
        }
        let contracts = self.contracts();
        let used = match kind {
            PluginKind::Filter => contracts.is_some_and(|contracts| contracts.filter.is_some()),
            PluginKind::Mapping => contracts.is_some_and(|contracts| contracts.mapping.is_some()),
        };
        HarnessError::NotCalled(match (used, filtered) {
            (false, _) => format!("under this configuration it is no {kind}"),
            (true, Some(Decision::Dropped(reason))) => {
                format!("its own filter drops the entry ({}): {}", reason.code, reason.detail)
            }
            (true, Some(Decision::Failed(reason))) => {
                format!("its own filter could not decide ({}): {}", reason.code, reason.detail)
            }
            (true, _) => match &evaluation.outcome {
                Outcome::OutOfScope { reason, .. } | Outcome::Held { reason, .. } => reason.detail.clone(),
                Outcome::Provision(_) => format!("as a {kind} it does not handle entries of this object class"),
            },
        })
    }

    /// Evaluates an entry by itself, and then again among those that were asked about before.
    fn evaluate(&self, entry: &Entry, built: &Entry) -> Result<Evaluation, HarnessError> {
        let entry = host_entry(entry, self.contracts())?;
        let mut all = self.asked();
        let same = |asked: &Asked| asked.built == *built && asked.cycle_time == self.cycle_time;
        let place = match all.iter().position(same) {
            Some(place) => place,
            None => {
                all.push(self.chain(built)?);
                all.len() - 1
            }
        };
        let Some(asked) = all.get_mut(place) else {
            return Err(HarnessError::Before("it is not there".to_owned()));
        };
        asked.ask(entry)
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plugin behind one that builds this, and that decides what entries become where the plugin leaves that open.
    fn chain(&self, built: &Entry) -> Result<Asked, HarnessError> {
        let plugin = &self.plugin.0;
        let mapping = self.contracts().and_then(|contracts| contracts.mapping.as_ref());
        let kind = mapping.and_then(|mapping| mapping.resource_kind.as_deref()).unwrap_or("User");
        let name = plugin.name("before");
        plugin.add(&name, &before(kind, built)?)?;
        let binding = |name: &str, config: &Json| Binding {
            plugin: name.to_owned(),
            config: config.clone(),
            on_fault: OnFault::Hold,
        };
        let bindings = [binding(&name, &Json::Null), binding(&plugin.name, &self.config)];
        let chain = plugin.host.bind(&plugin.name("test"), &bindings)?;
        Ok(Asked { built: built.clone(), cycle_time: self.cycle_time, chain, cases: Vec::new() })
    }
}

impl Asked {
    fn ask(&mut self, entry: HostEntry) -> Result<Evaluation, HarnessError> {
        let mut alone = self.chain.start_cycle(self.cycle_time, true);
        let answer = evaluate(&mut alone, &[&entry])?.pop();
        let answer = answer.ok_or_else(|| HarnessError::NotCalled("it has no answer".to_owned()))?;
        if answer.steps.iter().any(|step| matches!(step.decision, Decision::Fault(_))) {
            // A fault throws the instance away: there is nothing that it could remember.
            return Ok(answer);
        }
        self.cases.retain(|(known, _)| *known != entry);
        let forwards: Vec<(&HostEntry, &Evaluation)> =
            self.cases.iter().map(|(entry, answer)| (entry, answer)).chain([(&entry, &answer)]).collect();
        let backwards: Vec<_> = forwards.iter().rev().copied().collect();
        // The first repeats the entry in the instance that has just answered, the second goes on in it.
        for cases in [backwards, forwards] {
            let entries: Vec<&HostEntry> = cases.iter().map(|(entry, _)| *entry).collect();
            let answers = evaluate(&mut alone, &entries)?;
            if let Some(((entry, before), now)) = cases.iter().zip(&answers).find(|((_, before), now)| *before != *now)
            {
                return Err(HarnessError::Impure(difference(entry, before, now)));
            }
        }
        self.cases.push((entry, answer.clone()));
        if self.cases.len() > REPEATED {
            self.cases.remove(0);
        }
        Ok(answer)
    }
}

fn evaluate(evaluator: &mut Evaluator, entries: &[&HostEntry]) -> Result<Vec<Evaluation>, HarnessError> {
    let stopped = |stopped: provisor_rules::ChainStopped| HarnessError::Fault {
        code: stopped.reason.code,
        detail: stopped.reason.detail,
    };
    evaluator.evaluate(entries).map_err(stopped)
}

/// What differs between two answers to one entry, in words.
fn difference(entry: &HostEntry, before: &Evaluation, now: &Evaluation) -> String {
    let differs = before.steps.iter().zip(&now.steps).find(|(before, now)| before != now);
    let told = match differs {
        Some((before, now)) => format!("{:?}, then {:?}", before.decision, now.decision),
        None => format!("valid until {:?}, then {:?}", before.valid_until, now.valid_until),
    };
    format!("asked about {} by itself and among others, it answered {told}", entry.dn)
}

/// A decision that is none of the plugin's own.
fn failed(decision: &Decision) -> HarnessError {
    match decision {
        Decision::Unfit(reason) => HarnessError::NotCalled(format!("{} ({})", reason.detail, reason.code)),
        Decision::Fault(reason) | Decision::Skipped(reason) => {
            HarnessError::Fault { code: reason.code.clone(), detail: reason.detail.clone() }
        }
        other => HarnessError::NotCalled(format!("it decided otherwise: {other:?}")),
    }
}

fn own(reason: &provisor_model::Reason) -> Reason {
    Reason { code: reason.code.clone(), detail: reason.detail.clone() }
}
