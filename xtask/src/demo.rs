//! `cargo xtask demo`: the plugins, then the program itself in this process's place, so that Ctrl-C is its own.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::progress::Progress;
use crate::{plugins, workspace};

/// Builds and becomes `provisor demo`. Returns only with an error.
pub fn run(progress: &mut Progress, once: bool, args: &[String]) -> Result<()> {
    plugins::build_all(progress)?;
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--package", "provisor", "--bin", "provisor", "--", "demo"]);
    cargo.args(once.then_some("--once")).args(args);
    Err(cargo.exec()).context("cannot start cargo")
}
