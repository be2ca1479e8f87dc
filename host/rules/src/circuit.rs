//! How often plugins failed in a whole cycle, on all its threads together: who failed too often is called no more in it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use provisor_model::Reason;

use crate::chain::{Chain, Link};
use crate::fault::Fault;

/// A plugin that lost so many times its call time in failing is called no more in the cycle.
const WASTE: u32 = 16;
/// The same where it is only tried: a cycle deals with its faults.
const WASTE_WHEN_TRIED: u32 = 2;

/// The plugins of a chain in one cycle.
pub(crate) struct Circuits {
    /// For each place of the chain.
    circuits: Vec<Circuit>,
    /// Nothing of it is told, and patience is short.
    trial: bool,
}

/// One plugin in one cycle.
#[derive(Default)]
struct Circuit {
    faults: AtomicU32,
    /// In microseconds.
    wasted: AtomicU64,
    /// The last fault, once there were too many.
    given_up: OnceLock<Reason>,
}

impl Circuits {
    /// Those of a chain; for a `trial`, they open soon and without a word.
    pub(crate) fn new(chain: &Chain, trial: bool) -> Self {
        Self { circuits: chain.links.iter().map(|_| Circuit::default()).collect(), trial }
    }

    /// The entries that plugins failed at.
    pub(crate) fn faults(&self) -> u64 {
        self.circuits.iter().map(|circuit| u64::from(circuit.faults.load(Ordering::Relaxed))).sum()
    }

    /// Why the plugin at this place is called no more; none while it is.
    pub(crate) fn given_up(&self, place: usize) -> Option<&Reason> {
        self.circuits.get(place)?.given_up.get()
    }

    /// Counts an entry that the plugin failed at.
    pub(crate) fn count_fault(&self, link: &Link, place: usize, fault: &Fault) {
        let Some(circuit) = self.circuits.get(place) else { return };
        let faults = circuit.faults.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if faults >= link.configured.limits.faults_per_cycle {
            self.give_up(circuit, link, fault);
        }
    }

    /// Counts the time of a call that failed.
    pub(crate) fn waste(&self, link: &Link, place: usize, time: Duration, fault: &Fault) {
        let Some(circuit) = self.circuits.get(place) else { return };
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let wasted = circuit.wasted.fetch_add(micros, Ordering::Relaxed).saturating_add(micros);
        let patience = if self.trial { WASTE_WHEN_TRIED } else { WASTE };
        if u128::from(wasted) >= link.configured.limits.call_time.saturating_mul(patience).as_micros() {
            self.give_up(circuit, link, fault);
        }
    }

    fn give_up(&self, circuit: &Circuit, link: &Link, fault: &Fault) {
        let detail =
            format!("it failed too often in this cycle and is called no more; the last time: {}", fault.detail());
        let first = circuit.given_up.set(Reason::new("plugin-given-up", detail)).is_ok();
        if first && !self.trial {
            let faults = circuit.faults.load(Ordering::Relaxed);
            tracing::warn!(plugin = %link.name, version = %link.version, faults, "the plugin is called no more in this cycle");
        }
    }
}
