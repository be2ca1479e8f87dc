//! The plugins folder: which files are plugins, and what is in them. Identity is the content, never the time of a file.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::RulesError;
use crate::fault::{is_legible, legible};
use crate::hash::Hash;

/// A file that was written so recently may be written again without its time showing it.
const YOUNG: Duration = Duration::from_secs(2);
/// How long a file that is written over must stay the same before it is believed to be whole.
const STILL: Duration = Duration::from_millis(50);
/// How often the folder is read again because a file of it was replaced meanwhile.
const AGAIN: usize = 3;

/// A plugin's file, as it was last read.
#[derive(Clone)]
pub(crate) struct Found {
    /// The file; none for a plugin that the binary carries.
    pub(crate) path: Option<PathBuf>,
    pub(crate) content: Content,
    stamp: Option<Stamp>,
}

/// What a plugin's file has in it.
#[derive(Clone)]
pub(crate) enum Content {
    /// Bytes to be judged by the gate.
    Bytes(Hash, Arc<[u8]>),
    /// Nothing that could be read, and why.
    Unusable(String),
}

/// What tells without reading that a file is the same. Its time of modification anybody can set, as tools that copy do;
/// the time of its last change nobody can.
#[derive(Clone, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: SystemTime,
    changed: SystemTime,
    settled: bool,
}

impl Content {
    /// The hash of the bytes, where there are any.
    pub(crate) fn hash(&self) -> Option<Hash> {
        match self {
            Self::Bytes(hash, _) => Some(*hash),
            Self::Unusable(_) => None,
        }
    }
}

/// Reads the folder; what did not change since `before` is not read again. A folder that is not there has no plugins.
///
/// Files that are replaced together, by one link, are found together: those of before, or those of after.
pub(crate) fn read(
    folder: &Path,
    embedded: &[(&str, &[u8])],
    max_octets: impl Fn(&str) -> u64,
    before: &BTreeMap<String, Found>,
) -> Result<BTreeMap<String, Found>, RulesError> {
    let carried = |(name, bytes): &(&str, &[u8])| {
        let known = before.get(*name).filter(|known| known.path.is_none()).cloned();
        let read = || Found { path: None, content: Content::Bytes(Hash::of(bytes), Arc::from(*bytes)), stamp: None };
        ((*name).to_owned(), known.unwrap_or_else(read))
    };
    let mut found: BTreeMap<String, Found> = embedded.iter().map(carried).collect();
    let mut files = read_files(folder, &max_octets, before)?;
    for _ in 0..AGAIN {
        if files.values().all(Found::is_still_there) {
            break;
        }
        files = read_files(folder, &max_octets, &files)?;
    }
    found.extend(files);
    Ok(found)
}

/// Reads the files of the folder, one after the other.
fn read_files(
    folder: &Path,
    max_octets: impl Fn(&str) -> u64,
    before: &BTreeMap<String, Found>,
) -> Result<BTreeMap<String, Found>, RulesError> {
    let mut found = BTreeMap::new();
    let failed = |source| RulesError::File { action: "read", path: folder.to_path_buf(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let Some(name) = plugin_name(&path) else { continue };
        let pause = || thread::park_timeout(STILL);
        if let Some(file) = read_file(&path, max_octets(&name), before.get(&name), pause) {
            found.insert(name, file);
        }
    }
    Ok(found)
}

/// The plugin that a file of this path is: `people.wasm` is `people`; dot-files and other endings are none. What could
/// not be shown to a person is not in it.
pub(crate) fn plugin_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let name = name.strip_suffix(".wasm")?;
    (!name.is_empty() && !name.starts_with('.')).then(|| legible(name))
}

/// Opens what may be a pipe, which would wait for somebody to write to it.
fn open_without_waiting(path: &Path) -> io::Result<fs::File> {
    let without_waiting = nix::fcntl::OFlag::O_NONBLOCK.bits();
    fs::OpenOptions::new().read(true).custom_flags(without_waiting).open(path)
}

