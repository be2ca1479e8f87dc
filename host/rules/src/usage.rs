//! How much a plugin is called, and how much that costs.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Over an entry that takes longer than this it is worth looking its answer up, which takes a tenth of it.
const SLOW: Duration = Duration::from_micros(20);
/// Fewer entries than this do not show what one takes.
const ENOUGH: u64 = 64;

/// How much a plugin was called since the host started: the component in the folder and the one in force together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PluginUsage {
    /// Its calls.
    pub calls: u64,
    /// The entries that it was asked about in them.
    pub asked: u64,
    /// The entries at which it was not asked, because its answer was known.
    pub recalled: u64,
    /// What the calls took, in microseconds.
    pub microseconds: u64,
}

impl AddAssign for PluginUsage {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.asked += other.asked;
        self.recalled += other.recalled;
        self.microseconds += other.microseconds;
    }
}

/// The same, being counted by all threads.
#[derive(Default)]
pub(crate) struct Usage {
    calls: AtomicU64,
    asked: AtomicU64,
    recalled: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Usage {
    /// Counts a call about so many entries.
    pub(crate) fn count_call(&self, entries: usize, time: Duration) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.asked.fetch_add(entries as u64, Ordering::Relaxed);
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Counts entries at which it was not asked.
    pub(crate) fn count_recalled(&self, entries: usize) {
        self.recalled.fetch_add(entries as u64, Ordering::Relaxed);
    }

    pub(crate) fn told(&self) -> PluginUsage {
        PluginUsage {
            calls: self.calls.load(Ordering::Relaxed),
            asked: self.asked.load(Ordering::Relaxed),
            recalled: self.recalled.load(Ordering::Relaxed),
            microseconds: self.nanoseconds.load(Ordering::Relaxed) / 1000,
        }
    }

    /// Whether an entry takes so long that it is better to look up what was answered before.
    pub(crate) fn is_slow(&self) -> bool {
        let (asked, nanoseconds) = (self.asked.load(Ordering::Relaxed), self.nanoseconds.load(Ordering::Relaxed));
        asked >= ENOUGH && u128::from(nanoseconds) > SLOW.as_nanos() * u128::from(asked)
    }
}
