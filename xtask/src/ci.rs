//! `cargo xtask ci`: what a change must pass, cheapest first, in an order in which no step compiles what another did.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::progress::{Progress, say};
use crate::{plugins, process, test, workspace};

/// The version of cargo-deny that is installed where none is.
const CARGO_DENY: &str = "0.20.2";
const METADATA_LIMIT: Duration = Duration::from_secs(300);
const ADVISORIES_LIMIT: Duration = Duration::from_secs(120);

/// Runs every check; the first that fails ends the run.
pub fn run(progress: &mut Progress) -> Result<()> {
    progress.step("lock file", || {
        process::quietly(&mut cargo(&["metadata", "--locked", "--format-version", "1"]), METADATA_LIMIT).map(drop)
    })?;
    progress.step("format", || process::run(&mut cargo(&["fmt", "--all", "--", "--check", "--files-with-diff"])))?;
    progress.step("licences, sources, bans and advisories", deny)?;
    // The binary's build script takes the plugins up, for lints and docs as for the tests.
    plugins::build_all(progress)?;
    progress.step("lints", || {
        let mut clippy = cargo(&["clippy", "--workspace", "--all-targets", "--locked"]);
        process::run(clippy.args(test::FEATURES).args(["--", "--deny", "warnings"]))
    })?;
    progress.step("docs", || {
        let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
        process::run(doc.args(test::FEATURES).env("RUSTDOCFLAGS", "--deny warnings"))
    })?;
    test::run(progress, &["--locked".to_owned()])
}

/// Cargo with these arguments, in the root of the workspace.
fn cargo(args: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command.args(args);
    command
}

/// Runs cargo-deny, installed first where it is missing.
fn deny() -> Result<()> {
    if process::quietly(&mut cargo(&["deny", "--version"]), METADATA_LIMIT).is_err() {
        say(format_args!("    installing cargo-deny {CARGO_DENY}"));
        process::run(&mut cargo(&["install", "cargo-deny", "--locked", "--version", CARGO_DENY]))?;
    }
    process::run(&mut cargo(&[
        "deny",
        "--all-features",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))?;
    // The advisories live in a repository of their own. Not reaching it is no fault of the change; what it says is.
    match process::quietly(&mut cargo(&["deny", "fetch", "db"]), ADVISORIES_LIMIT) {
        Ok(_) => process::run(&mut cargo(&["deny", "--all-features", "check", "--disable-fetch", "advisories"])),
        Err(error) => {
            say(format_args!("    advisories were NOT checked, their database cannot be had here: {error:#}"));
            Ok(())
        }
    }
}