/// Opens a file that is none of a device, a pipe or a folder, and says how many octets it has.
pub(crate) fn open_regular(path: &Path) -> io::Result<(fs::File, u64)> {
    let file = open_without_waiting(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok((file, metadata.len()));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
}

/// None for what is no regular file, or is gone by now. `pause` is how long a file that is written over must stay the same.
fn read_file(path: &Path, max_octets: u64, before: Option<&Found>, pause: impl FnOnce()) -> Option<Found> {
    let unusable = |reason: String| {
        Some(Found { path: Some(path.to_path_buf()), content: Content::Unusable(reason), stamp: None })
    };
    let shown = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.chars().all(is_legible));
    let mut file = match open_without_waiting(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return unusable(format!("it cannot be read: {error}")),
    };
    let metadata = match file.metadata() {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return None,
        Err(error) => return unusable(format!("it cannot be read: {error}")),
    };
    if metadata.permissions().mode() & 0o002 != 0 {
        return unusable("everyone may write to it: run `chmod o-w` on the file".to_owned());
    }
    if metadata.len() > max_octets {
        return unusable(format!("it has {} octets, more than the {max_octets} that are allowed", metadata.len()));
    }
    if !shown {
        return unusable("its file name has characters that cannot be shown: rename it".to_owned());
    }
    let stamp = Stamp::of(&metadata);
    let before = before.filter(|before| before.path.as_deref() == Some(path));
    let settled = stamp.as_ref().is_some_and(|stamp| stamp.settled);
    if let Some(before) = before.filter(|before| settled && before.stamp == stamp) {
        return Some(before.clone());
    }
    let mut read = || {
        let mut bytes = Vec::new();
        // The file may grow while it is read.
        file.rewind()?;
        file.by_ref().take(max_octets.saturating_add(1)).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = match read() {
        Ok(bytes) => bytes,
        Err(error) => return unusable(format!("it cannot be read: {error}")),
    };
    let hash = Hash::of(&bytes);
    // Half of the octets before and half of those to come may well be a component, which nobody has written. A file that
    // came by a rename is whole; one that grows is no component before its end.
    if let Some(before) = before.filter(|before| before.is_written_over(hash, stamp.as_ref())) {
        pause();
        if !read().is_ok_and(|again| Hash::of(&again) == hash) {
            return Some(Found { stamp: None, ..before.clone() });
        }
    }
    Some(Found { path: Some(path.to_path_buf()), content: Content::Bytes(hash, bytes.into()), stamp })
}

impl Found {
    /// Whether the path still leads to what was read, as far as that was noted.
    fn is_still_there(&self) -> bool {
        let (Some(path), Some(stamp)) = (&self.path, &self.stamp) else { return true };
        let now = fs::metadata(path).ok().and_then(|metadata| Stamp::of(&metadata));
        now.is_some_and(|now| (now.device, now.inode, now.changed) == (stamp.device, stamp.inode, stamp.changed))
    }

    /// Whether the same file has other content by now, and was written just before.
    fn is_written_over(&self, content: Hash, stamp: Option<&Stamp>) -> bool {
        let (Some(before), Some(now)) = (&self.stamp, stamp) else { return self.stamp.is_none() };
        let same_file = (before.device, before.inode) == (now.device, now.inode);
        same_file && !now.settled && self.content.hash() != Some(content)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Option<Self> {
        let modified = metadata.modified().ok()?;
        let seconds = u64::try_from(metadata.ctime()).ok()?;
        let rest = u32::try_from(metadata.ctime_nsec()).ok()?;
        let changed = UNIX_EPOCH.checked_add(Duration::new(seconds, rest))?;
        let settled = SystemTime::now().duration_since(changed).is_ok_and(|age| age > YOUNG);
        let (device, inode) = (metadata.dev(), metadata.ino());
        Some(Self { device, inode, length: metadata.len(), modified, changed, settled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wasm_files_are_plugins() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["people.wasm", ".hidden.wasm", "notes.txt", "people.wasm.part"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join("folder.wasm")).unwrap();
        let found = read(folder.path(), &[], |_| 100, &BTreeMap::new()).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["people"]);
    }

    #[test]
    fn a_file_wins_over_the_plugin_that_the_binary_carries() {
        let folder = tempfile::tempdir().unwrap();
        let embedded: &[(&str, &[u8])] = &[("people", b"carried"), ("groups", b"carried")];
        fs::write(folder.path().join("people.wasm"), "own").unwrap();
        let found = read(folder.path(), embedded, |_| 100, &BTreeMap::new()).unwrap();
        assert_eq!(found["people"].content.hash(), Some(Hash::of(b"own")));
        assert_eq!(found["groups"].content.hash(), Some(Hash::of(b"carried")));
    }

    #[test]
    fn a_change_shows_even_at_once_and_at_the_same_length() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("people.wasm"), "one").unwrap();
        let first = read(folder.path(), &[], |_| 100, &BTreeMap::new()).unwrap();
        fs::write(folder.path().join("people.wasm"), "two").unwrap();
        let second = read(folder.path(), &[], |_| 100, &first).unwrap();
        assert_eq!(second["people"].content.hash(), Some(Hash::of(b"two")));
    }

    #[test]
    fn a_change_shows_though_the_time_of_the_file_is_set_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.wasm");
        let old = SystemTime::now() - Duration::from_secs(3600);
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        };
        write("one");
        let first = read(folder.path(), &[], |_| 100, &BTreeMap::new()).unwrap();
        write("two");
        let second = read(folder.path(), &[], |_| 100, &first).unwrap();
        assert_eq!(second["people"].content.hash(), Some(Hash::of(b"two")));
    }

    #[test]
    fn what_is_being_written_over_is_not_taken_before_it_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.wasm");
        fs::write(&path, "old old").unwrap();
        let before = read_file(&path, 100, None, || {}).unwrap();
        fs::write(&path, "new old").unwrap();
        let meanwhile = read_file(&path, 100, Some(&before), || fs::write(&path, "new new").unwrap()).unwrap();
        assert_eq!(meanwhile.content.hash(), Some(Hash::of(b"old old")), "not the half of each");
        let after = read_file(&path, 100, Some(&meanwhile), || {}).unwrap();
        assert_eq!(after.content.hash(), Some(Hash::of(b"new new")));
    }

    #[test]
    fn files_swapped_by_one_link_while_they_are_read_are_found_together() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for day in ["old", "new"] {
            fs::create_dir(at(day)).unwrap();
            for plugin in ["one.wasm", "two.wasm"] {
                fs::write(at(day).join(plugin), format!("{day} {plugin}")).unwrap();
            }
        }
        std::os::unix::fs::symlink("old", at("..data")).unwrap();
        std::os::unix::fs::symlink("new", at("..data_tmp")).unwrap();
        for plugin in ["one.wasm", "two.wasm"] {
            std::os::unix::fs::symlink(Path::new("..data").join(plugin), at(plugin)).unwrap();
        }
        let looked_at = std::cell::Cell::new(0);
        // Asked before each file: between the first and the second, the link is swapped.
        let swapping = |_: &str| {
            looked_at.set(looked_at.get() + 1);
            if looked_at.get() == 2 {
                fs::rename(at("..data_tmp"), at("..data")).unwrap();
            }
            100
        };
        let found = read(folder.path(), &[], swapping, &BTreeMap::new()).unwrap();
        for plugin in ["one", "two"] {
            assert_eq!(found[plugin].content.hash(), Some(Hash::of(format!("new {plugin}.wasm").as_bytes())));
        }
    }

    #[test]
    fn a_pipe_is_no_plugin_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("people.wasm");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read(folder.path(), &[], |_| 100, &BTreeMap::new()).unwrap().is_empty());
    }

    #[test]
    fn a_name_that_would_steer_the_terminal_is_refused_under_one_that_would_not() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().unwrap();
        for name in [&b"red\x1b[31m.wasm"[..], b"half\xff.wasm"] {
            fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), "people").unwrap();
        }
        let found = read(folder.path(), &[], |_| 100, &BTreeMap::new()).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["half\u{fffd}", "red\u{fffd}[31m"]);
        let refused = |found: &Found| matches!(&found.content, Content::Unusable(reason) if reason.contains("rename"));
        assert!(found.values().all(refused));
    }

    #[test]
    fn a_file_that_is_too_large_or_open_to_all_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.wasm");
        fs::write(&path, "too large").unwrap();
        let reason = |found: &BTreeMap<String, Found>| match &found["people"].content {
            Content::Unusable(reason) => reason.clone(),
            Content::Bytes(..) => String::new(),
        };
        assert!(reason(&read(folder.path(), &[], |_| 3, &BTreeMap::new()).unwrap()).contains("more than the 3"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(reason(&read(folder.path(), &[], |_| 100, &BTreeMap::new()).unwrap()).contains("chmod o-w"));
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_plugins() {
        assert!(read(Path::new("/nonexistent/plugins"), &[], |_| 100, &BTreeMap::new()).unwrap().is_empty());
    }
}
