//! The configurations folder: new documents start, changed ones are taken up, removed ones stop.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use provisor_sync::Configuration;
use tokio::time::{MissedTickBehavior, interval};

use super::registry::Registry;
use super::runner::Runner;
use super::{Event, Shared};
use crate::configurations;

/// How often the folder is looked at. A look costs a `stat` for each document, and works on every file system.
const LOOK: Duration = Duration::from_secs(1);

/// What tells one state of a file from another without reading it.
type Trace = (u64, u64, i64, i64);

/// What is known of a document.
struct Seen {
    trace: Trace,
    /// Whether its content has been taken up; a file that has just changed may still be being written.
    taken: bool,
}

/// Reads all documents now, and watches the folder until the host stops.
pub fn start(shared: Arc<Shared>, registry: Arc<Registry>) {
    let mut folder = Folder { shared, registry, seen: BTreeMap::new() };
    folder.look(true);
    tokio::spawn(async move {
        let shared = Arc::clone(&folder.shared);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shared.stopped() => return,
                _ = look.tick() => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                folder.look(false);
                folder
            });
            match looked.await {
                Ok(back) => folder = back,
                Err(error) => {
                    tracing::error!(%error, "the configurations folder is no longer watched. Restart the host");
                    return;
                }
            }
        }
    });
}

/// The folder, and what has been seen of it.
struct Folder {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    seen: BTreeMap<PathBuf, Seen>,
}

impl Folder {
    /// Takes up what is new. Other than at the start, a file is read only once it has stayed the same for a look.
    fn look(&mut self, at_start: bool) {
        let files = match configurations::documents(&self.shared.settings.configurations_folder) {
            Ok(files) => files,
            // A folder that cannot be read for a moment is no reason to stop all.
            Err(failure) => return tracing::warn!("{failure}"),
        };
        for file in &files {
            let Some(trace) = std::fs::metadata(file).ok().map(|metadata| trace(&metadata)) else { continue };
            match self.seen.get(file) {
                Some(seen) if seen.trace == trace && seen.taken => {}
                Some(seen) if seen.trace == trace => self.take(file, trace),
                None if at_start => self.take(file, trace),
                _ => {
                    self.seen.insert(file.clone(), Seen { trace, taken: false });
                }
            }
        }
        let gone: Vec<PathBuf> = self.seen.keys().filter(|file| !files.contains(file)).cloned().collect();
        for file in gone {
            self.seen.remove(&file);
            self.leave(&file);
        }
    }

    fn take(&mut self, file: &Path, trace: Trace) {
        let mut taken = true;
        match Configuration::read(file) {
            Ok(configuration) => {
                let (shared, registry) = (&self.shared, &self.registry);
                let (name, mode) = (configuration.name.clone(), configuration.mode.as_str());
                // An earlier runner of that name may still be ending; then the next look tries again.
                taken = registry.accept(configuration, |configuration| {
                    Runner::start(configuration, Arc::clone(shared), Arc::clone(registry))
                });
                if taken {
                    tracing::info!(configuration = name, mode, "configuration read");
                }
            }
            Err(error) => {
                let configuration = configurations::name(file);
                tracing::error!(configuration, "{error}. The last good document stays in force, where there was one");
                self.shared.tell(Event::Failed { configuration, error: error.to_string() });
                self.registry.refuse(file, error);
            }
        }
        self.seen.insert(file.to_owned(), Seen { trace, taken });
    }

    fn leave(&self, file: &Path) {
        let name = configurations::name(file);
        tracing::info!(
            configuration = name,
            "the document is gone; the configuration stops, and its connector space is kept"
        );
        self.registry.remove(&name);
    }
}

fn trace(metadata: &Metadata) -> Trace {
    (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}
