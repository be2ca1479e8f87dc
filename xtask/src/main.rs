//! `cargo xtask`: sets up a fresh machine, builds the plugins, and runs the demo, the tests and the checks.

mod bench;
mod c;
mod ci;
mod demo;
mod javascript;
mod new_plugin;
mod plugins;
mod progress;
mod setup;
mod std_guest;
mod test;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use provisor_plugin_build::process;

use crate::progress::{Progress, say};

/// Chores of the Provisor workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the rules plugins under plugins/ to WebAssembly components in target/plugins.
    ///
    /// The wasm target comes from rustup, or from Debian's packages where its download site cannot be reached;
    /// PROVISOR_GUEST_TOOLCHAIN=rustup|debian forces one.
    Plugins {
        /// Build besides those what only tests load.
        #[arg(long, conflicts_with = "paths")]
        tests: bool,
        /// Build the plugin crate, the C sources or the rule.js in this folder instead (it may be given several times).
        #[arg(long = "path", value_name = "FOLDER")]
        paths: Vec<PathBuf>,
        /// Put those components into this folder instead of target/plugins.
        #[arg(long, value_name = "FOLDER", requires = "paths")]
        into: Option<PathBuf>,
        /// The world of the interface that C sources or a rule.js are of, such as mapping-plugin.
        #[arg(long, value_name = "NAME", requires = "paths")]
        world: Option<String>,
        /// Link C sources with the C library of WASI.
        #[arg(long, requires = "paths")]
        c_library: bool,
    },
    /// Begin a plugin of one's own: a crate that builds, with its tests, in a new folder.
    NewPlugin {
        /// The folder to make, such as ../cost-center; the plugin is named like it.
        folder: PathBuf,
    },
    /// Put test cases into a component that another tool made, so that every host asks them before it uses the plugin.
    AddCases {
        /// The component, which is replaced.
        component: PathBuf,
        /// The folder that has the cases in its folder `cases`.
        folder: PathBuf,
    },
    /// Install what the tests need: slapd, the LDAP programs, openssl, and SCIM servers from PyPI and npm below target.
    Setup,
    /// Set up, build the plugins and the binary, and run every test.
    Test {
        /// Arguments for `cargo test`; those for the test programs themselves after another `--`.
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Build the plugins and run `provisor demo`.
    Demo {
        /// Run to completion, print the summary and exit.
        #[arg(long)]
        once: bool,
        /// Further arguments for `provisor demo`.
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Run the tests that take long: many objects, many kills, many hours.
    Soak {
        /// Arguments for the test program.
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Measure what previews, exports and cycles cost, beside what bare tools take for the same.
    Bench {
        /// A tenth of the size, one run.
        #[arg(long)]
        quick: bool,
        /// Ten times the size, one run: a million people.
        #[arg(long, conflicts_with = "quick")]
        million: bool,
        /// Only this: preview, export or cycles (it may be given several times).
        #[arg(long, value_name = "NAME")]
        only: Vec<String>,
        /// Print a document in place of the table.
        #[arg(long)]
        json: bool,
        /// How often each is measured.
        #[arg(long, value_name = "NUMBER")]
        runs: Option<usize>,
        /// Measure instead what an entry costs on its way through a plugin, by size, batch, shape and settings.
        #[arg(long, conflicts_with_all = ["quick", "million", "only", "json", "runs"])]
        calls: bool,
        /// Arguments for that measurement: a part of a name to measure only that, or `--preview`.
        #[arg(last = true, value_name = "ARGS", requires = "calls")]
        args: Vec<String>,
    },
    /// Run all that a change must pass: lock file, format, licences and advisories, lints, docs, tests.
    Ci,
}

fn main() -> ExitCode {
    let mut progress = Progress::start();
    let outcome = match Cli::parse().command {
        Command::Plugins { tests: true, .. } => plugins::build_all(&mut progress),
        Command::Plugins { paths, .. } if paths.is_empty() => plugins::build_first_party(&mut progress),
        Command::Plugins { paths, into, world, c_library, .. } => {
            let library = if c_library { c::Library::Wasi } else { c::Library::None };
            plugins::build_paths(&mut progress, &paths, into.as_deref(), world.as_deref(), library)
        }
        Command::NewPlugin { folder } => new_plugin::run(&folder),
        Command::AddCases { component, folder } => plugins::add_cases(&component, &folder),
        Command::Setup => setup::run(&mut progress),
        Command::Test { args } => test::run(&mut progress, &args),
        Command::Demo { once, args } => demo::run(&mut progress, once, &args),
        Command::Soak { args } => test::soak(&mut progress, &args),
        Command::Bench { calls: true, args, .. } => bench::calls(&mut progress, &args),
        Command::Bench { quick, million, only, json, runs, .. } => {
            bench::run(&mut progress, &bench::arguments(quick, million, &only, json, runs))
        }
        Command::Ci => ci::run(&mut progress),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
