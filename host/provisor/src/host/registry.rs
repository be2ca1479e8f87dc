//! The configurations of a running host by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use provisor_sync::{Configuration, ConfigurationError};
use tokio::sync::Notify;

use super::runner::Runner;
use crate::configurations;
use crate::failure::Failure;
use crate::operation::{CheckSection, ConfigurationState, wrong_document};

/// Who runs, and whose document is wrong.
#[derive(Default)]
pub struct Registry {
    known: Mutex<Known>,
    /// Told whenever a runner has ended.
    ended: Notify,
}

#[derive(Default)]
struct Known {
    slots: BTreeMap<String, Slot>,
    /// Runners whose documents are gone, until they have ended.
    leaving: Vec<(String, Arc<Runner>)>,
}

/// A configuration.
enum Slot {
    /// It runs; perhaps its document has become wrong since.
    Running { runner: Arc<Runner>, wrong: Option<(PathBuf, ConfigurationError)> },
    /// Its document never was right.
    Broken { file: PathBuf, error: ConfigurationError },
}

impl Slot {
    fn runner(&self) -> Option<&Arc<Runner>> {
        match self {
            Self::Running { runner, .. } => Some(runner),
            Self::Broken { .. } => None,
        }
    }
}

impl Registry {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change is one insertion or removal: a panic elsewhere leaves the maps whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up a good document: `start` makes a runner where there is none. False, and nothing done, while an earlier
    /// runner of that name is still ending: two must never work on one connector space.
    pub fn accept(&self, configuration: Configuration, start: impl FnOnce(Configuration) -> Runner) -> bool {
        let mut known = self.known();
        known.leaving.retain(|(_, runner)| !runner.has_ended());
        let name = configuration.name.clone();
        if known.leaving.iter().any(|(leaving, _)| *leaving == name) {
            return false;
        }
        let slots = &mut known.slots;
        let runner = match slots.get(&name).and_then(Slot::runner) {
            Some(runner) => {
                runner.reconfigure(configuration);
                Arc::clone(runner)
            }
            None => Arc::new(start(configuration)),
        };
        slots.insert(name, Slot::Running { runner, wrong: None });
        true
    }

    /// Remembers what is wrong with a document. The last good one stays in force.
    pub fn refuse(&self, file: &Path, error: ConfigurationError) {
        let slots = &mut self.known().slots;
        let name = configurations::name(file);
        let file = file.to_owned();
        let slot = match slots.get(&name).and_then(Slot::runner) {
            Some(runner) => Slot::Running { runner: Arc::clone(runner), wrong: Some((file, error)) },
            None => Slot::Broken { file, error },
        };
        slots.insert(name, slot);
    }

    /// Forgets a configuration whose document is gone, and has its runner end.
    pub fn remove(&self, name: &str) {
        let mut known = self.known();
        if let Some(Slot::Running { runner, .. }) = known.slots.remove(name) {
            runner.stop();
            known.leaving.push((name.to_owned(), runner));
        }
    }

    /// The names.
    pub fn names(&self) -> Vec<String> {
        self.known().slots.keys().cloned().collect()
    }

    /// The runners.
    pub fn runners(&self) -> Vec<Arc<Runner>> {
        self.known().slots.values().filter_map(|slot| slot.runner().cloned()).collect()
    }

    /// The runner of this name.
    pub fn runner(&self, name: &str, folder: &Path) -> Result<Arc<Runner>, Failure> {
        let slots = &self.known().slots;
        match slots.get(name) {
            Some(Slot::Running { runner, .. }) => Ok(Arc::clone(runner)),
            Some(Slot::Broken { error, .. }) => Err(error.clone().into()),
            None => Err(configurations::unknown(name, folder, slots.keys().cloned())),
        }
    }

    /// How all stand.
    pub fn states(&self) -> Vec<ConfigurationState> {
        let state = |slot: &Slot| match slot {
            Slot::Running { runner, wrong } => ConfigurationState {
                document_error: wrong.as_ref().map(|(_, error)| error.to_string()),
                ..runner.state()
            },
            Slot::Broken { file, error } => ConfigurationState::broken(file, error),
        };
        self.known().slots.values().map(state).collect()
    }

    /// What a check says of a document that is wrong, whether or not a last good one is in force.
    pub fn wrong_document(&self, name: &str) -> Option<CheckSection> {
        match self.known().slots.get(name)? {
            Slot::Running { wrong: Some((file, error)), .. } | Slot::Broken { file, error } => {
                Some(wrong_document(file, error))
            }
            Slot::Running { wrong: None, .. } => None,
        }
    }

    /// To be called when a runner has ended.
    pub fn one_ended(&self) {
        self.ended.notify_waiters();
    }

    fn all_ended(&self) -> bool {
        let known = self.known();
        let leaving = known.leaving.iter().map(|(_, runner)| runner);
        known.slots.values().filter_map(Slot::runner).chain(leaving).all(|runner| runner.has_ended())
    }

    /// Ends when no runner works any more.
    pub async fn ended(&self) {
        loop {
            let mut next = std::pin::pin!(self.ended.notified());
            next.as_mut().enable();
            if self.all_ended() {
                return;
            }
            next.await;
        }
    }
}
