//! Looking at a running cycle from outside: its progress, and the wish that it pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

/// What a cycle is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// It reads the source.
    Import,
    /// Scope and rules decide about what has changed.
    Evaluate,
    /// It looks for resources that are already there.
    Match,
    /// It compares what is wanted with what was exported.
    Plan,
    /// It writes to the target.
    Export,
    /// It sends the references whose targets are there by now.
    References,
}

/// How far a cycle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What it is doing.
    pub step: Step,
    /// How many objects are done.
    pub done: u64,
    /// Of how many, where that is known.
    pub total: Option<u64>,
}

/// A cycle's window to the outside. Clones look at the same cycle.
#[derive(Clone, Debug)]
pub struct CycleWatch {
    progress: Arc<watch::Sender<Progress>>,
    stopping: Arc<AtomicBool>,
    stopped: Arc<Notify>,
}

impl CycleWatch {
    /// A window to a cycle that has not begun.
    pub fn new() -> Self {
        let (progress, _) = watch::channel(Progress { step: Step::Import, done: 0, total: None });
        Self { progress: Arc::new(progress), stopping: Arc::default(), stopped: Arc::default() }
    }

    /// Asks the cycle to pause between two objects. What was done is kept.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stopped.notify_waiters();
    }

    /// Whether the cycle was asked to pause.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The progress, as it goes on.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Ends when the cycle was asked to pause this long ago.
    pub(crate) async fn stopped_for(&self, grace: Duration) {
        let mut notified = std::pin::pin!(self.stopped.notified());
        notified.as_mut().enable();
        if !self.stopping() {
            notified.await;
        }
        tokio::time::sleep(grace).await;
    }

    pub(crate) fn report(&self, step: Step, done: u64, total: Option<u64>) {
        self.progress.send_replace(Progress { step, done, total });
    }
}

impl Default for CycleWatch {
    fn default() -> Self {
        Self::new()
    }
}
