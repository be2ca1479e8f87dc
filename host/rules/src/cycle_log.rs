//! What plugins may say in a whole cycle: so many lines and octets each, on all its threads together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::bindings::log::Level;
use crate::chain::{Chain, Link};
use crate::instance::Instance;
use crate::request::Request;

/// The log of one cycle. When the cycle is over, it tells how much was left out.
pub(crate) struct CycleLog {
    chain: Arc<Chain>,
    /// For each place of the chain.
    said: Vec<Said>,
    /// Nothing is told at all: the same questions are asked again elsewhere.
    silent: bool,
}

/// What one plugin said so far.
#[derive(Default)]
struct Said {
    lines: AtomicUsize,
    octets: AtomicUsize,
    dropped: AtomicU64,
    /// Whether a line did not fit: then no later one is told, so that none is told out of its order.
    full: AtomicBool,
}

impl CycleLog {
    pub(crate) fn new(chain: &Arc<Chain>, silent: bool) -> Arc<Self> {
        let said = chain.links.iter().map(|_| Said::default()).collect();
        Arc::new(Self { chain: Arc::clone(chain), said, silent })
    }

    /// Whether nothing of it is told.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Hands the log lines of a call to the operator, with the entry that each is about.
    pub(crate) fn report(&self, link: &Link, place: usize, instance: &mut Instance, request: &Request<'_, '_>) {
        let (lines, dropped) = instance.take_lines();
        let Some(said) = self.said.get(place).filter(|_| !self.silent) else { return };
        said.dropped.fetch_add(dropped as u64, Ordering::Relaxed);
        for line in lines {
            if !said.has_room(link, line.message.len()) {
                continue;
            }
            let entry = line.item.and_then(|item| request.name(item));
            let (plugin, message) = (&*link.name, line.message);
            match line.level {
                Level::Debug => tracing::debug!(target: "provisor::plugin", plugin, entry, "{message}"),
                Level::Info => tracing::info!(target: "provisor::plugin", plugin, entry, "{message}"),
                Level::Warn => tracing::warn!(target: "provisor::plugin", plugin, entry, "{message}"),
                Level::Error => tracing::error!(target: "provisor::plugin", plugin, entry, "{message}"),
            }
        }
    }
}

impl Said {
    /// Takes room for a line; counts it where there is none left.
    fn has_room(&self, link: &Link, octets: usize) -> bool {
        let limits = &link.configured.limits;
        let fits = !self.full.load(Ordering::Relaxed)
            && self.lines.fetch_add(1, Ordering::Relaxed) < limits.log_lines_per_cycle
            && self.octets.fetch_add(octets, Ordering::Relaxed) + octets <= limits.log_octets_per_cycle;
        if !fits {
            self.full.store(true, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for CycleLog {
    fn drop(&mut self) {
        for (link, said) in self.chain.links.iter().zip(&self.said) {
            let dropped = said.dropped.load(Ordering::Relaxed);
            if dropped > 0 {
                let plugin = &*link.name;
                tracing::warn!(
                    target: "provisor::plugin",
                    plugin,
                    dropped,
                    "log lines of this cycle were left out: the plugin says more than it may"
                );
            }
        }
    }
}
