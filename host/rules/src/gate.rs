//! The gate's memory: each component passes once, on a thread of its own, and what came of it is remembered by content.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::compile::{Compiler, NotCompiled};
use crate::fault::{is_for_now, told};
use crate::hash::Hash;
use crate::load::Loaded;
use crate::options::{Limits, PluginLimits};

/// The components that are remembered beyond those in use, so that a broken file is not tried at every look.
const MAX_REMEMBERED: usize = 256;
/// The longest reason, in octets.
const MAX_REASON: usize = 8192;
/// How long it is remembered that a component did not answer in time: it may have been the machine that was busy.
const LATE_FOR: Duration = Duration::from_secs(300);
/// The gate follows the nesting of what it is given.
const STACK: usize = 8 << 20;

/// What came of a component: itself, or why it cannot be used.
pub(crate) type Verdict = Result<Arc<Loaded>, String>;

/// A component at the gate. What it comes to is there sooner or later: every step of the gate is bounded.
#[derive(Default)]
pub(crate) struct Passing {
    verdict: Mutex<Option<Verdict>>,
    settled: Condvar,
    /// Until when the verdict is remembered, where it is not for good.
    until: OnceLock<Instant>,
}

impl Passing {
    /// What came of it; none while it is at the gate.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.lock().clone()
    }

    /// Whether the verdict was one for a while, and that is over.
    fn is_over(&self) -> bool {
        self.until.get().is_some_and(|until| Instant::now() >= *until)
    }

    /// Waits until it is settled.
    pub(crate) fn wait(&self) -> Verdict {
        let mut verdict = self.lock();
        loop {
            if let Some(verdict) = &*verdict {
                return verdict.clone();
            }
            verdict = self.settled.wait(verdict).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until it is settled, or this time has come.
    pub(crate) fn wait_until(&self, time: Instant) {
        let mut verdict = self.lock();
        while verdict.is_none() {
            let left = time.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return;
            }
            verdict = self.settled.wait_timeout(verdict, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn settle(&self, verdict: Verdict) {
        self.settle_for(verdict, None);
    }

    /// Settles it for so long; for good where that is not said.
    fn settle_for(&self, verdict: Verdict, time: Option<Duration>) {
        if let Some(time) = time {
            self.until.get_or_init(|| Instant::now() + time);
        }
        *self.lock() = Some(verdict);
        self.settled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Verdict>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Known = HashMap<(Hash, Limits), Arc<Passing>>;

/// The gate, and whom it knows. A clone is the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    compiler: Arc<Compiler>,
    limits: Arc<PluginLimits>,
    /// By content, and by the limits under which it is to run.
    known: Arc<Mutex<Known>>,
}

impl Gate {
    pub(crate) fn new(compiler: Compiler, limits: PluginLimits) -> Self {
        Self { compiler: Arc::new(compiler), limits: Arc::new(limits), known: Arc::default() }
    }

    /// How far the plugin of this name may go.
    pub(crate) fn limits(&self, name: &str) -> &Limits {
        self.limits.of(name)
    }

    /// The stack of a call, in octets.
    pub(crate) fn stack(&self) -> usize {
        self.limits.stack
    }

    /// Sends a component to the gate, unless it has been there or still is.
    pub(crate) fn enter(&self, name: &str, hash: Hash, bytes: &Arc<[u8]>) -> Arc<Passing> {
        let key = (hash, *self.limits(name));
        let passing = Arc::new(Passing::default());
        match self.known().entry(key) {
            Entry::Occupied(mut known) if known.get().is_over() => drop(known.insert(Arc::clone(&passing))),
            Entry::Occupied(known) => return Arc::clone(known.get()),
            Entry::Vacant(vacant) => drop(vacant.insert(Arc::clone(&passing))),
        };
        let (gate, bytes, entered) = (self.clone(), Arc::clone(bytes), Arc::clone(&passing));
        let work = move || {
            // A panic here would be the host's own mistake; nobody is to wait for ever because of it.
            let tried = std::panic::AssertUnwindSafe(|| Loaded::pass(&gate.compiler, hash, bytes, &key.1));
            let verdict = match std::panic::catch_unwind(tried) {
                Ok(Ok(loaded)) => Ok(loaded),
                Ok(Err(NotCompiled::Refused(reason))) => Err(told(reason, MAX_REASON)),
                Ok(Err(NotCompiled::Busy(reason))) => {
                    gate.known().remove(&key);
                    Err(reason)
                }
                Err(_) => {
                    Err("the load gate failed at it, which is a fault of this program: please report it".to_owned())
                }
            };
            // Whatever it was asked when it was late.
            let late = verdict.as_ref().is_err_and(|reason| is_for_now(reason));
            entered.settle_for(verdict, late.then_some(LATE_FOR));
        };
        if let Err(error) = thread::Builder::new().name("rules-gate".to_owned()).stack_size(STACK).spawn(work) {
            self.known().remove(&key);
            passing.settle(Err(format!("no thread looks at it: {error}")));
        }
        passing
    }

    /// What is known of a component under the limits of a plugin; none where it has not been at the gate, or still is.
    pub(crate) fn verdict(&self, name: &str, hash: Hash) -> Option<Verdict> {
        self.known().get(&(hash, *self.limits(name))).and_then(|passing| passing.verdict())
    }

    /// Whether a component is at the gate still.
    pub(crate) fn is_busy_with(&self, name: &str, hash: Hash) -> bool {
        self.known().get(&(hash, *self.limits(name))).is_some_and(|passing| passing.verdict().is_none())
    }

    /// Lets go of compiled components that are neither present nor in use.
    pub(crate) fn forget(&self, present: impl Fn(Hash) -> bool) {
        let mut known = self.known();
        known.retain(|(hash, _), passing| match passing.verdict() {
            // The one that was just cloned is none of those that use it.
            Some(Ok(loaded)) => present(*hash) || Arc::strong_count(&loaded) > 2,
            Some(Err(_)) | None => true,
        });
        if known.len() > MAX_REMEMBERED {
            known.retain(|(hash, _), passing| present(*hash) || !matches!(passing.verdict(), Some(Err(_))));
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_late_is_tried_again_and_not_at_once() {
        let settled = |time: Option<Duration>| {
            let passing = Passing::default();
            passing.settle_for(Err("refused".to_owned()), time);
            passing.is_over()
        };
        assert!(settled(Some(Duration::ZERO)));
        assert!(!settled(Some(LATE_FOR)) && !settled(None));
        assert!(!Passing::default().is_over(), "it is at the gate still");
    }
}
