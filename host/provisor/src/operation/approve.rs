//! Approving a plugin in the configurations that use it.

use std::sync::Arc;

use provisor_rules::{Binding, RulesHost};

use super::answers::{ApprovalLine, ApprovalReport};
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
        let mut approvals = Vec::new();
        for (configuration, bindings) in uses {
            if only.as_ref().is_some_and(|only| *only != configuration) {
                continue;
            }
            let granted = rules.approve(&configuration, &bindings, &plugin, &by);
            approvals.extend(granted.map_err(|error| Failure::failed(error.to_string()))?);
            if bindings.iter().any(|binding| binding.plugin == plugin) {
                rules.bind(&configuration, &bindings).map_err(|error| Failure::failed(error.to_string()))?;
            }
        }
        if approvals.is_empty() {
            let place = only.map_or_else(|| "no configuration uses".to_owned(), |only| format!("{only} does not use"));
            return Err(Failure::usage(format!("{place} a plugin \"{plugin}\": there is nothing to approve")));
        }
        Ok(approvals)
    });
    let approvals = approved.await.map_err(anyhow::Error::from)??;
    let line = |approval: provisor_rules::Approval| ApprovalLine {
        configuration: approval.configuration,
        plugin: approval.plugin,
        version: approval.version,
        hash: approval.hash,
        more: approval.more,
        less: approval.less,
    };
    Ok(ApprovalReport { approvals: approvals.into_iter().map(line).collect() })
}
