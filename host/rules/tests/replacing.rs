//! Every way in which files are replaced: what is whole and new is found and taken, anything else changes no rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use provisor_rules::{Binding, Chain, FolderWatch, PluginState, RulesHost};
use support::made::Generations;
use support::{binding, evaluate, generation, lay_as_kubernetes, no_config, options, user};

/// How long an event is waited for.
const LONG: Duration = Duration::from_secs(30);
/// How long is listened for what must not be heard.
const SHORT: Duration = Duration::from_millis(300);

/// A running host over a folder with one rule, `title`, which writes its own generation into everybody's title.
struct Replaced {
    folder: tempfile::TempDir,
    host: RulesHost,
    watch: FolderWatch,
    generations: Generations,
}

impl Replaced {
    /// With generation 1 in force, in a folder that `lay` makes.
    fn laid_by(lay: impl FnOnce(&Path, &[u8])) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("plugins")).unwrap();
        let generations = Generations::of("title", true);
        lay(folder.path(), &generations.component(1));
        let host = RulesHost::open(options(folder.path(), &[])).unwrap();
        let watch = host.watch().unwrap();
        let replaced = Self { folder, host, watch, generations };
        assert_eq!(replaced.decides(), 1);
        replaced
    }

    fn new() -> Self {
        Self::laid_by(|folder, first| fs::write(folder.join("plugins/title.wasm"), first).unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.at("plugins/title.wasm")
    }

    fn bindings() -> [Binding; 1] {
        [binding("title", no_config())]
    }

    fn bind(&self) -> Arc<Chain> {
        self.host.bind("lab", &Self::bindings()).unwrap()
    }

    /// The generation that decides about an entry now.
    fn decides(&self) -> usize {
        generation(&evaluate(&self.bind(), &[user("ada")])[0], "title")
    }

    fn state(&self) -> PluginState {
        let mut status = self.host.status();
        assert_eq!(status.len(), 1, "nothing else is taken for a plugin: {status:?}");
        status.remove(0).state
    }

    /// Waits until an event tells of this generation.
    fn takes(&mut self, generation: usize) {
        while self.decides() != generation {
            assert!(self.watch.changed(LONG), "generation {generation} is not heard of");
            self.host.scan();
        }
        assert_eq!(self.state(), PluginState::Active);
    }

    /// Scans after what was just done, heard of by an event: this generation stays in force.
    fn stays(&mut self, generation: usize) {
        assert!(self.watch.changed(LONG), "nothing was heard");
        self.host.scan();
        assert_eq!(self.decides(), generation);
    }

    /// The same, and in the status stands why.
    fn rejects(&mut self, generation: usize) {
        self.stays(generation);
        let state = self.state();
        assert!(
            matches!(&state, PluginState::Rejected { active: Some(_), reason } if reason.contains("only a part of one")),
            "{state:?}"
        );
    }
}

