//! The compile cache: machine code of components, kept over restarts in a folder of our own.
//!
//! The folder is a boundary of trust: what is in it is run. So it must belong to this user and be closed to all others, or
//! it is not used. Nothing in it is needed: whatever is missing, torn or foreign is compiled again.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::Hasher;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::OFlag;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::artefact;
use crate::hash::Hash;

/// The largest artefact that is kept, in octets.
const MAX_OCTETS: u64 = 512 << 20;
/// The octets of all artefacts together; the ones used longest ago go first.
const ALL_OCTETS: u64 = 1 << 30;
/// How long an artefact is kept that nobody uses.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// The same for one of another engine or setting: an older program may still run on the folder.
const FOREIGN_KEPT: Duration = Duration::from_secs(24 * 3600);
/// What is left unfinished for so long is nobody's work any more.
const UNFINISHED: Duration = Duration::from_secs(3600);
/// How often the time of last use is written.
const USE_NOTED: Duration = Duration::from_secs(3600);

/// The folder of artefacts.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// None: the folder cannot be trusted or made, so everything is compiled.
    folder: Option<PathBuf>,
    /// What the engine compiles by, and its version.
    engine: Hash,
}

impl Compiled {
    /// Opens the folder `compiled` in the data folder. One that cannot be used is told, and then done without.
    pub(crate) fn open(data_folder: &Path, engine: &Engine) -> Self {
        let path = data_folder.join("compiled");
        let folder = match own(&path) {
            Ok(()) => Some(path),
            Err(reason) => {
                tracing::warn!(folder = %path.display(), "compiled plugins are not kept: {reason}");
                None
            }
        };
        let compiled = Self { folder, engine: engine_hash(engine) };
        compiled.prune(ALL_OCTETS);
        compiled
    }

    /// The component of these content, where it was compiled before.
    pub(crate) fn get(&self, engine: &Engine, component: Hash) -> Option<Component> {
        let path = self.file(component)?;
        let artefact = read(&path)?;
        let found = artefact::take_up(engine, self.key(component), &artefact);
        match &found {
            Some(_) => note_use(&path),
            None => {
                tracing::warn!(file = %path.display(), "a compiled plugin is damaged and is compiled again");
                // Whether or not it can be removed: the next one is renamed over it.
                let _ = fs::remove_file(&path);
            }
        }
        found
    }

    /// Keeps a compiled component. What goes wrong costs only time at the next start.
    pub(crate) fn put(&self, component: Hash, compiled: &Component) {
        let Some(path) = self.file(component) else { return };
        let kept = compiled.serialize().map_err(|error| error.to_string()).and_then(|code| {
            let artefact = artefact::wrap(self.key(component), &code);
            if artefact.len() as u64 > MAX_OCTETS {
                return Err(format!("it has {} octets, more than the {MAX_OCTETS} allowed", artefact.len()));
            }
            self.prune(ALL_OCTETS.saturating_sub(artefact.len() as u64));
            write(&path, &artefact).map_err(|error| error.to_string())
        });
        if let Err(reason) = kept {
            tracing::warn!(file = %path.display(), "a compiled plugin could not be kept: {reason}");
        }
    }

    fn key(&self, component: Hash) -> Hash {
        Hash::of_parts([&component.octets()[..], &self.engine.octets()])
    }

    fn file(&self, component: Hash) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{component}-{}.code", self.engine.short())))
    }

    /// Removes what is old, of other engines, unfinished, or too much together.
    fn prune(&self, most: u64) {
        let Some(folder) = &self.folder else { return };
        let ours = format!("-{}.code", self.engine.short());
        let (mut kept, mut total) = (BTreeSet::new(), 0_u64);
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (file.path(), file.file_name());
            let Ok(metadata) = file.metadata() else { continue };
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let age = used.elapsed().unwrap_or_default();
            let name = name.to_string_lossy();
            let most = match name.ends_with(".code") {
                true if name.ends_with(&ours) => KEPT,
                true => FOREIGN_KEPT,
                false => UNFINISHED,
            };
            if age > most {
                // Another process may have done it.
                let _ = fs::remove_file(path);
            } else {
                total += metadata.len();
                kept.insert((used, path, metadata.len()));
            }
        }
        for (_, path, octets) in kept {
            if total <= most {
                break;
            }
            let _ = fs::remove_file(path);
            total = total.saturating_sub(octets);
        }
    }
}

/// Makes the folder, or makes sure that it is ours alone.
fn own(folder: &Path) -> Result<(), String> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| error.to_string())?;
    // What a link leads to may be changed by others.
    let metadata = fs::symlink_metadata(folder).map_err(|error| error.to_string())?;
    if !metadata.is_dir() {
        return Err("it is not a folder itself, but leads to one: remove it".to_owned());
    }
    if metadata.uid() != nix::unistd::geteuid().as_raw() {
        return Err("it belongs to another user: remove it, or run as its owner".to_owned());
    }
    if metadata.mode() & 0o077 != 0 {
        // Others could have written to it: nothing that is in it can be trusted.
        let closed = fs::set_permissions(folder, Permissions::from_mode(0o700));
        closed.and_then(|()| empty(folder)).map_err(|error| format!("others may write to it, and {error}"))?;
    }
    Ok(())
}

fn empty(folder: &Path) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        fs::remove_file(file?.path())?;
    }
    Ok(())
}

