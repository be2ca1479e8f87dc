//! The plugins folder: which files are plugins, and what is in them. Identity is the content, never the time of a file.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::RulesError;
use crate::hash::Hash;

/// A file that was written so recently may be written again without its time showing it.
const YOUNG: Duration = Duration::from_secs(2);

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

/// What tells without reading that a file is the same.
#[derive(Clone, PartialEq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: SystemTime,
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
pub(crate) fn read(
    folder: &Path,
    embedded: &[(&str, &[u8])],
    max_octets: impl Fn(&str) -> u64,
    before: &BTreeMap<String, Found>,
) -> Result<BTreeMap<String, Found>, RulesError> {
    let mut found: BTreeMap<String, Found> = embedded
        .iter()
        .map(|(name, bytes)| {
            let known = before.get(*name).filter(|known| known.path.is_none()).cloned();
            let read =
                || Found { path: None, content: Content::Bytes(Hash::of(bytes), Arc::from(*bytes)), stamp: None };
            ((*name).to_owned(), known.unwrap_or_else(read))
        })
        .collect();
    let failed = |source| RulesError::File { action: "read", path: folder.to_path_buf(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let Some(name) = plugin_name(&path) else { continue };
        if let Some(file) = read_file(&path, max_octets(&name), before.get(&name)) {
            found.insert(name, file);
        }
    }
    Ok(found)
}

/// The plugin that a file of this path is: `people.wasm` is `people`; dot-files and other endings are none.
pub(crate) fn plugin_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".wasm")?;
    (!name.is_empty() && !name.starts_with('.')).then(|| name.to_owned())
}

/// None for what is no regular file, or is gone by now.
fn read_file(path: &Path, max_octets: u64, before: Option<&Found>) -> Option<Found> {
    let unusable = |reason: String| {
        Some(Found { path: Some(path.to_path_buf()), content: Content::Unusable(reason), stamp: None })
    };
    let mut file = match fs::File::open(path) {
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
    let stamp = Stamp::of(&metadata);
    let same = |before: &&Found| before.stamp == stamp && before.path.as_deref() == Some(path);
    if let Some(before) = before.filter(same).filter(|_| stamp.as_ref().is_some_and(|stamp| stamp.settled)) {
        return Some(before.clone());
    }
    let mut bytes = Vec::new();
    // The file may grow while it is read.
    match file.by_ref().take(max_octets + 1).read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => return unusable(format!("it cannot be read: {error}")),
    }
    let content = Content::Bytes(Hash::of(&bytes), bytes.into());
    Some(Found { path: Some(path.to_path_buf()), content, stamp })
}

impl Stamp {
    fn of(metadata: &Metadata) -> Option<Self> {
        let modified = metadata.modified().ok()?;
        let settled = SystemTime::now().duration_since(modified).is_ok_and(|age| age > YOUNG);
        Some(Self { inode: metadata.ino(), length: metadata.len(), modified, settled })
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
