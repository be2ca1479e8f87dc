//! What the tests of the plugin host share: folders, components, entries.
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, not all used by each"
)]

pub mod hostile;
pub mod made;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use provisor_model::{Attributes, DraftValue, Entry, IdSyntax, SourceId, Value};
use provisor_rules::{
    Binding, Chain, Evaluation, Limits, OnFault, Outcome, PluginState, PluginStatus, RulesHost, RulesOptions, Updates,
};
use serde_json::{Value as Json, json};

/// A plugins folder, a data folder, and the host over them.
pub struct Lab {
    folder: tempfile::TempDir,
    pub host: RulesHost,
}

impl Lab {
    pub fn new(plugins: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("plugins")).unwrap();
        for plugin in plugins {
            fs::write(folder.path().join("plugins").join(format!("{plugin}.wasm")), component(plugin)).unwrap();
        }
        let host = RulesHost::open(options(folder.path(), &[])).unwrap();
        Self { folder, host }
    }

    /// The same folders under a host that starts anew.
    pub fn restarted(self) -> Self {
        let host = RulesHost::open(options(self.folder.path(), &[])).unwrap();
        Self { folder: self.folder, host }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn path(&self, plugin: &str) -> PathBuf {
        self.folder.path().join("plugins").join(format!("{plugin}.wasm"))
    }

    /// Puts bytes in a plugin's place, by a rename.
    pub fn put(&self, plugin: &str, bytes: &[u8]) {
        let unfinished = self.folder.path().join("unfinished");
        fs::write(&unfinished, bytes).unwrap();
        fs::rename(unfinished, self.path(plugin)).unwrap();
    }

    pub fn remove(&self, plugin: &str) {
        fs::remove_file(self.path(plugin)).unwrap();
    }

    pub fn bind(&self, bindings: &[Binding]) -> Arc<Chain> {
        self.host.bind("lab", bindings).unwrap()
    }

    pub fn bind_error(&self, bindings: &[Binding]) -> String {
        self.host.bind("lab", bindings).unwrap_err().to_string()
    }

    pub fn state(&self, plugin: &str) -> PluginState {
        self.status(plugin).state
    }

    pub fn status(&self, plugin: &str) -> PluginStatus {
        self.host.settle();
        let status = self.host.status().into_iter().find(|status| status.name == plugin);
        status.unwrap_or_else(|| panic!("{plugin} has no status"))
    }
}

pub fn options(folder: &Path, embedded: &'static [(&'static str, &'static [u8])]) -> RulesOptions {
    let limits = Limits {
        call_time: Duration::from_millis(300),
        entry_time: Duration::from_millis(1),
        output_octets: 4 << 20,
        faults_per_cycle: 5,
        ..Limits::default()
    };
    RulesOptions {
        plugins_folder: folder.join("plugins"),
        data_folder: folder.join("data"),
        limits: limits.into(),
        updates: Updates::default(),
        embedded,
    }
}

/// The bytes of a plugin that `cargo xtask plugins --tests` built, such as `people` or `guest`.
pub fn component(name: &str) -> Vec<u8> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let path = match name {
        "guest" => target.join("plugins-test/provisor-test-guest.wasm"),
        "sort-name" | "sort-name-in-javascript" | "asking-in-c" | "asking-in-javascript" => {
            target.join(format!("plugins-test/{name}.wasm"))
        }
        "std-guest" => target.join("plugins-test/std-guest.wasm"),
        _ => target.join(format!("plugins/{name}.wasm")),
    };
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask plugins --tests` first", path.display()))
}

pub fn binding(plugin: &str, config: Json) -> Binding {
    Binding { plugin: plugin.to_owned(), config, on_fault: OnFault::Hold }
}

pub fn guest(config: Json) -> Binding {
    binding("guest", config)
}

pub fn entry(object_class: &str, dn: &str, attributes: &[(&str, &[&str])]) -> Entry {
    let values = |values: &[&str]| values.iter().map(|value| Value::Text((*value).to_owned())).collect();
    let attributes: Attributes = attributes.iter().map(|(name, texts)| (*name, values(texts))).collect();
    let source_id = SourceId::new(IdSyntax::Text, dn.as_bytes().get(..60.min(dn.len())).unwrap()).unwrap();
    Entry {
        anchor: source_id.clone().into(),
        source_id,
        dn: dn.parse().unwrap(),
        object_class: object_class.to_owned(),
        attributes,
    }
}

pub fn user(uid: &str) -> Entry {
    entry("user", &format!("uid={uid},dc=lab"), &[("uid", &[uid])])
}

pub fn evaluate(chain: &Arc<Chain>, entries: &[Entry]) -> Vec<Evaluation> {
    let entries: Vec<&Entry> = entries.iter().collect();
    chain.start_cycle(0, false).evaluate(&entries).unwrap()
}

/// The user name of the resource that an entry became; none where it became none.
pub fn user_name(evaluation: &Evaluation) -> Option<String> {
    let Outcome::Provision(draft) = &evaluation.outcome else { return None };
    let attribute = draft.attributes.get(&"userName".parse().unwrap())?;
    match &attribute.value {
        DraftValue::Plain(plain) => Some(plain.to_string()),
        other => panic!("a user name is text, not {other:?}"),
    }
}

/// The code and words of why an entry is held; none where it is not.
pub fn held(evaluation: &Evaluation) -> Option<(&str, &str)> {
    match &evaluation.outcome {
        Outcome::Held { reason, .. } => Some((&reason.code, &reason.detail)),
        _ => None,
    }
}

pub fn no_config() -> Json {
    json!({})
}

/// Lays a folder as Kubernetes lays a volume: files are links through `..data`, which is a link to a folder of the day.
pub fn lay_as_kubernetes(volume: &Path, day: &str, files: &[(&str, Vec<u8>)]) {
    fs::create_dir(volume.join(day)).unwrap();
    for (name, bytes) in files {
        fs::write(volume.join(day).join(name), bytes).unwrap();
    }
    symlink(day, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    for (name, _) in files {
        // Links that are there already stay.
        let _ = symlink(Path::new("..data").join(name), volume.join(name));
    }
}

/// The generation that wrote this attribute.
pub fn generation(evaluation: &Evaluation, attribute: &str) -> usize {
    let Outcome::Provision(draft) = &evaluation.outcome else { panic!("{evaluation:?}") };
    let attribute = draft.attributes.get(&attribute.parse().unwrap()).unwrap();
    let DraftValue::Plain(text) = &attribute.value else { panic!("{draft:?}") };
    text.to_string().strip_prefix("generation-").unwrap().parse().unwrap()
}

/// The memory of this process that is in use, in octets.
pub fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// The handles that this process holds.
pub fn handles() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}
