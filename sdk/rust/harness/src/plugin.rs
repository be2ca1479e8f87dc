//! The component under test, in a host of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use provisor_plugin_build::{Output, PluginCrate, Toolchain};
use provisor_rules::{Inspection, RulesHost, RulesOptions};
use serde_json::Value as Json;

use crate::{HarnessError, Rule};

/// A plugin's component, which passed the gate. Tests of one process share it: a clone is the same.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) host: RulesHost,
    folder: tempfile::TempDir,
    /// How many names of its own the harness has given away.
    names: AtomicUsize,
}

/// What was built in this process, by the folder of the crate. Tests run side by side, and building takes a while.
static BUILT: Mutex<BTreeMap<PathBuf, Built>> = Mutex::new(BTreeMap::new());

struct Built {
    component: Vec<u8>,
    /// Not kept alive from here, because what is never dropped would leave its folder behind.
    shared: Weak<Inner>,
}

impl Plugin {
    /// Builds the crate that the running test belongs to, as `cargo xtask plugins` does, and passes it through the gate.
    /// The wasm target is installed where it is missing.
    ///
    /// # Errors
    /// When the crate does not compile for the target, or the gate refuses the component; outside of `cargo test`, which
    /// says which crate it is.
    pub fn build() -> Result<Self, HarnessError> {
        let folder = std::env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| {
            let reason =
                "CARGO_MANIFEST_DIR is not set: run the test by cargo, or name the crate with Plugin::build_in";
            HarnessError::Build(reason.to_owned())
        })?;
        Self::build_in(folder)
    }

    /// The same for the crate in this folder.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_in(folder: impl AsRef<Path>) -> Result<Self, HarnessError> {
        let wrong = |error: provisor_plugin_build::Error| HarnessError::Build(format!("{error:#}"));
        let folder = folder.as_ref();
        let folder = fs::canonicalize(folder).map_err(|source| failed("read", folder, source))?;
        // Held over the building: who asks for the same crate meanwhile waits for it.
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = built.get(&folder).and_then(|built| built.shared.upgrade()) {
            return Ok(Self(shared));
        }
        let plugin = PluginCrate::read(&folder).map_err(wrong)?;
        let component = match built.remove(&folder) {
            Some(known) => known.component,
            None => {
                let toolchain = Toolchain::find(plugin.place(), &|_| {}).map_err(wrong)?;
                plugin.component(&toolchain, Output::Quiet).map_err(wrong)?
            }
        };
        let opened = Self::open(plugin.name(), &component)?;
        built.insert(folder, Built { component, shared: Arc::downgrade(&opened.0) });
        Ok(opened)
    }

    /// Passes a component in a file through the gate, whatever it was made with.
    ///
    /// # Errors
    /// When the file cannot be read or the gate refuses it.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, HarnessError> {
        let file = file.as_ref();
        let component = fs::read(file).map_err(|source| failed("read", file, source))?;
        let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("plugin");
        Self::open(name, &component)
    }

    fn open(name: &str, component: &[u8]) -> Result<Self, HarnessError> {
        let folder = tempfile::tempdir().map_err(|source| failed("make", &std::env::temp_dir(), source))?;
        let options = RulesOptions {
            plugins_folder: folder.path().join("plugins"),
            data_folder: folder.path().join("data"),
            limits: Default::default(),
            updates: Default::default(),
            embedded: &[],
        };
        write(&options.plugins_folder, name, component)?;
        let host = RulesHost::open(options)?;
        host.inspect(name, None)?;
        Ok(Self(Arc::new(Inner { name: name.to_owned(), host, folder, names: AtomicUsize::new(0) })))
    }

    /// The plugin's name: the file name that its component has in a plugins folder, without `.wasm`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What the gate found out of it: manifest, schema of the settings, kinds, size.
    ///
    /// # Errors
    /// When the gate refuses it.
    pub fn inspect(&self) -> Result<Inspection, HarnessError> {
        Ok(self.0.host.inspect(&self.0.name, None)?)
    }

    /// Configures it, as `config` of a rule does.
    ///
    /// # Errors
    /// When the settings do not fit its schema, it refuses them, or its contract is wrong: what the operator would read.
    pub fn configure(&self, config: &Json) -> Result<Rule, HarnessError> {
        Rule::new(self, config)
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Plugin").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl Inner {
    /// A name that nothing else of this host has.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("{}-{what}-{}", self.name, self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Puts another component beside the one under test.
    pub(crate) fn add(&self, name: &str, component: &[u8]) -> Result<(), HarnessError> {
        write(&self.folder.path().join("plugins"), name, component)?;
        self.host.scan();
        Ok(())
    }
}

fn write(folder: &Path, name: &str, component: &[u8]) -> Result<(), HarnessError> {
    let file = folder.join(format!("{name}.wasm"));
    provisor_plugin_build::replace_if_changed(&file, component)
        .map(drop)
        .map_err(|error| HarnessError::Build(format!("{error:#}")))
}

fn failed(action: &'static str, path: &Path, source: std::io::Error) -> HarnessError {
    HarnessError::File { action, path: path.to_owned(), source }
}
