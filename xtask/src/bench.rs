//! `cargo xtask bench`: what cycles, previews and exports cost, beside what bare tools take for the same; and what a call of a
//! plugin costs.

use anyhow::Result;

use crate::progress::Progress;
use crate::{plugins, process, setup, workspace};

/// The program that measures, the binary that it measures, and what both are built with. Always together: apart, cargo
/// would choose other features for each and compile the big dependencies twice.
const BUILD: &[&str] = &["build", "--workspace", "--profile", "bench", "--bins", "--bench", "cost"];

/// Sets up, builds with optimisation, and measures. The arguments go to the program that measures.
pub fn run(progress: &mut Progress, args: &[String]) -> Result<()> {
    setup::run(progress)?;
    plugins::build_all(progress)?;
    progress.step("optimised build", || process::run(workspace::cargo().args(BUILD)))?;
    progress.step("measuring", || {
        process::run(workspace::cargo().args(["bench", "--workspace", "--bench", "cost", "--"]).args(args))
    })
}

/// Builds the guests and measures what a call of a plugin costs. The arguments go to the program that measures.
pub fn calls(progress: &mut Progress, args: &[String]) -> Result<()> {
    plugins::build_all(progress)?;
    plugins::build_variants(progress)?;
    progress.step("measuring", || {
        process::run(workspace::cargo().args(["bench", "--workspace", "--bench", "calls", "--"]).args(args))
    })
}

/// The arguments of the program that measures.
pub fn arguments(quick: bool, million: bool, only: &[String], json: bool, runs: Option<usize>) -> Vec<String> {
    let switches = [("--quick", quick), ("--million", million), ("--json", json)];
    let mut arguments: Vec<String> =
        switches.iter().filter(|(_, on)| *on).map(|(name, _)| (*name).to_owned()).collect();
    for name in only {
        arguments.extend(["--only".to_owned(), name.clone()]);
    }
    if let Some(runs) = runs {
        arguments.extend(["--runs".to_owned(), runs.to_string()]);
    }
    arguments
}
