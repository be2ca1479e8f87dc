//! Approving: a person grants what a plugin, as it is in the folder now, asks for.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::RulesError;
use crate::grants::{Approved, Grant};
use crate::host::{Inner, plugin_error};
use crate::load::Configured;
use crate::options::Binding;

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
        let mut grants = self.ledger.load(configuration)?;
        let mut approvals = Vec::new();
        for (occurrence, binding) in bindings.iter().filter(|binding| binding.plugin == plugin).enumerate() {
            let configured = Configured::new(self.ticking.engine(), &loaded, &binding.config, self.gate.limits(plugin))
                .map_err(|reason| plugin_error(plugin, Some(loaded.hash), reason))?;
            let of_this = |grant: &Grant| grant.plugin == plugin && grant.occurrence == occurrence;
            let before = grants.iter().position(of_this).map(|place| grants.remove(place));
            let more = before.as_ref().map(|before| configured.contracts.beyond(&before.contracts)).unwrap_or_default();
            approvals.push(Approval {
                configuration: configuration.to_owned(),
                plugin: plugin.to_owned(),
                version: loaded.version.clone(),
                hash: loaded.hash.to_string(),
                more,
            });
            grants.push(Grant {
                plugin: plugin.to_owned(),
                occurrence,
                config: binding.config.clone(),
                contracts: configured.contracts,
                component: loaded.hash,
                from_file: self.is_from_file(plugin),
                approved: Some(Approved { by: by.to_owned(), at: now() }),
            });
        }
        if !approvals.is_empty() {
            // The component first: a grant never refers to what is not there.
            self.ledger.keep(loaded.hash, &loaded.bytes)?;
            self.ledger.save(configuration, &grants)?;
        }
        for Approval { version, hash, more, .. } in &approvals {
            let more = more.join(", ");
            tracing::info!(configuration, plugin, version, hash, by, more, "the plugin was approved");
        }
        Ok(approvals)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
