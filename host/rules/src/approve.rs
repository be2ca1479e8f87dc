//! Approving: a person grants what a plugin, as it is in the folder now, asks for.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::RulesError;
use crate::contract::Contracts;
use crate::grants::{Approved, Grant};
use crate::host::{Inner, plugin_error};
use crate::load::Configured;
use crate::lock::{Lock, Locked};
use crate::options::{Binding, Updates};

/// What was granted to one rule by being approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Approval {
    /// The configuration.
    pub configuration: String,
    /// The plugin.
    pub plugin: String,
    /// The version that its manifest names.
    pub version: String,
    /// The SHA-256 of the component, in hexadecimal.
    pub hash: String,
    /// What it asks for beyond what was granted before, as words; all is new where nothing was.
    pub more: Vec<String>,
    /// What was granted before and it asks for no more, as words.
    pub less: Vec<String>,
}

impl Inner {
    /// Grants to the rules of a configuration that use this plugin what it asks for as it is now.
    pub(crate) fn approve(
        &self,
        configuration: &str,
        bindings: &[Binding],
        plugin: &str,
        by: &str,
    ) -> Result<Vec<Approval>, RulesError> {
        let entered = self.enter_present(plugin).ok_or_else(|| self.no_such_plugin(plugin))?;
        let loaded = entered.and_then(|passing| passing.wait());
        let loaded = loaded.map_err(|reason| plugin_error(plugin, None, reason))?;
        let _work = self.working();
        let mut granted = Vec::new();
        for (occurrence, binding) in bindings.iter().filter(|binding| binding.plugin == plugin).enumerate() {
            let configured = Configured::new(&self.ticking, &loaded, &binding.config, self.gate.limits(plugin))
                .map_err(|reason| plugin_error(plugin, Some(loaded.hash), reason))?;
            granted.push(Grant {
                plugin: plugin.to_owned(),
                occurrence,
                config: binding.config.clone(),
                contracts: configured.contracts,
                component: loaded.hash,
                from_file: self.is_from_file(plugin),
                approved: Some(Approved { by: by.to_owned(), at: now() }),
                before: None,
            });
        }
        if granted.is_empty() {
            return Ok(Vec::new());
        }
        // The component first: a grant never refers to what is not there.
        self.ledger.keep(loaded.hash, &loaded.bytes)?;
        let before = self.replace_grants(configuration, plugin, &granted, &loaded.version)?;
        let approval = |grant: &Grant| {
            let before = before.iter().find(|before| before.is_of(grant)).map(|before| &before.contracts);
            Approval {
                configuration: configuration.to_owned(),
                plugin: plugin.to_owned(),
                version: loaded.version.clone(),
                hash: loaded.hash.to_string(),
                more: grant.contracts.beyond(before.unwrap_or(&Contracts::NOTHING)),
                less: before.map(|before| before.beyond(&grant.contracts)).unwrap_or_default(),
            }
        };
        let approvals: Vec<Approval> = granted.iter().map(approval).collect();
        for Approval { version, hash, more, less, .. } in &approvals {
            let (more, less) = (more.join(", "), less.join(", "));
            tracing::info!(configuration, plugin, version, hash, by, more, less, "the plugin was approved");
        }
        Ok(approvals)
    }

    /// Puts what is granted to a plugin in the place of what was, in the one list there is: in the data folder, or in the
    /// lock file. Gives what was granted before.
    fn replace_grants(
        &self,
        configuration: &str,
        plugin: &str,
        granted: &[Grant],
        version: &str,
    ) -> Result<Vec<Grant>, RulesError> {
        if let Updates::Locked(file) = self.updates() {
            // One that is missing is made.
            let before = Lock(file).of(configuration).unwrap_or_default();
            let locked = |grant: &Grant| Locked {
                configuration: configuration.to_owned(),
                version: version.to_owned(),
                grant: grant.clone(),
            };
            Lock(file).put(configuration, plugin, &granted.iter().map(locked).collect::<Vec<_>>())?;
            return Ok(before);
        }
        let mut grants = self.ledger.load(configuration)?;
        let (before, others): (Vec<Grant>, Vec<Grant>) = grants.drain(..).partition(|grant| grant.plugin == plugin);
        grants = others;
        grants.extend(granted.iter().map(|grant| {
            let earlier = before.iter().find(|before| before.is_of(grant));
            Grant { before: earlier.and_then(|earlier| earlier.before_is(grant.component)), ..grant.clone() }
        }));
        self.ledger.save(configuration, &grants)?;
        Ok(before)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
