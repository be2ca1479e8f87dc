//! Makes WebAssembly components of rules plugins: the compiler for guests, the crate as a module, the module as a component.
//!
//! `cargo xtask plugins` and the harness for plugin authors both build by this, so that what is tested is what is deployed.
//! An error is a sentence for the person at the keyboard: what failed, what it said, what to do.

mod cases;
mod component;
mod crates;
mod debian;
pub mod process;
mod rustup;
mod toolchain;

pub use anyhow::Error;
pub use cases::{cases, with_cases};
pub use component::{componentize, replace_if_changed};
pub use crates::{PluginCrate, Variant};
pub use rustup::ensure_target;
pub use toolchain::{Place, Toolchain};

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// How long cargo may take to describe a workspace.
const METADATA_LIMIT: Duration = Duration::from_secs(120);

/// Whether what a program writes is shown as it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To the terminal.
    Shown,
    /// Kept for the error.
    Quiet,
}

/// The cargo that runs this program, or else the one in PATH, so that what it starts uses the same toolchain.
pub fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(folder);
    command
}

/// What `cargo metadata` says of the workspace that a manifest belongs to, without its dependencies.
///
/// # Errors
/// When there is no such manifest, or it is wrong.
pub fn metadata(manifest: &Path) -> Result<Value> {
    let mut command = cargo(manifest.parent().unwrap_or(manifest));
    command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
    let text = process::quietly(&mut command, METADATA_LIMIT)?;
    serde_json::from_str(&text).context("cannot read the answer of cargo metadata")
}
