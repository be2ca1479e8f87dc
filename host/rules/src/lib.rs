//! The host of rules plugins: engine, load gate, generations, chain and hot reload.
//!
//! An entry's way: [`RulesHost::bind`] makes a [`Chain`] of a configuration's plugins, [`Chain::start_cycle`] an
//! [`Evaluator`], and [`Evaluator::evaluate`] says what becomes of entries.

mod answer;
mod approve;
mod artefact;
mod bindings;
mod cases;
mod chain;
mod circuit;
mod compile;
mod compiled;
mod contract;
mod cycle_log;
mod decode;
mod encode;
mod engine;
mod error;
mod evaluate;
mod evaluation;
mod extent;
mod fault;
mod folder;
mod gate;
mod grants;
mod hash;
mod host;
mod instance;
mod load;
mod lock;
mod meet;
mod options;
mod permit;
mod probe;
mod proof;
mod recall;
mod request;
mod running;
mod schema;
mod state;
mod status;
mod store;
mod surface;
mod trial;
mod usage;
mod wasi;
mod watch;
mod work;

pub use approve::Approval;
pub use chain::{Chain, PluginRef};
pub use contract::{ContractRead, ContractWrite, Contracts, FilterContract, MappingContract, Shape};
pub use error::RulesError;
pub use evaluate::Evaluator;
pub use evaluation::{ChainStopped, Decision, Evaluation, Outcome, Step};
pub use host::{Candidate, RulesHost};
pub use options::{Binding, Limits, OnFault, PluginLimits, RulesOptions, Updates};
pub use proof::Proof;
pub use status::{Inspection, PluginState, PluginStatus, PluginSummary};
pub use surface::PluginKind;
pub use usage::PluginUsage;
pub use watch::FolderWatch;