fn append(file: &Path, bytes: &[u8]) {
    File::options().append(true).open(file).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_rename_over_the_file_is_taken() {
    let mut replaced = Replaced::new();
    fs::write(replaced.at("next"), replaced.generations.component(2)).unwrap();
    fs::rename(replaced.at("next"), replaced.file()).unwrap();
    replaced.takes(2);
}

#[test]
fn a_rename_of_an_old_file_is_taken() {
    let mut replaced = Replaced::new();
    fs::write(replaced.at("next"), replaced.generations.component(2)).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(86_400 * 365);
    File::options().write(true).open(replaced.at("next")).unwrap().set_modified(long_ago).unwrap();
    fs::rename(replaced.at("next"), replaced.file()).unwrap();
    replaced.takes(2);
}

#[test]
fn a_file_written_in_its_place_is_taken_once_it_is_whole() {
    let mut replaced = Replaced::new();
    let next = replaced.generations.component(2);
    let (half, rest) = next.split_at(next.len() / 2);
    fs::write(replaced.file(), half).unwrap();
    replaced.rejects(1);
    append(&replaced.file(), rest);
    replaced.takes(2);
    fs::write(replaced.file(), replaced.generations.component(3)).unwrap();
    replaced.takes(3);
}

#[test]
fn a_file_cut_short_is_refused_and_a_whole_one_is_taken() {
    let mut replaced = Replaced::new();
    let whole = fs::metadata(replaced.file()).unwrap().len();
    for length in [whole - 200, 8, 1] {
        File::options().write(true).open(replaced.file()).unwrap().set_len(length).unwrap();
        replaced.stays(1);
        assert!(matches!(replaced.state(), PluginState::Rejected { active: Some(_), .. }), "{length}");
    }
    fs::write(replaced.file(), replaced.generations.component(2)).unwrap();
    replaced.takes(2);
}

#[test]
fn a_deleted_file_loses_nothing_and_another_one_is_taken() {
    let mut replaced = Replaced::new();
    fs::remove_file(replaced.file()).unwrap();
    replaced.stays(1);
    assert!(matches!(replaced.state(), PluginState::Missing { active: Some(_) }));
    fs::write(replaced.file(), replaced.generations.component(2)).unwrap();
    replaced.takes(2);
}

#[test]
fn a_touched_file_or_one_written_again_as_it_was_is_no_change() {
    let mut replaced = Replaced::new();
    let chain = replaced.bind();
    let file = replaced.file();
    let whole = replaced.generations.component(1);
    let again: [&dyn Fn(); 4] = [
        &|| File::options().write(true).open(&file).unwrap().set_modified(SystemTime::now()).unwrap(),
        &|| fs::write(&file, &whole).unwrap(),
        &|| {
            fs::write(file.with_extension("next"), &whole).unwrap();
            fs::rename(file.with_extension("next"), &file).unwrap();
        },
        &|| {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        },
    ];
    for write in again {
        write();
        assert!(replaced.watch.changed(LONG));
        assert!(!replaced.host.scan(), "no plugin is another one");
        assert!(Arc::ptr_eq(&chain, &replaced.bind()));
    }
}

#[test]
fn a_volume_of_kubernetes_is_taken_by_the_swap_of_its_link() {
    let mut replaced = Replaced::laid_by(|folder, first| {
        lay_as_kubernetes(&folder.join("plugins"), "..2026_01", &[("title.wasm", first.to_vec())]);
    });
    for generation in 2..6 {
        let next = replaced.generations.component(generation);
        let volume = replaced.at("plugins");
        lay_as_kubernetes(&volume, &format!("..2026_0{generation}"), &[("title.wasm", next)]);
        fs::remove_dir_all(volume.join(format!("..2026_0{}", generation - 1))).unwrap();
        replaced.takes(generation);
    }
}

#[test]
fn a_volume_whose_link_leads_nowhere_for_a_while_loses_nothing() {
    let mut replaced = Replaced::laid_by(|folder, first| {
        lay_as_kubernetes(&folder.join("plugins"), "..2026_01", &[("title.wasm", first.to_vec())]);
    });
    let volume = replaced.at("plugins");
    fs::remove_file(volume.join("..data")).unwrap();
    replaced.stays(1);
    assert!(matches!(replaced.state(), PluginState::Missing { active: Some(_) }));
    lay_as_kubernetes(&volume, "..2026_02", &[("title.wasm", replaced.generations.component(2))]);
    replaced.takes(2);
}

#[test]
fn a_folder_put_in_the_place_of_the_one_before_is_taken_and_watched() {
    let mut replaced = Replaced::new();
    for generation in [2, 4] {
        fs::create_dir(replaced.at("next")).unwrap();
        fs::write(replaced.at("next/title.wasm"), replaced.generations.component(generation)).unwrap();
        fs::rename(replaced.at("plugins"), replaced.at(&format!("before{generation}"))).unwrap();
        fs::rename(replaced.at("next"), replaced.at("plugins")).unwrap();
        replaced.takes(generation);
        fs::write(replaced.file(), replaced.generations.component(generation + 1)).unwrap();
        replaced.takes(generation + 1);
    }
}

#[test]
fn what_editors_write_beside_a_file_is_no_plugin_and_takes_none_away() {
    let mut replaced = Replaced::new();
    let beside = |replaced: &Replaced, name: &str| replaced.at("plugins").join(name);
    // As vim does it: a file to see whether the folder can be written to, a swap file, the one before as a backup.
    let before = replaced.generations.component(1);
    fs::write(beside(&replaced, "4913"), "").unwrap();
    fs::remove_file(beside(&replaced, "4913")).unwrap();
    fs::write(beside(&replaced, ".title.wasm.swp"), &before).unwrap();
    replaced.stays(1);
    fs::rename(replaced.file(), beside(&replaced, "title.wasm~")).unwrap();
    replaced.stays(1);
    fs::write(replaced.file(), replaced.generations.component(2)).unwrap();
    replaced.takes(2);
    fs::remove_file(beside(&replaced, "title.wasm~")).unwrap();
    fs::remove_file(beside(&replaced, ".title.wasm.swp")).unwrap();
    replaced.stays(2);
    // As emacs does it: a lock that leads nowhere, a file of its own while typing, a copy as a backup.
    symlink("eve@lab.4711:1", beside(&replaced, ".#title.wasm")).unwrap();
    fs::write(beside(&replaced, "#title.wasm#"), replaced.generations.component(3)).unwrap();
    fs::copy(replaced.file(), beside(&replaced, "title.wasm~")).unwrap();
    replaced.stays(2);
    fs::write(replaced.file(), replaced.generations.component(3)).unwrap();
    fs::remove_file(beside(&replaced, ".#title.wasm")).unwrap();
    fs::remove_file(beside(&replaced, "#title.wasm#")).unwrap();
    replaced.takes(3);
    // As tools that copy do it: under another name until it is whole.
    for unfinished in [".title.wasm.Xy12", "title.wasm.part", ".goutputstream-4711", "title.wasm.filepart"] {
        fs::write(beside(&replaced, unfinished), replaced.generations.component(4)).unwrap();
        replaced.stays(3);
        fs::remove_file(beside(&replaced, unfinished)).unwrap();
        replaced.stays(3);
    }
}

/// A link to a file elsewhere: as on a network file system, nothing tells when that is another one.
#[test]
fn what_happens_in_silence_is_found_by_looking() {
    let mut replaced = Replaced::laid_by(|folder, first| {
        fs::create_dir(folder.join("elsewhere")).unwrap();
        fs::write(folder.join("elsewhere/title.wasm"), first).unwrap();
        symlink(folder.join("elsewhere/title.wasm"), folder.join("plugins/title.wasm")).unwrap();
    });
    let elsewhere = replaced.at("elsewhere/title.wasm");
    fs::write(&elsewhere, replaced.generations.component(2)).unwrap();
    assert!(!replaced.watch.changed(SHORT), "this way of changing a file is told after all");
    assert!(replaced.host.scan());
    assert_eq!(replaced.decides(), 2);
    fs::write(replaced.at("next"), replaced.generations.component(3)).unwrap();
    fs::rename(replaced.at("next"), &elsewhere).unwrap();
    assert!(!replaced.watch.changed(SHORT), "this way of changing a file is told after all");
    assert!(replaced.host.scan());
    assert_eq!(replaced.decides(), 3);
}

#[test]
fn files_swapped_together_are_taken_together() {
    const LAST: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("plugins");
    fs::create_dir(&volume).unwrap();
    let generations = ["title", "displayName"].map(|attribute| Generations::of(attribute, attribute == "title"));
    let files =
        |number: usize| [0, 1].map(|rule| (["one.wasm", "two.wasm"][rule], generations[rule].component(number)));
    lay_as_kubernetes(&volume, "..0", &files(0));
    let host = RulesHost::open(options(folder.path(), &[])).unwrap();
    let bindings = [binding("one", no_config()), binding("two", no_config())];
    let swapping = std::thread::spawn({
        let (volume, files) = (volume.clone(), (1..=LAST).map(files).collect::<Vec<_>>());
        move || {
            for (number, files) in files.iter().enumerate() {
                lay_as_kubernetes(&volume, &format!("..{}", number + 1), files);
                fs::remove_dir_all(volume.join(format!("..{number}"))).unwrap();
            }
        }
    });
    let mut seen = BTreeSet::new();
    loop {
        let last = swapping.is_finished();
        host.scan();
        let chain = host.bind("lab", &bindings).unwrap();
        let evaluation = &evaluate(&chain, &[user("ada")])[0];
        let decided = generation(evaluation, "title");
        assert_eq!(decided, generation(evaluation, "displayName"), "rules of two days in one chain");
        seen.insert(decided);
        if last {
            break;
        }
    }
    swapping.join().unwrap();
    assert!(seen.len() > 2 && seen.last() == Some(&LAST), "{seen:?}");
}
