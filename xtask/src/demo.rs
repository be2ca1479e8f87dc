//! `cargo xtask demo`: the plugins, then the program itself in this process's place, so that Ctrl-C is its own.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::progress::Progress;
use crate::{plugins, process, workspace};

/// Builds and becomes `provisor demo`. Returns only with an error.
pub fn run(progress: &mut Progress, once: bool, args: &[String]) -> Result<()> {
    plugins::build_first_party(progress)?;
    // The whole workspace, as the tests do: for a package alone cargo would choose other features, and compile the big
    // dependencies once more.
    progress
        .step("build of the program", || process::run(workspace::cargo().args(["build", "--workspace", "--bins"])))?;
    let metadata = provisor_plugin_build::metadata(&workspace::root().join("Cargo.toml"))?;
    let target = metadata["target_directory"].as_str().context("cargo does not say where its target folder is")?;
    let program = Path::new(target).join("debug/provisor");
    let mut provisor = Command::new(&program);
    provisor.arg("demo").args(once.then_some("--once")).args(args);
    Err(provisor.exec()).with_context(|| format!("cannot start {}", program.display()))
}
