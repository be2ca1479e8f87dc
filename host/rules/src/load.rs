//! The load gate: from the bytes of a file to a compiled component that has said what it is.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value as Json;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use crate::bindings::{VERSION, filter, lifecycle, mapping};
use crate::contract::Contracts;
use crate::hash::Hash;
use crate::instance::{Indices, Instance, State, linker};
use crate::options::Limits;
use crate::surface::{self, PluginKind};

/// The largest manifest, in octets of its schema.
const MAX_SCHEMA: usize = 1 << 20;
/// The most errors of a configuration that are told at once.
const MAX_ERRORS: usize = 10;

/// A component that passed the gate as far as it can be judged without a configuration.
pub(crate) struct Loaded {
    pub(crate) hash: Hash,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) version: String,
    pub(crate) kinds: Vec<PluginKind>,
    pub(crate) imports: Vec<String>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) schema: Json,
    validator: jsonschema::Validator,
    pre: InstancePre<State>,
    indices: Indices,
    faults: AtomicU64,
}

/// A component with a configuration, and what it asks for under it: a generation.
pub(crate) struct Configured {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) document: String,
    pub(crate) contracts: Contracts,
    /// What it says that it does so.
    pub(crate) summary: Option<String>,
}

impl Loaded {
    /// Validates, compiles and describes a component.
    ///
    /// # Errors
    /// A sentence for the operator: what is wrong and what to do.
    pub(crate) fn new(engine: &Engine, bytes: Arc<[u8]>, limits: &Limits) -> Result<Self, String> {
        let surface = surface::read(&bytes)?;
        let compiled =
            Component::new(engine, &bytes).map_err(|error| format!("it does not compile: {}", error.root_cause()));
        let component = compiled?;
        let unlinked = |error: wasmtime::Error| {
            format!("it does not fit version {VERSION} of the rules interface: {}", error.root_cause())
        };
        let pre = linker(engine).and_then(|linker| linker.instantiate_pre(&component)).map_err(unlinked)?;
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
        let mut trial = Instance::new(engine, &pre, &indices, limits)
            .map_err(|fault| format!("it does not start: {}", fault.detail()))?;
        let manifest = trial.describe().map_err(|fault| format!("it does not describe itself: {}", fault.detail()))?;
        let (schema, validator) = read_schema(&manifest.configuration_schema)?;
        if manifest.version.is_empty() || manifest.version.len() > 128 {
            return Err("its manifest names no version, or one that is too long".to_owned());
        }
        Ok(Self {
            hash: Hash::of(&bytes),
            bytes,
            version: manifest.version,
            kinds: surface.kinds,
            imports: surface.imports,
            annotations: manifest.annotations,
            schema,
            validator,
            pre,
            indices,
            faults: AtomicU64::new(0),
        })
    }

    /// Counts a fault, for the status.
    pub(crate) fn count_fault(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Checks a configuration against the plugin's own schema: every wrong key with its place.
    fn check(&self, config: &Json) -> Result<(), String> {
        let mut told = String::new();
        let errors: Vec<_> = self.validator.iter_errors(config).collect();
        for error in errors.iter().take(MAX_ERRORS) {
            let place = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
            let place = if place.is_empty() { "config".to_owned() } else { format!("config.{place}") };
            let _ = write!(told, "{}{place}: {error}", if told.is_empty() { "" } else { "; " });
        }
        match errors.len() {
            0 => Ok(()),
            count if count > MAX_ERRORS => {
                Err(format!("its configuration is wrong: {told}; and {} more", count - MAX_ERRORS))
            }
            _ => Err(format!("its configuration is wrong: {told}")),
        }
    }
}

impl Configured {
    /// Configures a component and asks what it reads and writes then.
    ///
    /// # Errors
    /// A sentence for the operator: what is wrong and what to do.
    pub(crate) fn new(engine: &Engine, loaded: &Arc<Loaded>, config: &Json, limits: &Limits) -> Result<Self, String> {
        let config = if config.is_null() { &Json::Object(serde_json::Map::new()) } else { config };
        loaded.check(config)?;
        let document = config.to_string();
        let mut instance =
            Instance::new(engine, &loaded.pre, &loaded.indices, limits).map_err(|fault| fault.detail().to_owned())?;
        let configured =
            instance.configure(&document).map_err(|fault| format!("configuring it failed: {}", fault.detail()))?;
        configured.map_err(|error| format!("it refuses its configuration: {error}"))?;
        let contracts = instance.contracts().map_err(|fault| fault.detail().to_owned())?;
        if contracts.filter.is_none() && contracts.mapping.is_none() {
            return Err("under this configuration it neither filters nor maps: take it out of the rules".to_owned());
        }
        let summary = instance.summary();
        let summary = summary.map_err(|fault| format!("asking what it does failed: {}", fault.detail()))?;
        Ok(Self { loaded: Arc::clone(loaded), document, contracts, summary })
    }

    /// A fresh instance, configured.
    pub(crate) fn instance(&self, engine: &Engine, limits: &Limits) -> Result<Instance, crate::fault::Fault> {
        let mut instance = Instance::new(engine, &self.loaded.pre, &self.loaded.indices, limits)?;
        match instance.configure(&self.document)? {
            Ok(()) => Ok(instance),
            Err(error) => {
                let detail = format!("it refuses the configuration that it took before: {error}");
                Err(crate::fault::Fault::new(crate::fault::FaultKind::Refused, detail))
            }
        }
    }
}

fn read_schema(schema: &str) -> Result<(Json, jsonschema::Validator), String> {
    if schema.len() > MAX_SCHEMA {
        return Err("the schema of its configuration is too long".to_owned());
    }
    let wrong = |error: String| format!("the schema of its configuration is wrong: {error}");
    let schema: Json = serde_json::from_str(schema).map_err(|error| wrong(error.to_string()))?;
    let validator = jsonschema::validator_for(&schema).map_err(|error| wrong(error.to_string()))?;
    Ok((schema, validator))
}
