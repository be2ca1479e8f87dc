//! Where things are: the root of the workspace, the folders below target, and the cargo that started this chore.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The root of the workspace. It was compiled in: xtask is always run from the checkout that it was built in.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// A folder below target. It is the workspace's own even where CARGO_TARGET_DIR points elsewhere: the binary's build
/// script and the tests look for plugins and servers there.
pub fn target(name: &str) -> PathBuf {
    root().join("target").join(name)
}

/// The cargo that runs this chore, so that what it starts uses the same toolchain.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root());
    command
}

/// What `cargo metadata` says of the workspace that a manifest belongs to, without its dependencies.
pub fn metadata(manifest: &Path) -> Result<Value> {
    let mut command = cargo();
    command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
    let text = process::quietly(&mut command, Duration::from_secs(120))?;
    serde_json::from_str(&text).context("cannot read the answer of cargo metadata")
}
