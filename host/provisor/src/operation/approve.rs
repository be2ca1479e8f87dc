//! Approving a plugin in the configurations that use it.

use std::sync::Arc;

use provisor_rules::{Binding, RulesHost};

use super::answers::{ApprovalLine, ApprovalReport, Unbound};
use crate::failure::Failure;

/// Grants what the plugin asks for as it is now, and takes it into use. `uses` are all configurations with their rules.
pub async fn approve(
    rules: &Arc<RulesHost>,
    uses: Vec<(String, Vec<Binding>)>,
    plugin: String,
    only: Option<String>,
    by: String,
) -> Result<ApprovalReport, Failure> {
    let rules = Arc::clone(rules);
    let approved = tokio::task::spawn_blocking(move || {
        // What is approved is what is in the folder now, also where no news of it has come yet.
        rules.scan();
        let (mut approvals, mut unbound) = (Vec::new(), Vec::new());
        for (configuration, bindings) in uses {
            if only.as_ref().is_some_and(|only| *only != configuration) {
                continue;
            }
            let granted = rules.approve(&configuration, &bindings, &plugin, &by);
            approvals.extend(granted.map_err(|error| Failure::failed(error.to_string()))?);
            // What was approved stays approved, also where another plugin of the configuration still waits.
            if bindings.iter().any(|binding| binding.plugin == plugin)
                && let Err(error) = rules.bind(&configuration, &bindings)
            {
                unbound.push(Unbound { configuration, reason: error.to_string() });
            }
        }
        if approvals.is_empty() {
            let place = only.map_or_else(|| "no configuration uses".to_owned(), |only| format!("{only} does not use"));
            return Err(Failure::usage(format!("{place} a plugin \"{plugin}\": there is nothing to approve")));
        }
        Ok((approvals, unbound))
    });
    let (approvals, unbound) = approved.await.map_err(anyhow::Error::from)??;
    let line = |approval: provisor_rules::Approval| ApprovalLine {
        configuration: approval.configuration,
        plugin: approval.plugin,
        version: approval.version,
        hash: approval.hash,
        more: approval.more,
        less: approval.less,
    };
    Ok(ApprovalReport { approvals: approvals.into_iter().map(line).collect(), unbound })
}
