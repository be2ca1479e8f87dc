//! A live instance of a component in a store of its own: memory, time, output and log lines are limited in it.

use std::collections::VecDeque;

use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Engine, Store};

use crate::bindings::{self, filter, lifecycle, mapping, types};
use crate::contract::{Contracts, FilterContract, MappingContract};
use crate::engine::{Ticking, ticks};
use crate::fault::{Fault, FaultKind, told};
use crate::options::Limits;
use crate::store::{Line, State};
use crate::wasi;

/// The longest summary of what a plugin does, in octets.
const SUMMARY_OCTETS: usize = 2048;
/// Entries that an answer for a person, such as a manifest, is reckoned as.
const ONE_CALL: usize = 1;

/// The interfaces of a component, looked up once.
pub(crate) struct Indices {
    pub(crate) lifecycle: lifecycle::GuestIndices,
    pub(crate) filter: Option<filter::GuestIndices>,
    pub(crate) mapping: Option<mapping::GuestIndices>,
}

/// An instance in its store. After a fault it must not be used again.
pub(crate) struct Instance {
    store: Store<State>,
    lifecycle: lifecycle::Guest,
    filter: Option<filter::Guest>,
    mapping: Option<mapping::Guest>,
    limits: Limits,
}

impl Instance {
    /// Makes an instance and loads all interfaces it has, so that a wrong type is found now.
    pub(crate) fn new(
        ticking: &Ticking,
        pre: &InstancePre<State>,
        indices: &Indices,
        limits: &Limits,
    ) -> Result<Self, Fault> {
        let mut store = Store::new(ticking.engine(), State::new(limits));
        store.limiter(|state| state);
        store.set_hostcall_fuel(limits.output_octets);
        store.set_max_component_handles(limits.handles);
        arm(&mut store, limits, ONE_CALL);
        let started = pre.instantiate(&mut store).and_then(|instance| {
            Ok((
                indices.lifecycle.load(&mut store, &instance)?,
                indices.filter.as_ref().map(|filter| filter.load(&mut store, &instance)).transpose()?,
                indices.mapping.as_ref().map(|mapping| mapping.load(&mut store, &instance)).transpose()?,
            ))
        });
        match started {
            Ok((lifecycle, filter, mapping)) => Ok(Self { store, lifecycle, filter, mapping, limits: *limits }),
            Err(error) => Err(fault(&error, &mut store)),
        }
    }

    /// What the plugin says of itself.
    pub(crate) fn describe(&mut self) -> Result<types::Manifest, Fault> {
        self.arm(ONE_CALL);
        let described = self.lifecycle.call_describe(&mut self.store);
        self.outcome(described)
    }

    /// Gives the plugin its configuration; the inner error is the plugin's own.
    pub(crate) fn configure(&mut self, document: &str) -> Result<Result<(), String>, Fault> {
        self.arm(ONE_CALL);
        let configured = self.lifecycle.call_configure(&mut self.store, document);
        self.outcome(configured)
    }

    /// What the configured plugin says that it does, as one line of bounded length.
    pub(crate) fn summary(&mut self) -> Result<Option<String>, Fault> {
        self.arm(ONE_CALL);
        let summary = self.lifecycle.call_summary(&mut self.store);
        let line = |summary: String| told(summary, SUMMARY_OCTETS).trim().to_owned();
        Ok(self.outcome(summary)?.map(line).filter(|line| !line.is_empty()))
    }

    /// Asks for the contract of every kind; a wrong contract is a fault.
    pub(crate) fn contracts(&mut self) -> Result<Contracts, Fault> {
        let wrong = |error: String| Fault::new(FaultKind::Contract, error);
        let mut contracts = Contracts { filter: None, mapping: None };
        self.arm(ONE_CALL);
        if let Some(filter) = &self.filter {
            let described = filter.call_describe_contract(&mut self.store);
            contracts.filter = self.outcome(described)?.map(FilterContract::try_from).transpose().map_err(wrong)?;
        }
        if let Some(mapping) = &self.mapping {
            let described = mapping.call_describe_contract(&mut self.store);
            contracts.mapping = self.outcome(described)?.map(MappingContract::try_from).transpose().map_err(wrong)?;
        }
        Ok(contracts)
    }

    /// Asks the filter about a batch.
    pub(crate) fn decide(&mut self, time: Option<i64>, entries: &types::Values) -> Result<Vec<filter::Answer>, Fault> {
        self.arm(entries.count as usize);
        let Some(filter) = &self.filter else { return Err(no_such_kind("filter")) };
        let answers = filter.call_decide(&mut self.store, time, entries);
        self.answers(answers, entries.count)
    }

    /// Has the mapping transform a batch.
    pub(crate) fn transform(
        &mut self,
        time: Option<i64>,
        batch: &mapping::Batch,
    ) -> Result<Vec<mapping::Answer>, Fault> {
        self.arm(batch.entries.count as usize);
        let Some(mapping) = &self.mapping else { return Err(no_such_kind("mapping")) };
        let answers = mapping.call_transform(&mut self.store, time, batch);
        self.answers(answers, batch.entries.count)
    }

    /// The log lines since the last time, and how many were dropped.
    pub(crate) fn take_lines(&mut self) -> (VecDeque<Line>, usize) {
        let state = self.store.data_mut();
        state.end_lines();
        state.take_lines()
    }

    fn arm(&mut self, entries: usize) {
        arm(&mut self.store, &self.limits, entries);
    }

    fn outcome<T>(&mut self, outcome: wasmtime::Result<T>) -> Result<T, Fault> {
        outcome.map_err(|error| fault(&error, &mut self.store))
    }

    fn answers<T>(
        &mut self,
        answers: wasmtime::Result<Result<Vec<T>, String>>,
        expected: u32,
    ) -> Result<Vec<T>, Fault> {
        let answers = self.outcome(answers)?;
        let answers =
            answers.map_err(|error| Fault::new(FaultKind::Refused, format!("it answered with an error: {error}")))?;
        if answers.len() != expected as usize {
            let detail = format!("it gave {} answers for {expected} entries", answers.len());
            return Err(Fault::new(FaultKind::Contract, detail));
        }
        Ok(answers)
    }
}

/// Sets how long the next call may take.
fn arm(store: &mut Store<State>, limits: &Limits, entries: usize) {
    let entries = u32::try_from(entries).unwrap_or(u32::MAX);
    let time = limits.call_time.saturating_add(limits.entry_time.saturating_mul(entries));
    store.set_epoch_deadline(ticks(time));
}

/// What went wrong, with what the plugin said last.
fn fault(error: &wasmtime::Error, store: &mut Store<State>) -> Fault {
    store.data_mut().end_lines();
    Fault::from_engine(error, store.data().last_error().as_deref())
}

fn no_such_kind(kind: &str) -> Fault {
    Fault::new(FaultKind::Contract, format!("it is no {kind}"))
}

/// What a host offers to a component: our interfaces, and what it imports of WASI.
pub(crate) fn linker(engine: &Engine, component: &Component) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    bindings::FilterAndMappingPlugin::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    wasi::define(&mut linker, engine, component)?;
    Ok(linker)
}
