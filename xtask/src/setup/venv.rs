//! The SCIM servers and testers that others wrote, and a C compiler for guests, from PyPI, in a venv below target.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::progress::say;
use crate::{process, workspace};

const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// A program of the venv.
pub fn program(name: &str) -> PathBuf {
    workspace::target("test-servers").join("venv/bin").join(name)
}

/// Makes the venv with the pinned packages, unless it is there with just these.
pub fn ensure() -> Result<()> {
    let folder = workspace::target("test-servers").join("venv");
    let requirements = workspace::root().join("xtask/requirements.txt");
    let wanted =
        fs::read_to_string(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    // A copy of the pins, written last: a venv without it was never finished, another one was made for other pins.
    let installed = folder.join("requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    say("    installing SCIM servers and a C compiler for guests from PyPI");
    make(&folder)?;
    let mut pip = Command::new(program("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"]);
    process::quietly(pip.arg(&requirements), INSTALL_LIMIT)
        .with_context(|| format!("cannot install {} from PyPI", requirements.display()))?;
    check()?;
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))
}

fn make(folder: &Path) -> Result<()> {
    let mut python = Command::new("python3");
    python.args(["-m", "venv", "--clear"]).arg(folder);
    process::quietly(&mut python, INSTALL_LIMIT).context("cannot make a Python venv").map(drop)
}

/// Starts each program once: pins that do not fit together or this Python show here, not in the middle of a test.
fn check() -> Result<()> {
    ["scim2-server", "scim2"]
        .iter()
        .try_for_each(|name| process::quietly(Command::new(program(name)).arg("--help"), INSTALL_LIMIT).map(drop))
}
