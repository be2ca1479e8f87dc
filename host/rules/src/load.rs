//! The load gate: from the bytes of a file to a compiled component that has said what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value as Json;
use wasmtime::component::{Component, InstancePre};

use crate::bindings::types::Manifest;
use crate::bindings::{VERSION, filter, lifecycle, mapping};
use crate::compile::{Compiler, NotCompiled};
use crate::contract::Contracts;
use crate::engine::{MEMORIES, TABLES, Ticking};
use crate::fault::{Fault, FaultKind, is_legible, told};
use crate::hash::Hash;
use crate::instance::{Indices, Instance, linker};
use crate::options::Limits;
use crate::probe::Probe;
use crate::schema::Schema;
use crate::store::State;
use crate::surface::{self, PluginKind, Surface};
use crate::usage::Usage;
use crate::{cases, trial};

/// The longest reason, in octets.
const MAX_REASON: usize = 8192;
/// The most annotations of a manifest.
const MAX_NOTES: usize = 64;

/// A component that passed the gate as far as it can be judged without a configuration.
pub(crate) struct Loaded {
    pub(crate) hash: Hash,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) version: String,
    pub(crate) kinds: Vec<PluginKind>,
    pub(crate) imports: Vec<String>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) schema: Schema,
    /// How many test cases of its own it passed.
    pub(crate) cases: usize,
    pre: InstancePre<State>,
    indices: Indices,
    faults: AtomicU64,
    pub(crate) usage: Usage,
}

/// A component with a configuration, and what it asks for under it: a generation.
pub(crate) struct Configured {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) document: String,
    pub(crate) contracts: Contracts,
    /// What it says that it does so.
    pub(crate) summary: Option<String>,
    pub(crate) limits: Limits,
}

impl Loaded {
    /// Validates, compiles and describes a component, and asks it about the test cases that it carries.
    ///
    /// # Errors
    /// A sentence for the operator: what is wrong and what to do.
    pub(crate) fn pass(
        compiler: &Compiler,
        hash: Hash,
        bytes: Arc<[u8]>,
        limits: &Limits,
    ) -> Result<Arc<Self>, NotCompiled> {
        let surface = surface::read(&bytes, limits)?;
        let cases = cases::read(&bytes)?;
        let mut loaded = Self::new(compiler, hash, bytes, surface, limits)?;
        loaded.cases = cases.len();
        let loaded = Arc::new(loaded);
        trial::run(compiler.ticking(), &loaded, limits, &cases)?;
        Ok(loaded)
    }

    fn new(
        compiler: &Compiler,
        hash: Hash,
        bytes: Arc<[u8]>,
        surface: Surface,
        limits: &Limits,
    ) -> Result<Self, NotCompiled> {
        let component = compiler.component(hash, &bytes, limits.compile_time)?;
        let engine = compiler.ticking().engine();
        check_resources(&component)?;
        let unlinked = |error: wasmtime::Error| {
            format!("it does not fit version {VERSION} of the rules interface: {}", error.root_cause())
        };
        let pre = linker(engine, &component).and_then(|linker| linker.instantiate_pre(&component)).map_err(unlinked)?;
        let indices = Indices {
            lifecycle: lifecycle::GuestIndices::new(&pre).map_err(unlinked)?,
            filter: surface
                .kinds
                .contains(&PluginKind::Filter)
                .then(|| filter::GuestIndices::new(&pre))
                .transpose()
                .map_err(unlinked)?,
            mapping: surface
                .kinds
                .contains(&PluginKind::Mapping)
                .then(|| mapping::GuestIndices::new(&pre))
                .transpose()
                .map_err(unlinked)?,
        };
        let mut trial = compiler
            .ticking()
            .with_room(|| Instance::new(compiler.ticking(), &pre, &indices, limits))
            .map_err(|fault| format!("it does not start: {}", fault.detail()))?;
        let manifest = trial.describe().map_err(|fault| format!("it does not describe itself: {}", fault.detail()))?;
        check_manifest(&manifest)?;
        let schema = Schema::read(&manifest.configuration_schema)?;
        Ok(Self {
            hash,
            bytes,
            version: manifest.version,
            kinds: surface.kinds,
            imports: surface.imports,
            annotations: manifest.annotations,
            schema,
            cases: 0,
            pre,
            indices,
            faults: AtomicU64::new(0),
            usage: Usage::default(),
        })
    }

