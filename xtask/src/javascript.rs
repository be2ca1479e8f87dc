//! Guests in JavaScript: an engine and the source in one component, by a tool from npm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::setup::npm;
use crate::{process, workspace};

/// How long making one component may take.
const COMPILE_LIMIT: Duration = Duration::from_secs(300);

/// The source of a plugin in this folder; none where it holds no JavaScript.
pub fn source(folder: &Path) -> Option<PathBuf> {
    Some(folder.join("rule.js")).filter(|file| file.is_file())
}

/// Makes a component of a source.
pub fn componentize(source: &Path, world: &str) -> Result<Vec<u8>> {
    let tools = npm::ensure(&workspace::root().join("xtask/javascript"), "javascript")?;
    let output = tempfile::NamedTempFile::with_suffix(".wasm").context("cannot make a file")?;
    let mut tool = Command::new(tools.join("node_modules/.bin/componentize-qjs"));
    // Without --sync it would speak the asynchronous interface, which the host does not have.
    tool.args(["--sync", "--world", world, "--wit"]).arg(workspace::root().join("wit/draft"));
    process::quietly(tool.arg("--js").arg(source).arg("--output").arg(output.path()), COMPILE_LIMIT)?;
    fs::read(output.path()).with_context(|| format!("cannot read {}", output.path().display()))
}
