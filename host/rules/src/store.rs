//! What a store holds beside the instance: how much of everything it has taken, and what it said.

use std::collections::VecDeque;

use wasmtime::ResourceLimiter;

use crate::bindings::{log, types};
use crate::engine::{MEMORIES, TABLES};
use crate::fault::{TooMuch, shorten, told};
use crate::options::Limits;
use crate::wasi::Output;

/// The longest log line, in octets.
const LINE_OCTETS: usize = 1024;
/// The most octets of error output that are told with a fault.
const SAID_OCTETS: usize = 500;

/// What a store holds beside the instance.
pub(crate) struct State {
    limits: Limits,
    memory: usize,
    elements: usize,
    lines: VecDeque<Line>,
    octets: usize,
    dropped: usize,
    /// What was written to standard output and standard error, up to its line's end.
    pub(crate) output: [Output; 2],
}

/// A log line of a plugin.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: log::Level,
    /// The place in the batch that it is about.
    pub(crate) item: Option<u32>,
    pub(crate) message: String,
    /// Whether it came from standard error, where panics are told.
    from_stderr: bool,
}

impl State {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            memory: 0,
            elements: 0,
            lines: VecDeque::new(),
            octets: 0,
            dropped: 0,
            output: Default::default(),
        }
    }

    /// Keeps a line; the last ones are worth most, because they lead up to a trap.
    pub(crate) fn say(&mut self, level: log::Level, item: Option<u32>, message: String, from_stderr: bool) {
        let message = told(message, LINE_OCTETS);
        self.octets += message.len();
        self.lines.push_back(Line { level, item, message, from_stderr });
        while self.lines.len() > self.limits.log_lines || self.octets > self.limits.log_octets {
            let Some(line) = self.lines.pop_front() else { break };
            self.octets = self.octets.saturating_sub(line.message.len());
            self.dropped += 1;
        }
    }

    /// The log lines since the last time, and how many were dropped.
    pub(crate) fn take_lines(&mut self) -> (VecDeque<Line>, usize) {
        self.octets = 0;
        (std::mem::take(&mut self.lines), std::mem::take(&mut self.dropped))
    }

    /// What the plugin complained of last: the message of a panic does not cross by itself.
    pub(crate) fn last_error(&self) -> Option<String> {
        let logged = self.lines.iter().rev().find(|line| matches!(line.level, log::Level::Error));
        if let Some(line) = logged {
            return Some(line.message.clone());
        }
        let written = self.lines.iter().filter(|line| line.from_stderr).map(|line| line.message.as_str());
        let mut said = written.collect::<Vec<_>>().join(" ");
        shorten(&mut said, SAID_OCTETS);
        Some(said).filter(|said| !said.is_empty())
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        // All memories of the store together.
        let total = self.memory.saturating_sub(current).saturating_add(desired);
        if total > self.limits.memory {
            return Err(TooMuch::Memory(self.limits.memory >> 20).into());
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.elements.saturating_sub(current).saturating_add(desired);
        if total > self.limits.table_elements {
            return Err(TooMuch::Elements(self.limits.table_elements).into());
        }
        self.elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

impl types::Host for State {}

impl log::Host for State {
    fn emit(&mut self, level: log::Level, item: Option<u32>, message: String) {
        self.say(level, item, message, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_by_number_and_by_octets_and_the_others_counted() {
        let mut state = State::new(&Limits { log_lines: 3, log_octets: 10, ..Limits::default() });
        for line in ["one", "two", "three", "four", "five"] {
            state.say(log::Level::Info, None, line.to_owned(), false);
        }
        let (lines, dropped) = state.take_lines();
        assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["four", "five"]);
        assert_eq!(dropped, 3);
        assert_eq!(state.take_lines().1, 0);
    }

    #[test]
    fn a_component_that_makes_handles_without_end_is_stopped() {
        let hoard = r#"(component
            (type $thing (resource (rep i32)))
            (core func $new (canon resource.new $thing))
            (core module $m
                (import "" "new" (func $new (param i32) (result i32)))
                (func $hoard (loop $again (drop (call $new (i32.const 1))) (br $again)))
                (start $hoard))
            (core instance (instantiate $m (with "" (instance (export "new" (func $new)))))))"#;
        let engine = wasmtime::Engine::default();
        let component = wasmtime::component::Component::new(&engine, wat::parse_str(hoard).unwrap()).unwrap();
        let mut store = wasmtime::Store::new(&engine, State::new(&Limits::default()));
        store.set_max_component_handles(100);
        let started = wasmtime::component::Linker::new(&engine).instantiate(&mut store, &component);
        let fault = crate::fault::Fault::from_engine(&started.err().unwrap(), None);
        assert_eq!(fault.detail(), "it holds more handles than it may have");
    }

    #[test]
    fn a_line_cannot_reach_the_terminal_it_is_shown_on() {
        let mut state = State::new(&Limits::default());
        state.say(log::Level::Info, None, "red: \u{1b}[31m, two\nlines".to_owned(), false);
        assert_eq!(state.take_lines().0[0].message, "red: \u{fffd}[31m, two lines");
    }
}
