//! Rules plugins under `cargo test` as they will run: the real component, through the host's own gate and within its limits.
//!
//! [`provisor_sdk::testing`] runs a rule natively, which is quick and good for a debugger. This crate builds the component
//! of the crate under test, passes it through the gate that a host has, and asks it by the same words: entries by name,
//! answers by path. It is a dependency for development alone:
//!
//! ```toml
//! [dev-dependencies]
//! provisor-harness = "0.1"
//! ```
//!
//! ```no_run
//! use provisor_harness::Plugin;
//! use provisor_sdk::testing::Entry;
//! use serde_json::json;
//!
//! // In a test below tests/ or src/: the component of the crate that the test belongs to.
//! let plugin = Plugin::build()?;
//! let rule = plugin.configure(&json!({ "domain": "example.com" }))?;
//! let answer = rule.map(&Entry::new("user").with("uid", "ada"));
//! assert_eq!(answer.set("userName"), Some(&json!("ada@example.com")));
//!
//! // What an operator would read of settings that do not fit.
//! let error = plugin.configure(&json!({ "domian": "example.com" })).unwrap_err();
//! assert!(error.to_string().contains("domian"));
//! # Ok::<(), provisor_harness::HarnessError>(())
//! ```
//!
//! Every question is asked several times, in other orders and together with those before it: an answer that depends on
//! anything but the entry and the settings fails the test.

mod before;
mod convert;
mod plugin;
mod rule;

pub use plugin::Plugin;
pub use provisor_rules::{ContractRead, ContractWrite, Contracts, FilterContract, Inspection, MappingContract, Shape};
pub use rule::Rule;

use std::io;
use std::path::PathBuf;

use provisor_rules::RulesError;

/// Why a plugin cannot be tested, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// The component cannot be built.
    #[error("the plugin cannot be built: {0}")]
    Build(String),
    /// A file or folder cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The gate refuses the component or its settings, in the words that an operator would read.
    #[error(transparent)]
    Refused(#[from] RulesError),
    /// The entry could not be one of a directory.
    #[error("the entry of the test cannot be: {0}")]
    Entry(String),
    /// What stands for the rules before this one cannot be made.
    #[error("what stands for the rules before this one cannot be made: {0}")]
    Before(String),
    /// The host would not call the plugin.
    #[error("the host does not call the plugin: {0}")]
    NotCalled(String),
    /// The plugin failed: what the host would count as its fault.
    #[error("the plugin failed ({code}): {detail}")]
    Fault {
        /// The code that the entry would be held with, such as `plugin-trap`.
        code: String,
        /// What happened.
        detail: String,
    },
    /// The answer depends on more than the entry and the settings.
    #[error(
        "the plugin is not pure: {0}. Keep nothing between calls but the settings, and iterate over sorted collections"
    )]
    Impure(String),
}
