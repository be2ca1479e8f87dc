//! File events of the plugins folder. They only say when to look: what is there, the scan finds out.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::AccessKind;
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
    /// The folder that is watched: a watch stays with it, whatever is at its path later.
    watched: Option<Identity>,
}

/// A folder, by whatever path: its device and inode.
type Identity = (u64, u64);

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
            if may_tell_of_a_change(&event) {
                // Full: the one who waits is told already.
                let _ = send.try_send(());
            }
        };
        let failed = |error: notify::Error| RulesError::Watch { path: folder.clone(), reason: error.to_string() };
        let mut watcher = notify::recommended_watcher(notice).map_err(failed)?;
        // Before it is watched: where another comes into its place meanwhile, that shows at the first look.
        let watched = identity(&folder);
        watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(failed)?;
        Ok(Self { watcher, events, folder, watched })
    }

    /// Waits at most this long for something to happen in the folder and for it to be quiet again. True: look at it.
    /// False: nothing was heard; a scan now and then finds what a network file system does not tell.
    pub fn changed(&mut self, timeout: Duration) -> bool {
        let heard = match self.events.recv_timeout(timeout) {
            Ok(()) => {
                let since = Instant::now();
                while since.elapsed() < PATIENCE && self.events.recv_timeout(QUIET) == Ok(()) {}
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                // Who listened has ended. The one who waits here must not spin because of it.
                thread::park_timeout(timeout);
                false
            }
        };
        self.watch_what_is_there() || heard
    }

    /// Watches the folder that was put in the place of the one before. True: there is one, and nobody has heard what
    /// happened in it so far.
    fn watch_what_is_there(&mut self) -> bool {
        let present = identity(&self.folder);
        if present == self.watched {
            return false;
        }
        // The one before may go on elsewhere; where it is gone, so is its watch.
        let _ = self.watcher.unwatch(&self.folder);
        let watched = self.watcher.watch(&self.folder, RecursiveMode::NonRecursive).is_ok();
        self.watched = present.filter(|_| watched);
        watched
    }
}

/// Whether something may be another than before. That somebody reads, as the scan itself does, is no change; that events
/// were lost is taken for one.
fn may_tell_of_a_change(event: &notify::Result<notify::Event>) -> bool {
    let Ok(event) = event else { return true };
    let read = matches!(event.kind, EventKind::Access(access) if !matches!(access, AccessKind::Close(_)));
    event.need_rescan() || !read
}

/// What a path leads to at this moment; none where that is nothing.
fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use notify::Event;
    use notify::event::Flag;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(1);

    #[test]
    fn a_rename_into_the_folder_wakes() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir_in(folder.path().parent().unwrap()).unwrap();
        let mut watch = FolderWatch::new(folder.path().to_path_buf()).unwrap();
        fs::write(other.path().join("people.wasm"), "new").unwrap();
        fs::rename(other.path().join("people.wasm"), folder.path().join("people.wasm")).unwrap();
        assert!(watch.changed(LONG));
        assert!(!watch.changed(SHORT), "one change wakes once");
    }

    #[test]
    fn a_folder_put_in_the_place_of_the_watched_one_is_watched_and_the_one_before_is_not() {
        let lab = tempfile::tempdir().unwrap();
        let at = |name: &str| lab.path().join(name);
        let mut watch = FolderWatch::new(at("plugins")).unwrap();
        for turn in 0..3 {
            let before = at(&format!("before{turn}"));
            fs::create_dir(at("next")).unwrap();
            fs::write(at("next/people.wasm"), "next").unwrap();
            fs::rename(at("plugins"), &before).unwrap();
            fs::rename(at("next"), at("plugins")).unwrap();
            assert!(watch.changed(LONG), "another folder is there");
            while watch.changed(SHORT) {}
            fs::write(before.join("people.wasm"), "not ours any more").unwrap();
            fs::write(at("plugins/people.wasm"), "changed").unwrap();
            assert!(watch.changed(LONG), "it is watched");
            while watch.changed(SHORT) {}
        }
    }

    #[test]
    fn a_folder_that_was_away_for_a_while_wakes_when_it_is_back() {
        let lab = tempfile::tempdir().unwrap();
        let folder = lab.path().join("plugins");
        let mut watch = FolderWatch::new(folder.clone()).unwrap();
        fs::remove_dir(&folder).unwrap();
        assert!(watch.changed(LONG), "it is gone");
        while watch.changed(SHORT) {}
        fs::create_dir(&folder).unwrap();
        assert!(watch.changed(SHORT), "it is back");
        fs::write(folder.join("people.wasm"), "new").unwrap();
        assert!(watch.changed(LONG), "and watched");
    }

    #[test]
    fn lost_events_wake_and_reading_does_not() {
        let of = |kind: EventKind| Ok(Event::new(kind));
        assert!(may_tell_of_a_change(&Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan))));
        assert!(may_tell_of_a_change(&Err(notify::Error::generic("the queue cannot be read"))));
        assert!(!may_tell_of_a_change(&of(EventKind::Access(AccessKind::Open(notify::event::AccessMode::Any)))));
        assert!(may_tell_of_a_change(&of(EventKind::Access(AccessKind::Close(notify::event::AccessMode::Write)))));
    }
}
