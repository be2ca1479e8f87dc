//! The WebAssembly engine: one for each plugin host, synchronous, deterministic, and with a clock that interrupts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::RulesError;
use crate::fault::Fault;
use crate::options::PluginLimits;

/// How often running calls are looked at.
const TICK: Duration = Duration::from_millis(10);
/// Instances alive at once for each core: those of the rules of some configurations. There is address space for many; who
/// finds no room waits for others.
const INSTANCES_PER_CORE: usize = 16;
/// The fewest and the most instances alive at once.
const INSTANCES: (usize, usize) = (128, 1024);
/// How long an instance is waited for. Those at work let go of theirs after a call, which is bounded.
const ROOM_PATIENCE: Duration = Duration::from_secs(60);

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
    /// How many wait for room for an instance.
    waiting: AtomicUsize,
    /// Told by those who let go of theirs.
    freed: (Mutex<()>, Condvar),
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
        Ok(Self { engine, waiting: AtomicUsize::new(0), freed: Default::default(), _stop: stop })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether somebody waits for room for an instance: who holds one and is not calling it is to let go of it.
    pub(crate) fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Says that there is room again.
    pub(crate) fn tell_of_room(&self) {
        self.freed.1.notify_all();
    }

    /// Makes an instance as soon as there is room for it.
    pub(crate) fn with_room<T>(&self, mut make: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
        let made = make();
        if !made.as_ref().is_err_and(Fault::is_lack_of_room) {
            return made;
        }
        let _waiting = Waiting::among(&self.waiting);
        let until = Instant::now() + ROOM_PATIENCE;
        loop {
            // Instances go in other ways too, of which nobody tells.
            let turn = self.freed.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.freed.1.wait_timeout(turn, TICK));
            let made = make();
            if !made.as_ref().is_err_and(Fault::is_lack_of_room) || Instant::now() >= until {
                return made;
            }
        }
    }
}

/// Somebody who waits for room, counted as long as it is there.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
        let instances = instances(thread::available_parallelism().map_or(1, usize::from));
        // A component has its module and up to two small ones that connect it; one that is composed has more, of which
        // fewer are alive at once.
        pool.total_component_instances(instances)
            .total_core_instances(instances * 8)
            .total_memories(instances * 2)
            .total_tables(instances * 4)
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

/// How many instances may be alive at once on so many cores.
fn instances(cores: usize) -> u32 {
    let (fewest, most) = INSTANCES;
    let instances = cores.saturating_mul(INSTANCES_PER_CORE).clamp(fewest, most);
    u32::try_from(instances).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::component::Component;

    #[test]
    fn there_is_room_for_more_instances_where_there_are_more_cores() {
        assert_eq!([1, 8, 16, 64, 1000].map(instances), [128, 128, 256, 1024, 1024]);
    }

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
