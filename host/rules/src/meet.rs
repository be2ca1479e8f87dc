//! Which component a rule gets: the file as it is, or else the one that ran well before.

use std::sync::Arc;

use crate::RulesError;
use crate::contract::Contracts;
use crate::fault::is_for_now;
use crate::gate::Passing;
use crate::grants::Grant;
use crate::hash::Hash;
use crate::host::{Inner, plugin_error};
use crate::load::{Configured, Loaded};
use crate::options::Binding;
use crate::permit::Permits;

/// How a binding was met.
pub(crate) struct Met {
    pub(crate) configured: Configured,
    /// Why the file as it is, is not used.
    pub(crate) rejected: Option<String>,
    /// Whether the component came from the folder, rather than with the program.
    pub(crate) from_file: bool,
}

/// Why a plugin that the program carries is not used.
const FILE_GONE: &str = "its file is gone from the plugins folder. Put it back; or, to use the one that the program \
                         carries, take the rule out of the configuration and put it in again";

/// Why a plugin that is at the gate is not used yet.
const STILL_LOADING: &str = "it is being compiled and tried, which takes long; it is taken as soon as it is ready";
impl Inner {
    /// What was granted in a configuration when it was bound or approved. Where the lock file decides what may run, a
    /// damaged record of it stops nothing: it is made anew.
    pub(crate) fn granted(&self, configuration: &str, permits: &Permits<'_>) -> Result<Vec<Grant>, RulesError> {
        match self.ledger.load(configuration) {
            Err(error @ RulesError::Grants { .. }) if permits.can_be_read() => {
                tracing::warn!(configuration, %error, "the lock file decides, and this is written anew");
                Ok(Vec::new())
            }
            granted => granted,
        }
    }

    /// Finds the component for a binding: the file as it is, or else the one that ran well before. `of` is the
    /// configuration, and which of its bindings of the plugin this is.
    pub(crate) fn meet(
        &self,
        of: (&str, usize),
        binding: &Binding,
        grant: Option<&Grant>,
        permits: &Permits<'_>,
    ) -> Result<Met, RulesError> {
        let name = &binding.plugin;
        let (hash, from_file) = {
            let state = self.state();
            let found = state.files.get(name);
            (found.and_then(|found| found.content.hash()), found.is_some_and(|found| found.path.is_some()))
        };
        let configure = |loaded: &Arc<Loaded>| {
            let configured = Configured::new(&self.ticking, loaded, &binding.config, self.gate.limits(name))?;
            self.proofs.refusal(&configured).map_or(Ok(configured), Err)
        };
        // What the program carries does not slip into the place of a file that is gone.
        let file_gone = !from_file
            && !permits.name(name, of.1, hash)
            && grant.is_some_and(|grant| {
                grant.from_file && grant.config == binding.config && Some(grant.component) != hash
            });
        let ran = grant.map(|grant| (grant.component, grant.from_file, &grant.contracts));
        let before = grant.and_then(|grant| grant.before.as_ref());
        let before = before.map(|before| (before.component, before.from_file, &before.contracts));
        let other = |good: &(Hash, bool, &Contracts)| Some(good.0) != hash;
        // Where the one in force is refused, the one before it.
        let last_good = ran.filter(other).or(before.filter(other));
        let stored = last_good.and_then(|good| Some((good, self.ledger.component(good.0)?)));
        let passed = |passing: Arc<Passing>| match passing.verdict() {
            // The one that ran well before serves until this one is ready.
            None if stored.is_some() => Err(STILL_LOADING.to_owned()),
            _ => passing.wait(),
        };
        let refused = match self.enter_present(name) {
            Some(_) if file_gone => Some(FILE_GONE.to_owned()),
            None => None,
            Some(entered) => match entered.and_then(passed).and_then(|loaded| configure(&loaded)) {
                Err(reason) => Some(reason),
                Ok(configured) => match permits.objection(binding, of.1, grant, &configured) {
                    Some(objection) => Some(objection.reason),
                    None => return Ok(Met { configured, rejected: None, from_file }),
                },
            },
        };
        // What is in force, and could not be tried for lack of time or room, has not become worse than what was before it.
        if let Some(reason) = refused.as_ref().filter(|reason| is_for_now(reason))
            && grant.is_some_and(|grant| Some(grant.component) == hash)
        {
            return Err(plugin_error(name, hash, reason.clone()));
        }
        let again = |component: Hash, from_file: bool, bytes: Vec<u8>| {
            let loaded = self.gate.enter(name, component, &bytes.into()).wait().ok()?;
            Some((configure(&loaded).ok()?, from_file))
        };
        let last_good = if permits.are_listed() {
            // First what the file lists, which may have run before; then what ran last. None is given more than it had.
            let listed = permits.listed(name, of.1).map(|listed| {
                let from_file = grant.is_none_or(|grant| grant.from_file);
                (listed.component, from_file, &listed.contracts)
            });
            // What was taken out of the file does not come back.
            let before = before.filter(|(component, ..)| permits.name(name, of.1, Some(*component)));
            [listed, ran, before].into_iter().flatten().find_map(|(component, from_file, contracts)| {
                let found = again(component, from_file, self.ledger.component(component)?)?;
                found.0.contracts.beyond(contracts).is_empty().then_some(found)
            })
        } else {
            stored.and_then(|((component, from_file, contracts), bytes)| {
                let found = again(component, from_file, bytes)?;
                // Under other settings it is granted anew.
                let same = grant.is_some_and(|grant| grant.config == binding.config);
                (!same || found.0.contracts.beyond(contracts).is_empty()).then_some(found)
            })
        };
        match (last_good, refused) {
            (Some((configured, from_file)), rejected) => Ok(Met { configured, rejected, from_file }),
            (None, Some(reason)) => Err(plugin_error(name, hash, reason)),
            (None, None) => Err(self.no_such_plugin(name)),
        }
    }
}

/// What was granted to a plugin at this occurrence; where it is a new one, what was granted to the plugin at all, so that
/// another place or setting is no way past an approval.
pub(crate) fn grant_of<'a>(granted: &'a [Grant], plugin: &str, occurrence: usize) -> Option<&'a Grant> {
    let of_plugin = || granted.iter().filter(|grant| grant.plugin == plugin);
    of_plugin().find(|grant| grant.occurrence == occurrence).or_else(|| of_plugin().next())
}
