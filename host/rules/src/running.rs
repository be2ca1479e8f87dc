//! A plugin at work in one thread of a cycle, until it has failed too often.

use std::time::Duration;

use provisor_model::Reason;

use crate::bindings::mapping;
use crate::chain::Link;
use crate::fault::Fault;
use crate::instance::Instance;
use crate::request::no_batch;

/// A plugin that lost so many times its call time in failing is called no more in the cycle.
const WASTE: u32 = 16;

/// A plugin at work.
pub(crate) struct Running {
    pub(crate) instance: Option<Instance>,
    pub(crate) calls: u32,
    pub(crate) faults: u32,
    wasted: Duration,
    /// The last fault, once there were too many.
    pub(crate) given_up: Option<Reason>,
    /// What it was sent last, for its room.
    pub(crate) sent: mapping::Batch,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self { instance: None, calls: 0, faults: 0, wasted: Duration::ZERO, given_up: None, sent: no_batch() }
    }

    fn give_up(&mut self, link: &Link, fault: &Fault) {
        if self.given_up.is_none() {
            tracing::warn!(plugin = %link.name, version = %link.version, faults = self.faults, "the plugin is called no more in this cycle");
            let detail =
                format!("it failed too often in this cycle and is called no more; the last time: {}", fault.detail());
            self.given_up = Some(Reason::new("plugin-given-up", detail));
        }
    }

    /// Counts an entry that it failed at.
    pub(crate) fn count_fault(&mut self, link: &Link, fault: &Fault) {
        self.faults += 1;
        if self.faults >= link.configured.limits.faults_per_cycle {
            self.give_up(link, fault);
        }
    }

    /// Counts the time of a call that failed.
    pub(crate) fn waste(&mut self, link: &Link, time: Duration, fault: &Fault) {
        self.wasted += time;
        if self.wasted >= link.configured.limits.call_time.saturating_mul(WASTE) {
            self.give_up(link, fault);
        }
    }
}
