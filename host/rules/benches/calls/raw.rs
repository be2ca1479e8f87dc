//! The call alone, in the interface's shape and in a typed one, under settings of the engine that vary.

use std::path::Path;

use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

/// The interface as it is.
#[allow(missing_docs, dead_code, clippy::all, unused_qualifications, reason = "generated code")]
pub mod flat {
    wasmtime::component::bindgen!({ world: "mapping-plugin", path: "../../wit/draft" });
}

/// The interface as it would be with records.
#[allow(missing_docs, dead_code, clippy::all, unused_qualifications, reason = "generated code")]
pub mod typed {
    wasmtime::component::bindgen!({ world: "typed", path: "benches/typed/wit" });
}

/// The guest that measurements use unless they say otherwise.
const RULE: &str = "provisor-bench-rule";

/// The bytes of a component that `cargo xtask bench --calls` built.
pub fn component(name: &str) -> Vec<u8> {
    find(name).unwrap_or_else(|| panic!("{name} is not built: run `cargo xtask plugins --tests` first"))
}

/// The same, where it is built.
pub fn find(name: &str) -> Option<Vec<u8>> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let folders = ["plugins-test", "plugins-bench", "plugins"];
    folders.iter().find_map(|folder| std::fs::read(target.join(folder).join(format!("{name}.wasm"))).ok())
}

/// The settings of an engine.
#[derive(Clone, Copy)]
pub struct Settings {
    pub epochs: bool,
    pub pooled: bool,
    /// What stays resident of a pooled memory, in octets.
    pub resident: usize,
    /// The most that a call may take of the stack, in octets.
    pub stack: usize,
}

impl Default for Settings {
    /// The host's own.
    fn default() -> Self {
        Self { epochs: true, pooled: true, resident: 2 << 20, stack: 512 << 10 }
    }
}

/// What is compared: a name, a guest, the settings, and how many calls a store serves.
pub fn settings() -> Vec<(&'static str, &'static str, Settings, u32)> {
    let host = Settings::default();
    let kept = u32::MAX;
    vec![
        ("as in the host", RULE, host, 256),
        ("without epochs", RULE, Settings { epochs: false, ..host }, 256),
        ("instances on demand", RULE, Settings { pooled: false, ..host }, 256),
        ("wasm stack 64 KiB", RULE, Settings { stack: 64 << 10, ..host }, 256),
        ("wasm stack 1 MiB", RULE, Settings { stack: 1 << 20, ..host }, 256),
        ("one store for all", RULE, host, kept),
        ("store for 16 calls", RULE, host, 16),
        ("store for each call", RULE, host, 1),
        ("store for each call, on demand", RULE, Settings { pooled: false, ..host }, 1),
        ("store for each call, 0 resident", RULE, Settings { resident: 0, ..host }, 1),
        ("store for each call, 64 KiB resident", RULE, Settings { resident: 64 << 10, ..host }, 1),
        ("store for each call, guest stack 64 KiB", "rule-small-stack", host, 1),
        ("guest stack 64 KiB", "rule-small-stack", host, 256),
        ("guest opt-level s", "rule-small", host, 256),
        ("guest opt-level 3", "rule-o3", host, 256),
        ("guest without LTO", "rule-no-lto", host, 256),
        ("guest opt-level 3, without epochs", "rule-o3", Settings { epochs: false, ..host }, kept),
    ]
}

/// A component compiled under some settings.
pub struct Raw {
    engine: Engine,
    pre: InstancePre<State>,
}

/// What a store holds beside the instance: nothing, and a log that nobody reads.
pub struct State;

impl flat::provisor::rules::types::Host for State {}

impl flat::provisor::rules::log::Host for State {
    fn emit(&mut self, _level: flat::provisor::rules::log::Level, _item: Option<u32>, _message: String) {}
}

impl Raw {
    pub fn new(component: &[u8], settings: &Settings) -> Self {
        let mut config = Config::new();
        config.epoch_interruption(settings.epochs).max_wasm_stack(settings.stack);
        config.cranelift_nan_canonicalization(true).wasm_relaxed_simd(false);
        config.wasm_memory64(false).wasm_multi_memory(false);
        if settings.pooled {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_component_instances(8).total_core_instances(64).total_memories(16).total_tables(32);
            pool.max_memory_size(64 << 20).linear_memory_keep_resident(settings.resident);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        let engine = Engine::new(&config).unwrap();
        let component = Component::new(&engine, component).unwrap();
        let mut linker = Linker::new(&engine);
        flat::MappingPlugin::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state).unwrap();
        let pre = linker.instantiate_pre(&component).unwrap();
        Self { engine, pre }
    }

    fn store(&self) -> Store<State> {
        let mut store = Store::new(&self.engine, State);
        store.set_epoch_deadline(1 << 40);
        store
    }
}

/// A configured instance of the rule in the interface's shape.
pub struct Flat(Option<(Store<State>, flat::MappingPlugin)>);

impl Flat {
    pub fn new(raw: &Raw, attributes: usize) -> Self {
        let mut flat = Self(None);
        flat.renew(raw, attributes);
        flat
    }

    /// Throws the store away and starts another.
    pub fn renew(&mut self, raw: &Raw, attributes: usize) {
        self.0 = None;
        let mut store = raw.store();
        let plugin = flat::MappingPluginPre::new(raw.pre.clone()).unwrap().instantiate(&mut store).unwrap();
        let document = format!(r#"{{"attributes":{attributes}}}"#);
        plugin.provisor_rules_lifecycle().call_configure(&mut store, &document).unwrap().unwrap();
        self.0 = Some((store, plugin));
    }

    pub fn call(&mut self, values: &flat::provisor::rules::types::Values) -> Vec<FlatAnswer> {
        let (store, plugin) = self.0.as_mut().unwrap();
        let built = flat::provisor::rules::types::Values { count: values.count, spans: Vec::new(), octets: Vec::new() };
        store.set_epoch_deadline(1 << 40);
        // The host makes its batch anew for each call too.
        let batch = flat::exports::provisor::rules::mapping::Batch { entries: values.clone(), built };
        plugin.provisor_rules_mapping().call_transform(store, None, &batch).unwrap().unwrap()
    }
}

type FlatAnswer = flat::exports::provisor::rules::mapping::Answer;

/// A configured instance of the rule over records.
pub struct Typed {
    store: Store<State>,
    plugin: typed::Typed,
}

impl Typed {
    pub fn new(raw: &Raw, attributes: usize) -> Self {
        let mut store = raw.store();
        let plugin = typed::TypedPre::new(raw.pre.clone()).unwrap().instantiate(&mut store).unwrap();
        plugin.provisor_typed_mapping().call_configure(&mut store, attributes as u32).unwrap();
        Self { store, plugin }
    }

    pub fn call(
        &mut self,
        entries: &[typed::exports::provisor::typed::mapping::Entry],
    ) -> Vec<typed::exports::provisor::typed::mapping::Answer> {
        self.store.set_epoch_deadline(1 << 40);
        self.plugin.provisor_typed_mapping().call_transform(&mut self.store, entries).unwrap().unwrap()
    }
}
