//! A plugin at work in one thread of a cycle.

use crate::bindings::mapping;
use crate::instance::Instance;
use crate::request::no_batch;

/// A plugin at work.
pub(crate) struct Running {
    pub(crate) instance: Option<Instance>,
    pub(crate) calls: u32,
    /// What it was sent last, for its room.
    pub(crate) sent: mapping::Batch,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self { instance: None, calls: 0, sent: no_batch() }
    }
}
