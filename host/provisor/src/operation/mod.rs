//! What the commands ask for and get, the same from a running host by its socket as from a store that they open.

mod answers;
mod approve;
mod own;
mod perform;
mod session;

use provisor_sync::{HygieneRequest, LogFilter};
use serde::{Deserialize, Serialize};

pub use answers::{
    Activity, Answer, ApprovalLine, ApprovalReport, CheckReport, CheckSection, ConfigurationState, HostState,
    LogReport, PluginLine, PluginReport, StatusReport, Unbound, plugin_lines, wrong_document,
};
pub use approve::approve;
pub use own::{Own, host_section};
pub use perform::{check, on_pipeline, open, open_own_rules, open_rules};
pub use session::{Reached, perform as perform_anywhere, reach};

/// What a command asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Request {
    /// One cycle.
    Sync { name: String, initial: bool, allow_deletes: Option<u64> },
    /// What a cycle would change.
    Preview { name: String, stored: bool, first: usize },
    /// What an updated plugin would change; the component in base64.
    PreviewPlugin { name: String, plugin: String, component: String, first: usize },
    /// One object.
    Provision { name: String, object: String },
    /// The whole source, looked over for what a service would refuse.
    Inspect { name: String, request: HygieneRequest },
    /// Records of the provisioning log.
    Log { name: String, filter: LogFilter },
    /// A look at everything that one configuration, or each, depends on.
    Check { name: Option<String> },
    /// How all stands.
    Status,
    /// The plugins.
    Plugins,
    /// What a plugin asks for as it is now is to be granted, in one configuration that uses it or in all; `by` whom.
    Approve { plugin: String, configuration: Option<String>, by: String },
}

impl Request {
    /// The one configuration that it is about.
    pub fn configuration(&self) -> Option<&str> {
        match self {
            Self::Sync { name, .. }
            | Self::Preview { name, .. }
            | Self::PreviewPlugin { name, .. }
            | Self::Provision { name, .. }
            | Self::Inspect { name, .. }
            | Self::Log { name, .. } => Some(name),
            Self::Check { name } => name.as_deref(),
            Self::Approve { configuration, .. } => configuration.as_deref(),
            Self::Status | Self::Plugins => None,
        }
    }
}
