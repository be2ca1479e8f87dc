//! `cargo xtask test` and `cargo xtask soak`: everything that a test needs, then cargo's own test runner.

use std::process::Command;

use anyhow::Result;

use crate::progress::Progress;
use crate::{plugins, process, setup, workspace};

/// Sets up, builds and tests. The arguments go to `cargo test`.
pub fn run(progress: &mut Progress, args: &[String]) -> Result<()> {
    prepare(progress)?;
    progress.step("tests", || process::run(workspace::cargo().args(["test", "--workspace"]).args(FEATURES).args(args)))
}

/// Runs the test programs that have a long form in that form, one test at a time. The arguments go to the programs.
pub fn soak(progress: &mut Progress, args: &[String]) -> Result<()> {
    prepare(progress)?;
    progress.step("soak", || {
        let mut cargo = workspace::cargo();
        cargo.env("PROVISOR_SOAK", "1").args([
            "test",
            "--workspace",
            FEATURES[0],
            FEATURES[1],
            "--test",
            "soak",
            "--test",
            "openldap_to_scim",
            "--test",
            "active_directory_to_scim",
            "--test",
            "replacements",
            "--test",
            "fuzz",
            "--",
        ]);
        process::run(cargo.args(["--include-ignored", "--nocapture", "--test-threads=1"]).args(args))
    })
}

/// What is tested and checked besides what is built by default. Every step says the same, so that none compiles what another did.
pub const FEATURES: [&str; 2] = ["--features", "provisor/kerberos"];

/// Brings what tests find rather than build: servers, plugins, and the binary, which carries the plugins.
fn prepare(progress: &mut Progress) -> Result<()> {
    setup::run(progress)?;
    plugins::build_all(progress)?;
    progress.step("build of the binary and the tests", || process::run(&mut build()))
}

/// Binary and tests in one go: apart, cargo would choose other features for each and compile the big dependencies twice.
fn build() -> Command {
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--workspace", "--bins", "--tests"]).args(FEATURES);
    cargo
}
