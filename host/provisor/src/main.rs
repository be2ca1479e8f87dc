//! The `provisor` command: command line and wiring, nothing else.

mod cli;
mod commands;
mod configurations;
mod data_folder;
mod demo;
mod failure;
mod first_party;
mod host;
mod logging;
mod operation;
mod output;
mod process;
mod socket;
mod user;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::Output;

/// Entries are many small pieces that one thread makes and another drops, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global.json);
    match process::harden().and_then(|()| run(cli, output)) {
        Ok(status) => status.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.status().into()
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<failure::Status, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let status = runtime.block_on(commands::run(cli, output));
    // What still runs was asked to stop and had its time; waiting for more would hang on a blocked thread.
    runtime.shutdown_background();
    status
}