/// The octets of a file, all in memory; none where it is not there, or not ours alone.
fn read(path: &Path) -> Option<Vec<u8>> {
    // A link leads elsewhere, and a pipe would wait for somebody to write to it.
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let ours = metadata.uid() == nix::unistd::geteuid().as_raw() && metadata.mode() & 0o022 == 0;
    if !metadata.is_file() || !ours || metadata.len() > MAX_OCTETS {
        return None;
    }
    let mut octets = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
    file.take(MAX_OCTETS).read_to_end(&mut octets).ok()?;
    Some(octets)
}

/// Writes a file so that it is there whole or not at all.
fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
    // One that an ended process left under our number.
    let _ = fs::remove_file(&unfinished);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).and_then(|mut file| {
        file.write_all(octets)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&unfinished, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    renamed
}

/// Notes that an artefact is in use, so that it is not removed as old; not at every start.
fn note_use(path: &Path) {
    let noted = || -> io::Result<()> {
        let file = File::open(path)?;
        let now = SystemTime::now();
        if file.metadata()?.modified()?.elapsed().is_ok_and(|age| age > USE_NOTED) {
            file.set_modified(now)?;
        }
        Ok(())
    };
    // It is removed sooner, and compiled again: no more than that.
    let _ = noted();
}

/// The engine's version and all that it compiles by, as one hash.
fn engine_hash(engine: &Engine) -> Hash {
    struct Digesting(Sha256);
    impl Hasher for Digesting {
        fn write(&mut self, octets: &[u8]) {
            self.0.update(octets);
        }

        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Digesting(Sha256::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
    // Another program may have other adapters between the engine and its code.
    std::hash::Hash::hash(env!("CARGO_PKG_VERSION"), &mut hasher);
    Hash::from_digest(hasher.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(engine: &Engine) -> Component {
        Component::new(engine, wat::parse_str("(component)").unwrap()).unwrap()
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder.join("compiled")).unwrap().map(|file| file.unwrap().path()).collect()
    }

    #[test]
    fn what_was_compiled_is_found_again_by_its_content_and_engine() {
        let data = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let (one, other) = (Hash::of(b"one"), Hash::of(b"other"));
        Compiled::open(data.path(), &engine).put(one, &compiled(&engine));
        let cache = Compiled::open(data.path(), &engine);
        assert!(cache.get(&engine, one).is_some());
        assert!(cache.get(&engine, other).is_none());
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config).unwrap();
        assert!(Compiled::open(data.path(), &engine).get(&engine, one).is_none(), "another setting compiles otherwise");
        assert_eq!(files(data.path()).len(), 1);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&data.path().join("compiled")), 0o700);
        assert_eq!(mode(&files(data.path())[0]), 0o600);
    }

    #[test]
    fn a_torn_or_swapped_file_is_removed_rather_than_run() {
        let data = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let (one, other) = (Hash::of(b"one"), Hash::of(b"other"));
        let cache = Compiled::open(data.path(), &engine);
        cache.put(one, &compiled(&engine));
        let path = cache.file(one).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(cache.get(&engine, one).is_none());
        assert!(!path.exists());
        let foreign = cache.file(other).unwrap();
        fs::write(&foreign, &whole).unwrap();
        fs::set_permissions(&foreign, Permissions::from_mode(0o600)).unwrap();
        assert!(cache.get(&engine, other).is_none(), "the code of another component");
        fs::write(&path, &whole).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o622)).unwrap();
        assert!(cache.get(&engine, one).is_none(), "others may write to it");
    }

    #[test]
    fn a_folder_that_others_could_write_to_is_emptied_and_one_that_is_a_link_is_not_used() {
        let data = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let one = Hash::of(b"one");
        Compiled::open(data.path(), &engine).put(one, &compiled(&engine));
        let folder = data.path().join("compiled");
        fs::set_permissions(&folder, Permissions::from_mode(0o770)).unwrap();
        let cache = Compiled::open(data.path(), &engine);
        assert!(cache.get(&engine, one).is_none());
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        fs::rename(&folder, data.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(data.path().join("elsewhere"), &folder).unwrap();
        let cache = Compiled::open(data.path(), &engine);
        cache.put(one, &compiled(&engine));
        assert!(cache.get(&engine, one).is_none());
        assert_eq!(fs::read_dir(data.path().join("elsewhere")).unwrap().count(), 0);
    }

    #[test]
    fn what_nobody_uses_is_removed_and_so_is_what_is_too_much() {
        let data = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Compiled::open(data.path(), &engine);
        let aged = |name: &str, age: Duration| {
            let path = data.path().join("compiled").join(name);
            fs::write(&path, [0; 100]).unwrap();
            File::open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
        };
        let ours = |name: &str| format!("{name}-{}.code", cache.engine.short());
        aged(&ours("old"), KEPT * 2);
        aged(&ours("young"), FOREIGN_KEPT * 2);
        aged(&ours("younger"), UNFINISHED);
        aged("foreign-0123.code", FOREIGN_KEPT * 2);
        aged("torn.1.unfinished", UNFINISHED * 2);
        cache.prune(ALL_OCTETS);
        let left = |folder: &Path| {
            let mut names: Vec<String> =
                files(folder).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(left(data.path()), [ours("young"), ours("younger")]);
        cache.prune(100);
        assert_eq!(left(data.path()), [ours("younger")], "the one used longest ago goes first");
    }
}
