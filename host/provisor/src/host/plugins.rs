//! The plugins folder: a changed plugin is taken up by every configuration at rest, at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provisor_rules::{Binding, RulesHost};
use provisor_sync::CycleWatch;
use tokio::sync::mpsc;

use super::registry::Registry;
use super::{Event, Shared};
use crate::operation::{Answer, PluginLine, Request, plugin_lines};

/// How long the watching thread waits for an event before it looks whether the host stops.
const WAIT: Duration = Duration::from_millis(500);

/// How often the folder is scanned although no event has come: events may be lost, and some file systems have none.
const RESCAN: Duration = Duration::from_secs(10);

/// How many differences of an update are told in full.
const SHOWN: usize = 3;

/// The largest plugin that is previewed, in octets; the load gate refuses larger ones.
const MAX_OCTETS: u64 = 64 * 1024 * 1024;

/// Watches the folder until the host stops.
pub fn start(shared: Arc<Shared>, registry: Arc<Registry>, preview_updates: bool) {
    let mut moved = watch(&shared);
    tokio::spawn(async move {
        let mut contents = preview_updates.then(|| Contents::read(&shared.settings.plugins_folder));
        let mut told = plugin_lines(&shared.rules);
        loop {
            tokio::select! {
                () = shared.stopped() => return,
                Some(()) = moved.recv() => {}
                () = tokio::time::sleep(RESCAN) => {}
            }
            if let Some(contents) = &mut contents {
                let updated = contents.update();
                preview(&shared, &registry, updated).await;
            }
            let rules = Arc::clone(&shared.rules);
            let bound: Vec<_> = registry.runners().iter().map(|runner| runner.bindings()).collect();
            match tokio::task::spawn_blocking(move || scan(&rules, &bound)).await {
                Ok((moved, plugins)) => {
                    // Cycles and commands bind too: what is told goes by what was told last, whoever changed it.
                    let is_news = |plugin: &&PluginLine| !told.iter().any(|known| stands_alike(known, plugin));
                    let changed: Vec<PluginLine> = plugins.iter().filter(is_news).cloned().collect();
                    changed.iter().for_each(log);
                    told = plugins;
                    if moved || !changed.is_empty() {
                        shared.tell(Event::PluginsChanged(changed));
                    }
                    if moved {
                        registry.runners().iter().for_each(|runner| runner.rules_changed());
                    }
                }
                Err(error) => tracing::error!(%error, "the plugins folder could not be scanned"),
            }
        }
    });
}

/// Looks at the folder; whether its plugins have changed, and how all stand then. Whether a configuration may use what is
/// new, binding it tells.
fn scan(rules: &RulesHost, bound: &[(String, Vec<Binding>)]) -> (bool, Vec<PluginLine>) {
    let moved = rules.scan();
    for (configuration, bindings) in bound.iter().filter(|_| moved) {
        if let Err(error) = rules.bind(configuration, bindings) {
            tracing::error!(configuration, %error, "The changed plugins cannot be used.");
        }
    }
    (moved, plugin_lines(rules))
}

/// Whether there is nothing new to be told of a plugin: that a configuration begins to use it is none.
fn stands_alike(one: &PluginLine, other: &PluginLine) -> bool {
    let usable = |plugin: &PluginLine| matches!(plugin.state.as_str(), "active" | "discovered");
    let same_state = one.state == other.state || (usable(one) && usable(other));
    same_state && (&one.name, &one.hash, &one.reason) == (&other.name, &other.hash, &other.reason)
}

fn log(plugin: &PluginLine) {
    let PluginLine { name, state, .. } = plugin;
    match &plugin.reason {
        Some(reason) => {
            let instead = if plugin.active.is_some() { ". The last good one stays in force" } else { "" };
            tracing::error!(plugin = name, "{state}: {reason}{instead}");
        }
        None => {
            tracing::info!(plugin = name, version = plugin.version, hash = plugin.hash, state, "the plugin has changed")
        }
    }
}

/// A thread that waits for events of the folder; none come where it cannot be watched, and the rescan has to do.
fn watch(shared: &Arc<Shared>) -> mpsc::Receiver<()> {
    let (moved, receiver) = mpsc::channel(1);
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let host = Arc::clone(shared);
    tokio::spawn(async move {
        host.stopped().await;
        stopping.store(true, Ordering::Relaxed);
    });
    let rules = Arc::clone(&shared.rules);
    let thread = std::thread::Builder::new().name("plugins-folder".into());
    let started = thread.spawn(move || {
        let mut folder = match rules.watch() {
            Ok(folder) => folder,
            Err(error) => {
                return tracing::warn!("{error}. The folder is looked at every {} s instead", RESCAN.as_secs());
            }
        };
        while !stop.load(Ordering::Relaxed) {
            // A full channel holds the wish to scan already.
            if folder.changed(WAIT) && matches!(moved.try_send(()), Err(mpsc::error::TrySendError::Closed(()))) {
                return;
            }
        }
    });
    if let Err(error) = started {
        tracing::warn!(%error, "the plugins folder is not watched; it is looked at every {} s instead", RESCAN.as_secs());
    }
    receiver
}

/// Works out what each updated plugin would change in each configuration that uses it.
async fn preview(shared: &Shared, registry: &Registry, updated: Vec<(String, Vec<u8>)>) {
    for (plugin, octets) in updated {
        let component = STANDARD.encode(octets);
        for runner in registry.runners().into_iter().filter(|runner| runner.uses(&plugin)) {
            let name = runner.state().name;
            let request =
                Request::PreviewPlugin { name, plugin: plugin.clone(), component: component.clone(), first: SHOWN };
            match runner.perform(request, &CycleWatch::new()).await {
                Ok(Answer::PluginPreview(preview)) => shared.tell(Event::Update(preview)),
                Ok(_) => {}
                Err(failure) => {
                    let configuration = runner.state().name;
                    shared.tell(Event::Failed { configuration, error: failure.to_string() });
                }
            }
        }
    }
}

/// The plugin files as they were when they were last looked at.
struct Contents {
    folder: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

impl Contents {
    fn read(folder: &Path) -> Self {
        let mut contents = Self { folder: folder.to_owned(), files: BTreeMap::new() };
        contents.update();
        contents
    }

    /// The files whose content is not as it was, by name.
    fn update(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut updated = Vec::new();
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return updated };
        for file in entries.flatten().map(|entry| entry.path()) {
            let name = crate::configurations::name(&file);
            let small = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_OCTETS);
            if !small || name.starts_with('.') || file.extension().is_none_or(|extension| extension != "wasm") {
                continue;
            }
            let Ok(octets) = std::fs::read(&file) else { continue };
            if self.files.get(&name) != Some(&octets) {
                self.files.insert(name.clone(), octets.clone());
                updated.push((name, octets));
            }
        }
        updated
    }
}
