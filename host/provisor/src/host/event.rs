//! What happens in a running host, for who watches it.

use provisor_sync::{CycleReport, PluginPreview};

use crate::operation::PluginLine;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A cycle came to its end.
    Cycle(Box<CycleReport>),
    /// A cycle failed, or a configuration cannot run.
    Failed { configuration: String, error: String },
    /// What a changed plugin would change; it is taken up next.
    Update(Box<PluginPreview>),
    /// Plugins of the folder have changed, and were looked at: these stand otherwise than before.
    PluginsChanged(Vec<PluginLine>),
}
