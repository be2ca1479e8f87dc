//! What a plugin host knows at any time, and how each plugin stands by it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::chain::Chain;
use crate::folder::{Content, Found};
use crate::gate::{Gate, Passing};
use crate::hash::Hash;
use crate::load::Loaded;
use crate::status::{PluginState, PluginStatus, PluginSummary};
use crate::usage::PluginUsage;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<String, Found>,
    pub(crate) bound: BTreeMap<String, Vec<Bound>>,
    pub(crate) chains: BTreeMap<String, Arc<Chain>>,
    /// The content of the lock file as it was last looked at.
    pub(crate) lock: Option<Hash>,
    /// Components that somebody could not wait for.
    pub(crate) late: Vec<Arc<Passing>>,
    /// The state that was told last, and since when.
    since: BTreeMap<String, (PluginState, u64)>,
}

/// A plugin in a configuration that uses it.
pub(crate) struct Bound {
    pub(crate) plugin: String,
    pub(crate) active: Arc<Loaded>,
    /// What it says that it does there.
    pub(crate) summary: Option<String>,
    /// Why the file as it is, is not used.
    pub(crate) rejected: Option<String>,
}

impl State {
    /// Whether a plugin that was not ready when it was asked for is so by now.
    pub(crate) fn late_ones_settled(&mut self) -> bool {
        let before = self.late.len();
        self.late.retain(|passing| passing.verdict().is_none());
        self.late.len() < before
    }

    /// Remembers since when each plugin stands as it does.
    pub(crate) fn note_states(&mut self, gate: &Gate) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let names = self.names();
        let mut since = BTreeMap::new();
        for name in names {
            let stands = self.stands(gate, &name);
            let before = self.since.get(&name).filter(|(before, _)| *before == stands).map(|(_, since)| *since);
            since.insert(name, (stands, before.unwrap_or(now)));
        }
        self.since = since;
    }

    pub(crate) fn statuses(&self, gate: &Gate) -> Vec<PluginStatus> {
        let status = |name: String| {
            let found = self.files.get(&name);
            let hash = found.and_then(|found| found.content.hash());
            let loaded = hash.and_then(|hash| gate.verdict(&name, hash)).and_then(Result::ok);
            let uses = || self.uses(&name);
            let told = loaded.as_ref().or_else(|| uses().map(|(_, bound)| &bound.active).next());
            let (stands, since) = self.since.get(&name).cloned().unwrap_or_else(|| (self.stands(gate, &name), 0));
            let components: BTreeMap<Hash, &Arc<Loaded>> =
                uses().map(|(_, bound)| &bound.active).chain(&loaded).map(|loaded| (loaded.hash, loaded)).collect();
            let mut usage = PluginUsage::default();
            components.values().for_each(|loaded| usage += loaded.usage.told());
            let mut bound_by: Vec<String> = uses().map(|(configuration, _)| configuration.to_owned()).collect();
            bound_by.dedup();
            let summary = |(configuration, bound): (&str, &Bound)| {
                Some(PluginSummary { configuration: configuration.to_owned(), summary: bound.summary.clone()? })
            };
            let summaries = uses().filter_map(summary).collect();
            PluginStatus {
                file: found.and_then(|found| found.path.clone()),
                embedded: found.is_some_and(|found| found.path.is_none()),
                hash: hash.map(|hash| hash.to_string()),
                version: told.map(|loaded| loaded.version.clone()),
                kinds: told.map(|loaded| loaded.kinds.clone()).unwrap_or_default(),
                state: stands,
                since,
                faults: components.values().map(|loaded| loaded.faults()).sum(),
                usage,
                bound_by,
                summaries,
                limits: *gate.limits(&name),
                stack: gate.stack(),
                name,
            }
        };
        self.names().into_iter().map(status).collect()
    }

    /// The plugins that are there or in use.
    fn names(&self) -> Vec<String> {
        let used = self.bound.values().flatten().map(|bound| &bound.plugin);
        let mut names: Vec<String> = self.files.keys().chain(used).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    fn uses<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a Bound)> {
        let of_configuration = |(configuration, bound): (&'a String, &'a Vec<Bound>)| {
            bound.iter().map(move |bound| (configuration.as_str(), bound))
        };
        self.bound.iter().flat_map(of_configuration).filter(move |(_, bound)| bound.plugin == name)
    }

    fn stands(&self, gate: &Gate, name: &str) -> PluginState {
        let active = || self.uses(name).map(|(_, bound)| bound.active.hash.to_string()).next();
        let Some(found) = self.files.get(name) else { return PluginState::Missing { active: active() } };
        let rejected = match &found.content {
            Content::Unusable(reason) => Some(reason.clone()),
            Content::Bytes(hash, _) if gate.is_busy_with(name, *hash) => {
                return PluginState::Loading { active: active() };
            }
            Content::Bytes(hash, _) => gate.verdict(name, *hash).and_then(Result::err),
        };
        let rejected = rejected.or_else(|| {
            self.uses(name).find_map(|(configuration, bound)| {
                bound.rejected.as_ref().map(|reason| format!("in configuration {configuration}: {reason}"))
            })
        });
        match rejected {
            Some(reason) => PluginState::Rejected { reason, active: active() },
            None if self.uses(name).next().is_some() => PluginState::Active,
            None => PluginState::Discovered,
        }
    }
}
