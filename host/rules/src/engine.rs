//! The WebAssembly engine: one for each plugin host, synchronous, deterministic, and with a clock that interrupts.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::RulesError;
use crate::options::PluginLimits;

/// How often running calls are looked at.
const TICK: Duration = Duration::from_millis(10);
/// Instances alive at once: worker threads times plugins, with room to spare.
const INSTANCES: u32 = 128;

/// Memories of ended instances that stay as they were laid out for their module, for its next instance: as many as some
/// plugins on all threads have. Each replacement of a plugin leaves its own, up to here; a hundred, which is usual, are
/// 200 MiB.
const WARM: u32 = 32;

/// Memories of one instance of a component.
pub(crate) const MEMORIES: u32 = 4;
/// Tables of one instance of a component.
pub(crate) const TABLES: u32 = 8;

/// An engine and its ticker, which ends with it.
pub(crate) struct Ticking {
    engine: Engine,
    _stop: Sender<()>,
}

impl Ticking {
    /// Starts an engine whose pool has room for what these limits allow.
    pub(crate) fn start(limits: &PluginLimits) -> Result<Self, RulesError> {
        // Where address space is short, instances are allocated one by one.
        let engine = Engine::new(&configuration(limits, true))
            .or_else(|_| Engine::new(&configuration(limits, false)))
            .map_err(|error| RulesError::Engine(format!("{error:#}")))?;
        let (stop, stopped) = mpsc::channel::<()>();
        let weak = engine.weak();
        let ticker = move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = weak.upgrade() else { break };
                engine.increment_epoch();
            }
        };
        thread::Builder::new()
            .name("rules-ticker".to_owned())
            .spawn(ticker)
            .map_err(|error| RulesError::Engine(format!("no thread for its clock: {error}")))?;
        Ok(Self { engine, _stop: stop })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// How many ticks a call may take, in this time.
pub(crate) fn ticks(time: Duration) -> u64 {
    // The tick that runs already is not a whole one.
    u64::try_from(time.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u64::MAX / 2).saturating_add(1)
}

fn configuration(limits: &PluginLimits, pooled: bool) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        // The same answer on every machine: results are cached, replayed and compared.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        // For the engine's own code between the parts of a composed component; a plugin's own modules have one memory each,
        // which the gate sees to.
        .wasm_multi_memory(true)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    if pooled {
        let mut pool = PoolingAllocationConfig::new();
        // A component has its module and up to two small ones that connect it.
        pool.total_component_instances(INSTANCES)
            .total_core_instances(INSTANCES * 8)
            .total_memories(INSTANCES * 2)
            .total_tables(INSTANCES * 4)
            .max_memory_size(limits.most_memory())
            .max_memories_per_component(MEMORIES)
            .max_memories_per_module(MEMORIES)
            .max_tables_per_module(TABLES)
            .max_tables_per_component(TABLES)
            .max_core_instances_per_component(64)
            .table_elements(limits.most_elements())
            .max_component_instance_size(4 << 20)
            .max_core_instance_size(4 << 20)
            .linear_memory_keep_resident(2 << 20)
            .max_unused_warm_slots(WARM);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::component::Component;

    /// Two components, each with a memory of its own, and a text that passes from one to the other: what toolchains make
    /// that put a language's runtime and a rule together.
    const COMPOSED: &str = r#"(component
        (component $runtime
            (core module $m
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8))
                (func (export "told") (param i32 i32)))
            (core instance $i (instantiate $m))
            (func (export "told") (param "text" string)
                (canon lift (core func $i "told") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
        (component $rule
            (import "told" (func $told (param "text" string)))
            (core module $memory (memory (export "memory") 1))
            (core instance $own (instantiate $memory))
            (core func $lowered (canon lower (func $told) (memory (core memory $own "memory"))))
            (core module $m
                (import "" "told" (func $told (param i32 i32)))
                (func (export "tell") (call $told (i32.const 0) (i32.const 5))))
            (core instance $i (instantiate $m (with "" (instance (export "told" (func $lowered))))))
            (func (export "tell") (canon lift (core func $i "tell"))))
        (instance $below (instantiate $runtime))
        (instance $above (instantiate $rule (with "told" (func $below "told"))))
        (export "tell" (func $above "tell")))"#;

    #[test]
    fn a_component_that_is_composed_of_several_compiles_and_runs() {
        let engine = Engine::new(&configuration(&PluginLimits::default(), false)).unwrap();
        let component = Component::new(&engine, wat::parse_str(COMPOSED).unwrap()).unwrap();
        let mut store = wasmtime::Store::new(&engine, ());
        store.set_epoch_deadline(ticks(Duration::from_secs(60)));
        let instance = wasmtime::component::Linker::new(&engine).instantiate(&mut store, &component).unwrap();
        let tell = instance.get_typed_func::<(), ()>(&mut store, "tell").unwrap();
        tell.call(&mut store, ()).unwrap();
    }
}
