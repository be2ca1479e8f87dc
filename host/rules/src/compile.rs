//! Compiling, bounded: on threads of its own, a few components at a time, each for so long and no longer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use wasmtime::component::Component;

use crate::compiled::Compiled;
use crate::engine::Ticking;
use crate::hash::Hash;

/// Components that are compiled at a time.
const AT_ONCE: usize = 2;
/// Compilations that were given up and still run: they cannot be ended, so no further ones are begun beside so many.
const GIVEN_UP: usize = 2;
/// Threads for one component.
const THREADS: usize = 4;
/// The compiler follows the nesting of what it is given.
const STACK: usize = 8 << 20;

/// Why there is no compiled component.
pub(crate) enum NotCompiled {
    /// The component is at fault: a sentence.
    Refused(String),
    /// Others are: it may be tried again.
    Busy(String),
}

impl From<String> for NotCompiled {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

/// Compiles components, or takes what was compiled before.
pub(crate) struct Compiler {
    ticking: Arc<Ticking>,
    compiled: Compiled,
    room: Room,
    given_up: Arc<AtomicUsize>,
}

/// How many may still begin.
#[derive(Default)]
struct Room {
    running: Mutex<usize>,
    freed: Condvar,
}

impl Compiler {
    pub(crate) fn new(ticking: Arc<Ticking>, compiled: Compiled) -> Self {
        Self { ticking, compiled, room: Room::default(), given_up: Arc::default() }
    }

    /// What the compiled components run on.
    pub(crate) fn ticking(&self) -> &Ticking {
        &self.ticking
    }

    /// The machine code of a component, compiled at most for this long.
    pub(crate) fn component(&self, hash: Hash, bytes: &Arc<[u8]>, time: Duration) -> Result<Component, NotCompiled> {
        if let Some(known) = self.compiled.get(self.ticking.engine(), hash) {
            return Ok(known);
        }
        let _turn = self.room.enter();
        if self.given_up.load(Ordering::Acquire) >= GIVEN_UP {
            return Err(NotCompiled::Busy(
                "it waits: other plugins take too long to compile, and still do. Take those out and start the host anew"
                    .to_owned(),
            ));
        }
        let component = self.compile(bytes, time)?;
        self.compiled.put(hash, &component);
        Ok(component)
    }

    fn compile(&self, bytes: &Arc<[u8]>, time: Duration) -> Result<Component, NotCompiled> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        let started = |error: &dyn std::fmt::Display| NotCompiled::Busy(format!("no thread compiles it: {error}"));
        // Threads of its own: one that takes for ever takes none from the others.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .stack_size(STACK)
            .thread_name(|_| "rules-compiler".to_owned())
            .build()
            .map_err(|error| started(&error))?;
        let (send, receive) = mpsc::sync_channel(0);
        let (engine, bytes, given_up) = (self.ticking.engine().clone(), Arc::clone(bytes), Arc::clone(&self.given_up));
        // Nothing is between the two ends: what is sent is received, or whoever waited has counted it as given up.
        let ended = move |result: wasmtime::Result<Component>| {
            if send.send(result).is_err() {
                given_up.fetch_sub(1, Ordering::AcqRel);
            }
        };
        let work = move || {
            // A panic of the compiler is no reason for the host to end.
            let compiled = pool.install(|| {
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Component::from_binary(&engine, &bytes)))
            });
            ended(compiled.unwrap_or_else(|_| Err(wasmtime::Error::msg("the compiler failed at it"))));
        };
        thread::Builder::new().name("rules-compiler".to_owned()).spawn(work).map_err(|error| started(&error))?;
        let refused = |reason: String| Err(NotCompiled::Refused(reason));
        match receive.recv_timeout(time) {
            Ok(Ok(component)) => Ok(component),
            Ok(Err(error)) => refused(format!("it does not compile: {}", error.root_cause())),
            Err(RecvTimeoutError::Timeout) => {
                // Counted before the channel ends, so that the count is there when it is taken back.
                self.given_up.fetch_add(1, Ordering::AcqRel);
                drop(receive);
                refused(format!(
                    "it takes longer than {} s to compile: make it smaller, or raise compile-time",
                    time.as_secs_f64()
                ))
            }
            Err(RecvTimeoutError::Disconnected) => refused("it does not compile: the compiler failed at it".to_owned()),
        }
    }
}

impl Room {
    /// Waits for room, and takes it until the turn is dropped.
    fn enter(&self) -> Turn<'_> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while *running >= AT_ONCE {
            running = self.freed.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
        *running += 1;
        Turn(self)
    }
}

struct Turn<'r>(&'r Room);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}
