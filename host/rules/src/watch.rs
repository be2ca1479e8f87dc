//! File events of the plugins folder. They only say when to look: what is there, the scan finds out.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::RulesError;

/// How long the folder must be quiet before it is looked at.
const QUIET: Duration = Duration::from_millis(100);
/// How long a folder that is never quiet is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Wakes who waits for changes of the plugins folder.
pub struct FolderWatch {
    watcher: RecommendedWatcher,
    events: Receiver<()>,
    folder: PathBuf,
}

impl FolderWatch {
    pub(crate) fn new(folder: PathBuf) -> Result<Self, RulesError> {
        fs::create_dir_all(&folder).map_err(|source| RulesError::File {
            action: "create",
            path: folder.clone(),
            source,
        })?;
        // One waiting event is enough: it says that something happened.
        let (send, events) = mpsc::sync_channel(1);
        let notice = move |event: notify::Result<notify::Event>| {
            let looked_at = event.is_ok_and(|event| matches!(event.kind, EventKind::Access(access) if !matches!(access, notify::event::AccessKind::Close(_))));
            if !looked_at {
                // Full: the one who waits is told already.
                let _ = send.try_send(());
            }
        };
        let failed = |error: notify::Error| RulesError::Watch { path: folder.clone(), reason: error.to_string() };
        let mut watcher = notify::recommended_watcher(notice).map_err(failed)?;
        watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(failed)?;
        Ok(Self { watcher, events, folder })
    }

    /// Waits at most this long for something to happen in the folder and for it to be quiet again. True: look at it.
    /// False: nothing was heard; a scan now and then finds what a network file system does not tell.
    pub fn changed(&mut self, timeout: Duration) -> bool {
        match self.events.recv_timeout(timeout) {
            Ok(()) => {
                let since = Instant::now();
                while since.elapsed() < PATIENCE && self.events.recv_timeout(QUIET) == Ok(()) {}
                true
            }
            Err(RecvTimeoutError::Timeout) => {
                // A watch follows the folder that was there: one that was put in its place is watched from now on.
                let _ = self.watcher.watch(&self.folder, RecursiveMode::NonRecursive);
                false
            }
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_into_the_folder_wakes() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir_in(folder.path().parent().unwrap()).unwrap();
        let mut watch = FolderWatch::new(folder.path().to_path_buf()).unwrap();
        fs::write(other.path().join("people.wasm"), "new").unwrap();
        fs::rename(other.path().join("people.wasm"), folder.path().join("people.wasm")).unwrap();
        assert!(watch.changed(Duration::from_secs(30)));
        assert!(!watch.changed(Duration::from_millis(1)), "one change wakes once");
    }
}