    /// Counts a fault, for the status.
    pub(crate) fn count_fault(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }
}

impl Configured {
    /// Configures a component and asks what it reads and writes then.
    ///
    /// # Errors
    /// A sentence for the operator: what is wrong and what to do.
    pub(crate) fn new(ticking: &Ticking, loaded: &Arc<Loaded>, config: &Json, limits: &Limits) -> Result<Self, String> {
        // What is wrong is told in the plugin's own words, in part.
        Self::configure(ticking, loaded, config, limits).map_err(|reason| told(reason, MAX_REASON))
    }

    fn configure(ticking: &Ticking, loaded: &Arc<Loaded>, config: &Json, limits: &Limits) -> Result<Self, String> {
        let config = if config.is_null() { &Json::Object(serde_json::Map::new()) } else { config };
        loaded.schema.check(config)?;
        let document = config.to_string();
        let mut instance = ticking
            .with_room(|| Instance::new(ticking, &loaded.pre, &loaded.indices, limits))
            .map_err(|fault| fault.detail().to_owned())?;
        let configured =
            instance.configure(&document).map_err(|fault| format!("configuring it failed: {}", fault.detail()))?;
        configured.map_err(|error| format!("it refuses its configuration: {error}"))?;
        let contracts = instance.contracts().map_err(|fault| fault.detail().to_owned())?;
        if contracts.filter.is_none() && contracts.mapping.is_none() {
            return Err("under this configuration it neither filters nor maps: take it out of the rules".to_owned());
        }
        let summary = instance.summary();
        let summary = summary.map_err(|fault| format!("asking what it does failed: {}", fault.detail()))?;
        // Nobody waits for room while others may wait for what they hold.
        drop(instance);
        let configured = Self { loaded: Arc::clone(loaded), document, contracts, summary, limits: *limits };
        let Contracts { filter, mapping } = &configured.contracts;
        let probe = Probe { filter: filter.as_ref(), mapping: mapping.as_ref() };
        probe.run(|| configured.instance(ticking))?;
        Ok(configured)
    }

    /// A fresh instance, configured, as soon as there is room for it.
    pub(crate) fn instance(&self, ticking: &Ticking) -> Result<Instance, Fault> {
        ticking.with_room(|| self.instance_now(ticking))
    }

    /// A fresh instance, configured, if there is room for it.
    pub(crate) fn instance_now(&self, ticking: &Ticking) -> Result<Instance, Fault> {
        let mut instance = Instance::new(ticking, &self.loaded.pre, &self.loaded.indices, &self.limits)?;
        match instance.configure(&self.document)? {
            Ok(()) => Ok(instance),
            Err(error) => {
                let detail = format!("it refuses the configuration that it took before: {error}");
                Err(Fault::new(FaultKind::Refused, detail))
            }
        }
    }
}

/// Whether the engine has room for what the component says it needs.
fn check_resources(component: &Component) -> Result<(), String> {
    let Some(needed) = component.resources_required() else {
        return Err("it instantiates modules that it imports, which rules cannot: compose it whole".to_owned());
    };
    if needed.num_memories > MEMORIES || needed.num_tables > TABLES {
        return Err(format!(
            "it has {} memories and {} tables, and {MEMORIES} and {TABLES} are allowed: make it of fewer modules",
            needed.num_memories, needed.num_tables
        ));
    }
    Ok(())
}

/// Whether a person can be shown what the plugin says of itself.
fn check_manifest(manifest: &Manifest) -> Result<(), String> {
    let too_long = |text: &String, most: usize| text.len() > most;
    if manifest.version.is_empty() || too_long(&manifest.version, 128) || too_long(&manifest.name, 128) {
        return Err("its manifest names no version, or a name or version of more than 128 octets".to_owned());
    }
    let notes = &manifest.annotations;
    if notes.len() > MAX_NOTES || notes.iter().any(|(name, note)| too_long(name, 128) || too_long(note, 4096)) {
        return Err(format!("its manifest has more than {MAX_NOTES} annotations, or one of more than 4096 octets"));
    }
    let texts = notes.iter().flat_map(|(name, note)| [name, note]).chain([&manifest.name, &manifest.version]);
    if let Some(odd) = texts.into_iter().flat_map(|text| text.chars()).find(|one| !is_legible(*one) && *one != '\n') {
        return Err(format!("its manifest has the control character {}: take it out", odd.escape_unicode()));
    }
    Ok(())
}
